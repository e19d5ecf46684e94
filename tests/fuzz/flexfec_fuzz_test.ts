/** Random bytes as repair packets: no throw, and what is made of them is a packet of the stream. */
import assert from "node:assert/strict";
import { FecEncoder } from "../../lib/media/down/fec_encoder.ts";
import { FecDecoder } from "../../lib/media/layer/fec_decoder.ts";
import { FlexfecHeader, MOST_PROTECTED } from "../../lib/wire/flexfec.ts";
import { viewOf } from "../support/media/forwarding_fixtures.ts";
import {
  NUMBER_ID,
  protect,
  PROTECTED_SSRC,
  randomPacket,
  ReceivedStream,
} from "../support/media/protected_stream.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

Deno.test("FlexfecHeader.parse() accepts or refuses random bytes and stays within them", () => {
  const random = new SeededRandom(3);
  const header = new FlexfecHeader();
  let accepted = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.bytes(random.below(48));
    if (bytes.length > 8 && random.chance(0.8)) {
      bytes[0]! &= 0x3f;
      bytes[8] = 1;
    }
    const at = random.below(4);
    const length = Math.max(0, bytes.length - at) + (random.chance(0.1) ? 1 : 0);
    if (!header.parse(bytes, at, length)) continue;
    accepted++;
    assert.ok(header.length <= length && at + length <= bytes.length);
    assert.ok(header.count >= 1 && header.count <= MOST_PROTECTED);
    const offsets = [...header.offsets.subarray(0, header.count)];
    assert.deepEqual(offsets, offsets.toSorted((a, b) => a - b));
    assert.ok(offsets.at(-1)! < MOST_PROTECTED);
  }
  assert.ok(accepted > 1_000, `${accepted} were whole`);
});

Deno.test("FecDecoder makes of forged and damaged repair packets packets of its own stream alone", () => {
  let made = 0;
  for (let seed = 0; seed < 30; seed++) {
    const random = new SeededRandom(seed);
    const stream = new ReceivedStream();
    const decoder = new FecDecoder([NUMBER_ID]);
    const encoder = new FecEncoder(PROTECTED_SSRC);
    for (let seq = 65_600; seq < 65_900; seq++) {
      const bytes = randomPacket(random, seq, 300);
      protect(encoder, bytes, seq);
      if (random.chance(0.8)) stream.receive(bytes, seq);
      if (random.chance(0.7)) continue;
      encoder.finish();
      const repair = encoder.bytes.slice(encoder.at, encoder.at + encoder.length);
      for (let damage = random.below(4); damage > 0; damage--) {
        repair[random.below(repair.length)] = random.below(256);
      }
      const length = random.chance(0.2) ? random.below(repair.length + 1) : repair.length;
      decoder.take(stream, repair, 0, length);
      for (let seq = decoder.recover(stream); seq >= 0; seq = decoder.recover(stream)) {
        made++;
        const view = viewOf(decoder.bytes.slice(0, decoder.length));
        assert.equal(view.ssrc, PROTECTED_SSRC);
        assert.equal(view.sequenceNumber, seq & 0xffff);
        assert.equal(stream.cache.find(seq), -1, "only what is missing is made");
        stream.receive(decoder.bytes.slice(0, decoder.length), seq);
      }
    }
  }
  assert.ok(made > 500, `${made} were made`);
});
