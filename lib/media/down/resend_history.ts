/**
 * What was sent to one subscriber under which number, so that a lost packet can be written again
 * byte by byte from the up-track's cache.
 *
 * @module
 */
import { KEPT_MS } from "../layer/packet_cache.ts";

/** Resends of one packet before further requests are ignored. */
export const MAX_RESENDS = 3;

/** The number of a packet that has not left. */
export const NOT_LEFT = -2;

/** One column per fact, indexed by {@linkcode ResendHistory.find}. */
export class ResendHistory {
  readonly #mask: number;
  /** Extended outgoing number, -1 while unused. */
  readonly #out: Float64Array;
  /** Extended number in the source layer. */
  readonly sourceSeq: Float64Array;
  /** Monotonic ms of the first sending. */
  readonly #sentAt: Float64Array;
  readonly spatial: Uint8Array;
  readonly payloadType: Uint8Array;
  readonly timestamp: Uint32Array;
  /** 1 for a packet that waits to leave for the first time. */
  readonly waits: Uint8Array;
  /** 1 for a packet without payload that fills a number. */
  readonly empty: Uint8Array;
  /** VP8 picture id as written, or -1 if the payload was not rewritten. */
  readonly pictureId: Int32Array;
  readonly tl0PicIdx: Uint8Array;
  readonly keyIdx: Uint8Array;
  /** 1 for a packet whose marker was set though its source's was not. */
  readonly setsMarker: Uint8Array;
  /** Decode targets as announced, or -1 if the descriptor was not rewritten; and of how many. */
  readonly activeTargets: Int32Array;
  readonly targetCount: Uint8Array;
  /** Playout delay as announced, or -1. */
  readonly playoutDelay: Int32Array;
  /**
   * With what header it left: transport-wide number (16 bits), -1 for none, {@linkcode NOT_LEFT};
   * and the time that was written, monotonic ms.
   */
  readonly transportSequence: Int32Array;
  readonly writtenAt: Float64Array;
  readonly resends: Uint8Array;
  /** Monotonic ms of the last resend. */
  readonly resentAt: Float64Array;
  /** The columns that {@linkcode ResendHistory.doubled} copies. */
  readonly #columns: readonly (Float64Array | Uint32Array | Int32Array | Uint8Array)[];

  /** @param capacity Packets remembered, a power of two. */
  constructor(capacity: number) {
    this.#mask = capacity - 1;
    this.#out = new Float64Array(capacity).fill(-1);
    this.#sentAt = new Float64Array(capacity).fill(-Infinity);
    this.sourceSeq = new Float64Array(capacity);
    this.spatial = new Uint8Array(capacity);
    this.payloadType = new Uint8Array(capacity);
    this.timestamp = new Uint32Array(capacity);
    this.waits = new Uint8Array(capacity);
    this.empty = new Uint8Array(capacity);
    this.pictureId = new Int32Array(capacity);
    this.tl0PicIdx = new Uint8Array(capacity);
    this.keyIdx = new Uint8Array(capacity);
    this.setsMarker = new Uint8Array(capacity);
    this.activeTargets = new Int32Array(capacity);
    this.targetCount = new Uint8Array(capacity);
    this.playoutDelay = new Int32Array(capacity);
    this.transportSequence = new Int32Array(capacity);
    this.writtenAt = new Float64Array(capacity);
    this.resends = new Uint8Array(capacity);
    this.resentAt = new Float64Array(capacity);
    this.#columns = [
      this.sourceSeq,
      this.spatial,
      this.payloadType,
      this.timestamp,
      this.waits,
      this.empty,
      this.pictureId,
      this.tl0PicIdx,
      this.keyIdx,
      this.setsMarker,
      this.activeTargets,
      this.targetCount,
      this.playoutDelay,
      this.transportSequence,
      this.writtenAt,
      this.resends,
      this.resentAt,
    ];
  }

  get capacity(): number {
    return this.#mask + 1;
  }

  /** Whether to claim `out` would forget a packet that its cache still keeps for resending. */
  forgetsRecent(out: number, now: number): boolean {
    return now - this.#sentAt[out & this.#mask]! < KEPT_MS;
  }

  /** The same entries with twice the room. */
  doubled(): ResendHistory {
    const into = new ResendHistory(2 * this.capacity);
    for (let from = 0; from < this.capacity; from++) {
      const out = this.#out[from]!;
      if (out < 0) continue;
      const to = into.claim(out, this.#sentAt[from]!);
      for (let i = 0; i < this.#columns.length; i++) {
        into.#columns[i]![to] = this.#columns[i]![from]!;
      }
    }
    return into;
  }

  /** Monotonic ms of the first sending of an entry that was found. */
  sentAt(entry: number): number {
    return this.#sentAt[entry]!;
  }

  /** Claims the entry for outgoing number `out`; the caller fills the columns. */
  claim(out: number, now: number): number {
    const entry = out & this.#mask;
    this.#out[entry] = out;
    this.#sentAt[entry] = now;
    this.waits[entry] = 0;
    this.transportSequence[entry] = NOT_LEFT;
    this.resends[entry] = 0;
    this.resentAt[entry] = -Infinity;
    return entry;
  }

  /** The entry of outgoing number `out`, or -1 if it was never sent or is forgotten. */
  find(out: number): number {
    const entry = out & this.#mask;
    return this.#out[entry] === out ? entry : -1;
  }
}
