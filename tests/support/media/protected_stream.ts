/**
 * A stream of packets with the repair packets that an encoder makes of them, for tests of both ends.
 *
 * @module
 */
import { FecEncoder } from "../../../lib/media/down/fec_encoder.ts";
import { PacketCache } from "../../../lib/media/layer/packet_cache.ts";
import type { ExtSeq } from "../../../lib/wire/seq.ts";
import type { SeededRandom } from "../virtual/seeded_random.ts";
import { viewOf } from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";

export const PROTECTED_SSRC = 0x0a0b0c0d;
/** Ids of what is set as packets leave. */
export const NUMBER_ID = 3;
export const TIME_ID = 4;

/** A packet of random contents, with extensions of which two are set as it leaves. */
export function randomPacket(random: SeededRandom, seq: number, most = 1_200): Uint8Array {
  return rtpPacket({
    ssrc: PROTECTED_SSRC,
    payloadType: 96,
    sequenceNumber: seq & 0xffff,
    timestamp: random.below(2 ** 32),
    marker: random.chance(0.2),
    extensions: random.chance(0.2) ? {} : {
      1: random.bytes(1 + random.below(8)),
      [NUMBER_ID]: random.bytes(2),
      ...(random.chance(0.5) ? { [TIME_ID]: random.bytes(3) } : {}),
    },
    payload: random.bytes(1 + random.below(most)),
  });
}

/** The packet as a receiver of repair gets it: what is set as it leaves is zero. */
export function withoutMutable(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = viewOf(bytes);
  for (const id of [NUMBER_ID, TIME_ID]) {
    const at = view.extensionOffset(id);
    copy.fill(0, at, at + view.extensionLength(id));
  }
  return copy;
}

/** Adds a packet as it is written: the header in one place, most of the payload in another. */
export function protect(encoder: FecEncoder, bytes: Uint8Array, seq: number): boolean {
  const view = viewOf(bytes);
  const written = view.payloadOffset;
  const at = (id: number) => view.extensionLength(id) === 0 ? -1 : view.extensionOffset(id);
  const packet = {
    written,
    source: bytes,
    sourceAt: written,
    sourceLength: bytes.length - written,
  };
  return encoder.add(seq, bytes.slice(0, written), packet, at(NUMBER_ID), at(TIME_ID));
}

/** What came of a stream. */
export class ReceivedStream {
  readonly ssrc = PROTECTED_SSRC;
  readonly cache = new PacketCache(512, 512);
  highest = 0 as ExtSeq;
  #arrivals = 0;

  receive(bytes: Uint8Array, seq: number): void {
    if (seq > this.highest) this.highest = seq as ExtSeq;
    this.cache.stage(seq as ExtSeq, bytes, bytes.length);
    this.cache.storeStaged(seq as ExtSeq, bytes.length, this.#arrivals++, 0);
  }
}
