/**
 * The media engine of a test, as the environment says: `ROOMWIRE_TEST_WORKERS` (default 0, in this
 * thread, behind a border that clones) and `ROOMWIRE_TEST_NATIVE` (`auto`, `off` or `require`).
 *
 * @module
 */
import type { MediaEngine } from "../../../lib/engine/messages/media_messages.ts";
import { createLocalEngine } from "../../../lib/engine/local/local_engine.ts";
import type { LocalEngineOptions } from "../../../lib/engine/local/local_engine_options.ts";
import { DEFAULT_PLACEMENT, type PlacementPolicy } from "../../../lib/engine/pool/placement.ts";
import {
  createWorkerPool,
  type WorkerPoolOptions,
} from "../../../lib/engine/worker/worker_pool.ts";
import type { NativeUse } from "../../../lib/transport/media_crypto.ts";
import { clonedEngine } from "../virtual/cloned_engine.ts";

/** How many workers tests run their engines on. */
export const TEST_WORKERS = Number(Deno.env.get("ROOMWIRE_TEST_WORKERS") ?? 0);
/** What tests say of native code. */
export const TEST_NATIVE = Deno.env.get("ROOMWIRE_TEST_NATIVE") as NativeUse | undefined;
/** Every newcomer goes to the freest engine, whatever its room. */
export const SPREAD: PlacementPolicy = { fullLoad: 0, clearlyLess: 0 };

/**
 * An engine as the environment says, behind the same port either way. Each worker binds the UDP
 * addresses that are given, so ports must be 0.
 */
export function createTestEngine(
  options: LocalEngineOptions,
  placement: PlacementPolicy = DEFAULT_PLACEMENT,
): MediaEngine {
  const native = TEST_NATIVE === undefined ? {} : { native: TEST_NATIVE };
  if (TEST_WORKERS === 0) return clonedEngine(createLocalEngine({ ...options, ...native }));
  return createTestPool({ ...options, ...native }, TEST_WORKERS, placement);
}

/** A pool of that many workers, each on UDP addresses like those that are given. */
export function createTestPool(
  { platform, drops, udp, tcp, advertised, audioLevel, native }: LocalEngineOptions,
  workers: number,
  placement: PlacementPolicy,
  spawn?: WorkerPoolOptions["spawn"],
): MediaEngine {
  return createWorkerPool({
    platform,
    udpOf: Array.from({ length: workers }, () => udp),
    tcp,
    advertised,
    placement,
    ...(drops === undefined ? {} : { drops }),
    ...(audioLevel === undefined ? {} : { audioLevel }),
    ...(native === undefined ? {} : { native }),
    ...(spawn === undefined ? {} : { spawn }),
  });
}
