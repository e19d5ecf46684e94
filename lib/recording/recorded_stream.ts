/**
 * One recorded track: packets in, frames with their times out.
 *
 * Contract: video begins with a key frame, and again after a loss that was not repaired, for which
 * one is asked; nothing that refers to what is missing is given out.
 *
 * Pure; `now` is monotonic ms.
 *
 * @module
 */
import type { RtpView } from "../wire/rtp_view.ts";
import { readUint16 } from "../wire/big_endian.ts";
import type { EncodedFrame, FrameAssembly, RecordedCodec } from "./frames/encoded_frame.ts";
import { clockRateOf, codecOfPayload, frameAssembly } from "./frames/frame_assembly.ts";
import { MediaTimeline, type PublisherClock } from "./media_timeline.ts";
import { type OrderedPackets, PacketOrder } from "./packet_order.ts";

/** A key frame that does not come is asked for again after so long, ms. */
const ASK_AGAIN_MS = 1_000;
/** A player can go to a key frame alone: one is asked for when the last is so long ago, ms. */
const KEY_EVERY_MS = 10_000;
const LENGTH_BYTES = 2;

/** What the media plane tells of a track at a time. */
export interface PacketBundle {
  /** Whole RTP packets, each behind its length in two bytes. */
  readonly packets: Uint8Array;
  /** How long ago the first of them came, ms. */
  readonly ageMs: number;
  readonly clock?: { readonly ntpMs: number; readonly rtpTimestamp: number };
}

/** Who gets the frames. */
export interface StreamHost {
  frame(frame: EncodedFrame, timeMs: number, codec: RecordedCodec): void;
  /** A key frame is needed. */
  keyFrameWanted(): void;
}

/** One track of a recording. */
export class RecordedStream implements OrderedPackets {
  readonly #host: StreamHost;
  readonly #clock: PublisherClock;
  readonly #keyEveryMs: number;
  readonly #order: PacketOrder = new PacketOrder(this);
  #codec: RecordedCodec | undefined;
  #assembly: FrameAssembly | undefined;
  #timeline: MediaTimeline | undefined;
  #awaitsKey = true;
  #askedAt = -Infinity;
  /** When the last key frame came, and the last frame. */
  #keyAt = Infinity;
  #frameAt = 0;
  /** When the packets that are being read came. */
  #arrivedAt = 0;
  /** Its frames have been written to a file. */
  isWritten = false;

  /** @param keyEveryMs A key frame is wanted when the last is so long ago. */
  constructor(clock: PublisherClock, host: StreamHost, keyEveryMs = KEY_EVERY_MS) {
    this.#clock = clock;
    this.#host = host;
    this.#keyEveryMs = keyEveryMs;
  }

  /** Packets that never came. */
  get lost(): number {
    return this.#order.lost;
  }

  /** Its times are those of its publisher's clock. */
  get isSynchronised(): boolean {
    return this.#timeline?.isSynchronised === true;
  }

  /** Takes what came; what cannot be read is passed over. */
  push({ packets, ageMs, clock }: PacketBundle, now: number): void {
    this.#arrivedAt = now - ageMs;
    for (let at = 0; at + LENGTH_BYTES <= packets.length;) {
      const from = at + LENGTH_BYTES;
      const end = from + readUint16(packets, at);
      if (end > packets.length) break;
      this.#order.push(packets.subarray(from, end), now);
      at = end;
    }
    if (clock !== undefined) {
      this.#timeline?.synchronise(clock.ntpMs, clock.rtpTimestamp, this.isWritten, now);
    }
    this.tick(now);
  }

  /** Gives up what does not come, and asks again for what is needed. */
  tick(now: number): void {
    this.#order.expire(now);
    const isVideo = this.#codec !== undefined && this.#codec !== "opus";
    // Of what is muted nothing comes, so nothing is asked for.
    const isNeeded = this.#awaitsKey || this.#frameAt - this.#keyAt >= this.#keyEveryMs;
    if (!isVideo || !isNeeded || now - this.#askedAt < ASK_AGAIN_MS) return;
    this.#askedAt = now;
    this.#host.keyFrameWanted();
  }

  /** What comes next begins anew, where its numbers are concerned: it is recorded elsewhere now. */
  restart(): void {
    this.#order.restart();
  }

  /** Gives out what waits; nothing comes any more, and nothing is kept for it. */
  close(): void {
    this.#order.restart();
    this.#assembly = this.#codec = undefined;
  }

  /** When a frame that was given out before is, by what is known now. */
  timeOf({ timestamp }: EncodedFrame): number {
    return this.#timeline!.again(timestamp);
  }

  packet(view: RtpView): void {
    if (view.payloadLength === 0) return;
    const codec = codecOfPayload(view.payloadType);
    if (codec === undefined) return;
    if (codec !== this.#codec) this.#begin(codec);
    const { bytes, payloadOffset, payloadLength, timestamp, marker } = view;
    const frame = this.#assembly!.push(bytes, payloadOffset, payloadLength, timestamp, marker);
    if (frame === undefined) return;
    if (this.#awaitsKey && !frame.isKey) return;
    this.#awaitsKey = false;
    this.#frameAt = this.#arrivedAt;
    if (frame.isKey) this.#keyAt = this.#arrivedAt;
    this.#host.frame(frame, this.#timeline!.place(timestamp, this.#arrivedAt), codec);
  }

  gap(): void {
    this.#assembly?.gap();
    // The next of them sounds without the one before; a picture does not show.
    if (this.#codec !== "opus") this.#awaitsKey = true;
  }

  #begin(codec: RecordedCodec): void {
    this.#codec = codec;
    this.#assembly = frameAssembly(codec);
    this.#awaitsKey = true;
    this.#timeline ??= new MediaTimeline(clockRateOf(codec), this.#clock);
  }
}
