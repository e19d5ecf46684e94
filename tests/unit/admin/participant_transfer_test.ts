import assert from "node:assert/strict";
import {
  ClientInfo,
  CreateRoomRequest,
  DataPacket,
  ForwardParticipantRequest,
  MoveParticipantRequest,
  ParticipantInfo_KindDetail as KindDetail,
  ParticipantInfo_State as State,
  RoomParticipantIdentity,
  UpdateParticipantRequest,
  UserPacket,
  VideoQuality,
} from "@livekit/protocol";
import { adminWorld, failed, succeeded } from "../../support/virtual/admin_world.ts";
import { FULL_GRANT } from "../../support/virtual/scripted_client.ts";

const STAGE = { roomName: "stage", grant: { ...FULL_GRANT, room: "stage" } };

const toStage = (identity: string) =>
  new MoveParticipantRequest({ room: "lobby", identity, destinationRoom: "stage" });
const ontoStage = (identity: string) =>
  new ForwardParticipantRequest({ room: "lobby", identity, destinationRoom: "stage" });

Deno.test("moveParticipant() continues the session in another room: tracks along, subscriptions anew", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const carol = await world.joined("carol", STAGE);
  const trackSid = await alice.publishCamera();
  const bobs = await bob.publishMicrophone();
  const carols = await carol.publishMicrophone();
  await world.pass(500);
  const { participant } = alice;
  const { sid } = participant;
  const upTrack = alice.upTrack("1");
  const connections = world.engine.openConnections();

  assert.equal(await admin.moveParticipant(toStage("alice")), undefined);
  await world.pass(500);

  const moved = alice.last("roomMoved");
  assert.equal(moved.room!.name, "stage");
  assert.equal(moved.room!.numParticipants, 2);
  assert.equal(moved.token, "token of alice");
  assert.notEqual(moved.participant!.sid, sid);
  assert.deepEqual(moved.participant!.tracks.map((track) => track.sid), [trackSid]);
  assert.deepEqual(moved.otherParticipants.map(({ identity }) => identity), ["carol"]);
  assert.equal(alice.closeCode, undefined, "its socket stays open");
  assert.deepEqual(world.engine.openConnections(), connections, "and its connections");

  assert.deepEqual([bob.infoOf("alice").sid, bob.infoOf("alice").state], [
    sid,
    State.DISCONNECTED,
  ]);
  assert.equal(bob.forwarded().length, 0);
  const shown = carol.infoOf("alice");
  assert.deepEqual([shown.sid, shown.state], [moved.participant!.sid, State.ACTIVE]);
  assert.deepEqual(carol.forwarded().map((down) => down.upTrack), [upTrack]);
  const received = world.engine.forwarding()
    .filter(({ connection }) => connection === participant.subscriber.id);
  assert.deepEqual(received.map((down) => down.upTrack), [carol.upTrack("1")]);
  assert.ok(!participant.subscriptions.isDesired(bobs));
  assert.ok(participant.subscriptions.isAccepted(carols));
  assert.equal(world.rooms.get("stage")!.byIdentity("alice"), participant);
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), undefined);
});

Deno.test("moveParticipant() lets the moved publish, send data, leave and come back as any other", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const carol = await world.joined("carol", STAGE);
  const send = async (sequence: number) => {
    const value = { case: "user" as const, value: new UserPacket({ payload: new Uint8Array(1) }) };
    const connection = world.rooms.get("stage")!.session("alice")!.publisher.id;
    const bytes = new DataPacket({ value, sequence }).toBinary();
    world.engine.receiveData(connection, "_reliable", bytes);
    await world.settle();
    return world.engine.sent.flatMap(({ connections }) => connections);
  };
  await alice.openPublisher();
  assert.equal(await admin.moveParticipant(toStage("alice")), undefined);
  await world.settle();
  const toCarol = carol.participant.subscriber.id;
  assert.deepEqual(await send(5), [toCarol], "not to the room it left");
  assert.deepEqual(await send(5), [toCarol], "sequences go on counting");
  await world.pass(500);
  const back = new MoveParticipantRequest({
    room: "stage",
    identity: "alice",
    destinationRoom: "lobby",
  });
  assert.equal(await admin.moveParticipant(back), undefined);
  await world.pass(3_500);
  const { sid } = alice.participant;
  assert.deepEqual([bob.infoOf("alice").sid, bob.infoOf("alice").state], [sid, State.ACTIVE]);
  assert.equal(carol.infoOf("alice").state, State.DISCONNECTED);
  await alice.publishMicrophone();
  await world.pass(500);
  assert.equal(bob.forwarded().length, 1);
  assert.equal(carol.forwarded().length, 0);
});

Deno.test("moveParticipant() refuses what cannot be moved and then changes nothing", async () => {
  const { world, admin } = adminWorld();
  const old = new ClientInfo({ protocol: 15 });
  await world.joined("old", { clientInfo: old });
  const alice = await world.joined("alice");
  assert.deepEqual(failed(await admin.moveParticipant(toStage("old"))), [
    "failed_precondition",
    "participant does not support moving",
  ]);
  assert.deepEqual(failed(await admin.moveParticipant(toStage("nobody"))), [
    "not_found",
    "participant does not exist",
  ]);
  succeeded(await admin.createRoom(new CreateRoomRequest({ name: "stage", maxParticipants: 1 })));
  await world.joined("carol", STAGE);
  assert.deepEqual(failed(await admin.moveParticipant(toStage("alice"))), [
    "resource_exhausted",
    "room has exceeded its max participants",
  ]);
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), alice.participant);
  assert.deepEqual(alice.all("roomMoved"), []);
});

Deno.test("moveParticipant() replaces a participant of the same identity and leaves an idle room to end", async () => {
  const { world, admin } = adminWorld({ departureTimeoutS: 5 });
  const alice = await world.joined("alice");
  const other = await world.joined("alice", STAGE);
  const { participant } = alice;
  assert.equal(await admin.moveParticipant(toStage("alice")), undefined);
  await world.settle();
  assert.equal(other.closeCode, 1000);
  assert.equal(world.rooms.get("stage")!.byIdentity("alice"), participant);
  await world.pass(5_100);
  assert.equal(world.rooms.get("lobby"), undefined);
});

Deno.test("forwardParticipant() shows a participant and its tracks in a second room, and follows it", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice", { name: "Alice" });
  const carol = await world.joined("carol", STAGE);
  const trackSid = await alice.publishCamera();
  assert.equal(await admin.forwardParticipant(ontoStage("alice")), undefined);
  assert.equal(await admin.forwardParticipant(ontoStage("alice")), undefined, "twice is once");
  await world.pass(500);
  const copy = carol.infoOf("alice");
  assert.deepEqual([copy.name, copy.state, copy.kindDetails], [
    "Alice",
    State.ACTIVE,
    [KindDetail.FORWARDED],
  ]);
  assert.notEqual(copy.sid, alice.participant.sid);
  assert.deepEqual(copy.tracks.map(({ sid }) => sid), [trackSid]);
  assert.deepEqual(carol.forwarded().map(({ upTrack }) => upTrack), [alice.upTrack("1")]);
  assert.match(carol.last("offer").sdp, new RegExp(`${copy.sid}\\|`));
  assert.equal(alice.last("trackSubscribed").trackSid, trackSid);
  // Nobody in alice's own room wants the track; the stage does.
  const wanted = alice.last("subscribedQualityUpdate").subscribedQualities;
  assert.ok(wanted.find(({ quality }) => quality === VideoQuality.HIGH)!.enabled);

  await alice.announce({ cid: "mic", name: "mic" });
  await alice.offer([
    { mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "audio", cid: "mic" },
  ]);
  const update = { room: "lobby", identity: "alice", attributes: { mood: "good" } };
  succeeded(await admin.updateParticipant(new UpdateParticipantRequest(update)));
  await world.pass(500);
  assert.equal(carol.infoOf("alice").tracks.length, 2);
  assert.deepEqual(carol.infoOf("alice").attributes, { mood: "good" });
  assert.equal(carol.forwarded().length, 2);

  await alice.offer([{ mid: "1", kind: "video", cid: "cam", direction: "inactive" }]);
  await world.pass(500);
  assert.deepEqual(carol.infoOf("alice").tracks, []);
  assert.equal(carol.forwarded().length, 0);
});

Deno.test("forwardParticipant() ends with its origin, and when the copy is removed", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const carol = await world.joined("carol", STAGE);
  await alice.publishCamera();
  const forward = async () => {
    assert.equal(await admin.forwardParticipant(ontoStage("alice")), undefined);
    await world.pass(500);
    assert.equal(carol.forwarded().length, 1);
  };
  await forward();
  const removal = new RoomParticipantIdentity({ room: "stage", identity: "alice" });
  assert.equal(await admin.removeParticipant(removal), undefined);
  await world.pass(500);
  assert.equal(carol.forwarded().length, 0);
  assert.equal(carol.infoOf("alice").state, State.DISCONNECTED);
  assert.ok(alice.participant.active);
  await world.pass(11_000);
  const wanted = alice.last("subscribedQualityUpdate").subscribedQualities;
  assert.ok(wanted.every(({ enabled }) => !enabled), "nobody wants it any more");
  await forward();
  alice.participant.close(1, "disconnect");
  await world.pass(3_500);
  assert.equal(world.rooms.get("stage")!.byIdentity("alice"), undefined);
  assert.equal(carol.infoOf("alice").state, State.DISCONNECTED);
  assert.equal(carol.forwarded().length, 0);
});

Deno.test("forwardParticipant() refuses what is not there, and never replaces a real participant", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const real = await world.joined("alice", STAGE);
  assert.deepEqual(failed(await admin.forwardParticipant(ontoStage("nobody"))), [
    "not_found",
    "participant does not exist",
  ]);
  assert.deepEqual(failed(await admin.forwardParticipant(ontoStage("alice"))), [
    "already_exists",
    "participant identity exists in destination room",
  ]);
  assert.equal(real.closeCode, undefined);
  real.participant.close(1, "disconnect");
  assert.equal(await admin.forwardParticipant(ontoStage("alice")), undefined);
  const again = new MoveParticipantRequest({
    room: "stage",
    identity: "alice",
    destinationRoom: "lobby",
  });
  assert.equal(failed(await admin.moveParticipant(again))[0], "failed_precondition");
  assert.equal(
    failed(await admin.forwardParticipant(new ForwardParticipantRequest(again)))[0],
    "failed_precondition",
  );
  const joined = await world.joined("alice", STAGE);
  assert.equal(world.rooms.get("stage")!.byIdentity("alice"), joined.participant);
  assert.ok(alice.participant.active, "the copy gave way, its origin did not");
});
