/**
 * Makes the media engine that the configuration asks for: in this thread, or on workers.
 *
 * @module
 */
import type { MediaEngine } from "../engine/messages/media_messages.ts";
import { createLocalEngine } from "../engine/local/local_engine.ts";
import type { LocalEngineOptions } from "../engine/local/local_engine_options.ts";
import { createWorkerPool } from "../engine/worker/worker_pool.ts";
import type { MediaListeners } from "./media_listeners.ts";

/** What every engine is made of, wherever it runs. */
export type MediaPlaneOptions =
  & Required<Pick<LocalEngineOptions, "platform" | "drops" | "audioLevel" | "native">>
  & Pick<LocalEngineOptions, "marks">;

/** An engine that has not opened anything yet. */
export function createMediaPlane(
  listeners: MediaListeners,
  options: MediaPlaneOptions,
): MediaEngine {
  const { workers, udpOf, tcp, advertised, addressRule } = listeners;
  if (workers > 0) return createWorkerPool({ ...options, ...listeners });
  return createLocalEngine({ ...options, udp: udpOf[0]!, tcp, advertised, addressRule });
}
