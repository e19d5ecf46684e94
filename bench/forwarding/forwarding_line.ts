/**
 * An SFU process and a load process, connected, checked by a packet that reaches every subscriber,
 * and then run at any rate.
 *
 * @module
 */
import { BenchChild, type Calls } from "../bench_child.ts";
import type { Collection } from "../collections.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type {
  ClientParameters,
  EngineChoice,
  LoadCalls,
  LoadFigures,
  OpenedClient,
  PlannedStream,
  SfuCalls,
  SfuUsage,
} from "./forwarding_calls.ts";
import { type Plan, planOf } from "./plan.ts";
import type { Scenario } from "./scenarios.ts";

/** Handshakes at once: more make them time out on a small machine. */
const HANDSHAKE_BATCH = 10;
/** Rounds in which clients that did not get through are tried again. */
const CONNECT_ROUNDS = 4;
/** Share of the clients that may be replaced once connected; more than that is another trouble. */
const MAX_REPLACED = 0.25;
/** For data channels to open, ms. */
const CHANNELS_MS = 1_500;

/** A program that forwards. */
export interface Sfu extends EngineChoice {
  /** `native`, `portable`, `werift`. */
  readonly engine: string;
  /** In this folder. */
  readonly script: string;
}

/** How long a phase runs before and while it is measured, ms. */
export interface PhaseTimes {
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** What one phase at one rate showed. */
export interface Phase {
  /**
   * Packets per second that left the SFU in the window, and those that should have: fewer than
   * asked for if the clients could not publish as much.
   */
  readonly outPerSecond: number;
  readonly offeredPerSecond: number;
  readonly cpuMicrosPerPacket: number;
  /** CPU time by wall time: 1 is one busy core. */
  readonly cpuShare: number;
  /** Share of all packets of the phase that no subscriber read, warm-up included. */
  readonly loss: number;
  readonly latency: Percentiles;
  /** Shares of the two busiest threads, the busier one first. */
  readonly threadShares: readonly number[];
  readonly before: SfuUsage;
  readonly after: SfuUsage;
  readonly load: LoadFigures;
}

/**
 * An SFU and its load, two processes that end with this object. A phase runs only after every
 * subscriber got a packet.
 */
export class ForwardingLine implements AsyncDisposable {
  /** What it was doing when it was given up. */
  stage = "starting";
  isGivenUp = false;
  /** What runs, in the SFU's words. */
  engine = "";
  readonly plan: Plan;
  /** Memory of the SFU before anybody was connected. */
  emptyRssBytes = 0;
  connectMs = 0;
  readonly sfu: BenchChild<SfuCalls>;
  readonly load: BenchChild<LoadCalls>;
  #parameters: ClientParameters | undefined;

  constructor(private readonly choice: Sfu, private readonly scenario: Scenario, flags: string[]) {
    this.plan = planOf(scenario);
    const trace = ["--v8-flags=--trace-gc"];
    this.sfu = new BenchChild<SfuCalls>(`forwarding/${choice.script}`, [...trace, ...flags]);
    this.load = new BenchChild<LoadCalls>("load/load_process.ts");
  }

  /** Ends both; what is being measured is rejected. */
  giveUp(): void {
    this.isGivenUp = true;
    for (const child of [this.sfu, this.load] as BenchChild<Calls<unknown>>[]) child.kill();
  }

  /** @throws {Error} saying why the clients could not be connected. */
  async connect(): Promise<void> {
    const { native, workers } = this.choice;
    this.engine = (await this.sfu.call("start", { native, workers })).engine;
    this.emptyRssBytes = (await this.sfu.call("usage", {})).rssBytes;
    this.#parameters = await this.load.call("hello", {});
    const startedAt = performance.now();
    await this.#connectAll(this.plan.clients);
    await this.#wire(this.plan.streams);
    if (this.scenario.messages === undefined) await this.#probe();
    else await new Promise((resolve) => setTimeout(resolve, CHANNELS_MS));
    this.connectMs = performance.now() - startedAt;
  }

  /** Runs at a number of forwarded packets per second. */
  async phase(stage: string, outPerSecond: number, times: PhaseTimes): Promise<Phase> {
    this.stage = stage;
    const { messages, audience } = this.scenario;
    if (messages === undefined) {
      await this.load.call("run", { scale: outPerSecond / this.plan.nominalOut });
    } else {
      const { bytes } = messages;
      await this.load.call("runData", { perSecond: outPerSecond / audience, bytes });
    }
    await new Promise((resolve) => setTimeout(resolve, times.warmUpMs));
    const { expected } = await this.load.call("mark", {});
    const before = await this.sfu.call("usage", {});
    await new Promise((resolve) => setTimeout(resolve, times.windowMs));
    const after = await this.sfu.call("usage", {});
    const window = await this.load.call("mark", {});
    const total = await this.load.call("stop", {});
    const offered = (window.expected - expected) / window.wallMs * 1000;
    return phaseOf(offered, before, after, window, total);
  }

  /** Garbage collections of the SFU. Ends it. */
  collections(): Promise<Collection[]> {
    return this.sfu.collections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sfu[Symbol.asyncDispose]();
    await this.load[Symbol.asyncDispose]();
  }

  /** In small batches; those that do not get through are tried again. */
  async #connectAll(wanted: readonly OpenedClient[]): Promise<void> {
    let missing = [...wanted];
    for (let round = 0; round < CONNECT_ROUNDS && missing.length > 0; round++) {
      const batches = missing;
      missing = [];
      for (let at = 0; at < batches.length; at += HANDSHAKE_BATCH) {
        this.stage = `connecting, ${at - missing.length} of ${wanted.length} done`;
        const clients = batches.slice(at, at + HANDSHAKE_BATCH);
        const endpoints = await this.sfu.call("open", { ...this.#parameters!, clients });
        const { failed } = await this.load.call("connect", { clients, endpoints });
        missing.push(...clients.filter(({ client }) => failed.includes(client)));
      }
    }
    if (missing.length > 0) throw new Error(`${missing.length} clients did not connect`);
  }

  /** Tells both sides what is sent, and these streams. */
  async #wire(streams: Plan["streams"]): Promise<void> {
    const { tracks } = this.plan;
    await this.sfu.call("publish", { tracks: tracks.map(({ shape: _, ...track }) => track) });
    await this.load.call("publish", { tracks: [...tracks] });
    const { ssrcs } = await this.sfu.call("subscribe", { streams: [...streams] });
    const expected = streams.map((stream, i) => ({ ...stream, ssrc: ssrcs[i]! }));
    await this.load.call("expect", { streams: expected });
  }

  /** Clients no packet reaches are replaced: werift's DTLS sometimes ends with unequal keys. */
  async #probe(): Promise<void> {
    this.stage = "probing";
    const { silent } = await this.load.call("probe", {});
    if (silent.length === 0) return;
    const { clients, tracks, streams } = this.plan;
    const lost = clientsBehind(silent, this.plan);
    if (lost.size > clients.length * MAX_REPLACED) {
      throw new Error(`no packet reached ${silent.length} of ${streams.length} streams`);
    }
    await this.load.call("drop", { clients: [...lost] });
    await this.#connectAll(clients.filter(({ client }) => lost.has(client)));
    await this.#wire(
      streams.filter(({ client, track }) => lost.has(client) || lost.has(tracks[track]!.client)),
    );
    const { silent: still } = await this.load.call("probe", {});
    if (still.length > 0) throw new Error(`no packet reached ${still.length} streams`);
  }
}

/** The publisher if nobody gets a track of its, else the subscriber. */
export function clientsBehind(silent: readonly PlannedStream[], plan: Plan): Set<number> {
  const count = (streams: readonly PlannedStream[], track: number) =>
    streams.filter((stream) => stream.track === track).length;
  return new Set(silent.map(({ client, track }) => {
    const isWholeTrack = count(silent, track) === count(plan.streams, track);
    return isWholeTrack ? plan.tracks[track]!.client : client;
  }));
}

function phaseOf(
  offeredPerSecond: number,
  before: SfuUsage,
  after: SfuUsage,
  window: LoadFigures,
  total: LoadFigures,
): Phase {
  const wallMs = after.atMs - before.atMs;
  const forwarded = after.forwarded - before.forwarded;
  if (forwarded === 0) throw new Error("nothing was forwarded");
  const cpuMicros = after.cpuMicros - before.cpuMicros;
  const threads = Object.entries(after.threadMs)
    .map(([thread, ms]) => (ms - (before.threadMs[thread] ?? 0)) / wallMs)
    .sort((a, b) => b - a);
  return {
    outPerSecond: forwarded / wallMs * 1000,
    offeredPerSecond,
    cpuMicrosPerPacket: cpuMicros / forwarded,
    cpuShare: cpuMicros / wallMs / 1000,
    loss: total.expected === 0 ? 0 : Math.max(0, 1 - total.received / total.expected),
    latency: window.latency,
    threadShares: threads.slice(0, 2),
    before,
    after,
    load: { ...window, unmatched: total.unmatched },
  };
}
