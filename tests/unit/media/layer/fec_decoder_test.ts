import assert from "node:assert/strict";
import { FecEncoder } from "../../../../lib/media/down/fec_encoder.ts";
import { FecDecoder } from "../../../../lib/media/layer/fec_decoder.ts";
import type { ExtSeq } from "../../../../lib/wire/seq.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import {
  NUMBER_ID,
  protect,
  PROTECTED_SSRC,
  randomPacket,
  ReceivedStream,
  TIME_ID,
  withoutMutable,
} from "../../../support/media/protected_stream.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const FIRST = 65_536 + 65_530;

/** Packets with one repair packet for all of them. */
function group(random: SeededRandom, count: number, first = FIRST) {
  const encoder = new FecEncoder(PROTECTED_SSRC);
  const packets = Array.from({ length: count }, (_, i) => randomPacket(random, first + i));
  packets.forEach((bytes, i) => assert.ok(protect(encoder, bytes, first + i)));
  assert.ok(encoder.finish());
  const repair = encoder.bytes.slice(encoder.at, encoder.at + encoder.length);
  return { packets, repair };
}

const made = (decoder: FecDecoder) => decoder.bytes.slice(0, decoder.length);

Deno.test("FecDecoder makes any one packet of a group of any size, over the wrap", () => {
  const random = new SeededRandom(1);
  for (const count of [1, 2, 3, 10, 15, 16, 46, 47, 109]) {
    const { packets, repair } = group(random, count);
    for (let lost = 0; lost < count; lost += 1 + Math.floor(count / 10)) {
      const stream = new ReceivedStream();
      const decoder = new FecDecoder([NUMBER_ID, TIME_ID]);
      stream.receive(randomPacket(random, FIRST - 1), FIRST - 1);
      packets.forEach((bytes, i) => i !== lost && stream.receive(bytes, FIRST + i));
      assert.ok(decoder.take(stream, repair, 0, repair.length));
      assert.equal(decoder.recover(stream), FIRST + lost);
      assert.deepEqual(made(decoder), withoutMutable(packets[lost]!), `${lost} of ${count}`);
      assert.equal(decoder.isWaiting, false);
    }
  }
});

Deno.test("FecDecoder makes nothing of two losses until one of them comes otherwise", () => {
  const { packets, repair } = group(new SeededRandom(2), 5);
  const stream = new ReceivedStream();
  const decoder = new FecDecoder([NUMBER_ID, TIME_ID]);
  for (const i of [0, 2, 4]) stream.receive(packets[i]!, FIRST + i);
  assert.ok(decoder.take(stream, repair, 0, repair.length));
  assert.equal(decoder.recover(stream), -1);
  assert.equal(decoder.isWaiting, true);
  stream.receive(packets[1]!, FIRST + 1);
  assert.equal(decoder.recover(stream), FIRST + 3);
  assert.deepEqual(made(decoder), withoutMutable(packets[3]!));
});

Deno.test("FecDecoder is done with a repair packet when all that it protects came", () => {
  const { packets, repair } = group(new SeededRandom(3), 4);
  const stream = new ReceivedStream();
  const decoder = new FecDecoder([]);
  packets.slice(0, 3).forEach((bytes, i) => stream.receive(bytes, FIRST + i));
  // It may overtake the last packet it protects.
  decoder.take(stream, repair, 0, repair.length);
  stream.receive(packets[3]!, FIRST + 3);
  assert.equal(decoder.recover(stream), -1);
  assert.equal(decoder.isWaiting, false);
});

Deno.test("FecDecoder makes nothing of packets that are not kept as they were sent", () => {
  const { packets, repair } = group(new SeededRandom(4), 3);
  const stream = new ReceivedStream();
  const decoder = new FecDecoder([]);
  stream.receive(packets[0]!, FIRST);
  stream.receive(packets[1]!, FIRST + 1);
  decoder.noteChanged((FIRST + 1) as ExtSeq);
  decoder.take(stream, repair, 0, repair.length);
  assert.equal(decoder.recover(stream), -1);
  assert.equal(decoder.isWaiting, false);
});

Deno.test("FecDecoder knows of such packets however many others have come since", () => {
  const { packets, repair } = group(new SeededRandom(7), 3);
  const stream = new ReceivedStream();
  const decoder = new FecDecoder([]);
  stream.receive(packets[0]!, FIRST);
  stream.receive(packets[1]!, FIRST + 1);
  decoder.noteChanged((FIRST + 1) as ExtSeq);
  for (let i = 3; i < 350; i++) decoder.noteChanged((FIRST + i) as ExtSeq);
  decoder.take(stream, repair, 0, repair.length);
  assert.equal(decoder.recover(stream), -1);
  assert.equal(decoder.isWaiting, false);
});

Deno.test("FecDecoder looks for two packets of each repair packet that lacks more than one, whatever its mask", () => {
  const { packets, repair } = group(new SeededRandom(8), 109);
  const stream = new ReceivedStream();
  let looks = 0;
  const { cache } = stream;
  const find = cache.find.bind(cache);
  cache.find = (seq) => {
    looks++;
    return find(seq);
  };
  packets.slice(0, 107).forEach((bytes, i) => stream.receive(bytes, FIRST + i));
  const decoder = new FecDecoder([NUMBER_ID, TIME_ID]);
  const kept = 32;
  for (let i = 0; i < kept; i++) decoder.take(stream, repair, 0, repair.length);
  assert.equal(decoder.recover(stream), -1);
  looks = 0;
  assert.equal(decoder.recover(stream), -1);
  assert.ok(looks <= 2 * kept, `${looks} looks`);
  stream.receive(packets[107]!, FIRST + 107);
  assert.equal(decoder.recover(stream), FIRST + 108);
  assert.deepEqual(made(decoder), withoutMutable(packets[108]!));
});

Deno.test("FecDecoder takes no repair of another stream, and forgets old ones and those of a stream that began anew", () => {
  const random = new SeededRandom(5);
  const { packets, repair } = group(random, 2);
  const stream = new ReceivedStream();
  const decoder = new FecDecoder([]);
  const other = repair.slice();
  other[12]! ^= 1;
  assert.equal(decoder.take(stream, other, 0, other.length), false);
  stream.receive(packets[0]!, FIRST);
  decoder.take(stream, repair, 0, repair.length);
  decoder.reset();
  assert.equal(decoder.recover(stream), -1);
  stream.receive(randomPacket(random, FIRST + 500), FIRST + 500);
  assert.equal(decoder.take(stream, repair, 0, repair.length), true);
  assert.equal(decoder.recover(stream), -1);
});

Deno.test("FecEncoder leaves out what does not fit: longer packets, earlier ones, and those far ahead", () => {
  const random = new SeededRandom(6);
  const encoder = new FecEncoder(PROTECTED_SSRC);
  const add = (seq: number) => protect(encoder, randomPacket(random, seq, 100), seq);
  assert.equal(encoder.finish(), false, "nothing to repair");
  assert.ok(add(1_000));
  assert.equal(add(1_000), false);
  assert.equal(add(999), false);
  assert.ok(add(1_108));
  assert.equal(add(1_109), false);
  const long = rtpPacket({ ssrc: PROTECTED_SSRC, payloadType: 96, payload: new Uint8Array(1_441) });
  assert.equal(protect(encoder, long, 1_109), false);
  assert.equal(encoder.count, 2);
  assert.ok(encoder.finish());
  assert.ok(add(1_109), "the next group");
});

Deno.test("FecDecoder makes all single losses of random groups, and nothing but what was sent", () => {
  const encoder = new FecEncoder(PROTECTED_SSRC);
  let recovered = 0;
  for (let seed = 0; seed < 10; seed++) {
    const random = new SeededRandom(seed);
    const stream = new ReceivedStream();
    const decoder = new FecDecoder([NUMBER_ID, TIME_ID]);
    const sent = new Map<number, Uint8Array>();
    let lost: number[] = [];
    for (let seq = FIRST; seq < FIRST + 500; seq++) {
      const bytes = randomPacket(random, seq);
      sent.set(seq, bytes);
      protect(encoder, bytes, seq);
      if (random.chance(0.1)) lost.push(seq);
      else stream.receive(bytes, seq);
      if (random.chance(0.8)) continue;
      encoder.finish();
      decoder.take(stream, encoder.bytes, encoder.at, encoder.length);
      const made1 = decoder.recover(stream);
      assert.equal(made1, lost.length === 1 ? lost[0] : -1, `seed ${seed}, ${seq}`);
      if (made1 >= 0) {
        assert.deepEqual(made(decoder), withoutMutable(sent.get(made1)!));
        recovered++;
      }
      lost = [];
    }
    encoder.reset();
  }
  assert.ok(recovered > 100, `${recovered}`);
});
