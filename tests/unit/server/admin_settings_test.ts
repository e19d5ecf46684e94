import assert from "node:assert/strict";
import { SfuError } from "../../../lib/base/errors.ts";
import { adminEntry, adminLink, isPasswordInClear } from "../../../lib/server/admin_settings.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";

const entry = (raw: Record<string, unknown>) => adminEntry(parseConfig(raw));

Deno.test("operators have a page in development, and elsewhere where the configuration says so", () => {
  const password = "correct horse battery";
  assert.equal(entry({}), undefined);
  assert.equal(entry({ development: true }), "open");
  assert.equal(entry({ development: true, admin: { password } }), "password");
  assert.equal(entry({ admin: { password } }), "password");
  assert.equal(entry({ admin: { enabled: true } }), "token");
  assert.equal(entry({ development: true, admin: { enabled: false } }), undefined);
  assert.equal(entry({ admin: { enabled: false, password } }), undefined);
});

Deno.test("a password that can be guessed is refused, and not repeated", () => {
  assert.throws(
    () => entry({ admin: { password: "hunter2" } }),
    (error) =>
      error instanceof SfuError && error.code === "invalid_config" &&
      error.message === "admin.password: expected 12 characters or more",
  );
});

Deno.test("a password without TLS, and without a proxy that has it, is warned of", () => {
  const admin = { password: "correct horse battery" };
  const inClear = (raw: Record<string, unknown>) => isPasswordInClear(parseConfig(raw));
  assert.equal(inClear({ admin }), true);
  assert.equal(inClear({ admin: { enabled: true } }), false, "tokens need not be typed");
  assert.equal(inClear({ admin, tls: { cert_file: "c", key_file: "k" } }), false);
  assert.equal(inClear({ admin, proxies: { forwarded_for: ["10.0.0.0/8"] } }), false);
  assert.equal(inClear({}), false);
});

Deno.test("the link leads to the page, with a token where no server sees it", () => {
  assert.equal(adminLink(parseConfig({ port: 7000 })), "http://localhost:7000/admin");
  const tls = { cert_file: "c", key_file: "k", port: 443 };
  assert.equal(adminLink(parseConfig({ tls }), "a.b.c"), "https://localhost:443/admin#token=a.b.c");
});
