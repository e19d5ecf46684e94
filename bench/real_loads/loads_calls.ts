/**
 * The calls to the process with the clients of a load.
 *
 * @module
 */
import type { Nothing } from "../bench_child.ts";
import type { Reach, RelayTls } from "../load/client_reach.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { ProfileName } from "./client_profiles.ts";
import type { LoadScenario } from "./load_scenarios.ts";

/** `v0`: `/rtc` and two connections for each participant; `v1`: `/rtc/v1` and one. */
export const SIGNALLINGS = ["v0", "v1"] as const;
export type Signalling = (typeof SIGNALLINGS)[number];

/** A server that speaks LiveKit's protocol, and a key to it. */
export interface ServerAccess {
  /** `ws://…` without a trailing slash. */
  readonly url: string;
  readonly key: string;
  readonly secret: string;
  /** How clients reach its media; UDP if absent. */
  readonly reach?: Reach;
  readonly relayTls?: RelayTls;
}

/** How clients join. */
export interface GatherOptions {
  readonly server: ServerAccess;
  readonly scenario: LoadScenario;
  readonly profile: ProfileName;
  /** In place of what the profile says of pacers of video, ms. */
  readonly aheadMs?: number;
  readonly signalling: Signalling;
}

/** The clients of one load. */
export interface LoadsCalls {
  /** What the clients read with; loopback alone. */
  hello(options: Nothing): Promise<{ sockets: string; baseline: Percentiles }>;
  /**
   * Everybody joins, connects and publishes, and media flows from then on. Resolves when every
   * stream has come to every subscriber.
   *
   * @throws {Error} if somebody cannot join, or a stream does not come.
   */
  gather(options: GatherOptions): Promise<{ participants: number; streams: number; ms: number }>;
  /** What happened since the call before. */
  mark(options: Nothing): Promise<LoadsFigures>;
  leave(options: Nothing): Promise<Nothing>;
}

/** What the clients saw between two marks. */
export interface LoadsFigures {
  readonly wallMs: number;
  /** RTP packets, or data messages, that reached a subscriber, repetitions included. */
  readonly received: number;
  /** By the numbers of each stream, or by what was sent. */
  readonly expected: number;
  readonly lost: number;
  /** Bytes of what was received. */
  readonly bytes: number;
  /** From the socket that sent to the kernel of the receiver. */
  readonly latency: Percentiles;
  /** What the clients sent beside media: reports and feedback, and checks. */
  readonly reports: number;
  readonly checks: number;
  /** The process with the clients. */
  readonly cpuMicros: number;
  readonly longestGapMs: number;
  readonly kernelDrops: number;
}
