/**
 * One tile of a replay: a picture or the letters that stand for it, and who it is.
 *
 * @module
 */
import { hueOf, icon, make } from "../elements.js";
import { initials } from "../place.js";

/**
 * @typedef {object} ReplayTileView
 * @property {string} key
 * @property {"person" | "screen"} kind
 * @property {string} name
 * @property {HTMLVideoElement | undefined} video while there is a picture
 * @property {boolean} isSpeaking
 * @property {boolean} isMuted
 * @property {boolean} isPinned
 */

/** A tile's element, kept as long as what it stands for. */
export class ReplayTile {
  element;
  #who = make("span", "who");
  #heard = make("span", "visually-hidden");
  #muted = icon("microphone-off");
  #letters = make("span", "");
  #pin;

  /** @param {() => void} onPin */
  constructor(onPin) {
    const avatar = make("div", "avatar", this.#letters);
    avatar.ariaHidden = "true";
    this.#pin = make("button", "tile-menu-button", icon("pin"));
    this.#pin.type = "button";
    this.#pin.addEventListener("click", onPin);
    const label = make("p", "label", this.#muted, this.#who, this.#heard);
    this.element = make("li", "tile", avatar, label, this.#pin);
  }

  /** @param {ReplayTileView} view */
  render({ key, kind, name, video, isSpeaking, isMuted, isPinned }) {
    const { dataset, style } = this.element;
    const title = kind === "screen" ? `Screen of ${name}` : name;
    dataset.key = key;
    dataset.kind = kind;
    dataset.picture = String(video !== undefined);
    dataset.speaking = String(isSpeaking && kind === "person");
    style.setProperty("--hue", hueOf(name));
    const shown = this.element.querySelector("video");
    if (shown !== (video ?? null)) {
      shown?.remove();
      if (video !== undefined) this.element.prepend(video);
    }
    put(this.#letters, initials(name) || "?");
    put(this.#who, title);
    put(this.#heard, isMuted && kind === "person" ? ", microphone off" : "");
    this.#muted.toggleAttribute("hidden", !isMuted || kind === "screen");
    this.#pin.ariaLabel = `Show ${title} large`;
    this.#pin.ariaPressed = String(isPinned);
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
