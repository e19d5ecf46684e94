/** Whose messages wait for whose on a link of 1 Mbit/s that somebody floods. */
import assert from "node:assert/strict";
import type { RoomPeerStream, SharedRoom } from "../../../../lib/cluster/link/link_ports.ts";
import type { NodeId } from "../../../../lib/base/ids.ts";
import type { PackedValue } from "../../../../lib/wire/message_pack.ts";
import { type LinkNode, LinkWorld } from "../../../support/virtual/link_world.ts";

const BYTES_PER_MS = 125;
const FLOODED_MS = 10_000;
/**
 * What was given to the socket leaves first, 128 KiB and a datagram of 96 KiB at most; then comes
 * one more datagram, and a part of something long.
 */
const LONGEST_WAIT_MS = (128 + 96 + 96 + 32) * 1024 / BYTES_PER_MS;

/** Notes when each numbered message comes. */
class TimedRoom implements RoomPeerStream {
  readonly came = { data: new Map(), change: new Map(), levels: new Map(), lossy: new Map() };
  drained = 0;
  constructor(readonly now: () => number) {}
  snapshot = (): PackedValue => null;
  onSnapshot = () => {};
  onChange = (_peer: NodeId, value: PackedValue) => this.#note(this.came.change, value);
  onData = (_peer: NodeId, value: PackedValue) => this.#note(this.came.data, value);
  onDatagram = (_peer: NodeId, kind: string, value: PackedValue) =>
    this.#note(kind === "levels" ? this.came.levels : this.came.lossy, value);
  onAway = () => {};
  onBack = () => {};
  onGone = () => {};
  onDrained = () => void this.drained++;
  #note(came: Map<number, number>, value: PackedValue): void {
    came.set((value as readonly number[])[0]!, this.now());
  }
}

interface Pair {
  readonly world: LinkWorld;
  readonly a: LinkNode;
  readonly b: LinkNode;
  readonly flooded: SharedRoom;
  readonly quiet: SharedRoom;
  readonly floodedAtA: TimedRoom;
  readonly atB: TimedRoom;
}

/** Two nodes with two rooms, one of which is to be flooded. */
async function pair(): Promise<Pair> {
  const world = new LinkWorld(1, { bytesPerMs: BYTES_PER_MS });
  const [a, b] = [world.add("a"), world.add("b")];
  const room = () => new TimedRoom(() => world.platform.clock.now());
  const [atB, floodedAtA] = [room(), room()];
  b.links.openRoom("flooded", room());
  b.links.openRoom("quiet", atB);
  const flooded = a.links.openRoom("flooded", floodedAtA);
  const quiet = a.links.openRoom("quiet", room());
  for (const shared of [flooded, quiet]) shared.share(b.id, b.address);
  await world.advance(200);
  return { world, a, b, flooded, quiet, floodedAtA, atB };
}

/** What waits longest, ms, of what was sent. */
function longest(sent: readonly number[], came: ReadonlyMap<number, number>): number {
  return Math.max(...sent.map((at, n) => (came.get(n) ?? Infinity) - at));
}

/** Runs `flood` each ms, and what others say of the quiet room each 50 ms. */
async function run({ world, b, quiet }: Pair, flood: () => void): Promise<number[]> {
  const sent: number[] = [];
  for (let ms = 0; ms < FLOODED_MS; ms++) {
    flood();
    if (ms % 50 === 0) {
      const n = sent.push(world.platform.clock.now()) - 1;
      assert.ok(quiet.sendData(b.id, [n, "x".repeat(200)]));
      quiet.change([n]);
      quiet.sendDatagram("data", [n, "x".repeat(100)]);
      quiet.sendDatagram("levels", [n]);
    }
    await world.advance(1);
  }
  await world.advance(30_000);
  return sent;
}

const LOSSY: readonly [what: string, each: number, bytes: number][] = [
  ["long", 1, 60_000],
  ["tiny", 20, 60],
];
for (const [what, each, bytes] of LOSSY) {
  Deno.test(`A link of 1 Mbit/s carries reliable messages and changes beside a flood of ${what} lossy ones`, async () => {
    const nodes = await pair();
    const { world, a, atB: { came }, flooded } = nodes;
    const message = new Uint8Array(bytes);
    const sent = await run(nodes, () => {
      for (let i = 0; i < each; i++) flooded.sendDatagram("data", message);
    });
    for (const kind of ["data", "change"] as const) {
      const ms = longest(sent, came[kind]);
      assert.ok(ms <= LONGEST_WAIT_MS, `${kind} waited ${ms} ms`);
    }
    assert.equal(came.levels.size, sent.length);
    assert.ok(a.counters.get("link_datagram_shed") > 0);
    await world.close();
  });
}

for (const bytes of [60, 60_000]) {
  Deno.test(`A link of 1 Mbit/s carries everything else beside a flood of reliable messages of ${bytes} bytes`, async () => {
    const nodes = await pair();
    const { world, a, b, atB: { came }, flooded, floodedAtA } = nodes;
    const message = new Uint8Array(bytes);
    let most = 0;
    let media = 0;
    let told = 0;
    let early = 0;
    const sent = await run(nodes, () => {
      for (let i = 0; i < 20 && !flooded.isCongested(b.id); i++) {
        assert.ok(flooded.sendData(b.id, [0, message]));
      }
      // 240 kbit/s, about as much as eight microphones.
      if (++media % 5 === 0) assert.ok(a.links.sendDatagram(b.id, "media", new Uint8Array(150)));
      const facts = a.links.facts(b.id)!;
      most = Math.max(most, facts.queuedBytes);
      if (media === 3_000) early = b.datagrams.length;
      if (media > 5_000) told = Math.max(told, facts.mediaBytes);
    });
    const ms = longest(sent, came.change);
    assert.ok(ms <= LONGEST_WAIT_MS, `changes waited ${ms} ms`);
    // What was given to the socket before it was known how slow it is takes its time.
    for (const kind of ["levels", "lossy"] as const) {
      assert.ok(came[kind].size >= 0.95 * sent.length, `${came[kind].size} of ${kind} came`);
    }
    const { length } = b.datagrams;
    assert.ok(length >= 0.9 * FLOODED_MS / 5, `${length} datagrams of media came`);
    assert.ok(length - early >= (FLOODED_MS - 3_000) / 5, `${length - early} came after 3 s`);
    // One message of the other room has its turn before each.
    const dataMs = longest(sent, came.data);
    assert.ok(
      dataMs <= LONGEST_WAIT_MS + bytes / BYTES_PER_MS,
      `reliable ones waited ${dataMs} ms`,
    );
    assert.ok(floodedAtA.drained > 0, "whoever floods goes on");
    assert.ok(most < 3 * 1024 * 1024, `${most} bytes wait`);
    // What is told to the media plane is of its own: half of a second.
    assert.ok(told < 16 * 1024, `${told} bytes of media wait`);
    await world.close();
  });
}

Deno.test("A link of 1 Mbit/s carries media beside a flood of lossy messages", async () => {
  const nodes = await pair();
  const { world, a, b, flooded } = nodes;
  const message = new Uint8Array(15_000);
  let ms = 0;
  await run(nodes, () => {
    flooded.sendDatagram("data", message);
    if (++ms % 5 === 0) assert.ok(a.links.sendDatagram(b.id, "media", new Uint8Array(150)));
  });
  assert.ok(b.datagrams.length >= 0.9 * FLOODED_MS / 5, `${b.datagrams.length} came`);
  await world.close();
});
