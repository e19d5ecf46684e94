/**
 * Makes the engine that is asked for, or says why it cannot be had: the one place of the benchmark
 * that knows how an engine is chosen.
 *
 * @module
 */
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import type { MediaEngine } from "../../lib/engine/messages/media_messages.ts";
import { createLocalEngine } from "../../lib/engine/local/local_engine.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import type { EngineChoice } from "./forwarding_calls.ts";

const LOOPBACK = "127.0.0.1";

/** An engine that has not opened anything yet. */
export function engineUnderTest({ native, workers }: EngineChoice): MediaEngine {
  const anyPort = [{ hostname: LOOPBACK, port: 0 }];
  const common = { platform: denoPlatform(), tcp: anyPort, advertised: [LOOPBACK], native };
  return workers === 0
    ? createLocalEngine({ ...common, udp: anyPort })
    : createWorkerPool({ ...common, udpOf: Array.from({ length: workers }, () => anyPort) });
}
