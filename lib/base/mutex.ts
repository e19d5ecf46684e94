/**
 * A mutex that cannot be left locked: the critical section is a callback.
 *
 * @module
 */
import { Mutex as AsyncMutex } from "async-mutex";

/** First come, first served mutual exclusion. */
export class Mutex {
  readonly #mutex = new AsyncMutex();

  /** Runs `section` alone; the lock is released when it settles, also when it throws. */
  run<T>(section: () => T | Promise<T>): Promise<T> {
    return this.#mutex.runExclusive(section);
  }

  /** Whether someone holds the lock now. */
  get locked(): boolean {
    return this.#mutex.isLocked();
  }
}
