/**
 * An egress to read about: what its info and its manifest are made of.
 *
 * @module
 */
import type { EgressStatus } from "@livekit/protocol";
import type { Composition } from "../recording/composition.ts";
import type { EgressPlan } from "./egress_plan.ts";
import type { EgressTracks, RecordedTrack } from "./egress_tracks.ts";
import type { OutputPart, SegmentsState } from "./egress_output.ts";

/** How an egress is; times are Unix ms, 0 for what has not been. */
export interface EgressState {
  readonly id: string;
  readonly plan: EgressPlan;
  readonly room: { readonly sid: string };
  readonly status: EgressStatus;
  /** The recording of a node that is gone with which this one goes on; empty if there is none. */
  readonly continues: string;
  /** Why it ended though nobody asked for it; empty if it did not. */
  readonly endNote: string;
  /** Empty if nothing went wrong. */
  readonly error: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly updatedAtMs: number;
  /** Where its manifest is; empty if there is none. */
  readonly manifest: string;
  readonly tracks: EgressTracks;
  /** What came of the composition; absent while there is none. */
  readonly composition: Composition | undefined;
  /** Why nothing will be composed; empty if it will, or is not wanted. */
  readonly obstacle: string;
  /** Why its journal ends early; empty if it does not. */
  readonly journalFailure: string;
  /** What happened beside the media; of a whole room alone. */
  readonly journal:
    | {
      readonly filename: string | undefined;
      readonly files: readonly { readonly name: string }[];
      readonly beganAtMs: number;
      readonly lines: number;
    }
    | undefined;
  /** Its segments; none if it makes files. */
  readonly segments: readonly SegmentsState[];
  /** Its files of which something is written. */
  readonly parts: readonly OutputPart[];
  /** Which place a stream of one of its files is. */
  trackOf(stream: unknown): RecordedTrack | undefined;
}
