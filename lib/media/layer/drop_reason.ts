/**
 * Why a packet or a request was not used, as small integers: counting one is an array store.
 *
 * @module
 */

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
} as const;

/** One value of {@linkcode DROP}. */
export type DropReason = (typeof DROP)[keyof typeof DROP];

/** Counter names by reason; index 0 is unused. */
export const DROP_NAMES: readonly string[] = [
  "",
  "rtp_unbound_layer",
  "rtp_payload_type",
  "rtp_duplicate",
  "rtp_too_old",
  "rtp_sequence_jump",
  "rtp_too_large",
  "rtx_padding",
  "rtp_malformed_payload",
  "rtp_padding_only",
  "forward_disabled",
  "forward_muted",
  "forward_other_layer",
  "forward_awaiting_key_frame",
  "forward_temporal_layer",
  "forward_unsupported_codec",
  "forward_before_start",
  "nack_unknown",
  "nack_too_soon",
  "nack_exhausted",
  "nack_expired",
  "forward_no_room",
  "forward_too_large",
  "relay_full",
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
