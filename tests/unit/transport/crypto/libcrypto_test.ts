import assert from "node:assert/strict";
import { SfuError } from "../../../../lib/base/errors.ts";
import {
  isKnownVersion,
  Libcrypto,
  type LibcryptoCalls,
  openLibcrypto,
} from "../../../../lib/transport/crypto/libcrypto.ts";
import { addressOf } from "../../../../lib/transport/crypto/native_address.ts";
import { nativeRecordCipherFactory } from "../../../../lib/transport/crypto/native_record_cipher.ts";
import { portableRecordCipher } from "../../../../lib/transport/crypto/portable_record_cipher.ts";
import { passesRecordSelfTest } from "../../../../lib/transport/crypto/record_self_test.ts";
import { nativeCipherFactory } from "../../../../lib/transport/srtp/native_srtp.ts";
import {
  chooseMediaCrypto,
  nativeCrypto,
  PORTABLE_CRYPTO,
} from "../../../../lib/transport/media_crypto.ts";
import { SRTP_PROFILE } from "../../../../lib/transport/srtp/srtp_keys.ts";
import { passesSelfTest } from "../../../../lib/transport/srtp/srtp_self_test.ts";
import { LIBCRYPTO } from "../../../support/media/srtp_twins.ts";

const ignore = LIBCRYPTO === undefined;
// Opened here, as it stays open: the sanitizer takes what a test opens for a leak.
const chosen = chooseMediaCrypto("auto");

/** Prints what the choice is, in a process with no more permissions than it is given. */
async function chooseElsewhere(flags: readonly string[], native: string): Promise<string> {
  const module = new URL("../../../../lib/transport/media_crypto.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...flags, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`
    import { chooseMediaCrypto } from ${JSON.stringify(module)};
    try {
      const { name, detail } = chooseMediaCrypto(${JSON.stringify(native)});
      console.log(name, detail);
    } catch (error) {
      console.log(error.code, error.message);
    }
  `));
  await writer.close();
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

Deno.test("openLibcrypto() says why there is no library, and opens the first that is there", {
  ignore,
}, () => {
  const none = openLibcrypto(["libnowhere.so.9", "libnothing.so.8"]);
  assert.ok(!none.ok);
  assert.match(none.reason, /^libnowhere\.so\.9: cannot open .*; libnothing\.so\.8: cannot open /);
  const wrong = openLibcrypto(["libc.so.6"]);
  assert.ok(!wrong.ok);
  assert.match(wrong.reason, /libc\.so\.6: undefined symbol: \w+/);
});

Deno.test("A process ends well while its workers compute with libcrypto", { ignore }, async () => {
  const program = new URL("../../../support/media/computing_worker.ts", import.meta.url).href;
  const args = ["run", "--no-prompt", "--no-check", "--allow-all", program];
  // Where the library cleaned up, three of ten such processes were ended by a damaged heap.
  for (let i = 0; i < 10; i++) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }
});

Deno.test("isKnownVersion() takes 1.1 and every 3", () => {
  const known = (major: bigint, minor: bigint) => isKnownVersion((major << 28n) | (minor << 20n));
  assert.deepEqual([known(1n, 1n), known(3n, 0n), known(3n, 99n)], [true, true, true]);
  assert.deepEqual([known(0n, 9n), known(1n, 0n), known(4n, 0n)], [false, false, false]);
});

Deno.test("chooseMediaCrypto() takes native ciphers, and AEAD first with them", { ignore }, () => {
  assert.equal(chosen.name, "native");
  assert.match(chosen.detail, /^OpenSSL \d/);
  assert.equal(chosen.srtpProfiles[0], SRTP_PROFILE.aeadAes128Gcm);
  assert.equal(chooseMediaCrypto("require"), chosen);
});

Deno.test("chooseMediaCrypto() keeps native code out when told so, and AES-CM first then", () => {
  assert.equal(chooseMediaCrypto("off"), PORTABLE_CRYPTO);
  assert.equal(PORTABLE_CRYPTO.srtpProfiles[0], SRTP_PROFILE.aes128CmSha1_80);
});

Deno.test("native and portable ciphers offer all profiles", () => {
  for (const { srtpProfiles } of [chosen, PORTABLE_CRYPTO]) {
    assert.deepEqual([...srtpProfiles].sort(), Object.values(SRTP_PROFILE).sort());
  }
});

Deno.test("chooseMediaCrypto() without the permission falls back, or fails if it must not", async () => {
  assert.match(await chooseElsewhere([], "auto"), /^portable libcrypto: .*--allow-ffi|not used on/);
  assert.match(
    await chooseElsewhere([], "require"),
    /^native_unavailable Cannot use native SRTP: libcrypto: /,
  );
  assert.match(await chooseElsewhere([], "off"), /^portable native code is off$/);
});

Deno.test("chooseMediaCrypto() needs no permission besides --allow-ffi", { ignore }, async () => {
  assert.match(await chooseElsewhere(["--allow-ffi"], "require"), /^native OpenSSL \d/);
});

Deno.test("nativeCrypto() hands the reason on", () => {
  const result = nativeCrypto({ ok: false, reason: "no such file" });
  assert.deepEqual(result, { ok: false, reason: "libcrypto: no such file" });
  assert.equal(new SfuError("native_unavailable", "x").code, "native_unavailable");
});

Deno.test("Libcrypto refuses a key of the wrong length and keeps nothing of it", { ignore }, () => {
  const before = LIBCRYPTO!.contexts;
  const key = (length: number) => new Uint8Array(length);
  assert.throws(() => LIBCRYPTO!.newContext("aes-128-ctr", key(15)), /aes-128-ctr takes 16/);
  assert.throws(() => LIBCRYPTO!.newContext("aes-256-gcm", key(16)), /aes-256-gcm takes 32/);
  assert.throws(() => LIBCRYPTO!.newContextPair("aes-128-gcm", key(16), key(32)), /takes 16/);
  assert.equal(LIBCRYPTO!.contexts, before);
});

Deno.test("SRTP works without the calls that OpenSSL 1.1 does not have", { ignore }, () => {
  const old = new Libcrypto({
    ...LIBCRYPTO!.calls,
    EVP_CIPHER_CTX_get_params: null,
    EVP_CIPHER_CTX_set_params: null,
  });
  assert.equal(passesSelfTest(nativeCipherFactory(old)), true);
  assert.equal(old.contexts, 0);
});

Deno.test("nativeCrypto() starts each packet anew where libcrypto takes no whole nonces", {
  ignore,
}, () => {
  const { calls } = LIBCRYPTO!;
  let refused = 0;
  const library = new Libcrypto({
    ...calls,
    // As where the parameter has another meaning: it is taken, and nothing comes of it.
    EVP_CIPHER_CTX_set_params: (context: bigint, params: bigint) => {
      if (parameterNames(params).at(-1) !== "tlsivfixed") {
        return calls.EVP_CIPHER_CTX_set_params!(context, params);
      }
      refused++;
      return 1;
    },
  } as LibcryptoCalls);
  assert.equal(passesSelfTest(nativeCipherFactory(library)), false);
  assert.ok(refused > 0);
  const result = nativeCrypto({ ok: true, library });
  assert.ok(result.ok);
  refused = 0;
  assert.equal(passesSelfTest(result.crypto.srtpCipherFactory), true);
  assert.equal(refused, 0);
});

/** Names in a list of libcrypto's parameters (`OSSL_PARAM`, 40 bytes each), in their order. */
function parameterNames(params: bigint): string[] {
  const names: string[] = [];
  for (let at = params;; at += 40n) {
    const param = new Deno.UnsafePointerView(Deno.UnsafePointer.create(at)!);
    const name = Deno.UnsafePointer.create(param.getBigUint64());
    if (name === null) return names;
    names.push(Deno.UnsafePointerView.getCString(name));
  }
}

Deno.test("Records work without the calls that OpenSSL 1.1 does not have", { ignore }, () => {
  const old = new Libcrypto({
    ...LIBCRYPTO!.calls,
    EVP_CIPHER_CTX_get_params: null,
    EVP_CIPHER_CTX_set_params: null,
    memcpy: null,
  });
  assert.equal(passesRecordSelfTest(nativeRecordCipherFactory(old)), true);
  assert.equal(old.contexts, 0);
});

Deno.test("nativeCrypto() leaves records to the portable twin where libcrypto knows none", {
  ignore,
}, () => {
  const { calls } = LIBCRYPTO!;
  const library = new Libcrypto({
    ...calls,
    // As where TLS is not among what a cipher can.
    EVP_CIPHER_CTX_ctrl: (context: bigint, what: number, length: number, at: bigint) =>
      length === -1 ? 0 : calls.EVP_CIPHER_CTX_ctrl(context, what, length, at),
  } as LibcryptoCalls);
  const result = nativeCrypto({ ok: true, library });
  assert.ok(result.ok);
  assert.equal(result.crypto.recordCipherFactory, portableRecordCipher);
  assert.equal(passesRecordSelfTest(portableRecordCipher), true);
  assert.equal(library.contexts, 0);
});

Deno.test("nativeCrypto() refuses a library that computes something else", { ignore }, () => {
  const { calls } = LIBCRYPTO!;
  const wrong: Partial<LibcryptoCalls>[] = [
    { EVP_CIPHER_CTX_get_params: () => 1 },
    { EVP_aes_256_gcm: calls.EVP_aes_128_gcm },
    { SHA1_Transform: () => {} },
    { SHA1_Update: () => 1 },
    { EVP_CipherInit_ex: () => 0 },
    { EVP_CIPHER_CTX_new: () => 0n },
  ];
  for (const each of wrong) {
    const library = new Libcrypto({ ...calls, ...each } as LibcryptoCalls);
    const result = nativeCrypto({ ok: true, library });
    assert.ok(!result.ok, Object.keys(each)[0]);
    assert.match(result.reason, /^libcrypto: OpenSSL .* computes something else than SRTP$/);
    assert.equal(library.contexts, 0);
  }
});

Deno.test("addressOf() knows views of one buffer by their offsets", { ignore }, () => {
  const bytes = new Uint8Array(100);
  const base = addressOf(bytes);
  assert.equal(addressOf(bytes), base);
  assert.equal(addressOf(bytes.subarray(33)), base + 33n);
  assert.equal(addressOf(new Uint8Array(bytes.buffer, 7, 1)), base + 7n);
  const view = new Deno.UnsafePointerView(Deno.UnsafePointer.create(base + 41n)!);
  bytes[41] = 200;
  assert.equal(view.getUint8(), 200);
});
