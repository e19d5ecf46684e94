/**
 * What can be done with a tile: pin it, show it full screen or in a window of its own, and, for
 * hosts, mute or remove the person.
 *
 * @module
 */
import { button, element } from "./elements.js";
import { tellProblem } from "./notices.js";
import { titleOf } from "./tile.js";

const MARGIN_PX = 8;

/** The one menu of all tiles. */
export class TileMenu {
  #stage;
  #moderation;
  /** @type {import("./tile.js").Tile | undefined} */
  #tile;

  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./moderation.js").Moderation} moderation
   */
  constructor(stage, moderation) {
    this.#stage = stage;
    this.#moderation = moderation;
    element("tile-menu").addEventListener("toggle", ({ newState }) => {
      if (this.#tile) this.#tile.menuButton.ariaExpanded = String(newState === "open");
    });
  }

  /** @param {import("./tile.js").Tile} tile */
  open(tile) {
    this.#tile = tile;
    const menu = element("tile-menu");
    menu.ariaLabel = titleOf(tile.view);
    menu.replaceChildren(...this.#items(tile));
    menu.showPopover();
    placeMenu(menu, tile.menuButton);
    menu.querySelector("button").focus();
  }

  #items(tile) {
    const { view, player } = tile;
    const item = (words, iconName, act, className = "") =>
      button(className, words, () => {
        element("tile-menu").hidePopover();
        act();
      }, iconName);
    const items = [
      item(view.isPinned ? "Unpin" : "Pin", "pin", () => this.#stage.togglePin(view.key)),
    ];
    if (document.fullscreenEnabled) {
      items.push(item("Full screen", "full", () => toggleFullScreen(tile.element)));
    }
    if (document.pictureInPictureEnabled && player !== null && view.hasPicture) {
      items.push(item("Picture in picture", "small", () => toggleSmallWindow(player)));
    }
    if (!this.#moderation.isHost || view.isOwn || view.kind === "screen") return items;
    if (!view.isMuted) {
      items.push(item("Mute", "microphone-off", () => this.#moderation.mute(view.identity)));
    }
    const remove = () => this.#moderation.askToRemove(view.identity);
    return [...items, item("Remove", "remove", remove, "menu-danger")];
  }
}

/**
 * Puts a menu at its button, inside the window.
 *
 * @param {HTMLElement} menu that is open
 * @param {HTMLElement} opener
 */
export function placeMenu(menu, opener) {
  const at = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + MARGIN_PX / 2;
  const fitsBelow = below + height + MARGIN_PX <= innerHeight;
  const top = fitsBelow ? below : at.top - height - MARGIN_PX / 2;
  const left = Math.min(at.right - width, innerWidth - width - MARGIN_PX);
  menu.style.top = `${Math.max(MARGIN_PX, top)}px`;
  menu.style.left = `${Math.max(MARGIN_PX, left)}px`;
}

/** @param {Element} shown what is to fill the screen, or no longer */
export async function toggleFullScreen(shown) {
  try {
    if (document.fullscreenElement !== null) await document.exitFullscreen();
    else await shown.requestFullscreen();
  } catch {
    tellProblem("This browser does not show the page full screen.");
  }
}

/** @param {HTMLVideoElement} player */
async function toggleSmallWindow(player) {
  try {
    if (document.pictureInPictureElement === player) await document.exitPictureInPicture();
    else await player.requestPictureInPicture();
  } catch {
    tellProblem("This browser does not show the picture in a window of its own.");
  }
}
