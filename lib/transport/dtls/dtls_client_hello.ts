/**
 * The messages of a DTLS 1.2 client, bytes to values (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5).
 *
 * Contract: readers are total; a message with a byte too few or too many is `undefined`, and values
 * are views on the bytes that came.
 *
 * @module
 */
import { readExtensions, VectorReader } from "./tls_vectors.ts";

const RANDOM_BYTES = 32;

/** What a client offers (RFC 6347 §4.2.1). */
export interface ClientHello {
  /** The highest it speaks; smaller numbers are later versions. */
  readonly version: number;
  readonly random: Uint8Array;
  readonly cookie: Uint8Array;
  /** Suites, two bytes each. */
  readonly cipherSuites: Uint8Array;
  readonly compressions: Uint8Array;
  readonly extensions: ReadonlyMap<number, Uint8Array>;
}

/** The proof that a client holds its certificate's key (RFC 5246 §7.4.8). */
export interface CertificateVerify {
  readonly scheme: number;
  readonly signature: Uint8Array;
}

/** A ClientHello; one that names an extension twice is none. */
export function readClientHello(body: Uint8Array): ClientHello | undefined {
  const reader = new VectorReader(body);
  const version = reader.number(2);
  const random = reader.take(RANDOM_BYTES);
  reader.vector(1); // a session that could be resumed, which we never do
  const cookie = reader.vector(1);
  const cipherSuites = reader.vector(2);
  const compressions = reader.vector(1);
  const extensions = readExtensions(reader);
  if (extensions === undefined || !reader.isDone) return undefined;
  return { version, random, cookie, cipherSuites, compressions, extensions };
}

/** The numbers of an extension that is one list of them; `undefined` if it is none. */
export function readList(extension: Uint8Array): Uint8Array | undefined {
  const reader = new VectorReader(extension);
  const list = reader.vector(2);
  return reader.isDone ? list : undefined;
}

/** The offered SRTP profiles, two bytes each (RFC 5764 §4.1.1). An MKI is ignored, as it may be. */
export function readOfferedProfiles(extension: Uint8Array): Uint8Array | undefined {
  const reader = new VectorReader(extension);
  const list = reader.vector(2);
  reader.vector(1);
  return reader.isDone ? list : undefined;
}

/** The client's share of ECDHE (RFC 8422 §5.7). */
export function readClientKeyExchange(body: Uint8Array): Uint8Array | undefined {
  const reader = new VectorReader(body);
  const publicKey = reader.vector(1);
  return reader.isDone ? publicKey : undefined;
}

export function readCertificateVerify(body: Uint8Array): CertificateVerify | undefined {
  const reader = new VectorReader(body);
  const scheme = reader.number(2);
  const signature = reader.vector(2);
  return reader.isDone ? { scheme, signature } : undefined;
}
