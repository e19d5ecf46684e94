/**
 * werift's DTLS server, reduced to what it does well: choosing parameters and the key schedule.
 * Ordering, authentication, retransmission and timers are ours (`dtls_server_handshake.ts`), and so
 * are the records that its keys seal (`dtls_record_seal.ts`).
 *
 * Contract: nothing here starts a timer or leaves a rejected promise; a handshake step that werift
 * refuses is `false`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { sign } from "node:crypto";
import { CipherContext, DtlsServer } from "werift";
import type { DtlsCertificate } from "./dtls_certificate.ts";
import {
  RECORD_SALT_BYTES,
  type RecordCipherFactory,
  type RecordKey,
} from "../crypto/record_cipher.ts";
import { DtlsRecordSeal } from "./dtls_record_seal.ts";
import {
  CONTENT_TYPE,
  HANDSHAKE_TYPE,
  RECORD_HEADER_BYTES,
  recordSequence,
  writeHandshake,
} from "./dtls_records.ts";
import { isSameSecret, isSignedBy, privateKeyOf } from "./dtls_signatures.ts";
import type { HandshakeMessage } from "./handshake_order.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";
import { useNativeKeyExchange } from "./werift_key_exchange.ts";

/** werift's name for the client's side of the key schedule. */
const CLIENT_SESSION = 1;

type WeriftOptions = ConstructorParameters<typeof DtlsServer>[0];
type WeriftHandshake = Parameters<DtlsServer["onHandleHandshakes"]>[0][number];

/** What werift's cipher keeps of the key block; the nonces begin with the salts (RFC 5288 §3). */
interface WeriftKeys {
  readonly clientWriteKey: Uint8Array;
  readonly serverWriteKey: Uint8Array;
  readonly clientNonce: Uint8Array;
  readonly serverNonce: Uint8Array;
}

/**
 * Thrown into werift as it writes ServerHelloDone. Everything of flight 4 is done by then except
 * werift's retransmission loop, whose timers could not be stopped.
 */
const FLIGHT_TAKEN = new Error("flight 4 was taken");

export interface WeriftDtlsServerOptions {
  readonly certificate: DtlsCertificate;
  /** In order of our preference. */
  readonly profiles: readonly SrtpProfile[];
  readonly recordCipherFactory: RecordCipherFactory;
}

/**
 * The key schedule of one handshake, once. Nothing rejects or throws for a peer's bytes: a refused
 * step is `false`.
 */
export class WeriftDtlsServer {
  readonly #server: DtlsServer;
  readonly #recordCipherFactory: RecordCipherFactory;
  #written: Uint8Array[] = [];
  #records: DtlsRecordSeal | undefined;
  #connected = false;

  constructor(options: WeriftDtlsServerOptions) {
    useNativeKeyExchange();
    const { certificate, profiles } = options;
    this.#recordCipherFactory = options.recordCipherFactory;
    this.#server = new DtlsServer({
      transport: {
        type: "udp",
        address: { address: "", family: "", port: 0 },
        closed: false,
        onData: () => {},
        send: (bytes) => this.#take(bytes),
        close: () => Promise.resolve(),
      },
      cert: certificate.certPem,
      key: certificate.keyPem,
      signatureHash: certificate.signatureHash,
      // werift only compares these numbers and writes one of them: it need not know AES-256.
      srtpProfiles: [...profiles] as NonNullable<WeriftOptions["srtpProfiles"]>,
      extendedMasterSecret: true,
      certificateRequest: true,
    });
    const key = privateKeyOf(certificate);
    const signer = { sign: (data: Buffer, hash: string) => sign(hash, data, key) };
    this.#server.cipher.localPrivateKey = signer as unknown as CipherContext["localPrivateKey"];
  }

  /**
   * Answers a ClientHello whose cookie was checked.
   *
   * @param withoutCookie The hello's body as it was before the cookie round trip.
   * @returns The records of flight 4, or `undefined` if there is nothing in common.
   */
  answerHello(hello: HandshakeMessage, withoutCookie: Uint8Array, cookie: Uint8Array) {
    // werift chooses curve, suite, profile and key pair on the hello without a cookie and answers
    // with a HelloVerifyRequest, which the peer has already had from us.
    this.#server.dtls.cookie = Buffer.from(cookie);
    this.#handle({ type: HANDSHAKE_TYPE.clientHello, messageSeq: 0, body: withoutCookie });
    this.#written = [];
    this.#handle(hello);
    const flight = this.#written;
    this.#written = [];
    return flight.length > 0 && isServerHelloDone(flight.at(-1)!) ? flight : undefined;
  }

  /** Takes the client's certificate; `false` if there is none in it. */
  takeCertificate(message: HandshakeMessage): boolean {
    this.#handle(message);
    return (this.remoteCertificate?.length ?? 0) > 0;
  }

  /** Computes the master secret and the record keys; `false` for a bad key share. */
  takeKeyExchange(message: HandshakeMessage): boolean {
    this.#handle(message);
    const { masterSecret, cipher } = this.#server.cipher;
    if (masterSecret === undefined || cipher === undefined) return false;
    const keys = cipher as unknown as WeriftKeys;
    const server = recordKey(keys.serverWriteKey, keys.serverNonce);
    const client = recordKey(keys.clientWriteKey, keys.clientNonce);
    this.#records = new DtlsRecordSeal(server, client, this.#recordCipherFactory);
    return true;
  }

  /** Whether the client holds its certificate's private key (RFC 5246 §7.4.8). */
  takeCertificateVerify(message: HandshakeMessage): boolean {
    const { body } = message;
    if (body.length < 4) return false;
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const signature = body.subarray(4);
    if (signature.length !== view.getUint16(2)) return false;
    const certificate = this.remoteCertificate!;
    if (!isSignedBy(certificate, view.getUint16(0), this.#transcript(), signature)) return false;
    this.#handle(message);
    return true;
  }

  /** Whether both sides saw the same handshake (RFC 5246 §7.4.9). */
  verifyFinished(message: HandshakeMessage): boolean {
    const expected = CipherContext.prototype.verifyData.call(
      { sessionType: CLIENT_SESSION, masterSecret: this.#server.cipher.masterSecret },
      this.#transcript(),
    );
    return isSameSecret(message.body, expected);
  }

  /** Takes a verified Finished; `done` gets the records of flight 6, some microtasks later. */
  takeFinished(message: HandshakeMessage, done: (flight: Uint8Array[] | undefined) => void): void {
    this.#written = [];
    this.#server.onHandleHandshakes([toWerift(message)]).then(
      () => {
        const flight = this.#written;
        this.#written = [];
        if (flight.length !== 2) return done(undefined);
        // werift sealed its Finished itself; using that number a second time under the same key
        // would break GCM, so we count on from it.
        this.#records!.skipTo(recordSequence(flight[1]!, 0) + 1);
        this.#connected = true;
        done(flight);
      },
      () => done(undefined),
    );
  }

  /** What opens epoch-1 records, once there are keys. */
  get records(): DtlsRecordSeal | undefined {
    return this.#records;
  }

  /** The client's certificate in DER. */
  get remoteCertificate(): Uint8Array | undefined {
    return this.#server.cipher.remoteCertificate;
  }

  /** The profile both sides support, ours preferred in our order (RFC 5764 §4.1.1). */
  get srtpProfile(): SrtpProfile | undefined {
    return this.#server.srtp.srtpProfile;
  }

  /** Exported keying material (RFC 5705 §4), once the handshake is done. */
  exportKeyingMaterial(label: string, length: number): Uint8Array {
    return new Uint8Array(this.#server.exportKeyingMaterial(label, length));
  }

  /** Seals a record of epoch 1; `undefined` before the handshake is done. */
  seal(type: number, body: Uint8Array): Uint8Array | undefined {
    return this.#connected ? this.#records?.seal(type, body) : undefined;
  }

  /** Lets go of the keys. Idempotent. */
  close(): void {
    this.#records?.close();
  }

  #transcript(): Buffer {
    return Buffer.concat(this.#server.dtls.sortedHandshakeCache.map((m) => m.serialize()));
  }

  /**
   * Runs one werift step; its effects are complete when this returns, its errors mean "no effect".
   */
  #handle(message: HandshakeMessage): void {
    this.#server.onHandleHandshakes([toWerift(message)]).catch(() => {});
  }

  #take(bytes: Uint8Array): Promise<void> {
    const record = Uint8Array.from(bytes);
    this.#written.push(record);
    if (isServerHelloDone(record)) throw FLIGHT_TAKEN;
    return Promise.resolve();
  }
}

function isServerHelloDone(record: Uint8Array): boolean {
  return record[0] === CONTENT_TYPE.handshake && record[4] === 0 &&
    record[RECORD_HEADER_BYTES] === HANDSHAKE_TYPE.serverHelloDone;
}

/** A whole message in the shape of werift's class, as far as the server's steps look at it. */
function toWerift({ type, messageSeq, body }: HandshakeMessage): WeriftHandshake {
  const fragment = Buffer.from(body);
  const message = {
    msg_type: type,
    length: fragment.length,
    message_seq: messageSeq,
    fragment_offset: 0,
    fragment_length: fragment.length,
    fragment,
    summary: {},
    serialize: () => Buffer.from(writeHandshake(type, messageSeq, body)),
  };
  return message as unknown as WeriftHandshake;
}

/** @param nonce Salt and explicit part; werift writes the latter anew for each record. */
function recordKey(key: Uint8Array, nonce: Uint8Array): RecordKey {
  return { key: Uint8Array.from(key), salt: nonce.slice(0, RECORD_SALT_BYTES) };
}
