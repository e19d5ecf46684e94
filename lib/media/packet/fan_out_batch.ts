/**
 * The up-tracks with packets of the batch that is being received. Whoever receives ends the batch,
 * and with it every run, in the same turn.
 *
 * Sound goes first, and what several audio tracks have for one connection is given to it together,
 * the longest packets first: datagrams of which only the last is shorter leave as one message
 * (`socket_messages.ts`), as those of two speakers in one turn do. Video has runs by itself.
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
  /** Gives what waits to those that are next and have this place. Must not throw. */
  serveRun(place: number, now: number): void;
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
    for (let from = 0; from < this.#length;) {
      const to = this.#length;
      if (to - from > 1) this.#serveTogether(from, this.#soundFirst(from, to), now);
      for (let i = from; i < to; i++) this.#waiting[i]!.endRun(now);
      from = to;
    }
    this.#length = 0;
  }

  /** Serves one connection after the other with what the tracks in `[from, to)` have for it. */
  #serveTogether(from: number, to: number, now: number): void {
    if (to - from < 2) return;
    const waiting = this.#waiting;
    for (;;) {
      let place = Infinity;
      for (let i = from; i < to; i++) {
        const next = waiting[i]!.nextPlace();
        if (next < place) place = next;
      }
      if (place === Infinity) return;
      for (let i = from; i < to; i++) waiting[i]!.serveRun(place, now);
    }
  }

  /** Sorts `[from, to)`: sound, the longest first, and video as it came. @returns Where that is. */
  #soundFirst(from: number, to: number): number {
    const waiting = this.#waiting;
    let end = from;
    for (let i = from; i < to; i++) {
      const track = waiting[i]!;
      const { soundBytes } = track;
      if (soundBytes > 0) end++;
      let at = i;
      for (; at > from && waiting[at - 1]!.soundBytes < soundBytes; at--) {
        waiting[at] = waiting[at - 1]!;
      }
      waiting[at] = track;
    }
    return end;
  }
}
