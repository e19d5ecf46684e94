/**
 * Whole messages that wait for their owner to take them.
 *
 * There are two queues, each first in, first out: what is on patient streams (reliable channels)
 * can be left standing while the rest goes on. What waits is weighed with what it costs to keep, so
 * that a window in bytes holds against the smallest messages, too.
 *
 * @module
 */

/** What a message weighs besides its bytes: about ten thousand of the smallest fill 1 MiB. */
export const MESSAGE_COST_BYTES = 96;
/** Stands for the end of a stream in place of a payload protocol identifier. */
export const STREAM_END = -1;
const NO_BYTES = new Uint8Array(0);
/** What a queue begins with; most connections never have a message. */
const NO_STREAMS = new Uint16Array(0);
const NO_PROTOCOLS = new Float64Array(0);
const FIRST_MESSAGES = 4;

/** Messages in order, in parallel arrays that grow to the longest queue there was. */
class MessageRing {
  #streams = NO_STREAMS;
  /** Numbers up to 2^32, and {@linkcode STREAM_END}. */
  #protocols = NO_PROTOCOLS;
  #bytes: Uint8Array[] = [];
  #head = 0;
  length = 0;

  push(streamId: number, ppid: number, bytes: Uint8Array): void {
    if (this.length === this.#bytes.length) this.#grow();
    const at = (this.#head + this.length++) & (this.#bytes.length - 1);
    this.#streams[at] = streamId;
    this.#protocols[at] = ppid;
    this.#bytes[at] = bytes;
  }

  /** Moves the first one into `message`. */
  shift(message: ReceivedMessage): void {
    const at = this.#head;
    message.streamId = this.#streams[at]!;
    message.ppid = this.#protocols[at]!;
    message.bytes = this.#bytes[at]!;
    this.#bytes[at] = NO_BYTES; // a large message must not outlive its turn
    this.#head = (at + 1) & (this.#bytes.length - 1);
    this.length--;
  }

  #grow(): void {
    const size = this.#bytes.length;
    const grown = Math.max(FIRST_MESSAGES, 2 * size);
    const streams = new Uint16Array(grown);
    const protocols = new Float64Array(grown);
    const bytes: Uint8Array[] = new Array(grown).fill(NO_BYTES);
    for (let i = 0; i < size; i++) {
      const at = (this.#head + i) & (size - 1);
      streams[i] = this.#streams[at]!;
      protocols[i] = this.#protocols[at]!;
      bytes[i] = this.#bytes[at]!;
    }
    this.#streams = streams;
    this.#protocols = protocols;
    this.#bytes = bytes;
    this.#head = 0;
  }
}

/** What {@linkcode InboundQueue.take} took last. */
export interface ReceivedMessage {
  streamId: number;
  /** Payload protocol identifier; {@linkcode STREAM_END} if the peer ended the stream here. */
  ppid: number;
  /** The taker's to keep. */
  bytes: Uint8Array;
}

/** Whole messages of one association until they are taken. */
export class InboundQueue {
  readonly message: ReceivedMessage = { streamId: 0, ppid: 0, bytes: NO_BYTES };
  /** What is kept, with its cost. */
  weight = 0;
  readonly #urgent = new MessageRing();
  readonly #patient = new MessageRing();
  readonly #patientStreams = new Set<number>();

  /** Messages on this stream may be left standing from now on, or not any more. */
  setPatient(streamId: number, patient: boolean): void {
    if (patient) this.#patientStreams.add(streamId);
    else this.#patientStreams.delete(streamId);
  }

  push(streamId: number, ppid: number, bytes: Uint8Array, urgent: boolean): void {
    this.weight += bytes.length + MESSAGE_COST_BYTES;
    const patient = !urgent && this.#patientStreams.has(streamId);
    (patient ? this.#patient : this.#urgent).push(streamId, ppid, bytes);
  }

  /** Whether {@linkcode InboundQueue.take} would find something. */
  has(withPatient: boolean): boolean {
    return this.#urgent.length > 0 || (withPatient && this.#patient.length > 0);
  }

  /** Takes the next message into {@linkcode InboundQueue.message}; `false` if there is none. */
  take(withPatient: boolean): boolean {
    if (this.#urgent.length > 0) this.#urgent.shift(this.message);
    else if (withPatient && this.#patient.length > 0) this.#patient.shift(this.message);
    else return false;
    this.weight -= this.message.bytes.length + MESSAGE_COST_BYTES;
    return true;
  }
}
