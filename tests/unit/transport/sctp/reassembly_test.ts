import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { InboundQueue } from "../../../../lib/transport/sctp/inbound_queue.ts";
import { Reassembly } from "../../../../lib/transport/sctp/reassembly.ts";
import { ReceiveTracker } from "../../../../lib/transport/sctp/receive_tracker.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

interface Chunk {
  readonly tsn: number;
  readonly flags: number;
  readonly streamId: number;
  readonly streamSeq: number;
  readonly text: string;
}

const text = new TextEncoder();

/** The receiving half of an association without windows. */
class Receiver {
  readonly drops = new DropCounters();
  readonly queue = new InboundQueue();
  readonly reassembly = new Reassembly(this.queue, this.drops, 65_535);
  readonly tracker = new ReceiveTracker(0);

  add(chunk: Chunk): void {
    const bytes = text.encode(chunk.text);
    const received = { ...chunk, ppid: 51, bytes, from: 0, length: bytes.length };
    const standing = this.tracker.standing(chunk.tsn);
    if (standing === "next") {
      this.tracker.addNext(chunk.tsn);
      this.reassembly.addNext(received);
      this.#advance();
    } else if (standing === "ahead") {
      this.tracker.addAhead(chunk.tsn);
      this.reassembly.addAhead(received);
    }
    bytes.fill(0x3f); // the packet's buffer is used again
  }

  forward(tsn: number, streams: readonly (readonly [number, number])[] = []): void {
    this.reassembly.giveUp(this.tracker.cumulative + 1, tsn);
    this.tracker.skipTo(tsn);
    for (const [streamId, seq] of streams) this.reassembly.skipSeq(streamId, seq);
    this.#advance();
  }

  taken(): string[] {
    const messages = [];
    while (this.queue.take(true)) {
      messages.push(new TextDecoder().decode(this.queue.message.bytes));
    }
    return messages;
  }

  #advance(): void {
    while (this.tracker.advance()) this.reassembly.advancedTo(this.tracker.cumulative);
  }
}

const chunk = (tsn: number, flags: number, body: string, streamSeq = 0, streamId = 1): Chunk => ({
  ...{ tsn, flags, streamId, streamSeq, text: body },
});

Deno.test("Reassembly brings each message once and whole, ordered ones in order, however chunks come", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const chunks: Chunk[] = [];
    const sent: string[] = [];
    const nextSeq = [0, 0, 0];
    for (let message = 0; message < 80; message++) {
      const streamId = random.below(3);
      const unordered = random.chance(0.3);
      const parts = random.chance(0.5) ? 1 : 1 + random.below(6);
      const streamSeq = unordered ? 0 : nextSeq[streamId]!++;
      const letters = Array.from({ length: parts }, (_, i) => `${message}.${i};`);
      sent.push(`${unordered ? "u" : streamId}:${letters.join("")}`);
      letters[0] = `${unordered ? "u" : streamId}:${letters[0]}`;
      letters.forEach((body, i) => {
        const flags = (i === 0 ? 2 : 0) | (i === parts - 1 ? 1 : 0) | (unordered ? 4 : 0);
        chunks.push(chunk(chunks.length, flags, body, streamSeq, streamId));
      });
    }
    const receiver = new Receiver();
    // Shuffled within a stretch, and some of them twice.
    const order = chunks.map((c) => ({ c, key: c.tsn + random.below(40) }));
    order.sort((a, b) => a.key - b.key);
    const taken: string[] = [];
    for (const { c } of order) {
      receiver.add(c);
      if (random.chance(0.1)) receiver.add(c);
      taken.push(...receiver.taken());
    }
    assert.deepEqual(taken.toSorted(), sent.toSorted(), `seed ${seed}`);
    for (const stream of ["0", "1", "2"]) {
      const of = (messages: string[]) => messages.filter((m) => m.startsWith(`${stream}:`));
      assert.deepEqual(of(taken), of(sent), `seed ${seed}: in order`);
    }
    assert.deepEqual([receiver.reassembly.weight, receiver.queue.weight], [0, 0], `seed ${seed}`);
    assert.deepEqual(receiver.drops.snapshot(), {}, `seed ${seed}`);
  }
});

Deno.test("Reassembly lets unordered messages and other streams pass what is missing", () => {
  const receiver = new Receiver();
  receiver.add(chunk(1, 3, "ordered, second", 1));
  receiver.add(chunk(2, 7, "unordered"));
  receiver.add(chunk(3, 3, "other stream", 0, 2));
  assert.deepEqual(receiver.taken(), ["unordered", "other stream"]);
  receiver.add(chunk(0, 3, "ordered, first", 0));
  assert.deepEqual(receiver.taken(), ["ordered, first", "ordered, second"]);
});

Deno.test("Reassembly.giveUp() forgets parts of what was given up and nothing that came whole", () => {
  const receiver = new Receiver();
  receiver.add(chunk(0, 2, "never "));
  receiver.add(chunk(2, 1, "finished"));
  receiver.add(chunk(4, 3, "waits", 2));
  receiver.add(chunk(6, 2, "next, ", 3));
  receiver.forward(3, [[1, 1]]);
  assert.deepEqual(receiver.taken(), ["waits"]);
  receiver.add(chunk(5, 7, "five"));
  receiver.add(chunk(7, 1, "whole", 3));
  assert.deepEqual(receiver.taken(), ["five", "next, whole"]);
  assert.equal(receiver.reassembly.weight, 0);
  assert.deepEqual(receiver.drops.snapshot(), {});
});

Deno.test("Reassembly.skipSeq() lets go what came before its turn, in order", () => {
  const receiver = new Receiver();
  for (const seq of [5, 3, 4, 1, 7]) receiver.add(chunk(10 + seq, 3, `${seq}`, seq));
  receiver.forward(9, [[1, 2]]);
  assert.deepEqual(receiver.taken(), ["1", "3", "4", "5"]);
  receiver.forward(9, [[1, 6]]);
  assert.deepEqual(receiver.taken(), ["7"]);
});

Deno.test("Reassembly hands over what was skipped and comes after all, and stays where it was", () => {
  const receiver = new Receiver();
  receiver.forward(3, [[1, 4]]);
  receiver.add(chunk(4, 3, "3, late", 3));
  receiver.add(chunk(5, 3, "5", 5));
  assert.deepEqual(receiver.taken(), ["3, late", "5"]);
});

Deno.test("Reassembly drops parts that do not fit together, counted, and goes on", () => {
  const receiver = new Receiver();
  receiver.add(chunk(0, 0, "no beginning"));
  receiver.add(chunk(1, 2, "no end"));
  receiver.add(chunk(2, 3, "fine", 0));
  receiver.add(chunk(3, 2, "other ", 1));
  receiver.add(chunk(4, 1, "stream", 1, 2));
  receiver.add(chunk(5, 3, "good", 1));
  assert.deepEqual(receiver.taken(), ["fine", "good"]);
  assert.equal(receiver.drops.get("sctp_broken_message"), 3);
  assert.equal(receiver.reassembly.weight, 0);
});

for (const direction of ["in order", "backwards"] as const) {
  Deno.test(`Reassembly notices a message that is too long, ${direction}`, () => {
    const receiver = new Receiver();
    const part = "x".repeat(1_000);
    for (let i = 0; i < 65; i++) {
      const tsn = direction === "in order" ? i : 1_000 - i;
      receiver.add(chunk(tsn, i === 0 && direction === "in order" ? 2 : 0, part));
    }
    assert.equal(receiver.reassembly.isTooLong, false);
    receiver.add(chunk(direction === "in order" ? 65 : 935, 0, part));
    assert.equal(receiver.reassembly.isTooLong, true);
  });
}

/** How often maps are looked into while `run` runs. */
function lookups(run: () => void): number {
  const { get, has, keys } = Map.prototype;
  let count = 0;
  Map.prototype.get = function (key) {
    count++;
    return get.call(this, key);
  };
  Map.prototype.has = function (key) {
    count++;
    return has.call(this, key);
  };
  Map.prototype.keys = function () {
    count += this.size;
    return keys.call(this);
  };
  try {
    run();
  } finally {
    Object.assign(Map.prototype, { get, has, keys });
  }
  return count;
}

Deno.test("Reassembly gives up thousands of numbers before one part without a look at each", () => {
  const receiver = new Receiver();
  const count = lookups(() => {
    for (let i = 0; i < 40; i++) {
      const cumulative = receiver.tracker.cumulative;
      receiver.add(chunk(cumulative + 8000, 0, "x"));
      receiver.forward(cumulative + 8000);
    }
  });
  assert.ok(count < 1_000, `${count} lookups`);
  assert.equal(receiver.reassembly.weight, 0);
});

Deno.test("Reassembly skips one number after another before many early messages without a look at all", () => {
  const receiver = new Receiver();
  for (let i = 0; i < 5_000; i++) receiver.add(chunk(i, 3, "x", 1_000 + i));
  const count = lookups(() => {
    for (let seq = 0; seq < 500; seq++) receiver.reassembly.skipSeq(1, seq);
  });
  assert.ok(count < 5_000, `${count} lookups`);
  assert.deepEqual(receiver.taken(), []);
  receiver.reassembly.skipSeq(1, 1_010);
  assert.equal(receiver.taken().length, 5_000);
});

Deno.test("ReceiveTracker.skipTo() forgets what came up to there and nothing behind it", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const first = random.below(2 ** 32) | 0;
    const tracker = new ReceiveTracker(first);
    const come = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const ahead = 2 + random.below(1_000);
      come.add(ahead);
      if (tracker.standing((first - 1 + ahead) | 0) === "ahead") {
        tracker.addAhead((first - 1 + ahead) | 0);
      }
    }
    const skipped = 1 + random.below(1_000);
    tracker.skipTo((first - 1 + skipped) | 0);
    // The ring of bits comes round to what was skipped.
    for (let ahead = skipped + 2; ahead < skipped + 8_191; ahead++) {
      const standing = come.has(ahead) ? "duplicate" : "ahead";
      assert.equal(tracker.standing((first - 1 + ahead) | 0), standing, `seed ${seed}: ${ahead}`);
    }
  }
});
