/**
 * One tile: a picture or the letters that stand for it, who it is, and how they are.
 *
 * @module
 */
import { hueOf, icon, make } from "./elements.js";
import { initials } from "./place.js";

/**
 * @typedef {object} TileView what a tile shows
 * @property {string} key
 * @property {"person" | "screen"} kind
 * @property {boolean} isOwn
 * @property {string} identity
 * @property {string} name
 * @property {import("livekit-client").Track | undefined} video
 * @property {boolean} hasPicture
 * @property {boolean} isSpeaking
 * @property {boolean} isMuted the microphone is off
 * @property {boolean} isPinned
 * @property {boolean} isGone
 * @property {string} state what is the matter, in words; empty if nothing is
 * @property {number} spokeAt ms; 0 if never
 * @property {0 | 1 | 2 | 3} bars how good the connection is; 0 if that is not known
 */

const QUALITY_WORDS = ["", "poor connection", "good connection", "very good connection"];

/** A tile's element, kept as long as what it stands for. */
export class Tile {
  element;
  menuButton;
  #who = make("span", "who");
  #heard = make("span", "visually-hidden");
  #muted = icon("microphone-off");
  #pin = icon("pin");
  #quality = make("span", "quality", make("i", ""), make("i", ""), make("i", ""));
  #letters = make("span", "");
  #state = make("p", "tile-state");
  /** @type {TileView | undefined} */
  #view;
  #frames = 0;

  /** @param {(tile: Tile) => void} onMenu */
  constructor(onMenu) {
    this.#pin.classList.add("pin");
    this.#quality.ariaHidden = "true";
    const avatar = make("div", "avatar", this.#letters);
    avatar.ariaHidden = "true";
    const label = make("p", "label", this.#pin, this.#muted, this.#who, this.#quality, this.#heard);
    this.menuButton = make("button", "tile-menu-button", icon("more"));
    this.menuButton.type = "button";
    this.menuButton.ariaExpanded = "false";
    this.menuButton.addEventListener("click", () => onMenu(this));
    this.element = make("li", "tile", avatar, this.#state, label, this.menuButton);
  }

  get view() {
    return this.#view;
  }

  /** Pictures shown so far; 0 where the browser does not count them. */
  get frames() {
    return this.#frames;
  }

  get player() {
    return this.element.querySelector("video");
  }

  /** @param {TileView} view */
  render(view) {
    const { dataset, style } = this.element;
    dataset.kind = view.kind;
    dataset.own = String(view.isOwn);
    dataset.identity = view.identity;
    dataset.picture = String(view.hasPicture);
    dataset.speaking = String(view.isSpeaking);
    dataset.gone = String(view.isGone);
    dataset.mirrored = String(view.isOwn && view.kind === "person");
    style.setProperty("--hue", hueOf(view.name));
    this.#letters.textContent = initials(view.name) || "?";
    this.#who.textContent = titleOf(view);
    this.#muted.toggleAttribute("hidden", !view.isMuted || view.kind === "screen");
    this.#pin.toggleAttribute("hidden", !view.isPinned);
    this.#quality.hidden = view.bars === 0 || view.kind === "screen";
    this.#quality.dataset.bars = String(view.bars);
    this.#heard.textContent = heardOf(view);
    this.#state.hidden = view.state === "";
    if (this.#state.textContent !== view.state) this.#state.textContent = view.state;
    this.menuButton.hidden = view.isGone;
    this.menuButton.ariaLabel = `More for ${titleOf(view)}`;
    this.#showVideo(view.video);
    this.#view = view;
  }

  /**
   * @param {import("./tile_layout.js").Rect | undefined} rect nothing to hide it
   * @param {boolean} isLarge the picture is shown whole
   */
  place(rect, isLarge) {
    this.element.hidden = rect === undefined;
    this.element.dataset.large = String(isLarge);
    if (rect === undefined) return;
    const { style } = this.element;
    for (const side of ["left", "top", "width", "height"]) style[side] = `${rect[side]}px`;
  }

  /** Ends what it shows and takes it away. */
  remove() {
    this.#showVideo(undefined);
    this.element.remove();
  }

  #showVideo(track) {
    const { player } = this;
    const before = this.#view?.video;
    if (before === track && (player !== null) === (track !== undefined)) return;
    if (player !== null) {
      before?.detach(player);
      player.remove();
    }
    if (track === undefined) return;
    const fresh = track.attach();
    fresh.muted = true;
    fresh.ariaHidden = "true";
    this.element.prepend(fresh);
    this.#count(fresh);
  }

  #count(player) {
    player.requestVideoFrameCallback?.(() => {
      this.#frames++;
      this.#count(player);
    });
  }
}

/** @param {TileView} view @returns {string} */
export function titleOf({ kind, isOwn, name }) {
  if (kind === "person") return isOwn ? `${name} (you)` : name;
  return isOwn ? "Your screen" : `${name}'s screen`;
}

/** What is seen of a tile beside its name, for those who hear it. */
function heardOf(view) {
  if (view.kind === "screen") return view.isPinned ? ", pinned" : "";
  const words = [
    view.isMuted ? "microphone off" : "",
    view.hasPicture ? "" : "camera off",
    view.isSpeaking ? "speaking" : "",
    view.isPinned ? "pinned" : "",
    QUALITY_WORDS[view.bars],
  ];
  return words.filter((word) => word !== "").map((word) => `, ${word}`).join("");
}
