/**
 * What an ICE agent tells its session.
 *
 * @module
 */
import type { NetworkPath } from "./network_path.ts";

/**
 * Told by an {@linkcode IceLiteAgent} in the order things happened, after the answer was sent, and
 * never again after the agent's end.
 */
export interface IceListener {
  /** Send here from now on. Called for the first path, and whenever it changes. */
  onPathSelected(path: NetworkPath): void;
  /** No valid request for a while (see `ice_silence.ts`). */
  onInterrupted(): void;
  /**
   * No valid request for so long that only the client can mend it; once more after each restart
   * that it does not follow.
   */
  onLost(): void;
  /** Requests came (back) after `onInterrupted` or `onLost`. */
  onResumed(): void;
  /** How long the client's answer to a check of ours took by the selected path, ms. */
  onRoundTrip?(rttMs: number): void;
  /** The agent's `tick` has something to do at `at`, perhaps sooner than before. */
  onTimed(at: number): void;
  /** Final: the agent has let go of all paths and credentials. */
  onFailed(): void;
}
