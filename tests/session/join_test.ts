import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DisconnectReason,
  LeaveRequest_Action,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  RoomAgentDispatch,
  RoomConfiguration,
} from "@livekit/protocol";
import { FULL_GRANT, World } from "../support/virtual/scripted_client.ts";

const clientOf = (protocol: number, sdk = ClientInfo_SDK.JS, version = "2.23.0") =>
  new ClientInfo({ sdk, version, protocol });

Deno.test("SignalService.open() sends join first, then the subscriber offer, trickle and a token", async () => {
  const world = new World();
  const alice = await world.open("alice");
  const { cases } = alice;
  assert.equal(cases[0], "join");
  assert.deepEqual(
    cases.filter((name) => name !== "roomUpdate"),
    ["join", "offer", "trickle", "trickle", "refreshToken"],
  );
  assert.equal(alice.last("refreshToken"), "token of alice");
  assert.deepEqual(alice.all("trickle").map(({ final }) => final), [false, true]);
});

Deno.test("SignalService.open() fills every field of the join response that SDKs read", async () => {
  const world = new World();
  await world.open("alice", { name: "Alice", attributes: { a: "1" } });
  const bob = await world.open("bob");
  const join = bob.last("join");
  assert.match(join.room!.sid, /^RM_/);
  assert.equal(join.room!.name, "lobby");
  assert.equal(join.room!.emptyTimeout, 300);
  assert.equal(join.room!.departureTimeout, 20);
  assert.equal(join.room!.numParticipants, 2);
  assert.ok(join.room!.creationTimeMs > 0n);
  assert.match(join.participant!.sid, /^PA_/);
  assert.equal(join.participant!.identity, "bob");
  assert.deepEqual(join.otherParticipants.map(({ name, attributes }) => [name, attributes.a]), [
    ["Alice", "1"],
  ]);
  assert.equal(join.serverVersion, "1.2.3");
  assert.deepEqual([join.serverInfo!.protocol, join.serverInfo!.nodeId], [17, "ND_test"]);
  assert.deepEqual([join.serverInfo!.region, join.serverRegion], ["here", "here"]);
  assert.ok(join.iceServers.length > 0 && join.iceServers[0]!.urls[0]!.startsWith("stun:"));
  assert.deepEqual([join.pingInterval, join.pingTimeout], [5, 15]);
  assert.equal(join.subscriberPrimary, true);
  assert.equal(join.fastPublish, true);
  assert.ok(join.sifTrailer.length > 0);
  const codecs = join.enabledPublishCodecs.map(({ mime }) => mime);
  assert.deepEqual(codecs.slice(0, 2), ["video/VP8", "video/H264"]);
  assert.ok(codecs.includes("audio/opus") && !codecs.includes("video/rtx"));
});

Deno.test("SignalService.open() names STUN servers even where the operator configured none", async () => {
  const world = new World({ iceServers: [] });
  const alice = await world.open("alice");
  assert.ok(alice.last("join").iceServers.length > 0);
});

Deno.test("Participant.start() puts existing tracks into the first offer for protocols above 7", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  const bob = await world.open("bob");
  const carol = await world.open("carol", { clientInfo: clientOf(7) });
  assert.ok(bob.all("offer")[0]!.sdp.includes(sid));
  assert.ok(!carol.all("offer")[0]!.sdp.includes(sid));
  await carol.connect();
  await world.pass(200);
  assert.ok(carol.last("offer").sdp.includes(sid));
});

Deno.test("Participant makes the subscriber primary by protocol and by permission at join", async () => {
  const world = new World();
  const grant = { ...FULL_GRANT, canSubscribe: false };
  const cases = [
    [await world.open("old", { clientInfo: clientOf(2) }), false],
    [await world.open("four", { clientInfo: clientOf(4) }), true],
    [await world.open("mute", { grant }), false],
  ] as const;
  for (const [client, primary] of cases) {
    assert.equal(client.last("join").subscriberPrimary, primary, client.identity);
    const { subscriber } = client.participant;
    const opened = world.engine.of("open_connection");
    const channels = opened.find(({ connection }) => connection === subscriber.id)?.dataChannels;
    assert.equal(channels, primary ? "create" : undefined, client.identity);
    assert.equal(client.all("offer").length, primary ? 1 : 0, client.identity);
  }
});

Deno.test("Participant becomes ACTIVE when its primary connection is up, and only then", async () => {
  const world = new World();
  const alice = await world.open("alice");
  await alice.openPublisher();
  const { participant } = alice;
  const { engine } = world;
  const up = (connection: typeof participant.publisher.id) =>
    engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  up(participant.publisher.id);
  assert.equal(participant.state, ParticipantInfo_State.JOINED);
  up(participant.subscriber.id);
  assert.equal(participant.state, ParticipantInfo_State.ACTIVE);
});

Deno.test("Participant that never becomes ACTIVE is removed with JOIN_FAILURE after a minute", async () => {
  const world = new World();
  const alice = await world.open("alice");
  await world.joined("bob");
  await world.pass(59_900, 100);
  assert.equal(alice.closeCode, undefined);
  await world.pass(100, 100);
  assert.equal(alice.last("leave").reason, DisconnectReason.JOIN_FAILURE);
  assert.equal(alice.last("leave").action, LeaveRequest_Action.DISCONNECT);
  assert.equal(alice.closeCode, 1000);
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), undefined);
  assert.ok(world.rooms.get("lobby")!.byIdentity("bob"));
});

Deno.test("Room.join() ends the older session of an identity with DUPLICATE_IDENTITY", async () => {
  const world = new World();
  const first = await world.joined("alice");
  const oldSid = first.participant.sid;
  const second = await world.joined("alice");
  const leave = first.last("leave");
  assert.equal(leave.reason, DisconnectReason.DUPLICATE_IDENTITY);
  assert.equal(leave.action, LeaveRequest_Action.DISCONNECT);
  assert.equal(first.closeCode, 1000);
  assert.notEqual(second.participant.sid, oldSid);
  assert.equal(world.engine.openConnections().length, 1);
  assert.deepEqual(second.last("join").otherParticipants, []);
  // The old socket's end, reported late, must not end the new session.
  first.socket.onClose();
  assert.equal(second.participant.state, ParticipantInfo_State.ACTIVE);
});

Deno.test("SignalService.admit() refuses a missing room only where joins may not make one", async () => {
  const world = new World({}, false);
  const join = world.parameters("alice");
  const refusal = { ok: false, status: 404, body: "requested room does not exist" };
  assert.deepEqual(world.service.admit(join), refusal);
  assert.deepEqual(world.service.admit(join), refusal, "asking must not have made the room");
  const creator = world.parameters("bob", { grant: { ...FULL_GRANT, roomCreate: true } });
  assert.deepEqual(world.service.admit(creator), { ok: true });
  world.rooms.create({ name: "lobby" });
  assert.deepEqual(world.service.admit(join), { ok: true });
});

Deno.test("SignalService.admitSession() refuses who would exceed max_participants, but no agent or recorder", async () => {
  const world = new World({ maxParticipants: 1 });
  await world.joined("alice");
  assert.equal(world.service.admitSession(world.parameters("bob")).ok, false);
  assert.equal(world.service.admitSession(world.parameters("alice")).ok, true);
  const agent = world.parameters("bot", { grant: { ...FULL_GRANT, agent: true } });
  assert.equal(world.service.admitSession(agent).ok, true);
  for (const kind of [ParticipantInfo_Kind.AGENT, ParticipantInfo_Kind.EGRESS]) {
    assert.equal(world.service.admitSession(world.parameters("bot", { kind })).ok, true);
  }
  const bob = await world.open("bob");
  assert.equal(bob.cases.join(), "leave");
  assert.equal(bob.closeCode, 1000);
});

Deno.test("SignalService.open() takes the room's settings from the first token", async () => {
  const world = new World();
  const roomConfig = new RoomConfiguration({ emptyTimeout: 7, maxParticipants: 3, metadata: "m" });
  const alice = await world.open("alice", { roomConfig });
  const { room } = alice.last("join");
  assert.deepEqual([room!.emptyTimeout, room!.maxParticipants, room!.metadata], [7, 3, "m"]);
});

Deno.test("SignalService.admit() keeps newcomers out once the node carries its limit of tracks", async () => {
  const world = new World({}, true, 3);
  const { service } = world;
  const alice = await world.joined("alice");
  await alice.publishCamera();
  const bob = await world.joined("bob");
  await world.pass(400);
  assert.equal(world.rooms.trackCount(), 2, "one in, one out");
  assert.equal(service.admit(world.parameters("cid")).ok, true);
  await bob.publishMicrophone();
  await world.pass(400);
  assert.deepEqual(service.admit(world.parameters("cid")), {
    ok: false,
    status: 503,
    body: "node has exceeded its configured limit",
    takers: "any",
  });
  assert.equal(service.admit(world.parameters("bob", { reconnect: true })).ok, true);
});

Deno.test("SignalService.admit() refuses a token whose room would have too many agents", () => {
  const world = new World();
  const admit = (count: number) => {
    const agents = Array.from({ length: count }, () => new RoomAgentDispatch());
    const roomConfig = new RoomConfiguration({ agents });
    return world.service.admit(world.parameters("alice", { roomConfig }));
  };
  assert.equal(admit(100).ok, true);
  assert.deepEqual(admit(101), {
    ok: false,
    status: 400,
    body: "a room has no more agent dispatches than 100",
  });
});
