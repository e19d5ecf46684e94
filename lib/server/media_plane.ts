/**
 * Makes the media engine that the configuration asks for: in this thread, or on workers.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { ConnectionId } from "../base/ids.ts";
import type { MediaAddress } from "../base/media_vocabulary.ts";
import type {
  EngineReady,
  MediaCommand,
  MediaEngine,
  MediaEvent,
} from "../engine/messages/media_messages.ts";
import type { LocalEngineOptions } from "../engine/local/local_engine_options.ts";
import { createWorkerPool } from "../engine/worker/worker_pool.ts";
import type { MediaListeners } from "./media_listeners.ts";

/** What every engine is made of, wherever it runs. */
export type MediaPlaneOptions =
  & Required<
    Pick<
      LocalEngineOptions,
      | "platform"
      | "drops"
      | "audioLevel"
      | "congestion"
      | "native"
      | "pliThrottleMs"
      | "tellsFarLoss"
    >
  >
  & Pick<LocalEngineOptions, "marks" | "turn" | "tcpProxies">
  & {
    /** Whether tracks may cross to other nodes and come from there. */
    readonly amongNodes: boolean;
  };

/** An engine that has not opened anything yet. */
export function createMediaPlane(
  listeners: MediaListeners,
  options: MediaPlaneOptions,
): MediaEngine {
  const { workers, udpOf, tcp, advertised, discovery, addressRule } = listeners;
  if (workers > 0) return createWorkerPool({ ...options, ...listeners });
  const own = { ...options, udp: udpOf[0]!, tcp, advertised, discovery, addressRule };
  return new EngineOfThisThread(own, options.amongNodes);
}

/**
 * The engine in this thread. Its modules are loaded when it starts: a process whose engines run on
 * workers does without 180 of them here.
 */
class EngineOfThisThread implements MediaEngine {
  onEvent: (event: MediaEvent) => void = () => {};
  readonly #options: LocalEngineOptions;
  /** Absent until it starts. */
  #engine: MediaEngine | undefined;
  #isClosed = false;

  constructor(options: LocalEngineOptions, readonly amongNodes: boolean) {
    this.#options = options;
  }

  async start(): Promise<EngineReady> {
    const create = this.amongNodes
      ? (await import("../engine/worker/thread_pool.ts")).createThreadPool
      : (await import("../engine/local/local_engine.ts")).createLocalEngine;
    if (this.#isClosed) throw new SfuError("closed", "The media engine was closed");
    this.#engine = create(this.#options);
    this.#engine.onEvent = (event) => this.onEvent(event);
    return await this.#engine.start();
  }

  send(command: MediaCommand): void {
    this.#engine?.send(command);
  }

  addressesOf(connection: ConnectionId): readonly MediaAddress[] {
    return this.#engine?.addressesOf(connection) ?? [];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#engine?.close();
  }
}
