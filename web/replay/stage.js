/**
 * The tiles of a replay, in the layout a viewer chose.
 *
 * @module
 */
import { element } from "../elements.js";
import { planReplay, seenAt } from "./plan.js";
import { ReplayTile } from "./tile.js";
import { layOutGrid, layOutSpotlight } from "../tile_layout.js";

const GAP = 8;

/** All tiles of one replay. */
export class ReplayStage {
  /** @type {Map<string, ReplayTile>} */
  #tiles = new Map();
  #journal;
  #changed;
  #pinned;

  /** @param {import("./journal.js").Journal} journal @param {() => void} changed */
  constructor(journal, changed) {
    this.#journal = journal;
    this.#changed = changed;
  }

  unpin() {
    this.#pinned = undefined;
  }

  /**
   * @param {number} at ms
   * @param {import("./plan.js").Layout} layout
   * @param {import("./player.js").ReplayPlayer} player
   */
  render(at, layout, player) {
    const seen = seenAt(this.#journal, at, this.#pinned, (file) => player.isDue(file, at));
    const keys = new Set(seen.map(({ key }) => key));
    for (const [key, tile] of this.#tiles) {
      if (keys.has(key)) continue;
      tile.element.remove();
      this.#tiles.delete(key);
    }
    for (const view of seen) {
      const video = view.file && player.elementOf(view.file);
      this.#tile(view.key).render({ ...view, video });
    }
    const { main, strip } = planReplay(seen, layout, this.#journal, at);
    this.#place(main, strip);
  }

  #tile(key) {
    let tile = this.#tiles.get(key);
    if (tile === undefined) {
      tile = new ReplayTile(() => {
        this.#pinned = this.#pinned === key ? undefined : key;
        this.#changed();
      });
      this.#tiles.set(key, tile);
      element("stage").append(tile.element);
    }
    return tile;
  }

  #place(main, strip) {
    const { clientWidth: width, clientHeight: height } = element("stage");
    if (width === 0 || height === 0) return;
    const size = { width, height };
    const places = main.length === 0
      ? { main: [], strip: layOutGrid(strip.length, size, GAP) }
      : layOutSpotlight(main.length, strip.length, size, GAP);
    this.#put(main, places.main, main.length > 0);
    this.#put(strip, places.strip, false);
  }

  #put(keys, places, isLarge) {
    keys.forEach((key, index) => {
      const { element: tile } = this.#tiles.get(key);
      const place = places[index];
      tile.hidden = place === undefined;
      tile.dataset.large = String(isLarge);
      for (const side of ["left", "top", "width", "height"]) {
        const value = `${Math.round(place?.[side] ?? 0)}px`;
        if (tile.style[side] !== value) tile.style[side] = value;
      }
    });
  }
}
