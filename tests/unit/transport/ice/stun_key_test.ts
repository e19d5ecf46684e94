import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { stunKey } from "../../../../lib/transport/ice/stun_key.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

Deno.test("stunKey() is HMAC-SHA1 for every length of key and message up to several blocks", () => {
  const random = new SeededRandom(2104);
  for (let length = 0; length <= 200; length++) {
    const pwd = String.fromCharCode(...random.bytes(length).map((byte) => 32 + byte % 95));
    const mac = stunKey(pwd);
    for (let i = 0; i < 8; i++) {
      const bytes = random.bytes(i === 0 ? length : random.below(300));
      const larger = Uint8Array.of(...bytes, 1, 2, 3);
      const expected = createHmac("sha1", pwd).update(bytes).digest("hex");
      assert.equal(
        toHex(mac(larger, bytes.length)),
        expected,
        `key of ${length}, message of ${bytes.length}`,
      );
    }
  }
});

Deno.test("stunKey() takes a password as UTF-8", () => {
  const expected = createHmac("sha1", "pässwörd").update("x").digest("hex");
  assert.equal(toHex(stunKey("pässwörd")(Uint8Array.of(0x78), 1)), expected);
});

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
