import assert from "node:assert/strict";
import { Turns, type Waiter } from "../../../../lib/cluster/link/turns.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

class Sender implements Waiter {
  had = 0;
  takesPart = false;
  isWaiting = true;
  sent = 0;
}

/** One turn. @returns Whose it was. */
function go(turns: Turns<Sender>, bytes: number): Sender | undefined {
  const next = turns.next();
  if (next === undefined) return undefined;
  turns.took(bytes);
  next.sent += bytes;
  return next;
}

Deno.test("Turns gives all who wait the same in bytes, whatever the sizes", () => {
  const random = new SeededRandom(7);
  const turns = new Turns<Sender>(() => {});
  const sizes = Array.from({ length: 50 }, (_, n) => 1 + n * n * 4);
  const senders = sizes.map(() => new Sender());
  const longest = Math.max(...sizes);
  for (const sender of senders) turns.wait(sender);
  for (let i = 0; i < 20_000; i++) {
    const size = sizes[senders.indexOf(turns.next()!)]!;
    go(turns, 1 + random.below(size));
    const sent = senders.map((sender) => sender.sent);
    assert.ok(Math.max(...sent) - Math.min(...sent) <= longest);
  }
});

Deno.test("Turns has who begins to wait next, but for who has had more than its share", () => {
  const left: Sender[] = [];
  const turns = new Turns<Sender>((sender) => void left.push(sender));
  const [flood, other, newcomer] = [new Sender(), new Sender(), new Sender()];
  turns.wait(flood);
  turns.wait(other);
  for (let i = 0; i < 10; i++) go(turns, 100);
  turns.wait(newcomer);
  assert.equal(go(turns, 1_000), newcomer);
  // It had a long message, has nothing more at once, and comes again.
  newcomer.isWaiting = false;
  assert.notEqual(go(turns, 100), newcomer);
  newcomer.isWaiting = true;
  turns.wait(newcomer);
  let others = 0;
  while (go(turns, 100) !== newcomer) others += 100;
  assert.ok(others >= 1_500 && others <= 2_000, `${others}`);
  assert.deepEqual(left, []);
});

Deno.test("Turns lets go of who has nothing more, and of all when nobody waits", () => {
  const left: Sender[] = [];
  const turns = new Turns<Sender>((sender) => void left.push(sender));
  const senders = Array.from({ length: 20 }, () => new Sender());
  for (const sender of senders) turns.wait(sender);
  for (let i = 0; i < 20; i++) go(turns, 10 * i)!.isWaiting = false;
  assert.equal(turns.next(), undefined);
  assert.deepEqual(new Set(left), new Set(senders));
  assert.ok(left.every(({ takesPart }) => !takesPart));
  // Who comes after that has nothing to wait for, and nothing saved.
  senders[3]!.isWaiting = senders[4]!.isWaiting = true;
  turns.wait(senders[3]!);
  turns.wait(senders[4]!);
  const order = [go(turns, 10), go(turns, 10), go(turns, 10), go(turns, 10)];
  assert.equal(new Set(order.slice(0, 2)).size, 2);
  assert.equal(new Set(order.slice(2)).size, 2);
});
