/**
 * Video as an encoder makes it that follows the estimate: what the cases of RFC 8867 are about. An
 * SFU with many layers comes near it.
 *
 * @module
 */
import { SENT } from "../../lib/bandwidth/sent_packets.ts";
import type { MediaFlow, Source } from "./media_flow.ts";

const FRAME_MS = 33;
const PACKET_BYTES = 1_100;
/** Packets of a frame leave at so many times the rate. */
const PACE = 2.5;
/** Frames differ in size by up to this share. */
const VARIATION = 0.2;

/** Thirty frames a second, at the estimate's rate up to a maximum. */
export class ElasticSource implements Source {
  readonly #maxBps: number;
  readonly #chance: () => number;
  #frameAt = 0;
  #left = 0;
  #budget = 0;

  constructor(maxBps: number, chance: () => number) {
    this.#maxBps = maxBps;
    this.#chance = chance;
  }

  step(now: number, flow: MediaFlow): void {
    const bps = Math.min(flow.estimate.bps, this.#maxBps);
    if (now >= this.#frameAt) {
      this.#frameAt = now + FRAME_MS;
      flow.estimate.setDemand(100_000, this.#maxBps, now, this.#maxBps);
      this.#left += bps * FRAME_MS / 8_000 * (1 + VARIATION * (2 * this.#chance() - 1));
      // Retransmissions are within the estimate.
      const repair = Math.min(this.#left / 2, flow.repairBytes);
      flow.repairBytes -= repair;
      this.#left -= repair;
    }
    this.#budget = Math.min(PACKET_BYTES, this.#budget + bps * PACE / 8_000);
    while (this.#left >= 1 && this.#budget > 0) {
      const bytes = Math.max(60, Math.round(Math.min(PACKET_BYTES, this.#left)));
      this.#left -= bytes;
      this.#budget -= bytes;
      flow.send(bytes, SENT.media, 0, now);
    }
  }
}
