/**
 * A fresh P-256 key in an X.509 certificate that it signed itself (RFC 5280 §4, RFC 5480).
 *
 * Peers look at nothing of it but the key and the digest of the whole (RFC 8122 §5). So names and
 * dates are the same for everybody and tell nothing; the serial number follows the key, because NSS
 * refuses a second certificate of the same issuer and number.
 *
 * @module
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto";

/** A certificate and its private key, PKCS#8. */
export interface SelfSignedCertificate {
  readonly der: Uint8Array;
  readonly keyPem: string;
}

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
} as const;
/** Version 3, which clients expect, is 2. */
const VERSION_3 = 2;
const SERIAL_BYTES = 16;
/** `commonName`, 2.5.4.3. */
const COMMON_NAME = Uint8Array.of(0x55, 0x04, 0x03);
/** `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2 (RFC 5758 §3.2). */
const ECDSA_WITH_SHA256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const NAME = "WebRTC";
const NOT_BEFORE = "200101000000Z";
/** The last second that UTCTime can tell. */
const NOT_AFTER = "491231235959Z";

/** Makes a key and its certificate; some milliseconds of work. */
export function selfSignedCertificate(): SelfSignedCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyInfo = publicKey.export({ format: "der", type: "spki" });
  const algorithm = element(TAG.sequence, element(TAG.objectIdentifier, ECDSA_WITH_SHA256));
  const content = element(
    TAG.sequence,
    element(TAG.version, element(TAG.integer, Uint8Array.of(VERSION_3))),
    element(TAG.integer, serialOf(publicKeyInfo)),
    algorithm,
    name(),
    element(TAG.sequence, text(TAG.utcTime, NOT_BEFORE), text(TAG.utcTime, NOT_AFTER)),
    name(),
    publicKeyInfo,
  );
  const signature = sign("sha256", content, privateKey);
  const unusedBits = Uint8Array.of(0);
  return {
    der: element(
      TAG.sequence,
      content,
      algorithm,
      element(TAG.bitString, unusedBits, signature),
    ),
    keyPem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

/** Positive and without leading zeros, as DER wants it. */
function serialOf(publicKeyInfo: Uint8Array): Uint8Array {
  const serial = createHash("sha256").update(publicKeyInfo).digest().subarray(0, SERIAL_BYTES);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

function name(): Uint8Array {
  const type = element(TAG.objectIdentifier, COMMON_NAME);
  return element(
    TAG.sequence,
    element(TAG.set, element(TAG.sequence, type, text(TAG.utf8String, NAME))),
  );
}

function text(tag: number, value: string): Uint8Array {
  return element(tag, new TextEncoder().encode(value));
}

/** Tag, length (X.690 §8.1.3, at most 65,535) and contents. */
function element(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, { length }) => sum + length, 0);
  const head = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const content of contents) {
    bytes.set(content, at);
    at += content.length;
  }
  return bytes;
}
