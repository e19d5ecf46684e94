import assert from "node:assert/strict";
import { OutgoingMessages, UNLIMITED } from "../../../../lib/transport/sctp/outgoing_messages.ts";
import { StreamScheduler } from "../../../../lib/transport/sctp/stream_scheduler.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const text = new TextEncoder();
const DCEP = 50;
const FLOODER = 1;
const TALKER = 2;

/** Streams whose messages go whole, one after the other. */
class Sender {
  readonly messages = new OutgoingMessages();
  readonly left: string[] = [];
  late = 0;
  readonly streams = new StreamScheduler(
    this.messages,
    (streamId, _ppid, bytes) => this.left.push(`${streamId}: ${bytes}`),
  );

  push(
    streamId: number,
    body: string,
    { ppid = 53, rtx = UNLIMITED, expiresAt = Infinity, sender = 0 } = {},
  ) {
    const { messages } = this;
    const bytes = text.encode(body);
    this.streams.push(messages.add(streamId, ppid, bytes, true, rtx, expiresAt, sender));
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
      () => messages.add(1, 53, new Uint8Array(9), true, UNLIMITED, Infinity, 0),
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

Deno.test("StreamScheduler lets a message leave behind some packets of a flood of somebody else", () => {
  const sender = new Sender();
  for (let i = 0; i < 10_000; i++) sender.push(1, `flood ${i}`, { sender: FLOODER });
  for (let i = 0; i < 20; i++) {
    sender.push(1, `talk ${i}`, { sender: TALKER });
    let before = 0;
    while (!sender.cut().startsWith(`talk ${i}#`)) before++;
    assert.ok(before < 80, `${before} of the flood left first`);
  }
  const rest = sender.all();
  assert.equal(rest.at(-1), "flood 9999#10019", "numbers have no gap");
});

Deno.test("StreamScheduler keeps the order of a sender, begun, late, given up or not", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed);
    const sender = new Sender();
    const written = [0, 0, 0, 0];
    const limited = random.chance(0.5);
    const sent: string[] = [];
    let [now, pushed, dropped, part] = [0, 0, 0, ""];
    const cut = (bytes: number) => {
      const cut = sender.cut(bytes, now);
      if (cut === "nothing") return;
      part += cut.slice(0, cut.indexOf("#"));
      if (part.endsWith(".")) sent.push(part);
      if (part.endsWith(".")) part = "";
    };
    for (let step = 0; step < 1_500; step++) {
      now++;
      const who = random.chance(0.7) ? 0 : random.below(4);
      const body = `${who} ${written[who]!++} ${"x".repeat(random.below(300))}.`;
      const expiresAt = limited ? now + 200 : Infinity;
      sender.push(1, body, { sender: who, rtx: limited ? 0 : UNLIMITED, expiresAt });
      pushed++;
      if (random.chance(0.7)) cut(1 + random.below(400));
      if (random.chance(0.1) && sender.streams.dropOldest(1)) dropped++;
      if (random.chance(0.1) && sender.streams.dropFor(1, who, 100)) dropped++;
    }
    while (!sender.streams.isEmpty) cut(Infinity);
    assert.equal(sent.length + dropped + sender.late, pushed, `seed ${seed}`);
    assert.equal(sender.left.length, pushed, "each left once");
    if (!limited) assert.equal(sender.late, 0);
    for (const who of [0, 1, 2, 3]) {
      const numbers = sent.flatMap((body) => {
        const [from, number] = body.split(" ");
        return Number(from) === who ? [Number(number)] : [];
      });
      assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), `seed ${seed}`);
    }
    assert.equal(sender.streams.sendersOn(1), 0);
  }
});

Deno.test("StreamScheduler drops what is late of each sender, and sends none of it", () => {
  const sender = new Sender();
  const lossy = (who: number, body: string, expiresAt: number) =>
    sender.push(1, body, { rtx: 0, sender: who, expiresAt });
  for (let i = 0; i < 500; i++) lossy(FLOODER, `flood ${i}`, 100);
  lossy(TALKER, "late", 100);
  for (let i = 0; i < 500; i++) lossy(FLOODER, `flood ${i}`, 300);
  lossy(TALKER, "in time", 300);
  const sent = sender.all(200);
  assert.equal(sender.late, 501);
  assert.equal(sent.length, 501);
  const at = sent.findIndex((body) => body.startsWith("in time"));
  assert.ok(at < 80, `${at} of the flood left first`);
});

Deno.test("StreamScheduler.dropOldest() takes of whoever has most waiting", () => {
  const sender = new Sender();
  for (let i = 0; i < 1_000; i++) sender.push(1, `flood ${i}`, { sender: FLOODER });
  for (let i = 0; i < 5; i++) sender.push(1, `talk ${i}`, { sender: TALKER });
  for (let i = 0; i < 900; i++) assert.equal(sender.streams.dropOldest(1), true);
  const sent = sender.all().map((body) => body.slice(0, body.indexOf("#")));
  assert.deepEqual(
    sent.filter((body) => body.startsWith("talk")),
    ["talk 0", "talk 1", "talk 2", "talk 3", "talk 4"],
  );
  assert.ok(sent.includes("flood 999"), "what is new stays");
  assert.equal(sent.length, 105);
});

Deno.test("StreamScheduler.pause() drops what waits of every sender", () => {
  const sender = new Sender();
  for (let i = 0; i < 500; i++) sender.push(1, `flood ${i}`, { sender: FLOODER });
  sender.push(1, "talk", { sender: TALKER });
  sender.push(2, "other", { sender: TALKER });
  assert.equal(sender.cut(2), "fl#0");
  sender.streams.pause(1);
  assert.deepEqual(sender.all(), ["ood 0#0", "other#0"]);
  assert.equal(sender.streams.isEmpty, true);
  sender.streams.restart(1);
  sender.push(1, "next use", { sender: TALKER });
  assert.deepEqual(sender.all(), ["next use#0"]);
});

Deno.test("StreamScheduler lets negotiation wait for no sender's turn", () => {
  const sender = new Sender();
  for (let i = 0; i < 500; i++) sender.push(1, `flood ${i}`, { sender: FLOODER });
  sender.push(1, "open", { ppid: DCEP });
  const at = sender.all().findIndex((body) => body.startsWith("open"));
  assert.ok(at < 80, `${at} of the flood left first`);
});

Deno.test("StreamScheduler.dropOldest() gives up large messages of one before small ones of another", () => {
  const sender = new Sender();
  const large = "x".repeat(16_000);
  for (let i = 0; i < 3; i++) {
    sender.push(1, `talk ${i}`, { sender: TALKER });
    sender.push(1, `${i} ${large}`, { sender: FLOODER });
  }
  const { streams } = sender;
  for (let i = 0; i < 3; i++) assert.equal(streams.dropOldest(1), true);
  for (const body of ["3", "4"]) sender.push(1, `${body} ${large}`, { sender: FLOODER });
  assert.equal(sender.cut(2), "ta#0", "one of them has begun");
  assert.equal(streams.dropOldest(1), true);
  const sent = sender.all().map((body) => body.slice(0, 6));
  assert.deepEqual(sent, ["lk 0#0", "talk 1", "talk 2", "4 xxxx"]);
});

Deno.test("StreamScheduler.dropFor() gives up what somebody else has more of, or nothing", () => {
  const sender = new Sender();
  const { streams } = sender;
  assert.equal(streams.dropFor(1, TALKER, 100), false, "nothing waits");
  sender.push(1, "x".repeat(5_000), { sender: FLOODER });
  assert.equal(streams.dropFor(1, FLOODER, 100), false, "his own");
  assert.equal(streams.dropFor(1, TALKER, 6_000), false, "he would have more");
  for (let i = 0; i < 3; i++) sender.push(1, "x".repeat(5_000), { sender: FLOODER });
  sender.push(1, "small", { sender: TALKER });
  for (let i = 0; i < 4; i++) assert.equal(streams.dropFor(1, TALKER, 1_000), true);
  assert.equal(streams.dropFor(1, TALKER, 1_000), false);
  assert.deepEqual(sender.all(), ["small#0"]);
});
