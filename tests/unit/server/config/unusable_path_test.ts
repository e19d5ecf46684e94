import assert from "node:assert/strict";
import { unusablePath } from "../../../../lib/server/config/unusable_path.ts";

Deno.test("who may not write somewhere is told in one line what to start the program with", () => {
  const denied = new Deno.errors.NotCapable("Requires write access");
  const { message, code } = unusablePath("ingress.file", ["/var/keys", "/var/keys.new"], denied);
  assert.equal(code, "invalid_config");
  assert.equal(
    message,
    "ingress.file: cannot be used: the program may not use /var/keys; " +
      "start it with --allow-read and --allow-write=/var/keys,/var/keys.new",
  );
});

Deno.test("any other obstacle is said in one line, without where in the program it was met", () => {
  const error = new Error("Not a directory (os error 20)\nsecond line");
  const { message } = unusablePath("recording.directory", ["/var/x"], error);
  assert.equal(message, "recording.directory: cannot be used: Not a directory (os error 20)");
});
