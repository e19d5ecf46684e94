/**
 * How the ends of relays write to another engine, and when: packets at once, everything else at the
 * end of the turn, when the other engine is also woken.
 *
 * @module
 */
import type { RecordWriter } from "./relay_channel.ts";

/** An end of a relay. */
export interface RelayMember {
  /** Writes what has changed; `false` if the channel is too full, and it must be called again. */
  flush(): boolean;
}

/**
 * One channel's writing end. Records keep their order, what does not fit waits, and the reader is
 * woken at the end of the turn.
 */
export class RelayOutput {
  readonly channel: RecordWriter;
  readonly #changed = new Set<RelayMember>();
  readonly #flush: () => void = () => {
    this.#isScheduled = false;
    this.flush();
  };
  #isScheduled = false;

  constructor(channel: RecordWriter) {
    this.channel = channel;
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

  /** The member writes here no more. */
  forget(member: RelayMember): void {
    this.#changed.delete(member);
  }

  /** Gives the reader the record that was reserved last. */
  commit(): void {
    this.channel.commit();
    this.#schedule();
  }

  /** Writes what has changed, and wakes the reader. What does not fit waits for the next call. */
  flush(): void {
    for (const member of this.#changed) {
      if (!member.flush()) break; // in order: an end must not overtake its beginning
      this.#changed.delete(member);
    }
    this.channel.wake();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#flush);
  }
}
