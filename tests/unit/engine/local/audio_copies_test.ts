/** Copies of earlier frames in audio: there while a subscriber loses some. On virtual time. */
import assert from "node:assert/strict";
import { LossyListener } from "../../../support/media/lossy_listener.ts";

/** A subscriber whose path has lost nothing for a while. */
function settled(options: ConstructorParameters<typeof LossyListener>[0] = {}): LossyListener {
  const world = new LossyListener(options);
  world.run(12_000);
  assert.equal(world.sent.at(-1)!.copies.length, 0, "left out");
  return world;
}

Deno.test("a call begins with copies, which are left out when five seconds lost nothing", () => {
  const world = new LossyListener();
  world.run(4_980);
  const from = world.sent[0]!.at;
  assert.deepEqual(world.copiesSince(from + 40), [0, 0, world.sent.length - 2, 0]);
  world.run(1_200);
  const last = world.sent.at(-1)!;
  assert.deepEqual([last.payloadType, last.copies], [111, []]);
  const numbers = world.sent.map(({ number }) => number);
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0]! + i), "numbers go on");
});

Deno.test("copies come back with the first report of a loss, and go 20 s after the last one", () => {
  const world = settled();
  world.loseNext = 1;
  world.run(1_100);
  const back = world.now;
  world.run(18_000);
  assert.deepEqual(world.copiesSince(back), [0, 0, 900, 0]);
  world.run(4_000);
  assert.equal(world.sent.at(-1)!.copies.length, 0);
});

Deno.test("who asks for a lost frame gets it, and copies from then on", () => {
  const world = settled({ nackMs: 100, reportMs: 5_000 });
  world.run(3_000);
  const at = world.now;
  world.loseNext = 1;
  world.run(500);
  assert.equal(world.missed(at, world.now), 0, "sent again");
  // 100 ms until it is asked for; what stands behind no copy is bare.
  const [bare, , two] = world.copiesSince(at);
  assert.ok(bare! <= 6 && two! >= 18, `${bare} bare, ${two} with two`);
});

Deno.test("a path that loses 2 % keeps copies, and next to nothing is missed", () => {
  const world = new LossyListener({ reportMs: 5_000 });
  world.loss = 0.02;
  world.run(120_000);
  assert.equal(world.copiesSince(world.sent[2]!.at)[0], 0);
  assert.ok(world.missed(0, world.now - 100) < 0.001);
});

Deno.test("what the publisher's path loses brings no copies", () => {
  const world = settled({ reportMs: 1_000, nackMs: 100 });
  const at = world.now;
  world.publisherLoss = 0.05;
  world.run(60_000);
  assert.equal(world.copiesSince(at).slice(1).reduce((sum, n) => sum + n), 0);
});

Deno.test("who says nothing of what comes keeps copies", () => {
  const world = new LossyListener({ reportMs: 0 });
  world.run(60_000);
  assert.equal(world.sent.at(-1)!.copies.length, 2);
});

Deno.test("copies with which a publisher sends are taken out, and passed on where some is lost", () => {
  const world = settled({ published: "red" });
  assert.equal(world.sent.at(-1)!.payloadType, 111);
  world.loseNext = 1;
  world.run(1_100);
  assert.deepEqual([world.sent.at(-1)!.payloadType, world.sent.at(-1)!.copies], [63, [1]]);
});

Deno.test("what is encrypted from end to end goes as it comes", () => {
  const world = new LossyListener({ published: "red", isEncrypted: true });
  world.run(30_000);
  assert.deepEqual(world.copiesSince(0), [0, world.sent.length, 0, 0]);
});

Deno.test("copies come back when packets take another path", () => {
  const world = settled();
  world.side.pathChanged(world.now);
  const at = world.now;
  world.run(3_000);
  assert.equal(world.copiesSince(at)[0], 0);
});

Deno.test("a path that loses 5 % has a second copy of what comes with one, and less is missed", () => {
  for (const isEncrypted of [false, true]) {
    const world = new LossyListener({ published: "red", reportMs: 5_000, isEncrypted });
    world.loss = 0.05;
    world.run(10_000);
    const at = world.now;
    world.run(200_000);
    const [bare, one, two] = world.copiesSince(at);
    assert.equal(bare, 0);
    const missed = world.missed(at, world.now - 100);
    if (isEncrypted) {
      assert.equal(two, 0);
      assert.ok(missed > 0.001, `${missed} with one copy`);
    } else {
      assert.equal(one, 0);
      assert.ok(missed < 0.0006, `${missed} with two copies`);
    }
  }
});

Deno.test("a path that loses half a percent has no more copies than come", () => {
  const world = new LossyListener({ published: "red", reportMs: 5_000 });
  world.loss = 0.005;
  world.run(120_000);
  assert.equal(world.copiesSince(0)[2], 0);
});
