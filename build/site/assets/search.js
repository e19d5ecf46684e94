// The search: an index that is fetched once somebody wants it, and asked in the browser.
import { search } from "./search_ranking.js";

const form = document.querySelector("[data-search]");
const input = form.querySelector("input");
const found = document.querySelector("#found");
const count = document.querySelector("#found-count");
const list = found.querySelector("ol");

let index;

function loadIndex() {
  index ??= fetch("assets/search_index.json").then((response) => {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  });
  return index;
}

function item({ page, title, anchor, heading, excerpt }) {
  const link = document.createElement("a");
  link.href = anchor === "" ? page : `${page}#${anchor}`;
  link.textContent = heading === title ? title : `${title}: ${heading}`;
  const text = document.createElement("p");
  text.textContent = excerpt;
  const element = document.createElement("li");
  element.append(link, text);
  return element;
}

async function show() {
  const question = input.value;
  if (question.trim() === "") {
    found.hidden = true;
    return;
  }
  try {
    const results = search(await loadIndex(), question);
    if (question !== input.value) return;
    list.replaceChildren(...results.map(item));
    count.textContent = results.length === 0
      ? `Nothing is found for “${question}”`
      : `${results.length} ${results.length === 1 ? "section" : "sections"} found`;
  } catch {
    index = undefined;
    count.textContent = "The index could not be loaded; try again";
  }
  found.hidden = false;
}

input.addEventListener("focus", () => loadIndex().catch(() => index = undefined));
input.addEventListener("input", show);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  found.querySelector("a")?.click();
});
addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select") !== null;
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    input.focus();
  }
  if (event.key === "Escape" && !found.hidden) {
    input.value = "";
    found.hidden = true;
    input.focus();
  }
});
