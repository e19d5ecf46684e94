/**
 * The calls of a forwarding measurement: to the SFU under test, and to the load process with all
 * clients. Clients, tracks and streams are named by their places in the {@linkcode Plan}.
 *
 * @module
 */
import type { IceCredentials, MediaAddress } from "../../lib/base/media_vocabulary.ts";
import type { Nothing } from "../bench_child.ts";
import type { StreamShape } from "../load/frame_pacer.ts";
import type { Percentiles } from "../load/latency_histogram.ts";

/** Which engine carries the media. */
export interface EngineChoice {
  readonly native: "off" | "require";
  /** 0: in the process's main thread. */
  readonly workers: number;
}

/** Where one client connects. */
export interface Endpoint {
  readonly server: MediaAddress;
  readonly remote: IceCredentials;
  /** SHA-256 of the SFU's certificate, as hexadecimal pairs joined by colons. */
  readonly fingerprint: string;
}

/** What all clients have in common, for the SFU's side of the descriptions. */
export interface ClientParameters {
  /** Of the one certificate of all clients, `sha-256`. */
  readonly fingerprint: string;
  readonly clientUfrag: string;
}

/** A client as the SFU has to know it. */
export interface OpenedClient {
  readonly client: number;
  readonly room: number;
  readonly publishes: boolean;
  readonly hasData: boolean;
  /** Over TCP instead of UDP. */
  readonly overTcp?: boolean;
}

/** A published track. */
export interface PlannedTrack {
  readonly client: number;
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly ssrc: number;
}

/** A copy of a track for one subscriber. */
export interface PlannedStream {
  /** Place in the list of tracks. */
  readonly track: number;
  readonly client: number;
  readonly mid: string;
  readonly ssrc: number;
}

/** What an SFU under test answers. */
export interface SfuCalls {
  /** Tells in words what runs; fails if that cannot be had. */
  start(options: EngineChoice): Promise<{ engine: string }>;
  /** Opens connections; opening a client's again forgets its former one. */
  open(options: ClientParameters & { clients: OpenedClient[] }): Promise<Endpoint[]>;
  /** Tells what publishers send, all of it each time. */
  publish(options: { tracks: PlannedTrack[] }): Promise<Nothing>;
  /** Subscribes connected clients; tells the SSRCs that are used, in order. */
  subscribe(options: { streams: (PlannedStream & { kind: "audio" | "video" })[] }): Promise<
    { ssrcs: number[] }
  >;
  close(options: { clients: number[] }): Promise<Nothing>;
  usage(options: Nothing): Promise<SfuUsage>;
}

/** Totals since the start of the SFU's process, and what it holds now. */
export interface SfuUsage {
  /** Since its isolate began, ms. */
  readonly atMs: number;
  /** User and system time of all threads. */
  readonly cpuMicros: number;
  /** CPU time of the single threads, ms; empty where the system does not tell. */
  readonly threadMs: Readonly<Record<string, number>>;
  readonly forwarded: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Of RSS what is not V8's heap, which takes pages as it likes and gives them back late. */
  readonly outsideBytes: number;
  /** Open descriptors; 0 where the system does not tell. */
  readonly descriptors: number;
  /** Datagrams that came faster than the SFU read them. */
  readonly kernelDrops: number;
  /** Counters that explain a loss, if the SFU has such. */
  readonly drops: Readonly<Record<string, number>>;
}

/** What the load process answers. */
export interface LoadCalls {
  hello(options: Nothing): Promise<ClientParameters & { readonly sockets: string }>;
  /** What a datagram takes over loopback from one socket straight to another. */
  baseline(options: Nothing): Promise<Percentiles>;
  /** Connects clients and tells which of them did not get through. */
  connect(options: { clients: OpenedClient[]; endpoints: Endpoint[] }): Promise<
    { failed: number[] }
  >;
  /** Forgets clients. */
  drop(options: { clients: number[] }): Promise<Nothing>;
  /** What will be published; packets are sealed for the connections that are up now. */
  publish(options: { tracks: (PlannedTrack & { shape: StreamShape })[] }): Promise<Nothing>;
  /** What will be received, in addition to what was said before. */
  expect(options: { streams: PlannedStream[] }): Promise<Nothing>;
  /** Publishes slowly until every stream has had a packet; tells those without. */
  probe(options: Nothing): Promise<{ silent: PlannedStream[] }>;
  /** Starts publishing, and counting anew. */
  run(options: { scale: number }): Promise<Nothing>;
  /** Starts the figures of {@linkcode LoadFigures.latency} anew and tells those so far. */
  mark(options: Nothing): Promise<LoadFigures>;
  /** Stops; answers when everything has arrived, or nothing more for a moment. */
  stop(options: Nothing): Promise<LoadFigures>;
  /** Sends messages on publishers' data channels to everybody else. */
  runData(options: { perSecond: number; bytes: number }): Promise<Nothing>;
  /** Opens sockets that read whatever comes, and tells their ports. */
  listen(options: { count: number }): Promise<{ ports: number[] }>;
}

/** What the clients saw since `run` (counts) or since the last `mark` (latency, load). */
export interface LoadFigures {
  readonly published: number;
  readonly expected: number;
  readonly received: number;
  /** Packets whose time is not known. */
  readonly unmatched: number;
  /** Datagrams that came faster than they were read, since the start of the process. */
  readonly kernelDrops: number;
  /** Time from the publisher's socket to the subscriber's. */
  readonly latency: Percentiles;
  /** CPU time of the load process. */
  readonly cpuMicros: number;
  readonly wallMs: number;
  /** The longest time it did not get to send or read. */
  readonly longestGapMs: number;
}
