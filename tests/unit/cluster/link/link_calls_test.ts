import assert from "node:assert/strict";
import type { LinkError } from "../../../../lib/cluster/link/link_ports.ts";
import { MAX_CALLS } from "../../../../lib/cluster/link/outgoing_calls.ts";
import { MAX_RUNNING } from "../../../../lib/cluster/link/incoming_calls.ts";
import { RawLinkPeer } from "../../../support/hostile/raw_link_peer.ts";
import { LinkWorld } from "../../../support/virtual/link_world.ts";
import { ToldRoom } from "../../../support/virtual/told_room.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";

/** Two linked nodes; `b` serves `echo`, which takes as long as it is told. */
async function pair(world = new LinkWorld()) {
  const [a, b] = [world.add("a"), world.add("b")];
  const ran: unknown[] = [];
  b.links.serve("echo", (_peer, payload) => {
    ran.push(payload);
    const [forMs] = payload as [number];
    return new Promise((done) => world.platform.timers.after(forMs, () => done(payload)));
  });
  a.links.want(b.id, b.address);
  await world.advance(100);
  /** What became of a call: its answer, or the code of its failure. */
  const outcomes: unknown[] = [];
  const call = (payload: readonly number[], withinMs: number, method = "echo") => {
    a.links.call(b.id, method, payload, { withinMs }).then(
      (answer) => outcomes.push(answer),
      (error: LinkError) => outcomes.push(error.code),
    );
  };
  return { world, a, b, ran, outcomes, call };
}

Deno.test("NodeLinks.call() settles by the answer, or at its deadline, once", async () => {
  const { world, outcomes, call, ran } = await pair();
  call([50], 200);
  call([500], 200);
  await world.advance(100);
  assert.deepEqual(outcomes, [[50]]);
  await world.advance(99);
  assert.equal(outcomes.length, 1);
  await world.advance(1);
  assert.deepEqual(outcomes, [[50], "timeout"]);
  await world.advance(1_000);
  assert.equal(outcomes.length, 2);
  assert.equal(ran.length, 2);
  await world.close();
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("NodeLinks.call() outlives a connection, and the method runs once", async () => {
  const { world, a, b, outcomes, call, ran } = await pair();
  // One whose call is lost, one that runs meanwhile, one whose answer is lost.
  call([300, 1], 5_000);
  await world.advance(50);
  call([0, 2], 5_000);
  await world.advance(7);
  call([0, 3], 5_000);
  world.network.cut(a.id, b.id);
  await world.advance(1_000);
  const byNumber = (x: unknown, y: unknown) => (x as number[])[1]! - (y as number[])[1]!;
  assert.deepEqual(outcomes.sort(byNumber), [[300, 1], [0, 2], [0, 3]]);
  assert.deepEqual(ran.sort(byNumber), [[300, 1], [0, 2], [0, 3]]);
  await world.close();
});

Deno.test("NodeLinks.call() waits for a link until its deadline, and dials for the call alone", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  b.links.serve("echo", (_peer, payload) => payload);
  await assert.rejects(a.links.call(b.id, "echo", 1, { withinMs: 100 }), { code: "timeout" });
  const answer = a.links.call(b.id, "echo", 1, { withinMs: 100, address: b.address });
  await world.advance(100);
  assert.equal(await answer, 1);
  world.network.partition(a.id, b.id);
  await world.advance(3_000);
  const late = a.links.call(b.id, "echo", 2, { withinMs: 3_000, address: b.address });
  world.network.heal(a.id, b.id);
  await world.advance(3_000);
  assert.equal(await late, 2);
  await world.advance(61_000);
  assert.deepEqual(a.links.peers, []);
  await world.close();
});

Deno.test("NodeLinks.call() says why there is no answer", async () => {
  const { world, a, b, outcomes, call } = await pair();
  b.links.serve("bug", () => {
    throw new Error("a bug");
  });
  call([1], 1_000, "absent");
  call([2], 1_000, "bug");
  await world.advance(100);
  assert.deepEqual(outcomes, ["unknown_method", "failed"]);
  assert.equal(b.counters.get("link_observer_bug"), 1);
  call([10_000], 20_000);
  await world.advance(100);
  a.links.close();
  await settle();
  assert.deepEqual(outcomes.slice(2), ["closed"]);
  await assert.rejects(a.links.call(b.id, "echo", 1, { withinMs: 9 }), { code: "closed" });
  await world.close();
});

Deno.test("NodeLinks.call() refuses what is too much, here and there, and frees what is settled", async () => {
  const { world, outcomes, call, ran } = await pair();
  for (let n = 0; n < MAX_CALLS + 5; n++) call([30_000, n], 20_000);
  await world.advance(100);
  const busy = outcomes.filter((outcome) => outcome === "busy").length;
  assert.equal(busy, 5 + MAX_CALLS - MAX_RUNNING);
  assert.equal(ran.length, MAX_RUNNING);
  await world.advance(30_100);
  assert.equal(outcomes.length, MAX_CALLS + 5);
  call([1], 1_000);
  await world.advance(100);
  assert.deepEqual(outcomes.at(-1), [1]);
  await world.close();
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("IncomingCalls answers a call that comes again, or says that its answer is lost", async () => {
  const world = new LinkWorld();
  const a = world.add("a");
  let runs = 0;
  a.links.serve("count", () => ++runs);
  const peer = new RawLinkPeer(world, "raw", a);
  await world.advance(50);
  const ask = async (id: number) => {
    peer.heard.length = 0;
    peer.say({ kind: "call", id, method: "count", withinMs: 1_000, payload: null });
    await world.advance(20);
    const answers = peer.heard.filter((frame) => frame !== "unknown" && frame.kind === "answer");
    assert.equal(answers.length, 1);
    return answers[0] as { readonly code: string; readonly payload: unknown };
  };
  assert.equal((await ask(4)).payload, 1);
  assert.equal((await ask(4)).payload, 1);
  assert.equal((await ask(5)).payload, 2);
  await world.advance(2_000);
  assert.equal((await ask(4)).code, "lost");
  assert.equal((await ask(6)).payload, 3);
  assert.equal(runs, 3);
  peer.close();
  await world.close();
});

Deno.test("NodeLinks.barrier() is passed behind everything that was changed before, hellos of a new connection, too", async () => {
  const { world, a, b } = await pair(new LinkWorld(1, { bytesPerMs: 10_000 }));
  const rooms = Array.from({ length: 40 }, (_, n) => {
    const told = new ToldRoom(`A${n}`);
    a.links.openRoom(`r${n}`, told);
    // Together more than is given to a connection at once.
    const room = b.links.openRoom(`r${n}`, new ToldRoom("B".repeat(100_000)));
    room.share(a.id, a.address);
    return { told, room };
  });
  const passed = a.links.barrier(b.id, 2_000)
    .then(() => rooms.map(({ told }) => told.told.length));
  await world.advance(1_000);
  assert.deepEqual(await passed, rooms.map(() => 1));

  world.network.cut(a.id, b.id);
  for (const { told } of rooms) told.take();
  const known = a.links.barrier(b.id, 4_000).then(() => rooms.map(({ told }) => told.take()));
  await world.advance(1_000);
  const snapshot = `snapshot ND_b ${JSON.stringify("B".repeat(100_000))}`;
  assert.deepEqual(await known, rooms.map(() => ["back ND_b", snapshot]));
  await world.close();
});
