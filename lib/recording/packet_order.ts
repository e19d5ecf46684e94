/**
 * Puts a recorded track's packets back in order. Most losses have been repaired before: what is
 * missing for too long is given up, and said to be.
 *
 * Pure; `now` is monotonic ms.
 *
 * @module
 */
import { RtpView } from "../wire/rtp_view.ts";
import { extendSeq, type ExtSeq } from "../wire/seq.ts";

/** A missing packet is waited for so long: several round trips of a slow path. */
export const GAP_WAIT_MS = 700;
/** Or until so many came after it: a second of several Mbit/s. */
const MOST_WAITING = 1024;

/** Who gets the packets. */
export interface OrderedPackets {
  /** The view is reused. */
  packet(view: RtpView): void;
  /** What comes next does not follow what came before. */
  gap(): void;
}

interface WaitingPacket {
  readonly bytes: Uint8Array;
  readonly since: number;
}

/** Each packet is given out once, in order; those that come after they were given up are not. */
export class PacketOrder {
  readonly #out: OrderedPackets;
  readonly #view = new RtpView();
  readonly #waiting = new Map<number, WaitingPacket>();
  #next: ExtSeq | undefined;
  /** Since when the next one is waited for. */
  #missingSince = Infinity;
  /** Packets that never came. */
  lost = 0;

  constructor(out: OrderedPackets) {
    this.#out = out;
  }

  /** Takes a whole RTP packet, which is kept while it waits. What is none is passed over. */
  push(bytes: Uint8Array, now: number): void {
    if (!this.#view.wrap(bytes)) return;
    const wire = this.#view.sequenceNumber;
    const next = this.#next ??= (wire + 0x10000) as ExtSeq;
    const seq = extendSeq(wire, next);
    if (seq < next) return;
    if (seq > next) {
      this.#waiting.set(seq, { bytes, since: now });
      if (this.#missingSince === Infinity) this.#missingSince = now;
      if (this.#waiting.size > MOST_WAITING) this.#giveUp();
      return;
    }
    this.#give();
    this.#drain();
  }

  /** Gives up what has been missing for too long. */
  expire(now: number): void {
    while (now - this.#missingSince >= GAP_WAIT_MS) this.#giveUp();
  }

  /** What comes next is another stream; what waits is given out as far as it goes. */
  restart(): void {
    while (this.#waiting.size > 0) this.#giveUp();
    this.#next = undefined;
    this.#out.gap();
  }

  #giveUp(): void {
    let first = Infinity;
    for (const seq of this.#waiting.keys()) first = Math.min(first, seq);
    this.lost += first - this.#next!;
    this.#next = first as ExtSeq;
    this.#out.gap();
    this.#drain();
  }

  #drain(): void {
    for (;;) {
      const packet = this.#waiting.get(this.#next!);
      if (packet === undefined) break;
      this.#waiting.delete(this.#next!);
      if (this.#view.wrap(packet.bytes)) this.#give();
    }
    this.#missingSince = Infinity;
    for (const { since } of this.#waiting.values()) {
      this.#missingSince = Math.min(this.#missingSince, since);
    }
  }

  /** What the view shows, which is the next. */
  #give(): void {
    this.#next = (this.#next! + 1) as ExtSeq;
    this.#out.packet(this.#view);
  }
}
