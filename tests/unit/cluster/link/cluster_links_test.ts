import assert from "node:assert/strict";
import type { NodeId } from "../../../../lib/base/ids.ts";
import type { RoomPeerStream } from "../../../../lib/cluster/link/link_ports.ts";
import type { PackedValue } from "../../../../lib/wire/message_pack.ts";
import { LinkWorld } from "../../../support/virtual/link_world.ts";

/** A room that writes down what it is told. */
class ToldRoom implements RoomPeerStream {
  readonly told: string[] = [];
  constructor(public content: PackedValue) {}
  snapshot = () => this.content;
  onSnapshot = (peer: NodeId, value: PackedValue) => this.#tell("snapshot", peer, value);
  onChange = (peer: NodeId, value: PackedValue) => this.#tell("change", peer, value);
  onData = (peer: NodeId, value: PackedValue) => this.#tell("data", peer, value);
  onDatagram = (peer: NodeId, kind: string, value: PackedValue) => this.#tell(kind, peer, value);
  onAway = (peer: NodeId) => this.#tell("away", peer);
  onBack = (peer: NodeId) => this.#tell("back", peer);
  onGone = (peer: NodeId) => this.#tell("gone", peer);
  onDrained = (peer: NodeId) => this.#tell("drained", peer);
  #tell(what: string, peer: NodeId, value?: PackedValue): void {
    this.told.push([what, peer, ...value === undefined ? [] : [JSON.stringify(value)]].join(" "));
  }
}

Deno.test("ClusterLinks: a room shared by one side is shared by both, snapshot first and then changes", async () => {
  const world = new LinkWorld();
  const [a, b] = [world.add("a"), world.add("b")];
  const [atA, atB] = [new ToldRoom("A"), new ToldRoom("B")];
  const roomA = a.links.openRoom("r", atA);
  const roomB = b.links.openRoom("r", atB);
  roomB.share(a.id, a.address);
  await world.advance(100);
  assert.deepEqual(atA.told, ['snapshot ND_b "B"']);
  assert.deepEqual(atB.told, ['snapshot ND_a "A"']);
  roomA.change(1);
  roomA.change(2, b.id);
  roomA.sendDatagram("levels", 3);
  assert.equal(roomA.sendData(b.id, 4), true);
  await world.advance(20);
  assert.deepEqual(atB.told.slice(1), [
    "change ND_a 1",
    "change ND_a 2",
    "levels ND_a 3",
    "data ND_a 4",
  ]);
  assert.deepEqual(roomA.peers, [b.id]);
  roomB.close();
  await world.advance(20);
  assert.equal(atA.told.at(-1), "gone ND_b");
  assert.deepEqual(roomA.peers, []);
  assert.deepEqual([a.events, b.events], [["up ND_b"], ["up ND_a"]]);
  await world.close();
  assert.equal(world.platform.pendingTimers, 0);
  assert.equal(world.network.connections, 0);
});
