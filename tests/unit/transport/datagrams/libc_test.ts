import assert from "node:assert/strict";
import { openLibc } from "../../../../lib/transport/datagrams/libc.ts";
import { mustIgnoreNative } from "../../../support/wire/datagram_peers.ts";

const LIBC = new URL("../../../../lib/transport/datagrams/libc.ts", import.meta.url).href;
const isLinux = Deno.build.os === "linux";

Deno.test({
  name: "openLibc() opens glibc and has its version",
  ignore: mustIgnoreNative(),
  fn() {
    const result = openLibc();
    assert.ok(result.ok);
    assert.match(result.libc.version, /^glibc 2\.\d+$/);
  },
});

Deno.test({
  name: "openLibc() says which library or call is missing",
  ignore: mustIgnoreNative(),
  fn() {
    const missing = openLibc("libroomwire-is-not-there.so.7");
    assert.ok(!missing.ok);
    assert.equal(
      missing.reason,
      "cannot open libroomwire-is-not-there.so.7: libroomwire-is-not-there.so.7: " +
        "cannot open shared object file: No such file or directory",
    );
    // A library that is there and lacks the calls, as another version or musl would. It needs no
    // other library, so the calls are not found by way of one.
    const name = Deno.build.arch === "aarch64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2";
    const other = openLibc(name);
    assert.ok(!other.ok);
    assert.ok(other.reason.startsWith(`cannot open ${name}: `), other.reason);
    assert.match(other.reason, /undefined symbol: \w+$/);
  },
});

Deno.test({
  name: "openLibc() says that a file is no library",
  ignore: mustIgnoreNative(),
  async fn() {
    const path = await Deno.makeTempFile({ suffix: ".so" });
    await Deno.writeTextFile(path, "This is text.");
    const result = openLibc(path);
    assert.ok(!result.ok);
    assert.match(result.reason, /(?:file too short|invalid ELF header)$/);
    await Deno.remove(path);
  },
});

Deno.test({
  name: "openLibc() says that a permission is missing, and asks for none",
  ignore: !isLinux,
  async fn() {
    const script = `import { openLibc } from ${JSON.stringify(LIBC)};
      console.log(JSON.stringify(openLibc()));`;
    for (const flags of [[], ["--allow-ffi=/lib"], ["--deny-ffi"]]) {
      const child = new Deno.Command(Deno.execPath(), {
        // Without --no-prompt, so that a question would be put, and answered with no.
        args: [
          "run",
          "--no-config",
          "--quiet",
          "--unstable-net",
          ...flags,
          `data:application/typescript,${encodeURIComponent(script)}`,
        ],
        stdin: "null",
      });
      const { stdout, stderr, success } = await child.output();
      assert.ok(success, new TextDecoder().decode(stderr));
      // Nothing was asked, and nothing complained.
      assert.equal(new TextDecoder().decode(stderr), "");
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
        ok: false,
        reason: "no permission (--allow-ffi)",
      });
    }
  },
});
