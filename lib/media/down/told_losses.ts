/**
 * Which packets of media a subscriber has not got, as its transport-wide feedback tells: on a path
 * that loses both ways requests get lost, too, and libwebrtc's receivers, who know no round trip
 * here, ask again after 100 ms. Feedback comes by itself, each 50 ms.
 *
 * Contract: each packet is told of once at most, whatever feedback says, and never one that did not
 * leave while this was on. Memory is taken when it is first turned on; nothing allocates after it.
 *
 * @module
 */
import type { StreamPacket } from "../../base/packet_sink.ts";
import { NOT_RECEIVED, type TransportFeedback } from "../../wire/transport_cc.ts";

/** Packets that are remembered, a power of two: 10 Mbit/s for a second. */
const CAPACITY = 1024;
const MASK = CAPACITY - 1;
/** So many of one message are told of: more than that is no loss by chance. */
const MOST_TOLD = 64;
const NOTHING = new Uint8Array(0);

/** The packets of one connection, by transport-wide number. */
export class ToldLosses {
  /** Packets that the last message told of: `ssrcs[0, count)`, and their 16-bit numbers. */
  count = 0;
  isOn = false;
  ssrcs: Uint32Array = new Uint32Array(NOTHING.buffer);
  numbers: Uint16Array = new Uint16Array(NOTHING.buffer);
  #isKnown = NOTHING;
  #transport = this.numbers;
  #ssrcs = this.ssrcs;
  #numbers = this.numbers;

  /** Begins or ends to look. */
  turn(isOn: boolean): void {
    if (isOn === this.isOn) return;
    this.isOn = isOn;
    this.#isKnown.fill(0);
    if (!isOn || this.#isKnown !== NOTHING) return;
    this.ssrcs = new Uint32Array(MOST_TOLD);
    this.numbers = new Uint16Array(MOST_TOLD);
    this.#isKnown = new Uint8Array(CAPACITY);
    this.#transport = new Uint16Array(CAPACITY);
    this.#ssrcs = new Uint32Array(CAPACITY);
    this.#numbers = new Uint16Array(CAPACITY);
  }

  /** A packet of media left under this transport-wide number. */
  sent(transport16: number, { ssrc, sequence }: StreamPacket): void {
    if (!this.isOn) return;
    const slot = transport16 & MASK;
    this.#isKnown[slot] = 1;
    this.#transport[slot] = transport16;
    this.#ssrcs[slot] = ssrc;
    this.#numbers[slot] = sequence;
  }

  /** Reads a message; what it told of is in `ssrcs` and `numbers` until the next one. */
  read(feedback: TransportFeedback): void {
    this.count = 0;
    if (!this.isOn) return;
    for (let i = 0; i < feedback.statusCount && this.count < MOST_TOLD; i++) {
      if (feedback.deltas[i] !== NOT_RECEIVED) continue;
      const transport16 = (feedback.baseSequence + i) & 0xffff;
      const slot = transport16 & MASK;
      if (this.#isKnown[slot] === 0 || this.#transport[slot] !== transport16) continue;
      this.#isKnown[slot] = 0;
      this.ssrcs[this.count] = this.#ssrcs[slot]!;
      this.numbers[this.count++] = this.#numbers[slot]!;
    }
  }
}
