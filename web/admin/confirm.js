/**
 * Asks before something is done that cannot be undone.
 *
 * @module
 */
import { element } from "../elements.js";

/** @type {((answer: string | undefined) => void) | undefined} */
let settle;

/** Makes the dialog work. */
export function prepareConfirmation() {
  const dialog = element("confirmation");
  const field = element("destination-field");
  element("confirmation-cancel").addEventListener("click", () => dialog.close());
  element("confirmation-confirm").addEventListener("click", confirm);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") confirm();
  });
  dialog.addEventListener("close", () => {
    settle?.(undefined);
    settle = undefined;
  });

  function confirm() {
    const isAsked = !element("destination-row").hidden;
    const answer = field.value.trim();
    if (isAsked && answer === "") return field.focus();
    settle?.(answer);
    settle = undefined;
    dialog.close();
  }
}

/**
 * @param {{ title: string, words: string, act: string, asksForRoom?: boolean, isHarmless?: boolean }}
 *   question
 * @returns {Promise<string | undefined>} the room that was named, or an empty text; nothing for no
 */
export function confirmed({ title, words, act, asksForRoom = false, isHarmless = false }) {
  element("confirmation-title").textContent = title;
  element("confirmation-words").textContent = words;
  const button = element("confirmation-confirm");
  button.textContent = act;
  button.classList.toggle("danger", !isHarmless);
  element("destination-row").hidden = !asksForRoom;
  element("destination-field").value = "";
  element("confirmation").showModal();
  (asksForRoom ? element("destination-field") : element("confirmation-cancel")).focus();
  return new Promise((resolve) => settle = resolve);
}
