import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPrivateKey, sign } from "node:crypto";
import { createCertificate, pemToDer } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import {
  isSameSecret,
  isSignedBy,
  SIGNATURE_SCHEME,
  signWith,
} from "../../../../lib/transport/dtls/dtls_signatures.ts";

const { ecdsaSha256, rsaSha256 } = SIGNATURE_SCHEME;
const DATA = new TextEncoder().encode("what was said");
const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null" }).output()
  .then((done) => done.success, () => false);

Deno.test("isSignedBy() takes our own signature, and none of another key, data or scheme", async () => {
  const [ours, other] = await Promise.all([createCertificate(), createCertificate()]);
  const der = pemToDer(ours.certPem);
  const signature = signWith(ours, DATA);
  assert.equal(isSignedBy(der, ecdsaSha256, DATA, signature), true);
  assert.equal(isSignedBy(pemToDer(other.certPem), ecdsaSha256, DATA, signature), false);
  assert.equal(isSignedBy(der, ecdsaSha256, DATA.subarray(1), signature), false);
  assert.equal(isSignedBy(der, rsaSha256, DATA, signature), false);
  assert.equal(isSignedBy(der, 0x0203, DATA, signature), false, "SHA-1");
  assert.equal(isSignedBy(der.subarray(1), ecdsaSha256, DATA, signature), false);
  assert.equal(isSignedBy(new Uint8Array(0), ecdsaSha256, DATA, signature), false);
  assert.equal(isSignedBy(der, ecdsaSha256, DATA, new Uint8Array(0)), false);
});

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
      const der = pemToDer(/-----BEGIN CERT[^]*?END CERTIFICATE-----/.exec(pem)![0]);
      const signature = sign("sha256", Buffer.from(DATA), key);
      assert.equal(isSignedBy(der, rsaSha256, DATA, signature), expected, `${bits} bits`);
      assert.equal(isSignedBy(der, ecdsaSha256, DATA, signature), false);
    }
  },
});

Deno.test("isSameSecret() compares whole values", () => {
  assert.equal(isSameSecret(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
  assert.equal(isSameSecret(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
  assert.equal(isSameSecret(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
});
