/**
 * Makes the engine that is asked for, or says why it cannot be had: the one place of the benchmark that
 * knows how an engine is chosen.
 *
 * @module
 */
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import type { MediaEngine } from "../../lib/engine/engine_messages.ts";
import { createLocalEngine } from "../../lib/engine/local_engine.ts";
import type { EngineChoice } from "./forwarding_calls.ts";

const LOOPBACK = "127.0.0.1";

/** An engine that has not opened anything yet. */
export function engineUnderTest({ native, workers }: EngineChoice): MediaEngine {
  if (workers > 0) throw new Error("there are no engine workers in this version");
  return createLocalEngine({
    platform: denoPlatform(),
    udp: [{ hostname: LOOPBACK, port: 0 }],
    tcp: [{ hostname: LOOPBACK, port: 0 }],
    advertised: [LOOPBACK],
    native,
  });
}
