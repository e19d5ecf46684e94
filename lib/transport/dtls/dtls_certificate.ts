/**
 * The one self-signed certificate of this process, and the check of a peer's certificate against
 * the fingerprints of its description (RFC 8122 §5).
 *
 * Only SHA-2 fingerprints count: an algorithm this module does not know never matches.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import type { DtlsFingerprint } from "../../base/media_vocabulary.ts";
import { selfSignedCertificate } from "./self_signed_certificate.ts";

/** A certificate with its key, as the DTLS handshake needs them. */
export interface DtlsCertificate {
  readonly certPem: string;
  readonly keyPem: string;
  /** The certificate as it is sent. */
  readonly certDer: Uint8Array;
  /** What goes into `a=fingerprint`. */
  readonly fingerprint: DtlsFingerprint;
}

/** Hash functions of RFC 8122 §5 that are still sound, by their SDP names, with digest length. */
const FINGERPRINT_HASHES: Readonly<Record<string, { name: string; bytes: number }>> = {
  "sha-256": { name: "sha256", bytes: 32 },
  "sha-384": { name: "sha384", bytes: 48 },
  "sha-512": { name: "sha512", bytes: 64 },
};

/** Makes a P-256 key and a self-signed certificate for it. */
export function createCertificate(): DtlsCertificate {
  const { der: certDer, keyPem } = selfSignedCertificate();
  return {
    certPem: pemOf(certDer),
    keyPem,
    certDer,
    fingerprint: fingerprintOf(certDer),
  };
}

/** The `sha-256` fingerprint of a DER certificate, upper-case hex pairs joined by colons. */
function fingerprintOf(der: Uint8Array): DtlsFingerprint {
  const hex = createHash("sha256").update(der).digest("hex").toUpperCase();
  return { algorithm: "sha-256", value: hex.match(/../g)!.join(":") };
}

/** Whether `der` is the certificate that at least one of `fingerprints` names (RFC 8122 §5). */
export function matchesFingerprint(
  der: Uint8Array,
  fingerprints: readonly DtlsFingerprint[],
): boolean {
  return fingerprints.some(({ algorithm, value }) => {
    const hash = Object.hasOwn(FINGERPRINT_HASHES, algorithm.toLowerCase())
      ? FINGERPRINT_HASHES[algorithm.toLowerCase()]
      : undefined;
    if (hash === undefined) return false;
    const wanted = Buffer.from(value.replaceAll(":", ""), "hex");
    if (wanted.length !== hash.bytes) return false;
    return timingSafeEqual(createHash(hash.name).update(der).digest(), wanted);
  });
}

/** A certificate as text (RFC 7468 §5). */
function pemOf(der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
