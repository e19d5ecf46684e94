import assert from "node:assert/strict";
import { OutgoingMessages, UNLIMITED } from "../../../../lib/transport/sctp/outgoing_messages.ts";
import { StreamScheduler } from "../../../../lib/transport/sctp/stream_scheduler.ts";

const text = new TextEncoder();
const DCEP = 50;

/** Streams whose messages go whole, one after the other. */
class Sender {
  readonly messages = new OutgoingMessages();
  readonly left: string[] = [];
  late = 0;
  readonly streams = new StreamScheduler(
    this.messages,
    (streamId, _ppid, bytes) => this.left.push(`${streamId}: ${bytes}`),
  );

  push(streamId: number, body: string, { ppid = 53, rtx = UNLIMITED, expiresAt = Infinity } = {}) {
    this.streams.push(this.messages.add(streamId, ppid, text.encode(body), true, rtx, expiresAt));
  }

  /** Cuts a part of the next message, or all of it; what went, with its number if it began. */
  cut(bytes = Infinity, now = 0): string {
    const slot = this.streams.next(now, () => this.late++);
    if (slot < 0) return "nothing";
    this.streams.cut();
    const { messages } = this;
    const body = messages.bytesOf(slot);
    const from = messages.cutOf(slot);
    const to = Math.min(body.length, from + bytes);
    messages.setCut(slot, to);
    const part = new TextDecoder().decode(body.subarray(from, to));
    const seq = messages.streamSeqOf(slot);
    if (to === body.length) this.streams.finish();
    return `${part}#${seq}`;
  }

  all(now = 0): string[] {
    const parts = [];
    for (let part; (part = this.cut(Infinity, now)) !== "nothing";) parts.push(part);
    return parts;
  }
}

Deno.test("StreamScheduler gives reliable streams turns, message by message, in order within each", () => {
  const sender = new Sender();
  for (const body of ["a0", "a1", "a2"]) sender.push(1, body);
  sender.push(2, "b0");
  sender.push(3, "c0");
  sender.push(3, "c1");
  assert.deepEqual(sender.all(), ["a0#0", "b0#0", "c0#0", "a1#1", "c1#1", "a2#2"]);
  assert.equal(sender.streams.isEmpty, true);
});

Deno.test("StreamScheduler lets lossy messages and negotiation pass, but no message interrupt another", () => {
  const sender = new Sender();
  sender.push(1, "long message");
  sender.push(1, "reliable");
  assert.equal(sender.cut(4), "long#0");
  sender.push(2, "lossy", { rtx: 0 });
  sender.push(4, "open", { ppid: DCEP });
  sender.push(4, "behind it");
  assert.deepEqual(sender.all(), [
    " message#0",
    "lossy#0",
    "open#0",
    "reliable#1",
    "behind it#1",
  ]);
});

Deno.test("StreamScheduler drops what is worth nothing any more before it begins, without a number", () => {
  const sender = new Sender();
  sender.push(1, "late", { rtx: 0, expiresAt: 100 });
  sender.push(1, "later", { rtx: 0, expiresAt: 200 });
  sender.push(1, "in time", { rtx: 0, expiresAt: 300 });
  assert.deepEqual(sender.all(200), ["in time#0"]);
  assert.equal(sender.late, 2);
  assert.deepEqual(sender.left, ["1: 4", "1: 5", "1: 7"]);
});

Deno.test("StreamScheduler.pause() drops what waits, finishes what has begun, and counts from 0 after restart()", () => {
  const sender = new Sender();
  for (const body of ["begun", "dropped", "dropped, too"]) sender.push(1, body);
  sender.push(2, "other");
  assert.equal(sender.cut(2), "be#0");
  sender.streams.pause(1);
  assert.equal(sender.streams.isBusy(1), true);
  sender.push(1, "next use");
  assert.deepEqual(sender.all(), ["gun#0", "other#0"]);
  assert.equal(sender.streams.isBusy(1), false);
  assert.equal(sender.streams.isEmpty, false);
  sender.streams.restart(1);
  assert.deepEqual(sender.all(), ["next use#0"]);
});

Deno.test("OutgoingMessages uses slots again, and forgets their bytes", () => {
  const messages = new OutgoingMessages();
  for (let round = 0; round < 5; round++) {
    const slots = Array.from(
      { length: 40 },
      () => messages.add(1, 53, new Uint8Array(9), true, UNLIMITED, Infinity),
    );
    assert.equal(new Set(slots).size, 40);
    assert.ok(Math.max(...slots) < 40, "no more than there are at once");
    for (const slot of slots) messages.remove(slot);
    assert.ok(slots.every((slot) => messages.bytesOf(slot).length === 0));
  }
});

Deno.test("StreamScheduler.dropOldest() takes what waits longest, and nothing that has begun", () => {
  const sender = new Sender();
  const { streams } = sender;
  assert.equal(streams.dropOldest(1), false, "nothing waits");
  for (const body of ["a0", "a1", "a2", "a3"]) sender.push(1, body);
  sender.push(2, "b0");
  assert.equal(streams.dropOldest(1), true);
  assert.equal(sender.cut(1), "b#0", "it stands behind the others again");
  assert.equal(streams.dropOldest(2), false, "that one has begun");
  sender.push(2, "b1");
  assert.equal(streams.dropOldest(2), true);
  assert.equal(streams.dropOldest(2), false);
  sender.push(2, "b2");
  assert.deepEqual(sender.all(), ["0#0", "a1#0", "b2#1", "a2#1", "a3#2"], "numbers have no gap");
  assert.equal(streams.isEmpty, true);
  sender.push(3, "open", { ppid: DCEP });
  assert.equal(streams.dropOldest(3), false, "a channel is to open");
});
