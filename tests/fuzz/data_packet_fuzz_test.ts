/** Random, truncated and bent data packets: no throw, and nothing else than a decoder would see. */
import assert from "node:assert/strict";
import { DataPacket } from "@livekit/protocol";
import { DATA_VALUE, DataPacketReader } from "../../lib/wire/data_packet.ts";
import { hasFewElements } from "../../lib/wire/message_elements.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { randomDataPacket, stampNaively } from "../support/wire/naive_data_stamp.ts";

const ROUNDS = 40_000;
const MAX_ELEMENTS = 100_000;
const SENDER = { sid: "PA_s", identity: "s", agent: false };
const STAMP = { sid: new TextEncoder().encode("PA_s"), identity: new TextEncoder().encode("s") };

function decode(bytes: Uint8Array): DataPacket | undefined {
  try {
    return DataPacket.fromBinary(bytes);
  } catch {
    return undefined;
  }
}

/** Cuts, flips, doubles and mixes. */
function bend(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const out = [...bytes];
  for (let times = random.below(4); times >= 0 && out.length > 0; times--) {
    const at = random.below(out.length);
    const kind = random.below(5);
    if (kind === 0) out.length = at;
    else if (kind === 1) out[at] = random.below(256);
    else if (kind === 2) out[at]! ^= 1 << random.below(8);
    else if (kind === 3) out.push(...bytes.subarray(0, random.below(64)));
    else out.splice(at, 0, ...random.bytes(random.below(4)));
  }
  return Uint8Array.from(out);
}

Deno.test("DataPacketReader takes any bytes, and what it stamps is what a decoder would see", () => {
  const random = new SeededRandom(12);
  const reader = new DataPacketReader();
  let same = 0;
  let stamped = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = random.chance(0.1)
      ? random.bytes(random.below(64))
      : bend(randomDataPacket(random).toBinary(), random);
    if (!reader.read(bytes)) continue;
    reader.destinationIdentities();
    reader.destinationSids();
    reader.payload();
    reader.nonce();
    reader.requestId();
    reader.stream();
    if (reader.value === DATA_VALUE.none) continue;
    const kind = random.chance(0.5) ? "reliable" : "lossy";
    const out = reader.stamp(kind, STAMP);
    stamped++;
    // What is wrong inside of a value that is passed on whole is the receivers' to refuse.
    const decoded = hasFewElements(bytes, DataPacket, MAX_ELEMENTS) ? decode(bytes) : undefined;
    if (decoded === undefined) continue;
    const expected = stampNaively(decoded, kind, SENDER);
    const got = decode(out);
    assert.ok(got?.equals(expected), `round ${round}: ${bytes.toHex()}`);
    same++;
  }
  assert.ok(stamped > ROUNDS / 10 && same > ROUNDS / 20, `${stamped} stamped, ${same} compared`);
});
