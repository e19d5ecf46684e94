/**
 * OpenSSL's libcrypto through the foreign function interface: the few calls SRTP needs, and the
 * cipher contexts they work on.
 *
 * Contract: opening neither throws nor asks for a permission; where the library cannot be used, the
 * result says why. Every context is freed by who made it, and they are counted.
 *
 * Addresses are `bigint`s, which the packet path has nowhere else. Measured on Deno 2.9.6, a call
 * with such a parameter takes 3 ns, with a plain number 87 ns (never the fast path), with a byte
 * array 9 ns and a view to be made for every offset. Optimized code keeps sums of addresses in
 * machine words, so they allocate nothing, if it can see that what is added has 32 bits:
 * `BigInt(offset | 0)` makes no object, where `BigInt(offset)` makes one of 24 bytes.
 *
 * @module
 */
import { addressOf } from "./native_address.ts";

/** Names to try, in order. Both have the calls below, with the same meaning. */
const LIBRARY_NAMES = ["libcrypto.so.3", "libcrypto.so.1.1"] as const;
/** 1.1.0, in the version number's form `0xMNNFFPPS`. */
const OLDEST_VERSION = 0x1010_0000n;
/** Past every 3.x, which counts `0xMNN00PP0`. */
const NEXT_MAJOR = 0x4000_0000n;

/** `OPENSSL_INIT_NO_ATEXIT` of `openssl/crypto.h`. */
const NO_CLEANUP_AT_EXIT = 0x0008_0000n;

const SYMBOLS = {
  OPENSSL_init_crypto: { parameters: ["u64", "usize"], result: "i32" },
  OpenSSL_version_num: { parameters: [], result: "usize" },
  OpenSSL_version: { parameters: ["i32"], result: "pointer" },
  EVP_aes_128_ctr: { parameters: [], result: "usize" },
  EVP_aes_128_gcm: { parameters: [], result: "usize" },
  EVP_aes_256_gcm: { parameters: [], result: "usize" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "usize" },
  EVP_CIPHER_CTX_free: { parameters: ["usize"], result: "void" },
  /** Context, cipher, engine, key, IV, 1 to encrypt; an address of 0 leaves what was set before. */
  EVP_CipherInit_ex: {
    parameters: ["usize", "usize", "usize", "usize", "usize", "i32"],
    result: "i32",
  },
  /**
   * Context, output, input, length: the cipher itself, without the buffering of `EVP_CipherUpdate`.
   */
  EVP_Cipher: { parameters: ["usize", "usize", "usize", "u32"], result: "i32" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["usize", "i32", "i32", "usize"], result: "i32" },
  /** Since 3.0, and cheaper than the same by `EVP_CIPHER_CTX_ctrl`. */
  EVP_CIPHER_CTX_get_params: { parameters: ["usize", "usize"], result: "i32", optional: true },
  EVP_CIPHER_CTX_set_params: { parameters: ["usize", "usize"], result: "i32", optional: true },
  /** The C library's, which this one stands on: to where, from where, and how many bytes. */
  memcpy: { parameters: ["usize", "usize", "usize"], result: "usize", optional: true },
  /** From here to `EVP_PKEY_derive`: handshakes alone need them, where they are there. */
  RAND_bytes: { parameters: ["buffer", "i32"], result: "i32", optional: true },
  SHA256: { parameters: ["buffer", "usize", "buffer"], result: "usize", optional: true },
  EVP_sha256: { parameters: [], result: "usize", optional: true },
  HMAC: {
    parameters: ["usize", "buffer", "i32", "buffer", "usize", "buffer", "usize"],
    result: "usize",
    optional: true,
  },
  EC_KEY_new_by_curve_name: { parameters: ["i32"], result: "usize", optional: true },
  EC_KEY_free: { parameters: ["usize"], result: "void", optional: true },
  EC_KEY_generate_key: { parameters: ["usize"], result: "i32", optional: true },
  EC_KEY_oct2key: {
    parameters: ["usize", "buffer", "usize", "usize"],
    result: "i32",
    optional: true,
  },
  EC_KEY_oct2priv: { parameters: ["usize", "buffer", "usize"], result: "i32", optional: true },
  EC_KEY_priv2oct: { parameters: ["usize", "buffer", "usize"], result: "usize", optional: true },
  EC_KEY_get0_group: { parameters: ["usize"], result: "usize", optional: true },
  EC_KEY_get0_public_key: { parameters: ["usize"], result: "usize", optional: true },
  EC_POINT_point2oct: {
    parameters: ["usize", "usize", "i32", "buffer", "usize", "usize"],
    result: "usize",
    optional: true,
  },
  ECDH_compute_key: {
    parameters: ["buffer", "usize", "usize", "usize", "usize"],
    result: "i32",
    optional: true,
  },
  ECDSA_sign: {
    parameters: ["i32", "buffer", "i32", "buffer", "usize", "usize"],
    result: "i32",
    optional: true,
  },
  ECDSA_verify: {
    parameters: ["i32", "buffer", "i32", "buffer", "i32", "usize"],
    result: "i32",
    optional: true,
  },
  EVP_PKEY_new_raw_private_key: {
    parameters: ["i32", "usize", "buffer", "usize"],
    result: "usize",
    optional: true,
  },
  EVP_PKEY_new_raw_public_key: {
    parameters: ["i32", "usize", "buffer", "usize"],
    result: "usize",
    optional: true,
  },
  EVP_PKEY_get_raw_public_key: {
    parameters: ["usize", "buffer", "usize"],
    result: "i32",
    optional: true,
  },
  EVP_PKEY_free: { parameters: ["usize"], result: "void", optional: true },
  EVP_PKEY_CTX_new: { parameters: ["usize", "usize"], result: "usize", optional: true },
  EVP_PKEY_CTX_free: { parameters: ["usize"], result: "void", optional: true },
  EVP_PKEY_derive_init: { parameters: ["usize"], result: "i32", optional: true },
  EVP_PKEY_derive_set_peer: { parameters: ["usize", "usize"], result: "i32", optional: true },
  EVP_PKEY_derive: { parameters: ["usize", "buffer", "usize"], result: "i32", optional: true },
  SHA1_Update: { parameters: ["usize", "usize", "usize"], result: "i32" },
  SHA1_Final: { parameters: ["usize", "usize"], result: "i32" },
  SHA1_Transform: { parameters: ["usize", "usize"], result: "void" },
} as const;

/** Every argument is an address or a number the caller has checked: these calls trust it. */
export type LibcryptoCalls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** AES in one mode; the number is the key's length in bits. */
export type NativeCipherName = "aes-128-ctr" | "aes-128-gcm" | "aes-256-gcm";

/** What opening gives: the library, or why there is none. */
export type LibcryptoResult =
  | { readonly ok: true; readonly library: Libcrypto }
  | { readonly ok: false; readonly reason: string };

/** An opened library. It stays loaded as long as the process lives. */
export class Libcrypto {
  /** For example `OpenSSL 3.0.19 27 Jan 2026`. */
  readonly version: string;
  readonly calls: LibcryptoCalls;
  readonly #ciphers: Readonly<Record<NativeCipherName, bigint>>;
  #contexts = 0;

  constructor(calls: LibcryptoCalls) {
    this.calls = calls;
    const version = calls.OpenSSL_version(0);
    this.version = version === null ? "OpenSSL" : Deno.UnsafePointerView.getCString(version);
    this.#ciphers = {
      "aes-128-ctr": calls.EVP_aes_128_ctr(),
      "aes-128-gcm": calls.EVP_aes_128_gcm(),
      "aes-256-gcm": calls.EVP_aes_256_gcm(),
    };
  }

  /** Contexts that were made and not freed. */
  get contexts(): number {
    return this.#contexts;
  }

  /**
   * A context that knows `key`, for both directions.
   *
   * @throws {Error} if the library has no memory or refuses the key.
   */
  newContext(cipher: NativeCipherName, key: Uint8Array): bigint {
    const { calls } = this;
    const bits = Number(cipher.slice(4, 7));
    if (key.length * 8 !== bits) {
      throw new Error(`Cannot set a key of ${key.length} bytes: ${cipher} takes ${bits / 8}`);
    }
    const context = calls.EVP_CIPHER_CTX_new();
    if (context === 0n) throw new Error("Cannot make a cipher context: libcrypto gave none");
    const keyAt = addressOf(key);
    if (calls.EVP_CipherInit_ex(context, this.#ciphers[cipher], 0n, keyAt, 0n, 1) !== 1) {
      calls.EVP_CIPHER_CTX_free(context);
      throw new Error(`Cannot set a key for ${cipher}: libcrypto refused it`);
    }
    this.#contexts++;
    return context;
  }

  /** Two contexts, or none: those of RTP and of RTCP. */
  newContextPair(
    cipher: NativeCipherName,
    rtpKey: Uint8Array,
    rtcpKey: Uint8Array,
  ): [rtp: bigint, rtcp: bigint] {
    const rtp = this.newContext(cipher, rtpKey);
    try {
      return [rtp, this.newContext(cipher, rtcpKey)];
    } catch (error) {
      this.freeContext(rtp);
      throw error;
    }
  }

  /** Overwrites the key and gives the memory back; once for each context. */
  freeContext(context: bigint): void {
    this.calls.EVP_CIPHER_CTX_free(context);
    this.#contexts--;
  }
}

/** Opens the first of `names` that is there and of a version we know. */
export function openLibcrypto(names: readonly string[] = LIBRARY_NAMES): LibcryptoResult {
  if (Deno.build.os !== "linux") return { ok: false, reason: `not used on ${Deno.build.os}` };
  // A query never prompts. Addresses need the permission as a whole, not one for single paths.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return { ok: false, reason: "no permission to load it (--allow-ffi)" };
  }
  const reasons: string[] = [];
  for (const name of names) {
    let library: Deno.DynamicLibrary<typeof SYMBOLS>;
    try {
      library = Deno.dlopen(name, SYMBOLS);
    } catch (error) {
      reasons.push(systemMessage(error));
      continue;
    }
    const version = library.symbols.OpenSSL_version_num();
    if (isKnownVersion(version)) {
      // By default the library frees what it has when the process exits, while threads of workers
      // still compute with it or give back what is theirs: that ended every third such process with
      // a damaged heap. The first call that initializes anything decides.
      library.symbols.OPENSSL_init_crypto(NO_CLEANUP_AT_EXIT, 0n);
      return { ok: true, library: new Libcrypto(library.symbols) };
    }
    library.close();
    reasons.push(`${name} is version 0x${version.toString(16)}, neither 1.1 nor 3`);
  }
  return { ok: false, reason: reasons.join("; ") };
}

/**
 * Whether the calls are known to be what we expect in a version, as `OpenSSL_version_num` tells it.
 */
export function isKnownVersion(version: bigint): boolean {
  return version >= OLDEST_VERSION && version < NEXT_MAJOR;
}

/** What the system says, without what the runtime puts before it. */
function systemMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^.*library: /, "");
}
