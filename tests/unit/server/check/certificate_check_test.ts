import assert from "node:assert/strict";
import {
  certificateFindings,
  type CertificateToCheck,
} from "../../../../lib/server/check/certificate_check.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { TestAuthority } from "../../../support/process/certificates.ts";
import { mustIgnore } from "../../../support/process/e2e_requirements.ts";

const DAY_MS = 86_400_000;

Deno.test({
  name: "certificateFindings() names dates, names, keys and chains that are wrong",
  ignore: mustIgnore(["openssl"]),
  async fn() {
    await using authority = await TestAuthority.make();
    const own = await authority.issue("own", ["DNS:turn.example.org", "DNS:*.example.net"]);
    const other = await authority.issue("other");
    const now = Date.now();
    const whole = {
      section: "turn",
      cert: `${own.cert}${authority.cert}`,
      key: own.key,
      name: "turn.example.org",
    };
    const find = (change: Partial<CertificateToCheck> = {}, days = 0) =>
      certificateFindings({ ...whole, ...change }, now + days * DAY_MS);
    const only = (...args: Parameters<typeof find>) => {
      const found = find(...args);
      assert.equal(found.length, 1, JSON.stringify(found));
      assert.equal(found[0]!.state === "ok", found[0]!.fix === undefined);
      return `${found[0]!.state}: ${found[0]!.what}`;
    };
    assert.match(only(), /^ok: .*turn\.example\.org, \*\.example\.net until 20/);
    assert.match(only({ name: "eu.example.net" }), /^ok/);
    assert.match(only({ name: "TURN.example.ORG" }), /^ok/);
    assert.match(only({ name: "a.eu.example.net" }), /^problem: .*clients ask for a\.eu/);
    assert.match(only({ name: "example.net" }), /^problem: .*clients ask for/);
    assert.match(only({}, 20), /^warning: .*expires in 9 days/);
    assert.match(only({}, 40), /^problem: .*expired on/);
    assert.match(only({}, -2), /^problem: .*valid from/);
    assert.match(only({ key: other.key }), /^problem: .*not the key/);
    assert.match(only({ key: "no" }), /^problem: .*no private key/);
    assert.match(only({ cert: "no" }), /^problem: .*no certificate/);
    assert.match(only({ cert: own.cert }), /^warning: .*no intermediate/);
    const { certPem, keyPem } = createCertificate();
    const itself = certificateFindings({ section: "tls", cert: certPem, key: keyPem }, now);
    assert.ok(itself.some(({ state, what }) => state === "warning" && /by itself/.test(what)));
  },
});
