/** What one node may do to another one by weight: slow readers, floods, and heavy messages. */
import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { LinkRooms, MAX_ROOMS } from "../../../../lib/cluster/link/link_rooms.ts";
import { PART, PART_BYTES } from "../../../../lib/cluster/link/outgoing_queue.ts";
import type { PackedValue } from "../../../../lib/wire/message_pack.ts";
import { RawLinkPeer } from "../../../support/hostile/raw_link_peer.ts";
import { LinkWorld } from "../../../support/virtual/link_world.ts";
import { ToldRoom } from "../../../support/virtual/told_room.ts";

/** `a` shares a room with `b`. */
async function pair(world = new LinkWorld()) {
  const [a, b] = [world.add("a"), world.add("b")];
  const [atA, atB] = [new ToldRoom("A"), new ToldRoom("B")];
  const roomA = a.links.openRoom("r", atA);
  const roomB = b.links.openRoom("r", atB);
  roomB.share(a.id, a.address);
  await world.advance(200);
  atA.take();
  atB.take();
  return { world, a, b, atA, atB, roomA, roomB };
}

Deno.test("Reliable data holds its senders on a slow link, and is refused rather than kept without end", async () => {
  const { world, a, b, atA, atB, roomA } = await pair(new LinkWorld(1, { bytesPerMs: 200 }));
  const message = "x".repeat(10_000);
  let taken = 0;
  while (!roomA.isCongested(b.id)) assert.ok(roomA.sendData(b.id, [taken++, message]));
  assert.ok(taken > 90 && taken < 120, `${taken}`);
  // Senders that do not care come to an end, too.
  while (roomA.sendData(b.id, [taken++, message])) assert.ok(taken < 1_000);
  taken--;
  assert.ok(taken > 800, `${taken}`);
  assert.ok(a.links.facts(b.id)!.queuedBytes < 10 * 1024 * 1024);
  await world.advance(60_000);
  assert.deepEqual(atA.take(), ["drained ND_b"]);
  const numbers = atB.take().map((told) => JSON.parse(told.slice("data ND_a ".length))[0]);
  assert.deepEqual(numbers, [...Array(taken).keys()]);
  assert.equal(a.counters.get("link_too_slow"), 0);
  await world.close();
});

Deno.test("Limits of reliable data are of each room: one that floods does not hold or cost another", async () => {
  const { world, a, b, atA, atB, roomA } = await pair(new LinkWorld(1, { bytesPerMs: 200 }));
  const [quietAtA, quietAtB] = [new ToldRoom("QA"), new ToldRoom("QB")];
  const quiet = a.links.openRoom("quiet", quietAtA);
  b.links.openRoom("quiet", quietAtB);
  quiet.share(b.id, b.address);
  await world.advance(200);
  for (const room of [atA, atB, quietAtA, quietAtB]) room.take();
  const message = "x".repeat(10_000);
  // A sender whom nothing stops, such as an operator's server.
  let taken = 0;
  while (roomA.sendData(b.id, [taken, message])) taken++;
  assert.equal(roomA.isCongested(b.id), true);
  assert.equal(quiet.isCongested(b.id), false);
  for (let n = 0; n < 50; n++) {
    assert.ok(quiet.sendData(b.id, [n, message]));
    assert.equal(quiet.isCongested(b.id), false);
  }
  await world.advance(100_000);
  assert.deepEqual(atA.take(), ["drained ND_b"]);
  assert.deepEqual(quietAtA.take(), [], "who was not held is not told to go on");
  assert.equal(atB.take().length, taken);
  assert.equal(quietAtB.take().length, 50);
  await world.close();
});

Deno.test("What is kept of reliable data for a node is bounded, however many rooms flood", async () => {
  const world = new LinkWorld(1, { bytesPerMs: 200 });
  const [a, b] = [world.add("a"), world.add("b")];
  const ROOMS = 60;
  const names = Array.from({ length: ROOMS + 1 }, (_, n) => `room ${n}`);
  const told = names.map((name) => new ToldRoom(name));
  for (const name of names) b.links.openRoom(name, new ToldRoom(name));
  const rooms = names.map((name, n) => a.links.openRoom(name, told[n]!));
  for (const room of rooms) room.share(b.id, b.address);
  await world.advance(500);
  for (const room of told) room.take();
  const quiet = rooms.pop()!;
  const message = "x".repeat(10_000);
  // Whoever heeds the limits finds room for more than these ask for.
  for (let round = 0; round < 200; round++) {
    for (const room of rooms) {
      if (!room.isCongested(b.id)) assert.ok(room.sendData(b.id, [round, message]));
    }
  }
  assert.ok(rooms.every((room) => room.isCongested(b.id)));
  assert.ok(a.links.facts(b.id)!.queuedBytes < 16 * 1024 * 1024);
  assert.ok(quiet.sendData(b.id, [0, message]));
  assert.equal(quiet.isCongested(b.id), false);
  // Whoever does not is refused, and still leaves room for others.
  for (let isTaken = true; isTaken;) {
    isTaken = false;
    for (const room of rooms) isTaken = room.sendData(b.id, [0, message]) || isTaken;
  }
  assert.ok(a.links.facts(b.id)!.queuedBytes < 17 * 1024 * 1024);
  assert.ok(quiet.sendData(b.id, [1, message]));
  await world.advance(150_000);
  assert.deepEqual(told.map((room) => room.take()), [
    ...rooms.map(() => ["drained ND_b"]),
    [],
  ]);
  assert.equal(a.links.facts(b.id)!.queuedBytes, 0);
  await world.close();
});

Deno.test("Reliable data outlives connections, each message once", async () => {
  const { world, a, b, atB, roomA } = await pair(
    new LinkWorld(5, { delayMs: 20, bytesPerMs: 100 }),
  );
  let sent = 0;
  for (let round = 0; round < 30; round++) {
    for (let n = world.platform.random.below(30); n > 0; n--) {
      if (roomA.sendData(b.id, [sent, "y".repeat(200)])) sent++;
    }
    await world.advance(world.platform.random.below(200));
    if (round % 3 === 0) world.network.cut(a.id, b.id);
    if (round % 3 === 1) world.network.halfOpen(a.id, b.id);
  }
  await world.advance(5_000);
  const numbers = atB.take().filter((told) => told.startsWith("data"))
    .map((told) => JSON.parse(told.slice("data ND_a ".length))[0]);
  assert.ok(sent > 300);
  assert.deepEqual(numbers, [...Array(sent).keys()]);
  assert.equal(b.counters.get("link_data_repeated") + b.counters.get("link_data_lost"), 0);
  await world.close();
});

Deno.test("A link that is 8 MB behind for 5 s is closed and begun anew, with a snapshot in place of what waited", async () => {
  // 8 MB take 80 s; pings and their answers pass all the same.
  const { world, a, b, atB, roomA } = await pair(new LinkWorld(1, { bytesPerMs: 100 }));
  for (let n = 0; n < 100; n++) roomA.change("z".repeat(100_000));
  await world.advance(4_900);
  assert.equal(a.counters.get("link_too_slow"), 0);
  assert.deepEqual([a.events, a.counters.get("link_dead")], [["up ND_b"], 0]);
  atB.take();
  await world.advance(5_000);
  assert.equal(a.counters.get("link_too_slow"), 1);
  assert.deepEqual(a.events, ["up ND_b", "down ND_b", "up ND_b"]);
  assert.deepEqual(atB.take().slice(-1), ['snapshot ND_a "A"']);
  assert.ok(a.links.facts(b.id)!.queuedBytes < 1_000);
  await world.close();
});

Deno.test("A peer that reads nothing costs a bounded queue, and media gives way last", async () => {
  const { world, a, b, roomA } = await pair();
  world.network.deafen(b.id, true);
  let media = 0;
  for (let n = 0; n < 5_000; n++) {
    if (a.links.sendDatagram(b.id, "media", new Uint8Array(1_200))) media++;
    roomA.sendDatagram("levels", new Uint8Array(1_200));
  }
  assert.ok(media * 1_200 < 1.2 * 1024 * 1024, `${media}`);
  for (let n = 0; n < 500; n++) roomA.change(new Uint8Array(100_000));
  assert.ok(a.links.facts(b.id)!.queuedBytes < 40 * 1024 * 1024);
  await world.advance(3_000);
  assert.equal(a.events.at(-1), "down ND_b");
  assert.equal(a.links.facts(b.id)!.queuedBytes, 0);
  await world.close();
});

Deno.test("Hellos are made when there is room for them: none waits, however many rooms there are", async () => {
  const world = new LinkWorld(1, { bytesPerMs: 1_000 });
  const [a, b] = [world.add("a"), world.add("b")];
  const rooms = Array.from({ length: 400 }, () => new ToldRoom("c".repeat(50_000)));
  for (const [n, room] of rooms.entries()) {
    a.links.openRoom(`r${n}`, room).share(b.id, b.address);
    b.links.openRoom(`r${n}`, new ToldRoom("B"));
  }
  await world.advance(1_000);
  const made = rooms.filter(({ snapshots }) => snapshots > 0).length;
  assert.ok(made > 5 && made < 60, `${made}`);
  assert.ok(a.links.facts(b.id)!.queuedBytes < 500_000);
  await world.advance(30_000);
  assert.ok(rooms.every(({ snapshots }) => snapshots === 1));
  assert.equal(a.counters.get("link_too_slow"), 0);
  await world.close();
});

Deno.test("A peer that names rooms without end is cut off", async () => {
  const rooms = new LinkRooms({
    peer: "ND_b" as NodeId,
    counters: new DropCounters(),
    openRoom: () => undefined,
    send() {},
    sendDatagram: () => false,
    awaitRoom() {},
    wanted() {},
  });
  const hello = (n: number) =>
    rooms.receive({ kind: "hello", handle: n, name: `r${n}`, value: null });
  for (let n = 0; n < MAX_ROOMS; n++) assert.ok(hello(n));
  assert.equal(hello(MAX_ROOMS), false);
  // The same one again is none more.
  assert.equal(hello(MAX_ROOMS - 1), true);

  const world = new LinkWorld();
  const a = world.add("a");
  const peer = new RawLinkPeer(world, "raw", a);
  await world.advance(50);
  // What has no place on a link ends it in the same way.
  peer.say({ kind: "hello", handle: 1, name: "x".repeat(1025), value: null });
  await world.advance(50);
  assert.equal(peer.isUp, false);
  await world.close();
});

Deno.test("A message in parts is no larger than 16 MB, and parts without bytes are none", async () => {
  const world = new LinkWorld();
  const a = world.add("a");
  const endless = new RawLinkPeer(world, "endless", a);
  const empty = new RawLinkPeer(world, "empty", a);
  await world.advance(50);
  const part = new Uint8Array(PART_BYTES);
  for (let n = 0; n < 512; n++) endless.sayBytes(part, PART.more);
  await world.advance(50);
  assert.ok(endless.isUp);
  endless.sayBytes(part, PART.more);
  empty.sayBytes(new Uint8Array(), PART.more);
  await world.advance(50);
  assert.deepEqual([endless.isUp, empty.isUp], [false, false]);
  await world.close();
});

Deno.test("A message in parts of a byte each is cut off before its parts cost more than it", async () => {
  const world = new LinkWorld();
  const a = world.add("a");
  const peer = new RawLinkPeer(world, "crumbs", a);
  await world.advance(50);
  const crumb = new Uint8Array(1);
  for (let n = 0; n < 4_096; n++) peer.sayBytes(crumb, PART.more);
  await world.advance(50);
  assert.ok(peer.isUp);
  peer.sayBytes(crumb, PART.more);
  await world.advance(50);
  assert.equal(peer.isUp, false);
  assert.equal(a.counters.get("link_frame_unreadable"), 1);
  await world.close();
});

Deno.test("Elements without end, nesting without end, and texts that claim to be huge end the link before they cost", async () => {
  const nested = new Uint8Array(30_000).fill(0x91);
  const many = new Uint8Array(90_000).fill(0xc0);
  many.set([0xdd, 0x7f, 0xff, 0xff, 0xff]);
  const huge = Uint8Array.of(0x94, 3, 1, 0xdb, 0xff, 0xff, 0xff, 0xff);
  for (const heavy of [nested, many, huge, Uint8Array.of(), Uint8Array.of(0x90)]) {
    const world = new LinkWorld();
    const a = world.add("a");
    const peer = new RawLinkPeer(world, "raw", a);
    await world.advance(50);
    peer.sayBytes(heavy);
    await world.advance(50);
    assert.equal(peer.isUp, false);
    assert.equal(a.counters.get("link_frame_unreadable"), 1);
    assert.deepEqual(a.events, ["up ND_raw", "down ND_raw"]);
    await world.close();
  }
});

Deno.test("What a link does not carry is refused where it was made, and the link goes on", async () => {
  const { world, a, b, atB, roomA } = await pair();
  b.links.serve("large", () => new Uint8Array(17_000_000));
  b.links.serve("deep", () => deep);
  const deep = Array.from({ length: 100 }).reduce<PackedValue>((inner) => [inner], null);
  const heavy = new Array<null>(600_000).fill(null);
  const failed = Promise.all([
    assert.rejects(a.links.call(b.id, "large", null, { withinMs: 500 }), { code: "failed" }),
    assert.rejects(a.links.call(b.id, "deep", null, { withinMs: 500 }), { code: "failed" }),
    assert.rejects(a.links.call(b.id, "any", deep, { withinMs: 500 }), { code: "failed" }),
    assert.rejects(a.links.call(b.id, "any", heavy, { withinMs: 500 }), { code: "failed" }),
  ]);
  assert.equal(roomA.sendData(b.id, deep), false);
  roomA.sendDatagram("data", deep);
  roomA.change(deep);
  roomA.change("its number is missing before this one");
  const longName = a.links.openRoom("n".repeat(1025), new ToldRoom("A"));
  longName.share(b.id, b.address);
  assert.equal(longName.sendData(b.id, 1), false);
  await world.advance(500);
  await failed;
  // What could not be said is in the next hello.
  assert.deepEqual(atB.take(), ['snapshot ND_a "A"']);
  assert.deepEqual(a.events, ["up ND_b"]);
  assert.equal(a.counters.get("link_message_unsendable"), 4);
  await world.close();
});

Deno.test("A socket that is opened and proves nothing is closed after 2 s, and no more than 256 wait", async () => {
  const world = new LinkWorld();
  const a = world.add("a");
  for (let n = 0; n < 300; n++) {
    const peer = new RawLinkPeer(world, `raw${n}`, a);
    // It never answers the welcome.
    world.network.deafen(peer.id, true);
  }
  await world.advance(100);
  assert.equal(a.counters.get("link_refused_busy"), 300 - 256);
  assert.equal(world.network.connections, 300);
  await world.advance(2_100);
  const late = new RawLinkPeer(world, "late", a);
  await world.advance(100);
  assert.ok(late.isUp);
  late.close();
  world.network.healAll();
  await world.close();
});
