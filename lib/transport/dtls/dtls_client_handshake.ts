/**
 * The client's half of a DTLS 1.2 handshake (RFC 6347 §4.2): ECDHE with AES-128-GCM, both sides
 * with a certificate.
 *
 * Contract: that of `dtls_handshake.ts`. Everything is done in the call that brings it; each flight
 * is sent again, under new record numbers, until the server's next one is complete. What is not the
 * next message of a server is counted and has no effect; a message that is, and is wrong, ends it.
 *
 * @module
 */
import { CURVE, type HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import type { RecordCipherFactory } from "../crypto/record_cipher.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { DtlsCertificate } from "./dtls_certificate.ts";
import {
  CIPHER_SUITES,
  writeCertificate,
  writeCertificateVerify,
  writeClientHello,
  writeClientKeyExchange,
} from "./dtls_client_flight.ts";
import type { DtlsHandshake, HandshakeOptions, HandshakeOwner } from "./dtls_handshake.ts";
import { DtlsRecordSeal } from "./dtls_record_seal.ts";
import {
  ALERT_LEVEL,
  CONTENT_TYPE,
  equalBytes,
  HANDSHAKE_TYPE,
  type HandshakeFragment,
  writeHandshake,
} from "./dtls_records.ts";
import {
  readCertificate,
  readCertificateRequest,
  readChosenProfile,
  readHelloVerifyRequest,
  readServerHello,
  readServerKeyExchange,
} from "./dtls_server_flight.ts";
import { isSameSecret, isSignedBy, SIGNATURE_SCHEME, signWith } from "./dtls_signatures.ts";
import { type FlightMessage, HandshakeFlight } from "./handshake_flight.ts";
import { type HandshakeMessage, HandshakeOrder } from "./handshake_order.ts";
import { HandshakeTranscript } from "./handshake_transcript.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";
import { type HandshakeRandoms, TlsKeySchedule } from "./tls_key_schedule.ts";
import { EXTENSION, VERSION_1_2 } from "./tls_vectors.ts";

const RANDOM_BYTES = 32;
/**
 * First wait for an answer to a hello. It comes when ICE has a path here, but a server listens when
 * ICE has one there: the first hello is often too early.
 */
const HELLO_RETRANSMIT_MS = 50;
/** Cookies taken: a server whose secret changes, or is new each time, asks again. */
const MAX_COOKIES = 8;
/** Certificate type of an ECDSA key (RFC 8422 §5.5). */
const ECDSA_SIGN = 64;
/**
 * What a server may say at each place after its hello verify request. It need not ask for our
 * certificate; then what follows moves up.
 */
const SERVER_FLIGHT: readonly (readonly number[])[] = [
  [HANDSHAKE_TYPE.serverHello],
  [HANDSHAKE_TYPE.certificate],
  [HANDSHAKE_TYPE.serverKeyExchange],
  [HANDSHAKE_TYPE.certificateRequest, HANDSHAKE_TYPE.serverHelloDone],
  [HANDSHAKE_TYPE.serverHelloDone, HANDSHAKE_TYPE.finished],
  [HANDSHAKE_TYPE.finished],
];

/** Our share of the key exchange, and what both sides then know. */
interface KeyShare {
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
}

/**
 * `idle`: there is no path yet. `hello`: flight 1 or 3 is out. `finished`: flight 5 is out. `done`:
 * the server's Finished was verified.
 */
type Phase = "idle" | "hello" | "finished" | "done" | "ended";

/**
 * The client's twin of {@linkcode DtlsHandshake}: what is not the server's next message has no
 * effect, and no message is acted on before it is whole.
 */
export class DtlsClientHandshake implements DtlsHandshake {
  readonly #owner: HandshakeOwner;
  readonly #drops: DropSink<TransportDrop>;
  readonly #certificate: DtlsCertificate;
  readonly #profiles: readonly SrtpProfile[];
  readonly #recordCipherFactory: RecordCipherFactory;
  readonly #order = new HandshakeOrder();
  readonly #flight: HandshakeFlight;
  readonly #crypto: HandshakeCrypto;
  readonly #random: Uint8Array;
  #phase: Phase = "idle";
  #cookie: Uint8Array = new Uint8Array(0);
  #cookies = 0;
  /** `message_seq` of the server's hello. */
  #serverFlightSeq = 0;
  /** Next `message_seq` of ours. */
  #messageSeq = 0;
  readonly #transcript: HandshakeTranscript;
  #randoms: HandshakeRandoms | undefined;
  #isExtended = false;
  #srtpProfile: SrtpProfile | undefined;
  #remoteCertificate: Uint8Array | undefined;
  #share: KeyShare | undefined;
  #certificateAsked = false;
  #schedule: TlsKeySchedule | undefined;
  #seal: DtlsRecordSeal | undefined;

  constructor(options: HandshakeOptions) {
    this.#owner = options.owner;
    this.#drops = options.drops;
    this.#certificate = options.certificate;
    this.#profiles = options.profiles;
    this.#recordCipherFactory = options.recordCipherFactory;
    this.#crypto = options.crypto;
    this.#transcript = new HandshakeTranscript(options.crypto);
    this.#flight = new HandshakeFlight(options.owner, options.platform.timers);
    this.#random = options.platform.random.bytes(RANDOM_BYTES);
  }

  get phase(): string {
    return this.#phase;
  }

  get begun(): boolean {
    return this.#phase !== "idle";
  }

  get takesPlain(): boolean {
    return this.#phase === "hello";
  }

  get records(): DtlsRecordSeal | undefined {
    return this.#seal;
  }

  get remoteCertificate(): Uint8Array | undefined {
    return this.#remoteCertificate;
  }

  get srtpProfile(): SrtpProfile | undefined {
    return this.#srtpProfile;
  }

  begin(): void {
    if (this.#phase !== "idle") return;
    this.#phase = "hello";
    this.#sayHello();
  }

  receive(fragment: HandshakeFragment, epoch: number): void {
    if (this.#phase === "hello" && fragment.type === HANDSHAKE_TYPE.helloVerifyRequest) {
      return this.#onHelloVerifyRequest(fragment, epoch);
    }
    const expected = SERVER_FLIGHT[fragment.messageSeq - this.#serverFlightSeq];
    const isFinished = fragment.type === HANDSHAKE_TYPE.finished;
    // Only Finished is sealed, and it always is.
    const isNext = isFinished
      ? this.#phase === "finished" && epoch === 1
      : this.#phase === "hello" && epoch === 0;
    if (!isNext || expected?.includes(fragment.type) !== true) {
      return this.#drops.count("dtls_unexpected_handshake");
    }
    if (!this.#order.push(fragment)) return this.#drops.count("dtls_bad_fragment");
    for (;;) {
      const message = this.#phase === "hello" || this.#phase === "finished"
        ? this.#order.take()
        : undefined;
      if (message === undefined) return;
      this.#onServerMessage(message);
    }
  }

  seal(type: number, body: Uint8Array): Uint8Array | undefined {
    return this.#phase === "done" ? this.#seal?.seal(type, body) : undefined;
  }

  fatalAlert(description: number): Uint8Array | undefined {
    if (!this.begun) return undefined;
    const body = Uint8Array.of(ALERT_LEVEL.fatal, description);
    return this.#seal?.seal(CONTENT_TYPE.alert, body) ??
      this.#flight.plain(CONTENT_TYPE.alert, body);
  }

  exportKeyingMaterial(label: string, length: number): Uint8Array {
    return this.#schedule!.exportKeys(label, length);
  }

  end(): void {
    this.#phase = "ended";
    this.#flight.end();
    this.#transcript.end();
    this.#seal?.close();
  }

  /** A server that wants to see our address first; neither hello counts for Finished. */
  #onHelloVerifyRequest(fragment: HandshakeFragment, epoch: number): void {
    const cookie = fragment.bytes.length === fragment.length
      ? readHelloVerifyRequest(fragment.bytes)
      : undefined;
    if (epoch !== 0 || cookie === undefined) return this.#drops.count("dtls_malformed");
    const isRepeated = this.#cookies > 0 && equalBytes(cookie, this.#cookie);
    const isTooLate = this.#order.next > this.#serverFlightSeq;
    const isAhead = fragment.messageSeq > this.#serverFlightSeq;
    if (isRepeated || isTooLate || isAhead || this.#cookies === MAX_COOKIES) {
      return this.#drops.count("dtls_unexpected_handshake");
    }
    this.#cookies++;
    this.#cookie = cookie.slice();
    // A server that keeps no state counts from 0 again (RFC 6347 §4.2.1).
    this.#serverFlightSeq = Math.max(this.#serverFlightSeq, fragment.messageSeq + 1);
    this.#order.skipTo(this.#serverFlightSeq);
    this.#sayHello();
  }

  #sayHello(): void {
    const body = writeClientHello(this.#random, this.#cookie, this.#profiles);
    this.#transcript.clear();
    const hello = this.#say(HANDSHAKE_TYPE.clientHello, body);
    this.#flight.start([hello], undefined, HELLO_RETRANSMIT_MS);
  }

  #onServerMessage(message: HandshakeMessage): void {
    if (message.type === HANDSHAKE_TYPE.finished) return this.#onFinished(message.body);
    this.#transcript.add(writeHandshake(message.type, message.messageSeq, message.body));
    const fault = this.#take(message);
    if (fault !== undefined) return this.#owner.failed(fault);
    if (message.type === HANDSHAKE_TYPE.serverHelloDone) this.#answer();
  }

  /** What is wrong with a message of flight 4, in words. */
  #take({ type, body }: HandshakeMessage): string | undefined {
    switch (type) {
      case HANDSHAKE_TYPE.serverHello:
        return this.#takeHello(body);
      case HANDSHAKE_TYPE.certificate:
        this.#remoteCertificate = readCertificate(body)?.slice();
        return this.#remoteCertificate === undefined ? "no server certificate" : undefined;
      case HANDSHAKE_TYPE.serverKeyExchange:
        return this.#takeKeyExchange(body);
      case HANDSHAKE_TYPE.certificateRequest:
        return this.#takeCertificateRequest(body);
      default:
        return body.length > 0 ? "bad ServerHelloDone" : undefined;
    }
  }

  #takeHello(body: Uint8Array): string | undefined {
    const hello = readServerHello(body);
    if (hello === undefined) return "bad ServerHello";
    if (hello.version !== VERSION_1_2) return "no common version";
    if (!CIPHER_SUITES.includes(hello.cipherSuite) || hello.compression !== 0) {
      return "no common parameters";
    }
    // A server answers extensions and names none of its own (RFC 5246 §7.4.1.4).
    const known: readonly number[] = Object.values(EXTENSION);
    for (const [type, value] of hello.extensions) {
      if (!known.includes(type)) return "an extension that was not offered";
      const isFirst = type !== EXTENSION.renegotiationInfo || equalBytes(value, Uint8Array.of(0));
      if (!isFirst) return "a renegotiation"; // RFC 5746 §3.4
    }
    this.#randoms = { client: this.#random, server: hello.random.slice() };
    this.#isExtended = hello.extensions.has(EXTENSION.extendedMasterSecret);
    const useSrtp = hello.extensions.get(EXTENSION.useSrtp);
    if (useSrtp === undefined) return undefined;
    const chosen = readChosenProfile(useSrtp);
    this.#srtpProfile = this.#profiles.find((profile) => profile === chosen);
    return this.#srtpProfile === undefined ? "an SRTP profile that was not offered" : undefined;
  }

  /** The share, signed by the certificate's key together with both random values. */
  #takeKeyExchange(body: Uint8Array): string | undefined {
    const exchange = readServerKeyExchange(body);
    if (exchange === undefined) return "bad ServerKeyExchange";
    const { curve, publicKey, parameters, scheme, signature } = exchange;
    const { client, server } = this.#randoms!;
    const signed = joinBytes([client, server, parameters]);
    if (!isSignedBy(this.#remoteCertificate!, scheme, signed, signature, this.#crypto)) {
      return "ServerKeyExchange does not verify";
    }
    this.#share = this.#agree(curve, publicKey);
    return this.#share === undefined ? "bad key share" : undefined;
  }

  /** A fresh key of ours, and the secret; `undefined` for another curve or a bad point. */
  #agree(curve: number, theirs: Uint8Array): KeyShare | undefined {
    if (curve !== CURVE.x25519 && curve !== CURVE.secp256r1) return undefined;
    const { privateKey, publicKey } = this.#crypto.newKey(curve);
    const secret = this.#crypto.sharedSecret(curve, privateKey, theirs);
    return secret === undefined ? undefined : { publicKey, secret };
  }

  #takeCertificateRequest(body: Uint8Array): string | undefined {
    const request = readCertificateRequest(body);
    if (request === undefined) return "bad CertificateRequest";
    this.#certificateAsked = true;
    return request.certificateTypes.includes(ECDSA_SIGN) &&
        request.schemes.includes(SIGNATURE_SCHEME.ecdsaSha256)
      ? undefined
      : "our certificate is not wanted";
  }

  /** Flight 5: the proof of our certificate's key, and the keys. */
  #answer(): void {
    const flight: FlightMessage[] = [];
    const say = (type: number, body: Uint8Array) => flight.push(this.#say(type, body));
    if (this.#certificateAsked) {
      say(HANDSHAKE_TYPE.certificate, writeCertificate(this.#certificate.certDer));
    }
    const { publicKey, secret } = this.#share!;
    this.#share = undefined;
    say(HANDSHAKE_TYPE.clientKeyExchange, writeClientKeyExchange(publicKey));
    const hash = this.#isExtended ? this.#transcript.hash() : undefined;
    const schedule = new TlsKeySchedule(this.#crypto, secret, this.#randoms!, hash);
    if (this.#certificateAsked) {
      const said = this.#transcript.said;
      const signature = signWith(this.#certificate, said, this.#crypto);
      const verify = writeCertificateVerify(SIGNATURE_SCHEME.ecdsaSha256, signature);
      say(HANDSHAKE_TYPE.certificateVerify, verify);
    }
    say(HANDSHAKE_TYPE.finished, schedule.verifyData("client", this.#transcript.hash()));
    const keys = schedule.recordKeys();
    this.#schedule = schedule;
    this.#seal = new DtlsRecordSeal(keys.client, keys.server, this.#recordCipherFactory);
    this.#phase = "finished";
    // What was kept for the next place came in the clear, so it is no Finished.
    this.#order.forget(this.#order.next);
    this.#flight.start(flight, this.#seal);
  }

  /** Whether both sides saw the same handshake (RFC 5246 §7.4.9). */
  #onFinished(body: Uint8Array): void {
    const expected = this.#schedule!.verifyData("server", this.#transcript.hash());
    if (!isSameSecret(body, expected)) return this.#owner.failed("Finished does not verify");
    this.#phase = "done";
    this.#flight.end();
    this.#transcript.end();
    this.#owner.proven();
  }

  /** A message under the next number, entered into the transcript. */
  #say(type: number, body: Uint8Array): FlightMessage {
    const bytes = writeHandshake(type, this.#messageSeq++, body);
    this.#transcript.add(bytes);
    return { type, bytes };
  }

  #transcriptHash(): Uint8Array {
    return this.#crypto.sha256(this.#transcript.said);
  }
}
