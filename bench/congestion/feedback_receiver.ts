/**
 * The receiving end as browsers have it: arrival times of what has a transport-wide number, told
 * every 50 ms in a message of the real format.
 *
 * @module
 */
import {
  MAX_FEEDBACK_BYTES,
  MAX_FEEDBACK_STATUSES,
  NOT_RECEIVED,
  TransportFeedback,
  writeTransportFeedback,
} from "../../lib/wire/transport_cc.ts";

/** Chromium's shortest interval, which it uses from about 200 kbit/s on. */
export const FEEDBACK_INTERVAL_MS = 50;

/** Notes arrivals and writes messages. Packets come in order of their numbers, some are missing. */
export class FeedbackReceiver {
  readonly #message = new TransportFeedback();
  readonly #bytes = new Uint8Array(MAX_FEEDBACK_BYTES);
  readonly #sequences: number[] = [];
  readonly #arrivals: number[] = [];
  #next = -1;
  #count = 0;

  /** @param sequence Extended. */
  receive(sequence: number, arrivedAt: number): void {
    if (this.#next < 0) this.#next = sequence;
    this.#sequences.push(sequence);
    this.#arrivals.push(arrivedAt);
  }

  /** The next message, or nothing if there is nothing to tell. */
  write(): Uint8Array | undefined {
    if (this.#sequences.length === 0) return undefined;
    const message = this.#message;
    message.baseSequence = this.#next & 0xffff;
    message.feedbackCount = this.#count++ & 0xff;
    message.referenceTime = Math.floor(this.#arrivals[0]! / 64) & 0xffffff;
    let steps = Math.floor(this.#arrivals[0]! / 64) * 256;
    let used = 0;
    let statuses = 0;
    while (used < this.#sequences.length && statuses < MAX_FEEDBACK_STATUSES) {
      if (this.#sequences[used]! > this.#next) message.deltas[statuses] = NOT_RECEIVED;
      else {
        const at = Math.round(this.#arrivals[used]! * 4);
        message.deltas[statuses] = Math.max(-32_768, Math.min(32_767, at - steps));
        steps = at;
        used++;
      }
      this.#next++;
      statuses++;
    }
    message.statusCount = statuses;
    this.#sequences.splice(0, used);
    this.#arrivals.splice(0, used);
    return this.#bytes.slice(0, writeTransportFeedback(this.#bytes, 0, message));
  }
}
