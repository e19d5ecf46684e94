/**
 * One DTLS 1.2 association (RFC 6347) in either role, hardened around the handshakes of
 * `dtls_server_handshake.ts` and `dtls_client_handshake.ts`.
 *
 * Contract: `onConnected`, and with it any key, comes only after the peer proved the key of a
 * certificate that its description names, and after both Finished messages agree. Until then
 * nothing is delivered; after `onClosed`, `onFailed` or {@linkcode DtlsSession.close} no call comes
 * any more and no timer is left. Bytes that authenticate nothing (plaintext alerts, hellos after
 * the handshake, replayed or unknown records) are counted and have no effect. Nothing throws.
 *
 * The role is told by {@linkcode DtlsSession.setRole} and stays. A peer that speaks before it was
 * told is a client.
 *
 * The caller passes only datagrams from an address that ICE validated.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { DtlsFingerprint, DtlsRole } from "../../base/media_vocabulary.ts";
import type { Cancel, Random, Timers } from "../../base/platform.ts";
import type { HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import { PORTABLE_HANDSHAKE_CRYPTO } from "../crypto/portable_handshake_crypto.ts";
import { portableRecordCipher } from "../crypto/portable_record_cipher.ts";
import { RECORD_CONTENT_AT, type RecordCipherFactory } from "../crypto/record_cipher.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { type DtlsCertificate, matchesFingerprint } from "./dtls_certificate.ts";
import { DtlsClientHandshake } from "./dtls_client_handshake.ts";
import type { DtlsHandshake, HandshakeOptions } from "./dtls_handshake.ts";
import type { DtlsFailure, DtlsListener } from "./dtls_listener.ts";
import {
  ALERT,
  ALERT_LEVEL,
  CONTENT_TYPE,
  readHandshakeFragments,
  RECORD_HEADER_BYTES,
  recordEnd,
  recordEpoch,
  recordSequence,
} from "./dtls_records.ts";
import type { DtlsRecordSeal } from "./dtls_record_seal.ts";
import { DtlsServerHandshake } from "./dtls_server_handshake.ts";
import { ReplayWindow } from "../crypto/replay_window.ts";
import { PORTABLE_PROFILES } from "../srtp/portable_srtp.ts";
import { keyingMaterialBytes, srtpParameters, type SrtpProfile } from "../srtp/srtp_keys.ts";

export interface DtlsSessionOptions {
  readonly certificate: DtlsCertificate;
  /** Sends one datagram: at most 1,200 bytes of handshake, or one record of data. */
  readonly send: (datagram: Uint8Array) => void;
  /** Whether the peer has shown to be where datagrams go; absent: it is not known to. */
  readonly isReached?: () => boolean;
  readonly listener: DtlsListener;
  readonly platform: { readonly timers: Timers; readonly random: Random };
  readonly drops: DropSink<TransportDrop>;
  /** From the peer's description; may come later by `setRemoteFingerprints`. */
  readonly fingerprints?: readonly DtlsFingerprint[];
  /** In order of our preference. The default suits the portable ciphers. */
  readonly srtpProfiles?: readonly SrtpProfile[];
  /** What seals records. The default is portable. */
  readonly recordCipherFactory?: RecordCipherFactory;
  /** What computes the handshake. The default is portable. */
  readonly crypto?: HandshakeCrypto;
}

/** From the first datagram (or `pathReady`) to the verified Finished. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;
/** Records of epoch 1 kept while the key exchange is still missing (reordered datagrams). */
const MAX_EARLY_RECORDS = 8;
/**
 * So many records late a record may be. Acknowledgements rest some 30 ms where data does not
 * (`receive_pace.ts`), which are 780 full records at 250 Mbit/s.
 */
const RECORD_WINDOW = 2_048;
/** Of them there is room for so many at first: most participants send no more. */
const FIRST_WINDOW = 128;
/** Records read from one datagram; a flight of five messages needs no more than eight. */
const MAX_RECORDS = 32;

/** `proven`: handshake done, the description's fingerprints are awaited. */
type State = "handshake" | "proven" | "connected" | "ended";

/**
 * One association. Keys and data come only after the peer proved the key of a certificate its
 * description names; nothing a peer sends throws, and after an end no call comes and no timer is
 * left.
 */
export class DtlsSession {
  readonly #options: DtlsSessionOptions;
  readonly #drops: DropSink<TransportDrop>;
  readonly #window = new ReplayWindow(FIRST_WINDOW, RECORD_WINDOW);
  #state: State = "handshake";
  #role: DtlsRole = "server";
  /** Made when the role is known, or assumed. */
  #handshake: DtlsHandshake | undefined;
  #fingerprints: readonly DtlsFingerprint[];
  #early: Uint8Array[] = [];
  /** From connection to the end. */
  #records: DtlsRecordSeal | undefined;
  #cancelTimeout: Cancel | undefined;

  constructor(options: DtlsSessionOptions) {
    this.#options = options;
    this.#drops = options.drops;
    this.#fingerprints = options.fingerprints ?? [];
  }

  /** Whether application data flows. */
  get connected(): boolean {
    return this.#state === "connected";
  }

  /** Ours: told, or assumed until it is. */
  get role(): DtlsRole {
    return this.#role;
  }

  /**
   * Says who opens the association. Again with the same role: ignored (RFC 8842 §5.3); with the
   * other one once the handshake has begun: it fails.
   */
  setRole(role: DtlsRole): void {
    if (this.#state === "ended") return;
    if (this.#handshake === undefined || role !== this.#role) {
      if (this.#handshake?.begun === true) return this.#fail("dtls_failed", "change of role");
      this.#handshake?.end();
      this.#early = [];
      this.#begin(role);
    }
    // A path may have been there before the description.
    if (this.#cancelTimeout !== undefined) this.#guarded(() => this.#handshake?.begin());
  }

  /** Starts the handshake, or its timeout before the first datagram has come; idempotent. */
  pathReady(): void {
    if (this.#state === "ended" || this.#cancelTimeout !== undefined) return;
    this.#cancelTimeout = this.#options.platform.timers.after(HANDSHAKE_TIMEOUT_MS, () => {
      if (this.#state !== "connected") this.#fail("dtls_timeout", this.#step);
    });
    this.#guarded(() => this.#handshake?.begin());
  }

  /**
   * The fingerprints of the peer's latest description. A proven peer they do not name is dropped.
   */
  setRemoteFingerprints(fingerprints: readonly DtlsFingerprint[]): void {
    if (this.#state === "connected" && isSame(fingerprints, this.#fingerprints)) return;
    this.#fingerprints = fingerprints;
    if (this.#state === "proven") this.#release();
    else if (this.#state === "connected" && !this.#peerMatches()) {
      this.#fail("fingerprint_mismatch", "new description");
    }
  }

  /**
   * Takes one datagram of DTLS, `bytes[0, length)`, which is opened in place and not kept. Whatever
   * its bytes are, only this session is affected.
   */
  receive(bytes: Uint8Array, length: number = bytes.length): void {
    if (this.#state === "ended") return;
    this.pathReady();
    try {
      this.#onDatagram(bytes, length);
    } catch {
      this.#fail("dtls_failed", "internal error");
    }
  }

  /**
   * Sends one record of application data, which is copied; `false` before connection, after the
   * end, or if too large.
   */
  sendData(bytes: Uint8Array, length: number = bytes.length): boolean {
    const record = this.#records?.seal(CONTENT_TYPE.applicationData, bytes.subarray(0, length));
    if (record === undefined) return false;
    this.#options.send(record);
    return true;
  }

  /**
   * Makes a record of application data, `source[0, length)`, in `out` from index 0 on, for the
   * caller to send. They must not overlap.
   *
   * @returns Its length; 0 before connection, after the end, or if it has no room.
   */
  sealData(out: Uint8Array, source: Uint8Array, length: number): number {
    return this.#records?.sealInto(out, CONTENT_TYPE.applicationData, source, 0, length) ?? 0;
  }

  /** Exported keying material (RFC 5705 §4), once connected. */
  exportKeyingMaterial(label: string, length: number): Uint8Array | undefined {
    if (this.#state !== "connected") return undefined;
    return this.#handshake?.exportKeyingMaterial(label, length);
  }

  /** Says goodbye with an encrypted close_notify, if there is a key to say it with. Idempotent. */
  close(): void {
    if (this.#state === "ended") return;
    this.#sayGoodbye();
    this.#end();
  }

  /** A throw, wherever it comes from, ends this session and nothing else. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch {
      this.#fail("dtls_failed", "internal error");
    }
  }

  #begin(role: DtlsRole): DtlsHandshake {
    const { certificate, platform, send, srtpProfiles = PORTABLE_PROFILES } = this.#options;
    const { recordCipherFactory = portableRecordCipher, crypto = PORTABLE_HANDSHAKE_CRYPTO } =
      this.#options;
    const options: HandshakeOptions = {
      certificate,
      platform,
      drops: this.#drops,
      profiles: srtpProfiles,
      recordCipherFactory,
      crypto,
      owner: {
        send,
        isReached: () => this.#options.isReached?.() === true,
        proven: () => this.#proven(),
        failed: (detail) => this.#fail("dtls_failed", detail),
        guarded: (step) => this.#guarded(step),
      },
    };
    this.#role = role;
    return this.#handshake = role === "server"
      ? new DtlsServerHandshake(options)
      : new DtlsClientHandshake(options);
  }

  /** The whole records of a datagram, in order, up to the first thing that is none. */
  #onDatagram(bytes: Uint8Array, length: number): void {
    let at = 0;
    for (let count = 0; count < MAX_RECORDS; count++) {
      const end = recordEnd(bytes, at, length);
      if (end < 0) break;
      this.#onRecord(bytes, at, end);
      at = end;
    }
    if (at === 0) this.#drops.count("dtls_malformed");
  }

  #onRecord(bytes: Uint8Array, at: number, end: number): void {
    if (this.#state === "ended") return;
    const epoch = recordEpoch(bytes, at);
    if (epoch === 0) return this.#onPlainRecord(bytes, at, end);
    if (epoch !== 1) return this.#drops.count("dtls_unknown_epoch");
    const records = this.#records ?? this.#handshake?.records;
    if (records !== undefined) return this.#onSealedRecord(records, bytes, at, end);
    if (this.#early.length === MAX_EARLY_RECORDS) return this.#drops.count("dtls_early_record");
    this.#early.push(bytes.slice(at, end));
  }

  #onPlainRecord(bytes: Uint8Array, at: number, end: number): void {
    const handshake = this.#handshake ?? this.#begin(this.#role);
    const type = bytes[at];
    if (type === CONTENT_TYPE.changeCipherSpec) return; // the epoch says it already
    if (type !== CONTENT_TYPE.handshake) return this.#drops.count("dtls_plaintext_record");
    if (!handshake.takesPlain) return this.#drops.count("dtls_plaintext_late");
    this.#onFragments(handshake, bytes.subarray(at + RECORD_HEADER_BYTES, end), 0);
    if (handshake.records === undefined) return;
    // Records that overtook the key exchange.
    for (const early of this.#early.splice(0)) this.#onRecord(early, 0, early.length);
  }

  #onSealedRecord(records: DtlsRecordSeal, bytes: Uint8Array, at: number, end: number): void {
    const sequence = recordSequence(bytes, at);
    if (!this.#window.isFresh(sequence)) return this.#drops.count("dtls_replayed");
    const length = records.open(bytes, at, end);
    if (length < 0) return this.#drops.count("dtls_bad_record");
    this.#window.accept(sequence);
    const from = at + RECORD_CONTENT_AT;
    switch (bytes[at]) {
      case CONTENT_TYPE.handshake:
        return this.#onFragments(this.#handshake!, bytes.subarray(from, from + length), 1);
      case CONTENT_TYPE.alert:
        return this.#onAlert(bytes.subarray(from, from + length));
      case CONTENT_TYPE.applicationData:
        if (this.#state !== "connected") return this.#drops.count("dtls_early_data");
        return this.#options.listener.onData(bytes, from, length);
      default:
        this.#drops.count("dtls_unknown_content");
    }
  }

  #onAlert(body: Uint8Array): void {
    // Alerts before Finished come from a peer that has proven nothing yet.
    if (this.#state !== "connected" && this.#state !== "proven") {
      return this.#drops.count("dtls_early_alert");
    }
    const [level, description] = body;
    if (description === ALERT.closeNotify) {
      this.#sayGoodbye();
      this.#end();
      this.#options.listener.onClosed("close_notify");
    } else if (level === ALERT_LEVEL.fatal) {
      this.#end();
      this.#options.listener.onClosed("fatal_alert");
    }
  }

  #onFragments(handshake: DtlsHandshake, body: Uint8Array, epoch: number): void {
    const fragments = readHandshakeFragments(body);
    if (fragments === undefined) return this.#drops.count("dtls_malformed");
    for (const fragment of fragments) handshake.receive(fragment, epoch);
  }

  #proven(): void {
    if (this.#state !== "handshake") return;
    this.#state = "proven";
    if (this.#fingerprints.length > 0) this.#release();
  }

  #peerMatches(): boolean {
    const certificate = this.#handshake?.remoteCertificate;
    return certificate !== undefined && matchesFingerprint(certificate, this.#fingerprints);
  }

  /** Hands out the keys, if the proven certificate is the one that was described. */
  #release(): void {
    if (!this.#peerMatches()) return this.#fail("fingerprint_mismatch", "handshake");
    this.#cancelTimeout?.();
    this.#state = "connected";
    this.#records = this.#handshake?.records;
    const profile = this.#handshake?.srtpProfile;
    if (profile === undefined) return this.#options.listener.onConnected(undefined);
    const length = keyingMaterialBytes(profile);
    const material = this.exportKeyingMaterial("EXTRACTOR-dtls_srtp", length)!;
    this.#options.listener.onConnected(srtpParameters(this.#role, profile, material));
  }

  /** Where it is, for logs. */
  get #step(): string {
    return this.#state === "proven" ? "proven" : this.#handshake?.phase ?? "no role";
  }

  #fail(reason: DtlsFailure, detail: string): void {
    if (this.#state === "ended") return;
    const alert = this.#handshake?.fatalAlert(
      reason === "fingerprint_mismatch" ? ALERT.badCertificate : ALERT.handshakeFailure,
    );
    if (alert !== undefined) this.#options.send(alert);
    this.#end();
    this.#options.listener.onFailed(reason, detail);
  }

  #sayGoodbye(): void {
    const goodbye = Uint8Array.of(ALERT_LEVEL.warning, ALERT.closeNotify);
    const sealed = this.#handshake?.seal(CONTENT_TYPE.alert, goodbye);
    if (sealed !== undefined) this.#options.send(sealed);
  }

  #end(): void {
    this.#state = "ended";
    this.#cancelTimeout?.();
    this.#handshake?.end();
    this.#records = undefined;
    this.#early = [];
  }
}

/** Whether two descriptions name the same certificates, in the same words. */
function isSame(a: readonly DtlsFingerprint[], b: readonly DtlsFingerprint[]): boolean {
  return a.length === b.length &&
    a.every(({ algorithm, value }, i) => algorithm === b[i]!.algorithm && value === b[i]!.value);
}
