/** Rooms whose participants are served by several nodes, as their clients see them. */
import assert from "node:assert/strict";
import {
  DisconnectReason,
  ParticipantInfo_State as State,
  ParticipantPermission,
  SubscribedQualityUpdate,
  SubscriptionPermission,
  TrackPermission,
  UpdateParticipantMetadata,
  VideoQuality,
} from "@livekit/protocol";
import type { RemoteMember } from "../../lib/room/participant/remote_member.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import type { ScriptedClient } from "../support/virtual/scripted_client.ts";

/** The last info that a client has of another one. */
function infoAt(client: ScriptedClient, identity: string) {
  const joined = client.all("join").flatMap(({ otherParticipants }) => otherParticipants);
  const updated = client.all("update").flatMap(({ participants }) => participants);
  return [...joined, ...updated].findLast((info) => info.identity === identity);
}

Deno.test("participants of two nodes are in one room, which was made once", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await cluster.pass(5_000);
  assert.equal(cluster.room("a").sid, cluster.room("b").sid);
  assert.equal(infoAt(ann, "bob")?.state, State.ACTIVE);
  assert.equal(infoAt(bob, "ann")?.sid, ann.last("join").participant!.sid);
  const known = bob.last("join").otherParticipants.map(({ identity }) => identity);
  assert.deepEqual(known, ["ann"], "the join response waits for who is there");
  assert.equal(cluster.room("a").info().numParticipants, 2);
  assert.equal(cluster.room("b").info().numParticipants, 2);
  assert.deepEqual(cluster.events, ["started lobby", "joined lobby ann", "joined lobby bob"]);
});

Deno.test("a track is had on another node as on its own", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const sid = await ann.publishCamera();
  await cluster.pass(500);
  const { engine } = cluster.node("b").world;
  const added = engine.of("add_remote_track");
  assert.deepEqual(added.map(({ upTrack }) => upTrack), [ann.upTrack("1")]);
  const section = cluster.node("a").world.engine.of("set_receive").at(-1)!.sections[0]!;
  assert.deepEqual(added[0]!.section, section, "as its publisher's engine receives it");
  assert.deepEqual(bob.forwarded().map(({ upTrack }) => upTrack), [ann.upTrack("1")]);
  assert.deepEqual(infoAt(bob, "ann")!.tracks.map((track) => track.sid), [sid]);
  assert.equal(cluster.room("b").info().numPublishers, 1);
  await ann.offer([{ mid: "1", kind: "video", cid: "cam", direction: "inactive" }]);
  await cluster.pass(500);
  assert.deepEqual(bob.forwarded(), []);
  assert.deepEqual(infoAt(bob, "ann")!.tracks, []);
  assert.equal(engine.of("remove_remote_track").length, 1);
  assert.deepEqual(cluster.events.slice(3), [
    `published lobby ann ${sid}`,
    `unpublished lobby ann ${sid}`,
  ]);
});

Deno.test("what a client changes of itself in a loop is told to other nodes as fast as to clients", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(3_000);
  const shown = cluster.room("b").byIdentity("ann") as RemoteMember;
  const { follow } = shown;
  let told = 0;
  shown.follow = (facts) => {
    told++;
    follow.call(shown, facts);
  };
  for (let i = 0; i < 100; i++) {
    const value = new UpdateParticipantMetadata({ metadata: `${i} ${"m".repeat(60_000)}` });
    await ann.request({ case: "updateMetadata", value });
    await cluster.pass(5);
  }
  assert.ok(told > 5 && told < 40, `told ${told} times`);
  await cluster.pass(1_100);
  assert.match(shown.profile.metadata, /^99 /);
  ann.participant.updateProfile({ name: "Ann", metadata: "", attributes: {} });
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(2_000);
  assert.equal(cluster.room("b").byIdentity("ann"), undefined);
});

Deno.test("what a client changes of itself, and mutes, is seen on other nodes", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const sid = await ann.publishMicrophone();
  const value = new UpdateParticipantMetadata({
    name: "Ann",
    metadata: "m",
    attributes: { a: "1", b: "2" },
  });
  await ann.request({ case: "updateMetadata", value });
  await ann.request({ case: "mute", value: { sid, muted: true } as never });
  await cluster.pass(500);
  const { name, metadata, attributes, tracks } = infoAt(bob, "ann")!;
  assert.deepEqual([name, metadata, attributes], ["Ann", "m", { a: "1", b: "2" }]);
  assert.equal(tracks[0]!.muted, true);
  const again = new UpdateParticipantMetadata({ attributes: { a: "" } });
  await ann.request({ case: "updateMetadata", value: again });
  await cluster.pass(500);
  assert.deepEqual(infoAt(bob, "ann")!.attributes, { b: "2" });
});

Deno.test("a publisher's rule holds for subscribers of other nodes", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const cid = await cluster.join("b", "cid");
  const trackSid = await ann.publishCamera();
  await cluster.pass(500);
  const value = new SubscriptionPermission({
    trackPermissions: [new TrackPermission({ participantIdentity: "cid", allTracks: true })],
  });
  await ann.request({ case: "subscriptionPermission", value });
  await cluster.pass(500);
  assert.deepEqual(bob.forwarded(), []);
  assert.equal(cid.forwarded().length, 1);
  const told = bob.last("subscriptionPermissionUpdate");
  assert.deepEqual([told.trackSid, told.allowed], [trackSid, false]);
  await cluster.join("b", "dan");
  await ann.request({
    case: "subscriptionPermission",
    value: new SubscriptionPermission({ allParticipants: true }),
  });
  await cluster.pass(500);
  assert.equal(bob.forwarded().length, 1);
});

Deno.test("what may no longer be published ends on all nodes, and hidden is hidden everywhere", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await ann.publishCamera();
  await cluster.pass(500);
  const { permission } = ann.participant.profile;
  const hidden = new ParticipantPermission({ ...permission, hidden: true });
  await ann.participant.setPermission(hidden);
  await cluster.pass(500);
  assert.equal(infoAt(bob, "ann")!.state, State.DISCONNECTED);
  assert.deepEqual(bob.forwarded(), []);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"], "the server API sees it");
  await ann.participant.setPermission(permission);
  await cluster.pass(500);
  assert.equal(infoAt(bob, "ann")!.state, State.ACTIVE);
  assert.equal(bob.forwarded().length, 1);
  await cluster.pass(6_000);
  assert.equal(bob.last("roomUpdate").room!.numPublishers, 1);
  await ann.participant.setPermission(new ParticipantPermission({ canSubscribe: true }));
  await cluster.pass(500);
  assert.deepEqual(infoAt(bob, "ann")!.tracks, []);
  assert.deepEqual(bob.forwarded(), []);
  await cluster.pass(6_000);
  const { isPublisher } = infoAt(bob, "ann")!;
  assert.deepEqual([isPublisher, bob.last("roomUpdate").room!.numPublishers], [false, 0]);
});

Deno.test("dynacast sums the wishes of all nodes", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob", { autoSubscribe: true });
  await cluster.join("c", "cid");
  const sid = await ann.publishCamera();
  await cluster.pass(1_000);
  const highest = () => {
    const update: SubscribedQualityUpdate = ann.last("subscribedQualityUpdate");
    const on = update.subscribedCodecs[0]!.qualities.filter(({ enabled }) => enabled);
    return on.at(-1)?.quality;
  };
  assert.equal(highest(), VideoQuality.HIGH);
  const settings = (client: ScriptedClient, quality: VideoQuality, disabled = false) =>
    client.request({
      case: "trackSetting",
      value: { trackSids: [sid], quality, disabled } as never,
    });
  const cid = cluster.node("c").world.clients[0]!;
  await settings(bob, VideoQuality.LOW);
  await settings(cid, VideoQuality.MEDIUM);
  await cluster.pass(7_000);
  assert.equal(highest(), VideoQuality.MEDIUM);
  await settings(cid, VideoQuality.MEDIUM, true);
  await cluster.pass(7_000);
  assert.equal(highest(), VideoQuality.LOW);
  bob.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(7_000);
  assert.equal(highest(), undefined, "nobody wants it");
});

Deno.test("whoever leaves is gone on all nodes, and the room ends once, by the last", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(5_000);
  assert.equal(infoAt(bob, "ann")!.state, State.DISCONNECTED);
  assert.equal(infoAt(bob, "ann")!.disconnectReason, DisconnectReason.CLIENT_INITIATED);
  assert.deepEqual(cluster.seen("a"), ["bob"]);
  await cluster.pass(6_000);
  assert.equal(cluster.node("a").world.rooms.get("lobby"), undefined, "others have it");
  bob.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(19_000);
  assert.ok(cluster.room("b"));
  await cluster.pass(2_000);
  assert.equal(cluster.node("b").world.rooms.get("lobby"), undefined);
  assert.deepEqual(cluster.events.slice(3), [
    "left lobby ann",
    "left lobby bob",
    "finished lobby ROOM_CLOSED",
  ]);
  const before = cluster.events.length;
  await cluster.join("a", "ann");
  assert.deepEqual(cluster.events.slice(before), ["started lobby", "joined lobby ann"]);
});

Deno.test("an identity that joins elsewhere replaces its former session, whatever the clocks say", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"], 1, {}, {}, { a: 10_000, b: -10_000 });
  const watcher = await cluster.join("c", "watcher");
  const before = await cluster.join("a", "ann");
  const after = await cluster.join("b", "ann");
  await cluster.pass(1_000);
  assert.ok(before.socket.closed);
  await cluster.pass(5_000);
  assert.equal(before.last("leave").reason, DisconnectReason.DUPLICATE_IDENTITY);
  assert.equal(after.participant.closed, false);
  for (const node of ["a", "b", "c"]) {
    const member = cluster.room(node).byIdentity("ann");
    assert.equal(member?.sid, after.participant.sid, node);
  }
  assert.equal(infoAt(watcher, "ann")!.sid, after.participant.sid);
  assert.equal(infoAt(watcher, "ann")!.state, State.ACTIVE);
  const events = cluster.events.filter((event) => event.endsWith("ann"));
  assert.deepEqual(events.toSorted(), [
    "joined lobby ann",
    "joined lobby ann",
    "left lobby ann",
  ]);
});

Deno.test("metadata and tags changed by two nodes at once end up the same on both, and each change counts", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const [a, b] = [cluster.room("a"), cluster.room("b")];
  await cluster.during(Promise.all([
    a.setMetadata("of a"),
    b.setTags({ plan: "pro" }),
    b.setMetadata("of b"),
  ]));
  await cluster.pass(500);
  assert.deepEqual(a.record, b.record);
  assert.equal(a.record.version, 4);
  assert.deepEqual(a.internal.tags, { plan: "pro" });
  assert.equal(ann.last("roomUpdate").room!.metadata, a.info().metadata);
  assert.equal(bob.last("roomUpdate").room!.metadata, a.info().metadata);
});

Deno.test("a later change that is heard of before the directory's answer to an earlier one holds", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  const [a, b] = [cluster.room("a"), cluster.room("b")];
  const { directory } = cluster.node("a");
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  const update = directory.update.bind(directory);
  directory.update = async (request) => {
    const answer = await update(request);
    await told;
    return answer;
  };
  const changed = a.setMetadata("of a");
  await cluster.pass(50);
  await cluster.during(b.setMetadata("of b"));
  await cluster.pass(500);
  tell();
  await cluster.during(changed);
  await cluster.pass(500);
  assert.deepEqual([a.info().metadata, b.info().metadata], ["of b", "of b"]);
  assert.deepEqual(a.record, b.record);
});

Deno.test("a node that dies before it has told anything is not waited for when its lease is over", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  cluster.kill("b");
  await cluster.join("c", "cid");
  const mirror = cluster.node("c").rooms.get("lobby")!;
  assert.deepEqual(mirror.nodes.toSorted(), ["ND_a", "ND_b"], "it may only be late");
  await cluster.pass(12_000, 50);
  await cluster.join("c", "dan");
  assert.deepEqual(mirror.nodes, ["ND_a"]);
});

Deno.test("a room that is deleted on one node ends on all, and the world is told once", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  assert.ok(await cluster.during(cluster.node("a").world.rooms.delete("lobby")));
  await cluster.pass(500);
  for (const client of [ann, bob]) {
    assert.equal(client.last("leave").reason, DisconnectReason.ROOM_DELETED);
  }
  assert.deepEqual(cluster.seen("b"), []);
  assert.equal(cluster.events.filter((event) => event.startsWith("finished")).length, 1);
  await cluster.join("b", "bob");
  assert.equal(cluster.events.filter((event) => event.startsWith("started")).length, 2);
});

Deno.test("after a partition everybody is back under the old sids, and nobody twice", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const sid = await ann.publishCamera();
  await cluster.pass(500);
  cluster.links.network.partition("ND_a", "ND_b");
  await cluster.pass(6_000, 50);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"], "it lives, says the directory");
  await cluster.pass(40_000, 50);
  assert.deepEqual(cluster.seen("b"), ["bob"]);
  assert.equal(infoAt(bob, "ann")!.state, State.DISCONNECTED);
  assert.deepEqual(bob.forwarded(), []);
  cluster.links.network.healAll();
  await cluster.pass(8_000, 10);
  assert.deepEqual(cluster.seen("a"), ["ann", "bob"]);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
  const { sid: annSid, state, tracks } = infoAt(bob, "ann")!;
  assert.equal(annSid, ann.participant.sid);
  assert.equal(state, State.ACTIVE);
  assert.deepEqual(tracks.map((track) => track.sid), [sid]);
  assert.equal(bob.forwarded().length, 1);
  assert.deepEqual(cluster.events.filter((event) => event.startsWith("left")), []);
});

Deno.test("members of a node that died are gone after one lease", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  cluster.kill("a");
  await cluster.pass(4_000, 50);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
  await cluster.pass(7_500, 50);
  assert.deepEqual(cluster.seen("b"), ["bob"]);
  assert.equal(infoAt(bob, "ann")!.state, State.DISCONNECTED);
});

Deno.test("who joins a known room while the directory is away is let in, and others are not", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  for (const { directory } of cluster.nodes) directory.reach = "away";
  const cid = await cluster.join("b", "cid");
  await cluster.pass(500);
  assert.deepEqual(cluster.seen("a"), ["ann", "bob", "cid"]);
  const again = await cluster.join("a", "cid");
  await cluster.pass(500);
  assert.equal(cid.last("leave").reason, DisconnectReason.DUPLICATE_IDENTITY);
  assert.equal(cluster.room("b").byIdentity("cid")!.sid, again.participant.sid);
  const { service } = cluster.node("a").world;
  const other = cluster.node("a").world.parameters("dan", { roomName: "unknown" });
  const placed = await cluster.during(service.place(other));
  assert.deepEqual([placed.ok, !placed.ok && placed.status], [false, 503]);
});

Deno.test("a refused join leaves the session that it would have replaced its place", async () => {
  for (const node of ["a", "b"]) {
    const cluster = new ClusterWorld(["a", "b"]);
    const ann = await cluster.join("a", "ann");
    await cluster.join("b", "bob");
    const { service, parameters } = cluster.node(node).world;
    const tooLarge = parameters.call(cluster.node(node).world, "ann", {
      metadata: "x".repeat(70_000),
    });
    const placed = await cluster.during(service.place(tooLarge));
    assert.ok(placed.ok);
    assert.equal(service.admitSession(placed.join).ok, false);
    await cluster.pass(500);
    assert.equal(ann.participant.closed, false);
    const claim = await cluster.node("b").directory.claim("lobby", "ann");
    assert.equal(claim?.sid, ann.participant.sid, `refused on ${node}`);
  }
});

Deno.test("a directory that has forgotten everything is told of rooms and claims again", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  cluster.memory.clear();
  for (const { rooms } of cluster.nodes) rooms.assertAll();
  await cluster.pass(4_000);
  const { directory } = cluster.node("a");
  const listing = await directory.find("lobby");
  assert.equal(listing?.record.sid, cluster.room("a").sid);
  assert.deepEqual([...listing!.nodes].toSorted(), ["ND_a", "ND_b"]);
  const claims = (await directory.claims("lobby")).map(({ sid }) => sid).toSorted();
  assert.deepEqual(claims, [ann.participant.sid, bob.participant.sid].toSorted());
  await cluster.join("b", "cid");
  assert.equal(cluster.events.filter((event) => event.startsWith("started")).length, 1);
});
