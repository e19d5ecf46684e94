/**
 * One peer connection below RTP: an ICE-lite agent finds the path, DTLS proves the peer and gives
 * the keys, SRTP seals, and SCTP carries data. What comes out is clear RTP, RTCP and messages.
 *
 * Contract: nothing of the peer reaches the listener, and nothing of its owner's is sent, before
 * the peer's certificate matched its description; after {@linkcode PeerTransport.close} or
 * `onFailed` no call comes any more.
 *
 * @module
 */
import { DataOutlet } from "./data_outlet.ts";
import type { DropSink } from "../base/drop_counters.ts";
import type {
  DataChannelPolicy,
  DtlsFingerprint,
  DtlsRole,
  IceCredentials,
} from "../base/media_vocabulary.ts";
import type { Platform } from "../base/platform.ts";
import type { TransportDrop } from "./drop_reasons.ts";
import { CHANNEL_LABELS, type ChannelKind } from "./sctp/data_channel_policy.ts";
import { DataChannels, isHeartbeat, isSack } from "./sctp/data_channels.ts";
import type { DtlsCertificate } from "./dtls/dtls_certificate.ts";
import type { DtlsFailure } from "./dtls/dtls_listener.ts";
import { CONTENT_TYPE, MAX_PLAINTEXT_BYTES, recordSequence } from "./dtls/dtls_records.ts";
import { DtlsSession } from "./dtls/dtls_session.ts";
import type { IceDirectory, StunOrigin } from "./ice/ice_directory.ts";
import { IceLiteAgent } from "./ice/ice_lite.ts";
import { isSackRecord, MAX_DATAGRAM_BYTES, type RemoteAddress } from "./datagrams/datagrams.ts";
import type { NetworkPath, PathOwner, SessionDatagramKind } from "./ice/network_path.ts";
import { type CopyCounter, RtpOutlet } from "./rtp_outlet.ts";
import { type MediaCrypto, PORTABLE_CRYPTO } from "./media_crypto.ts";
import type { SrtpParameters } from "./srtp/srtp_keys.ts";
import { SrtpSession } from "./srtp/srtp_session.ts";
import type { RtpView } from "../wire/rtp_view.ts";

/** After ICE has a path, DTLS may take three times as long as ICE did, within these bounds, ms. */
const MIN_SECURE_MS = 10_000;
const MAX_SECURE_MS = 20_000;

/** Messages of a peer that has said goodbye are still handed over, as many as this. */
const LAST_MESSAGES = 1024;

/** DTLS datagrams of one peer that may wait for their turn: more than a handshake has. */
const MAX_DEFERRED = 16;

/** Why a transport ended by itself. */
export type TransportFailure = DtlsFailure | "ice_timeout" | "closed_by_peer" | "internal_error";

/** What a transport does to its owner. */
export interface PeerTransportListener {
  /** ICE has a path, the first one; the handshake begins. */
  onPathFound(): void;
  /** Media can flow; again whenever the protocol of the path changes. */
  onConnected(protocol: "udp" | "tcp"): void;
  /** Packets go to another host, or by another protocol, than before. */
  onPathChanged?(): void;
  /** Video was left out for a slow reader, and goes out again: it has to begin with key frames. */
  onVideoGap?(): void;
  /** How long the peer's answer to a check took by the path in use, ms. */
  onRoundTrip?(rttMs: number): void;
  /** No valid STUN for a while. */
  onInterrupted(): void;
  /**
   * No STUN for long, or a path but no handshake: the peer has to restart ICE. Kept for a while, so
   * that {@linkcode PeerTransportListener.onResumed} can still follow.
   */
  onLost(): void;
  /** STUN came back after an interruption or loss; media can flow. */
  onResumed(): void;
  /** {@linkcode PeerTransport.tick} has something to do at `at`, perhaps sooner than before. */
  onTimed(at: number): void;
  /** Final; everything below is closed. */
  onFailed(reason: TransportFailure): void;
  /**
   * One clear-text packet, valid during the call and free to change. `nowUs` is the instant `now`,
   * at which its batch came, in microseconds.
   */
  onRtp(packet: RtpView, now: number, nowUs: number): void;
  /** One clear-text compound in `bytes[0, length)`, valid during the call and free to change. */
  onRtcp(bytes: Uint8Array, length: number, now: number): void;
  onChannelOpen(label: string): void;
  /** The SCTP association has ended and every channel with it; there will be no other. */
  onChannelsFailed(): void;
  /** One message, in a {@linkcode PeerTransport.deliverData}; `bytes` may be kept. */
  onMessage(label: string, bytes: Uint8Array): void;
  /**
   * Data came or is to go: {@linkcode PeerTransport.deliverData} and `flushData` have something to
   * do, once for all of this turn.
   */
  onDataPending(): void;
}

export interface PeerTransportOptions {
  readonly platform: Platform;
  readonly directory: IceDirectory;
  readonly certificate: DtlsCertificate;
  readonly local: IceCredentials;
  /** `create`: open LiveKit's channels as soon as SCTP is up. */
  readonly dataChannels: "accept" | "create";
  readonly dataPolicy?: DataChannelPolicy;
  /** What seals media and data, and which profiles are preferred; portable if absent. */
  readonly crypto?: MediaCrypto;
  /** Does something soon, when media has been seen to; absent: at once. */
  readonly defer?: (step: () => void) => void;
  /** Is told of every RTP packet that is sent. */
  readonly copies?: CopyCounter;
  /**
   * Somebody waits for what comes here next, since what came at `nowUs` is more than what keeps a
   * connection alive: media, data, or a step of a handshake.
   */
  readonly active?: (nowUs: number) => void;
  /** Data waits to be sent until the peer has acknowledged more. */
  readonly held?: (nowUs: number) => void;
  readonly listener: PeerTransportListener;
  readonly drops: DropSink<TransportDrop>;
}

/** The longest record's content, where it is read: one buffer, so that nothing is made for each. */
const CONTENT = new Uint8Array(MAX_PLAINTEXT_BYTES);
/** Where what may be somebody's is tried. */
const TRIED = new Uint8Array(MAX_DATAGRAM_BYTES);
/** Up to here copying by bytes is faster. */
const LONG_BYTES = 128;

/** What the client's description says about the transport. */
export interface RemoteParameters {
  readonly ice: IceCredentials;
  readonly fingerprints: readonly DtlsFingerprint[];
  /** Ours in the DTLS handshake, the same in all descriptions; absent: server. */
  readonly dtlsRole?: DtlsRole;
  /** Absent if the description has no application section. */
  readonly sctp?: { readonly port: number; readonly maxMessageSize: number };
}

/**
 * One connection below RTP. Its listener gets nothing, and its owner's packets go nowhere, before
 * the peer's certificate matched; after `close` or `onFailed` no call comes.
 */
export class PeerTransport implements PathOwner {
  /** Where RTP packets leave. */
  readonly rtp: RtpOutlet;
  readonly #options: PeerTransportOptions;
  readonly #ice: IceLiteAgent;
  readonly #dtls: DtlsSession;
  /** Where SCTP packets leave. */
  readonly #data: DataOutlet;
  /** From when the peer's certificate matched. */
  #srtpKeys: SrtpParameters | undefined;
  /** Made of them for the first packet: who only is there has none. */
  #srtp: SrtpSession | undefined;
  #channels: DataChannels | undefined;
  #sctp: RemoteParameters["sctp"];
  #protocol: "udp" | "tcp" | undefined;
  #remote: RemoteAddress | undefined;
  /** Where our part of the handshake went. */
  readonly #handshakePaths = new Set<NetworkPath>();
  /** DTLS datagrams whose turn has not come. */
  #deferred = 0;
  /** When the datagram of DTLS that is being read came, ms and µs. */
  #dtlsAt = 0;
  #dtlsAtUs = 0;
  /** The last packet of SCTP was an acknowledgement alone. */
  #wasSack = false;
  /** When the last of these came, and the number of its record. */
  #sackAtUs = -Infinity;
  #sackNumber = 0;
  /** When ICE began: with the peer's first description. */
  #startedAt: number;
  #hasRemote = false;
  /** When the handshake must be over; `undefined` before there is a path. */
  #secureBy: number | undefined;
  #isClosed = false;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
    const { platform, drops, crypto = PORTABLE_CRYPTO } = options;
    this.#startedAt = platform.clock.now();
    this.#ice = new IceLiteAgent({
      directory: options.directory,
      local: options.local,
      owner: this,
      listener: {
        onPathSelected: (path) => this.#pathSelected(path),
        onInterrupted: () => options.listener.onInterrupted(),
        onLost: () => options.listener.onLost(),
        onRoundTrip: (rttMs) => options.listener.onRoundTrip?.(rttMs),
        onTimed: (at) => options.listener.onTimed(at),
        onResumed: () => {
          if (this.connected) options.listener.onResumed();
        },
        onFailed: () => this.#fail("ice_timeout"),
      },
      drops,
      random: platform.random,
      now: this.#startedAt,
    });
    this.rtp = new RtpOutlet(this.#ice, options.copies);
    this.#dtls = new DtlsSession({
      certificate: options.certificate,
      send: (datagram) => this.#sendDtls(datagram),
      // Where handshakes go, while that is proven.
      isReached: () => this.#ice.provenPath !== undefined,
      listener: {
        onConnected: (srtp) => this.#secured(srtp),
        onData: (bytes, at, length) => this.#receiveSctp(bytes, at, length),
        onClosed: () => {
          this.#channels?.deliver(LAST_MESSAGES, this.#dtlsAt);
          this.#fail("closed_by_peer");
        },
        onFailed: (reason) => this.#fail(reason),
      },
      platform,
      drops,
      srtpProfiles: crypto.srtpProfiles,
      recordCipherFactory: crypto.recordCipherFactory,
      crypto: crypto.handshakeCrypto,
    });
    this.#data = new DataOutlet(this.#ice, this.#dtls);
  }

  /** The client's parameters; again for each description that changes them. */
  setRemote(remote: RemoteParameters): void {
    if (this.#isClosed) return;
    if (!this.#hasRemote && this.#secureBy === undefined) this.#startedAt = this.#now();
    this.#hasRemote = true;
    this.#ice.setRemote(remote.ice, this.#now());
    this.#dtls.setRole(remote.dtlsRole ?? "server");
    this.#dtls.setRemoteFingerprints(remote.fingerprints);
    if (remote.sctp !== undefined) this.#sctp = remote.sctp;
    this.#startChannels();
  }

  /** New local ICE credentials for the same DTLS session (ICE restart). */
  restartIce(local: IceCredentials): void {
    const now = this.#now();
    this.#ice.restart(local, now);
    if (this.#ice.selectedPath !== undefined && !this.connected) {
      this.#secureBy = now + MIN_SECURE_MS;
    }
    this.#options.listener.onTimed(this.nextWakeAt());
  }

  /**
   * Seals and sends a compound RTCP packet `bytes[0, length)`, which has 32 bytes of room behind.
   */
  sendRtcp(bytes: Uint8Array, length: number): void {
    const path = this.#ice.mediaPath;
    const srtp = this.#session();
    if (srtp === undefined || path === undefined) return;
    const sealed = srtp.protectRtcp(bytes, length);
    if (sealed > 0) path.send(bytes, sealed);
  }

  /**
   * Sends a message on LiveKit's channel of that kind, or on the first of the peer's own; `false`
   * if it was not taken. It leaves with the next {@linkcode PeerTransport.flushData}; `bytes` are
   * kept until the peer has them and must not change, but may be sent to many.
   *
   * @param sender Whose it is, and `holdable`: see {@linkcode DataChannels.send}.
   */
  sendData(
    kind: ChannelKind | "raw",
    bytes: Uint8Array,
    now: number,
    sender: number,
    holdable: boolean,
  ): boolean {
    const channels = this.#channels;
    const label = kind === "raw" ? channels?.ownLabel : CHANNEL_LABELS[kind];
    if (channels === undefined || label === undefined) return false;
    if (!channels.send(label, bytes, false, now, sender, holdable)) return false;
    this.#options.listener.onDataPending();
    return true;
  }

  /** Whether {@linkcode PeerTransport.sendData} has such a channel now. */
  isDataOpen(kind: ChannelKind | "raw"): boolean {
    if (kind === "raw") return this.#channels?.ownLabel !== undefined;
    return this.#channels?.isOpen(CHANNEL_LABELS[kind]) ?? false;
  }

  /** See {@linkcode DataChannels.isBacklogged}. */
  isDataBacklogged(waits: boolean, now: number, sender: number): boolean {
    return this.#channels?.isBacklogged(waits, now, sender) ?? false;
  }

  /** See {@linkcode DataChannels.holdReliable}. */
  holdData(held: boolean): void {
    this.#channels?.holdReliable(held);
    if (!held) this.#options.listener.onDataPending();
  }

  /** Whether {@linkcode PeerTransport.deliverData} has something to do. */
  get hasMessages(): boolean {
    return !this.#isClosed && this.#channels?.hasMessages === true;
  }

  /** Hands over messages, at most `limit`. Returns whether there are more. */
  deliverData(limit: number, now: number): boolean {
    const channels = this.#channels;
    return channels !== undefined && !this.#isClosed && channels.deliver(limit, now);
  }

  /** Sends what SCTP has to send. */
  flushData(now: number): void {
    const channels = this.#channels;
    if (channels === undefined || this.#isClosed) return;
    const wakeAt = this.#data.drain(channels, now);
    if (channels.isHeld) this.#options.held?.(this.#options.platform.clock.nowUs());
    // It may have ended of itself, which is told in a delivery.
    if (channels.hasMessages) this.#options.listener.onDataPending();
    this.#options.listener.onTimed(wakeAt);
  }

  /** What the selected path runs over. */
  get protocol(): "udp" | "tcp" {
    return this.#protocol ?? "udp";
  }

  /** Where the selected path leads; absent before there is one. */
  get remote(): RemoteAddress | undefined {
    return this.#remote;
  }

  /** Bytes that wait in the socket of a TCP path; -1 if the path in use is none. */
  get queuedBytes(): number {
    const path = this.#ice.provenPath;
    return path?.protocol === "tcp" ? path.queuedBytes ?? 0 : -1;
  }

  /** Bytes of video that were left out for a slow reader of the path in use, in all. */
  get droppedBytes(): number {
    return this.#ice.provenPath?.droppedBytes ?? 0;
  }

  /** Whether RTP can be sent. */
  get connected(): boolean {
    return this.#srtpKeys !== undefined && !this.#isClosed;
  }

  videoGap(path: NetworkPath): void {
    if (path === this.#ice.provenPath && !this.#isClosed) this.#options.listener.onVideoGap?.();
  }

  receive(
    kind: SessionDatagramKind,
    bytes: Uint8Array,
    length: number,
    path: NetworkPath,
    now: number,
    nowUs: number,
  ): void {
    if (kind === "dtls") return this.#receiveDtls(bytes, length, now, nowUs);
    if (!this.#receiveMedia(kind, bytes, length, now, nowUs)) return;
    this.#ice.mediaCame(path, now, this.#srtp?.isNewest ?? false);
  }

  /** @returns Whether it was sealed with the client's keys, and new. */
  #receiveMedia(
    kind: "rtp" | "rtcp",
    bytes: Uint8Array,
    length: number,
    now: number,
    nowUs: number,
  ): boolean {
    const srtp = this.#session();
    if (srtp === undefined) {
      this.#options.drops.count("srtp_before_keys");
      return false;
    }
    if (kind === "rtcp") {
      const clear = srtp.unprotectRtcp(bytes, length);
      if (clear > 0) this.#options.listener.onRtcp(bytes, clear, now);
      return clear > 0;
    }
    const clear = srtp.unprotectRtp(bytes, length);
    if (clear <= 0) return false;
    this.#options.active?.(nowUs);
    const { packet } = srtp;
    if (packet.opened(clear)) this.#options.listener.onRtp(packet, now, nowUs);
    else this.#options.drops.count("rtp_malformed");
    return true;
  }

  /** As `MovableClient` has it (`moved_clients.ts`). */
  get knownHost(): string | undefined {
    return this.connected && this.#protocol === "udp" ? this.#remote?.hostname : undefined;
  }

  /** As there. */
  get heardAt(): number {
    return this.#ice.heardAt;
  }

  /** As there. */
  takeFrom(
    origin: StunOrigin,
    kind: "rtp" | "rtcp",
    bytes: Uint8Array,
    length: number,
    now: number,
    nowUs: number,
  ): boolean {
    const srtp = this.#srtp;
    if (!srtp?.hasHeard(kind, bytes, length) || length > TRIED.length) return false;
    // Trying changes the bytes.
    TRIED.set(bytes.subarray(0, length));
    srtp.isTrying = true;
    let isOurs = false;
    try {
      isOurs = this.#receiveMedia(kind, TRIED, length, now, nowUs);
    } finally {
      srtp.isTrying = false;
    }
    if (isOurs) this.#ice.mayHaveMoved(origin, now);
    return isOurs;
  }

  /** Handshakes go where the client asked last, and prove it if they went nowhere else. */
  #sendDtls(datagram: Uint8Array): boolean {
    if (datagram[0] === CONTENT_TYPE.applicationData) {
      return this.#ice.mediaPath?.send(datagram, datagram.length) ?? false;
    }
    const path = this.#ice.selectedPath;
    if (path === undefined) return false;
    if (!this.#dtls.connected) this.#handshakePaths.add(path);
    return this.#ice.send(datagram, datagram.length);
  }

  /** Steps of a handshake cost much, and can wait; nothing overtakes them. */
  #receiveDtls(bytes: Uint8Array, length: number, now: number, nowUs: number): void {
    const { defer, drops, active } = this.#options;
    this.#dtlsAt = now;
    this.#dtlsAtUs = nowUs;
    if (!this.#dtls.connected) active?.(nowUs);
    if (defer === undefined || this.#deferred === 0 && this.#dtls.connected) {
      if (isSackRecord(bytes, length)) return this.#receiveSack(bytes, length, nowUs);
      return this.#dtls.receive(bytes, length);
    }
    if (this.#deferred === MAX_DEFERRED) return drops.count("dtls_backlog");
    this.#deferred++;
    const datagram = bytes.slice(0, length); // the buffer is the socket's
    defer(() => {
      this.#deferred--;
      this.#dtlsAt = this.#now();
      this.#dtlsAtUs = this.#options.platform.clock.nowUs();
      this.#dtls.receive(datagram);
    });
  }

  /**
   * Of acknowledgements that came together, those that were sent before one that is read say
   * nothing: they are lost, as on the way. Only one that was opened overtakes others.
   */
  #receiveSack(bytes: Uint8Array, length: number, nowUs: number): void {
    const number = recordSequence(bytes, 0);
    if (nowUs === this.#sackAtUs && number < this.#sackNumber) return;
    this.#wasSack = false;
    this.#dtls.receive(bytes, length);
    if (!this.#wasSack) return;
    this.#sackAtUs = nowUs;
    this.#sackNumber = number;
  }

  /** When {@linkcode PeerTransport.tick} has something to do; `Infinity` if nothing is foreseen. */
  nextWakeAt(): number {
    if (this.#isClosed) return Infinity;
    return Math.min(
      this.#ice.nextWakeAt(),
      this.#secureBy ?? Infinity,
      this.#channels?.nextWakeAt() ?? Infinity,
    );
  }

  /** Timed work of ICE, of the wait for the handshake, and of SCTP. */
  tick(now: number): void {
    if (now >= this.#ice.nextWakeAt()) this.#ice.tick(now);
    const channels = this.#channels;
    if (channels !== undefined && now >= channels.nextWakeAt()) this.flushData(now);
    if (this.#secureBy === undefined || now < this.#secureBy) return;
    this.#secureBy = Infinity;
    if (!this.#isClosed && !this.connected) this.#options.listener.onLost();
  }

  /** Says goodbye (close_notify) and lets go of everything. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.directory.movedClients.remove(this);
    const channels = this.#channels;
    if (channels !== undefined) {
      channels.close();
      this.#data.drain(channels, this.#now());
    }
    this.#dtls.close();
    this.#ice.close();
    this.#srtp?.close();
  }

  #pathSelected(path: NetworkPath): void {
    const now = this.#now();
    const allowance = Math.max(MIN_SECURE_MS, 3 * (now - this.#startedAt));
    this.#secureBy ??= now + Math.min(allowance, MAX_SECURE_MS);
    if (!this.connected) this.#active();
    this.#options.listener.onTimed(this.#secureBy);
    this.#dtls.pathReady();
    const before = this.#remote;
    this.#remote = path.remote;
    const isOther = before?.hostname !== path.remote.hostname || path.protocol !== this.#protocol;
    if (before !== undefined && isOther) this.#options.listener.onPathChanged?.();
    if (path.protocol === this.#protocol) return;
    if (this.#protocol === undefined) this.#options.listener.onPathFound();
    this.#protocol = path.protocol;
    if (this.#dtls.connected) this.#options.listener.onConnected(path.protocol);
  }

  #secured(srtp: SrtpParameters | undefined): void {
    if (srtp === undefined) return this.#fail("dtls_failed");
    const [path] = this.#handshakePaths;
    if (path !== undefined && this.#handshakePaths.size === 1) {
      this.#ice.provePath(path, this.#now());
    }
    this.#handshakePaths.clear();
    this.#srtpKeys = srtp;
    this.#options.directory.movedClients.add(this);
    this.rtp.keys = () => this.#session();
    this.#options.listener.onConnected(this.protocol);
    this.#startChannels();
  }

  #session(): SrtpSession | undefined {
    const parameters = this.#srtpKeys;
    if (this.#srtp !== undefined || parameters === undefined || this.#isClosed) return this.#srtp;
    const { drops, crypto = PORTABLE_CRYPTO } = this.#options;
    const cipherFactory = crypto.srtpCipherFactory;
    return this.#srtp = new SrtpSession({ parameters, drops, cipherFactory });
  }

  #startChannels(): void {
    if (this.#sctp === undefined || this.#channels !== undefined || !this.#dtls.connected) return;
    const { listener, drops, dataChannels, dataPolicy, platform } = this.#options;
    const options = {
      role: dataChannels,
      dtlsRole: this.#dtls.role,
      remotePort: this.#sctp.port,
      maxMessageSize: this.#sctp.maxMessageSize,
      random: platform.random,
      listener: {
        onOpen: (label: string) => listener.onChannelOpen(label),
        onMessage: (label: string, bytes: Uint8Array) => listener.onMessage(label, bytes),
        onClosed: () => {},
        onFailed: () => {
          drops.count("sctp_association_failed");
          listener.onChannelsFailed();
        },
      },
      drops,
      ...(dataPolicy === undefined ? {} : { policy: dataPolicy }),
    };
    this.#channels = new DataChannels(options, this.#now());
    listener.onTimed(this.#channels.nextWakeAt());
  }

  #receiveSctp(bytes: Uint8Array, at: number, length: number): void {
    if (this.#channels === undefined) return this.#options.drops.count("sctp_unexpected");
    if (length <= LONG_BYTES) { for (let i = 0; i < length; i++) CONTENT[i] = bytes[at + i]!; }
    else CONTENT.set(bytes.subarray(at, at + length));
    this.#wasSack = isSack(CONTENT, length);
    if (!isHeartbeat(CONTENT, length)) this.#options.active?.(this.#dtlsAtUs);
    const channels = this.#channels;
    channels.receive(CONTENT, length, this.#dtlsAt);
    // Most acknowledgements lead to nothing.
    const wakeAt = channels.nextWakeAt();
    if (channels.hasMessages || !channels.isDone || wakeAt <= this.#dtlsAt) {
      this.#options.listener.onDataPending();
    } else this.#options.listener.onTimed(wakeAt);
  }

  #active(): void {
    const { active, platform: { clock } } = this.#options;
    active?.(clock.nowUs());
  }

  #now(): number {
    return this.#options.platform.clock.now();
  }

  #fail(reason: TransportFailure): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.listener.onFailed(reason);
  }
}
