import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from "node:crypto";
import { selfSignedCertificate } from "../../../../lib/transport/dtls/self_signed_certificate.ts";

Deno.test("selfSignedCertificate() is what its own key signed, by a reader that is not ours", () => {
  const { der, keyPem } = selfSignedCertificate();
  const certificate = new X509Certificate(der);
  assert.deepEqual(new Uint8Array(certificate.raw), der, "nothing stands behind it");
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(certificate.publicKey.asymmetricKeyType, "ec");
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  const message = new TextEncoder().encode("signed by the private key");
  const key = createPrivateKey(keyPem);
  assert.ok(verify("sha256", message, certificate.publicKey, sign("sha256", message, key)));
  const spki = { format: "der", type: "spki" } as const;
  assert.deepEqual(createPublicKey(key).export(spki), certificate.publicKey.export(spki));
});

Deno.test("selfSignedCertificate() says nothing about who made it, and when", () => {
  const { subject, issuer, validFromDate, validToDate } = new X509Certificate(
    selfSignedCertificate().der,
  );
  assert.equal(subject, "CN=WebRTC");
  assert.equal(issuer, "CN=WebRTC");
  assert.equal(validFromDate.toISOString(), "2020-01-01T00:00:00.000Z");
  assert.equal(validToDate.toISOString(), "2049-12-31T23:59:59.000Z");
});

Deno.test("selfSignedCertificate() has another positive serial number for every key", () => {
  const serials = Array.from(
    { length: 20 },
    () => new X509Certificate(selfSignedCertificate().der).serialNumber,
  );
  assert.equal(new Set(serials).size, serials.length);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
});
