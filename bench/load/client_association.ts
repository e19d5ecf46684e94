/**
 * One client's connection below media: a path, DTLS in either role, the keys of SRTP, and data
 * channels. All of it is this project's own: clients have to be cheap, and werift's DTLS sometimes
 * ends with unequal keys when a flight is sent twice.
 *
 * @module
 */
import { DropCounters } from "../../lib/base/drop_counters.ts";
import type { DtlsRole, IceCredentials } from "../../lib/base/media_vocabulary.ts";
import type { Platform } from "../../lib/base/platform.ts";
import type { HandshakeCrypto } from "../../lib/transport/crypto/handshake_crypto.ts";
import type { DtlsCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsSession } from "../../lib/transport/dtls/dtls_session.ts";
import { DataChannels } from "../../lib/transport/sctp/data_channels.ts";
import { MAX_PACKET_BYTES } from "../../lib/transport/sctp/sctp_packet.ts";
import { chooseMediaCrypto } from "../../lib/transport/media_crypto.ts";
import type { SrtpParameters } from "../../lib/transport/srtp/srtp_keys.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { datagramKind } from "../../lib/wire/datagram_kind.ts";
import { ClientPath } from "./client_path.ts";
import type { ClientSocket } from "./client_sockets.ts";
import type { Publisher } from "./published_track.ts";

/** What LiveKit's clients open. */
export const RELIABLE = "_reliable";
export const LOSSY = "_lossy";
/** Sealing is not what is measured here: as cheap as it can be had. */
const SEALING = chooseMediaCrypto("auto");
/**
 * Whether the server signed its half of the key is not asked: a load knows whom it calls, and the
 * check takes as long as all else that a client computes. The server sees no difference.
 */
const HANDSHAKE: HandshakeCrypto = ((crypto) => ({
  sha256: (data) => crypto.sha256(data),
  hmac: (key, data) => crypto.hmac(key, data),
  newKey: (curve) => crypto.newKey(curve),
  sharedSecret: (curve, privateKey, theirs) => crypto.sharedSecret(curve, privateKey, theirs),
  sign: (scalar, data) => crypto.sign(scalar, data),
  isSigned: () => true,
}))(SEALING.handshakeCrypto);
/** As all WebRTC endpoints have it; of the messages of loads none is as long. */
const SCTP_PORT = 5_000;
const MAX_MESSAGE_BYTES = 65_535;
/** Other endpoints begin an association at once; ours waits for them so long, ms. */
const ASSOCIATION_WAITS_MS = 1_000;
/** All connections share it: a packet has left when the next one is written. */
const PACKET = new Uint8Array(MAX_PACKET_BYTES);

/** What a connection is made of. */
export interface AssociationParts {
  readonly platform: Platform;
  readonly certificate: DtlsCertificate;
  /** Is told of each check that is sent. */
  readonly onCheck: () => void;
  /** Of the candidates that are tried; UDP if absent. */
  readonly protocol?: "udp" | "tcp";
  /**
   * One message of a data channel; the bytes may be kept. `arrivedAt` is when the kernel got the
   * last of it, µs.
   */
  readonly onMessage: (bytes: Uint8Array, arrivedAt: number) => void;
}

/** What the server's description says of DTLS. */
export interface RemoteDtls {
  /** The client's own. */
  readonly role: DtlsRole;
  /** SHA-256 as hexadecimal pairs joined by colons. */
  readonly fingerprint: string;
}

/** One connection. RTP and RTCP are its socket's listeners' business. */
export class ClientAssociation {
  readonly path: ClientPath;
  readonly #parts: AssociationParts;
  #dtls: DtlsSession | undefined;
  #channels: DataChannels | undefined;
  /** Packets came or messages were sent since the association was polled. */
  #hasData = false;
  /** Of the datagram that is being read. */
  #arrivedAt = 0;
  #socket: ClientSocket | undefined;
  #publisher: Publisher | undefined;

  constructor(local: IceCredentials, parts: AssociationParts) {
    this.path = new ClientPath(local, parts.onCheck, parts.protocol);
    this.#parts = parts;
  }

  /** The way out, with the session that seals and opens; `undefined` before and after. */
  get publisher(): Publisher | undefined {
    return this.#publisher;
  }

  /**
   * Finds the path and shakes hands over `socket`, which it closes in the end.
   *
   * @throws {Error} that says at what it failed.
   */
  async connect(socket: ClientSocket, remote: RemoteDtls): Promise<void> {
    this.#socket = socket;
    const { promise, dtls } = this.#createDtls(socket, remote);
    this.#dtls = dtls;
    socket.onDatagram = (bytes, arrivedAt) => {
      this.#arrivedAt = arrivedAt;
      switch (datagramKind(bytes, bytes.length)) {
        case "stun":
          return this.path.receive(bytes);
        case "dtls":
          return dtls.receive(bytes);
      }
    };
    await this.path.find((bytes) => void socket.send(bytes));
    dtls.pathReady();
    const parameters = await promise;
    const cipherFactory = SEALING.srtpCipherFactory;
    const srtp = new SrtpSession({ parameters, drops: new DropCounters(), cipherFactory });
    this.#publisher = { socket, srtp, transportNumber: 0 };
    this.#channels = this.#createChannels(remote.role);
  }

  /** Opens the channels that every client opens. */
  openChannels(): void {
    this.#channels!.open(RELIABLE, { ordered: true });
    this.#channels!.open(LOSSY, { ordered: false, maxRetransmits: 0 });
    this.#hasData = true;
  }

  canSend(label: string): boolean {
    return this.#channels?.isOpen(label) ?? false;
  }

  /** Bytes of messages that are not on their way yet. */
  waitingBytes(label: string): number {
    return this.#channels?.bufferedAmount(label) ?? 0;
  }

  /** Sends a message; `false` if the channel takes no more. */
  send(label: string, bytes: Uint8Array, now: number): boolean {
    this.#hasData = true;
    return this.#channels?.send(label, bytes, false, now) ?? false;
  }

  /** Sends data that is due. */
  poll(now: number): void {
    const channels = this.#channels;
    if (channels === undefined || (!this.#hasData && now < channels.nextWakeAt())) return;
    this.#hasData = false;
    for (;;) {
      const length = channels.poll(PACKET, now);
      if (length === 0) return;
      this.#dtls!.sendData(PACKET, length);
    }
  }

  close(): void {
    this.#publisher?.srtp.close();
    this.#publisher = undefined;
    this.#channels?.close();
    this.#channels = undefined;
    this.#dtls?.close();
    this.#socket?.close();
  }

  #createDtls(socket: ClientSocket, { role, fingerprint }: RemoteDtls) {
    const { platform, certificate } = this.#parts;
    const { promise, resolve, reject } = Promise.withResolvers<SrtpParameters>();
    // Whoever waits for the path first hears of it then.
    promise.catch(() => {});
    const ended = (reason: string) => reject(new Error(`DTLS: ${reason}`));
    const dtls = new DtlsSession({
      certificate,
      platform,
      drops: new DropCounters(),
      send: (datagram) => void socket.send(datagram),
      fingerprints: [{ algorithm: "sha-256", value: fingerprint.toUpperCase() }],
      srtpProfiles: SEALING.srtpProfiles,
      recordCipherFactory: SEALING.recordCipherFactory,
      crypto: HANDSHAKE,
      listener: {
        onConnected: (srtp) => srtp === undefined ? ended("no SRTP profile") : resolve(srtp),
        onData: (bytes, at, length) => {
          this.#hasData = true;
          const now = performance.now();
          this.#channels?.receive(bytes.subarray(at, at + length), length, now);
          this.#channels?.deliver(Infinity, now);
        },
        onClosed: ended,
        onFailed: ended,
      },
    });
    dtls.setRole(role);
    return { dtls, promise };
  }

  #createChannels(dtlsRole: DtlsRole): DataChannels {
    const nothing = () => {};
    return new DataChannels({
      role: "accept",
      dtlsRole,
      remotePort: SCTP_PORT,
      maxMessageSize: MAX_MESSAGE_BYTES,
      random: this.#parts.platform.random,
      drops: new DropCounters(),
      listener: {
        onOpen: nothing,
        onMessage: (_label, bytes) => this.#parts.onMessage(bytes, this.#arrivedAt),
        onClosed: nothing,
        onFailed: nothing,
      },
    }, performance.now() - ASSOCIATION_WAITS_MS);
  }
}
