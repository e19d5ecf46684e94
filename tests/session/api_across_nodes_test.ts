/** Calls of the server API on nodes that do not serve whom they are about. */
import assert from "node:assert/strict";
import {
  CreateRoomRequest,
  DataPacket,
  DataPacket_Kind,
  DisconnectReason,
  ForwardParticipantRequest,
  MoveParticipantRequest,
  MuteRoomTrackRequest,
  ParticipantPermission,
  PerformRpcRequest,
  RoomParticipantIdentity,
  RpcAck,
  RpcResponse,
  SendDataRequest,
  type TrackInfo,
  UpdateParticipantRequest,
  UpdateSubscriptionsRequest,
} from "@livekit/protocol";
import { failed, succeeded } from "../support/virtual/admin_world.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";

const RELIABLE = DataPacket_Kind.RELIABLE;

/** Ann and bob are on nodes of their own; `c` has nothing of their room. */
async function withOutsider() {
  const cluster = new ClusterWorld(["a", "b", "c"], 2);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await cluster.pass(200);
  const on = (name: string) => cluster.node(name).admin;
  return { cluster, ann, bob, on };
}

Deno.test("rooms and participants are listed on every node, as they are right now", async () => {
  const { cluster, on } = await withOutsider();
  const cid = cluster.join("a", "cid");
  await cid;
  for (const name of ["a", "b", "c"]) {
    const rooms = await cluster.during(on(name).listRooms([]));
    assert.deepEqual(rooms.map((room) => [room.name, room.numParticipants]), [["lobby", 3]], name);
    const listed = succeeded(await cluster.during(on(name).listParticipants("lobby")));
    assert.deepEqual(listed.map(({ identity }) => identity).toSorted(), ["ann", "bob", "cid"]);
    const one = succeeded(await cluster.during(on(name).getParticipant("lobby", "ann")));
    assert.equal(one.identity, "ann");
    const nobody = await cluster.during(on(name).getParticipant("lobby", "nobody"));
    assert.deepEqual(failed(nobody)[0], "not_found");
    assert.deepEqual(await cluster.during(on(name).listRooms(["none"])), []);
  }
  assert.equal(cluster.node("c").world.rooms.get("lobby"), undefined, "asking brings no room here");
});

Deno.test("a track is muted, and a participant changed, from any node", async () => {
  const { cluster, ann, on } = await withOutsider();
  const trackSid = await ann.publishCamera();
  await cluster.pass(100);
  for (const [name, muted] of [["c", true], ["b", true]] as const) {
    const request = new MuteRoomTrackRequest({ room: "lobby", identity: "ann", trackSid, muted });
    const track = succeeded(await cluster.during(on(name).mutePublishedTrack(request)));
    assert.equal((track as TrackInfo).muted, true);
  }
  assert.equal(ann.last("mute").muted, true);
  const update = new UpdateParticipantRequest({
    room: "lobby",
    identity: "ann",
    metadata: "m",
    attributes: { a: "1" },
    permission: new ParticipantPermission({ canSubscribe: true }),
  });
  const info = succeeded(await cluster.during(on("b").updateParticipant(update)));
  assert.deepEqual([info.metadata, info.attributes, info.tracks.length], ["m", { a: "1" }, 0]);
  const seen = succeeded(await cluster.during(on("b").getParticipant("lobby", "ann")));
  assert.equal(seen.metadata, "m", "here, too, when the call is answered");
  const agent = new UpdateParticipantRequest({
    room: "lobby",
    identity: "ann",
    permission: new ParticipantPermission({ agent: true }),
  });
  assert.equal(
    failed(await cluster.during(on("c").updateParticipant(agent)))[0],
    "permission_denied",
  );
});

Deno.test("metadata of a room is set from a node that does not have it, and nothing changes when it is made again", async () => {
  const { cluster, ann, bob, on } = await withOutsider();
  const info = succeeded(await cluster.during(on("c").updateRoomMetadata("lobby", "news")));
  assert.equal(info.metadata, "news");
  await cluster.pass(100);
  assert.equal(ann.last("roomUpdate").room!.metadata, "news");
  assert.equal(bob.last("roomUpdate").room!.metadata, "news");
  // What backends do before each join, at any node.
  const request = new CreateRoomRequest({ name: "lobby", metadata: "first", maxParticipants: 7 });
  for (const name of ["c", "a"]) {
    const { metadata, maxParticipants } = succeeded(
      await cluster.during(on(name).createRoom(request)),
    );
    assert.deepEqual([metadata, maxParticipants], ["news", info.maxParticipants], name);
  }
  await cluster.pass(100);
  for (
    const { metadata, maxParticipants } of [ann, bob].map((one) => one.last("roomUpdate").room!)
  ) {
    assert.deepEqual([metadata, maxParticipants], ["news", info.maxParticipants]);
  }
  const tagged = new CreateRoomRequest({ name: "lobby", tags: { plan: "pro" } });
  succeeded(await cluster.during(on("c").createRoom(tagged)));
  await cluster.pass(100);
  for (const name of ["a", "b"]) {
    assert.deepEqual(cluster.room(name).internal.tags, { plan: "pro" });
  }
  // What is so already is not agreed upon anew.
  const { version } = cluster.room("a").record;
  succeeded(await cluster.during(on("c").createRoom(tagged)));
  await cluster.pass(100);
  assert.equal(cluster.room("a").record.version, version);
  const none = await cluster.during(on("c").updateRoomMetadata("none", "news"));
  assert.equal(failed(none)[0], "not_found");
});

Deno.test("an empty room that was made on one node is changed and deleted on others", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.pass(100);
  const [a, b] = [cluster.node("a").admin, cluster.node("b").admin];
  const request = new CreateRoomRequest({ name: "empty", emptyTimeout: 100 });
  const made = succeeded(await cluster.during(a.createRoom(request)));
  assert.equal(made.emptyTimeout, 100);
  const changed = succeeded(await cluster.during(b.updateRoomMetadata("empty", "m")));
  assert.deepEqual([changed.sid, changed.metadata], [made.sid, "m"]);
  assert.equal(await cluster.during(b.deleteRoom("empty")), undefined);
  assert.equal(failed(await cluster.during(b.deleteRoom("empty")))[0], "not_found");
  assert.equal(cluster.node("a").world.rooms.get("empty"), undefined);
  assert.deepEqual(cluster.events, ["started empty", "finished empty ROOM_DELETED"]);
});

Deno.test("a call whose only node has died stays as it is when a backend makes its room for who comes back", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.pass(200);
  const { admin } = cluster.node("b");
  const before = succeeded(await cluster.during(admin.updateRoomMetadata("lobby", "news")));
  cluster.kill("a");
  const request = { name: "lobby", metadata: "first", maxParticipants: 7, emptyTimeout: 9 };
  const after = succeeded(
    await cluster.during(admin.createRoom(new CreateRoomRequest(request))),
  );
  for (const field of ["sid", "metadata", "maxParticipants", "emptyTimeout"] as const) {
    assert.equal(after[field], before[field], field);
  }
  assert.equal(cluster.room("b").record.plan.metadata, "news");
});

Deno.test("a room that ends while another node enters it is not made anew of a preset that nobody knows", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.pass(100);
  const { admin: a } = cluster.node("a");
  const { admin: b, directory, world } = cluster.node("b");
  succeeded(await cluster.during(a.createRoom(new CreateRoomRequest({ name: "lobby" }))));
  const enter = directory.enter.bind(directory);
  directory.enter = async (request) => {
    assert.equal(await a.deleteRoom("lobby"), undefined);
    return await enter(request);
  };
  const request = new CreateRoomRequest({ name: "lobby", roomPreset: "nope" });
  assert.equal(failed(await cluster.during(b.createRoom(request)))[0], "invalid_argument");
  assert.equal(world.rooms.get("lobby"), undefined);
  assert.deepEqual(cluster.events, ["started lobby", "finished lobby ROOM_DELETED"]);
});

Deno.test("a participant is removed from any node, and kept out of all that have its room", async () => {
  const { cluster, ann, on } = await withOutsider();
  const request = new RoomParticipantIdentity({ room: "lobby", identity: "ann" });
  assert.equal(await cluster.during(on("b").removeParticipant(request)), undefined);
  assert.equal(ann.last("leave").reason, DisconnectReason.PARTICIPANT_REMOVED);
  await cluster.pass(100);
  assert.deepEqual(cluster.seen("b"), ["bob"]);
  for (const name of ["a", "b", "c"]) {
    const { world } = cluster.node(name);
    const tokenNotBefore = cluster.platform.clock.wallMs();
    const asked = world.parameters("ann", { tokenNotBefore });
    const placed = await cluster.during(world.service.place(asked));
    const admission = placed.ok ? world.service.admit(placed.join) : placed;
    assert.equal(admission.ok || admission.status, 401, name);
  }
  const outside = new RoomParticipantIdentity({ room: "lobby", identity: "bob" });
  assert.equal(await cluster.during(on("c").removeParticipant(outside)), undefined);
});

Deno.test("subscriptions, data and calls of the server reach whoever is elsewhere", async () => {
  const { cluster, ann, bob, on } = await withOutsider();
  const sid = await ann.publishCamera();
  await cluster.pass(200);
  const subscriptions = new UpdateSubscriptionsRequest({
    room: "lobby",
    identity: "bob",
    trackSids: [sid],
    subscribe: false,
  });
  assert.equal(await cluster.during(on("c").updateSubscriptions(subscriptions)), undefined);
  await cluster.pass(200);
  assert.deepEqual(bob.forwarded(), []);
  const data = new SendDataRequest({
    room: "lobby",
    kind: RELIABLE,
    data: new Uint8Array([7]),
    destinationIdentities: ["bob"],
  });
  assert.equal(await cluster.during(on("c").sendData(data)), undefined);
  await cluster.pass(200);
  const { value } = DataPacket.fromBinary(bob.world.engine.sent.at(-1)!.bytes);
  assert.deepEqual(value.case === "user" && value.value.payload, new Uint8Array([7]));
  const rpc = new PerformRpcRequest({
    room: "lobby",
    destinationIdentity: "bob",
    method: "m",
    payload: "p",
    responseTimeoutMs: 2_000,
  });
  const outcome = on("a").performRpc(rpc);
  await cluster.pass(100);
  const asked = DataPacket.fromBinary(bob.world.engine.sent.at(-1)!.bytes).value;
  assert.ok(asked.case === "rpcRequest");
  const requestId = asked.value.id;
  const ack = new DataPacket({ value: { case: "rpcAck", value: new RpcAck({ requestId }) } });
  await bob.sendData("_reliable", ack.toBinary());
  const response = new RpcResponse({ requestId, value: { case: "payload", value: "answer" } });
  const packet = new DataPacket({ value: { case: "rpcResponse", value: response } });
  await bob.sendData("_reliable", packet.toBinary());
  assert.equal(await cluster.during(outcome), "answer");
});

Deno.test("a participant is moved to, and shown in, a room of other nodes, asked of any node", async () => {
  const { cluster, ann, bob, on } = await withOutsider();
  const eve = await cluster.join("c", "eve", { roomName: "stage" });
  const sid = await ann.publishCamera();
  await cluster.pass(200);
  const forward = new ForwardParticipantRequest({
    room: "lobby",
    identity: "ann",
    destinationRoom: "stage",
  });
  assert.equal(await cluster.during(on("b").forwardParticipant(forward)), undefined);
  await cluster.pass(500);
  assert.deepEqual(cluster.seen("c", "stage"), ["ann", "eve"]);
  assert.deepEqual(eve.forwarded().map(({ upTrack }) => upTrack), [ann.upTrack("1")]);
  const copy = cluster.room("c", "stage").byIdentity("ann")!;
  assert.notEqual(copy.sid, ann.participant.sid);
  const shown = new RoomParticipantIdentity({ room: "stage", identity: "ann" });
  assert.equal(await cluster.during(on("b").removeParticipant(shown)), undefined);
  await cluster.pass(500);
  assert.deepEqual(cluster.seen("c", "stage"), ["eve"]);
  const move = new MoveParticipantRequest({
    room: "lobby",
    identity: "bob",
    destinationRoom: "stage",
  });
  const before = bob.participant.sid;
  assert.equal(await cluster.during(on("a").moveParticipant(move)), undefined);
  await cluster.pass(500);
  assert.equal(bob.last("roomMoved").room!.sid, cluster.room("c", "stage").sid);
  assert.deepEqual(bob.last("roomMoved").otherParticipants.map(({ identity }) => identity), [
    "eve",
  ]);
  assert.deepEqual(cluster.seen("c", "stage"), ["bob", "eve"]);
  assert.deepEqual(cluster.seen("a"), ["ann"]);
  assert.notEqual(cluster.room("c", "stage").byIdentity("bob")!.sid, before);
  assert.equal(cluster.events.filter((event) => event === `published stage ann ${sid}`).length, 1);
  assert.equal(cluster.events.filter((event) => event === "joined stage bob").length, 1);
});

Deno.test("a call about a room whose nodes do not answer says so", async () => {
  const { cluster, on } = await withOutsider();
  cluster.links.network.partition("ND_c", "ND_a");
  cluster.links.network.partition("ND_c", "ND_b");
  const outcome = await cluster.during(on("c").getParticipant("lobby", "ann"), 15_000);
  assert.equal(failed(outcome)[0], "unavailable");
});

Deno.test("while the directory is away calls about rooms here go on, and others say so", async () => {
  const { cluster, on } = await withOutsider();
  for (const { directory } of cluster.nodes) directory.reach = "away";
  const mute = new RoomParticipantIdentity({ room: "lobby", identity: "ann" });
  assert.ok(succeeded(await cluster.during(on("a").getParticipant("lobby", mute.identity))));
  assert.equal((await cluster.during(on("a").listRooms([]))).length, 1);
  const unknown = await cluster.during(on("c").getParticipant("lobby", "ann"));
  assert.equal(failed(unknown)[0], "unavailable");
  for (
    const outcome of [
      on("a").updateRoomMetadata("lobby", "news"),
      on("a").deleteRoom("lobby"),
      on("a").createRoom(new CreateRoomRequest({ name: "new" })),
    ]
  ) assert.equal(failed(await cluster.during(outcome))[0], "unavailable");
});
