/**
 * How many bits a second each spatial and temporal layer inside one stream brings, so that what a
 * subscriber gets can be fitted to its bandwidth.
 *
 * Rates are of packets as they would leave (RTP header and SRTP's tag with them, IP and UDP
 * without). A window is measured whole before it counts, and none is believed alone; nothing here
 * allocates.
 *
 * @module
 */

const SPATIAL = 3;
const TEMPORAL = 4;
const LAYERS = SPATIAL * TEMPORAL;
/** The first window is short: until it ends nothing is known. */
const FIRST_WINDOW_MS = 500;
/** Long enough for several key frames not to fall into one, ms. */
const WINDOW_MS = 1_000;
/** Weights of a window that is above what was believed, and of one below it. */
const RISE = 0.5;
const FALL = 0.25;
/** What sealing adds to a packet, bytes (RFC 7714 §14.2), and header extensions of ours. */
const ADDED_BYTES = 20;

/** One per received stream. */
export class LayerRates {
  /** Whether anything was measured, or told. */
  isKnown = false;
  /** Counts the measurements. */
  revision = 0;
  /** Bits per second of each layer alone, `spatial * 4 + temporal`. */
  readonly #bps = new Float64Array(LAYERS);
  readonly #bytes = new Uint32Array(LAYERS);
  #windowAt = -1;

  /** A packet of `length` bytes came; layers above the highest known count as that. */
  count(spatial: number, temporal: number, length: number, now: number): void {
    if (this.#windowAt < 0) this.#windowAt = now;
    const elapsedMs = now - this.#windowAt;
    if (elapsedMs >= (this.isKnown ? WINDOW_MS : FIRST_WINDOW_MS)) this.#endWindow(elapsedMs, now);
    const s = spatial < SPATIAL ? spatial : SPATIAL - 1;
    const t = temporal < TEMPORAL ? temporal : TEMPORAL - 1;
    this.#bytes[s * TEMPORAL + t]! += length + ADDED_BYTES;
  }

  /** So many bytes of the packet that was counted last are of another layer, by its index. */
  add(index: number, bytes: number): void {
    this.#bytes[index]! += bytes;
  }

  #endWindow(elapsedMs: number, now: number): void {
    const bps = this.#bps;
    for (let i = 0; i < LAYERS; i++) {
      const measured = (this.#bytes[i]! * 8_000) / elapsedMs;
      const before = bps[i]!;
      bps[i] = this.isKnown
        ? before + (measured - before) * (measured > before ? RISE : FALL)
        : measured;
    }
    this.#bytes.fill(0);
    this.#windowAt = now;
    this.isKnown = true;
    this.revision++;
  }

  /** Nothing came for a while, on purpose: that is no measurement. What was known still holds. */
  pause(): void {
    this.#bytes.fill(0);
    this.#windowAt = -1;
  }

  /** Another stream begins. */
  forget(): void {
    this.pause();
    this.isKnown = false;
    this.#bps.fill(0);
  }

  /** Another engine has measured one layer, bits per second. */
  tell(index: number, bps: number): void {
    if (index >= LAYERS) return;
    this.#bps[index] = bps;
    this.isKnown = true;
    this.revision++;
  }

  /** What one layer alone brings, bits per second. */
  at(index: number): number {
    return this.#bps[index]!;
  }

  /** Everything together, bits per second. */
  get totalBps(): number {
    let sum = 0;
    for (let i = 0; i < LAYERS; i++) sum += this.#bps[i]!;
    return sum;
  }
}
