/**
 * A media engine on loopback and the wire-level clients connected to it: the control plane's part
 * is played by the test, and every command and event passes through `structuredClone`, or between
 * threads.
 *
 * @module
 */
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import type {
  DataChannelPolicy,
  IceCredentials,
  LayerTarget,
} from "../../../lib/base/media_vocabulary.ts";
import type { Log } from "../../../lib/base/platform.ts";
import type { DataMember } from "../../../lib/engine/messages/data_messages.ts";
import type {
  EngineReady,
  EngineStats,
  MediaCommand,
  MediaEngine,
  MediaEvent,
} from "../../../lib/engine/messages/media_messages.ts";
import type { LocalEngineOptions } from "../../../lib/engine/local/local_engine_options.ts";
import {
  createCertificate,
  type DtlsCertificate,
} from "../../../lib/transport/dtls/dtls_certificate.ts";
import { eventually } from "../process/eventually.ts";
import { dataMember } from "../virtual/data_plane_world.ts";
import { createTestEngine } from "./test_engine.ts";
import { WireClient, type WireClientOptions } from "./wire_client.ts";
import { sendSection } from "./wire_media.ts";

const HOST = "127.0.0.1";
/** All layers, all frame rates. */
export const EVERYTHING: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };

/** One client and the engine's connection to it. */
export interface Peer {
  readonly id: ConnectionId;
  readonly client: WireClient;
  /** The engine's credentials. */
  readonly remote: IceCredentials;
  readonly local: IceCredentials;
}

/** What a peer may be besides a plain UDP connection. */
export interface PeerOptions {
  readonly protocol?: "udp" | "tcp";
  /** Default: no application section. */
  readonly dataChannels?: "accept" | "create";
  readonly dataPolicy?: DataChannelPolicy;
  /** The only one the client offers; 1 if absent. */
  readonly srtpProfile?: 1 | 7;
  /** Default: the same for all. */
  readonly placement?: string;
  /** See `WireClientOptions`. */
  readonly ignoresChecks?: boolean;
  readonly openSocket?: WireClientOptions["openSocket"];
}

/**
 * One engine and its clients; every command and event is cloned on its way. Dispose it to end
 * engine and clients.
 */
export class WireRoom implements AsyncDisposable {
  readonly events: MediaEvent[] = [];
  readonly drops: DropCounters;
  /** Messages logged at `error`: bugs, which no input may cause. */
  readonly errors: string[];
  readonly ready: EngineReady;
  readonly engine: MediaEngine;
  readonly #certificate: DtlsCertificate;
  readonly #peers: Peer[] = [];
  #next = 1;
  #requests = 0;

  private constructor(
    engine: MediaEngine,
    ready: EngineReady,
    certificate: DtlsCertificate,
    drops: DropCounters,
    errors: string[],
  ) {
    this.engine = engine;
    this.ready = ready;
    this.drops = drops;
    this.errors = errors;
    this.#certificate = certificate;
    engine.onEvent = (event) => this.events.push(event);
  }

  /** An engine on free UDP and TCP ports of the loopback address: the environment's, or another. */
  static async open(
    createEngine: (options: LocalEngineOptions) => MediaEngine = createTestEngine,
  ): Promise<WireRoom> {
    const drops = new DropCounters();
    const errors: string[] = [];
    const engine = createEngine({
      platform: denoPlatform(recordingLog(errors)),
      udp: [{ hostname: HOST, port: 0 }],
      tcp: [{ hostname: HOST, port: 0 }],
      advertised: [HOST],
      drops,
    });
    const ready = await engine.start();
    return new WireRoom(engine, ready, createCertificate(), drops, errors);
  }

  /** A peer that is not connected yet: the engine knows it, the client has a socket. */
  async prepare(options: PeerOptions = {}): Promise<Peer> {
    const number = this.#next++;
    const id = `connection-${number}` as ConnectionId;
    const remote = credentials(`server${number}`);
    const local = credentials(`client${number}`);
    const { dataChannels, dataPolicy, srtpProfile, openSocket } = options;
    this.engine.send({
      type: "open_connection",
      connection: id,
      local: remote,
      dataChannels: dataChannels ?? "accept",
      placement: options.placement ?? "room",
      ...(dataPolicy === undefined ? {} : { dataPolicy }),
    });
    this.engine.send({
      type: "set_remote",
      connection: id,
      remote: local,
      fingerprints: [this.#certificate.fingerprint],
      ...(dataChannels === undefined ? {} : { sctp: { port: 5000, maxMessageSize: 262_144 } }),
    });
    const server = this.engine.addressesOf(id).find(({ protocol }) =>
      protocol === (options.protocol ?? "udp")
    )!;
    const client = await WireClient.open({
      server,
      remote,
      local,
      certificate: this.#certificate,
      dataChannels: dataChannels !== undefined,
      ignoresChecks: options.ignoresChecks ?? false,
      ...(srtpProfile === undefined ? {} : { srtpProfiles: [srtpProfile] }),
      ...(openSocket === undefined ? {} : { openSocket }),
    });
    const peer: Peer = { id, client, remote, local };
    this.#peers.push(peer);
    return peer;
  }

  /** A connected peer. */
  async connect(options: PeerOptions = {}): Promise<Peer> {
    const peer = await this.prepare(options);
    await peer.client.connect();
    await this.event("connection_connected", (event) => event.connection === peer.id);
    return peer;
  }

  /** Subscribes `peer` to a track; returns the down-track's id. */
  subscribe(
    peer: Peer,
    upTrack: UpTrackId,
    kind: "audio" | "video",
    ssrc: number,
    target: LayerTarget = EVERYTHING,
  ): DownTrackId {
    const downTrack = `down-${this.#next++}` as DownTrackId;
    this.send({
      type: "add_down_track",
      connection: peer.id,
      downTrack,
      upTrack,
      section: sendSection(`s${ssrc}`, kind, ssrc),
      target,
    });
    return downTrack;
  }

  /** Puts a peer into the room as far as data is concerned; it sends and receives alike. */
  joinData(peer: Peer, changes: Partial<DataMember> = {}): void {
    const { id } = peer;
    const data = dataMember(id, { publisher: id, receiver: id, ...changes });
    this.send({ type: "set_data_member", data });
  }

  send(command: MediaCommand): void {
    this.engine.send(command);
  }

  /** The first event of this type that `matches`, past or to come. */
  event<T extends MediaEvent["type"]>(
    type: T,
    matches: (event: Extract<MediaEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<MediaEvent, { type: T }>> {
    type Wanted = Extract<MediaEvent, { type: T }>;
    return eventually(
      `the event ${type}`,
      () => this.events.find((event) => event.type === type && matches(event as Wanted)) as Wanted,
      { seen: () => ({ events: this.events.slice(-10), drops: this.drops.snapshot() }) },
    );
  }

  /** Waits until `holds`; on failure the engine's counters are told. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await eventually(what, holds, { seen: () => this.drops.snapshot() });
  }

  /** Brings {@linkcode WireRoom.drops} up to date: workers tell theirs twice a second. */
  async recount(): Promise<void> {
    await this.stats();
  }

  /** The engine's statistics now. */
  async stats(): Promise<EngineStats> {
    const request = ++this.#requests;
    this.send({ type: "request_stats", request });
    return (await this.event("stats", (event) => event.request === request)).stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#peers) await client.close();
    await this.engine.close();
  }
}

/** ICE credentials of a legal length (RFC 8839 §5.4). */
export function credentials(name: string): IceCredentials {
  return { ufrag: name, pwd: `${name}-password-of-24-chars-or-more` };
}

function recordingLog(errors: string[]): Log {
  const log: Log = {
    child: () => log,
    debug() {},
    info() {},
    warn() {},
    error(message, fields) {
      errors.push(`${message} ${fields?.error instanceof Error ? fields.error.stack : ""}`);
    },
  };
  return log;
}
