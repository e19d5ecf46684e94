/**
 * What a thread that waits in the kernel sees of it: descriptors that become readable at times the
 * test has given, epoll instances that wait for them, and time that passes only in waits.
 *
 * @module
 */
import type { Clock, Timers } from "../../../lib/base/platform.ts";
import type { WaitingCalls } from "../../../lib/transport/datagrams/libc.ts";

const EVENT_WORDS = Deno.build.arch === "x86_64" ? 3 : 4;
const EVENT_DATA = EVENT_WORDS - 2;
const ADD = 1;
/** The event loop's own epoll instance. */
const RUNTIME_POLL = 7;

/** One thread's kernel; nothing in it takes time but waiting. */
export class VirtualKernel {
  nowUs = 0;
  /** When each wait ended, µs, and what it found. */
  readonly waits: { readonly at: number; readonly found: readonly number[] }[] = [];
  readonly #polls = new Map<number, Map<number, number>>();
  /** By descriptor: when it becomes readable, in order. */
  readonly #arrivals = new Map<number, number[]>();
  readonly #isOver: () => boolean;
  #nextPoll = 100;

  /** @param isOver Asked in each wait; then it throws, which ends the thread. */
  constructor(isOver: (kernel: VirtualKernel) => boolean) {
    this.#isOver = () => isOver(this);
  }

  readonly clock: Pick<Clock, "nowUs"> = { nowUs: () => this.nowUs };
  /** The runtime's, which has only turns to give. */
  readonly timers: Timers = {
    after(_delayMs, callback) {
      queueMicrotask(callback);
      return () => {};
    },
  };

  /** `fd` becomes readable at these times, µs, in order. */
  arrive(fd: number, times: readonly number[]): void {
    const waiting = this.#arrivals.get(fd) ?? [];
    this.#arrivals.set(fd, [...waiting, ...times].sort((a, b) => a - b));
  }

  /** Takes what has come at `fd`. @returns When each came, µs. */
  take(fd: number): number[] {
    const waiting = this.#arrivals.get(fd) ?? [];
    const count = waiting.filter((at) => at <= this.nowUs).length;
    return waiting.splice(0, count);
  }

  readonly calls: WaitingCalls = {
    readFile: (path, into) => {
      if (path !== `/proc/self/fdinfo/${RUNTIME_POLL}`) return -1;
      const lines = [...this.#arrivals.keys()].map((fd) => `tfd: ${fd} events: 1\n`);
      return new TextEncoder().encodeInto(lines.join(""), into).written;
    },
    close: () => 0,
    openCounter: () => -1,
    read: (fd) => BigInt(this.take(fd).length),
    write: () => 8n,
    epollCreate: () => {
      this.#polls.set(this.#nextPoll, new Map());
      return this.#nextPoll++;
    },
    epollControl: (poll, operation, fd, event) => {
      const name = new Int32Array(event.buffer)[EVENT_DATA]!;
      if (operation === ADD) this.#polls.get(poll)?.set(fd, name);
      else this.#polls.get(poll)?.delete(fd);
      return 0;
    },
    epollWait: (poll, events, _count, timeoutMs) => {
      if (this.#isOver()) throw new Error("the thread is over");
      const watched = [...this.#polls.get(poll)!];
      const nextAt = (fd: number) => this.#arrivals.get(fd)?.[0] ?? Infinity;
      const first = Math.min(...watched.map(([fd]) => nextAt(fd)));
      this.nowUs = Math.max(this.nowUs, Math.min(first, this.nowUs + timeoutMs * 1_000));
      const found = watched.filter(([fd]) => nextAt(fd) <= this.nowUs).map(([, name]) => name);
      const bytes = EVENT_WORDS * 4 * Math.max(1, found.length);
      const into = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(events, bytes));
      found.forEach((name, i) => into[i * EVENT_WORDS + EVENT_DATA] = name);
      this.waits.push({ at: this.nowUs, found });
      return found.length;
    },
    sleepUs: (us) => {
      this.nowUs += us;
    },
  };
}
