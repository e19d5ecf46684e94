/**
 * A participant of a load: joins by LiveKit's protocol as an SDK does, and publishes, receives and
 * pings from then on. Nothing else than the protocol is used, so any server that speaks it will do.
 *
 * @module
 */
import {
  AddTrackRequest,
  ClientInfo_SDK,
  DataPacket,
  type JoinResponse,
  LeaveRequest,
  Ping,
  SessionDescription,
  type SignalRequest,
  SignalTarget,
  SimulcastCodec,
  TrackSource,
  TrackType,
  TrickleRequest,
  UpdateTrackSettings,
  UserPacket,
  VideoLayer,
  VideoQuality,
} from "@livekit/protocol";
import { AccessToken } from "livekit-server-sdk";
import { joinUrl } from "../../tests/support/process/join_url.ts";
import { answerAsClient } from "../../tests/support/virtual/answering_client.ts";
import {
  type ReadDescription,
  readDescription,
  withTransport,
} from "../../tests/support/virtual/client_description.ts";
import type { ClientSockets } from "../load/client_sockets.ts";
import { packetsAhead } from "../load/frame_pacer.ts";
import { PublishedTrack } from "../load/published_track.ts";
import type { SentLog } from "../load/sent_log.ts";
import { type ConnectionParts, LoadConnection } from "./client_connection.ts";
import { type LoadSection, readSentSection, writeLoadOffer } from "./client_offer.ts";
import type { ProfileName } from "./client_profiles.ts";
import { ClientSignal, type HeardMessage } from "./client_signal.ts";
import type { LoadCounts } from "./load_counts.ts";
import type { LoadLayer, LoadTrack } from "./load_scenarios.ts";
import type { ServerAccess, Signalling } from "./loads_calls.ts";

/** Longest wait for an answer of the server, ms. */
const ANSWER_LIMIT_MS = 20_000;
const DEFAULT_PING_S = 5;
const QUALITIES = [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH] as const;
/** By the library: what the SDKs that are made with it say of themselves. */
const SDKS: Readonly<Record<ProfileName, { sdk: ClientInfo_SDK; version: string }>> = {
  pion: { sdk: ClientInfo_SDK.GO, version: "2.13.0" },
  libwebrtc: { sdk: ClientInfo_SDK.JS, version: "2.23.0" },
};

/** Who joins. */
export interface JoiningParticipant {
  readonly server: ServerAccess;
  readonly signalling: Signalling;
  readonly room: string;
  readonly identity: string;
  readonly autoSubscribe: boolean;
  /** What {@linkcode joinAddress} makes of the others; made now if absent. */
  readonly address?: URL;
}

/** What all participants of a load share. */
export interface SharedParts extends
  Pick<
    ConnectionParts,
    "platform" | "certificate" | "profile" | "draw" | "counts"
  > {
  readonly sockets: ClientSockets;
  /** By the sid of a published track: when its packets left; `null` if it has layers. */
  readonly published: Map<string, SentLog | null>;
  /** Where a message with so many bytes of payload is counted, if not with everything else. */
  readonly countsOf?: (payloadBytes: number) => LoadCounts;
}

/** One participant. `poll` sends everything that is due but media. */
export class LoadParticipant {
  /** Of its own tracks; they send when the load says so. */
  readonly tracks: PublishedTrack[] = [];
  readonly #sections: LoadSection[] = [];
  readonly #answers: number[] = [];
  readonly #sids = new Map<string, string>();
  readonly #publisher: LoadConnection;
  readonly #subscriber: LoadConnection;
  /** What is waited for until a message brings it. */
  readonly #awaited = new Set<{ hasCome: () => boolean; resolve: () => void }>();
  #offerId = 0;
  #pingAt: number;

  private constructor(
    private readonly joining: JoiningParticipant,
    private readonly shared: SharedParts,
    private readonly signal: ClientSignal,
    private readonly welcome: JoinResponse,
  ) {
    const { reach = "udp", relayTls: tls } = joining.server;
    const relays = welcome.iceServers;
    const connect = (target: SignalTarget) =>
      new LoadConnection({
        ...shared,
        reach: { sockets: shared.sockets, reach, relays, tls },
        onCandidate: (candidate) => this.#trickle(target, candidate),
        onPictureLoss: (ssrc) => this.#track(ssrc)?.requestKeyFrame(),
        onMessage: (bytes, arrivedAt) => this.#readMessage(bytes, arrivedAt),
      });
    this.#publisher = connect(SignalTarget.PUBLISHER);
    this.#subscriber = this.#isSingle ? this.#publisher : connect(SignalTarget.SUBSCRIBER);
    this.#pingAt = performance.now() + this.#pingMs * shared.draw();
    signal.listen((message) => this.#receive(message));
  }

  /**
   * Joins; connecting goes on by itself.
   *
   * @throws {Error} if the server refuses.
   */
  static async join(joining: JoiningParticipant, shared: SharedParts): Promise<LoadParticipant> {
    const address = joining.address ?? await joinAddress(joining, shared.profile.name);
    const { signal, welcome } = await ClientSignal.open(shared.sockets, address);
    return new LoadParticipant(joining, shared, signal, welcome);
  }

  /** Publishes, opens data channels, and resolves when every connection of it is up. */
  async begin(tracks: readonly LoadTrack[]): Promise<void> {
    const { subscriberPrimary, fastPublish } = this.welcome;
    for (const [place, track] of tracks.entries()) await this.#announce(track, `${place}`);
    const offers = this.#isSingle || !subscriberPrimary || fastPublish || tracks.length > 0;
    if (offers) {
      const id = this.#offer();
      await this.#heard("an answer", () => this.#answers.includes(id));
      await this.#publisher.connected;
      this.#publisher.openChannels();
    }
    // Without a track or an offer of the server there is nothing to subscribe with.
    if (subscriberPrimary) await this.#subscriber.connected;
    await this.#beginTracks(tracks);
  }

  /** All received connections, each once. */
  get connections(): LoadConnection[] {
    return [...new Set([this.#publisher, this.#subscriber])];
  }

  /** Streams that are described; those that have come, if asked for. */
  streams(haveCome = false): number {
    return this.#subscriber.streams(haveCome);
  }

  takeReception(): { expected: number; lost: number } {
    return this.#subscriber.takeReception();
  }

  /** Server's id of its video. */
  get videoSid(): string | undefined {
    const section = this.#sections.find(({ kind, cid }) => kind === "video" && cid !== undefined);
    return this.#sids.get(section?.cid ?? "");
  }

  /** Wants this size of somebody's video from now on. */
  ask(trackSid: string, { width, height }: { width: number; height: number }): void {
    const value = new UpdateTrackSettings({ trackSids: [trackSid], width, height });
    this.#request({ case: "trackSetting", value });
  }

  get canSendData(): boolean {
    return this.#publisher.canSendData;
  }

  /** Bytes of messages that are not on their way yet. */
  get waitingBytes(): number {
    return this.#publisher.waitingBytes;
  }

  /**
   * Sends a message of so many bytes, with the time in front, to everybody else; `false` if there
   * was no room.
   */
  sendMessage(bytes: number, now: number): boolean {
    const payload = new Uint8Array(bytes).fill(0x5a);
    new DataView(payload.buffer).setFloat64(0, this.shared.sockets.now());
    const value = new UserPacket({ payload });
    const packet = new DataPacket({ value: { case: "user", value } });
    return this.#publisher.sendMessage(packet.toBinary(), now);
  }

  /** Sends reports, checks and pings that are due. */
  poll(now: number): void {
    this.#publisher.poll(now);
    if (this.#subscriber !== this.#publisher) this.#subscriber.poll(now);
    if (now < this.#pingAt) return;
    this.#pingAt = now + this.#pingMs;
    // Both, as SDKs do: the first for servers that do not know the second.
    const timestamp = BigInt(Date.now());
    this.#request({ case: "ping", value: timestamp });
    this.#request({ case: "pingReq", value: new Ping({ timestamp, rtt: 1n }) });
  }

  async leave(): Promise<void> {
    this.#request({ case: "leave", value: new LeaveRequest() });
    await this.signal.close();
    for (const connection of this.connections) await connection.close();
  }

  get #isSingle(): boolean {
    return this.joining.signalling !== "v0";
  }

  get #pingMs(): number {
    return (this.welcome.pingInterval || DEFAULT_PING_S) * 1_000;
  }

  #request(message: SignalRequest["message"]): void {
    this.signal.send(message);
  }

  #trickle(target: SignalTarget, candidate: string): void {
    const candidateInit = JSON.stringify({ candidate, sdpMid: "0", sdpMLineIndex: 0 });
    this.#request({ case: "trickle", value: new TrickleRequest({ candidateInit, target }) });
  }

  #track(ssrc: number): PublishedTrack | undefined {
    return this.tracks.find((track) => track.ssrc === ssrc);
  }

  #readMessage(bytes: Uint8Array, arrivedAt: number): void {
    const { value } = DataPacket.fromBinary(bytes);
    if (value.case !== "user") return;
    const { payload } = value.value;
    const sentAt = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
    const counts = this.shared.countsOf?.(payload.length) ?? this.shared.counts;
    counts.messages++;
    counts.bytes += bytes.length;
    counts.latency.add(arrivedAt - sentAt);
  }

  async #announce(track: LoadTrack, cid: string): Promise<void> {
    const isVideo = track.kind === "video";
    const value = new AddTrackRequest({
      cid,
      name: cid,
      type: isVideo ? TrackType.VIDEO : TrackType.AUDIO,
      source: isVideo ? TrackSource.CAMERA : TrackSource.MICROPHONE,
      ...(isVideo ? videoFields(track.layers, cid) : {}),
    });
    this.#request({ case: "addTrack", value });
    await this.#heard("trackPublished", () => this.#sids.has(cid));
    const hasLayers = isVideo && track.layers.length > 1;
    this.#sections.push({
      mid: `${this.#sections.length + 1}`,
      kind: track.kind,
      direction: "sendonly",
      cid,
      ...(hasLayers ? { rids: track.layers.map(({ rid }) => rid!) } : { ssrc: randomSsrc() }),
    });
  }

  /** Only after connecting are there keys to seal with. */
  #beginTracks(tracks: readonly LoadTrack[]): void {
    const sections = this.#sections.filter(({ direction }) => direction === "sendonly");
    for (const [place, track] of tracks.entries()) {
      const { mid, ssrc = randomSsrc(), cid } = sections[place]!;
      const layers = track.kind === "audio"
        ? [{ shape: track.shape, rid: undefined }]
        : track.layers;
      for (const [layer, { shape, rid }] of layers.entries()) {
        const own = (ssrc + layer) >>> 0;
        const burst = shape.kind === "video"
          ? packetsAhead(shape, this.shared.profile.videoAheadMs)
          : shape.burst;
        const published = new PublishedTrack(
          this.#publisher.publisher,
          own,
          mid,
          { ...shape, burst },
          rid,
        );
        this.tracks.push(published);
        this.#publisher.reports.publish({
          kind: shape.kind,
          ssrc: own,
          clockRate: shape.kind === "video" ? 90_000 : 48_000,
          timestamp: () => published.timestamp,
          packets: () => published.published,
        }, performance.now());
        const sent = layers.length === 1 ? published.sent : null;
        this.shared.published.set(this.#sids.get(cid!)!, sent);
      }
    }
  }

  #offer(): number {
    const id = ++this.#offerId;
    const sdp = writeLoadOffer(this.#publisher.transport, id, this.#sections);
    this.#request({ case: "offer", value: new SessionDescription({ type: "offer", sdp, id }) });
    return id;
  }

  /** Settles when a message has brought what is waited for. */
  async #heard(what: string, hasCome: () => boolean): Promise<void> {
    if (hasCome()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const limit = setTimeout(
      () => reject(new Error(`Timed out waiting for ${what}`)),
      ANSWER_LIMIT_MS,
    );
    const awaited = { hasCome, resolve };
    this.#awaited.add(awaited);
    await promise.finally(() => {
      clearTimeout(limit);
      this.#awaited.delete(awaited);
    });
  }

  #receive(message: HeardMessage): void {
    this.#take(message);
    for (const { hasCome, resolve } of this.#awaited) if (hasCome()) resolve();
  }

  #take(message: HeardMessage): void {
    switch (message.case) {
      case "offer":
        return this.#receiveOffer(message.value);
      case "answer":
        return this.#receiveAnswer(message.value);
      case "trickle": {
        const { target, candidateInit } = message.value;
        const isSubscriber = target === SignalTarget.SUBSCRIBER;
        return (isSubscriber ? this.#subscriber : this.#publisher).trickle(candidateInit);
      }
      case "trackPublished":
        this.#sids.set(message.value.cid, message.value.track!.sid);
        return;
      case "mediaSectionsRequirement": {
        const { numAudios, numVideos } = message.value;
        return this.#addReceivingSections(numAudios, numVideos);
      }
    }
  }

  #receiveOffer(offer: SessionDescription): void {
    const description = readDescription(offer.sdp);
    this.#expect(description);
    const sdp = withTransport(answerAsClient(offer.sdp, {}), this.#subscriber.transport);
    const value = new SessionDescription({ type: "answer", sdp, id: offer.id });
    this.#request({ case: "answer", value });
    this.#subscriber.describe(description, offer.sdp, true);
  }

  #receiveAnswer(answer: SessionDescription): void {
    const description = readDescription(answer.sdp);
    if (this.#isSingle) this.#expect(description);
    this.#publisher.describe(description, answer.sdp, false);
    // Servers that do not number descriptions answer in order.
    this.#answers.push(answer.id === 0 ? this.#answers.length + 1 : answer.id);
  }

  #expect({ sections }: ReadDescription): void {
    for (const { kind, port, direction, trackId, ssrc, rtxSsrc, text } of sections) {
      if (kind !== "audio" && kind !== "video") continue;
      if (port === 0 || !direction.startsWith("send") || ssrc === undefined) continue;
      const sentOf = () => this.shared.published.get(trackId ?? "");
      this.#subscriber.expect({ kind, ssrc, rtxSsrc }, readSentSection(text), sentOf);
    }
  }

  /** Single connection: the server may only send where the client has offered to receive. */
  #addReceivingSections(audios: number, videos: number): void {
    const add = (kind: "audio" | "video") =>
      this.#sections.push({ mid: `${this.#sections.length + 1}`, kind, direction: "recvonly" });
    for (let i = 0; i < audios; i++) add("audio");
    for (let i = 0; i < videos; i++) add("video");
    this.#offer();
  }
}

/** What a participant asks for, with a token as its own server would make it. */
export async function joinAddress(
  { server, signalling, room, identity, autoSubscribe }: JoiningParticipant,
  library: ProfileName,
): Promise<URL> {
  const token = new AccessToken(server.key, server.secret, { identity, ttl: "1h" });
  token.addGrant({ roomJoin: true, room });
  const options = { flavour: signalling, autoSubscribe, clientInfo: SDKS[library] };
  return new URL(joinUrl(server.url, await token.toJwt(), options));
}

function videoFields(layers: readonly LoadLayer[], cid: string) {
  const { width, height } = layers.at(-1)!;
  // One layer is the best there is; of three the last is.
  const described = layers.map((layer, i) =>
    new VideoLayer({
      quality: QUALITIES[i + QUALITIES.length - layers.length]!,
      width: layer.width,
      height: layer.height,
      bitrate: layer.bitrateBps,
      ...(layer.rid === undefined ? {} : { rid: layer.rid }),
    })
  );
  const simulcastCodecs = [new SimulcastCodec({ codec: "vp8", cid })];
  return { width, height, layers: described, simulcastCodecs };
}

function randomSsrc(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 0;
}
