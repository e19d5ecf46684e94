/**
 * What an egress needs of the world around it.
 *
 * @module
 */
import type { Platform } from "../base/platform.ts";
import type { Composer } from "../recording/composition.ts";
import type { RecordingStorage } from "../recording/recording_storage.ts";
import type { EngineRouter } from "../room/context/engine_router.ts";

/** What an egress is given. */
export interface EgressWorld<E> {
  /** Its wall clock goes on steadily: whoever sets the system's puts no file off. */
  readonly platform: Platform;
  readonly router: EngineRouter;
  readonly storage: RecordingStorage;
  /** Absent where files go elsewhere, or the operator wants none. */
  readonly composer?: Composer | undefined;
  /** Who is gone may come back so long and goes on in the same file, ms. */
  readonly returnMs: number;
  /** A recording ends after so long, ms; 0: never. */
  readonly maxMs: number;
  /** And when it has so many bytes; 0: never. */
  readonly maxBytes: number;
  /** Its state, or what it has so far, is another. */
  readonly changed: (egress: E, what: "started" | "updated" | "ended") => void;
}
