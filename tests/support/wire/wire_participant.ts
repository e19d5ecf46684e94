/**
 * A participant without a browser: real signalling over a WebSocket, real ICE, DTLS, SRTP and SCTP
 * over loopback, synthetic packets. It answers the server as SDKs do and keeps what it is told, so
 * a test says what happens and asks what arrived.
 *
 * Speaks each signalling flavour: two peer connections (`v0`), one through `join_request` on
 * `/rtc`, and one on `/rtc/v1`.
 *
 * @module
 */
import {
  AddTrackRequest,
  DataPacket,
  type JoinResponse,
  LeaveRequest,
  type ParticipantInfo,
  ParticipantInfo_State,
  SessionDescription,
  SignalTarget,
  type TrackInfo,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import { answerAsClient } from "../virtual/answering_client.ts";
import {
  type ClientMime,
  type OfferSection,
  type ReadDescription,
  readDescription,
  withTransport,
  writeOffer,
} from "../virtual/client_description.ts";
import { type Flavour, type JoinOptions, joinUrl } from "../process/join_url.ts";
import { type ResponseMessage, SignalClient } from "./signal_client.ts";
import { SyntheticTrack } from "../media/synthetic_track.ts";
import { until } from "./until.ts";
import { clientCertificate, WireConnection } from "./wire_connection.ts";

/** A track the server sends to this participant. */
export interface SubscribedTrack {
  readonly sid: string;
  /** `PA_…`, from the stream id. */
  readonly publisherSid: string;
  readonly kind: "audio" | "video";
  readonly ssrc: number;
  /** Where retransmissions come, if the server offers that. */
  readonly rtxSsrc: number | undefined;
  /** Preferred codec of its section, `video/VP8`. */
  readonly mime: string;
  readonly payloadType: number;
}

/** What to publish; the codecs are offered in this order. */
export interface PublishOptions {
  readonly cid?: string;
  readonly codecs?: readonly ClientMime[];
  /** Merged over the announcement. */
  readonly announce?: ConstructorParameters<typeof AddTrackRequest>[0];
  /** `false` sends no packets. */
  readonly media?: boolean;
  /** Sends one packet in so many of {@linkcode SyntheticTrack.INTERVAL_MS}; all by default. */
  readonly every?: number;
  /** Random if absent. */
  readonly ssrc?: number;
  /** Whether the next frame is a key frame; absent: all are. */
  readonly isKey?: () => boolean;
}

/** A published track of this participant. */
export interface OwnTrack {
  readonly sid: string;
  readonly cid: string;
  readonly info: TrackInfo;
}

/**
 * One participant without a browser. Answers as SDKs do, keeps what it is told, and leaves when
 * disposed.
 */
export class WireParticipant implements AsyncDisposable {
  readonly signal: SignalClient;
  /** The only connection in single mode. */
  readonly publisher: WireConnection;
  readonly subscriber: WireConnection;
  readonly join: JoinResponse;
  /** Everybody else, by identity. */
  readonly remotes = new Map<string, ParticipantInfo>();
  /** What the server's last description sends, by track sid. */
  readonly tracks = new Map<string, SubscribedTrack>();
  /** Codecs this client cannot decode, as `video/H264`. */
  unsupported: readonly string[] = [];
  /** Answer the server's offers at once. */
  autoAnswer = true;
  /** Has the last word on every offer. */
  rewriteOffer: (sdp: string) => string = (sdp) => sdp;
  /** The server's last description for what this client publishes. */
  lastAnswer = "";
  readonly #single: boolean;
  readonly #sections: OfferSection[] = [];
  readonly #sending = new Map<string, { readonly track: SyntheticTrack; readonly every: number }>();
  #offerId = 0;
  #pump: ReturnType<typeof setInterval> | undefined;

  private constructor(
    readonly identity: string,
    readonly flavour: Flavour,
    signal: SignalClient,
    join: JoinResponse,
    connections: { readonly publisher: WireConnection; readonly subscriber: WireConnection },
    unsupported: readonly string[],
  ) {
    this.signal = signal;
    this.join = join;
    this.publisher = connections.publisher;
    this.subscriber = connections.subscriber;
    this.unsupported = unsupported;
    this.#single = flavour !== "v0";
    for (const other of join.otherParticipants) this.remotes.set(other.identity, other);
    // What came behind the join response before anybody listened.
    for (const message of signal.received) this.#receive(message);
    signal.onMessage = (message) => this.#receive(message);
  }

  /**
   * Opens the socket and waits for the join response; connecting goes on by itself.
   *
   * @throws {UpgradeRefused}
   */
  static async open(
    server: string,
    token: string,
    options: JoinOptions & {
      readonly unsupported?: readonly string[];
      /** Handshakes are not what is looked at, so they may be quick. */
      readonly isQuick?: boolean;
    } = {},
  ): Promise<WireParticipant> {
    const { flavour = "v0", isQuick = false } = options;
    const own = clientCertificate();
    const signal = await SignalClient.open(joinUrl(server, token, options));
    const join = await signal.message("join");
    const { identity } = join.participant!;
    const publisher = new WireConnection(`${identity}'s publisher`, own, isQuick);
    const subscriber = flavour === "v0"
      ? new WireConnection(`${identity}'s subscriber`, own, isQuick)
      : publisher;
    const connections = { publisher, subscriber };
    const { unsupported = [] } = options;
    const client = new WireParticipant(identity, flavour, signal, join, connections, unsupported);
    if (flavour !== "v0" || !join.subscriberPrimary) client.#offer();
    return client;
  }

  get sid(): string {
    return this.join.participant!.sid;
  }

  /** The connection that decides whether this participant is ACTIVE, and carries data to it. */
  get primary(): WireConnection {
    return this.join.subscriberPrimary ? this.subscriber : this.publisher;
  }

  /** Resolves when the primary connection is up. */
  async connected(): Promise<this> {
    await this.primary.ready();
    return this;
  }

  /** Announces and offers a track; resolves when the server has answered. */
  async publish(kind: "audio" | "video", options: PublishOptions = {}): Promise<OwnTrack> {
    const cid = options.cid ?? crypto.randomUUID();
    const info = await this.announce(kind, cid, options.announce);
    await this.offerTrack(kind, cid, options);
    return { sid: info.sid, cid, info };
  }

  /** Announces a track without offering it. */
  async announce(
    kind: "audio" | "video",
    cid: string,
    fields: ConstructorParameters<typeof AddTrackRequest>[0] = {},
  ): Promise<TrackInfo> {
    const defaults = kind === "audio"
      ? { type: TrackType.AUDIO, source: TrackSource.MICROPHONE, name: "mic" }
      : { type: TrackType.VIDEO, source: TrackSource.CAMERA, name: "cam", width: 640, height: 360 };
    const value = new AddTrackRequest({ cid, ...defaults, ...fields });
    this.signal.send({ case: "addTrack", value });
    const published = await this.signal.message("trackPublished", (reply) => reply.cid === cid);
    return published.track!;
  }

  /** Offers a section for a track, and sends its packets from then on. */
  async offerTrack(
    kind: "audio" | "video",
    cid: string,
    options: PublishOptions = {},
  ): Promise<void> {
    const codecs = options.codecs ?? (kind === "audio" ? ["audio/opus"] : ["video/VP8"]);
    const ssrc = options.ssrc ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
    const mid = `${this.#sections.length + 1}`;
    this.#sections.push({ mid, kind, direction: "sendonly", codecs, cid, ssrc });
    await this.negotiate();
    if (options.media === false) return;
    const track = new SyntheticTrack(mid, codecs[0]!, ssrc, options.isKey);
    this.#send(cid, track, options.every ?? 1);
  }

  /** Takes a track out of the offer, which is how media tracks are unpublished. */
  async unpublish(cid: string): Promise<void> {
    this.#sending.delete(cid);
    const at = this.#sections.findIndex((section) => section.cid === cid);
    this.#sections[at] = { ...this.#sections[at]!, direction: "inactive" };
    await this.negotiate();
  }

  /** Offers the current sections; resolves with the server's answer. */
  async negotiate(): Promise<string> {
    const id = this.#offer();
    const answer = await this.signal.message("answer", (reply) => reply.id === id);
    return answer.sdp;
  }

  /** The track with this sid once its packets arrive (or once it is described, without `media`). */
  track(sid: string, options: { readonly media?: boolean } = {}): Promise<SubscribedTrack> {
    return until(
      `track ${sid} at ${this.identity}`,
      () => {
        const track = this.tracks.get(sid);
        if (track === undefined || options.media === false) return track;
        return this.subscriber.packets(track.ssrc).length > 0 ? track : undefined;
      },
      () => this.describe(),
    );
  }

  /** Resolves once `identity` is a remote participant that `matches`. */
  remote(
    identity: string,
    matches: (info: ParticipantInfo) => boolean = () => true,
  ): Promise<ParticipantInfo> {
    return until(
      `${identity} as a remote of ${this.identity}`,
      () => {
        const info = this.remotes.get(identity);
        return info !== undefined && matches(info) ? info : undefined;
      },
      () => this.describe(),
    );
  }

  /** Opens the client's data channels, if they are not open yet. */
  async openData(): Promise<void> {
    if (this.#offerId === 0) await this.negotiate();
    const { channels } = await this.publisher.ready();
    if (channels!.isOpen("_reliable")) return;
    channels!.open("_reliable", { ordered: true });
    channels!.open("_lossy", { ordered: false, maxRetransmits: 0 });
    const open = () => channels!.isOpen("_reliable") && channels!.isOpen("_lossy");
    await until(`${this.identity}'s data channels`, open);
  }

  /** Sends one packet over the client's own data channel. */
  async sendData(
    packet: ConstructorParameters<typeof DataPacket>[0],
    label: "_reliable" | "_lossy" = "_reliable",
  ): Promise<void> {
    await this.openData();
    this.publisher.client!.channels!.send(label, new DataPacket(packet).toBinary());
  }

  /** Data packets received so far. */
  get data(): DataPacket[] {
    const messages = this.primary.client?.channels?.messages ?? [];
    return messages.filter(({ label }) => label === "_reliable" || label === "_lossy")
      .map(({ bytes }) => DataPacket.fromBinary(bytes));
  }

  /** Where this client stands, for error messages. */
  describe(): unknown {
    return {
      flavour: this.flavour,
      tracks: [...this.tracks.values()],
      remotes: [...this.remotes.values()].map(({ identity, tracks, attributes }) => ({
        identity,
        tracks: tracks.map(({ sid, mimeType }) => [sid, mimeType]),
        attributes,
      })),
      received: this.signal.received.map(({ case: name }) => name).join(" "),
      connected: { publisher: this.publisher.connected, subscriber: this.subscriber.connected },
      failures: [this.publisher.failure, this.subscriber.failure].filter(Boolean),
      closed: this.signal.closed,
    };
  }

  /** Says goodbye and waits for the server to close the socket. */
  async leave(): Promise<void> {
    clearInterval(this.#pump);
    if (this.signal.closed === undefined) {
      this.signal.send({ case: "leave", value: new LeaveRequest() });
      await this.signal.ended();
    }
    await this.vanish();
  }

  /** Ends without a word, as a killed process. */
  async vanish(): Promise<void> {
    clearInterval(this.#pump);
    await this.signal.close();
    await this.publisher.close();
    await this.subscriber.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vanish();
  }

  #offer(): number {
    const id = ++this.#offerId;
    const sdp = this.rewriteOffer(writeOffer(this.publisher.transport, id, this.#sections));
    const value = new SessionDescription({ type: "offer", sdp, id });
    this.signal.send({ case: "offer", value });
    return id;
  }

  #receive(message: ResponseMessage): void {
    switch (message.case) {
      case "offer":
        return this.#receiveOffer(message.value);
      case "answer":
        return this.#receiveAnswer(message.value);
      case "trickle": {
        const { target, candidateInit } = message.value;
        const subscriber = target === SignalTarget.SUBSCRIBER;
        return (subscriber ? this.subscriber : this.publisher).trickle(candidateInit);
      }
      case "update":
        return this.#receiveUpdate(message.value.participants);
      case "mediaSectionsRequirement":
        return this.#addReceivingSections(message.value.numAudios, message.value.numVideos);
    }
  }

  #receiveOffer(offer: SessionDescription): void {
    if (!this.autoAnswer) return;
    const description = readDescription(offer.sdp);
    this.#readTracks(description);
    const answer = answerAsClient(offer.sdp, { unsupported: this.unsupported });
    const sdp = withTransport(answer, this.subscriber.transport);
    const value = new SessionDescription({ type: "answer", sdp, id: offer.id });
    this.signal.send({ case: "answer", value });
    this.subscriber.describe(description);
  }

  #receiveAnswer(answer: SessionDescription): void {
    this.lastAnswer = answer.sdp;
    const description = readDescription(answer.sdp);
    if (this.#single) this.#readTracks(description);
    this.publisher.describe(description);
  }

  #receiveUpdate(participants: readonly ParticipantInfo[]): void {
    for (const info of participants) {
      if (info.identity === this.identity) continue;
      const known = this.remotes.get(info.identity);
      if (info.state !== ParticipantInfo_State.DISCONNECTED) this.remotes.set(info.identity, info);
      else if (known?.sid === info.sid) this.remotes.delete(info.identity);
    }
  }

  /** Subscriber sections are those the server sends in; their msid names publisher and track. */
  #readTracks({ sections }: ReadDescription): void {
    this.tracks.clear();
    for (const { kind, port, direction, streamId, trackId, ssrc, rtxSsrc, codecs } of sections) {
      if (kind !== "audio" && kind !== "video") continue;
      if (port === 0 || !direction.startsWith("send") || ssrc === undefined) continue;
      const codec = codecs.find(({ mime }) => !this.unsupported.includes(mime));
      if (trackId === undefined || codec === undefined) continue;
      const publisherSid = streamId!.split("|")[0]!;
      this.tracks.set(trackId, { sid: trackId, publisherSid, kind, ssrc, rtxSsrc, ...codec });
    }
  }

  /** Single connection: the server may only send where the client has offered to receive. */
  #addReceivingSections(audios: number, videos: number): void {
    const supported = (mime: ClientMime) => !this.unsupported.includes(mime);
    const add = (kind: "audio" | "video", codecs: readonly ClientMime[]) => {
      const mid = `${this.#sections.length + 1}`;
      this.#sections.push({ mid, kind, direction: "recvonly", codecs: codecs.filter(supported) });
    };
    for (let i = 0; i < audios; i++) add("audio", ["audio/opus"]);
    for (let i = 0; i < videos; i++) add("video", ["video/VP8", "video/H264"]);
    this.#offer();
  }

  #send(cid: string, track: SyntheticTrack, every: number): void {
    this.#sending.set(cid, { track, every });
    let ticks = 0;
    this.#pump ??= setInterval(() => {
      const { client, connected } = this.publisher;
      if (!connected || client === undefined) return;
      for (const sending of this.#sending.values()) {
        if (ticks % sending.every === 0) client.sendRtp(sending.track.packet());
      }
      ticks++;
    }, SyntheticTrack.INTERVAL_MS);
  }
}
