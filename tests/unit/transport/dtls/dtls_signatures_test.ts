import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { p256PointOf } from "../../../../lib/transport/dtls/certificate_key.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import {
  isSameSecret,
  isSignedBy,
  SIGNATURE_SCHEME,
  signWith,
} from "../../../../lib/transport/dtls/dtls_signatures.ts";
import { HANDSHAKE_TWINS } from "../../../support/media/handshake_twins.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { mutate } from "../../../support/hostile/mutate.ts";

const PORTABLE = HANDSHAKE_TWINS[0]!.crypto;
const { ecdsaSha256, rsaSha256 } = SIGNATURE_SCHEME;
const DATA = new TextEncoder().encode("what was said");
const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null" }).output()
  .then((done) => done.success, () => false);

for (const { name, crypto } of HANDSHAKE_TWINS) {
  Deno.test(`isSignedBy() with ${name} crypto takes our own signature, and none of another key, data or scheme`, async () => {
    const [ours, other] = [createCertificate(), createCertificate()];
    const der = ours.certDer;
    const signature = signWith(ours, DATA, crypto);
    const taken = (by: Uint8Array, scheme: number, data: Uint8Array, proof: Uint8Array) =>
      isSignedBy(by, scheme, data, proof, crypto);
    assert.equal(taken(der, ecdsaSha256, DATA, signature), true);
    assert.equal(taken(other.certDer, ecdsaSha256, DATA, signature), false);
    assert.equal(taken(der, ecdsaSha256, DATA.subarray(1), signature), false);
    assert.equal(taken(der, rsaSha256, DATA, signature), false);
    assert.equal(taken(der, 0x0203, DATA, signature), false, "SHA-1");
    assert.equal(taken(der.subarray(1), ecdsaSha256, DATA, signature), false);
    assert.equal(taken(new Uint8Array(0), ecdsaSha256, DATA, signature), false);
    assert.equal(taken(der, ecdsaSha256, DATA, new Uint8Array(0)), false);
  });
}

Deno.test({
  name: "isSignedBy() takes RSA of usual size, and spends no time on giants",
  ignore: !hasOpenssl,
  fn: async () => {
    for (const [bits, expected] of [[2048, true], [4104, false]] as const) {
      const { stdout } = await new Deno.Command("openssl", {
        args: `req -x509 -newkey rsa:${bits} -nodes -keyout - -subj /CN=x`.split(" "),
        stdout: "piped",
        stderr: "null",
      }).output();
      const pem = new TextDecoder().decode(stdout);
      const key = createPrivateKey(/-----BEGIN PRIVATE[^]*?END PRIVATE KEY-----/.exec(pem)![0]);
      const der = new Uint8Array(
        new X509Certificate(/-----BEGIN CERT[^]*?END CERTIFICATE-----/.exec(pem)![0]).raw,
      );
      const signature = sign("sha256", Buffer.from(DATA), key);
      assert.equal(isSignedBy(der, rsaSha256, DATA, signature, PORTABLE), expected, `${bits} bits`);
      assert.equal(isSignedBy(der, ecdsaSha256, DATA, signature, PORTABLE), false);
    }
  },
});

Deno.test("isSameSecret() compares whole values", () => {
  assert.equal(isSameSecret(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
  assert.equal(isSameSecret(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
  assert.equal(isSameSecret(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
});

Deno.test("p256PointOf() finds the key of a certificate, and none in what is changed or cut", async () => {
  const { certDer, certPem } = createCertificate();
  const { x, y } = new X509Certificate(certPem).publicKey.export({ format: "jwk" });
  const point = Buffer.concat([
    Buffer.of(4),
    Buffer.from(x!, "base64url"),
    Buffer.from(y!, "base64url"),
  ]);
  assert.deepEqual(p256PointOf(certDer), new Uint8Array(point));
  const after = certDer.length -
    (certDer.toHex().length - certDer.toHex().indexOf(point.toHex())) / 2;
  for (let length = 0; length < after + 65; length++) {
    assert.equal(p256PointOf(certDer.subarray(0, length)), undefined, `${length} bytes`);
  }
  const random = new SeededRandom(5);
  for (let i = 0; i < 20_000; i++) {
    const found = p256PointOf(mutate(random, certDer));
    assert.ok(found === undefined || found.length === 65);
  }
});
