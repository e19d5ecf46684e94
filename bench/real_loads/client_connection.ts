/**
 * One peer connection of a load's client: finds its path as a full ICE agent, shakes hands, and
 * then reads what comes and sends what its profile says.
 *
 * @module
 */
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import type { Platform } from "../../lib/base/platform.ts";
import type { DtlsCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { type RtcpHandler, RtcpReader } from "../../lib/wire/rtcp.ts";
import type { RtcpWriter } from "../../lib/wire/rtcp_writer.ts";
import type {
  ClientTransport,
  ReadDescription,
} from "../../tests/support/virtual/client_description.ts";
import { openReach, type ReachParts } from "../load/client_reach.ts";
import { MAX_DATAGRAM_BYTES } from "../load/client_sockets.ts";
import { ClientAssociation, RELIABLE } from "../load/client_association.ts";
import type { Publisher } from "../load/published_track.ts";
import { ReceivedStream, type SentLog } from "../load/sent_log.ts";
import type { SentSection } from "./client_offer.ts";
import type { ClientProfile } from "./client_profiles.ts";
import { ClientReports, type Draw, type ReceivedMedia } from "./client_reports.ts";
import type { LoadCounts } from "./load_counts.ts";

const SSRC_AT = 8;
/** In the first byte of a header (RFC 3550 §5.1). */
const PADDING_BIT = 0x20;

/** What a connection is made of. */
export interface ConnectionParts {
  readonly reach: ReachParts;
  readonly platform: Platform;
  readonly certificate: DtlsCertificate;
  readonly profile: ClientProfile;
  readonly draw: Draw;
  readonly counts: LoadCounts;
  /** Tells the server a candidate, in the words of `a=candidate`. */
  readonly onCandidate: (candidate: string) => void;
  /** The server asks for a key frame of this published stream. */
  readonly onPictureLoss: (ssrc: number) => void;
  /** One message of a data channel, and when the kernel got the last of it, µs. */
  readonly onMessage: (bytes: Uint8Array, arrivedAt: number) => void;
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
  readonly #below: ClientAssociation;
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
    this.#below = new ClientAssociation(this.transport.credentials, {
      platform: parts.platform,
      certificate: parts.certificate,
      onCheck: () => parts.counts.checks++,
      protocol: parts.reach.reach === "tcp" ? "tcp" : "udp",
      onMessage: parts.onMessage,
    });
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
    this.#below.path.describe(description, sdp, isOffer);
    this.#begin();
  }

  /** Takes one trickled candidate. */
  trickle(candidateInit: string): void {
    const { candidate = "" } = JSON.parse(candidateInit) as { candidate?: string };
    this.#below.path.learn(candidate);
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
    this.#below.openChannels();
  }

  get canSendData(): boolean {
    return this.#below.canSend(RELIABLE);
  }

  /** Bytes on the reliable channel that are not on their way yet. */
  get waitingBytes(): number {
    return this.#below.waitingBytes(RELIABLE);
  }

  /** Sends a message on the reliable channel; `false` if it takes no more. */
  sendMessage(bytes: Uint8Array, now: number): boolean {
    return this.#below.send(RELIABLE, bytes, now);
  }

  /** The way out; only while connected. */
  get publisher(): Publisher {
    return this.#below.publisher!;
  }

  /** Sends reports, checks and data that are due, and reads data that came. */
  poll(now: number): void {
    if (this.#below.publisher === undefined) return;
    this.reports.poll(now);
    this.#below.poll(now);
    if (now < this.#stunAt) return;
    this.#stunAt = now + this.parts.profile.stunMs;
    this.#below.path.keep();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#below.close();
  }

  #begin(): void {
    const { server } = this.#below.path;
    if (server === undefined || this.#hasBegun) return;
    this.#hasBegun = true;
    this.#connect(server).then(this.#connected.resolve, (error) => {
      if (!this.#isClosed) this.#connected.reject(error);
    });
  }

  async #connect(server: MediaAddress): Promise<void> {
    const { reach, profile, draw } = this.parts;
    const socket = await openReach(reach, server);
    socket.onRtp = (bytes, offset, length, at) => this.#receiveRtp(bytes, offset, length, at);
    socket.onRtcp = (bytes, offset, length) => this.#receiveRtcp(bytes, offset, length);
    const address = server.hostname.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
    this.parts.onCandidate(
      `candidate:1 1 udp 2130706431 ${address} ${socket.localPort} typ host generation 0`,
    );
    const role = this.#isClient ? "client" : "server";
    await this.#below.connect(socket, { role, fingerprint: this.#fingerprint });
    this.#stunAt = performance.now() + profile.stunMs * draw();
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
      incoming.matched = sent && this.#match(sent, bytes, offset, length);
    }
    if (!incoming.matched) return;
    const micros = incoming.matched.arrive(sequence, timestamp, arrivedAt);
    if (micros >= 0) counts.latency.add(micros);
  }

  /**
   * A stream that knows which packet this one was: its number stands at its end, where it was
   * sealed twice. `undefined` for padding, which the server made.
   */
  #match(sent: SentLog, bytes: Uint8Array, offset: number, length: number) {
    if ((bytes[offset]! & PADDING_BIT) !== 0) return undefined;
    const scratch = this.#scratch;
    scratch.set(bytes.subarray(offset, offset + length));
    const opened = this.#below.publisher?.srtp.unprotectRtp(scratch, length) ?? 0;
    if (opened === 0) return undefined;
    const stream = new ReceivedStream(sent, 0);
    const original = (scratch[opened - 2]! << 8) | scratch[opened - 1]!;
    stream.anchor((scratch[2]! << 8) | scratch[3]!, int32(scratch, 4) >>> 0, original);
    return stream;
  }

  #receiveRtcp(bytes: Uint8Array, offset: number, length: number): void {
    const srtp = this.#below.publisher?.srtp;
    if (srtp === undefined) return;
    this.#scratch.set(bytes.subarray(offset, offset + length));
    const opened = srtp.unprotectRtcp(this.#scratch, length);
    if (opened > 0) this.#reader.read(this.#scratch, opened, this.#handler);
  }

  #sendRtcp(writer: RtcpWriter): void {
    const { srtp, socket } = this.publisher;
    const sealed = srtp.protectRtcp(writer.bytes, writer.length);
    if (sealed === 0) return;
    socket.send(writer.bytes.subarray(0, sealed));
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
