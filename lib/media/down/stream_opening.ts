/**
 * Opens a subscriber's stream before there is anything to send: padding of its SSRC and payload
 * type, until media follows or the subscriber reports that it got some.
 *
 * Many receivers show a track with its first packet and not before, and the first media may be
 * late: a muted track, or a publisher that takes its time with a key frame.
 *
 * Pure and bounded.
 *
 * @module
 */
import { type CodecParameters, FLEXFEC_MIME } from "../../base/media_vocabulary.ts";
import { matchCodec } from "../select/codec_match.ts";
import type { LayerSource } from "../packet/forwarding_ports.ts";

/** What media has to come first, ms, so that most streams need no padding. */
const HEAD_START_MS = 100;
/**
 * Pause between two packets, ms, and how many there are at most: 5 s, as a LiveKit server does
 * (1.13.5, `pkg/sfu/downtrack.go`).
 */
const INTERVAL_MS = 100;
const MAX_PACKETS = 50;

/**
 * The padding that opens one stream: due only before media or a report of it, and for a bounded
 * time. Pure.
 */
export class StreamOpening {
  #nextAt = Infinity;
  #left = MAX_PACKETS;

  /** @param headStartMs What media has to come first. */
  constructor(readonly headStartMs: number = HEAD_START_MS) {}

  /**
   * The stream can be sent from now on; again: it goes on.
   *
   * @returns When the first packet is due.
   */
  begin(now: number): number {
    if (this.#left > 0 && this.#nextAt === Infinity) this.#nextAt = now + this.headStartMs;
    return this.#nextAt;
  }

  /** Media flows, or the stream is known to be open; nothing follows. */
  end(): void {
    this.#left = 0;
    this.#nextAt = Infinity;
  }

  /** When {@linkcode StreamOpening.isDue} is next to be asked. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Whether a packet is due; it counts as sent. */
  isDue(now: number): boolean {
    if (now < this.#nextAt) return false;
    this.#nextAt = --this.#left > 0 ? now + INTERVAL_MS : Infinity;
    return true;
  }
}

const MAX_LAYERS = 3;

/**
 * What a stream of `source` will be sent in, of what a subscriber accepted; `undefined` while that
 * cannot be told: receivers take the first packet's codec for the track's.
 *
 * @param isBare Redundancy of audio is left out.
 */
export function openingCodec(
  source: LayerSource,
  accepted: readonly CodecParameters[],
  isBare = false,
): CodecParameters | undefined {
  for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
    const layer = source.layer(spatial);
    if (layer !== undefined) return matchCodec(layer.codec, accepted, isBare);
  }
  // Redundant audio and its codec are one; of anything else there must be only one.
  const bare = accepted.filter(({ mime }) => mime !== "audio/red" && mime !== FLEXFEC_MIME);
  return bare.every(({ mime }) => mime === bare[0]!.mime) ? bare[0] : undefined;
}
