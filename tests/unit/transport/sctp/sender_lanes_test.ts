import assert from "node:assert/strict";
import { OutgoingMessages, UNLIMITED } from "../../../../lib/transport/sctp/outgoing_messages.ts";
import { SenderLanes } from "../../../../lib/transport/sctp/sender_lanes.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const NOBODY = -1;
const FLOODER = 7;
const TALKER = 8;

/** Lanes whose messages are told apart by sender and number. */
class World {
  readonly messages = new OutgoingMessages();
  readonly lanes = new SenderLanes(this.messages);
  /** How many each sender wrote. */
  readonly written = new Map<number, number>();
  readonly #of = new Map<number, { sender: number; number: number; bytes: number }>();

  write(sender: number, bytes: number): void {
    const number = this.written.get(sender) ?? 0;
    this.written.set(sender, number + 1);
    const { messages } = this;
    const slot = messages.add(1, 53, new Uint8Array(bytes), true, UNLIMITED, Infinity, sender);
    this.#of.set(slot, { sender, number, bytes });
    this.lanes.push(slot);
  }

  take(slot = this.lanes.take()): { sender: number; number: number; bytes: number } {
    if (slot < 0) return { sender: NOBODY, number: 0, bytes: 0 };
    this.messages.remove(slot);
    return this.#of.get(slot)!;
  }
}

Deno.test("SenderLanes gives who writes one message its turn behind a dozen small ones of a flood", () => {
  const world = new World();
  for (let i = 0; i < 10_000; i++) world.write(FLOODER, 50);
  for (let round = 0; round < 100; round++) {
    world.write(TALKER, 100);
    let before = 0;
    while (world.take().sender !== TALKER) before++;
    assert.ok(before <= 12, `${before} of the flood came first`);
  }
});

Deno.test("SenderLanes shares by bytes, whatever their messages' sizes, and keeps each one's order", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const world = new World();
    const senders = Array.from({ length: 2 + random.below(5) }, (_, i) => 100 + i);
    const largest = senders.map(() => 1 + random.below(random.chance(0.5) ? 200 : 20_000));
    const write = (i: number) => world.write(senders[i]!, 1 + random.below(largest[i]!));
    const taken = new Map(senders.map((sender) => [sender, { number: 0, cost: 0 }]));
    senders.forEach((_, i) => {
      for (let more = 0; more < 30; more++) write(i);
    });
    for (let step = 0; step < 3_000; step++) {
      const { sender, number, bytes } = world.take();
      const its = taken.get(sender)!;
      assert.equal(number, its.number++, `seed ${seed}: in order`);
      its.cost += bytes + 64;
      write(senders.indexOf(sender)); // so that everybody has something waiting at any time
      const costs = [...taken.values()].map(({ cost }) => cost);
      const apart = Math.max(...costs) - Math.min(...costs);
      // Somebody's turn and message more than somebody else, who took one too early.
      assert.ok(apart <= 2 * (1_024 + 20_064), `seed ${seed}: ${apart} bytes apart`);
    }
  }
});

Deno.test("SenderLanes gives all that was written once, and knows how much of whom waits", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const world = new World();
    const waiting = new Map<number, number>();
    const taken = new Map<number, number[]>();
    const note = ({ sender, number, bytes }: ReturnType<World["take"]>) => {
      if (sender === NOBODY) return;
      waiting.set(sender, waiting.get(sender)! - bytes - 64);
      taken.set(sender, [...taken.get(sender) ?? [], number]);
    };
    for (let step = 0; step < 600; step++) {
      if (random.chance(0.5)) {
        const sender = random.below(6);
        const bytes = random.below(3_000);
        world.write(sender, bytes);
        waiting.set(sender, (waiting.get(sender) ?? 0) + bytes + 64);
      } else if (random.chance(0.7)) note(world.take());
      else {
        const most = Math.max(0, ...waiting.values());
        const longest = world.lanes.longest();
        assert.equal(longest?.bytes ?? 0, most);
        if (longest !== undefined) assert.equal(waiting.get(longest.sender), most);
        const sender = random.chance(0.5) ? longest?.sender ?? NOBODY : random.below(6);
        const given = world.take(world.lanes.takeOf(sender));
        assert.equal(given.sender, waiting.get(sender) ? sender : NOBODY);
        note(given);
      }
      for (const [sender, bytes] of waiting) assert.equal(world.lanes.waitingOf(sender), bytes);
      assert.equal(world.lanes.size, [...waiting.values()].filter((bytes) => bytes > 0).length);
    }
    while (world.lanes.size > 0) note(world.take());
    assert.equal(world.lanes.take(), NOBODY);
    for (const [sender, count] of world.written) {
      assert.deepEqual(taken.get(sender), Array.from({ length: count }, (_, i) => i));
    }
  }
});

Deno.test("SenderLanes does not forget what was taken too early of who has nothing waiting for a while", () => {
  const world = new World();
  for (let i = 0; i < 10; i++) world.write(TALKER, 15_000);
  let flood = 0;
  let talk = 0;
  for (let round = 0; round < 100; round++) {
    world.write(FLOODER, 60_000);
    for (;;) {
      const { sender, bytes } = world.take();
      if (sender === FLOODER) break;
      talk += bytes;
      world.write(TALKER, 15_000);
    }
    flood += 60_000;
  }
  const part = flood / (flood + talk);
  assert.ok(part < 0.52, `${part} of all, where half is fair`);
});

Deno.test("SenderLanes counts, and finds, only those that wait, and forgets debts when nobody does", () => {
  const world = new World();
  const { lanes } = world;
  world.write(FLOODER, 60_000);
  world.write(TALKER, 100);
  world.write(TALKER, 100);
  assert.equal(world.take().sender, FLOODER);
  assert.deepEqual([lanes.size, lanes.waitingOf(FLOODER)], [1, 0]);
  assert.equal(lanes.longest()?.sender, TALKER);
  assert.equal(lanes.takeOf(FLOODER), NOBODY);
  world.take();
  world.take();
  assert.deepEqual([lanes.size, lanes.longest()], [0, undefined]);
  world.write(FLOODER, 100);
  world.write(TALKER, 100);
  assert.equal(world.take().sender, FLOODER, "who came first: there was nobody to be fair to");
});

Deno.test("SenderLanes gives all that was written once, whoever left owing", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const world = new World();
    const taken = new Map<number, number>();
    let waiting = 0;
    for (let step = 0; step < 3_000; step++) {
      // Hundreds of senders, most of whom write one large message and are gone.
      if (waiting === 0 || random.chance(step < 1_500 ? 0.6 : 0.4)) {
        world.write(random.below(800), random.chance(0.5) ? random.below(60_000) : 10);
        waiting++;
      } else {
        const { sender, number } = world.take();
        assert.equal(number, taken.get(sender) ?? 0, `seed ${seed}: in order`);
        taken.set(sender, number + 1);
        waiting--;
      }
      assert.equal(world.lanes.size === 0, waiting === 0);
    }
    for (; waiting > 0; waiting--) assert.notEqual(world.take().sender, NOBODY);
    assert.equal(world.take().sender, NOBODY);
  }
});
