import assert from "node:assert/strict";
import { type Log, silentLog } from "../../../lib/base/platform.ts";
import { createCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import { type NamedFiles, WatchedCertificate } from "../../../lib/server/watched_certificate.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const PATHS = { cert_file: "c", key_file: "k" };

function pair() {
  const { certPem, keyPem } = createCertificate();
  return { c: certPem, k: keyPem };
}

function world(contents: Record<string, string>) {
  const said: string[] = [];
  const log: Log = {
    ...silentLog,
    info: (message) => said.push(`info: ${message}`),
    error: (message) => said.push(`error: ${message}`),
  };
  const platform = new VirtualPlatform(1, log);
  const files: NamedFiles = {
    read(path) {
      const text = contents[path];
      if (text === undefined) throw new Error(`${path} is gone`);
      return text;
    },
  };
  return { platform, said, open: () => new WatchedCertificate("tls", PATHS, platform, files) };
}

Deno.test("WatchedCertificate refuses to begin with what is no certificate and its key", () => {
  const [one, other] = [pair(), pair()];
  const broken = [{}, { c: one.c }, { c: "no", k: one.k }, { c: one.c, k: "no" }, {
    c: one.c,
    k: other.k,
  }];
  for (const contents of broken) {
    assert.throws(world(contents as Record<string, string>).open, {
      code: "invalid_config",
      message: /^tls\.cert_file, tls\.key_file: ./,
    });
  }
  assert.equal(world(one).open().current.cert, one.c);
});

Deno.test("WatchedCertificate tells all who watch of a renewed pair, and of nothing that is broken", () => {
  const [old, renewed] = [pair(), pair()];
  const contents: Record<string, string> = { ...old };
  const { platform, said, open } = world(contents);
  const certificate = open();
  const told: string[][] = [[], []];
  const cancels = told.map((list) => certificate.watch(({ cert }) => list.push(cert)));
  platform.advance(60_000);
  assert.deepEqual(told, [[], []]);
  // Whoever renews writes one file after the other.
  contents.c = renewed.c;
  platform.advance(60_000);
  assert.deepEqual(told, [[], []]);
  assert.equal(certificate.current.cert, old.c);
  contents.k = renewed.k;
  platform.advance(20_000);
  assert.deepEqual(told, [[renewed.c], [renewed.c]]);
  delete contents.k;
  platform.advance(60_000);
  assert.equal(certificate.current.cert, renewed.c);
  Object.assign(contents, old);
  cancels[0]!();
  platform.advance(20_000);
  assert.deepEqual(told, [[renewed.c], [renewed.c, old.c]]);
  cancels[1]!();
  const unusable = "error: certificate cannot be used, the old one stays";
  assert.deepEqual(said, [
    unusable,
    "info: certificate renewed",
    unusable,
    "info: certificate renewed",
  ]);
});
