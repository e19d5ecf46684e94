import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { crc32c } from "werift";
import { packetChecksum } from "../../../../lib/transport/sctp/crc32c.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

Deno.test("packetChecksum() is werift's CRC32c with the field at zero, for every length", () => {
  const random = new SeededRandom(3);
  for (let length = 12; length < 300; length++) {
    const bytes = random.bytes(length + 3);
    const zeroed = Buffer.from(bytes.subarray(0, length));
    zeroed.writeUInt32LE(0, 8);
    assert.equal(packetChecksum(bytes, length), crc32c(zeroed) >>> 0, `${length} bytes`);
  }
});

Deno.test("packetChecksum() of zeros is that of RFC 3720 B.4", () => {
  // 32 bytes of zeros, of which four are the field.
  assert.equal(packetChecksum(new Uint8Array(32), 32), 0x8a9136aa);
});
