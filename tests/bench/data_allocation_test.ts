/**
 * A message that is queued for one of many receivers makes nothing: heap growth for each is
 * measured in stretches short enough that most see no garbage collection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { OutgoingMessages, UNLIMITED } from "../../lib/transport/sctp/outgoing_messages.ts";
import { StreamScheduler } from "../../lib/transport/sctp/stream_scheduler.ts";
import { growthPerStep, STRETCH } from "../support/process/heap_growth.ts";

const STEPS = 60 * STRETCH;
const MAX_BYTES = 4;
/** Where senders come and go with each message: the table of them is made anew now and then. */
const MAX_BYTES_IN_TURNS = 16;

/** A scheduler whose messages go whole. */
function sending() {
  const messages = new OutgoingMessages();
  const world = { left: 0, push, send };
  const streams = new StreamScheduler(messages, () => void world.left++);
  const late = () => assert.fail("nothing is late");
  const body = new Uint8Array(100);
  function push(sender: number): void {
    streams.push(messages.add(1, 53, body, true, UNLIMITED, Infinity, sender));
  }
  function send(): void {
    const slot = streams.next(0, late);
    streams.cut();
    messages.setCut(slot, body.length);
    messages.chunkAdded(slot);
    streams.finish();
    messages.chunkDone(slot);
  }
  return world;
}

Deno.test("StreamScheduler queues and gives messages with under 4 heap bytes each", () => {
  const world = sending();
  const median = growthPerStep(STEPS, () => {
    world.push(1);
    world.send();
  });
  assert.equal(world.left, STEPS);
  assert.ok(median < MAX_BYTES, `${median} bytes for each message`);
});

Deno.test("StreamScheduler gives senders turns with under 16 heap bytes for each message", () => {
  const world = sending();
  for (let i = 0; i < 200; i++) world.push(0);
  let sender = 0;
  const median = growthPerStep(STEPS, () => {
    world.push(sender = (sender + 1) % 5);
    world.send();
  });
  assert.ok(median < MAX_BYTES_IN_TURNS, `${median} bytes for each message`);
});
