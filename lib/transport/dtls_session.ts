/**
 * The server side of one DTLS 1.2 association (RFC 6347), hardened around werift's handshake.
 *
 * Contract: `onConnected`, and with it any key, comes only after the peer proved the key of a
 * certificate that its description names, and after both Finished messages agree. Until then nothing
 * is delivered; after `onClosed`, `onFailed` or {@linkcode DtlsSession.close} no call comes any more
 * and no timer is left. Bytes that authenticate nothing (plaintext alerts, hellos after the
 * handshake, replayed or unknown records) are counted and have no effect. Nothing throws.
 *
 * The caller passes only datagrams from an address that ICE validated.
 *
 * @module
 */
import type { DropCounters } from "../base/drop_counters.ts";
import type { DtlsFingerprint } from "../base/media_vocabulary.ts";
import type { Cancel, Random, Timers } from "../base/platform.ts";
import { type DtlsCertificate, matchesFingerprint } from "./dtls_certificate.ts";
import type { DtlsFailure, DtlsListener } from "./dtls_listener.ts";
import {
  ALERT,
  ALERT_LEVEL,
  CONTENT_TYPE,
  type DtlsRecord,
  equalBytes,
  HANDSHAKE_TYPE,
  type HandshakeFragment,
  MAX_PLAINTEXT_BYTES,
  packDatagrams,
  readClientHello,
  readHandshakeFragments,
  readRecords,
  writeHandshake,
  writeRecord,
} from "./dtls_records.ts";
import { type HandshakeMessage, HandshakeOrder } from "./handshake_order.ts";
import { ReplayWindow } from "./replay_window.ts";
import { PORTABLE_SRTP } from "./srtp_engine.ts";
import { keyingMaterialBytes, serverParameters, type SrtpProfile } from "./srtp_keys.ts";
import { WeriftDtlsServer } from "./werift_dtls_server.ts";

export interface DtlsSessionOptions {
  readonly certificate: DtlsCertificate;
  /** Sends one datagram: at most 1,200 bytes of handshake, or one record of data. */
  readonly send: (datagram: Uint8Array) => void;
  readonly listener: DtlsListener;
  readonly platform: { readonly timers: Timers; readonly random: Random };
  readonly drops: DropCounters;
  /** From the peer's description; may come later by `setRemoteFingerprints`. */
  readonly fingerprints?: readonly DtlsFingerprint[];
  /** In order of our preference. The default suits the portable ciphers. */
  readonly srtpProfiles?: readonly SrtpProfile[];
}

/** From the first datagram (or `pathReady`) to the verified Finished. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;
/** First wait before flight 4 is sent again; doubles up to the second number. */
const RETRANSMIT_MS = 200;
const MAX_RETRANSMIT_MS = 2000;
const COOKIE_BYTES = 20;
/** Records of epoch 1 kept while the key exchange is still missing (reordered datagrams). */
const MAX_EARLY_RECORDS = 8;
const RECORD_WINDOW = 128;
/** A client's flight 5, in order of `message_seq` after its second hello. */
const CLIENT_FLIGHT: readonly number[] = [
  HANDSHAKE_TYPE.certificate,
  HANDSHAKE_TYPE.clientKeyExchange,
  HANDSHAKE_TYPE.certificateVerify,
  HANDSHAKE_TYPE.finished,
];

/**
 * `hello`: no valid cookie yet. `keys`: flight 4 is out. `finishing`: Finished was verified.
 * `proven`: handshake done, the description's fingerprints are awaited. `connected`, `ended`.
 */
type State = "hello" | "keys" | "finishing" | "proven" | "connected" | "ended";

/** See the module text. */
export class DtlsSession {
  readonly #options: DtlsSessionOptions;
  readonly #drops: DropCounters;
  readonly #server: WeriftDtlsServer;
  readonly #order = new HandshakeOrder();
  readonly #window = new ReplayWindow(RECORD_WINDOW);
  readonly #cookie: Uint8Array;
  #state: State = "hello";
  #fingerprints: readonly DtlsFingerprint[];
  #early: DtlsRecord[] = [];
  /** First `message_seq` of flight 5. */
  #clientFlightSeq = 0;
  #lastFlight: readonly Uint8Array[] = [];
  #cancelTimeout: Cancel | undefined;
  #cancelRetransmit: Cancel | undefined;

  constructor(options: DtlsSessionOptions) {
    this.#options = options;
    this.#drops = options.drops;
    this.#fingerprints = options.fingerprints ?? [];
    this.#cookie = options.platform.random.bytes(COOKIE_BYTES);
    this.#server = new WeriftDtlsServer(
      options.certificate,
      options.srtpProfiles ?? PORTABLE_SRTP.profiles,
    );
  }

  /** Whether application data flows. */
  get connected(): boolean {
    return this.#state === "connected";
  }

  /** Starts the handshake timeout before the first datagram has come; idempotent. */
  pathReady(): void {
    if (this.#state === "ended" || this.#cancelTimeout !== undefined) return;
    this.#cancelTimeout = this.#options.platform.timers.after(HANDSHAKE_TIMEOUT_MS, () => {
      if (this.#state !== "connected") this.#fail("dtls_timeout", this.#state);
    });
  }

  /** The fingerprints of the peer's latest description. A proven peer they do not name is dropped. */
  setRemoteFingerprints(fingerprints: readonly DtlsFingerprint[]): void {
    this.#fingerprints = fingerprints;
    if (this.#state === "proven") this.#release();
    else if (this.#state === "connected" && !this.#peerMatches()) {
      this.#fail("fingerprint_mismatch", "new description");
    }
  }

  /** Takes one datagram of DTLS. Whatever its bytes are, only this session is affected. */
  receive(datagram: Uint8Array): void {
    if (this.#state === "ended") return;
    this.pathReady();
    this.#guarded(() => {
      const records = readRecords(datagram);
      if (records.length === 0) this.#drops.count("dtls_malformed");
      for (const record of records) this.#onRecord(record);
    });
  }

  /** Sends one record of application data; `false` before connection, after the end, or if too large. */
  sendData(bytes: Uint8Array): boolean {
    if (this.#state !== "connected" || bytes.length > MAX_PLAINTEXT_BYTES) return false;
    const record = this.#server.seal(CONTENT_TYPE.applicationData, bytes);
    if (record === undefined) return false;
    this.#options.send(record);
    return true;
  }

  /** Says goodbye with an encrypted close_notify, if there is a key to say it with. Idempotent. */
  close(): void {
    if (this.#state === "ended") return;
    this.#sendAlert(ALERT_LEVEL.warning, ALERT.closeNotify);
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

  #onRecord(record: DtlsRecord): void {
    if (this.#state === "ended") return;
    if (record.epoch === 0) return this.#onPlainRecord(record);
    if (record.epoch !== 1) return this.#drops.count("dtls_unknown_epoch");
    if (!this.#server.hasKeys) {
      if (this.#early.length === MAX_EARLY_RECORDS) return this.#drops.count("dtls_early_record");
      this.#early.push({ ...record, body: record.body.slice() });
      return;
    }
    this.#onSealedRecord(record);
  }

  #onPlainRecord(record: DtlsRecord): void {
    if (record.type === CONTENT_TYPE.changeCipherSpec) return; // the epoch says it already
    if (record.type !== CONTENT_TYPE.handshake) return this.#drops.count("dtls_plaintext_record");
    if (this.#state !== "hello" && this.#state !== "keys") {
      return this.#drops.count("dtls_plaintext_late");
    }
    this.#onFragments(record);
    this.#openEarly();
  }

  #onSealedRecord(record: DtlsRecord): void {
    if (!this.#window.isFresh(record.sequence)) return this.#drops.count("dtls_replayed");
    const body = this.#server.open(record);
    if (body === undefined) return this.#drops.count("dtls_bad_record");
    this.#window.accept(record.sequence);
    switch (record.type) {
      case CONTENT_TYPE.handshake:
        return this.#onFragments({ ...record, body });
      case CONTENT_TYPE.alert:
        return this.#onAlert(body);
      case CONTENT_TYPE.applicationData:
        if (this.#state !== "connected") return this.#drops.count("dtls_early_data");
        return this.#options.listener.onData(body);
      default:
        this.#drops.count("dtls_unknown_content");
    }
  }

  /** Opens records that overtook the key exchange. */
  #openEarly(): void {
    if (!this.#server.hasKeys) return;
    for (const record of this.#early.splice(0)) this.#onRecord(record);
  }

  #onAlert(body: Uint8Array): void {
    // Alerts before Finished come from a peer that has proven nothing yet.
    if (this.#state !== "connected" && this.#state !== "proven") {
      return this.#drops.count("dtls_early_alert");
    }
    const [level, description] = body;
    if (description === ALERT.closeNotify) {
      this.#sendAlert(ALERT_LEVEL.warning, ALERT.closeNotify);
      this.#end();
      this.#options.listener.onClosed("close_notify");
    } else if (level === ALERT_LEVEL.fatal) {
      this.#end();
      this.#options.listener.onClosed("fatal_alert");
    }
  }

  #onFragments(record: DtlsRecord): void {
    const fragments = readHandshakeFragments(record.body);
    if (fragments === undefined) return this.#drops.count("dtls_malformed");
    for (const fragment of fragments) {
      if (this.#state === "hello") this.#onHelloFragment(fragment, record.epoch);
      else if (this.#state === "keys") this.#onKeysFragment(fragment, record.epoch);
      else this.#onLateFragment(fragment);
    }
  }

  #onHelloFragment(fragment: HandshakeFragment, epoch: number): void {
    if (epoch !== 0 || fragment.type !== HANDSHAKE_TYPE.clientHello) {
      return this.#drops.count("dtls_unexpected_handshake");
    }
    if (!this.#order.push(fragment)) return this.#drops.count("dtls_bad_fragment");
    const message = this.#order.peek(fragment.messageSeq);
    if (message === undefined) return;
    const hello = readClientHello(message.body);
    this.#order.forget(message.messageSeq); // a repeated hello is answered again
    if (hello === undefined) return this.#drops.count("dtls_malformed");
    if (!equalBytes(hello.cookie, this.#cookie)) return this.#askForCookie();
    this.#beginHandshake(message, hello.withoutCookie);
  }

  /** HelloVerifyRequest (RFC 6347 §4.2.1): smaller than the hello, and no key work before it. */
  #askForCookie(): void {
    const body = new Uint8Array(3 + COOKIE_BYTES);
    body.set([254, 253, COOKIE_BYTES]);
    body.set(this.#cookie, 3);
    const message = writeHandshake(HANDSHAKE_TYPE.helloVerifyRequest, 0, body);
    this.#options.send(writeRecord(CONTENT_TYPE.handshake, 0, 0, message));
  }

  #beginHandshake(hello: HandshakeMessage, withoutCookie: Uint8Array): void {
    const flight = this.#server.answerHello(hello, withoutCookie, this.#cookie);
    if (flight === undefined) return this.#fail("dtls_failed", "no common parameters");
    this.#state = "keys";
    this.#clientFlightSeq = hello.messageSeq + 1;
    this.#order.skipTo(this.#clientFlightSeq);
    this.#lastFlight = packDatagrams(flight);
    this.#sendFlight();
    this.#retransmitAfter(RETRANSMIT_MS);
  }

  /** Sends flight 4 again until flight 5 is complete; the handshake timeout is the last word. */
  #retransmitAfter(delayMs: number): void {
    this.#cancelRetransmit = this.#options.platform.timers.after(delayMs, () => {
      if (this.#state !== "keys") return;
      this.#sendFlight();
      this.#retransmitAfter(Math.min(delayMs * 2, MAX_RETRANSMIT_MS));
    });
  }

  #onKeysFragment(fragment: HandshakeFragment, epoch: number): void {
    const expected = CLIENT_FLIGHT[fragment.messageSeq - this.#clientFlightSeq];
    // Only Finished is sealed, and it always is.
    const expectedEpoch = fragment.type === HANDSHAKE_TYPE.finished ? 1 : 0;
    if (fragment.type !== expected || epoch !== expectedEpoch) {
      return this.#drops.count("dtls_unexpected_handshake");
    }
    if (!this.#order.push(fragment)) return this.#drops.count("dtls_bad_fragment");
    for (;;) {
      const message = this.#state === "keys" ? this.#order.take() : undefined;
      if (message === undefined) return;
      this.#onClientMessage(message);
    }
  }

  #onClientMessage(message: HandshakeMessage): void {
    const server = this.#server;
    switch (message.type) {
      case HANDSHAKE_TYPE.certificate:
        if (!server.takeCertificate(message)) this.#fail("dtls_failed", "no client certificate");
        return;
      case HANDSHAKE_TYPE.clientKeyExchange:
        if (!server.takeKeyExchange(message)) this.#fail("dtls_failed", "bad key share");
        return;
      case HANDSHAKE_TYPE.certificateVerify:
        if (!server.takeCertificateVerify(message)) {
          this.#fail("dtls_failed", "CertificateVerify does not verify");
        }
        return;
      default:
        if (!server.verifyFinished(message)) {
          return this.#fail("dtls_failed", "Finished does not verify");
        }
        this.#state = "finishing";
        server.takeFinished(message, (flight) => this.#guarded(() => this.#onFlight6(flight)));
    }
  }

  #onFlight6(flight: Uint8Array[] | undefined): void {
    if (this.#state !== "finishing") return;
    if (flight === undefined) return this.#fail("dtls_failed", "no Finished of our own");
    this.#cancelRetransmit?.();
    this.#lastFlight = packDatagrams(flight);
    this.#sendFlight();
    this.#state = "proven";
    if (this.#fingerprints.length > 0) this.#release();
  }

  /** A Finished that comes again means ours was lost (RFC 6347 §4.2.4); anything else is old. */
  #onLateFragment(fragment: HandshakeFragment): void {
    if (fragment.type === HANDSHAKE_TYPE.finished && this.#state !== "finishing") {
      this.#sendFlight();
    } else this.#drops.count("dtls_unexpected_handshake");
  }

  #peerMatches(): boolean {
    const certificate = this.#server.remoteCertificate;
    return certificate !== undefined && matchesFingerprint(certificate, this.#fingerprints);
  }

  /** Hands out the keys, if the proven certificate is the one that was described. */
  #release(): void {
    if (!this.#peerMatches()) return this.#fail("fingerprint_mismatch", "handshake");
    this.#cancelTimeout?.();
    this.#state = "connected";
    const profile = this.#server.srtpProfile;
    this.#options.listener.onConnected(
      profile === undefined ? undefined : serverParameters(
        profile,
        this.exportKeyingMaterial("EXTRACTOR-dtls_srtp", keyingMaterialBytes(profile))!,
      ),
    );
  }

  /** Exported keying material (RFC 5705), once connected. */
  exportKeyingMaterial(label: string, length: number): Uint8Array | undefined {
    if (this.#state !== "connected") return undefined;
    return this.#server.exportKeyingMaterial(label, length);
  }

  #fail(reason: DtlsFailure, detail: string): void {
    if (this.#state === "ended") return;
    this.#sendAlert(
      ALERT_LEVEL.fatal,
      reason === "fingerprint_mismatch" ? ALERT.badCertificate : ALERT.handshakeFailure,
    );
    this.#end();
    this.#options.listener.onFailed(reason, detail);
  }

  /** Encrypted once there are keys; before that only a failure is said, so that the peer need not wait. */
  #sendAlert(level: number, description: number): void {
    const body = Uint8Array.of(level, description);
    const sealed = this.#server.seal(CONTENT_TYPE.alert, body);
    if (sealed !== undefined) this.#options.send(sealed);
    else if (level === ALERT_LEVEL.fatal && this.#state !== "hello") {
      // Far above the numbers of flight 4, so that no window takes it for a repetition.
      this.#options.send(writeRecord(CONTENT_TYPE.alert, 0, 64, body));
    }
  }

  #sendFlight(): void {
    for (const datagram of this.#lastFlight) this.#options.send(datagram);
  }

  #end(): void {
    this.#state = "ended";
    this.#cancelTimeout?.();
    this.#cancelRetransmit?.();
    this.#early = [];
    this.#lastFlight = [];
  }
}
