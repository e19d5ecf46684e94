/**
 * How many frames a second each temporal layer of one stream brings, so that a subscriber that asks
 * for a frame rate gets the lowest layers that reach it, and none gets a larger picture that jerks
 * where a smaller one would move.
 *
 * A window is measured whole before it counts; nothing here allocates.
 *
 * @module
 */

/** Temporal layers a VP8 descriptor can name; others that name more have them counted as these. */
const LAYERS = 4;
const HIGHEST = LAYERS - 1;
/** Long enough to see each layer of a slow screen share, short enough to follow a camera, ms. */
const WINDOW_MS = 1_000;
/** A layer reaches a frame rate from this part of it on: cameras seldom hold theirs exactly. */
const TOLERANCE = 0.9;

/** One per received stream. */
export class FrameRateMeter {
  readonly #frames = new Uint32Array(LAYERS);
  /** Frames per second up to and including each layer, of the last whole window. */
  readonly #rates = new Float64Array(LAYERS);
  /** The same of the window before. */
  readonly #before = new Float64Array(LAYERS);
  #windowAt = -1;
  #measured = false;

  /** A frame of `temporal` (0–7) began; `now` in monotonic ms. */
  count(temporal: number, now: number): void {
    if (this.#windowAt < 0) this.#windowAt = now;
    const elapsedMs = now - this.#windowAt;
    if (elapsedMs >= WINDOW_MS) {
      let frames = 0;
      for (let layer = 0; layer < LAYERS; layer++) {
        frames += this.#frames[layer]!;
        this.#before[layer] = this.#rates[layer]!;
        this.#rates[layer] = (frames * 1000) / elapsedMs;
      }
      this.#frames.fill(0);
      this.#windowAt = now;
      this.#measured = true;
    }
    this.#frames[temporal < HIGHEST ? temporal : HIGHEST]!++;
  }

  /** The lowest temporal layer that reaches `fps`; the highest before anything was measured. */
  temporalFor(fps: number): number {
    if (!this.#measured) return HIGHEST;
    for (let layer = 0; layer < HIGHEST; layer++) {
      if (this.#rates[layer]! >= fps * TOLERANCE) return layer;
    }
    return HIGHEST;
  }

  /**
   * Frames per second of `temporal` (0–3) with the layers below it, 0 before anything was measured:
   * of the last two windows the better one, as a moment in which nothing came says nothing.
   */
  at(temporal: number): number {
    return Math.max(this.#rates[temporal]!, this.#before[temporal]!);
  }

  /** The stream began anew. */
  reset(): void {
    this.#frames.fill(0);
    this.#rates.fill(0);
    this.#before.fill(0);
    this.#windowAt = -1;
    this.#measured = false;
  }
}
