import assert from "node:assert/strict";
import type { NodeId } from "../../lib/base/ids.ts";
import { type LinkFrame, readFrame, writeFrame } from "../../lib/cluster/link/link_frames.ts";
import { LinkIdentity, readToken } from "../../lib/cluster/link/link_handshake.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { RawLinkPeer } from "../support/hostile/raw_link_peer.ts";
import { LinkWorld } from "../support/virtual/link_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { ToldRoom } from "../support/virtual/told_room.ts";

const SEEDS = [2, 313, 0xc0ffee];
const ROUNDS = 40_000;

/** Any message that a node could send. */
function anyFrame(random: SeededRandom): LinkFrame {
  const number = random.below(4);
  const value = [null, 7, "text", random.bytes(random.below(40)), [1, {
    a: [2],
  }]][random.below(5)]!;
  const name = ["r", "s", "echo", "absent"][random.below(4)]!;
  const of = (["levels", "data", "media"] as const)[random.below(3)]!;
  const frames: readonly LinkFrame[] = [
    { kind: "ping", sentAt: number },
    { kind: "pong", sentAt: number },
    { kind: "hello", handle: number, name, value },
    { kind: "change", handle: number, number: random.below(3), value },
    { kind: "bye", handle: number },
    { kind: "again", handle: number },
    { kind: "synced" },
    {
      kind: "call",
      id: random.below(50),
      method: name,
      withinMs: random.below(500),
      payload: value,
    },
    { kind: "answer", id: number, code: "ok", payload: value },
    { kind: "data", number: random.below(60), room: name, value },
    { kind: "ack", number },
    { kind: "roomDatagram", of, handle: number, value },
    { kind: "datagram", of, bytes: random.bytes(9) },
    { kind: "idle", isIdle: random.chance(0.5) },
  ];
  return frames[random.below(frames.length)]!;
}

Deno.test("readFrame() gives back what writeFrame() made", () => {
  const random = new SeededRandom(8);
  for (let round = 0; round < 5_000; round++) {
    const frame = anyFrame(random);
    assert.deepEqual(readFrame(writeFrame(frame)), frame);
  }
});

Deno.test("readFrame() survives random and damaged messages", () => {
  const outcomes = new Map<string, number>();
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = random.chance(0.2)
        ? random.bytes(random.below(48))
        : mutate(random, writeFrame(anyFrame(random)));
      const frame = readFrame(bytes);
      const outcome = frame === undefined ? "none" : frame === "unknown" ? frame : "frame";
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      // What was read can be said.
      if (outcome === "frame") assert.ok(writeFrame(frame as LinkFrame).length > 0);
    }
  }
  for (const outcome of ["none", "unknown", "frame"]) {
    assert.ok(outcomes.get(outcome)! > ROUNDS / 100, `the generator must reach "${outcome}"`);
  }
});

Deno.test("readToken() survives random and damaged tokens, and believes none of them", () => {
  const random = new SeededRandom(21);
  const identity = new LinkIdentity(random.bytes(32), random);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ é";
  for (let round = 0; round < 20_000; round++) {
    const token = Array.from(
      { length: random.below(200) },
      () => letters[random.below(letters.length)],
    ).join("");
    assert.equal(readToken(identity, "ND_a" as NodeId, token), undefined);
  }
});

Deno.test("ClusterLinks survives a node that says anything in any order, and stays whole for others", async () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const world = new LinkWorld(seed, { delayMs: 1 });
    const [a, b] = [world.add("a"), world.add("b")];
    a.links.serve("echo", (_peer, payload) => payload);
    const room = a.links.openRoom("r", new ToldRoom("A"));
    a.links.openRoom("s", new ToldRoom("A"));
    const atB = new ToldRoom("B");
    b.links.openRoom("r", atB).share(a.id, a.address);
    let peer = new RawLinkPeer(world, "raw", a);
    await world.advance(20);
    let ends = 0;
    for (let round = 0; round < 1_500; round++) {
      const isDamaged = random.chance(0.02);
      const message = writeFrame(anyFrame(random));
      if (random.chance(0.002)) peer.sayUnsealed(random.bytes(60));
      else {peer.sayBytes(
          isDamaged ? mutate(random, message) : message,
          random.chance(0.01) ? 3 : 0,
        );}
      if (round % 10 === 0) await world.advance(3);
      if (peer.isUp) continue;
      ends++;
      peer = new RawLinkPeer(world, "raw", a);
      await world.advance(20);
    }
    assert.ok(ends > 3, "the generator must reach the end of links");
    peer.close();
    atB.take();
    room.change("still here");
    await world.advance(20);
    assert.deepEqual(atB.take(), ['change ND_a "still here"']);
    assert.equal(a.counters.get("link_observer_bug"), 0);
    await world.close();
    assert.equal(world.platform.pendingTimers, 0);
  }
});
