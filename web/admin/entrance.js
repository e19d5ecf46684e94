/**
 * The way in: a password, a token, or, in development, one click.
 *
 * @module
 */
import { element } from "../elements.js";
import { entry, keepToken, signIn } from "./session.js";
import { entranceWords } from "./words.js";

const HINTS = {
  open: "This server runs in development: whoever is at this machine may look.",
  password: "The password is admin.password of the server's configuration.",
  token: "A token with roomAdmin and roomList, and no room.",
};

/** The form of those who are not in. */
export class Entrance {
  #entry;
  /** What is asked for now, which may be a token where there is a password. */
  #way;

  /** @param {() => void} onIn called with a token kept */
  constructor(onIn) {
    this.onIn = onIn;
    element("entrance-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    element("entrance-other").addEventListener("click", () => this.#ask("token"));
  }

  /** @param {string} [problem] why somebody is here again */
  async show(problem = "") {
    // Until it is known what is asked for, nothing can be given.
    element("entrance-button").disabled = true;
    this.#entry = await entry();
    element("entrance-problem").textContent = this.#entry === undefined
      ? entranceWords("token", undefined)
      : problem;
    this.#ask(this.#entry ?? "token");
  }

  #ask(way) {
    this.#way = way;
    element("entrance-button").disabled = false;
    element("entrance-hint").textContent = HINTS[way];
    element("password-row").hidden = way !== "password";
    element("token-row").hidden = way !== "token";
    element("entrance-other").hidden = way === "token";
    const focused = way === "open" ? "entrance-button" : `${way}-field`;
    element(focused).focus();
  }

  async #submit() {
    const field = element(this.#way === "password" ? "password-field" : "token-field");
    const given = this.#way === "open" ? "" : field.value.trim();
    if (this.#way !== "open" && given === "") {
      return this.#refuse(field, `Give the ${this.#way}.`);
    }
    const send = element("entrance-button");
    send.disabled = true;
    const status = this.#way === "token" ? await tokenStatus(given) : await signIn(given);
    send.disabled = false;
    if (status !== 200) return this.#refuse(field, entranceWords(this.#way, status));
    if (this.#way === "token") keepToken(given);
    field.value = "";
    field.removeAttribute("aria-invalid");
    element("entrance-problem").textContent = "";
    this.onIn();
  }

  #refuse(field, words) {
    element("entrance-problem").textContent = words;
    if (this.#way === "open") return;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

/** Whether a token is an operator's: 200, or why not. */
async function tokenStatus(token) {
  try {
    const headers = { "Authorization": `Bearer ${token}` };
    return (await fetch("/admin/api/configuration", { headers })).status;
  } catch {
    return undefined;
  }
}
