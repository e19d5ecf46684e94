/**
 * A peer connection made of single wire protocols, for tests that need to say exactly what is sent:
 * STUN checks, a DTLS handshake, SRTP and SCTP, all over one socket. DTLS, SRTP and SCTP are
 * werift's, so they agree with the code under test only if both follow the RFCs.
 *
 * werift's DTLS client keeps timers that cannot be stopped, so tests that use this switch off the
 * sanitizers.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { DtlsClient, RtpPacket, SrtcpSession, SrtpSession } from "werift";
import type { IceCredentials, MediaAddress } from "../../../lib/base/media_vocabulary.ts";
import { datagramKind } from "../../../lib/wire/datagram_kind.ts";
import type { DtlsCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import {
  saltBytes,
  SRTP_PROFILE,
  type SrtpParameters,
  type SrtpProfile,
} from "../../../lib/transport/srtp/srtp_keys.ts";
import { answerTo, bindingRequest, isSuccessFor } from "./stun_requests.ts";
import type { DtlsTransport } from "./quick_dtls.ts";
import { WireDataChannels } from "./wire_data_channels.ts";
import "./werift_x25519.ts";
import { openWireSocket, type WireSocket } from "./wire_socket.ts";

/** How often an unanswered check is repeated, ms. */
const CHECK_REPEAT_MS = 100;
/** Longest wait for an answer, ms: a loaded machine, not the protocol. */
const DEADLINE_MS = 25_000;
/** STUN keeps the connection alive; the engine calls it interrupted after 10 s. */
const KEEP_ALIVE_MS = 2_000;

/** Master keys of both AES-128 profiles. */
const SRTP_KEY_BYTES = 16;
/** DTLS content type of alerts (RFC 5246 §6.2.1). */
const ALERT = 21;

/** werift has no AES-256. */
type WeriftProfile = Exclude<SrtpProfile, typeof SRTP_PROFILE.aeadAes256Gcm>;

/** What a client is made of. */
export interface WireClientOptions {
  readonly server: MediaAddress;
  /** The engine's credentials for this connection. */
  readonly remote: IceCredentials;
  readonly local: IceCredentials;
  readonly certificate: DtlsCertificate;
  /** Opens an SCTP association once DTLS is up. */
  readonly dataChannels?: boolean;
  /**
   * Takes RTP as it comes, sealed; `rtp` and `rtcp` stay empty. For counting at no cost of opening.
   */
  readonly onSealedRtp?: (bytes: Uint8Array) => void;
  /** Another DTLS client than werift's, as {@linkcode quickDtls} makes it. */
  readonly openDtls?: (transport: DtlsTransport) => DtlsClient;
  /** Another kind of socket than the usual one. */
  readonly openSocket?: (server: MediaAddress) => Promise<WireSocket>;
  /** Does not answer the engine's checks, which no known client does. */
  readonly ignoresChecks?: boolean;
  /**
   * Offered in this order, of those werift's sessions know; by default AES128_CM_HMAC_SHA1_80
   * alone.
   */
  readonly srtpProfiles?: readonly WeriftProfile[];
}

/** A received clear-text RTP packet. */
export interface ReceivedRtp {
  readonly bytes: Uint8Array;
  readonly ssrc: number;
  readonly payloadType: number;
  readonly sequenceNumber: number;
  /** It is padding (RFC 3550 §5.1): nothing but a number and a time. */
  readonly isPadding: boolean;
}

/**
 * One connection from the client's side. What arrives is kept in order, and what is sent is exactly
 * what the test says.
 */
export class WireClient {
  /** Everything received, in order of arrival. */
  readonly rtp: ReceivedRtp[] = [];
  /** Clear-text compounds. */
  readonly rtcp: Uint8Array[] = [];
  readonly dtls: DtlsClient;
  readonly channels: WireDataChannels | undefined;
  /** Whether the server ended the DTLS association. */
  closedByServer = false;
  onRtp: (packet: ReceivedRtp) => void = () => {};
  /** How long it takes to answer the engine's checks, ms. */
  checkDelayMs = 0;
  /** While set it neither checks the path nor answers the engine's checks. */
  isSilent = false;
  readonly #options: WireClientOptions;
  readonly #dtlsTransport: { onData: (bytes: Buffer) => void };
  #remote: IceCredentials;
  #socket: WireSocket;
  #answered: ((bytes: Uint8Array) => void) | undefined;
  #srtp: SrtpSession | undefined;
  #srtcp: SrtcpSession | undefined;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  private constructor(options: WireClientOptions, socket: WireSocket) {
    this.#options = options;
    this.#remote = options.remote;
    this.#socket = socket;
    const transport = {
      type: "udp",
      address: { address: "", family: "", port: 0 },
      closed: false,
      onData: (_bytes: Buffer) => {},
      send: (bytes: Uint8Array) => this.#socket.send(bytes),
      close: () => Promise.resolve(),
    };
    this.#dtlsTransport = transport;
    const { certificate } = options;
    this.dtls = options.openDtls?.(transport) ?? new DtlsClient({
      transport: transport as unknown as ConstructorParameters<typeof DtlsClient>[0]["transport"],
      cert: certificate.certPem,
      key: certificate.keyPem,
      signatureHash: { hash: 4, signature: 3 },
      srtpProfiles: [...options.srtpProfiles ?? [SRTP_PROFILE.aes128CmSha1_80]],
      extendedMasterSecret: true,
    });
    this.dtls.onError.subscribe(() => {});
    this.dtls.onClose.subscribe(() => this.closedByServer = true);
    if (options.dataChannels === true) {
      this.channels = new WireDataChannels((packet) => this.sendData(packet));
      this.dtls.onData.subscribe((packet) => this.channels!.receive(packet));
    }
    this.#listen();
  }

  /** Opens the socket and nothing else. */
  static async open(options: WireClientOptions): Promise<WireClient> {
    const { openSocket = openWireSocket, server } = options;
    return new WireClient(options, await openSocket(server));
  }

  /** Nominates the path, shakes hands and derives keys. */
  async connect(): Promise<void> {
    await this.check();
    await this.shakeHands();
    this.#keepAlive = setInterval(() => this.isSilent || this.#sendCheck(false), KEEP_ALIVE_MS);
  }

  /** Sends binding requests until one is answered. */
  async check(options: { useCandidate?: boolean } = {}): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const transactions: Uint8Array[] = [];
    const { pwd } = this.#remote;
    this.#answered = (bytes) => {
      if (transactions.some((transaction) => isSuccessFor(bytes, transaction, pwd))) resolve();
    };
    const send = () => transactions.push(this.#sendCheck(options.useCandidate ?? true));
    send();
    const repeat = setInterval(send, CHECK_REPEAT_MS);
    try {
      await beforeDeadline("an answer to a STUN check", promise);
    } finally {
      clearInterval(repeat);
      this.#answered = undefined;
    }
  }

  /** The DTLS handshake; afterwards RTP can be sent. */
  async shakeHands(): Promise<void> {
    const connected = new Promise<void>((resolve) =>
      this.dtls.onConnect.subscribe(() => resolve())
    );
    this.dtls.connect().catch(() => {});
    await beforeDeadline("the DTLS handshake", connected);
    // werift's client starts epoch 1 over after its Finished and so repeats that record's number,
    // which a replay window rightly drops; no other client does.
    this.dtls.dtls.recordSequenceNumber = 100;
    const { profile, local, remote } = this.srtpParameters;
    const keys = {
      localMasterKey: Buffer.from(local.key),
      localMasterSalt: Buffer.from(local.salt),
      remoteMasterKey: Buffer.from(remote.key),
      remoteMasterSalt: Buffer.from(remote.salt),
    };
    this.#srtp = new SrtpSession({ keys, profile });
    this.#srtcp = new SrtcpSession({ keys, profile });
    await this.channels?.start();
  }

  /** What the handshake agreed on, for a sender that seals by itself. */
  get srtpParameters(): SrtpParameters & { readonly profile: WeriftProfile } {
    const profile = this.dtls.srtp.srtpProfile as WeriftProfile;
    const keys = this.dtls.extractSessionKeys(SRTP_KEY_BYTES, saltBytes(profile));
    return {
      profile,
      local: { key: keys.localKey, salt: keys.localSalt },
      remote: { key: keys.remoteKey, salt: keys.remoteSalt },
    };
  }

  /** Seals and sends one clear-text RTP packet. */
  sendRtp(bytes: Uint8Array): Promise<void> {
    const packet = RtpPacket.deSerialize(Buffer.from(bytes));
    return this.sendRaw(this.#srtp!.encrypt(packet.payload, packet.header));
  }

  /** Seals and sends one compound. */
  sendRtcp(bytes: Uint8Array): Promise<void> {
    return this.sendRaw(this.#srtcp!.encrypt(Buffer.from(bytes)));
  }

  /** Sends DTLS application data: an SCTP packet, or what claims to be one. */
  sendData(bytes: Uint8Array): Promise<void> {
    return this.dtls.send(Buffer.from(bytes));
  }

  /** Sends these bytes and no others. */
  sendRaw(bytes: Uint8Array): Promise<void> {
    return this.#socket.send(bytes);
  }

  /** Ends the DTLS association with an encrypted close_notify, which werift itself never sends. */
  closeNotify(): Promise<void> {
    const { dtls, cipher } = this.dtls;
    const sequenceNumber = ++dtls.recordSequenceNumber;
    const plaintext = {
      recordLayerHeader: {
        contentType: ALERT,
        protocolVersion: { major: 254, minor: 253 },
        epoch: 1,
        sequenceNumber,
        contentLen: 2,
      },
      fragment: Buffer.of(1, 0),
    };
    type Plaintext = Parameters<typeof cipher.encryptPacket>[0];
    // The record class is not exported; only these members of it are read.
    const sealed = cipher.encryptPacket(plaintext as unknown as Plaintext).fragment;
    return this.sendRaw(dtlsRecord(ALERT, 1, sequenceNumber, sealed));
  }

  /** From now on checks use the engine's restarted credentials; the DTLS association stays. */
  restartIce(remote: IceCredentials): Promise<void> {
    this.#remote = remote;
    return this.check();
  }

  /** From now on everything comes from another port, as where a NAT has forgotten the client. */
  async changePort(): Promise<void> {
    const old = this.#socket;
    this.#socket = await openWireSocket(this.#options.server);
    this.#listen();
    old.close();
  }

  /** The same client from another port, as after a change of network. */
  async migrate(): Promise<void> {
    await this.changePort();
    // The engine follows a nomination once the old path is silent or the client insists.
    await this.check();
    await this.check();
  }

  /** Received packets of one SSRC, padding left out. */
  rtpOf(ssrc: number): readonly ReceivedRtp[] {
    return this.rtp.filter((packet) => packet.ssrc === ssrc && !packet.isPadding);
  }

  /** Received padding of one SSRC, with which a stream may begin. */
  paddingOf(ssrc: number): readonly ReceivedRtp[] {
    return this.rtp.filter((packet) => packet.ssrc === ssrc && packet.isPadding);
  }

  /** Settles when the server ended the TCP connection. */
  get socketEnded(): Promise<void> {
    return this.#socket.ended;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#keepAlive);
    await this.channels?.close();
    this.#socket.close();
  }

  #sendCheck(useCandidate: boolean): Uint8Array {
    const transaction = crypto.getRandomValues(new Uint8Array(12));
    const { local } = this.#options;
    const request = { server: this.#remote, clientUfrag: local.ufrag, transaction, useCandidate };
    this.sendRaw(bindingRequest(request));
    return transaction;
  }

  #listen(): void {
    this.#socket.onDatagram = (bytes) => this.#receive(bytes);
  }

  #receive(bytes: Uint8Array): void {
    switch (datagramKind(bytes, bytes.length)) {
      case "stun":
        return this.#receiveStun(bytes);
      case "dtls":
        return this.#dtlsTransport.onData(Buffer.from(bytes));
      case "rtp":
        return this.#receiveRtp(bytes);
      case "rtcp":
        if (this.#options.onSealedRtp !== undefined) return;
        if (this.#srtcp !== undefined) this.rtcp.push(this.#srtcp.decrypt(Buffer.from(bytes)));
    }
  }

  /** Answers what the engine asks, as full agents do. */
  #receiveStun(bytes: Uint8Array): void {
    if (this.isSilent) return;
    const { local, ignoresChecks = false } = this.#options;
    const answer = ignoresChecks ? undefined : answerTo(bytes, local);
    if (answer === undefined) this.#answered?.(bytes);
    else if (this.checkDelayMs === 0) this.sendRaw(answer);
    else setTimeout(() => this.#isClosed || this.sendRaw(answer), this.checkDelayMs);
  }

  #receiveRtp(bytes: Uint8Array): void {
    const { onSealedRtp } = this.#options;
    if (onSealedRtp !== undefined) return onSealedRtp(bytes);
    // The server may send as soon as its side of the handshake is done, before there are keys here.
    if (this.#srtp === undefined) return;
    const clear = this.#srtp.decrypt(Buffer.from(bytes));
    const { header } = RtpPacket.deSerialize(clear);
    const { ssrc, payloadType, sequenceNumber, padding: isPadding } = header;
    const packet = { bytes: new Uint8Array(clear), ssrc, payloadType, sequenceNumber, isPadding };
    this.rtp.push(packet);
    this.onRtp(packet);
  }
}

/** One DTLS 1.2 record (RFC 6347 §4.1). */
export function dtlsRecord(
  type: number,
  epoch: number,
  sequence: number,
  body: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(13 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint16(1, 0xfefd);
  view.setUint16(3, epoch);
  view.setUint32(7, sequence);
  view.setUint16(11, body.length);
  bytes.set(body, 13);
  return bytes;
}

async function beforeDeadline<T>(what: string, promise: Promise<T>): Promise<T> {
  let handle: ReturnType<typeof setTimeout> | undefined;
  const guard = new Promise<never>((_, reject) => {
    handle = setTimeout(() => reject(new Error(`Timed out waiting for ${what}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, guard]);
  } finally {
    clearTimeout(handle);
  }
}
