/**
 * The last minute of a figure as a line. The figure itself stands beside it in words, so the line is
 * for the eye alone.
 *
 * @module
 */

const SVG = "http://www.w3.org/2000/svg";
const SAMPLES = 60;
const HEIGHT = 20;

/** What figures were, by name. */
export class Histories {
  #samples = new Map();

  /**
   * Takes note of what is now; whoever is not named is forgotten.
   *
   * @param {ReadonlyMap<string, number | undefined>} values
   */
  note(values) {
    for (const name of this.#samples.keys()) if (!values.has(name)) this.#samples.delete(name);
    for (const [name, value] of values) {
      const samples = this.#samples.get(name) ?? [];
      samples.push(value ?? 0);
      if (samples.length > SAMPLES) samples.shift();
      this.#samples.set(name, samples);
    }
  }

  /** @param {string} name */
  of(name) {
    return this.#samples.get(name) ?? [];
  }
}

/**
 * Points of a line from the left (a minute ago) to the right (now), the largest at the top.
 *
 * @param {readonly number[]} samples
 * @returns {string} for `points` of a polyline in a box of 60 × 20
 */
export function pointsOf(samples) {
  const largest = Math.max(1, ...samples);
  return samples.map((value, index) => {
    const x = SAMPLES - samples.length + index;
    const y = HEIGHT - 1 - value / largest * (HEIGHT - 2);
    return `${x},${Math.round(y * 10) / 10}`;
  }).join(" ");
}

/**
 * Draws into a cell.
 *
 * @param {HTMLElement} cell
 * @param {readonly number[]} samples
 */
export function draw(cell, samples) {
  let svg = cell.querySelector("svg");
  if (svg === null) {
    svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "spark");
    svg.setAttribute("viewBox", `0 0 ${SAMPLES} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.append(document.createElementNS(SVG, "polyline"));
    cell.append(svg);
  }
  svg.firstElementChild.setAttribute("points", pointsOf(samples));
}
