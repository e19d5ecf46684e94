/**
 * Which frames of redundant audio (RFC 2198 §3) a subscriber gets that can only decode the codec in
 * it: each packet's own frame, and from its copies those frames whose own packets did not come.
 *
 * Contract: a frame is given out once, even if its packet comes after a copy of it. Memory is
 * fixed.
 *
 * @module
 */
import { DROP, type DropReason } from "../layer/drop_reason.ts";
import type { AudioPacket } from "../layer/redundant_payloads.ts";
import type { OutgoingPacket } from "../packet/outgoing_packet.ts";
import { RedPayload } from "../../wire/red_payload.ts";

/** Recovered numbers remembered, a power of two; a packet later than this is too late anyway. */
const WINDOW = 64;
const MASK = WINDOW - 1;

/**
 * The frames one subscriber gets of a redundant stream: each is given out once, by its packet or by
 * a copy, whichever comes first. Memory is fixed.
 */
export class RedUnwrapper {
  /** Why the last packet was not opened. */
  refusal: DropReason = DROP.none;
  /** How many packets back the oldest frame is that should be taken; 0 is the packet's own. */
  oldest = 0;
  /** How much older the taken frame is than its packet, in RTP clock units. */
  age = 0;
  readonly #payload = new RedPayload();
  readonly #recovered = new Float64Array(WINDOW).fill(-1);
  #seq = 0;
  #start = 0;

  /**
   * Opens a packet.
   *
   * @param missing How many packets before it did not come; not positive for a late packet.
   * @returns `false` if it holds nothing that is to be sent; see {@linkcode RedUnwrapper.refusal}.
   */
  open({ view, seq }: AudioPacket, missing: number): boolean {
    if (!this.#payload.parse(view.bytes, view.payloadOffset, view.payloadLength)) {
      this.refusal = DROP.malformedPayload;
      return false;
    }
    if (missing < 0 && this.#recovered[seq & MASK] === seq) {
      this.refusal = DROP.duplicate;
      return false;
    }
    this.#seq = seq;
    this.#start = view.payloadOffset;
    this.oldest = Math.max(0, Math.min(missing, this.#payload.copies));
    return true;
  }

  /** Points `out` at the frame `back` packets ago; `false` if it was left out. */
  take(back: number, out: OutgoingPacket): boolean {
    const payload = this.#payload;
    if (back === 0) {
      this.age = 0;
      out.payloadSkip = payload.primaryOffset - this.#start;
      out.payloadBytes = payload.primaryLength;
      return true;
    }
    if (payload.lengthOf(back) === 0) return false;
    const seq = this.#seq - back;
    this.#recovered[seq & MASK] = seq;
    this.age = payload.ageOf(back);
    out.payloadSkip = payload.offsetOf(back) - this.#start;
    out.payloadBytes = payload.lengthOf(back);
    return true;
  }
}
