/**
 * The invitation: a link to the room that holds nobody's token.
 *
 * @module
 */
import { element } from "./elements.js";
import { pathOfRoom } from "./place.js";

/** Makes the dialog work. */
export function prepareInvitation() {
  element("invite-link").addEventListener("focus", ({ target }) => target.select());
  element("invite-copy").addEventListener("click", async () => {
    const field = element("invite-link");
    try {
      await navigator.clipboard.writeText(field.value);
      element("invite-done").textContent = "The link is copied.";
    } catch {
      field.focus();
      element("invite-done").textContent = "Copy the marked link with Ctrl+C or ⌘C.";
    }
  });
}

/**
 * @param {string} room
 * @param {boolean} isEnough whether the server lets in whoever opens the link
 */
export function openInvitation(room, isEnough) {
  element("invite-link").value = new URL(pathOfRoom(room), globalThis.location.href).href;
  element("invite-hint").textContent = isEnough
    ? "Whoever opens this link can join."
    : "Whoever opens this link also needs an access token of their own. Yours is not in it.";
  element("invite-done").textContent = "";
  element("invite").showModal();
}
