// Light or dark as chosen before, set before anything is painted; without a choice the system's.
const KEY = "roomwire-docs-theme";
const root = document.documentElement;

function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be forbidden
  }
}

function current() {
  return root.dataset.theme ??
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

const theme = chosen();
if (theme === "dark" || theme === "light") root.dataset.theme = theme;

addEventListener("DOMContentLoaded", () => {
  const button = document.querySelector("[data-theme-switch]");
  const name = () => button.textContent = current() === "dark" ? "Light" : "Dark";
  name();
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    name();
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // The choice lasts as long as the page then.
    }
  });
  // The list of pages is open where there is room for it beside the text.
  const pages = document.querySelector(".pages");
  const wide = matchMedia("(min-width: 60rem)");
  pages.open = wide.matches;
  wide.addEventListener("change", () => pages.open = wide.matches);
});
