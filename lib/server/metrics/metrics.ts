/**
 * The metrics of one server: what observes, what is looked up, and the text of it all.
 *
 * Looking everything up costs a walk over rooms and tracks, so it is done at most once a second
 * however often somebody asks, and every few seconds even if nobody does, because tracks take their
 * figures with them.
 *
 * @module
 */
import process from "node:process";
import { DearValue } from "../../base/dear_value.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { EngineStats } from "../../engine/messages/media_messages.ts";
import type { RoomObserver } from "../../room/context/room_events.ts";
import { describeError } from "../../room/context/close_reason.ts";
import { type Telemetry, telemetryOf } from "../../room/context/telemetry.ts";
import { descriptorLimit } from "../../transport/datagrams/descriptor_limit.ts";
import {
  type OpenDescriptors,
  openDescriptors,
} from "../../transport/datagrams/open_descriptors.ts";
import { createInstruments, type Instruments } from "./metrics_instruments.ts";
import { HttpMetrics } from "./metrics_http.ts";
import { MediaMetrics } from "./metrics_media.ts";
import { type NodeLinkFigures, NodeMetrics } from "./metrics_nodes.ts";
import { type CountedRoom, RoomMetrics } from "./metrics_rooms.ts";
import { SessionMetrics } from "./metrics_sessions.ts";
import { SignalMetrics } from "./metrics_signals.ts";

/** How old an answer may be. */
const FRESH_FOR_MS = 1_000;
const LOOK_INTERVAL_MS = 5_000;
/** All answers together take no more than one part in so many of the time. */
const WRITING_PACE = 10;
/** One answer is given for so long at most, ms. */
const WRITTEN_FOR_MS = 10_000;
/** A media plane that does not answer by then is left out. */
const STATS_TIMEOUT_MS = 1_000;

/** Where figures come from when they are asked for. */
export interface MetricsSource {
  rooms(): Iterable<CountedRoom>;
  stats(): Promise<EngineStats>;
  /** To other nodes; absent for a server that is alone. */
  links?(): readonly NodeLinkFigures[];
  /** Clients that are here, with sessions on other nodes. */
  carried?(): number;
  /** Of recordings that wait for a bucket; absent where nothing is recorded. */
  waitingBytes?(): number;
}

/**
 * One server's metrics. Figures are looked up at most once a second, whoever asks; between `start`
 * and `stop` also without being asked.
 */
export class Metrics {
  /** Give it to the rooms. */
  readonly roomObserver: RoomObserver;
  /** Give it to everybody who counts. */
  readonly telemetry: Telemetry;
  readonly #instruments: Instruments;
  readonly #rooms: RoomMetrics;
  readonly #signals: SignalMetrics;
  readonly #media: MediaMetrics;
  readonly #nodes: NodeMetrics;
  #source: MetricsSource | undefined;
  #cancelLook: Cancel | undefined;
  #looking: Promise<void> | undefined;
  #lookedAt = -Infinity;
  #writing: Promise<string> | undefined;
  readonly #written: DearValue<string>;
  #cpuSeconds = 0;
  readonly #openDescriptors: OpenDescriptors;

  constructor(readonly platform: Pick<Platform, "clock" | "timers" | "log">, nodeId: string) {
    this.#instruments = createInstruments({ node_id: nodeId, node_type: "SERVER" });
    this.roomObserver = this.#rooms = new RoomMetrics(this.#instruments, platform.clock);
    this.#written = new DearValue(platform.clock, WRITING_PACE, WRITTEN_FOR_MS);
    this.#signals = new SignalMetrics(this.#instruments);
    this.#media = new MediaMetrics(this.#instruments);
    this.#nodes = new NodeMetrics(this.#instruments);
    const listeners = [
      this.#signals,
      this.#media,
      new SessionMetrics(this.#instruments),
      new HttpMetrics(this.#instruments),
    ];
    const failed = new Set<string>();
    this.telemetry = telemetryOf(listeners, (figure, error) => {
      if (failed.has(figure)) return;
      failed.add(figure);
      platform.log.error("metrics failed", { figure, error: describeError(error) });
    });
    this.#instruments.startTime.set(Math.trunc(platform.clock.wallMs() / 1000));
    const limit = descriptorLimit();
    this.#openDescriptors = openDescriptors(limit);
    this.#instruments.maxDescriptors.set(limit);
    this.#instruments.cores.set(navigator.hardwareConcurrency);
  }

  /** Looks regularly from now on. */
  start(source: MetricsSource): void {
    this.#source = source;
    this.#scheduleLook();
  }

  stop(): void {
    this.#source = undefined;
    this.#cancelLook?.();
  }

  /** Prometheus text format, version 0.0.4. */
  async text(): Promise<string> {
    if (this.platform.clock.now() - this.#lookedAt >= FRESH_FOR_MS) {
      const open = this.#openDescriptors();
      if (open !== undefined) this.#instruments.openDescriptors.set(open);
      await this.#look();
    }
    return this.#written.kept ??
      await (this.#writing ??= this.#write().finally(() => this.#writing = undefined));
  }

  /** Clients of every kind are series of their own, which take a tenth of a second. */
  async #write(): Promise<string> {
    const startedUs = this.platform.clock.nowUs();
    return this.#written.made(await this.#instruments.registry.metrics(), startedUs);
  }

  get contentType(): string {
    return this.#instruments.registry.contentType;
  }

  #scheduleLook(): void {
    this.#cancelLook = this.platform.timers.after(LOOK_INTERVAL_MS, () => {
      this.#look().finally(() => {
        if (this.#source !== undefined) this.#scheduleLook();
      });
    });
  }

  /** Several who ask at once share one look. */
  #look(): Promise<void> {
    this.#looking ??= this.#collect().finally(() => this.#looking = undefined);
    return this.#looking;
  }

  async #collect(): Promise<void> {
    this.#signals.collect();
    this.#collectProcess();
    const source = this.#source;
    if (source === undefined) return;
    this.#instruments.waitingBytes.set(source.waitingBytes?.() ?? 0);
    const sources = this.#rooms.collect(source.rooms());
    const stats = await this.#stats(source);
    if (stats !== undefined) {
      this.#media.update(stats, sources);
      this.#nodes.update(stats.relays, source.links?.() ?? []);
      this.#instruments.carried.set(source.carried?.() ?? 0);
    }
    this.#lookedAt = this.platform.clock.now();
  }

  async #stats(source: MetricsSource): Promise<EngineStats | undefined> {
    const late = Promise.withResolvers<undefined>();
    const cancel = this.platform.timers.after(STATS_TIMEOUT_MS, () => late.resolve(undefined));
    try {
      return await Promise.race([source.stats(), late.promise]);
    } finally {
      cancel();
    }
  }

  #collectProcess(): void {
    const { rss, heapUsed } = Deno.memoryUsage();
    this.#instruments.residentMemory.set(rss);
    this.#instruments.heapUsed.set(heapUsed);
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    this.#instruments.cpuSeconds.inc(Math.max(0, seconds - this.#cpuSeconds));
    this.#cpuSeconds = seconds;
  }
}
