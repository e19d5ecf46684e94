import assert from "node:assert/strict";
import { FATE, SENT, SentPackets } from "../../../lib/bandwidth/sent_packets.ts";

Deno.test("SentPackets.find() finds what was sent across the wrap of 16 bits, and nothing else", () => {
  const packets = new SentPackets();
  assert.equal(packets.find(0), -1);
  for (let i = 0; i < 100; i++) packets.add((65_500 + i) & 0xffff, 100 + i, SENT.media, i, i);
  for (let i = 0; i < 100; i++) {
    const slot = packets.find((65_500 + i) & 0xffff);
    assert.equal(packets.bytes(slot), 100 + i);
    assert.equal(packets.sentAt(slot), i);
    assert.equal(packets.cluster(slot), i);
    assert.equal(packets.fate(slot), FATE.inFlight);
  }
  assert.equal(packets.find(65_499), -1, "before the first");
  assert.equal(packets.find(64), -1, "after the newest");
  assert.equal(packets.find(30_000), -1);
});

Deno.test("SentPackets.left() notes anew what left later, and nothing that had left before", () => {
  const packets = new SentPackets();
  const sentAt = (number: number) => packets.sentAt(packets.find(number));
  packets.left(5);
  for (let i = 0; i < 10; i++) packets.add(i, 100, SENT.media, 0, 100);
  packets.left(101);
  for (let i = 10; i < 15; i++) packets.add(i, 100, SENT.media, 0, 133);
  packets.left(180);
  assert.equal(sentAt(9), 100, "a millisecond is none");
  assert.deepEqual([10, 14].map(sentAt), [180, 180]);
  packets.left(300);
  assert.deepEqual([9, 14].map(sentAt), [100, 180]);
  // More than there is room for.
  for (let i = 15; i < 40_000; i++) packets.add(i & 0xffff, 100, SENT.media, 0, 400);
  packets.left(500);
  assert.deepEqual([39_999, 39_999 - 16_000].map((i) => sentAt(i & 0xffff)), [500, 500]);
});

Deno.test("SentPackets keeps what is young and grows for it; what is old makes room", () => {
  const fast = new SentPackets();
  for (let i = 0; i < 2_000; i++) fast.add(i, 1_000, SENT.media, 0, i);
  assert.equal(fast.sentAt(fast.find(0)), 0, "two seconds old");
  const slow = new SentPackets();
  for (let i = 0; i < 2_000; i++) slow.add(i, 1_000, SENT.media, 0, i * 100);
  assert.equal(slow.find(1_000), -1, "a hundred seconds old");
  assert.notEqual(slow.find(1_999), -1);
});

Deno.test("SentPackets never holds more than 16,384 packets", () => {
  const packets = new SentPackets();
  for (let i = 0; i < 40_000; i++) packets.add(i & 0xffff, 1_000, SENT.media, 0, 0);
  assert.equal(packets.find(40_000 - 16_385), -1);
  assert.notEqual(packets.find(40_000 - 16_384), -1);
});

Deno.test("SentPackets leaves numbers out that were handed out and not used", () => {
  const packets = new SentPackets();
  packets.add(10, 1, SENT.audio, 0, 0);
  packets.add(13, 2, SENT.repair, 0, 0);
  assert.equal(packets.find(11), -1);
  assert.equal(packets.find(12), -1);
  assert.equal(packets.kind(packets.find(13)), SENT.repair);
  packets.setFate(packets.find(13), FATE.received);
  assert.equal(packets.fate(packets.find(13)), FATE.received);
  assert.equal(packets.kind(packets.find(13)), SENT.repair);
  packets.clear();
  assert.equal(packets.find(10), -1);
});
