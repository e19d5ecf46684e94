/**
 * How the ends of relays write to another engine, and when: packets at once, everything else at the
 * end of the turn, when the other engine is also woken.
 *
 * @module
 */
import type { RelayRingWriter } from "./relay_ring.ts";

/** An end of a relay. */
export interface RelayMember {
  /** Writes what has changed; `false` if the ring is too full, and it must be called again. */
  flush(): boolean;
}

/** See the module text. */
export class RelayOutput {
  readonly ring: RelayRingWriter;
  readonly #changed = new Set<RelayMember>();
  readonly #flush: () => void = () => {
    this.#isScheduled = false;
    this.flush();
  };
  #isScheduled = false;

  constructor(ring: RelayRingWriter) {
    this.ring = ring;
  }

  /** Whether something waits to be written. */
  get isPending(): boolean {
    return this.#changed.size > 0;
  }

  /** The member has something to write. */
  changed(member: RelayMember): void {
    this.#changed.add(member);
    this.#schedule();
  }

  /** Gives the reader the record that was reserved last. */
  commit(): void {
    this.ring.commit();
    this.#schedule();
  }

  /** Writes what has changed, and wakes the reader. What does not fit waits for the next call. */
  flush(): void {
    for (const member of this.#changed) {
      if (!member.flush()) break; // in order: an end must not overtake its beginning
      this.#changed.delete(member);
    }
    this.ring.wake();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#flush);
  }
}
