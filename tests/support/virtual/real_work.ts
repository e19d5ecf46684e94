/**
 * What code in virtual time asks of the real world: its files, and what other threads compute for
 * it. It is counted while it is under way, so that time can wait for it: however slow a machine is,
 * it takes no time then.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";

/** Only a failing test waits so long, ms: a disk that does not answer at all. */
const DEADLINE_MS = 60_000;
/** Turns of the event loop in which nobody asks for more, once everything is answered. */
const QUIET_TURNS = 2;

const CALLS = {
  files: [
    ...["copyFile", "lstat", "mkdir", "open", "readFile", "readTextFile", "realPath"],
    ...["remove", "rename", "stat", "truncate", "utime", "writeFile", "writeTextFile"],
  ],
  openFile: ["lock", "read", "seek", "tryLock", "truncate", "unlock", "write"],
  signing: ["digest", "importKey", "sign"],
} as const;

type Call = (this: unknown, ...parameters: unknown[]) => unknown;

/** All of it in this thread, until it is disposed. */
export class RealWork implements Disposable {
  readonly #restore: (() => void)[] = [];
  #underWay = 0;

  constructor() {
    const counted = (call: Call): Call => {
      const count = <T>(answer: Promise<T>) => this.#count(answer);
      return function (...parameters) {
        return count(call.apply(this, parameters) as Promise<unknown>);
      };
    };
    for (const name of CALLS.files) this.#replace(Deno, name, counted);
    for (const name of CALLS.openFile) this.#replace(Deno.FsFile.prototype, name, counted);
    for (const name of CALLS.signing) this.#replace(crypto.subtle, name, counted);
    this.#replace(Deno, "readDir", (call) => (...parameters) => {
      const entries = call.apply(Deno, parameters) as AsyncIterable<Deno.DirEntry>;
      return this.#countEach(entries);
    });
  }

  /** Resolves when nothing is under way, and whoever waited for that has gone on. */
  async done(): Promise<void> {
    const giveUpAt = performance.now() + DEADLINE_MS;
    for (let quiet = 0; quiet < QUIET_TURNS;) {
      await setImmediate();
      quiet = this.#underWay === 0 ? quiet + 1 : 0;
      assert.ok(performance.now() < giveUpAt, `${this.#underWay} calls are not answered`);
    }
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore) restore();
  }

  async #count<T>(answer: Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await answer;
    } finally {
      this.#underWay--;
    }
  }

  async *#countEach<T>(all: AsyncIterable<T>): AsyncIterable<T> {
    const iterator = all[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.#count(iterator.next());
      if (done === true) return;
      yield value;
    }
  }

  #replace(owner: object, name: string, by: (call: Call) => Call): void {
    const before = Object.getOwnPropertyDescriptor(owner, name);
    const value = by(Reflect.get(owner, name) as Call);
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
    this.#restore.push(() => {
      if (before === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, before);
    });
  }
}
