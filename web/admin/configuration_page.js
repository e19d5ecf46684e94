/**
 * The configuration in effect. The server leaves secrets out.
 *
 * @module
 */
import { element } from "../elements.js";
import { configuration } from "./session.js";
import { LiveTable, write } from "./table.js";

/** The page of all keys. */
export class ConfigurationPage {
  #keys = [];
  #table;

  constructor() {
    this.#table = new LiveTable(element("configuration-table"), [
      { title: "Key", text: ({ path }) => path },
      { title: "Value", text: ({ value }) => valueWords(value) },
      { title: "Effect", text: effectWords, isExtra: true },
    ], { caption: "Configuration", keyOf: ({ path }) => path });
    element("only-set").addEventListener("change", () => this.#list());
    element("find-key").addEventListener("input", () => this.#list());
  }

  async show() {
    const found = await configuration();
    this.#keys = found?.keys ?? [];
    const words = found === undefined
      ? "The server does not answer."
      : `Roomwire ${found.version}. Secrets are not shown.`;
    write(element("configuration-hint"), words);
    this.#list();
  }

  #list() {
    const find = element("find-key").value.trim().toLowerCase();
    const onlySet = element("only-set").checked;
    const keys = this.#keys.filter(({ path, isDefault }) =>
      path.toLowerCase().includes(find) && !(onlySet && isDefault)
    );
    this.#table.update(keys);
    element("configuration-nothing").hidden = keys.length > 0 || this.#keys.length === 0;
  }
}

function valueWords(value) {
  if (value === undefined || value === "") return "not set";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function effectWords({ hasEffect, isDefault }) {
  if (!hasEffect) return "none";
  return isDefault ? "as by default" : "yes";
}
