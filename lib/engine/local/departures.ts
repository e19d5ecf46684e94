/**
 * When numbered packets really leave. They are noted with the time of the batch that they are part
 * of, and leave when the send queue is given to the kernel: a little later, and much later if the
 * thread had to wait for a core meanwhile. Receivers would show that as a queue, which is none of
 * the path's: rates would be lowered, and bursts spread that fit.
 *
 * The kernel takes all of it in one call, and a thread that has to wait for a core does so as a
 * rule when that call returns. So what counts is when the call began: packets that seemed to leave
 * at its end would have come too soon, and all others seem to wait in a queue for minutes. There is
 * a call for each socket, one after the other, so each tells of its own packets alone.
 *
 * @module
 */

/** A connection of which something was sent. */
export interface Departing {
  /** Whether it is among those that wait. */
  isLeaving: boolean;
  /** All that was sent has left, no later than `now`; by `-Infinity` when it was noted. */
  left(now: number): void;
}

/** The connections of one engine of which packets wait in the send queue. */
export class Departures {
  readonly #waiting: (Departing | undefined)[] = [];
  /** What their packets wait in. */
  readonly #sockets: (object | undefined)[] = [];
  #count = 0;
  #leavingAt = -Infinity;

  /** Whether {@linkcode Departures.left} has anybody to tell. */
  get isAwaited(): boolean {
    return this.#count > 0;
  }

  /**
   * Something of this connection was queued; once until it has left.
   *
   * @param socket What it waits in; absent for ways that tell nothing.
   */
  add(connection: Departing, socket?: object): void {
    connection.isLeaving = true;
    this.#sockets[this.#count] = socket;
    this.#waiting[this.#count++] = connection;
  }

  /** The kernel is about to be given what is queued in one socket. */
  leaving(now: number): void {
    this.#leavingAt = now;
  }

  /** It has been given what waited in this one; who waits elsewhere goes on waiting. */
  left(socket?: object): void {
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      const connection = this.#waiting[i]!;
      const its = this.#sockets[i];
      this.#forget(i);
      if (its === socket) tell(connection, this.#leavingAt);
      else this.add(connection, its);
    }
  }

  /** Nothing is kept here of a connection, or of a socket, that ends. */
  #forget(place: number): void {
    this.#waiting[place] = this.#sockets[place] = undefined;
  }

  /**
   * The turn is over: who still waits sends by a way that tells nothing (TCP, TURN, sockets of the
   * runtime), and what others send later must not be taken for its packets.
   */
  settle(): void {
    for (let i = 0; i < this.#count; i++) {
      const connection = this.#waiting[i]!;
      this.#forget(i);
      tell(connection, -Infinity);
    }
    this.#count = 0;
  }
}

function tell(connection: Departing, at: number): void {
  connection.isLeaving = false;
  connection.left(at);
}
