/**
 * The up-tracks with packets of the batch that is being received. Whoever receives ends the batch,
 * and with it every run, in the same turn.
 *
 * @module
 */

/** An up-track, as far as batches go. */
export interface FanOut {
  /** Gives what waits to those who pass it on to other engines. Must not throw. */
  beginRun(now: number): void;
  /** Gives all packets that wait to every down-track, once to each. Must not throw. */
  endRun(now: number): void;
}

/**
 * The up-tracks whose run is open. Whoever adds ends the batch in the same turn, which ends each
 * run once.
 */
export class FanOutBatch {
  readonly #waiting: FanOut[] = [];
  #length = 0;

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
    for (let i = 0; i < this.#length; i++) this.#waiting[i]!.endRun(now);
    this.#length = 0;
  }
}
