/**
 * A message that is queued for one of many receivers makes nothing: heap growth for each is
 * measured in stretches short enough that most see no garbage collection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { OutgoingMessages, UNLIMITED } from "../../lib/transport/sctp/outgoing_messages.ts";
import { StreamScheduler } from "../../lib/transport/sctp/stream_scheduler.ts";

const STRETCH = 2_000;
const STRETCHES = 60;
const MAX_BYTES = 4;

Deno.test("StreamScheduler queues and gives messages with under 4 heap bytes each", () => {
  const messages = new OutgoingMessages();
  let left = 0;
  const streams = new StreamScheduler(messages, () => void left++);
  const late = () => assert.fail("nothing is late");
  const body = new Uint8Array(100);
  const step = () => {
    streams.push(messages.add(1, 53, body, true, UNLIMITED, Infinity));
    const slot = streams.next(0, late);
    streams.cut();
    messages.setCut(slot, body.length);
    messages.chunkAdded(slot);
    streams.finish();
    messages.chunkDone(slot);
  };
  const growths: number[] = [];
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    const before = Deno.memoryUsage().heapUsed;
    for (let i = 0; i < STRETCH; i++) step();
    const growth = Deno.memoryUsage().heapUsed - before;
    if (growth >= 0) growths.push(growth / STRETCH); // negative: a collection ran in between
  }
  assert.equal(left, STRETCH * STRETCHES);
  const median = growths.sort((a, b) => a - b)[growths.length >> 1]!;
  assert.ok(median < MAX_BYTES, `${median} bytes for each message`);
});
