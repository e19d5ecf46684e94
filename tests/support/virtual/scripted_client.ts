/**
 * A whole control plane over a fake media plane on virtual time, and clients that speak to it
 * through their sockets alone, as SDKs do.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  AddTrackRequest,
  ClientInfo,
  ClientInfo_SDK,
  type ParticipantInfo,
  ParticipantInfo_Kind,
  ReconnectReason,
  SessionDescription,
  SignalRequest,
  SignalResponse,
  TrackSource,
  TrackType,
  UpdateDataSubscription,
  UpdateDataSubscription_Update as DataUpdate,
  UpdateSubscription,
  VideoLayer,
  VideoQuality,
} from "@livekit/protocol";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { type Log, silentLog } from "../../../lib/base/platform.ts";
import type { ConnectionId, NodeId, UpTrackId } from "../../../lib/base/ids.ts";
import { EngineRouter } from "../../../lib/room/context/engine_router.ts";
import type { Session } from "../../../lib/room/participant/session.ts";
import { IcePreferences } from "../../../lib/room/context/ice_preference.ts";
import { DEFAULT_ROOM_OPTIONS, type RoomOptions } from "../../../lib/room/context/room_options.ts";
import { ALONE, type NodePorts } from "../../../lib/room/context/node_ports.ts";
import type { RoomObserver } from "../../../lib/room/context/room_events.ts";
import { LocalRooms } from "../../../lib/room/local_rooms.ts";
import type { TokenClaims, VideoGrant } from "../../../lib/signalling/access_token.ts";
import type { JoinParameters } from "../../../lib/signalling/join_parameters.ts";
import { SignalService } from "../../../lib/signalling/signal_service.ts";
import type { SignalSocket } from "../../../lib/signalling/signal_socket.ts";
import { NO_TELEMETRY } from "../../../lib/room/context/telemetry.ts";
import { answerAsClient } from "./answering_client.ts";
import { FAKE_ENGINE_READY, FakeEngine } from "./fake_engine.ts";
import { settle, VirtualPlatform } from "./virtual_platform.ts";

type ResponseCase = NonNullable<SignalResponse["message"]["case"]>;
type ResponseValue<C extends ResponseCase> = Extract<
  SignalResponse["message"],
  { case: C }
>["value"];

/** What every participant may do unless a test says otherwise. */
export const FULL_GRANT: VideoGrant = {
  roomCreate: false,
  roomList: false,
  roomRecord: false,
  roomAdmin: false,
  roomJoin: true,
  room: "lobby",
  canPublish: true,
  canPublishSources: [],
  canSubscribe: true,
  canPublishData: true,
  canUpdateOwnMetadata: true,
  canSubscribeMetrics: false,
  canManageAgentSession: false,
  ingressAdmin: false,
  hidden: false,
  recorder: false,
  agent: false,
  destinationRoom: "",
};

/** A socket that keeps what it is told. */
export class FakeSocket implements SignalSocket {
  readonly frames: (Uint8Array | string)[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  bufferedAmount = 0;
  onMessage: (data: Uint8Array | string) => void = () => {};
  onClose: (code?: number) => void = () => {};

  send(data: Uint8Array | string): void {
    if (this.closed === undefined) this.frames.push(data);
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
  }
}

/** One section of a client's offer. */
export interface OfferedTrack {
  readonly mid: string;
  readonly kind: "audio" | "video";
  /** Track id of `a=msid`. */
  readonly cid: string;
  readonly rids?: readonly string[];
  readonly direction?: "sendonly" | "inactive";
}

/** One client on one socket. */
export class ScriptedClient {
  socket = new FakeSocket();
  /** Answer subscriber offers at once. */
  autoAnswer = true;
  /** Codecs this client cannot decode. */
  unsupported: readonly string[] = [];
  #seen = 0;
  #offerId = 0;
  #decoded: SignalResponse["message"][] = [];
  #decodedOf = this.socket;

  constructor(readonly world: World, readonly join: JoinParameters) {}

  get identity(): string {
    return this.join.identity;
  }

  /** The server's side of this client; throws once it has left. */
  get participant(): Session {
    const found = this.world.rooms.get(this.join.roomName)?.session(this.identity);
    assert.ok(found, `${this.identity} is not in the room`);
    return found;
  }

  /** Everything received on this socket, decoded. */
  get received(): readonly SignalResponse["message"][] {
    const { frames } = this.socket;
    if (this.#decodedOf !== this.socket) {
      this.#decodedOf = this.socket;
      this.#decoded = [];
      this.#seen = 0;
    }
    for (let at = this.#decoded.length; at < frames.length; at++) {
      const frame = frames[at]!;
      const response = typeof frame === "string"
        ? SignalResponse.fromJsonString(frame)
        : SignalResponse.fromBinary(frame);
      this.#decoded.push(response.message);
    }
    return this.#decoded;
  }

  /** With which code the server closed the socket. */
  get closeCode(): number | undefined {
    return this.socket.closed?.code;
  }

  /** Names of the received messages, in order. */
  get cases(): (string | undefined)[] {
    return this.received.map((message) => message.case);
  }

  all<C extends ResponseCase>(name: C): ResponseValue<C>[] {
    return this.received.filter((message) => message.case === name)
      .map((message) => message.value as ResponseValue<C>);
  }

  last<C extends ResponseCase>(name: C): ResponseValue<C> {
    const value = this.all(name).at(-1);
    assert.ok(value !== undefined, `${this.identity} got no ${name}`);
    return value;
  }

  /** Sends one request and lets it be handled. */
  async request(message: SignalRequest["message"]): Promise<void> {
    this.socket.onMessage(new SignalRequest({ message }).toBinary());
    await this.world.settle();
  }

  /** Wants tracks, or no longer. */
  subscribe(trackSids: string[], subscribe = true): Promise<void> {
    const value = new UpdateSubscription({ trackSids, subscribe });
    return this.request({ case: "subscription", value });
  }

  /** Wants a data track, or no longer. */
  subscribeData(trackSid: string, subscribe = true): Promise<void> {
    const value = new UpdateDataSubscription({
      updates: [new DataUpdate({ trackSid, subscribe })],
    });
    return this.request({ case: "updateDataSubscription", value });
  }

  /** Which data tracks it was last told to have: sid → handle. */
  dataHandles(): Record<string, number> {
    const { subHandles = {} } = this.all("dataTrackSubscriberHandles").at(-1) ?? {};
    const entries = Object.entries(subHandles);
    return Object.fromEntries(entries.map(([handle, { trackSid }]) => [trackSid, Number(handle)]));
  }

  /** What it was last told of `identity`. */
  infoOf(identity: string): ParticipantInfo {
    const infos = this.all("update").flatMap(({ participants }) => participants);
    const info = infos.findLast((one) => one.identity === identity);
    assert.ok(info, `${this.identity} was told nothing of ${identity}`);
    return info;
  }

  /** Answers subscriber offers that came since the last call. */
  answerOffers(): boolean {
    let answered = false;
    const received = this.received;
    for (; this.#seen < received.length; this.#seen++) {
      const message = received[this.#seen]!;
      if (message.case !== "offer") continue;
      answered = true;
      this.answer(message.value);
    }
    return answered;
  }

  answer(offer: SessionDescription): void {
    const sdp = answerAsClient(offer.sdp, { unsupported: this.unsupported });
    const value = new SessionDescription({ type: "answer", sdp, id: offer.id });
    const request = new SignalRequest({ message: { case: "answer", value } });
    this.socket.onMessage(request.toBinary());
  }

  /** Offers exactly these sections after the data section; keep earlier ones in the list. */
  async offer(tracks: readonly OfferedTrack[], ufrag = "clientUfrag"): Promise<void> {
    const id = ++this.#offerId;
    const value = new SessionDescription({ type: "offer", sdp: clientOffer(tracks, ufrag), id });
    await this.request({ case: "offer", value });
  }

  async announce(request: Partial<AddTrackRequest> & { cid: string }): Promise<void> {
    await this.request({ case: "addTrack", value: new AddTrackRequest(request) });
  }

  /** Announces and offers one camera track; returns its sid. */
  async publishCamera(cid = "cam", mid = "1"): Promise<string> {
    await this.announce(cameraRequest(cid));
    await this.offer([{ mid, kind: "video", cid, rids: ["q", "h", "f"] }]);
    return this.last("trackPublished").track!.sid;
  }

  async publishMicrophone(cid = "mic", mid = "1"): Promise<string> {
    const { AUDIO } = TrackType;
    await this.announce({ cid, name: "mic", type: AUDIO, source: TrackSource.MICROPHONE });
    await this.offer([{ mid, kind: "audio", cid }]);
    return this.last("trackPublished").track!.sid;
  }

  /** The up-track the media plane was last told to receive on `mid`. */
  upTrack(mid: string): UpTrackId {
    const id = this.participant.publisher.id;
    const command = this.world.engine.of("set_receive").findLast((c) => c.connection === id);
    const section = command?.sections.find((candidate) => candidate.mid === mid);
    assert.ok(section, `nothing is received on mid ${mid}`);
    return section.upTrack;
  }

  /** The primary connection comes up, with its data channels. */
  async connect(): Promise<void> {
    const { subscriberPrimary, subscriber, publisher } = this.participant;
    if (!subscriberPrimary) await this.openPublisher();
    const connection = subscriberPrimary ? subscriber.id : publisher.id;
    const { engine } = this.world;
    engine.emit({ type: "connection_connected", connection, protocol: "udp" });
    engine.emit({ type: "data_channel_open", connection, label: "_reliable" });
    engine.emit({ type: "data_channel_open", connection, label: "_lossy" });
    await this.world.settle();
  }

  /** Nothing comes any more on one of its connections. */
  lose(role: "publisher" | "subscriber" = "subscriber"): void {
    const connection = this.participant[role].id;
    this.world.engine.emit({ type: "connection_lost", connection });
  }

  /** Offers the data section, if nothing has been offered yet. */
  async openPublisher(): Promise<void> {
    if (this.#offerId === 0) await this.offer([]);
  }

  /** A message on one of the client's own data channels. */
  async sendData(label: string, bytes: Uint8Array): Promise<void> {
    await this.openPublisher();
    const connection: ConnectionId = this.participant.publisher.id;
    this.world.engine.receiveData(connection, label, bytes);
    await this.world.settle();
  }

  /** Tracks that are forwarded to this client now. */
  forwarded() {
    const { id } = this.participant.subscriber;
    return this.world.engine.forwarding().filter(({ connection }) => connection === id);
  }
}

/** A camera with three layers. */
export function cameraRequest(cid: string): Partial<AddTrackRequest> & { cid: string } {
  const layer = (quality: VideoQuality, height: number) =>
    new VideoLayer({ quality, width: height * 16 / 9, height });
  return {
    cid,
    name: cid,
    type: TrackType.VIDEO,
    source: TrackSource.CAMERA,
    width: 1280,
    height: 720,
    layers: [
      layer(VideoQuality.LOW, 180),
      layer(VideoQuality.MEDIUM, 360),
      layer(VideoQuality.HIGH, 720),
    ],
  };
}

/**
 * One server on virtual time. Time moves in `pass` and `settle` alone, so what a test sees is the
 * same each time.
 */
export class World {
  readonly platform: VirtualPlatform;
  readonly engine: FakeEngine;
  readonly counters = new DropCounters();
  /** What was counted of sessions, one line each. */
  readonly figures: string[] = [];
  /** What refreshed tokens say, in the order in which they were signed. */
  readonly signed: TokenClaims[] = [];
  readonly rooms: LocalRooms;
  readonly service: SignalService;
  readonly clients: ScriptedClient[] = [];

  constructor(
    options: Partial<RoomOptions> = {},
    autoCreateRooms = true,
    maxTracks = 0,
    log: Log = silentLog,
    ports: NodePorts = ALONE,
    observers: readonly RoomObserver[] = [],
    { platform = new VirtualPlatform(7, log), node = "ND_test" }: {
      readonly platform?: VirtualPlatform;
      readonly node?: string;
    } = {},
  ) {
    this.platform = platform;
    this.engine = new FakeEngine(this.platform, this.counters);
    const router = new EngineRouter(this.engine, this.platform.log, node as NodeId);
    this.engine.onEvent = (event) => router.dispatch(event);
    this.rooms = new LocalRooms({
      platform: this.platform,
      router,
      engine: () => FAKE_ENGINE_READY,
      options: { ...DEFAULT_ROOM_OPTIONS, ...options },
      counters: this.counters,
      telemetry: {
        ...NO_TELEMETRY,
        subscription: (outcome) => this.figures.push(`subscription ${outcome}`),
        connection: (role, state) => this.figures.push(`${role} ${state}`),
        dataStream: ({ mimeType, destinations }) =>
          this.figures.push(`stream of ${mimeType} to ${destinations}`),
        streamTime: (step, { type }, _, ms, count) =>
          this.figures.push(`${step} ${TrackType[type]} after ${ms} ms, number ${count}`),
        publishCanceled: (type, count) => this.figures.push(`${count} ${TrackType[type]} canceled`),
      },
      icePreferences: new IcePreferences(this.platform.clock),
      ports,
      observers,
      nodeId: node as NodeId,
      region: "here",
    });
    this.service = new SignalService({
      rooms: this.rooms,
      counters: this.counters,
      serverVersion: "1.2.3",
      autoCreateRooms,
      maxTracks,
      maxFrameBytes: 2 * 1024 * 1024,
      signToken: (claims) => {
        this.signed.push(claims);
        return Promise.resolve(`token of ${claims.identity}`);
      },
    });
  }

  /** Join parameters of a current JavaScript client. */
  parameters(identity: string, changes: Partial<JoinParameters> = {}): JoinParameters {
    return {
      roomName: "lobby",
      identity,
      name: "",
      metadata: "",
      attributes: {},
      grant: FULL_GRANT,
      kind: ParticipantInfo_Kind.STANDARD,
      kindDetails: [],
      clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "2.23.0", protocol: 16 }),
      autoSubscribe: true,
      adaptiveStream: false,
      reconnect: false,
      reconnectReason: ReconnectReason.RR_UNKNOWN,
      disableIceLite: false,
      singlePeerConnection: false,
      addTrackRequests: [],
      apiKey: "devkey",
      tokenExpiresAt: this.platform.clock.wallMs() + 3_600_000,
      ...changes,
    };
  }

  /** A client whose socket has been opened; its join response is there already. */
  async open(identity: string, changes: Partial<JoinParameters> = {}): Promise<ScriptedClient> {
    const client = new ScriptedClient(this, this.parameters(identity, changes));
    this.clients.push(client);
    this.service.open(client.join, client.socket);
    await this.settle();
    return client;
  }

  /** A client that is ACTIVE. */
  async joined(identity: string, changes: Partial<JoinParameters> = {}): Promise<ScriptedClient> {
    const client = await this.open(identity, changes);
    await client.connect();
    return client;
  }

  /** Lets everything happen that needs no time, subscriber answers included. */
  async settle(): Promise<void> {
    for (;;) {
      await settle();
      let again = false;
      for (const client of this.clients) {
        if (client.autoAnswer && client.answerOffers()) again = true;
      }
      if (!again) return;
    }
  }

  /** Moves time on in small steps. */
  async pass(ms: number, stepMs = 50): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.platform.advance(Math.min(stepMs, left));
      await this.settle();
    }
  }

  /** Up-tracks forwarded to `client` but not exactly once. */
  doubled(client: ScriptedClient): string[] {
    const ups = client.forwarded().map(({ upTrack }) => upTrack);
    return ups.filter((up, index) => ups.indexOf(up) !== index);
  }
}

/** A client's offer: a data section and the given ones. */
export function clientOffer(tracks: readonly OfferedTrack[], ufrag: string): string {
  const transport = [
    `a=ice-ufrag:${ufrag}`,
    "a=ice-pwd:clientPasswordOf24Chars00",
    `a=fingerprint:sha-256 ${Array(32).fill("CD").join(":")}`,
    "a=setup:actpass",
  ];
  const lines = [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE 0 ${tracks.map(({ mid }) => mid).join(" ")}`.trimEnd(),
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    ...transport,
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
  ];
  for (const { mid, kind, cid, rids = [], direction = "sendonly" } of tracks) {
    const audio = kind === "audio";
    lines.push(
      `m=${kind} 9 UDP/TLS/RTP/SAVPF ${audio ? "111" : "96 97 125"}`,
      "c=IN IP4 0.0.0.0",
      ...transport,
      `a=mid:${mid}`,
      `a=${direction}`,
      `a=msid:stream ${cid}`,
      "a=rtcp-mux",
      ...(audio ? ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"] : [
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:125 H264/90000",
        "a=fmtp:125 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
      ]),
      ...rids.map((rid) => `a=rid:${rid} send`),
      ...(rids.length > 0 ? [`a=simulcast:send ${rids.join(";")}`] : []),
    );
  }
  return `${lines.join("\r\n")}\r\n`;
}
