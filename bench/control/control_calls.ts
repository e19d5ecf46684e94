/**
 * The calls of the second table: to a whole server, and to the process with its participants.
 *
 * @module
 */
import type { Nothing } from "./bench_child.ts";

/** A server in a process of its own. */
export interface ServerCalls {
  /** Starts it and tells its `ws://` address. */
  listen(options: Nothing): Promise<{ url: string }>;
  /** What the process has used so far; `collect` frees the heap's garbage first. */
  usage(options: { collect: boolean }): Promise<Usage>;
}

/** CPU time since the start and memory now. */
export interface Usage {
  readonly cpuMicros: number;
  readonly rssBytes: number;
  /** V8's heap in use and what it holds outside. */
  readonly heapBytes: number;
}

/** Requests a participant sends; a mute is followed by an unmute. */
export type RequestKind = "ping" | "metadata" | "mute";

/** All participants of the measurement. */
export interface ParticipantCalls {
  /** Joins one that publishes a video track from then on. */
  publish(options: { url: string; room: string }): Promise<Nothing>;
  /** `count` join at the same moment; times are from that moment to each one's first RTP packet. */
  arrive(options: { url: string; room: string; count: number }): Promise<Arrivals>;
  /** Joins participants that send and subscribe to nothing; tells how many there are. */
  gather(options: { url: string; rooms: number; perRoom: number }): Promise<{ connected: number }>;
  /** The first participant of each room publishes an audio track. */
  publishAudio(options: Nothing): Promise<Nothing>;
  /** The first participant of each room sends requests for `ms`; tells how many all sent. */
  request(options: { kind: RequestKind; perSecond: number; ms: number }): Promise<{ sent: number }>;
  /** Everybody leaves. */
  leave(options: Nothing): Promise<Nothing>;
}

/** How a crowd got in. */
export interface Arrivals {
  readonly firstMediaMs: number[];
  /** Why the others did not, one line each. */
  readonly failures: string[];
}
