/**
 * Runs a media engine in a worker: the other end of {@linkcode WorkerProxy}.
 *
 * Errors that nobody handled are logged and counted, and the worker lives, as the main thread does.
 *
 * @module
 */
import { DropCounters } from "../../base/drop_counters.ts";
import { SfuError } from "../../base/errors.ts";
import { collectGarbage } from "../../base/garbage.ts";
import type { Log, Platform } from "../../base/platform.ts";
import type { SocketLoop } from "../../transport/datagrams/socket_loop.ts";
import { createBorrowing, createSocketLoop } from "../../transport/media_ports.ts";
import { DistantTcp } from "../../transport/tcp/distant_tcp.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { MediaEvent } from "../messages/media_messages.ts";
import { LoadMeter } from "./load_meter.ts";
import { QUIET_GRAIN_MS } from "../local/engine_connections.ts";
import { createLocalEngine } from "../local/local_engine.ts";
import type { ThreadEngine } from "../local/local_engine_options.ts";
import { messageLog } from "./message_log.ts";
import { TurnOutbox } from "./turn_outbox.ts";
import {
  type FromWorker,
  REPORT_INTERVAL_MS,
  type ToWorker,
  type WorkerSetup,
} from "./worker_messages.ts";

/** The thread this runs in. */
export interface WorkerScope {
  post(batch: readonly FromWorker[]): void;
  platform(log: Log): Platform;
}

/** The engine of this worker. A stray error is logged and counted, and the engine goes on. */
export class WorkerEnd {
  readonly #outbox: TurnOutbox<FromWorker>;
  readonly #platform: Platform;
  readonly #drops = new DropCounters<EngineDrop>();
  readonly #tcp: DistantTcp;
  #dropsReported: Readonly<Record<string, number>> = {};
  #engine: ThreadEngine | undefined;
  /** What this thread waits in once the engine has native sockets. */
  #loop: SocketLoop | undefined;

  constructor(scope: WorkerScope) {
    this.#outbox = new TurnOutbox((batch) => scope.post(batch));
    const platform = scope.platform(messageLog((line) => this.#outbox.push(line)));
    this.#platform = platform;
    const { clock, log } = platform;
    this.#tcp = new DistantTcp({
      post: (message) => this.#outbox.push({ type: "tcp", message }),
      clock,
      drops: this.#drops,
      log,
    });
  }

  /** Takes a batch of the main thread. */
  receive(batch: readonly ToWorker[]): void {
    for (const message of batch) {
      switch (message.type) {
        case "start":
          this.#start(message.setup).catch((error) => this.strayError("rejection", error));
          break;
        case "command":
          this.#engine?.send(message.command);
          break;
        case "tcp":
          this.#tcp.receive(message.message);
          break;
        case "close":
          this.#close().catch((error) => this.strayError("rejection", error));
      }
    }
    this.#tcp.endBatch();
  }

  /** Something was thrown that nobody caught. */
  strayError(kind: "error" | "rejection", error: unknown): void {
    this.#drops.count(`unhandled_${kind}`);
    this.#platform.log.error(`unhandled ${kind}`, { error });
  }

  async #start(setup: WorkerSetup): Promise<void> {
    const { clock, timers } = this.#platform;
    const bell = setup.relays?.bell;
    const loop = createSocketLoop(setup.native ?? "off", {
      clock,
      timers,
      ...(bell === undefined ? {} : { bell }),
      failed: (error) => this.strayError("error", error),
    });
    this.#loop = loop;
    this.#tcp.borrowing = createBorrowing(setup.native ?? "off", {
      clock,
      timers: loop?.timers ?? timers,
      drops: this.#drops,
      ...(loop === undefined ? {} : { loop }),
      onStray: (stray) => this.#outbox.push({ type: "tcp", message: stray }),
      onBatchEnd: () => this.#tcp.endBatch(),
    });
    const engine = createLocalEngine({
      ...setup,
      platform: loop === undefined ? this.#platform : { ...this.#platform, timers: loop.timers },
      ...(loop === undefined ? {} : { loop }),
      drops: this.#drops,
      tcp: [],
      distantTcp: this.#tcp,
    });
    engine.onEvent = (event) => this.#outbox.push({ type: "event", event: this.#own(event) });
    try {
      const ready = await engine.start();
      this.#engine = engine;
      collectGarbage();
      this.#outbox.push({ type: "started", ready });
      this.#reportLater(engine, new LoadMeter(this.#platform.clock.nowUs()));
    } catch (error) {
      const code = error instanceof SfuError ? error.code : "worker_failed";
      this.#outbox.push({ type: "refused", code, message: messageOf(error) });
    }
  }

  async #close(): Promise<void> {
    await this.#engine?.close();
    this.#reportDrops();
    this.#outbox.push({ type: "closed" });
  }

  /**
   * Drops are told in reports; what a `stats` event adds are those of tracks, which end with them.
   */
  #own(event: MediaEvent): MediaEvent {
    if (event.type !== "stats") return event;
    this.#reportDrops();
    const drops: Record<string, number> = {};
    for (const [reason, count] of Object.entries(event.stats.drops)) {
      const ofTracks = count - (this.#dropsReported[reason] ?? 0);
      if (ofTracks > 0) drops[reason] = ofTracks;
    }
    return { ...event, stats: { ...event.stats, drops } };
  }

  #reportLater(engine: ThreadEngine, meter: LoadMeter): void {
    const { clock } = this.#platform;
    const timers = this.#loop?.timers ?? this.#platform.timers;
    // At multiples of it, when other work is due as well.
    const dueMs = REPORT_INTERVAL_MS - clock.now() % QUIET_GRAIN_MS;
    timers.after(dueMs, () => {
      const load = meter.read(engine.totals(), dueMs, clock.nowUs());
      this.#outbox.push({ type: "load", load });
      this.#reportDrops();
      this.#reportLater(engine, meter);
    });
  }

  #reportDrops(): void {
    const now = this.#drops.snapshot();
    const drops: Partial<Record<EngineDrop, number>> = {};
    for (const reason of Object.keys(now) as EngineDrop[]) {
      const by = now[reason]! - (this.#dropsReported[reason] ?? 0);
      if (by > 0) drops[reason] = by;
    }
    this.#dropsReported = now;
    if (Object.keys(drops).length > 0) this.#outbox.push({ type: "drops", drops });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
