/**
 * A pool of one engine in this thread: what an engine alone is not, one among the engines of
 * several nodes.
 *
 * @module
 */
import { DropCounters } from "../../base/drop_counters.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { createLocalEngine } from "../local/local_engine.ts";
import type { LocalEngineOptions, ThreadEngine } from "../local/local_engine_options.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { EngineReady, MediaEngine, MediaEvent } from "../messages/media_messages.ts";
import { EnginePool } from "../pool/engine_pool.ts";
import type { PooledEngine } from "../pool/pooled_engine.ts";

/** An engine in this thread that has not opened anything yet, with ways to other nodes. */
export function createThreadPool(options: LocalEngineOptions): MediaEngine {
  const drops = options.drops ?? new DropCounters<EngineDrop>();
  return new EnginePool({
    platform: options.platform,
    size: 1,
    createEngine: () => new PooledThreadEngine(createLocalEngine({ ...options, drops })),
    createTcp: () => ({
      start: () => Promise.resolve([]),
      addresses: () => [],
      receive() {},
      engineLost() {},
      close: () => Promise.resolve(),
    }),
    drops: new DropCounters(),
  });
}

/** It listens for TCP itself, is never lost, and is the freest there is. */
class PooledThreadEngine implements PooledEngine {
  onLoad = () => {};
  onLost = () => {};
  onTcp = () => {};

  constructor(readonly engine: ThreadEngine) {}

  get onEvent(): (event: MediaEvent) => void {
    return this.engine.onEvent;
  }

  set onEvent(listener: (event: MediaEvent) => void) {
    this.engine.onEvent = listener;
  }

  start(): Promise<EngineReady> {
    return this.engine.start();
  }

  send(command: EngineCommand): void {
    this.engine.send(command);
  }

  addressesOf(connection: Parameters<ThreadEngine["addressesOf"]>[0]) {
    return this.engine.addressesOf(connection);
  }

  sendTcp(): void {}

  close(): Promise<void> {
    return this.engine.close();
  }
}
