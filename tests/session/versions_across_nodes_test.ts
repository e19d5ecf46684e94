/** Nodes of two versions that share rooms, as they do while a cluster is upgraded node by node. */
import assert from "node:assert/strict";
import { ConnectionQuality, DataPacket, DisconnectReason } from "@livekit/protocol";
import { silentLog } from "../../lib/base/platform.ts";
import type { RoomPeerStream, SharedRoom } from "../../lib/cluster/link/link_ports.ts";
import { isRecord, type PackedValue, packMessage } from "../../lib/wire/message_pack.ts";
import { type ClusterNode, ClusterWorld } from "../support/virtual/cluster_world.ts";
import type { ScriptedClient } from "../support/virtual/scripted_client.ts";
import { userPacket, userText } from "../support/wire/user_packet.ts";

const OLD = { min: 1, max: 1 };
/** Speaks both. */
const NEXT = { min: 1, max: 2 };
/** Speaks the old one no more. */
const NEWEST = { min: 2, max: 2 };

function heard(client: ScriptedClient): string[] {
  const { dataConnection } = client.participant;
  return client.world.engine.sent
    .filter(({ connections }) => connections.some((connection) => connection === dataConnection))
    .map(({ bytes }) => userText(bytes));
}

/** Identities that a client was told of, and not that they left. */
function known(client: ScriptedClient): string[] {
  const left = new Set(
    client.all("update").flatMap(({ participants }) => participants)
      .filter(({ disconnectReason, state }) => state === 3 || disconnectReason !== 0)
      .map(({ sid }) => sid),
  );
  const told = [
    ...client.all("join").flatMap(({ otherParticipants }) => otherParticipants),
    ...client.all("update").flatMap(({ participants }) => participants),
  ].filter(({ sid }) => !left.has(sid));
  return [...new Set(told.map(({ identity }) => identity))].toSorted();
}

/** Two people on two nodes have each other, their tracks and what they say. */
async function assertTogether(cluster: ClusterWorld, ann: ScriptedClient, bob: ScriptedClient) {
  await ann.publishCamera();
  await bob.publishCamera();
  await ann.sendData("_reliable", userPacket("hello", new DataPacket()));
  await bob.sendData("_lossy", userPacket("hello back", new DataPacket()));
  await cluster.pass(500);
  assert.deepEqual(bob.forwarded().map(({ upTrack }) => upTrack), [ann.upTrack("1")]);
  assert.deepEqual(ann.forwarded().map(({ upTrack }) => upTrack), [bob.upTrack("1")]);
  assert.deepEqual([heard(bob), heard(ann)], [["hello"], ["hello back"]]);
  await cluster.room("a").setMetadata("by a");
  await cluster.pass(100);
  assert.equal(cluster.room("b").info().metadata, "by a");
  await cluster.room("b").setMetadata("by b");
  await cluster.pass(100);
  assert.equal(cluster.room("a").info().metadata, "by b");
}

Deno.test("a node that offers a newer version besides works with one that does not, by the older one", async () => {
  for (const newer of ["a", "b"]) {
    const cluster = new ClusterWorld([]);
    cluster.add("a", { protocol: newer === "a" ? NEXT : OLD });
    cluster.add("b", { protocol: newer === "b" ? NEXT : OLD });
    const ann = await cluster.join("a", "ann");
    const bob = await cluster.join("b", "bob");
    await cluster.pass(300);
    for (const [here, there] of [["a", "ND_b"], ["b", "ND_a"]] as const) {
      const { links, counters } = cluster.node(here).link;
      assert.equal(links.all().find(({ peer }) => peer === there)?.protocol, 1);
      assert.equal(counters.get("link_version_refused"), 0);
    }
    await assertTogether(cluster, ann, bob);
    assert.deepEqual([known(ann), known(bob)], [["ann", "bob"], ["ann", "bob"]]);
  }
});

Deno.test("three nodes are upgraded one after the other, and people of all of them stay together", async () => {
  const cluster = new ClusterWorld([]);
  for (const name of ["a", "b", "c"]) cluster.add(name, { protocol: OLD });
  const ann = await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.join("c", "cid");
  for (const [name, by] of [["b", "b2"], ["c", "c2"]] as const) {
    cluster.kill(name);
    cluster.add(by, { protocol: NEXT });
    await cluster.join(by, name === "b" ? "bob" : "cid");
    await cluster.pass(8_000, 20);
  }
  await cluster.pass(1_000);
  const versions = (name: string) =>
    cluster.node(name).link.links.all().filter(({ isUp }) => isUp)
      .map(({ peer, protocol }) => `${peer} ${protocol}`).toSorted();
  assert.deepEqual(versions("a"), ["ND_b2 1", "ND_c2 1"]);
  assert.deepEqual(versions("b2"), ["ND_a 1", "ND_c2 2"]);
  for (const name of ["a", "b2", "c2"]) {
    assert.deepEqual(cluster.seen(name), ["ann", "bob", "cid"]);
  }
  assert.deepEqual(known(ann), ["bob", "cid"]);
});

Deno.test("a node that speaks nothing the other one does is refused in words, once, and costs nobody time", async () => {
  const said: string[] = [];
  const log = {
    ...silentLog,
    warn: (message: string, fields?: Readonly<Record<string, unknown>>) =>
      void said.push(`${message} ${JSON.stringify(fields)}`),
  };
  const cluster = new ClusterWorld([]);
  cluster.add("a", { protocol: OLD, log });
  cluster.add("b", { protocol: NEWEST, log });
  await cluster.pass(3_000, 20);
  await cluster.join("a", "ann");
  const before = cluster.platform.clock.now();
  await cluster.open("b", "bob");
  assert.ok(cluster.platform.clock.now() - before < 50, "bob's answer waits for nobody");
  await cluster.pass(30_000, 50);
  assert.deepEqual(said.toSorted(), [
    'node is of another version: no links with it {"peer":"ND_a","theirs":"1","ours":"2"}',
    'node is of another version: no links with it {"peer":"ND_b","theirs":"2","ours":"1"}',
  ]);
  for (const name of ["a", "b"]) {
    assert.equal(cluster.node(name).link.counters.get("link_version_refused"), 1);
  }
  assert.equal(cluster.links.network.dialled, 0, "nobody is dialled in vain");
  const { links } = cluster.node("a").link;
  const asked = links.call(cluster.node("b").id, "any", null, {
    withinMs: 60_000,
    address: "ws://b/cluster",
  });
  await assert.rejects(asked, { name: "LinkError", code: "version" });
  assert.deepEqual([cluster.seen("a"), cluster.seen("b")], [["ann"], ["bob"]]);
});

Deno.test("a node that comes back with a version that is spoken is linked then", async () => {
  const cluster = new ClusterWorld([]);
  cluster.add("a", { protocol: NEWEST });
  cluster.add("b", { protocol: OLD });
  await cluster.pass(3_000, 20);
  const { links } = cluster.node("b").link;
  const record = cluster.node("b").membership!.others[0]!;
  links.met({ ...record, protocol: NEXT });
  links.want(record.nodeId, record.link);
  assert.deepEqual(links.peers, [record.nodeId]);
});

/** What `value` is as a newer node would say it: with more behind everything. */
function more(value: PackedValue): PackedValue {
  return Array.isArray(value) ? [...value, "of the future", { is: 1 }] : value;
}

/** Members, with a part that only newer nodes know, and more in those that all know. */
function newerMember(change: PackedValue): PackedValue {
  const [sid, identity, number, parts, gone] = change as readonly PackedValue[];
  assert.ok(isRecord(parts!));
  const aura = packMessage(["violet"]);
  return more([sid!, identity!, number!, { ...parts, aura }, [...gone as PackedValue[], "mood"]]);
}

function newerPlan(plan: PackedValue): PackedValue {
  const [version, text] = plan as readonly PackedValue[];
  const { settings, internal, metadata } = JSON.parse(text as string);
  const agents = internal.agents.map((agent: unknown) => ({ ...agent as object, mood: "good" }));
  return more([
    version!,
    JSON.stringify({
      settings: { ...settings, maxGuests: 3 },
      internal: { ...internal, agents, theme: { colour: "violet" } },
      metadata,
      chapters: [1, 2],
    }),
  ]);
}

/** What a room of a newer node says, with words of its own before it. */
function newerEnd(end: SharedRoom): SharedRoom {
  const { change } = end;
  const said = (value: PackedValue, peer?: Parameters<SharedRoom["change"]>[1]) =>
    change.call(end, value, peer);
  end.change = (value, peer) => {
    const [kind, content] = value as readonly PackedValue[];
    said(["weather", [1, 2, 3]], peer);
    if (kind === "m") return said(more([kind, newerMember(content!)]), peer);
    if (kind === "p") return said(more([kind, newerPlan(content!)]), peer);
    // A reason that nobody knows yet.
    if (kind === "l") return said(more([kind, more([(content as PackedValue[])[0]!, 200])]), peer);
    said(more([kind!, kind === "s" ? content! : more(content!)]), peer);
  };
  return end;
}

/** A node that speaks the agreed version as a later release of it would. */
function makeNewer({ link: { links } }: ClusterNode): void {
  const openRoom = links.openRoom.bind(links);
  links.openRoom = (name: string, stream: RoomPeerStream) => {
    const snapshot = (peer: Parameters<RoomPeerStream["snapshot"]>[0]) => {
      const [sid, plan, members, wants, bans, isLate, qualities] = stream.snapshot(
        peer,
      ) as readonly PackedValue[];
      const unknown = ["PA_unknown", ConnectionQuality.LOST + 6, 4.5];
      return more([
        sid!,
        newerPlan(plan!),
        (members as PackedValue[]).map(newerMember),
        (wants as PackedValue[]).map(more),
        (bans as PackedValue[]).map(more),
        isLate!,
        [...(qualities as PackedValue[]).map(more), unknown],
      ]);
    };
    const bound: RoomPeerStream = Object.create(stream, { snapshot: { value: snapshot } });
    for (
      const name of [
        "onSnapshot",
        "onChange",
        "onData",
        "onDatagram",
        "onAway",
        "onBack",
        "onGone",
        "onDrained",
      ] as const
    ) Object.defineProperty(bound, name, { value: stream[name].bind(stream) });
    return newerEnd(openRoom(name, bound));
  };
}

Deno.test("what a newer node says beyond the agreed version is skipped and counted, and nothing else is lost", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  makeNewer(cluster.node("b"));
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await cluster.pass(300);
  await assertTogether(cluster, ann, bob);
  const { counters } = cluster.node("a");
  assert.ok(counters.get("mirror_message_unknown") > 0);
  assert.equal(counters.get("mirror_message_unreadable"), 0);
  cluster.links.network.cut("ND_a", "ND_b");
  await cluster.pass(2_000);
  assert.deepEqual(cluster.seen("a"), ["ann", "bob"], "a snapshot of a reconnect, too");
  bob.participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
  await cluster.pass(1_000);
  assert.deepEqual(cluster.seen("a"), ["ann"], "who left for a reason nobody knows has left");
  assert.equal(counters.get("mirror_message_unreadable"), 0);
});

Deno.test("an older node changes a room and leaves in it what only newer ones know of", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  makeNewer(cluster.node("b"));
  await cluster.join("b", "bob");
  await cluster.join("a", "ann");
  await cluster.room("b").setMetadata("told");
  await cluster.pass(300);
  await cluster.room("a").setMetadata("by the older one");
  await cluster.pass(300);
  const [listing] = await cluster.node("a").directory.list();
  const { settings, internal, chapters, metadata } = JSON.parse(listing!.record.plan);
  assert.equal(metadata, "by the older one");
  assert.deepEqual(chapters, [1, 2]);
  assert.equal(settings.maxGuests, 3);
  assert.deepEqual(internal.theme, { colour: "violet" });
});
