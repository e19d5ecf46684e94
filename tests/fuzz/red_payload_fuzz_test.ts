/** Random bytes as redundant audio: no throw, and what is accepted lies within the bytes. */
import assert from "node:assert/strict";
import { PacketCache } from "../../lib/media/layer/packet_cache.ts";
import { RedundantPayloads } from "../../lib/media/layer/redundant_payloads.ts";
import { RedPayload } from "../../lib/wire/red_payload.ts";
import type { ExtSeq } from "../../lib/wire/seq.ts";
import { viewOf } from "../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../support/media/redundant_payload.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
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

Deno.test("RedundantPayloads makes of random frames what RedPayload finds in it again", () => {
  const random = new SeededRandom(63);
  const made = new RedundantPayloads();
  const cache = new PacketCache(32, 32);
  const red = new RedPayload();
  const frames = new Map<number, { readonly timestamp: number; readonly frame: Uint8Array }>();
  let timestamp = 0xffff_f000;
  for (let n = 65_536; n < 66_536; n++) {
    timestamp = (timestamp + (random.chance(0.9) ? 960 : random.below(40_000))) >>> 0;
    if (random.chance(0.1)) continue;
    const frame = random.bytes(1 + random.below(random.chance(0.2) ? 1_200 : 200));
    frames.set(n, { timestamp, frame });
    const fields = { ssrc: 1, payloadType: 111, sequenceNumber: n & 0xffff, timestamp };
    const bytes = rtpPacket({ ...fields, payload: frame });
    cache.stage(n as ExtSeq, bytes, bytes.length);
    cache.storeStaged(n as ExtSeq, bytes.length, n, n);
    const view = viewOf(bytes);
    assert.ok(made.wrap(cache, { seq: n, view }, 111, 111));
    assert.ok(red.parse(made.bytes, made.at, made.length));
    const part = (at: number, length: number) => made.bytes.slice(at, at + length);
    assert.deepEqual(part(red.primaryOffset, red.primaryLength), frame);
    for (let back = 1; back <= red.copies; back++) {
      const source = frames.get(n - back)!;
      assert.deepEqual(part(red.offsetOf(back), red.lengthOf(back)), source.frame);
      assert.equal(red.ageOf(back), (timestamp - source.timestamp) >>> 0);
    }
  }
});

Deno.test("RedundantPayloads.translate() takes random bytes only where they are a payload", () => {
  const random = new SeededRandom(97);
  const made = new RedundantPayloads();
  const red = new RedPayload();
  let taken = 0;
  for (let n = 0; n < 20_000; n++) {
    const payload = random.bytes(1 + random.below(30));
    for (let at = 0; at < payload.length; at++) {
      if (random.chance(0.6)) payload[at] = random.chance(0.5) ? 0xef : 0x6f;
    }
    const bytes = rtpPacket({ ssrc: 1, payloadType: 63, sequenceNumber: 1, timestamp: 1, payload });
    const view = viewOf(bytes);
    const whole = red.parse(payload, 0, payload.length);
    if (!made.translate({ seq: n, view }, 111, 96)) continue;
    taken++;
    assert.ok(whole);
    assert.equal(made.length, payload.length);
    assert.ok(red.parse(made.bytes, made.at, made.length));
  }
  assert.ok(taken > 1_000, `${taken} were taken`);
});

Deno.test("RedundantPayloads adds to random payloads only frames that came, each once and in order", () => {
  const random = new SeededRandom(64);
  const made = new RedundantPayloads();
  const cache = new PacketCache(32, 32);
  const [before, red] = [new RedPayload(), new RedPayload()];
  let [added, refused] = [0, 0];
  let timestamp = 0xffff_f000;
  /** Of each time what frame came for it, by itself or as a copy. */
  const frames = new Map<number, Set<string>>();
  const note = (at: number, frame: Uint8Array) => {
    const known = frames.get(at >>> 0) ?? new Set();
    frames.set(at >>> 0, known.add(frame.join()));
  };
  for (let n = 65_536; n < 75_536; n++) {
    timestamp = (timestamp + (random.chance(0.9) ? 960 : random.below(20_000))) >>> 0;
    if (random.chance(0.1)) continue;
    const isNoise = random.chance(0.2);
    const copies = Array.from({ length: random.below(4) }, (_, i, age = 960 * (3 - i)) => {
      return { age, frame: [...random.bytes(random.below(random.chance(0.1) ? 700 : 30))] };
    });
    const type = random.chance(0.05) ? 110 : 111;
    const own = random.bytes(1 + random.below(random.chance(0.1) ? 700 : 90));
    const whole = redundantPayload([...own], copies.toReversed(), type);
    const payload = isNoise ? random.bytes(1 + random.below(40)) : whole;
    const fields = { ssrc: 1, payloadType: 63, sequenceNumber: n & 0xffff, timestamp };
    const bytes = rtpPacket({ ...fields, payload });
    cache.stage(n as ExtSeq, bytes, bytes.length);
    cache.storeStaged(n as ExtSeq, bytes.length, n, n);
    const view = viewOf(bytes);
    const { payloadOffset, payloadLength } = view;
    const isWhole = before.parse(bytes, payloadOffset, payloadLength);
    if (isWhole) {
      note(timestamp, bytes.slice(before.primaryOffset, payloadOffset + payloadLength));
      for (let back = 1; back <= before.copies; back++) {
        const at = before.offsetOf(back);
        note(timestamp - before.ageOf(back), bytes.slice(at, at + before.lengthOf(back)));
      }
    }
    if (!made.add(cache, { seq: n, view }, 111, 111)) {
      refused++;
      continue;
    }
    assert.ok(isWhole && red.parse(made.bytes, made.at, made.length));
    const part = (at: number, length: number) => made.bytes.slice(at, at + length);
    const primary = part(red.primaryOffset, red.primaryLength);
    assert.deepEqual(primary, bytes.slice(before.primaryOffset, payloadOffset + payloadLength));
    if (red.copies > before.copies) added++;
    for (let back = 1; back <= red.copies; back++) {
      const frame = part(red.offsetOf(back), red.lengthOf(back));
      assert.ok(frames.get((timestamp - red.ageOf(back)) >>> 0)?.has(frame.join()));
    }
  }
  assert.ok(added > 1_000 && refused > 500, `${added} with more, ${refused} refused`);
});
