/**
 * Why a packet or a request was not used, as small integers: counting one is an array store.
 *
 * @module
 */
import type { DropReasons } from "../../base/drop_counters.ts";

/** 0 means the packet was used. */
export const DROP = {
  none: 0,
  unboundLayer: 1,
  payloadType: 2,
  duplicate: 3,
  tooOld: 4,
  sequenceJump: 5,
  tooLarge: 6,
  rtxPadding: 7,
  malformedPayload: 8,
  paddingOnly: 9,
  disabled: 10,
  muted: 11,
  otherLayer: 12,
  awaitingKeyFrame: 13,
  temporalLayer: 14,
  unsupportedCodec: 15,
  beforeStart: 16,
  nackUnknown: 17,
  nackTooSoon: 18,
  nackExhausted: 19,
  nackExpired: 20,
  /** The sink had no room; it counts why. */
  noRoom: 21,
  outgoingTooLarge: 22,
  relayFull: 23,
  nackOverBudget: 24,
  notLoudest: 25,
  pacedExpired: 26,
} as const;

/** One value of {@linkcode DROP}. */
export type DropReason = (typeof DROP)[keyof typeof DROP];

/** By counter name, in the order of {@linkcode DROP}. */
export const MEDIA_DROPS = {
  rtp_unbound_layer: "a packet is of a layer that is not here",
  rtp_payload_type: "a packet's payload type is not its stream's",
  rtp_duplicate: "a packet came twice",
  rtp_too_old: "a packet is too late to be put in order",
  rtp_sequence_jump: "a packet's number is far from the stream's",
  rtp_too_large: "a packet is larger than the cache takes",
  rtx_padding: "a retransmission carries nothing",
  rtp_malformed_payload: "a packet's payload cannot be read",
  rtp_padding_only: "a packet carries nothing and fills no gap",
  forward_disabled: "a subscriber does not want the track now",
  forward_muted: "the track is muted",
  forward_other_layer: "a packet is of a layer the subscriber is not sent",
  forward_awaiting_key_frame: "a subscriber's layer changes with the next key frame",
  forward_temporal_layer: "a packet is of a frame rate the subscriber is not sent",
  forward_unsupported_codec: "a packet is of a codec the subscriber does not have",
  forward_before_start: "a packet is older than the subscription's start",
  nack_unknown: "what a subscriber misses was never sent or is forgotten",
  nack_too_soon: "what a subscriber misses was sent again just now",
  nack_exhausted: "what a subscriber misses was sent again often enough",
  nack_expired: "what a subscriber misses is no longer kept",
  forward_no_room: "the transport had no room for a packet; it counts why",
  forward_too_large: "a packet would be larger than a datagram",
  relay_full: "the memory between two engines is full",
  nack_over_budget: "what subscribers miss is more than their path should carry again",
  forward_not_loudest: "an audio packet is not of the room's loudest tracks",
  forward_paced_gone: "a packet of a burst was gone, or had no room, when it could leave",
} as const satisfies DropReasons;

/** One of {@linkcode MEDIA_DROPS}. */
export type MediaDrop = keyof typeof MEDIA_DROPS;

/** Counter names by reason; index 0 is unused. */
export const DROP_NAMES: readonly ("" | MediaDrop)[] = [
  "",
  ...Object.keys(MEDIA_DROPS) as MediaDrop[],
];

/** Counts by {@linkcode DropReason}. */
export class DropTally {
  readonly #counts = new Uint32Array(DROP_NAMES.length);

  /** Counts and returns `reason`, so that a drop reads `return tally.count(DROP.muted)`. */
  count(reason: DropReason): DropReason {
    this.#counts[reason]!++;
    return reason;
  }

  get(reason: DropReason): number {
    return this.#counts[reason]!;
  }

  /** Adds the counts that are not zero to `into`, by name. */
  addTo(into: Record<string, number>): void {
    for (let i = 1; i < DROP_NAMES.length; i++) {
      const count = this.#counts[i]!;
      if (count > 0) into[DROP_NAMES[i]!] = (into[DROP_NAMES[i]!] ?? 0) + count;
    }
  }
}
