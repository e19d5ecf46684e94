/**
 * The messages of a DTLS 1.2 server, bytes to values (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5).
 *
 * Contract: readers are total; a message with a byte too few or too many is `undefined`, and values
 * are views on the bytes that came.
 *
 * @module
 */
import { readUint16 } from "../../wire/big_endian.ts";
import { readExtensions, VectorReader } from "./tls_vectors.ts";

/** RFC 8422 §5.4: the curve is named. */
const NAMED_CURVE = 3;
const RANDOM_BYTES = 32;

/** What a server chose (RFC 5246 §7.4.1.3). */
export interface ServerHello {
  /** 0xfefd is DTLS 1.2. */
  readonly version: number;
  readonly random: Uint8Array;
  readonly cipherSuite: number;
  readonly compression: number;
  readonly extensions: ReadonlyMap<number, Uint8Array>;
}

/** A server's signed half of the key exchange (RFC 8422 §5.4). */
export interface ServerKeyExchange {
  readonly curve: number;
  readonly publicKey: Uint8Array;
  /** The bytes that are signed, after both random values. */
  readonly parameters: Uint8Array;
  readonly scheme: number;
  readonly signature: Uint8Array;
}

/** What a server takes as a certificate and its proof (RFC 5246 §7.4.4). */
export interface CertificateRequest {
  readonly certificateTypes: readonly number[];
  readonly schemes: readonly number[];
}

/** The cookie of a HelloVerifyRequest (RFC 6347 §4.2.1). */
export function readHelloVerifyRequest(body: Uint8Array): Uint8Array | undefined {
  const reader = new VectorReader(body);
  reader.take(2); // any version: it is not what will be spoken
  const cookie = reader.vector(1);
  return reader.isDone ? cookie : undefined;
}

/** A ServerHello; one that names an extension twice is none. */
export function readServerHello(body: Uint8Array): ServerHello | undefined {
  const reader = new VectorReader(body);
  const version = reader.number(2);
  const random = reader.take(RANDOM_BYTES);
  reader.vector(1); // a session that could be resumed, which we never do
  const cipherSuite = reader.number(2);
  const compression = reader.number(1);
  const extensions = readExtensions(reader);
  if (extensions === undefined || !reader.isDone) return undefined;
  return { version, random, cipherSuite, compression, extensions };
}

/** The first certificate of the list, in DER; the others are nobody's business (RFC 8122 §6.2). */
export function readCertificate(body: Uint8Array): Uint8Array | undefined {
  const reader = new VectorReader(body);
  const list = new VectorReader(reader.vector(3));
  const first = list.vector(3);
  while (!list.isFailed && !list.isAtEnd) list.vector(3);
  return reader.isDone && list.isDone && first.length > 0 ? first : undefined;
}

/** A signed ECDHE share on a named curve (RFC 8422 §5.4). */
export function readServerKeyExchange(body: Uint8Array): ServerKeyExchange | undefined {
  const reader = new VectorReader(body);
  if (reader.number(1) !== NAMED_CURVE) return undefined;
  const curve = reader.number(2);
  const publicKey = reader.vector(1);
  const parameters = body.subarray(0, 4 + publicKey.length);
  const scheme = reader.number(2);
  const signature = reader.vector(2);
  if (!reader.isDone) return undefined;
  return { curve, publicKey, parameters, scheme, signature };
}

/** Which certificates and signatures the server takes (RFC 5246 §7.4.4). */
export function readCertificateRequest(body: Uint8Array): CertificateRequest | undefined {
  const reader = new VectorReader(body);
  const certificateTypes = [...reader.vector(1)];
  const list = reader.vector(2);
  reader.vector(2); // authorities: ours is nobody's
  if (!reader.isDone || list.length % 2 !== 0) return undefined;
  const schemes: number[] = [];
  for (let at = 0; at < list.length; at += 2) schemes.push(readUint16(list, at));
  return { certificateTypes, schemes };
}

/** The one profile a server chose, as a number (RFC 5764 §4.1.1); an MKI is not for us. */
export function readChosenProfile(extension: Uint8Array): number | undefined {
  const reader = new VectorReader(extension);
  const list = reader.vector(2);
  const mki = reader.vector(1);
  if (!reader.isDone || list.length !== 2 || mki.length > 0) return undefined;
  return readUint16(list, 0);
}
