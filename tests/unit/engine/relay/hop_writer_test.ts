/** What media of a hop is sent again from: how long, how often, and how much of it. */
import assert from "node:assert/strict";
import {
  FRAME,
  frameLength,
  frameType,
  MEDIA_HEAD_WORDS,
  REPAIR,
} from "../../../../lib/engine/relay/hop_datagram.ts";
import { HopStreamSender } from "../../../../lib/engine/relay/hop_stream_sender.ts";
import { type HopLane, HopWriter } from "../../../../lib/engine/relay/hop_writer.ts";
import { RELAY } from "../../../../lib/engine/relay/relay_records.ts";

const RTT_MS = 50;

/** A writer whose datagrams are kept as the numbers of their frames; `r` behind repairs. */
function writer(capacity: number) {
  const sent: string[] = [];
  let now = 0;
  const lane: HopLane = {
    isOpen: true,
    isRepairing: false,
    control: new HopStreamSender(false, 1 << 12),
    data: new HopStreamSender(true, 1 << 12),
    sendMedia: (source, at, length) => {
      const words = new Int32Array(source.buffer, at, length >> 2);
      const frames: string[] = [];
      for (let i = 0; i < words.length; i += frameLength(words[i]!)) {
        assert.equal(frameType(words[i]!), FRAME.media);
        assert.equal(words[i + MEDIA_HEAD_WORDS], words[i + 1], "another packet's bytes");
        frames.push(`${words[i + 1]}${(words[i]! & REPAIR) !== 0 ? "r" : ""}`);
      }
      sent.push(frames.join(" "));
    },
    written: () => {},
    dataWritten: () => {},
    flush: () => {},
  };
  const clock = { now: () => now, nowUs: () => 1000 * now, wallMs: () => now };
  const hop = new HopWriter(lane, clock, capacity);
  return {
    hop,
    at: (ms: number) => now = ms,
    write: (words: number) => {
      const number = hop.next;
      const at = hop.reserve(RELAY.packet, words);
      hop.words.fill(number, at, at + words);
      hop.commit();
    },
    /** Datagrams since the last call. */
    sent: () => {
      hop.flush(now);
      return sent.splice(0);
    },
    repair: (number: number) => hop.repair(number, now, RTT_MS),
  };
}

Deno.test("Small packets of a turn share datagrams, large ones do not", () => {
  const { write, sent } = writer(1 << 12);
  for (let i = 0; i < 5; i++) write(100);
  write(300);
  write(20);
  assert.deepEqual(sent(), ["0 1 2", "3 4", "5 6"]);
});

Deno.test("A packet is sent again within a second, but not twice in a round trip", () => {
  const { write, sent, repair, at, hop } = writer(1 << 12);
  for (let i = 0; i < 4; i++) write(300);
  sent();
  at(100);
  repair(2);
  repair(2);
  at(120);
  repair(2);
  at(150);
  repair(2);
  assert.deepEqual(sent(), ["2r", "2r"]);
  at(1001);
  repair(1);
  repair(9); // was never sent
  repair(-1);
  assert.deepEqual(sent(), []);
  assert.deepEqual([hop.repeated, hop.unrepaired], [2, 3]);
});

Deno.test("What the memory of the history had to give up is not sent again, and nothing else for it", () => {
  const capacity = 1 << 12;
  const { write, sent, repair } = writer(capacity);
  for (let i = 0; i < 100; i++) write(300);
  sent();
  for (let number = 0; number < 100; number++) repair(number);
  const repaired = sent();
  const kept = Math.floor(capacity / (300 + MEDIA_HEAD_WORDS));
  assert.ok(repaired.length >= kept - 2 && repaired.length <= kept, `${repaired.length}`);
  assert.deepEqual(repaired, repaired.map((_, i) => `${100 - repaired.length + i}r`));
});

Deno.test("What is sent again is a part of what is sent", () => {
  const { write, sent, repair, at } = writer(1 << 20);
  for (let i = 0; i < 400; i++) write(300);
  sent();
  for (let round = 1; round <= 10; round++) {
    at(round * 60);
    for (let number = 0; number < 400; number++) repair(number);
  }
  const bytes = sent().length * 4 * 303;
  assert.ok(bytes > 90_000 && bytes <= 100_000, `${bytes} saved up`);
  at(700);
  for (let i = 0; i < 40; i++) write(300);
  sent();
  for (let number = 400; number < 440; number++) repair(number);
  const since = sent().length;
  assert.ok(since >= 19 && since <= 22, `${since} for 40 new ones`);
});
