/**
 * The calls of what is measured at a whole server: to the server, to the process with its
 * participants, and to that of a call that runs beside.
 *
 * @module
 */
import type { Nothing } from "../bench_child.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { ServerAccess } from "../real_loads/loads_calls.ts";

/** A server in a process of its own. */
export interface ServerCalls {
  /** Starts it. */
  listen(options: Nothing): Promise<ServerAccess>;
  /** What the process has used so far; `collect` frees the heap's garbage first. */
  usage(options: { collect: boolean }): Promise<Usage>;
  /** Datagrams that came faster than the server read them, since the start. */
  unread(options: Nothing): Promise<{ kernelDrops: number }>;
  /**
   * The main thread's turns since the call before, as a timer of one millisecond sees them: what it
   * comes late, ms, with whatever else has the core meanwhile.
   */
  turns(options: Nothing): Promise<Percentiles>;
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
  /** Joins one that publishes a video track from then on: a packet in `every` times 20 ms. */
  publish(options: PublishOptions): Promise<Nothing>;
  /**
   * `count` join, spread over rooms, `atOnce` of them at any moment; times are from each one's own
   * start to its first RTP packet. Who has none after `limitMs` counts as failed.
   */
  arrive(options: ArrivalOptions): Promise<Arrivals>;
  /** Joins participants that send and subscribe to nothing; tells how many there are. */
  gather(options: { url: string; rooms: number; perRoom: number }): Promise<{ connected: number }>;
  /** Whether participants show that they are there; the server takes them for lost after 10 s. */
  keepAlive(options: { on: boolean }): Promise<Nothing>;
  /** The first participant of each room publishes an audio track. */
  publishAudio(options: Nothing): Promise<Nothing>;
  /** The first participant of each room sends requests for `ms`; tells how many all sent. */
  request(options: { kind: RequestKind; perSecond: number; ms: number }): Promise<{ sent: number }>;
  /** Everybody leaves. */
  leave(options: Nothing): Promise<Nothing>;
}

/** Who publishes, a packet in `every` times 20 ms. */
export interface PublishOptions {
  readonly server: ServerAccess;
  readonly room: string;
  readonly every: number;
}

/** How a crowd comes. */
export interface ArrivalOptions {
  readonly server: ServerAccess;
  readonly rooms: readonly string[];
  readonly count: number;
  readonly atOnce: number;
  readonly limitMs: number;
}

/** How a crowd got in. */
export interface Arrivals {
  readonly firstMediaMs: number[];
  /** From the first one's start until the last one had media or gave up. */
  readonly wallMs: number;
  /** What the process with the participants took in this time. */
  readonly cpuMicros: number;
  /** Why the others did not, one line each. */
  readonly failures: string[];
}

/** A call that goes on while other things happen. */
export interface RunningCallCalls {
  /** Everybody joins, publishes voice and video, and receives everybody else. */
  begin(options: { url: string; room: string; participants: number }): Promise<Nothing>;
  /** What was received since the call before. */
  mark(options: Nothing): Promise<CallFigures>;
  leave(options: Nothing): Promise<Nothing>;
}

/** How a call fared. */
export interface CallFigures {
  readonly streams: number;
  readonly expected: number;
  readonly lost: number;
  /**
   * Time between two packets of a stream, 20 ms if nothing disturbs; as its receiver reads them.
   */
  readonly gapP99Ms: number;
  readonly longestGapMs: number;
  /** Datagrams that the call's own clients did not read in time. */
  readonly kernelDrops: number;
}

/** A control plane without media, in a process of its own. */
export interface GrowthCalls {
  /** What happens in a room of `members` that publish and receive each other. */
  measure(options: { members: number }): Promise<RoomCost>;
}

/** CPU time of what one member does in a room of `members`, with all that follows. */
export interface RoomCost {
  readonly members: number;
  readonly joinMicros: number;
  readonly publicationMicros: number;
  readonly leaveMicros: number;
  /** A subscriber's offer with another track, and its answer once it has been read. */
  readonly offerMicros: number;
}

/** The clients of a flood. */
export interface FloodCalls {
  /** Everybody joins, and all of it is sent and read, unless `limitMs` are over. */
  flood(options: FloodOptions): Promise<FloodFigures>;
}

/** How much of it. */
export interface FloodOptions {
  readonly server: ServerAccess;
  readonly room: string;
  /** Tiny reliable messages, and within how long they are written as far as there is room. */
  readonly count: number;
  readonly overMs: number;
  /** Before it, with nothing but the few messages of somebody else. */
  readonly quietMs: number;
  readonly limitMs: number;
}

/** What its reader saw. */
export interface FloodFigures {
  readonly sent: number;
  readonly arrived: number;
  /** From the first one written to the last one that came. */
  readonly wallMs: number;
  /** How long messages of somebody else were under way to the same reader, before and during it. */
  readonly quietTalk: Percentiles;
  readonly talk: Percentiles;
  /** Of somebody else, in all. */
  readonly written: number;
}
