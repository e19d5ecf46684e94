/**
 * The up-tracks with packets of the batch that is being received. Whoever receives ends the batch,
 * and with it every run, in the same turn.
 *
 * Sound goes first, and what several audio tracks have for one connection is given to it together,
 * the longest packets first: datagrams of which only the last is shorter leave as one message
 * (`socket_messages.ts`), as those of two speakers in one turn do. Video has runs by itself.
 *
 * A worker may have many rooms, whose tracks have no connection in common: who is next is found by
 * a heap, so that a copy costs the logarithm of how many tracks there are, and not all of them. No
 * allocation.
 *
 * @module
 */

/** An up-track, as far as batches go. */
export interface FanOut {
  /** Of audio: bytes of the first packet that waits. 0 for video, and if none waits. */
  readonly soundBytes: number;
  /** Gives what waits to those who pass it on to other engines. Must not throw. */
  beginRun(now: number): void;
  /**
   * Place (`PacketReceiver.place`) of the down-track that is next to be given what waits;
   * `Infinity` if none is.
   */
  nextPlace(): number;
  /**
   * Gives what waits to those that are next and have this place. Must not throw.
   *
   * @returns {@linkcode nextPlace} then.
   */
  serveRun(place: number, now: number): number;
  /** Gives all packets that wait to every down-track, once to each. Must not throw. */
  endRun(now: number): void;
}

/** Tracks that are served together; more than a batch brings. */
const MAX_TOGETHER = 1 << 10;
/** Packets from here on count as equally long. */
const MAX_BYTES = (1 << 11) - 1;
/**
 * A key is the next place, then how much shorter the packet is than {@linkcode MAX_BYTES}, then
 * which track it is: one number, exact as long as places are below 2^32.
 */
const PLACE = MAX_TOGETHER * (MAX_BYTES + 1);

/**
 * The up-tracks whose run is open. Whoever adds ends the batch in the same turn, which ends each
 * run once.
 */
export class FanOutBatch {
  readonly #waiting: FanOut[] = [];
  #length = 0;
  /** Keys of the audio tracks that are being served: none is below that of `(i - 1) >> 1`. */
  readonly #heap = new Float64Array(MAX_TOGETHER);

  /** Adds a track that has begun a run; it is not added twice before the batch ends. */
  add(track: FanOut): void {
    this.#waiting[this.#length++] = track;
  }

  /**
   * Gives what waits to those who pass it on: what is far away does not wait until everybody here
   * has been served.
   */
  begin(now: number): void {
    for (let i = 0; i < this.#length; i++) this.#waiting[i]!.beginRun(now);
  }

  /** Fans out what waits. Idempotent. */
  end(now: number): void {
    // A run that is fanned out may lead to others, which belong to this batch, too.
    for (let from = 0; from < this.#length;) {
      const to = Math.min(this.#length, from + MAX_TOGETHER);
      if (to - from > 1) this.#soundFirst(from, to, now);
      for (let i = from; i < to; i++) this.#waiting[i]!.endRun(now);
      from = to;
    }
    this.#length = 0;
  }

  /** Ends the runs of the audio tracks in `[from, to)`. */
  #soundFirst(from: number, to: number, now: number): void {
    const waiting = this.#waiting;
    const heap = this.#heap;
    let length = 0;
    for (let i = from; i < to; i++) {
      const track = waiting[i]!;
      const { soundBytes } = track;
      const place = soundBytes > 0 ? track.nextPlace() : Infinity;
      if (place !== Infinity) heap[length++] = place * PLACE + keyInPlace(soundBytes, i - from);
    }
    if (length > 1) this.#serveTogether(from, length, now);
    else if (length === 1) waiting[from + (heap[0]! % MAX_TOGETHER)]!.endRun(now);
  }

  /** Serves one connection after the other with what so many tracks from `from` on have for it. */
  #serveTogether(from: number, length: number, now: number): void {
    const waiting = this.#waiting;
    const heap = this.#heap;
    for (let i = (length >> 1) - 1; i >= 0; i--) sink(heap, i, heap[i]!, length);
    while (length > 0) {
      const key = heap[0]!;
      const place = Math.floor(key / PLACE);
      const inPlace = key - place * PLACE;
      const next = waiting[from + (inPlace & (MAX_TOGETHER - 1))]!.serveRun(place, now);
      if (next !== Infinity) sink(heap, 0, next * PLACE + inPlace, length);
      else if (--length > 0) sink(heap, 0, heap[length]!, length);
    }
  }
}

/** What of a key is not the place: the longest packet first, else who came first. */
function keyInPlace(bytes: number, index: number): number {
  return (MAX_BYTES - Math.min(bytes, MAX_BYTES)) * MAX_TOGETHER + index;
}

/** Puts `key` where it belongs below the free place `at` of the first `length` ones. */
function sink(heap: Float64Array, at: number, key: number, length: number): void {
  for (;;) {
    let child = at * 2 + 1;
    if (child >= length) break;
    let least = heap[child]!;
    if (child + 1 < length) {
      const other = heap[child + 1]!;
      if (other < least) {
        least = other;
        child++;
      }
    }
    if (key <= least) break;
    heap[at] = least;
    at = child;
  }
  heap[at] = key;
}
