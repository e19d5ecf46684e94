/**
 * What is true of every accepted TCP connection, whatever is spoken on it, and what it uses of the
 * mux that has accepted it.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Log, Timers } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunReceiver } from "../ice/ice_directory.ts";
import type { QueueLimits } from "./stream_queue.ts";
import type { Stranger } from "./tcp_strangers.ts";

/** Bounds of TCP connections; each is a policy, not a protocol constant. */
export interface TcpLimits extends QueueLimits {
  /** Wait for the first frame, ms: clients send it as soon as they are connected. */
  readonly firstFrameMs: number;
  /** Wait for the request that names the session, ms. */
  readonly namingTimeoutMs: number;
  /** Connections that have not named a session, in total. */
  readonly unnamed: number;
  /** The same from one IPv4 address or IPv6 /64; offices share one. */
  readonly unnamedPerAddress: number;
  /** After `close`, time for what is queued (a DTLS close_notify) to leave, ms. */
  readonly lingerMs: number;
}

/**
 * Half a second of 4 Mbit/s video may wait; ICE gives up after 15 s, so 10 s without progress do.
 */
export const DEFAULT_TCP_LIMITS: TcpLimits = {
  firstFrameMs: 3_000,
  namingTimeoutMs: 10_000,
  unnamed: 512,
  unnamedPerAddress: 32,
  softQueueBytes: 256 * 1024,
  hardQueueBytes: 1024 * 1024,
  stuckMs: 10_000,
  lingerMs: 1_000,
};

/** One accepted connection, whatever is spoken on it. */
export interface TcpConnection extends Stranger {
  /** Settles when reading and writing have stopped; never rejects. */
  readonly done: Promise<void>;
  /** Ends it once its queue is written. Idempotent. */
  close(): void;
  /** Ends it, nameless, for the sake of a newcomer. */
  giveWay(reason: TransportDrop): void;
}

/** What a connection uses of its mux. */
export interface TcpPathHost {
  readonly directory: StunReceiver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
  readonly limits: TcpLimits;
  /** Connections are the kernel's own: without TLS, and nothing was read off them before. */
  readonly isPlain: boolean;
  /** After the frames of one read were delivered. */
  onBatchEnd(now: number): void;
  /** Once, when the connection has named its session, or ended without. */
  unnamedDone(connection: TcpConnection): void;
  /** Once, when the connection is gone. */
  ended(connection: TcpConnection): void;
}
