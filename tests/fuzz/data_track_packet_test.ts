import assert from "node:assert/strict";
import {
  dataTrackHandle,
  readDataTrackPacket,
  writeDataTrackPacket,
} from "../../lib/wire/data_track_packet.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

Deno.test("readDataTrackPacket reads any bytes without throwing, and reads again what it writes", () => {
  const random = new SeededRandom(81);
  let packets = 0;
  let withExtensions = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(random.uint32() % 48);
    // Small counts of extensions, so that many of them fit.
    if (bytes.length > 15) bytes.set([0, bytes[13]! % 6, bytes[14]!, bytes[15]! % 8], 12);
    const packet = readDataTrackPacket(bytes);
    assert.equal(dataTrackHandle(bytes), packet?.handle ?? 0);
    if (packet === undefined) continue;
    packets++;
    if (packet.extensions.length > 0) withExtensions++;
    assert.deepEqual(readDataTrackPacket(writeDataTrackPacket(packet)!), packet);
  }
  assert.ok(packets > 5_000 && withExtensions > 200, `${packets}, ${withExtensions}`);
});
