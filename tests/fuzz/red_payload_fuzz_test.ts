/** Random bytes as redundant audio: no throw, and what is accepted lies within the bytes. */
import assert from "node:assert/strict";
import { RedPayload } from "../../lib/wire/red_payload.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

Deno.test("RedPayload.parse() accepts or refuses random bytes and stays within them", () => {
  const random = new SeededRandom(2198);
  const red = new RedPayload();
  let accepted = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.bytes(random.below(40));
    // Small lengths and clear last headers make whole payloads likely enough.
    for (let at = 0; at < bytes.length; at++) if (random.chance(0.5)) bytes[at] = bytes[at]! & 0x81;
    const offset = random.below(4);
    const length = Math.max(0, bytes.length - offset) + (random.chance(0.1) ? 1 : 0);
    if (!red.parse(bytes, offset, length)) continue;
    accepted++;
    let end = 0;
    for (let back = red.copies; back >= 1; back--) {
      assert.ok(red.offsetOf(back) >= Math.max(end, offset));
      end = red.offsetOf(back) + red.lengthOf(back);
      assert.ok(red.ageOf(back) < 1 << 14);
    }
    assert.ok(red.primaryOffset >= end);
    assert.equal(red.primaryOffset + red.primaryLength, offset + length);
  }
  assert.ok(accepted > 1000, `${accepted} were whole`);
});
