/**
 * The server's half of a DTLS 1.2 handshake (RFC 6347 §4.2), hardened around werift's.
 *
 * Contract: that of `dtls_handshake.ts`. No key work is done before the client returned the cookie.
 *
 * @module
 */
import type { TransportDrop } from "../drop_reasons.ts";
import type { DtlsHandshake, HandshakeOptions, HandshakeOwner } from "./dtls_handshake.ts";
import { FlightTimer } from "./dtls_handshake.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import {
  ALERT_LEVEL,
  CONTENT_TYPE,
  HANDSHAKE_TYPE,
  type HandshakeFragment,
  packDatagrams,
  readClientHello,
  writeHandshake,
  writeRecord,
} from "./dtls_records.ts";
import type { DtlsRecordSeal } from "./dtls_record_seal.ts";
import { isSameSecret } from "./dtls_signatures.ts";
import { type HandshakeMessage, HandshakeOrder } from "./handshake_order.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";
import { WeriftDtlsServer } from "./werift_dtls_server.ts";

const COOKIE_BYTES = 20;
/** Far above the numbers of flight 4, so that no window takes an alert for a repetition. */
const ALERT_SEQUENCE = 64;
/** A client's flight 5, in order of `message_seq` after its second hello. */
const CLIENT_FLIGHT: readonly number[] = [
  HANDSHAKE_TYPE.certificate,
  HANDSHAKE_TYPE.clientKeyExchange,
  HANDSHAKE_TYPE.certificateVerify,
  HANDSHAKE_TYPE.finished,
];

/**
 * `hello`: no valid cookie yet. `keys`: flight 4 is out. `finishing`: Finished was verified.
 * `done`: flight 6 is out.
 */
type Phase = "hello" | "keys" | "finishing" | "done" | "ended";

/**
 * The server's twin of {@linkcode DtlsHandshake}: no key work before the client returned the
 * cookie.
 */
export class DtlsServerHandshake implements DtlsHandshake {
  readonly #owner: HandshakeOwner;
  readonly #drops: DropSink<TransportDrop>;
  readonly #server: WeriftDtlsServer;
  readonly #order = new HandshakeOrder();
  readonly #cookie: Uint8Array;
  readonly #timer: FlightTimer;
  #phase: Phase = "hello";
  /** First `message_seq` of flight 5. */
  #clientFlightSeq = 0;
  #lastFlight: readonly Uint8Array[] = [];

  constructor(options: HandshakeOptions) {
    this.#owner = options.owner;
    this.#drops = options.drops;
    this.#cookie = options.platform.random.bytes(COOKIE_BYTES);
    this.#timer = new FlightTimer(options.platform.timers);
    this.#server = new WeriftDtlsServer(options);
  }

  get phase(): string {
    return this.#phase;
  }

  get begun(): boolean {
    return this.#phase !== "hello";
  }

  get takesPlain(): boolean {
    return this.#phase === "hello" || this.#phase === "keys";
  }

  get records(): DtlsRecordSeal | undefined {
    return this.#server.records;
  }

  get remoteCertificate(): Uint8Array | undefined {
    return this.#server.remoteCertificate;
  }

  get srtpProfile(): SrtpProfile | undefined {
    return this.#server.srtpProfile;
  }

  /** The client speaks first. */
  begin(): void {}

  receive(fragment: HandshakeFragment, epoch: number): void {
    if (this.#phase === "hello") this.#onHelloFragment(fragment, epoch);
    else if (this.#phase === "keys") this.#onKeysFragment(fragment, epoch);
    else this.#onLateFragment(fragment);
  }

  seal(type: number, body: Uint8Array): Uint8Array | undefined {
    return this.#server.seal(type, body);
  }

  fatalAlert(description: number): Uint8Array | undefined {
    const body = Uint8Array.of(ALERT_LEVEL.fatal, description);
    const sealed = this.#server.seal(CONTENT_TYPE.alert, body);
    if (sealed !== undefined || !this.begun) return sealed;
    return writeRecord(CONTENT_TYPE.alert, 0, ALERT_SEQUENCE, body);
  }

  exportKeyingMaterial(label: string, length: number): Uint8Array {
    return this.#server.exportKeyingMaterial(label, length);
  }

  end(): void {
    this.#phase = "ended";
    this.#timer.stop();
    this.#lastFlight = [];
    this.#server.close();
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
    if (!isSameSecret(hello.cookie, this.#cookie)) return this.#askForCookie();
    this.#answerHello(message, hello.withoutCookie);
  }

  /** HelloVerifyRequest (RFC 6347 §4.2.1): smaller than the hello, and no key work before it. */
  #askForCookie(): void {
    const body = new Uint8Array(3 + COOKIE_BYTES);
    body.set([254, 253, COOKIE_BYTES]);
    body.set(this.#cookie, 3);
    const message = writeHandshake(HANDSHAKE_TYPE.helloVerifyRequest, 0, body);
    this.#owner.send(writeRecord(CONTENT_TYPE.handshake, 0, 0, message));
  }

  #answerHello(hello: HandshakeMessage, withoutCookie: Uint8Array): void {
    const flight = this.#server.answerHello(hello, withoutCookie, this.#cookie);
    if (flight === undefined) return this.#owner.failed("no common parameters");
    this.#phase = "keys";
    this.#clientFlightSeq = hello.messageSeq + 1;
    this.#order.skipTo(this.#clientFlightSeq);
    this.#lastFlight = packDatagrams(flight);
    this.#sendFlight();
    // Until flight 5 is complete; the handshake timeout is the last word.
    this.#timer.start(() => this.#owner.guarded(() => this.#sendFlight()));
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
      const message = this.#phase === "keys" ? this.#order.take() : undefined;
      if (message === undefined) return;
      this.#onClientMessage(message);
    }
  }

  #onClientMessage(message: HandshakeMessage): void {
    const server = this.#server;
    switch (message.type) {
      case HANDSHAKE_TYPE.certificate:
        if (!server.takeCertificate(message)) this.#owner.failed("no client certificate");
        return;
      case HANDSHAKE_TYPE.clientKeyExchange:
        if (!server.takeKeyExchange(message)) this.#owner.failed("bad key share");
        return;
      case HANDSHAKE_TYPE.certificateVerify:
        if (!server.takeCertificateVerify(message)) {
          this.#owner.failed("CertificateVerify does not verify");
        }
        return;
      default:
        if (!server.verifyFinished(message)) {
          return this.#owner.failed("Finished does not verify");
        }
        this.#phase = "finishing";
        server.takeFinished(message, (flight) => this.#owner.guarded(() => this.#finish(flight)));
    }
  }

  /** @param flight Records of flight 6. */
  #finish(flight: Uint8Array[] | undefined): void {
    if (this.#phase !== "finishing") return;
    if (flight === undefined) return this.#owner.failed("no Finished of our own");
    this.#timer.stop();
    this.#lastFlight = packDatagrams(flight);
    this.#sendFlight();
    this.#phase = "done";
    this.#owner.proven();
  }

  /** A Finished that comes again means ours was lost (RFC 6347 §4.2.4); anything else is old. */
  #onLateFragment(fragment: HandshakeFragment): void {
    if (fragment.type === HANDSHAKE_TYPE.finished && this.#phase === "done") this.#sendFlight();
    else this.#drops.count("dtls_unexpected_handshake");
  }

  #sendFlight(): void {
    for (const datagram of this.#lastFlight) this.#owner.send(datagram);
  }
}
