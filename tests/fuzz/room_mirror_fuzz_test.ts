/** What a hostile or broken node may say of rooms: it harms its own part of them alone. */
import assert from "node:assert/strict";
import type { NodeId } from "../../lib/base/ids.ts";
import type { PackedValue } from "../../lib/wire/message_pack.ts";
import { packMessage, unpackMessage } from "../../lib/wire/message_pack.ts";
import type { RoomMirror } from "../../lib/cluster/mirror/room_mirror.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const STRANGER = "ND_x" as NodeId;

/** A room of two nodes, what one of them says of it, and the other's ear. */
async function overheard() {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann", { metadata: "m", attributes: { k: "v" } });
  await cluster.join("b", "bob");
  await ann.publishCamera();
  await cluster.pass(500);
  const speaker = cluster.node("a").rooms.get("lobby")!;
  const listener = cluster.node("b").rooms.get("lobby")!;
  const snapshot = speaker.snapshot("ND_b" as NodeId);
  return { cluster, ann, listener, snapshot };
}

/** Every value that is some of another one. */
function* pieces(value: PackedValue): Iterable<PackedValue> {
  yield value;
  if (Array.isArray(value)) { for (const item of value) yield* pieces(item); }
}

function feed(mirror: RoomMirror, peer: NodeId, bytes: Uint8Array, turn: number): void {
  const value = unpackMessage(bytes, 10_000);
  if (value === undefined) return;
  if (turn % 3 === 0) mirror.onSnapshot(peer, value);
  else mirror.onChange(peer, value);
  mirror.onData(peer, value);
  mirror.onDatagram(peer, "levels", value);
  mirror.onDatagram(peer, "data", value);
}

Deno.test("RoomMirror never throws on damaged messages, and keeps what others told", async () => {
  const { cluster, ann, listener, snapshot } = await overheard();
  const members = (snapshot as PackedValue[])[2] as PackedValue[];
  const changes = ["m", "l", "p", "w", "s", "b", "e", "v", "q", "?"].flatMap((kind) =>
    [...pieces(members[0]!), ...pieces(snapshot)].map((content) => [kind, content] as PackedValue)
  );
  const seeds = [snapshot, ...changes].map(packMessage);
  const random = new SeededRandom(3);
  for (let turn = 0; turn < 6_000; turn++) {
    const bytes = seeds[random.below(seeds.length)]!;
    feed(listener, STRANGER, random.chance(0.2) ? bytes : mutate(random, bytes), turn);
  }
  await cluster.pass(100);
  const shown = cluster.room("b").byIdentity("ann");
  assert.equal(shown?.sid, ann.participant.sid, "its own node still speaks for it");
  assert.equal(cluster.room("b").byIdentity("bob")?.elsewhere, false);
  assert.ok(cluster.node("b").counters.get("mirror_message_unreadable") > 0);
});

Deno.test("RoomMirror lets no node speak for another one's members or tracks", async () => {
  const { cluster, ann, listener, snapshot } = await overheard();
  const before = ann.participant.facts();
  // All that ann's node said, from somebody else: tracks name the node that publishes them.
  listener.onSnapshot(STRANGER, snapshot);
  const [sid] = snapshot as PackedValue[];
  listener.onSnapshot(STRANGER, [sid!, (snapshot as PackedValue[])[1]!, [], [], []]);
  listener.onChange(STRANGER, ["l", [before.sid, 1]]);
  listener.onGone(STRANGER);
  await cluster.pass(100);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
  assert.equal(cluster.room("b").byIdentity("ann")!.tracks.length, 1);
  // Of ours it can want what it likes, and nothing else.
  const bob = cluster.node("b").world.clients[0]!;
  const mine = await bob.publishCamera();
  listener.onSnapshot(STRANGER, [sid!, (snapshot as PackedValue[])[1]!, [], [], []]);
  listener.onChange(STRANGER, ["l", [bob.participant.sid, 1]]);
  listener.onChange(STRANGER, ["w", [mine, [["video/VP8", 2], ["video/H264", 9]]]]);
  listener.onChange(STRANGER, ["w", ["TR_nothing", [["video/VP8", 2]]]]);
  listener.onChange(STRANGER, ["s", mine]);
  assert.equal(bob.participant.closed, false);
});
