/**
 * A thread that waits for its UDP sockets in the kernel itself, in place of the runtime's event
 * loop: on the machines measured a turn of the event loop costs 50 to 100 µs around what is done in
 * it, and this a quarter.
 *
 * The sockets are taken out of the event loop's epoll instance and put into one of our own, and so
 * is the event loop's instance itself: what the runtime has to see to (a message of another thread,
 * an operation that is complete) wakes this up, too, and then the runtime gets a turn. Timers given
 * out here need none.
 *
 * What the runtime alone hears of may be late, because its own wake-up does not reach a thread that
 * began to wait in the moment before. So whoever has something for this thread rings its bell, and
 * the runtime has a turn every {@linkcode STAY_US} besides.
 *
 * While nobody waits for what comes ({@linkcode SocketLoop.active} says that somebody does), the
 * sockets are left alone for up to 20 ms, and only the bell and the runtime are listened to; what
 * has a socket of its own because it can wait, to which checks come then, for up to 50.
 *
 * Contract: it lives while it has a socket; between two waits all microtasks run. A throw of a
 * timer or a socket ends nothing. Where the kernel does not let the event loop be found, `watch`
 * says so and nothing has changed.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Cancel, Clock, Timers } from "../../base/platform.ts";
import { WakeEntry, WakeQueue } from "../../base/wake_queue.ts";
import type { WaitingCalls } from "./libc.ts";
import { QUIET_REPORTS_GRAIN_US, ReceivePace } from "./receive_pace.ts";
import { findPollOf } from "./runtime_poll.ts";

/** The runtime gets a turn at least so often, µs. */
const STAY_US = 250_000;
/**
 * Sockets that are left alone are looked at again so much later than their grain begins, µs: timers
 * of that grain were set in whole ms and are due by then, which is one wake-up for both.
 */
const GRAIN_SLACK_US = 1_000;
/** Promises that wait for promises: so many in a row are settled between two waits. */
const SETTLING_STEPS = 4;
/** The same after a turn of the runtime, which may have resolved what leads to more. */
const SETTLING_STEPS_AFTER_STAY = 32;

/** Turns until everything is delivered that had come when a timer fired. */
const TURNS_AFTER_TIMER = 2;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** `struct epoll_event` is packed on x86-64 alone: 32-bit words of one, and where its data is. */
const EVENT_WORDS = Deno.build.arch === "x86_64" ? 3 : 4;
const EVENT_DATA = EVENT_WORDS - 2;
const MAX_EVENTS = 16;
/** Data of the event loop's entry and of the bell's; sockets are named by their descriptors. */
const RUNTIME = -1;
const BELL = -2;

/** What a loop is made of. */
export interface SocketLoopOptions {
  readonly calls: WaitingCalls;
  /** Descriptor of the {@linkcode ThreadBell} by which threads say that there is something. */
  readonly bell?: number;
  readonly clock: Pick<Clock, "nowUs">;
  /** The runtime's. */
  readonly timers: Timers;
  /** Told of what a timer or a socket threw: a bug of its owner. */
  readonly failed: (error: unknown) => void;
}

/** Receives what has come without waiting. @returns How many datagrams that were. */
export type Receive = () => number;

/** A socket with what can wait for some milliseconds. */
export interface ReportSource {
  readonly fd: number;
  readonly receive: Receive;
  /** How many of those that were received last were acknowledgements of data; absent: none. */
  readonly sacks?: () => number;
  /** Whether nobody waits for checks now, so that they may come here, too. */
  readonly setQuiet?: (isQuiet: boolean) => void;
}

/** One thread's loop: begins with the first socket and ends with the last. */
export class SocketLoop {
  /** Timers that need no turn of the runtime; while there is no socket, the runtime's. */
  readonly timers: Timers = { after: (delayMs, callback) => this.#after(delayMs, callback) };
  readonly #options: SocketLoopOptions;
  readonly #sockets = new Map<number, Receive>();
  /** Of them, those with what can wait. */
  #reportSources: readonly ReportSource[] = [];
  /** What they were told last. */
  #isQuiet = false;
  readonly #timers = new WakeQueue<() => void>();
  readonly #pace = new ReceivePace();
  readonly #events = new Int32Array(EVENT_WORDS * MAX_EVENTS);
  readonly #eventsAddress = Deno.UnsafePointer.of(this.#events)!;
  readonly #rings = new Uint8Array(8);
  /** Ours, and the event loop's; `undefined` outside of the loop's life. */
  #poll: number | undefined;
  #runtimePoll = -1;
  /** Others of ours: without sockets, and without those whose datagrams can wait. */
  #quietPoll = -1;
  #mediaPoll = -1;
  /** The one that is waited for next, if it is another than {@linkcode SocketLoop.#poll}. */
  #waited = -1;
  #running: Promise<void> = Promise.resolve();
  #stayBy = 0;
  /** Whether packets were left where they are for the runtime's turn, so that they are next. */
  #hasLeftPackets = false;

  constructor(options: SocketLoopOptions) {
    this.#options = options;
  }

  /**
   * Takes over a socket that the runtime has opened.
   *
   * @param reports A second socket, which the runtime does not know, with what can wait for some
   * milliseconds.
   * @returns Lets go of the socket, to be called once, before it is closed; settles when nothing of
   * the loop waits for it any more. `undefined` if it could not be taken over.
   */
  watch(
    fd: number,
    receive: Receive,
    reports?: ReportSource,
  ): (() => Promise<void>) | undefined {
    const { calls } = this.#options;
    const poll = this.#poll ?? this.#begin(fd);
    if (poll === undefined) return undefined;
    const mediaPoll = this.#mediaPoll;
    // The runtime lets go of it last: what it does not watch and we do not either is deaf.
    const isOurs = calls.epollControl(poll, EPOLL_CTL_ADD, fd, eventOf(fd)) === 0 &&
      calls.epollControl(mediaPoll, EPOLL_CTL_ADD, fd, eventOf(fd)) === 0 &&
      calls.epollControl(this.#runtimePoll, EPOLL_CTL_DEL, fd, eventOf(fd)) === 0;
    if (!isOurs) {
      for (const one of [poll, mediaPoll]) {
        calls.epollControl(one, EPOLL_CTL_DEL, fd, eventOf(fd));
      }
      this.#endIfUnused();
      return undefined;
    }
    return this.#add(fd, receive, reports);
  }

  /**
   * Waits for a socket, too, that the runtime does not know, as long as the loop lives.
   *
   * @returns As {@linkcode SocketLoop.watch}; `undefined` outside of the loop's life.
   */
  watchBeside(fd: number, receive: Receive, reports: ReportSource): (() => void) | undefined {
    if (this.#poll === undefined) return undefined;
    for (const one of [this.#poll, this.#mediaPoll]) {
      this.#options.calls.epollControl(one, EPOLL_CTL_ADD, fd, eventOf(fd));
    }
    return this.#add(fd, receive, reports);
  }

  /** What stands in the polls already. */
  #add(fd: number, receive: Receive, reports: ReportSource | undefined): () => Promise<void> {
    const { calls } = this.#options;
    const poll = this.#poll!;
    const mediaPoll = this.#mediaPoll;
    this.#sockets.set(fd, receive);
    if (reports !== undefined) {
      calls.epollControl(poll, EPOLL_CTL_ADD, reports.fd, eventOf(reports.fd));
      this.#sockets.set(reports.fd, reports.receive);
      this.#reportSources = [...this.#reportSources, reports];
      reports.setQuiet?.(this.#isQuiet);
    }
    return () => {
      this.#sockets.delete(fd);
      for (const one of [poll, mediaPoll]) {
        calls.epollControl(one, EPOLL_CTL_DEL, fd, eventOf(fd));
      }
      if (reports !== undefined) {
        this.#sockets.delete(reports.fd);
        this.#reportSources = this.#reportSources.filter((one) => one !== reports);
        calls.epollControl(poll, EPOLL_CTL_DEL, reports.fd, eventOf(reports.fd));
      }
      return this.#endIfUnused();
    };
  }

  /**
   * Somebody waits for what comes: media, data or a handshake is on its way. For the next second
   * everything is received without delay.
   *
   * @param nowUs Monotonic µs of the loop's clock.
   */
  active(nowUs: number): void {
    this.#pace.active(nowUs);
  }

  /** Whether nobody waits for what comes, at `nowUs` as for {@linkcode SocketLoop.active}. */
  isQuiet(nowUs: number): boolean {
    return this.#pace.isQuiet(nowUs);
  }

  /**
   * Somebody waits for what comes by the sockets of reports, to send more: for a while it is
   * received as all else is.
   *
   * @param nowUs As for {@linkcode SocketLoop.active}.
   */
  prompt(nowUs: number): void {
    this.#pace.prompt(nowUs);
  }

  /** Without sockets the thread waits in the event loop again, which gets the timers, too. */
  #endIfUnused(): Promise<void> {
    const poll = this.#poll;
    if (poll === undefined || this.#sockets.size > 0) return Promise.resolve();
    for (const one of [poll, this.#quietPoll, this.#mediaPoll]) this.#options.calls.close(one);
    this.#poll = undefined;
    this.#handOver();
    return this.#running;
  }

  #handOver(): void {
    const nowUs = this.#options.clock.nowUs();
    for (;;) {
      const atUs = this.#timers.nextAt;
      const callback = this.#timers.take(Infinity);
      if (callback === undefined) return;
      this.#options.timers.after(Math.max(0, Math.ceil((atUs - nowUs) / 1_000)), callback);
    }
  }

  #begin(fd: number): number | undefined {
    const { calls } = this.#options;
    const runtimePoll = findPollOf(calls, fd);
    if (runtimePoll === undefined) return undefined;
    const polls = [0, 1, 2].map(() => this.#createPoll(runtimePoll));
    if (polls.some((one) => one < 0)) {
      for (const one of polls) if (one >= 0) calls.close(one);
      return undefined;
    }
    const [poll, quietPoll, mediaPoll] = polls as [number, number, number];
    this.#runtimePoll = runtimePoll;
    this.#quietPoll = quietPoll;
    this.#mediaPoll = mediaPoll;
    this.#running = this.#run(poll);
    return this.#poll = poll;
  }

  /** @returns An epoll instance for what other threads and the runtime say; negative if none. */
  #createPoll(runtimePoll: number): number {
    const { calls, bell } = this.#options;
    const poll = calls.epollCreate();
    if (poll < 0) return -1;
    if (calls.epollControl(poll, EPOLL_CTL_ADD, runtimePoll, eventOf(RUNTIME)) !== 0) {
      calls.close(poll);
      return -1;
    }
    if (bell !== undefined) calls.epollControl(poll, EPOLL_CTL_ADD, bell, eventOf(BELL));
    return poll;
  }

  #after(delayMs: number, callback: () => void): Cancel {
    if (this.#poll === undefined) return this.#options.timers.after(delayMs, callback);
    const entry = new WakeEntry(callback);
    this.#timers.move(entry, this.#options.clock.nowUs() + delayMs * 1_000);
    return () => this.#timers.move(entry, Infinity);
  }

  async #run(poll: number): Promise<void> {
    // Whoever opened the socket sets it up before anything is received.
    await this.#stay();
    while (this.#poll === poll) {
      this.#runTimers();
      for (let step = 0; step < SETTLING_STEPS; step++) await undefined;
      if (this.#poll !== poll) return;
      if (this.#wait(poll) || this.#options.clock.nowUs() >= this.#stayBy) await this.#stay();
    }
  }

  /** A turn of the event loop. */
  async #stay(): Promise<void> {
    const { clock, timers } = this.#options;
    await new Promise<void>((resume) => void timers.after(0, resume));
    // Timers come before what else the same turn has for us, of which the kernel says no more.
    for (let turn = 0; turn < TURNS_AFTER_TIMER; turn++) {
      await new Promise<void>((resume) => void setImmediate(resume));
    }
    for (let step = 0; step < SETTLING_STEPS_AFTER_STAY; step++) await undefined;
    // When reports are received anyway, if it is quiet then.
    this.#stayBy = atGrain(clock.nowUs() + STAY_US);
  }

  #runTimers(): void {
    const nowUs = this.#options.clock.nowUs();
    // Those set meanwhile are for the next round: a timer that sets itself for now blocks nobody.
    for (let left = this.#timers.size; left > 0; left--) {
      const callback = this.#timers.take(nowUs);
      if (callback === undefined) return;
      try {
        callback();
      } catch (error) {
        this.#options.failed(error);
      }
    }
  }

  /**
   * Waits for the next thing to do, and receives what has come. What another thread has said goes
   * first, as it may be about the packets behind it: then they are left for the time after that.
   *
   * @returns Whether the runtime has something to do.
   */
  #wait(poll: number): boolean {
    const { calls, clock } = this.#options;
    const beganUs = clock.nowUs();
    const restEndsUs = this.#chooseWait(beganUs);
    const untilUs = Math.min(this.#timers.nextAt, this.#stayBy, restEndsUs);
    const waitMs = Math.max(0, Math.ceil((untilUs - beganUs) / 1_000));
    const waited = this.#waited < 0 ? poll : this.#waited;
    const count = calls.epollWait(waited, this.#eventsAddress, MAX_EVENTS, waitMs);
    const isRung = this.#isAmong(BELL, count);
    if (isRung) calls.read(this.#options.bell!, this.#rings, 8n);
    const isReady = this.#isAmong(RUNTIME, count);
    const isRuntimeReady = isRung || isReady;
    const hasPackets = count > Number(isRung) + Number(isReady);
    this.#hasLeftPackets = isRuntimeReady && hasPackets && !this.#hasLeftPackets;
    if (this.#hasLeftPackets) return true;
    if (hasPackets) this.#receiveAll(count);
    return isRuntimeReady;
  }

  /** Chooses what is waited for. @returns Until when that holds, monotonic µs. */
  #chooseWait(nowUs: number): number {
    this.#waited = -1;
    this.#steer(this.#pace.isQuiet(nowUs));
    let restsUntil = this.#pace.restsUntil(nowUs);
    if (restsUntil > nowUs) this.#waited = this.#quietPoll;
    else {
      restsUntil = this.#pace.reportsRestUntil(nowUs);
      if (restsUntil <= nowUs) return Infinity;
      this.#waited = this.#mediaPoll;
    }
    return restsUntil + GRAIN_SLACK_US;
  }

  #steer(isQuiet: boolean): void {
    if (isQuiet === this.#isQuiet) return;
    this.#isQuiet = isQuiet;
    for (const source of this.#reportSources) source.setQuiet?.(isQuiet);
  }

  /** Receives from all sockets among the first `count` events: media, and then reports. */
  #receiveAll(count: number): void {
    const { calls, clock } = this.#options;
    const events = this.#events;
    let isPaced = false;
    let nowUs = clock.nowUs();
    let received = 0;
    const isPrompt = this.#pace.isPrompt(nowUs);
    for (let i = 0; i < count; i++) {
      const name = events[i * EVENT_WORDS + EVENT_DATA]!;
      const isReports = this.#isOfReports(name);
      if (name < 0 || (isReports && !isPrompt)) continue;
      if (!isPaced) {
        isPaced = true;
        const delayUs = this.#pace.delayUs(nowUs);
        if (delayUs > 0) calls.sleepUs(delayUs);
        nowUs += delayUs;
      }
      if (!isReports) received += this.#receive(name);
    }
    if (isPaced) this.#pace.received(received, nowUs);
    if (isPaced && !this.#pace.takesReports(nowUs)) return;
    let reports = 0;
    let sacks = 0;
    for (let i = 0; i < this.#reportSources.length; i++) {
      const source = this.#reportSources[i]!;
      const count = this.#receive(source.fd);
      reports += count;
      if (count > 0) sacks += source.sacks?.() ?? 0;
    }
    this.#pace.receivedReports(reports, nowUs, sacks);
  }

  #isOfReports(fd: number): boolean {
    for (let i = 0; i < this.#reportSources.length; i++) {
      if (this.#reportSources[i]!.fd === fd) return true;
    }
    return false;
  }

  #isAmong(name: number, count: number): boolean {
    for (let i = 0; i < count; i++) {
      if (this.#events[i * EVENT_WORDS + EVENT_DATA] === name) return true;
    }
    return false;
  }

  #receive(fd: number): number {
    try {
      return this.#sockets.get(fd)?.() ?? 0;
    } catch (error) {
      this.#options.failed(error);
      return 0;
    }
  }
}

/** When the grain of `atUs` begins in which reports are received while it is quiet. */
function atGrain(atUs: number): number {
  return Math.floor(atUs / QUIET_REPORTS_GRAIN_US) * QUIET_REPORTS_GRAIN_US;
}

function eventOf(name: number): Uint8Array<ArrayBuffer> {
  const words = new Int32Array(EVENT_WORDS);
  words[0] = EPOLLIN;
  words[EVENT_DATA] = name;
  return new Uint8Array(words.buffer);
}
