/**
 * How often something is done for strangers of one network. Addresses are hashed into a table of a
 * fixed size, so a flood from many costs no memory; two that meet there share what one would have.
 *
 * @module
 */
import { peerBlock } from "../../wire/ip_address.ts";

/** What one network is allowed. */
export interface Allowance {
  readonly atOnce: number;
  readonly perSecond: number;
  /** Size of the table. */
  readonly places: number;
}

/** A bucket for each place of a table. `now` is monotonic ms. */
export class SourceAllowance {
  readonly #allowance: Allowance;
  readonly #tokens: Float32Array;
  readonly #filledAt: Float64Array;

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
    this.#tokens = new Float32Array(allowance.places).fill(allowance.atOnce);
    this.#filledAt = new Float64Array(allowance.places);
  }

  /** Whether it is done once more for `hostname`. */
  take(hostname: string, now: number): boolean {
    const { atOnce, perSecond, places } = this.#allowance;
    const place = hashOf(peerBlock(hostname)) % places;
    const filled = this.#tokens[place]! + (now - this.#filledAt[place]!) * perSecond / 1000;
    const tokens = Math.min(atOnce, filled);
    this.#filledAt[place] = now;
    this.#tokens[place] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
