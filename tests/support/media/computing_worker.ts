/**
 * A worker that computes with libcrypto until its process ends; as a program, starts some such
 * workers and ends in the midst of their work.
 *
 * @module
 */
import { openLibcrypto } from "../../../lib/transport/crypto/libcrypto.ts";
import { nativeHandshakeCrypto } from "../../../lib/transport/crypto/native_handshake_crypto.ts";
import { CURVE } from "../../../lib/transport/crypto/handshake_crypto.ts";

const WORKERS = 6;

function compute(): void {
  const opened = openLibcrypto();
  if (!opened.ok) throw new Error(opened.reason);
  const crypto = nativeHandshakeCrypto(opened.library)!;
  for (let i = 0; i < 20; i++) {
    const { privateKey } = crypto.newKey(CURVE.secp256r1);
    crypto.sharedSecret(CURVE.secp256r1, privateKey, crypto.newKey(CURVE.secp256r1).publicKey);
  }
}

if (import.meta.main && !("DedicatedWorkerGlobalScope" in globalThis)) {
  const ready = Array.from({ length: WORKERS }, () => {
    const worker = new Worker(import.meta.url, { type: "module" });
    return new Promise((resolve) => worker.onmessage = resolve);
  });
  await Promise.all(ready);
  compute();
  Deno.exit(0);
} else {
  compute();
  (self as unknown as { postMessage(message: string): void }).postMessage("ready");
  setInterval(compute, 0);
}
