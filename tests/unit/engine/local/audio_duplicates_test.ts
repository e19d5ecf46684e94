/** Audio that is sent again unasked, to who takes no redundancy. On virtual time. */
import assert from "node:assert/strict";
import { type ListenerOptions, LossyListener } from "../../../support/media/lossy_listener.ts";

/** Reports of libwebrtc come each 2.5 to 7.5 s, those of pion once a second. */
const REPORTS = [1_000, 5_000] as const;
/** Until losses are told. */
const TOLD_MS = 10_000;

const plain = (options: ListenerOptions = {}) => new LossyListener({ isPlain: true, ...options });

/** A world that loses from its start, looked at once that is known. */
function lossy(
  loss: number,
  options: ListenerOptions = {},
): { world: LossyListener; from: number } {
  const world = plain(options);
  world.loss = loss;
  world.run(TOLD_MS);
  return { world, from: world.now };
}

/** Packets that left again since `from`, for each that left first. */
function copiesSince(world: LossyListener, from: number): number {
  const count = (times: readonly number[]) => times.filter((at) => at >= from).length;
  return count(world.again) / count(world.sent.map(({ at }) => at));
}

/** The longest time in which nothing left again. */
function longestWithout(world: LossyListener, from: number): number {
  const times = [from, ...world.again.filter((at) => at >= from), world.now];
  return Math.max(...times.slice(1).map((at, i) => at - times[i]!));
}

Deno.test("a path that loses nothing is sent no packet more", () => {
  for (const reportMs of [0, ...REPORTS]) {
    const world = plain({ reportMs });
    world.run(120_000);
    assert.equal(world.again.length, 0);
    assert.equal(world.sent.length, 6_000);
  }
});

Deno.test("what the publisher's path loses is not sent twice, nor what comes once in 400 ms", () => {
  const world = plain();
  world.publisherLoss = 0.05;
  world.run(60_000);
  assert.equal(world.again.length, 0);
  const { world: silent } = lossy(0.2, { frameMs: 400, reportMs: 1_000 });
  silent.run(60_000);
  assert.equal(silent.again.length, 0, "a copy would be too late");
});

for (const published of ["opus", "red"] as const) {
  for (const isEncrypted of published === "red" ? [false] : [false, true]) {
    const what = `${isEncrypted ? "encrypted " : ""}${published}`;
    Deno.test(`of 5 % that are lost no half percent is missed, all the time (${what})`, () => {
      for (const reportMs of REPORTS) {
        const { world, from } = lossy(0.05, { published, isEncrypted, reportMs });
        world.run(600_000);
        const missed = world.missed(from, world.now - 200);
        assert.ok(missed <= 0.005, `${missed} with reports each ${reportMs} ms`);
        const pausedMs = longestWithout(world, from);
        assert.ok(pausedMs <= 20, `${pausedMs} ms with reports each ${reportMs} ms`);
      }
    });
  }
}

Deno.test("of 10 % that are lost, two copies leave no 0.3 %", () => {
  for (const reportMs of REPORTS) {
    const { world, from } = lossy(0.1, { reportMs });
    world.run(600_000);
    const missed = world.missed(from, world.now - 200);
    assert.ok(missed <= 0.003, `${missed} with reports each ${reportMs} ms`);
    assert.ok(copiesSince(world, from) > 1.9, `${copiesSince(world, from)} copies`);
  }
});

Deno.test("frames of 60 ms have a copy, and one of 2 % loss has no second one by itself", () => {
  const { world, from } = lossy(0.05, { frameMs: 60 });
  world.run(120_000);
  assert.ok(world.missed(from, world.now - 200) <= 0.005);
  const few = plain();
  few.loss = 0.01;
  few.run(300_000);
  assert.ok(copiesSince(few, 60_000) <= 1.01, `${copiesSince(few, 60_000)} copies`);
});

Deno.test("one lost packet has those behind it sent again for a minute", () => {
  const world = plain();
  world.run(12_000);
  world.loseNext = 1;
  world.run(1_100);
  const from = world.now;
  world.run(55_000);
  assert.ok(Math.abs(copiesSince(world, from) - 1) < 0.01, `${copiesSince(world, from)}`);
  world.run(10_000);
  const after = world.now;
  world.run(60_000);
  assert.equal(copiesSince(world, after), 0);
});

Deno.test("when much loss ends, a second copy goes first and then the other", () => {
  const { world } = lossy(0.1);
  world.loss = 0;
  world.run(45_000);
  const two = world.now - 2_000;
  assert.ok(copiesSince(world, two) > 1.9, `${copiesSince(world, two)}`);
  world.run(40_000);
  const one = copiesSince(world, world.now - 2_000);
  assert.ok(one > 0.9 && one < 1.1, `${one}`);
  world.run(60_000);
  const after = world.now;
  world.run(60_000);
  assert.equal(copiesSince(world, after), 0);
});

Deno.test("who takes redundancy has copies inside, and nothing twice", () => {
  const world = new LossyListener();
  world.loss = 0.05;
  world.run(60_000);
  assert.equal(world.again.length, 0);
});

Deno.test("on TCP nothing is sent twice, and what is known of one path says nothing of another", () => {
  let isTcp = false;
  const { world } = lossy(0.05, { isTcp: () => isTcp });
  assert.ok(world.again.length > 0);
  isTcp = true;
  world.loss = 0;
  world.side.pathChanged(world.now);
  const moved = world.now;
  world.run(30_000);
  assert.equal(copiesSince(world, moved), 0);
  isTcp = false;
  world.side.pathChanged(world.now);
  const back = world.now;
  world.run(30_000);
  assert.equal(copiesSince(world, back), 0);
});

Deno.test("who counts copies as packets that came is not taken for one that loses nothing", () => {
  const { world, from } = lossy(0.05, { countsReplays: true });
  world.run(300_000);
  assert.ok(longestWithout(world, from) <= 20, `${longestWithout(world, from)} ms`);
  assert.ok(world.missed(from, world.now - 200) <= 0.005);
});
