import assert from "node:assert/strict";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { RawLinkPeer } from "../../../support/hostile/raw_link_peer.ts";
import { type LinkNode, LinkWorld } from "../../../support/virtual/link_world.ts";
import { ToldRoom } from "../../../support/virtual/told_room.ts";

/** Nodes `a` and `b` that share a room. */
async function pair(world = new LinkWorld()) {
  const [a, b] = [world.add("a"), world.add("b")];
  const [atA, atB] = [new ToldRoom("A"), new ToldRoom("B")];
  const roomA = a.links.openRoom("r", atA);
  const roomB = b.links.openRoom("r", atB);
  roomB.share(a.id, a.address);
  await world.advance(200);
  assert.deepEqual([atA.take(), atB.take()], [['snapshot ND_b "B"'], ['snapshot ND_a "A"']]);
  return { world, a, b, atA, atB, roomA, roomB };
}

/** Nothing is left of a world that was closed. */
async function close(world: LinkWorld): Promise<void> {
  await world.close();
  assert.equal(world.platform.pendingTimers, 0);
  assert.equal(world.network.connections, 0);
}

function bothUp(a: LinkNode, b: LinkNode): boolean {
  return a.links.facts(b.id)?.isUp === true && b.links.facts(a.id)?.isUp === true;
}

Deno.test("ClusterLinks: a room shared by one side is shared by both, snapshot first and then changes", async () => {
  const { world, a, b, atA, atB, roomA, roomB } = await pair();
  roomA.change(1);
  roomA.change(2, b.id);
  roomA.change(2.5, "ND_other" as NodeId);
  roomA.sendDatagram("levels", 3);
  assert.equal(roomA.sendData(b.id, 4), true);
  await world.advance(20);
  // What may get lost need not wait for its turn.
  assert.deepEqual(atB.take().sort(), [
    "change ND_a 1",
    "change ND_a 2",
    "data ND_a 4",
    "levels ND_a 3",
  ]);
  assert.deepEqual(roomA.peers, [b.id]);
  roomB.close();
  await world.advance(20);
  assert.deepEqual(atA.take(), ["gone ND_b"]);
  assert.deepEqual(roomA.peers, []);
  assert.equal(roomA.sendData(b.id, 5), false);
  assert.deepEqual([a.events, b.events], [["up ND_b"], ["up ND_a"]]);
  await close(world);
});

Deno.test("ClusterLinks: a room opened after the other side's hello asks for another one", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  const atB = new ToldRoom(1);
  const roomB = b.links.openRoom("r", atB);
  roomB.share(a.id, a.address);
  await world.advance(100);
  atB.content = 2;
  roomB.change("not known there");
  const atA = new ToldRoom("A");
  a.links.openRoom("r", atA);
  await world.advance(50);
  assert.deepEqual(atA.take(), ["snapshot ND_b 2"]);
  assert.deepEqual(atB.take(), ['snapshot ND_a "A"']);
  await close(world);
});

Deno.test("ClusterLinks: a lost connection leaves members away, and comes back with a new snapshot", async () => {
  const { world, a, b, atA, atB, roomA } = await pair();
  world.network.cut(a.id, b.id);
  assert.deepEqual([atA.take(), atB.take()], [["away ND_b"], ["away ND_a"]]);
  roomA.change("told by the snapshot alone");
  atA.content = "A2";
  await world.advance(300);
  assert.deepEqual(atA.take(), ["back ND_b", 'snapshot ND_b "B"']);
  assert.deepEqual(atB.take(), ["back ND_a", 'snapshot ND_a "A2"']);
  assert.deepEqual(a.events, ["up ND_b", "down ND_b", "up ND_b"]);
  roomA.change(1);
  await world.advance(50);
  assert.deepEqual(atB.take(), ["change ND_a 1"]);
  await close(world);
});

Deno.test("ClusterLinks: who left while the link was away is gone when it is back", async () => {
  const { world, a, b, atA, atB, roomA, roomB } = await pair();
  world.network.partition(a.id, b.id);
  await world.advance(3_000);
  assert.deepEqual([atA.take(), atB.take()], [["away ND_b"], ["away ND_a"]]);
  roomB.close();
  const inOther = new ToldRoom("other");
  b.links.openRoom("other", inOther).share(a.id, a.address);
  world.network.heal(a.id, b.id);
  await world.advance(4_000);
  assert.deepEqual(atA.take(), ["back ND_b", "gone ND_b"]);
  assert.deepEqual(roomA.peers, []);
  await close(world);
});

Deno.test("ClusterLinks: two nodes that dial each other at once keep one connection, the same", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const world = new LinkWorld(seed, { delayMs: seed % 40, jitterMs: seed % 60 });
    const [a, b] = [world.add("a"), world.add("b")];
    const first = seed % 2 === 0 ? [a, b] as const : [b, a] as const;
    first[0].links.want(first[1].id, first[1].address);
    await world.advance(world.platform.random.below(100));
    first[1].links.want(first[0].id, first[0].address);
    await world.advance(1_000);
    assert.ok(bothUp(a, b), `seed ${seed}`);
    assert.equal(world.network.connections, 1, `seed ${seed}`);
    // It is one that both believe in.
    const passed = a.links.barrier(b.id, 500);
    await world.advance(500);
    await passed;
    await close(world);
  }
});

Deno.test("ClusterLinks: a side that has lost a connection which the other one still believes in is let in at once", async () => {
  for (const [told, other] of [["a", "b"], ["b", "a"]] as const) {
    const { world, a, b, atA, atB } = await pair();
    world.network.halfOpen(`ND_${told}`, `ND_${other}`);
    // Far sooner than the 2 s after which a silent connection is dead.
    await world.advance(400);
    assert.ok(bothUp(a, b));
    assert.equal(world.network.connections, 1);
    assert.equal(atA.take().at(-1), 'snapshot ND_b "B"');
    assert.equal(atB.take().at(-1), 'snapshot ND_a "A"');
    assert.equal(a.counters.get("link_dead") + b.counters.get("link_dead"), 0);
    await close(world);
  }
});

Deno.test("ClusterLinks: a silent connection is dead after 2 s, and a process that stood still is not silent", async () => {
  const { world, a, b } = await pair();
  // Both stand still: what came meanwhile is read after.
  world.platform.stall(10_000);
  await world.advance(1_000);
  assert.ok(bothUp(a, b));
  assert.equal(world.network.dialled, 1);
  world.network.partition(a.id, b.id);
  await world.advance(1_900);
  assert.ok(bothUp(a, b));
  await world.advance(700);
  assert.deepEqual([a.events.at(-1), b.events.at(-1)], ["down ND_b", "down ND_a"]);
  assert.equal(a.counters.get("link_dead"), 1);
  await close(world);
});

Deno.test("ClusterLinks: a node that is not there is dialled after pauses that grow to 2 s, and differ", async () => {
  const world = new LinkWorld(3);
  const a = world.add("a");
  a.links.want("ND_z" as NodeId, "ws://z/cluster");
  await world.advance(1_000);
  const soon = world.network.dialled;
  // 50, 100, 200, 400 ms and so on, each by half shorter at most.
  assert.ok(soon >= 4 && soon <= 8, `${soon}`);
  await world.advance(30_000);
  const later = world.network.dialled - soon;
  assert.ok(later >= 14 && later <= 32, `${later}`);
  a.links.release("ND_z" as NodeId);
  await world.advance(60_100);
  assert.deepEqual(a.links.peers, []);
  const before = world.network.dialled;
  await world.advance(10_000);
  assert.equal(world.network.dialled, before);
  await close(world);
});

Deno.test("ClusterLinks: a link that neither side wants is kept for a minute, and then closed", async () => {
  const { world, a, b, roomA, roomB } = await pair();
  roomB.close();
  roomA.close();
  await world.advance(59_000);
  assert.ok(bothUp(a, b));
  await world.advance(2_000);
  assert.deepEqual([a.links.peers, b.links.peers], [[], []]);
  assert.equal(world.network.connections, 0);
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("ClusterLinks: a link that one side wants stays, and who wants it again in time keeps it", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  b.links.want(a.id, a.address);
  await world.advance(100);
  await world.advance(120_000);
  assert.ok(bothUp(a, b));
  b.links.release(a.id);
  await world.advance(50_000);
  a.links.want(b.id, b.address);
  await world.advance(120_000);
  assert.ok(bothUp(a, b));
  assert.equal(world.network.dialled, 1);
  a.links.release(b.id);
  await world.advance(61_000);
  assert.equal(world.network.connections, 0);
  await close(world);
});

Deno.test("ClusterLinks: a node that has no use for a link remembers that over a reconnect of the other one's", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  b.links.want(a.id, a.address);
  await world.advance(70_000);
  world.network.cut(a.id, b.id);
  await world.advance(1_000);
  assert.ok(bothUp(a, b));
  b.links.release(a.id);
  await world.advance(61_000);
  assert.equal(world.network.connections, 0);
  await close(world);
});

Deno.test("ClusterLinks: of two nodes that lose a connection the one with the smaller id dials", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, a, b, roomA } = await pair(new LinkWorld(seed));
    assert.equal(roomA.peers.length, 1);
    const before = world.network.dialled;
    world.network.cut(a.id, b.id);
    await world.advance(1_000);
    assert.ok(bothUp(a, b));
    assert.equal(world.network.dialled, before + 1);
    await close(world);
  }
});

Deno.test("ClusterLinks: connections that do not last are dialled after pauses that grow, too", async () => {
  const { world, a, b } = await pair();
  const before = world.network.dialled;
  let cuts = 0;
  for (let ms = 0; ms < 20_000; ms += 10) {
    if (bothUp(a, b)) {
      world.network.cut(a.id, b.id);
      cuts++;
    }
    await world.advance(10);
  }
  assert.ok(cuts >= 10);
  assert.ok(world.network.dialled - before < 50, `${world.network.dialled - before}`);
  // One that lasts makes the next pause short again.
  await world.advance(10_000);
  world.network.cut(a.id, b.id);
  await world.advance(200);
  assert.ok(bothUp(a, b));
  await close(world);
});

Deno.test("ClusterLinks: a node that has forgotten another one begins anew with it", async () => {
  const { world, a, b, atB, roomA } = await pair();
  const ran: unknown[] = [];
  b.links.serve("echo", (_peer, payload) => {
    ran.push(payload);
    return payload;
  });
  for (let round = 1; round <= 3; round++) {
    roomA.share(b.id, b.address);
    await world.advance(500);
    atB.take();
    const answer = a.links.call(b.id, "echo", round, { withinMs: 500 });
    assert.ok(roomA.sendData(b.id, round));
    await world.advance(500);
    assert.equal(await answer, round);
    assert.deepEqual(atB.take(), [`data ND_a ${round}`]);
    a.links.forget(b.id);
    await world.advance(500);
  }
  assert.deepEqual(ran, [1, 2, 3]);
  await close(world);
});

Deno.test("ClusterLinks: what a node had and ran before it gave the other one up does not come again", async () => {
  const { world, a, b, atA, roomA, roomB } = await pair();
  let runs = 0;
  a.links.serve("slow", () => {
    runs++;
    return new Promise((done) => world.platform.timers.after(1_000, () => done(null)));
  });
  assert.ok(roomB.sendData(a.id, "once"));
  const call = b.links.call(a.id, "slow", null, { withinMs: 5_000 });
  const isLost = assert.rejects(call, { code: "lost" });
  await world.advance(20);
  assert.deepEqual(atA.take(), ['data ND_b "once"']);
  a.links.forget(b.id);
  await world.advance(6);
  // What has never left is not what the other one may have had.
  assert.ok(roomB.sendData(a.id, "never sent"));
  roomA.share(b.id, b.address);
  await world.advance(500);
  assert.deepEqual(atA.take(), ["gone ND_b", 'snapshot ND_b "B"', 'data ND_b "never sent"']);
  await isLost;
  assert.equal(runs, 1);
  await close(world);
});

Deno.test("ClusterLinks: who comes back into a room is not taken to be with those who left it", async () => {
  const { world, a, b, atB, roomA, roomB } = await pair();
  roomB.close();
  await world.advance(50);
  roomA.close();
  const again = b.links.openRoom("r", atB);
  await world.advance(50);
  assert.deepEqual(again.peers, []);
  assert.deepEqual(atB.take(), []);
  // Nor where both leave in the same moment.
  const both = a.links.openRoom("r", new ToldRoom("A"));
  both.share(b.id, b.address);
  await world.advance(50);
  assert.deepEqual(atB.take(), ['snapshot ND_a "A"']);
  again.close();
  both.close();
  await world.advance(50);
  assert.deepEqual(b.links.openRoom("r", atB).peers, []);
  assert.deepEqual(a.links.openRoom("r", atB).peers, []);
  await close(world);
});

Deno.test("ClusterLinks: data follows the hello of its room, also where it is sent in the same moment", async () => {
  const { world, a, b } = await pair();
  const atB = new ToldRoom("B");
  b.links.openRoom("s", atB);
  const room = a.links.openRoom("s", new ToldRoom("A"));
  room.share(b.id, b.address);
  assert.ok(room.sendData(b.id, 1));
  await world.advance(50);
  assert.deepEqual(atB.take(), ['snapshot ND_a "A"', "data ND_a 1"]);
  await close(world);
});

Deno.test("ClusterLinks: versions are negotiated, and nodes without a common one are not linked", async () => {
  const world = new LinkWorld();
  const a = world.add("a", { protocol: { min: 1, max: 2 } });
  const b = world.add("b", { protocol: { min: 2, max: 3 } });
  const c = world.add("c", { protocol: { min: 3, max: 3 } });
  a.links.want(b.id, b.address);
  a.links.want(c.id, c.address);
  b.links.want(c.id, c.address);
  await world.advance(500);
  assert.equal(a.links.facts(b.id)?.protocol, 2);
  assert.equal(b.links.facts(c.id)?.protocol, 3);
  assert.equal(a.links.facts(c.id)?.isUp, false);
  assert.ok(c.counters.get("link_version_refused") > 0);
  await close(world);
});

Deno.test("ClusterLinks: clocks that differ by 10 s do no harm, and another secret is no way in", async () => {
  const world = new LinkWorld();
  const a = world.add("a", { skewMs: -10_000 });
  const b = world.add("b", { skewMs: 10_000 });
  const c = world.add("c", { secret: "a guess" });
  a.links.want(b.id, b.address);
  c.links.want(a.id, a.address);
  a.links.want(c.id, c.address);
  await world.advance(1_000);
  assert.ok(bothUp(a, b));
  assert.equal(a.links.facts(c.id)?.isUp, false);
  assert.ok(a.counters.get("link_token_unreadable") > 0);
  assert.deepEqual(c.events, []);
  await close(world);
});

Deno.test("ClusterLinks: both ends have one secret for media, which outlives connections", async () => {
  const { world, a, b } = await pair();
  const c = world.add("c");
  c.links.want(a.id, a.address);
  await world.advance(200);
  const secret = a.links.facts(b.id)?.secret;
  assert.equal(secret?.length, 32);
  assert.deepEqual(b.links.facts(a.id)?.secret, secret);
  assert.notDeepEqual(a.links.facts(c.id)?.secret, secret);
  world.network.cut(a.id, b.id);
  await world.advance(500);
  assert.deepEqual(a.links.facts(b.id)?.secret, secret);
  await close(world);
});

Deno.test("ClusterLinks.forget() gives a node up: its members are gone, its calls fail", async () => {
  const { world, a, b, atA } = await pair();
  world.network.kill(b.id, false);
  b.links.close();
  const call = a.links.call(b.id, "any", null, { withinMs: 60_000 });
  a.links.forget(b.id);
  await assert.rejects(call, { code: "closed" });
  assert.deepEqual(atA.take(), ["gone ND_b"]);
  assert.deepEqual(a.links.peers, []);
  const before = world.network.dialled;
  await world.advance(5_000);
  assert.equal(world.network.dialled, before);
});

Deno.test("ClusterLinks: a throw of a room's owner is counted, and the link goes on", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  const atB = new ToldRoom("B");
  const roomA = a.links.openRoom("r", new ToldRoom("A"));
  b.links.openRoom("r", {
    ...atB,
    onChange: () => {
      throw new Error("a bug");
    },
  }).share(a.id, a.address);
  await world.advance(100);
  roomA.change(1);
  roomA.change(2);
  await world.advance(100);
  assert.equal(b.counters.get("link_observer_bug"), 2);
  assert.ok(bothUp(a, b));
  await close(world);
});

Deno.test("ClusterLinks: a missing change asks for the room anew, and nothing is applied until then", async () => {
  const world = new LinkWorld();
  const a = world.add("a");
  const atA = new ToldRoom("A");
  a.links.openRoom("r", atA);
  const peer = new RawLinkPeer(world, "raw", a);
  await world.advance(50);
  peer.say({ kind: "hello", handle: 7, name: "r", value: 0 });
  peer.say({ kind: "change", handle: 7, number: 1, value: "first" });
  peer.say({ kind: "change", handle: 7, number: 3, value: "third" });
  peer.say({ kind: "change", handle: 7, number: 2, value: "second" });
  await world.advance(50);
  assert.deepEqual(atA.take(), ["snapshot ND_raw 0", 'change ND_raw "first"']);
  assert.deepEqual(peer.heard.filter((frame) => frame !== "unknown" && frame.kind === "again"), [
    { kind: "again", handle: 7 },
  ]);
  assert.equal(a.counters.get("link_change_gap"), 1);
  peer.say({ kind: "hello", handle: 7, name: "r", value: 3 });
  peer.say({ kind: "change", handle: 7, number: 1, value: "fourth" });
  await world.advance(50);
  assert.deepEqual(atA.take(), ["snapshot ND_raw 3", 'change ND_raw "fourth"']);
  peer.close();
  await close(world);
});

Deno.test("ClusterLinks: what a newer node says and this one does not know is skipped", async () => {
  const world = new LinkWorld();
  const a = world.add("a");
  const peer = new RawLinkPeer(world, "raw", a);
  await world.advance(50);
  // [99, "news"], a ping with an element more, and a datagram of kind 40.
  peer.sayBytes(Uint8Array.of(0x92, 99, 0xa4, 0x6e, 0x65, 0x77, 0x73));
  peer.sayBytes(Uint8Array.of(0x93, 1, 5, 0xc3));
  peer.sayBytes(Uint8Array.of(0x93, 13, 40, 0xc4, 0));
  await world.advance(50);
  assert.ok(peer.isUp);
  assert.equal(a.counters.get("link_frame_unknown"), 2);
  assert.ok(peer.heard.some((frame) => frame !== "unknown" && frame.kind === "pong"));
  peer.close();
  await close(world);
});

Deno.test("ClusterLinks: a node that is reached elsewhere is dialled there from then on", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  const room = a.links.openRoom("r", new ToldRoom("A"));
  b.links.openRoom("r", new ToldRoom("B"));
  room.share(b.id, "ws://elsewhere/cluster");
  await world.advance(5_000);
  assert.equal(bothUp(a, b), false);
  a.links.met({ nodeId: b.id, link: b.address, protocol: { min: 1, max: 1 } });
  await world.advance(5_000);
  assert.equal(bothUp(a, b), true);
  await close(world);
});
