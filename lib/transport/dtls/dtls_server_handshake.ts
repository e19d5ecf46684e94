/**
 * The server's half of a DTLS 1.2 handshake (RFC 6347 §4.2): ECDHE with AES-128-GCM, both sides
 * with a certificate.
 *
 * Contract: that of `dtls_handshake.ts`. No key work is done, and nothing large is sent, before the
 * client returned the cookie, unless it is known to be where datagrams go: ICE has shown that as a
 * rule, and a question for a cookie would show it once more (RFC 6347 §4.2.1). Everything else is
 * done in the call that brings it. What is not the client's next message is counted and has no
 * effect; a message that is, and is wrong, ends it.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import type { Random } from "../../base/platform.ts";
import type { CurveKey, HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import {
  type ClientHello,
  readCertificateVerify,
  readClientHello,
  readClientKeyExchange,
} from "./dtls_client_hello.ts";
import { writeCertificate } from "./dtls_client_flight.ts";
import type { DtlsHandshake, HandshakeOptions, HandshakeOwner } from "./dtls_handshake.ts";
import { DtlsRecordSeal } from "./dtls_record_seal.ts";
import {
  ALERT_LEVEL,
  CONTENT_TYPE,
  HANDSHAKE_TYPE,
  type HandshakeFragment,
  writeHandshake,
} from "./dtls_records.ts";
import * as answer from "./dtls_server_answer.ts";
import { readCertificate } from "./dtls_server_flight.ts";
import { isSameSecret, isSignedBy, signWith } from "./dtls_signatures.ts";
import { type FlightMessage, HandshakeFlight } from "./handshake_flight.ts";
import { type HandshakeMessage, HandshakeOrder } from "./handshake_order.ts";
import { HandshakeTranscript } from "./handshake_transcript.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";
import { type HandshakeRandoms, TlsKeySchedule } from "./tls_key_schedule.ts";

const COOKIE_BYTES = 20;
const RANDOM_BYTES = 32;
/** A client's flight 5, in order of `message_seq` after its second hello. */
const CLIENT_FLIGHT: readonly number[] = [
  HANDSHAKE_TYPE.certificate,
  HANDSHAKE_TYPE.clientKeyExchange,
  HANDSHAKE_TYPE.certificateVerify,
  HANDSHAKE_TYPE.finished,
];

/** `hello`: no valid cookie yet. `keys`: flight 4 is out. `done`: flight 6 is out. */
type Phase = "hello" | "keys" | "done" | "ended";

/**
 * The server's twin of {@linkcode DtlsHandshake}: no key work before the client returned the
 * cookie, or is known to be there.
 */
export class DtlsServerHandshake implements DtlsHandshake {
  readonly #options: HandshakeOptions;
  readonly #owner: HandshakeOwner;
  readonly #drops: DropSink<TransportDrop>;
  readonly #crypto: HandshakeCrypto;
  readonly #random: Random;
  readonly #order = new HandshakeOrder();
  readonly #flight: HandshakeFlight;
  readonly #cookie: Uint8Array;
  #phase: Phase = "hello";
  /** First `message_seq` of flight 5. */
  #clientFlightSeq = 0;
  /** Next `message_seq` of ours; the question for the cookie, if there is one, has number 0. */
  #messageSeq = 0;
  readonly #transcript: HandshakeTranscript;
  #parameters: answer.CommonParameters | undefined;
  #randoms: HandshakeRandoms | undefined;
  #ownKey: CurveKey | undefined;
  #remoteCertificate: Uint8Array | undefined;
  #schedule: TlsKeySchedule | undefined;
  #records: DtlsRecordSeal | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#owner = options.owner;
    this.#drops = options.drops;
    this.#crypto = options.crypto;
    this.#transcript = new HandshakeTranscript(options.crypto);
    this.#random = options.platform.random;
    this.#cookie = this.#random.bytes(COOKIE_BYTES);
    this.#flight = new HandshakeFlight(options.owner, options.platform.timers);
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
    return this.#records;
  }

  get remoteCertificate(): Uint8Array | undefined {
    return this.#remoteCertificate;
  }

  get srtpProfile(): SrtpProfile | undefined {
    return this.#parameters?.profile;
  }

  /** The client speaks first. */
  begin(): void {}

  receive(fragment: HandshakeFragment, epoch: number): void {
    if (this.#phase === "hello") this.#onHelloFragment(fragment, epoch);
    else if (this.#phase === "keys") this.#onKeysFragment(fragment, epoch);
    else this.#onLateFragment(fragment);
  }

  seal(type: number, body: Uint8Array): Uint8Array | undefined {
    return this.#phase === "done" ? this.#records?.seal(type, body) : undefined;
  }

  fatalAlert(description: number): Uint8Array | undefined {
    if (!this.begun) return undefined;
    const body = Uint8Array.of(ALERT_LEVEL.fatal, description);
    return this.seal(CONTENT_TYPE.alert, body) ?? this.#flight.plain(CONTENT_TYPE.alert, body);
  }

  exportKeyingMaterial(label: string, length: number): Uint8Array {
    return this.#schedule!.exportKeys(label, length);
  }

  end(): void {
    this.#phase = "ended";
    this.#flight.end();
    this.#transcript.end();
    this.#records?.close();
  }

  #onHelloFragment(fragment: HandshakeFragment, epoch: number): void {
    if (epoch !== 0 || fragment.type !== HANDSHAKE_TYPE.clientHello) {
      return this.#drops.count("dtls_unexpected_handshake");
    }
    if (!this.#order.push(fragment)) return this.#drops.count("dtls_bad_fragment");
    const message = this.#order.peek(fragment.messageSeq);
    if (message === undefined) return;
    this.#order.forget(message.messageSeq); // a repeated hello is answered again
    const hello = readClientHello(message.body);
    if (hello === undefined) return this.#drops.count("dtls_malformed");
    // Who was asked says its hello again, and both sides count that one.
    const isThere = this.#messageSeq === 0 && this.#owner.isReached();
    if (!isThere && !isSameSecret(hello.cookie, this.#cookie)) return this.#askForCookie();
    const parameters = answer.commonParameters(hello, this.#options.profiles);
    if (parameters === undefined) return this.#owner.failed("no common parameters");
    this.#parameters = parameters;
    this.#randoms = { client: hello.random, server: this.#random.bytes(RANDOM_BYTES) };
    this.#answerHello(message, hello, parameters, this.#randoms);
  }

  /** HelloVerifyRequest (RFC 6347 §4.2.1): smaller than the hello, and no key work before it. */
  #askForCookie(): void {
    const type = HANDSHAKE_TYPE.helloVerifyRequest;
    const message = writeHandshake(type, 0, answer.writeHelloVerifyRequest(this.#cookie));
    this.#messageSeq = 1;
    this.#owner.send(this.#flight.plain(CONTENT_TYPE.handshake, message));
  }

  /** Flight 4: our certificate, and our share, which its key signs. */
  #answerHello(
    message: HandshakeMessage,
    hello: ClientHello,
    parameters: answer.CommonParameters,
    randoms: HandshakeRandoms,
  ): void {
    const { certificate } = this.#options;
    const ownKey = this.#ownKey = this.#crypto.newKey(parameters.curve);
    const share = answer.writeKeyParameters(parameters.curve, ownKey.publicKey);
    const signed = joinBytes([randoms.client, randoms.server, share]);
    const signature = signWith(certificate, signed, this.#crypto);
    this.#hear(message);
    const flight = [
      this.#say(
        HANDSHAKE_TYPE.serverHello,
        answer.writeServerHello(randoms.server, hello, parameters),
      ),
      this.#say(HANDSHAKE_TYPE.certificate, writeCertificate(certificate.certDer)),
      this.#say(HANDSHAKE_TYPE.serverKeyExchange, answer.writeServerKeyExchange(share, signature)),
      this.#say(HANDSHAKE_TYPE.certificateRequest, answer.CERTIFICATE_REQUEST),
      this.#say(HANDSHAKE_TYPE.serverHelloDone, new Uint8Array(0)),
    ];
    this.#phase = "keys";
    this.#clientFlightSeq = message.messageSeq + 1;
    this.#order.skipTo(this.#clientFlightSeq);
    // Until flight 5 is complete; the handshake timeout is the last word.
    this.#flight.start(flight);
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
      const fault = this.#take(message);
      if (fault !== undefined) return this.#owner.failed(fault);
    }
  }

  /** What is wrong with a message of flight 5, in words. */
  #take(message: HandshakeMessage): string | undefined {
    switch (message.type) {
      case HANDSHAKE_TYPE.certificate:
        this.#remoteCertificate = readCertificate(message.body);
        this.#hear(message);
        return this.#remoteCertificate === undefined ? "no client certificate" : undefined;
      case HANDSHAKE_TYPE.clientKeyExchange:
        this.#hear(message);
        return this.#takeKeyExchange(message.body) ? undefined : "bad key share";
      case HANDSHAKE_TYPE.certificateVerify:
        if (!this.#verifies(message.body)) return "CertificateVerify does not verify";
        this.#hear(message);
        return undefined;
      default:
        return this.#takeFinished(message) ? undefined : "Finished does not verify";
    }
  }

  /** Computes the master secret and the record keys. */
  #takeKeyExchange(body: Uint8Array): boolean {
    const theirs = readClientKeyExchange(body);
    const { curve, isExtended } = this.#parameters!;
    const { privateKey } = this.#ownKey!;
    this.#ownKey = undefined;
    if (theirs === undefined) return false;
    const secret = this.#crypto.sharedSecret(curve, privateKey, theirs);
    if (secret === undefined) return false;
    const hash = isExtended ? this.#transcript.hash() : undefined;
    const schedule = new TlsKeySchedule(this.#crypto, secret, this.#randoms!, hash);
    const { server, client } = schedule.recordKeys();
    this.#schedule = schedule;
    this.#records = new DtlsRecordSeal(server, client, this.#options.recordCipherFactory);
    return true;
  }

  /** Whether the client holds its certificate's private key (RFC 5246 §7.4.8). */
  #verifies(body: Uint8Array): boolean {
    const verify = readCertificateVerify(body);
    if (verify === undefined) return false;
    const { scheme, signature } = verify;
    const said = this.#transcript.said;
    return isSignedBy(this.#remoteCertificate!, scheme, said, signature, this.#crypto);
  }

  /** Whether both sides saw the same handshake (RFC 5246 §7.4.9); then flight 6 says it, too. */
  #takeFinished(message: HandshakeMessage): boolean {
    const schedule = this.#schedule!;
    const expected = schedule.verifyData("client", this.#transcript.hash());
    if (!isSameSecret(message.body, expected)) return false;
    this.#hear(message);
    const verify = schedule.verifyData("server", this.#transcript.hash());
    const finished = this.#say(HANDSHAKE_TYPE.finished, verify);
    this.#transcript.end();
    this.#flight.once([finished], this.#records);
    this.#phase = "done";
    this.#owner.proven();
    return true;
  }

  /** A Finished that comes again means ours was lost (RFC 6347 §4.2.4); anything else is old. */
  #onLateFragment(fragment: HandshakeFragment): void {
    if (fragment.type === HANDSHAKE_TYPE.finished && this.#phase === "done") this.#flight.repeat();
    else this.#drops.count("dtls_unexpected_handshake");
  }

  /** Enters a message of the client's into the transcript. */
  #hear({ type, messageSeq, body }: HandshakeMessage): void {
    this.#transcript.add(writeHandshake(type, messageSeq, body));
  }

  /** A message under the next number, entered into the transcript. */
  #say(type: number, body: Uint8Array): FlightMessage {
    const bytes = writeHandshake(type, this.#messageSeq++, body);
    this.#transcript.add(bytes);
    return { type, bytes };
  }
}
