/**
 * How often strangers of one network get an answer. Addresses are hashed into a table of a fixed
 * size, so a flood from many costs no memory; two that meet there share what one would have.
 *
 * @module
 */
import { peerBlock } from "../../wire/ip_address.ts";

const PLACES = 4096;
/** An office joins at once: two connections of each, and some addresses to try. */
const AT_ONCE = 400;
const PER_SECOND = 100;

/** A bucket for each place of a table. `now` is monotonic ms. */
export class SourceAllowance {
  readonly #tokens = new Float32Array(PLACES).fill(AT_ONCE);
  readonly #filledAt = new Float64Array(PLACES);

  /** Whether `hostname` gets one more answer. */
  take(hostname: string, now: number): boolean {
    const place = placeOf(peerBlock(hostname));
    const filled = this.#tokens[place]! + (now - this.#filledAt[place]!) * PER_SECOND / 1000;
    const tokens = Math.min(AT_ONCE, filled);
    this.#filledAt[place] = now;
    this.#tokens[place] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }
}

/** FNV-1a. */
function placeOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % PLACES;
}
