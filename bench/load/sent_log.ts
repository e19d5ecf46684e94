/**
 * When the last packets of a track left, and which of them an arriving copy is.
 *
 * A forwarded packet is sealed, and its sequence number and timestamp are rewritten; but both are
 * shifted by constants as long as the SFU neither drops nor inserts packets. The shifts are learnt
 * from a first packet and checked with each one: the timestamp of the packet that the sequence
 * number names must fit. If it does not, the packet's frame is looked up by its timestamp and the
 * shift of numbers learnt anew.
 *
 * @module
 */

/** Packets remembered, a power of two. */
const SIZE = 16_384;
const MASK = SIZE - 1;
/** How far back a packet is looked for. */
const SEARCH = 2_048;

/** What was sent of one track. */
export class SentLog {
  readonly #timestamps = new Uint32Array(SIZE);
  readonly #leftAt = new Float64Array(SIZE);
  #newest = -1;

  /** Notes a packet that is about to leave. */
  next(sequence: number, timestamp: number): void {
    this.#newest = sequence;
    this.#timestamps[sequence & MASK] = timestamp;
  }

  /** The `count` newest have left at `micros`. */
  left(count: number, micros: number): void {
    for (let i = 0; i < count; i++) this.#leftAt[(this.#newest - i) & MASK] = micros;
  }

  get newest(): number {
    return this.#newest;
  }

  timestamp(sequence: number): number {
    return this.#timestamps[sequence & MASK]!;
  }

  leftAt(sequence: number): number {
    return this.#leftAt[sequence & MASK]!;
  }

  /** The newest packet that had left at `micros`; the newest of all if none is known. */
  newestAt(micros: number): number {
    for (let i = 0; i < SEARCH; i++) {
      const sequence = (this.#newest - i) & 0xffff;
      const at = this.leftAt(sequence);
      if (at > 0 && at <= micros) return sequence;
    }
    return this.#newest;
  }

  /** The oldest recent packet with this timestamp, or -1. */
  find(timestamp: number): number {
    let found = -1;
    for (let i = 0; i < SEARCH; i++) {
      const sequence = (this.#newest - i) & 0xffff;
      if (this.timestamp(sequence) === timestamp) found = sequence;
      else if (found >= 0) break;
    }
    return found;
  }
}

/** A subscriber's copy of a track. */
export class ReceivedStream {
  /** Since the last {@linkcode ReceivedStream.restart}. */
  received = 0;
  /** Packets that could not be told apart since then. */
  unmatched = 0;
  #numberShift = -1;
  #timeShift = 0;

  constructor(readonly sent: SentLog, readonly client: number) {}

  restart(): void {
    this.received = 0;
    this.unmatched = 0;
  }

  /** Says which packet one that arrives was when it was sent, for who knows. */
  anchor(sequence: number, timestamp: number, original: number): void {
    this.#numberShift = (sequence - original) & 0xffff;
    this.#timeShift = (timestamp - this.sent.timestamp(original)) >>> 0;
  }

  /**
   * Takes an arriving packet. The first one must be the newest that had been sent when it came.
   *
   * @returns How long it took, µs, or -1 if that is not known.
   */
  arrive(sequence: number, timestamp: number, arrivedAt: number): number {
    this.received++;
    const { sent } = this;
    if (this.#numberShift < 0) {
      const newest = sent.newestAt(arrivedAt);
      this.#numberShift = (sequence - newest) & 0xffff;
      this.#timeShift = (timestamp - sent.timestamp(newest)) >>> 0;
    }
    let original = (sequence - this.#numberShift) & 0xffff;
    const wanted = (timestamp - this.#timeShift) >>> 0;
    if (sent.timestamp(original) !== wanted) {
      this.unmatched++;
      original = sent.find(wanted);
      if (original < 0) return -1;
      this.#numberShift = (sequence - original) & 0xffff;
    }
    const took = arrivedAt - sent.leftAt(original);
    return took < 0 ? -1 : took;
  }
}
