import assert from "node:assert/strict";
import { ReceivedStream, SentLog } from "../../../bench/load/sent_log.ts";

/** A track of frames of three packets, 10 ms apart; returns the log and each packet's fields. */
function track(frames: number, firstSequence: number) {
  const log = new SentLog();
  const sent: { sequence: number; timestamp: number; leftAt: number }[] = [];
  const send = (count: number) => {
    for (let frame = 0; frame < count; frame++) {
      const leftAt = sent.length * 1_000;
      for (let i = 0; i < 3; i++) {
        const sequence = (firstSequence + sent.length) & 0xffff;
        const timestamp = (0xffff_f000 + Math.floor(sent.length / 3) * 3_000) >>> 0;
        log.next(sequence, timestamp);
        sent.push({ sequence, timestamp, leftAt });
      }
      log.left(3, leftAt);
    }
  };
  send(frames);
  return { log, sent, send };
}

Deno.test("ReceivedStream knows each packet's time under shifted numbers, across both wraps", () => {
  const { log, sent, send } = track(1, 65_000);
  const stream = new ReceivedStream(log, 1);
  const arrive = (i: number, after: number) => {
    const { sequence, timestamp, leftAt } = sent[i]!;
    return stream.arrive((sequence + 777) & 0xffff, (timestamp + 5) >>> 0, leftAt + after);
  };
  assert.equal(arrive(2, 40), 40);
  for (let frame = 1; frame < 1_000; frame++) {
    send(1);
    for (let i = 0; i < 3; i++) assert.equal(arrive(frame * 3 + i, 100 + i), 100 + i);
  }
  assert.equal(stream.unmatched, 0);
  assert.equal(stream.received, 1 + 999 * 3);
});

Deno.test("ReceivedStream.anchor() tells times right even if the first packet is late by frames", () => {
  const { log, sent } = track(10, 65_530);
  const stream = new ReceivedStream(log, 1);
  const { sequence, timestamp, leftAt } = sent[6]!;
  // Everything had left long before it came: the newest is not what it was.
  const late = sent.at(-1)!.leftAt + 500;
  stream.anchor((sequence + 9) & 0xffff, timestamp, sequence);
  assert.equal(stream.arrive((sequence + 9) & 0xffff, timestamp, late), late - leftAt);
  assert.equal(stream.unmatched, 0);
});

Deno.test("ReceivedStream learns anew when the SFU inserts or drops numbers", () => {
  const { log, sent, send } = track(1, 10);
  const stream = new ReceivedStream(log, 1);
  const arrive = (i: number, shift: number) => {
    const { sequence, timestamp, leftAt } = sent[i]!;
    return stream.arrive(sequence + shift, timestamp, leftAt + 50);
  };
  arrive(2, 0);
  send(3);
  assert.equal(arrive(3, 0), 50);
  // Padding took four numbers at the end of the frame: the next frame's first packet tells.
  assert.equal(arrive(6, 4), 50);
  assert.equal(stream.unmatched, 1);
  assert.equal(arrive(7, 4), 50);
  assert.equal(arrive(9, 4), 50);
  assert.equal(stream.unmatched, 1);
});

Deno.test("ReceivedStream tells no time for what was never sent, nor a negative one", () => {
  const { log, sent } = track(4, 10);
  const stream = new ReceivedStream(log, 1);
  const { sequence, timestamp, leftAt } = sent.at(-1)!;
  assert.equal(stream.arrive(sequence, timestamp, leftAt + 1), 1);
  assert.equal(stream.arrive(sequence + 1, timestamp + 1, leftAt + 9), -1);
  assert.equal(stream.arrive(sequence, timestamp, leftAt - 1), -1);
  assert.equal(stream.received, 3);
});
