/**
 * One peer connection of a load's client: finds its path as a full ICE agent, shakes hands, and
 * then reads what comes and sends what its profile says.
 *
 * @module
 */
import { DropCounters } from "../../lib/base/drop_counters.ts";
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import type { Platform } from "../../lib/base/platform.ts";
import type { DtlsCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsSession } from "../../lib/transport/dtls/dtls_session.ts";
import { DataChannels } from "../../lib/transport/sctp/data_channels.ts";
import { MAX_PACKET_BYTES } from "../../lib/transport/sctp/sctp_packet.ts";
import { chooseSrtpEngine } from "../../lib/transport/srtp/srtp_engine.ts";
import type { SrtpParameters } from "../../lib/transport/srtp/srtp_keys.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { datagramKind } from "../../lib/wire/datagram_kind.ts";
import { type RtcpHandler, RtcpReader } from "../../lib/wire/rtcp.ts";
import type { RtcpWriter } from "../../lib/wire/rtcp_writer.ts";
import type {
  ClientTransport,
  ReadDescription,
} from "../../tests/support/virtual/client_description.ts";
import {
  type ClientSocket,
  type ClientSockets,
  MAX_DATAGRAM_BYTES,
} from "../load/client_sockets.ts";
import type { Publisher } from "../load/published_track.ts";
import { ReceivedStream, type SentLog } from "../load/sent_log.ts";
import { ClientPath } from "./client_path.ts";
import type { SentSection } from "./client_offer.ts";
import type { ClientProfile } from "./client_profiles.ts";
import { ClientReports, type Draw, type ReceivedMedia } from "./client_reports.ts";
import type { LoadCounts } from "./load_counts.ts";

/** Sealing is not what is measured here: as cheap as it can be had. */
const SEALING = chooseSrtpEngine("auto");
const SSRC_AT = 8;
const RELIABLE = "_reliable";
const LOSSY = "_lossy";
/** As all WebRTC endpoints have it; of the messages of loads none is as long. */
const SCTP_PORT = 5_000;
const MAX_MESSAGE_BYTES = 65_535;
/** Other endpoints begin an association at once; ours waits for them so long, ms. */
const ASSOCIATION_WAITS_MS = 1_000;
/** Messages that are read in one turn. */
const READ_AT_ONCE = 1_000;
/** All connections share it: a packet has left when the next one is written. */
const PACKET = new Uint8Array(MAX_PACKET_BYTES);

/** What a connection is made of. */
export interface ConnectionParts {
  readonly sockets: ClientSockets;
  readonly platform: Platform;
  readonly certificate: DtlsCertificate;
  readonly profile: ClientProfile;
  readonly draw: Draw;
  readonly counts: LoadCounts;
  /** Tells the server a candidate, in the words of `a=candidate`. */
  readonly onCandidate: (candidate: string) => void;
  /** The server asks for a key frame of this published stream. */
  readonly onPictureLoss: (ssrc: number) => void;
  /** One message of a data channel; the bytes may be kept. */
  readonly onMessage: (bytes: Uint8Array) => void;
}

/** A stream that the server sends, by its SSRC. */
interface Incoming {
  readonly media: ReceivedMedia;
  /** Set on the stream that carries repetitions. */
  readonly isRepair: boolean;
  /** To know when a packet left; `undefined` until that is told, `null` if it cannot be known. */
  matched: ReceivedStream | null | undefined;
  readonly sentOf: SentLogOf;
}

/** What a stream was made from: `undefined` as long as it is not published, `null` if never told. */
export type SentLogOf = () => SentLog | null | undefined;

/** One connection. `poll` sends what is due; what arrives is counted as it is read. */
export class LoadConnection {
  readonly transport: ClientTransport;
  readonly reports: ClientReports;
  /** Settles when media and data can flow. */
  readonly connected: Promise<void>;
  readonly #connected = Promise.withResolvers<void>();
  readonly #incoming = new Map<number, Incoming>();
  readonly #reader = new RtcpReader();
  readonly #scratch = new Uint8Array(MAX_DATAGRAM_BYTES);
  readonly #handler: RtcpHandler;
  #dtls: DtlsSession | undefined;
  #channels: DataChannels | undefined;
  /** Packets came or messages were sent since the association was polled. */
  #hasData = false;
  #socket: ClientSocket | undefined;
  #srtp: SrtpSession | undefined;
  #publisher: Publisher | undefined;
  readonly #path: ClientPath;
  #fingerprint = "";
  #isClient = true;
  #hasBegun = false;
  #isClosed = false;
  #stunAt = Infinity;

  constructor(private readonly parts: ConnectionParts) {
    const random = crypto.randomUUID().replaceAll("-", "");
    this.transport = {
      credentials: { ufrag: random.slice(0, 8), pwd: random },
      fingerprint: parts.certificate.fingerprint.value,
    };
    this.#path = new ClientPath(this.transport.credentials, () => parts.counts.checks++);
    this.connected = this.#connected.promise;
    this.connected.catch(() => {});
    const ssrc = Math.floor(parts.draw() * 2 ** 32) >>> 0;
    this.reports = new ClientReports(ssrc, parts.profile, parts.draw, (w) => this.#sendRtcp(w));
    this.#handler = this.#rtcpHandler();
  }

  /** Takes a description of the server; `isOffer` unless it is an answer. */
  describe(description: ReadDescription, sdp: string, isOffer: boolean): void {
    // We answer `active`; so may the server, and then it begins.
    this.#isClient = isOffer || !sdp.includes("a=setup:active");
    this.#fingerprint = /a=fingerprint:sha-256 (\S+)/i.exec(sdp)?.[1] ?? "";
    this.#path.describe(description, sdp, isOffer);
    this.#begin();
  }

  /** Takes one trickled candidate. */
  trickle(candidateInit: string): void {
    const { candidate = "" } = JSON.parse(candidateInit) as { candidate?: string };
    this.#path.learn(candidate);
    this.#begin();
  }

  /** Expects a stream; a second call with the same SSRC changes nothing. */
  expect(
    stream: { kind: "audio" | "video"; ssrc: number; rtxSsrc: number | undefined },
    section: SentSection,
    sentOf: SentLogOf,
  ): void {
    if (this.#incoming.has(stream.ssrc | 0)) return;
    const media = this.reports.receive(stream.kind, stream.ssrc, section, performance.now());
    const matched = undefined;
    this.#incoming.set(stream.ssrc | 0, { media, isRepair: false, matched, sentOf });
    if (stream.rtxSsrc !== undefined) {
      this.#incoming.set(stream.rtxSsrc | 0, { media, isRepair: true, matched: null, sentOf });
    }
  }

  /** Streams that are expected; those that have come, if asked for. */
  streams(haveCome = false): number {
    let count = 0;
    for (const { media, isRepair } of this.#incoming.values()) {
      if (!isRepair && (!haveCome || media.reception.expected > 0)) count++;
    }
    return count;
  }

  /** Numbers that should have come since the last call, less those that came. */
  takeReception(): { expected: number; lost: number } {
    let [expected, lost] = [0, 0];
    for (const { media: { reception }, isRepair } of this.#incoming.values()) {
      if (isRepair) continue;
      expected += reception.expectedSince;
      lost += Math.max(0, reception.expectedSince - reception.received);
      reception.restart();
    }
    return { expected, lost };
  }

  /** Opens the channels that every client opens. */
  openChannels(): void {
    this.#channels!.open(RELIABLE, { ordered: true });
    this.#channels!.open(LOSSY, { ordered: false, maxRetransmits: 0 });
    this.#hasData = true;
  }

  get canSendData(): boolean {
    return this.#channels?.isOpen(RELIABLE) ?? false;
  }

  /** Sends a message on the reliable channel; `false` if it takes no more. */
  sendMessage(bytes: Uint8Array, now: number): boolean {
    this.#hasData = true;
    return this.#channels?.send(RELIABLE, bytes, false, now) ?? false;
  }

  /** The way out; only while connected. */
  get publisher(): Publisher {
    return this.#publisher!;
  }

  /** Sends reports, checks and data that are due, and reads data that came. */
  poll(now: number): void {
    if (this.#srtp === undefined) return;
    this.reports.poll(now);
    this.#pollData(now);
    if (now < this.#stunAt) return;
    this.#stunAt = now + this.parts.profile.stunMs;
    this.#path.keep();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#srtp?.close();
    this.#srtp = undefined;
    this.#channels?.close();
    this.#channels = undefined;
    this.#dtls?.close();
    this.#socket?.close();
  }

  #begin(): void {
    const { server } = this.#path;
    if (server === undefined || this.#hasBegun) return;
    this.#hasBegun = true;
    this.#connect(server).then(this.#connected.resolve, (error) => {
      if (!this.#isClosed) this.#connected.reject(error);
    });
  }

  async #connect(server: MediaAddress): Promise<void> {
    const { sockets, profile, draw } = this.parts;
    const socket = this.#socket = await sockets.open(server);
    socket.onDatagram = (bytes) => {
      switch (datagramKind(bytes, bytes.length)) {
        case "stun":
          return this.#path.receive(bytes);
        case "dtls":
          return this.#dtls?.receive(bytes);
      }
    };
    socket.onRtp = (bytes, offset, length, at) => this.#receiveRtp(bytes, offset, length, at);
    socket.onRtcp = (bytes, offset, length) => this.#receiveRtcp(bytes, offset, length);
    const { promise, dtls } = this.#createDtls(socket);
    this.#dtls = dtls;
    const address = server.hostname.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
    this.parts.onCandidate(
      `candidate:1 1 udp 2130706431 ${address} ${socket.localPort} typ host generation 0`,
    );
    await this.#path.find((bytes) => void socket.send(bytes));
    dtls.pathReady();
    const parameters = await promise;
    const { cipherFactory } = SEALING;
    this.#srtp = new SrtpSession({ parameters, drops: new DropCounters(), cipherFactory });
    this.#publisher = { socket, srtp: this.#srtp, transportNumber: 0 };
    this.#channels = this.#createChannels();
    this.#stunAt = performance.now() + profile.stunMs * draw();
  }

  /** This project's own: werift's client does not survive a flight that is sent twice. */
  #createDtls(socket: ClientSocket): { dtls: DtlsSession; promise: Promise<SrtpParameters> } {
    const { platform, certificate } = this.parts;
    const { promise, resolve, reject } = Promise.withResolvers<SrtpParameters>();
    const ended = (reason: string) => reject(new Error(`DTLS: ${reason}`));
    const dtls = new DtlsSession({
      certificate,
      platform,
      drops: new DropCounters(),
      send: (datagram) => void socket.send(datagram),
      fingerprints: [{ algorithm: "sha-256", value: this.#fingerprint.toUpperCase() }],
      srtpProfiles: SEALING.profiles,
      recordCipherFactory: SEALING.recordCipherFactory,
      listener: {
        onConnected: (srtp) => srtp === undefined ? ended("no SRTP profile") : resolve(srtp),
        onData: (bytes, at, length) => {
          this.#hasData = true;
          this.#channels?.receive(bytes.subarray(at, at + length), length, performance.now());
        },
        onClosed: ended,
        onFailed: ended,
      },
    });
    dtls.setRole(this.#isClient ? "client" : "server");
    return { dtls, promise };
  }

  #createChannels(): DataChannels {
    const nothing = () => {};
    return new DataChannels({
      role: "accept",
      dtlsRole: this.#isClient ? "client" : "server",
      remotePort: SCTP_PORT,
      maxMessageSize: MAX_MESSAGE_BYTES,
      random: this.parts.platform.random,
      drops: new DropCounters(),
      listener: {
        onOpen: nothing,
        onMessage: (_label, bytes) => this.parts.onMessage(bytes),
        onClosed: nothing,
        onFailed: nothing,
      },
    }, performance.now() - ASSOCIATION_WAITS_MS);
  }

  #pollData(now: number): void {
    const channels = this.#channels!;
    if (!this.#hasData && now < channels.nextWakeAt()) return;
    this.#hasData = channels.deliver(READ_AT_ONCE, now);
    for (;;) {
      const length = channels.poll(PACKET, now);
      if (length === 0) return;
      this.#dtls!.sendData(PACKET, length);
    }
  }

  #receiveRtp(bytes: Uint8Array, offset: number, length: number, arrivedAt: number): void {
    const { counts } = this.parts;
    counts.received++;
    counts.bytes += length;
    const incoming = this.#incoming.get(int32(bytes, offset + SSRC_AT));
    if (incoming === undefined) return;
    const { media } = incoming;
    const sequence = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
    const timestamp = int32(bytes, offset + 4) >>> 0;
    if (!incoming.isRepair) media.reception.arrive(sequence, timestamp, arrivedAt);
    const number = media.transportCcId === 0
      ? -1
      : transportNumber(bytes, offset, media.transportCcId);
    if (!incoming.isRepair || number >= 0) {
      this.reports.arrive(media, sequence, number, arrivedAt, performance.now());
    }
    if (incoming.matched === undefined) {
      const sent = incoming.sentOf();
      incoming.matched = sent && new ReceivedStream(sent, 0);
    }
    if (!incoming.matched) return;
    const micros = incoming.matched.arrive(sequence, timestamp, arrivedAt);
    if (micros >= 0) counts.latency.add(micros);
  }

  #receiveRtcp(bytes: Uint8Array, offset: number, length: number): void {
    if (this.#srtp === undefined) return;
    this.#scratch.set(bytes.subarray(offset, offset + length));
    const opened = this.#srtp.unprotectRtcp(this.#scratch, length);
    if (opened > 0) this.#reader.read(this.#scratch, opened, this.#handler);
  }

  #sendRtcp(writer: RtcpWriter): void {
    const sealed = this.#srtp!.protectRtcp(writer.bytes, writer.length);
    if (sealed === 0) return;
    this.#socket!.send(writer.bytes.subarray(0, sealed));
    this.parts.counts.reports++;
  }

  #rtcpHandler(): RtcpHandler {
    const nothing = () => {};
    return {
      senderReport: (ssrc, ntpSeconds, ntpFraction) => {
        const incoming = this.#incoming.get(ssrc | 0);
        incoming?.media.reception.reported(ntpSeconds, ntpFraction, performance.now());
      },
      pictureLoss: (ssrc) => this.parts.onPictureLoss(ssrc),
      fullIntra: (ssrc) => this.parts.onPictureLoss(ssrc),
      reportBlock: nothing,
      goodbye: nothing,
      nack: nothing,
      remb: nothing,
      transportCc: nothing,
      receiverReferenceTime: nothing,
      delaySinceReceiverReference: nothing,
    };
  }
}

function int32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** The transport-wide number among the one-byte header extensions (RFC 8285 §4.2), or -1. */
export function transportNumber(bytes: Uint8Array, offset: number, id: number): number {
  if ((bytes[offset]! & 0x10) === 0) return -1;
  const head = offset + 12 + (bytes[offset]! & 0x0f) * 4;
  if (bytes[head] !== 0xbe || bytes[head + 1] !== 0xde) return -1;
  const end = head + 4 + ((bytes[head + 2]! << 8) | bytes[head + 3]!) * 4;
  for (let at = head + 4; at < end;) {
    const first = bytes[at]!;
    if (first === 0) {
      at++;
      continue;
    }
    if (first >> 4 === id) return (bytes[at + 1]! << 8) | bytes[at + 2]!;
    at += 2 + (first & 0x0f);
  }
  return -1;
}
