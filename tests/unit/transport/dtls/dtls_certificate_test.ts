import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, X509Certificate } from "node:crypto";
import {
  createCertificate,
  matchesFingerprint,
} from "../../../../lib/transport/dtls/dtls_certificate.ts";

Deno.test("createCertificate() gives a P-256 certificate and its fingerprint", () => {
  const { certPem, certDer, fingerprint } = createCertificate();
  const certificate = new X509Certificate(certPem);
  assert.deepEqual(certDer, new Uint8Array(certificate.raw));
  assert.equal(certificate.publicKey.asymmetricKeyType, "ec");
  assert.deepEqual(fingerprint, { algorithm: "sha-256", value: certificate.fingerprint256 });
});

Deno.test("matchesFingerprint() takes SHA-2 in either case and nothing else", () => {
  const der = Buffer.from("a certificate");
  const value = (hash: string) =>
    createHash(hash).update(der).digest("hex").match(/../g)!.join(":");
  for (
    const [algorithm, hash] of [["sha-256", "sha256"], ["SHA-384", "sha384"], ["sha-512", "sha512"]]
  ) {
    const print = value(hash!);
    assert.ok(matchesFingerprint(der, [{ algorithm: algorithm!, value: print }]));
    assert.ok(matchesFingerprint(der, [{ algorithm: algorithm!, value: print.toUpperCase() }]));
    const other = print.slice(0, -1) + (print.endsWith("0") ? "1" : "0");
    assert.equal(matchesFingerprint(der, [{ algorithm: algorithm!, value: other }]), false);
    assert.equal(
      matchesFingerprint(der, [{ algorithm: algorithm!, value: print.slice(3) }]),
      false,
    );
  }
  assert.equal(matchesFingerprint(der, [{ algorithm: "sha-1", value: value("sha1") }]), false);
  assert.equal(matchesFingerprint(der, [{ algorithm: "toString", value: "" }]), false);
  assert.equal(matchesFingerprint(der, []), false);
});
