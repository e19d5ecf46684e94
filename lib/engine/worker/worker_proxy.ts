/**
 * A media engine that lives in a worker, seen from the main thread.
 *
 * Contract: after `onLost` or `close` nothing comes from the worker any more. A worker is lost when
 * it ends by an error, or gives no sign of life for {@linkcode SILENCE_MS}; it is ended then, as
 * far as the runtime can: Deno 2.9 cannot end a thread that loops for ever, and its sockets stay
 * open.
 *
 * @module
 */
import type { DropCounters } from "../../base/drop_counters.ts";
import { SfuError } from "../../base/errors.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { ThreadBell } from "../../transport/datagrams/thread_bell.ts";
import type { TcpFromSession, TcpToSession } from "../../transport/tcp/tcp_handover.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { EngineReady, MediaEvent } from "../messages/media_messages.ts";
import { writeLine } from "./message_log.ts";
import type { EngineLoad } from "../pool/placement.ts";
import type { PooledEngine } from "../pool/pooled_engine.ts";
import { TurnOutbox } from "./turn_outbox.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./worker_messages.ts";

/**
 * Without a report for this long a worker counts as hung, ms: ten reports, or a very long pause.
 */
const SILENCE_MS = 6_000;
/** How often that is looked at, ms. */
const WATCH_MS = 1_000;
/** From start to the first sign of life, ms: a cold cache compiles every module. */
const START_MS = 60_000;
/** What a closing worker is given to say its goodbyes, ms. */
const CLOSE_MS = 2_000;

/** The part of a `Worker` that is used, so that tests can stand in for it. */
export interface WorkerThread {
  postMessage(message: unknown): void;
  /** Ends it at once, whatever it is doing. */
  terminate(): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

/** What a worker's engine is made of. */
export interface WorkerProxyOptions {
  readonly platform: Platform;
  readonly setup: WorkerSetup;
  /** The worker's drops are added here. */
  readonly drops: DropCounters<EngineDrop>;
  /** The one that the worker's thread waits for; absent where its sockets are portable. */
  readonly bell?: ThreadBell;
  readonly spawn?: () => WorkerThread;
}

/** A worker with this project's own engine. */
function spawnWorker(): WorkerThread {
  // In the package that npm installs all files are JavaScript.
  const name = import.meta.url.endsWith(".js") ? "./worker_main.js" : "./worker_main.ts";
  return new Worker(new URL(name, import.meta.url), { type: "module" });
}

/**
 * One worker's engine. It is lost once at most, by an error or by silence, and after that or
 * `close` nothing comes from it.
 */
export class WorkerProxy implements PooledEngine {
  onEvent: (event: MediaEvent) => void = () => {};
  onLoad: (load: EngineLoad) => void = () => {};
  onLost: (reason: string) => void = () => {};
  onTcp: (message: TcpFromSession) => void = () => {};
  readonly #options: WorkerProxyOptions;
  readonly #outbox = new TurnOutbox<ToWorker>((batch) => {
    this.#worker?.postMessage(batch);
    this.#options.bell?.ring();
  });
  #worker: WorkerThread | undefined;
  #starting: PromiseWithResolvers<EngineReady> | undefined;
  #closing: PromiseWithResolvers<void> | undefined;
  #addresses: readonly MediaAddress[] = [];
  #heardAt = 0;
  #cancelWatch: Cancel | undefined;

  constructor(options: WorkerProxyOptions) {
    this.#options = options;
  }

  async start(): Promise<EngineReady> {
    if (this.#closing !== undefined) throw new SfuError("closed", "Cannot start: it is closed");
    const starting = this.#starting = Promise.withResolvers<EngineReady>();
    const worker = this.#worker = (this.#options.spawn ?? spawnWorker)();
    worker.onmessage = ({ data }) => this.#receive(data as readonly FromWorker[]);
    worker.onerror = (event) => {
      // Or it would end the process.
      event.preventDefault();
      this.#lose(`it ended by an error: ${event.message}`);
    };
    this.#cancelWatch = this.#after(START_MS, () => this.#lose("it did not start in time"));
    this.#outbox.push({ type: "start", setup: this.#options.setup });
    const ready = await starting.promise;
    this.#addresses = ready.addresses;
    return ready;
  }

  addressesOf(_connection: ConnectionId): readonly MediaAddress[] {
    return this.#addresses;
  }

  send(command: EngineCommand): void {
    if (this.#closing === undefined) this.#outbox.push({ type: "command", command });
  }

  sendTcp(message: TcpToSession): void {
    if (this.#closing === undefined) this.#outbox.push({ type: "tcp", message });
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    this.#closing = Promise.withResolvers();
    this.#cancelWatch?.();
    if (this.#worker === undefined) this.#closing.resolve();
    else {
      this.#outbox.push({ type: "close" });
      this.#cancelWatch = this.#after(CLOSE_MS, () => this.#end("it did not close in time"));
    }
    return this.#closing.promise;
  }

  #receive(batch: readonly FromWorker[]): void {
    for (const message of batch) {
      // Whoever hears of an event may close or lose this engine.
      if (this.#worker === undefined) return;
      this.#heardAt = this.#options.platform.clock.now();
      try {
        this.#take(message);
      } catch (error) {
        // Whoever hears of one event must not keep the others from theirs.
        this.#options.drops.count("engine_listener_threw");
        this.#options.platform.log.error("Hearing of the media worker failed", { error });
      }
    }
  }

  #take(message: FromWorker): void {
    switch (message.type) {
      case "event":
        if (message.event.type === "addresses_changed") this.#addresses = message.event.addresses;
        if (this.#closing === undefined) this.onEvent(message.event);
        return;
      case "tcp":
        return this.onTcp(message.message);
      case "log":
        return writeLine(this.#options.platform.log, message);
      case "load":
        return this.onLoad(message.load);
      case "drops":
        return this.#options.drops.merge(message.drops);
      case "started":
        this.#watch();
        this.#starting?.resolve(message.ready);
        this.#starting = undefined;
        return;
      case "refused":
        return this.#end(new SfuError(message.code, message.message));
      case "closed":
        return this.#end("it is closed");
    }
  }

  /** Looks for signs of life again and again. */
  #watch(): void {
    this.#cancelWatch?.();
    const { clock } = this.#options.platform;
    const lookAt = clock.now() + WATCH_MS;
    this.#cancelWatch = this.#after(WATCH_MS, () => {
      const now = clock.now();
      // If this thread stood still (or the machine slept), reports wait to be read.
      if (now - lookAt > WATCH_MS) this.#heardAt = now;
      if (now - this.#heardAt >= SILENCE_MS) this.#lose("it gave no sign of life");
      else this.#watch();
    });
  }

  #lose(reason: string): void {
    const tells = this.#worker !== undefined && this.#starting === undefined &&
      this.#closing === undefined;
    this.#end(reason);
    if (tells) this.onLost(reason);
  }

  #end(reason: string | SfuError): void {
    this.#cancelWatch?.();
    this.#worker?.terminate();
    this.#worker = undefined;
    const error = typeof reason === "string"
      ? new SfuError("worker_failed", `The media worker is gone: ${reason}`)
      : reason;
    this.#starting?.reject(error);
    this.#starting = undefined;
    this.#closing?.resolve();
  }

  #after(delayMs: number, callback: () => void): Cancel {
    return this.#options.platform.timers.after(delayMs, callback);
  }
}
