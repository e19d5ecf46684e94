import assert from "node:assert/strict";
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  ParticipantInfo_State,
  SimulateScenario,
  SyncState,
  TrackInfo,
  TrackPublishedResponse,
} from "@livekit/protocol";
import {
  FakeSocket,
  FULL_GRANT,
  type ScriptedClient,
  World,
} from "../support/virtual/scripted_client.ts";

const disconnects = (client: ScriptedClient, sid: string) =>
  client.all("update").flatMap(({ participants }) => participants)
    .filter((info) => info.sid === sid && info.state === ParticipantInfo_State.DISCONNECTED);

/** The same client on a new socket with `reconnect=1`. */
async function resume(world: World, client: ScriptedClient): Promise<void> {
  client.socket = new FakeSocket();
  world.service.open({ ...client.join, reconnect: true }, client.socket);
  await world.settle();
}

Deno.test("Participant.close() on leave answers, frees everything and is announced once to each other", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const { sid } = alice.participant;
  await alice.publishCamera();
  await world.pass(400);
  await alice.request({ case: "leave", value: new LeaveRequest() });
  assert.equal(alice.last("leave").action, LeaveRequest_Action.DISCONNECT);
  assert.equal(alice.closeCode, 1000);
  await world.pass(4_000, 500);
  assert.equal(disconnects(bob, sid).length, 1);
  assert.equal(disconnects(bob, sid)[0]!.disconnectReason, DisconnectReason.CLIENT_INITIATED);
  assert.equal(disconnects(alice, sid).length, 0);
  assert.equal(world.engine.openConnections().length, 1);
  assert.deepEqual(world.engine.forwarding(), []);
});

Deno.test("Participant.close() leaves nothing behind when one part of it has a bug", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const { sid, subscriptions } = alice.participant;
  await alice.publishCamera();
  subscriptions.close = () => {
    throw new Error("a bug of ours");
  };
  await alice.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(4_000, 500);
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), undefined);
  assert.equal(disconnects(bob, sid).length, 1);
  assert.equal(alice.closeCode, 1000);
  assert.equal(world.engine.openConnections().length, 1, "bob's");
  assert.equal(world.counters.get("participant_bug"), 1);
});

Deno.test("Participant.signalClosed() ends a session without media, and keeps one with media", async () => {
  const world = new World();
  const early = await world.open("early");
  const late = await world.joined("late");
  const { participant } = late;
  early.socket.onClose();
  late.socket.onClose();
  assert.equal(world.rooms.get("lobby")!.byIdentity("early"), undefined);
  assert.equal(participant.state, ParticipantInfo_State.ACTIVE);
  const connection = participant.subscriber.id;
  world.engine.emit({ type: "connection_failed", connection, reason: "ice_timeout" });
  assert.equal(participant.state, ParticipantInfo_State.DISCONNECTED);
});

Deno.test("Participant makes its client join anew when the media plane has lost a connection", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { clientInfo: bobsOldClient(world) });
  for (const client of [alice, bob]) {
    await client.openPublisher();
    const connection = client.participant.publisher.id;
    world.engine.emit({ type: "connection_failed", connection, reason: "dtls_timeout" });
  }
  assert.equal(alice.last("leave").action, LeaveRequest_Action.RECONNECT);
  assert.equal(alice.last("leave").canReconnect, false);
  assert.equal(bob.last("leave").canReconnect, true);
});

function bobsOldClient(world: World) {
  const info = world.parameters("bob").clientInfo.clone();
  info.protocol = 9;
  return info;
}

Deno.test("Participant opens a connection with its first offer, because the media plane gives up on idle ones", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { publisher, subscriber } = alice.participant;
  const opened = () => world.engine.of("open_connection").map(({ connection }) => connection);
  assert.deepEqual(opened(), [subscriber.id]);
  await alice.offer([]);
  await alice.offer([]);
  assert.deepEqual(opened(), [subscriber.id, publisher.id]);
});

Deno.test("SignalService.close() tells every participant SERVER_SHUTDOWN before its socket closes", async () => {
  const world = new World();
  const clients = [await world.joined("alice"), await world.joined("bob")];
  world.service.close();
  for (const client of clients) {
    assert.equal(client.cases.at(-1), "leave");
    assert.equal(client.last("leave").reason, DisconnectReason.SERVER_SHUTDOWN);
    assert.equal(client.last("leave").action, LeaveRequest_Action.DISCONNECT);
    assert.equal(client.closeCode, 1000);
  }
  assert.deepEqual(world.engine.openConnections(), []);
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("SignalService.open() answers a resume of an unknown session with STATE_MISMATCH", async () => {
  const world = new World();
  const alice = await world.open("alice", { reconnect: true });
  assert.deepEqual(alice.cases, ["leave"]);
  const { reason, action } = alice.last("leave");
  assert.equal(reason, DisconnectReason.STATE_MISMATCH);
  assert.equal(action, LeaveRequest_Action.RECONNECT);
  assert.equal(world.rooms.get("lobby"), undefined, "a resume makes no room");
});

Deno.test("Room.resume() moves a session to its new socket and restarts ICE, keeping everything", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  const old = bob.socket;
  const { participant } = bob;
  const forwarding = world.engine.forwarding();
  await resume(world, bob);
  assert.equal(old.closed?.code, 1000);
  assert.equal(bob.cases[0], "reconnect");
  assert.ok(bob.last("reconnect").iceServers.length > 0);
  const infos = bob.all("update")[0]!.participants;
  assert.deepEqual(infos.map(({ identity }) => identity).sort(), ["alice", "bob"]);
  assert.equal(bob.last("roomUpdate").room!.numParticipants, 2);
  const restart = world.engine.of("restart_ice").at(-1)!;
  assert.equal(restart.connection, participant.subscriber.id);
  assert.ok(bob.last("offer").sdp.includes(`a=ice-ufrag:${restart.local.ufrag}`));
  assert.ok(bob.last("offer").sdp.includes(sid));
  assert.equal(bob.all("refreshToken").length, 1);
  assert.equal(bob.participant, participant);
  assert.deepEqual(world.engine.forwarding(), forwarding);
});

Deno.test("Room.resume() names those who left while the client was away, before those who are there", async () => {
  const world = new World();
  const early = await world.joined("early");
  const late = await world.joined("late");
  const bob = await world.joined("bob");
  await early.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(5_000, 500);
  await bob.request({ case: "ping", value: 1n });
  bob.socket.onClose();
  const { sid } = late.participant;
  await world.pass(1_000, 500);
  await late.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(1_000, 500);
  await resume(world, bob);
  const [gone, present] = bob.all("update").map(({ participants }) => participants);
  assert.deepEqual(gone!.map((info) => [info.sid, info.state]), [
    [sid, ParticipantInfo_State.DISCONNECTED],
  ]);
  assert.deepEqual(present!.map(({ identity }) => identity), ["bob"]);
});

Deno.test("handleRequest() plays a simulated speaker to everybody, and its end", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const value = new SimulateScenario({ scenario: { case: "speakerUpdate", value: 3 } });
  await alice.request({ case: "simulate", value });
  const heard = () => bob.all("speakersChanged").map(({ speakers }) => speakers[0]!.active);
  await world.pass(2_900, 100);
  assert.deepEqual(heard(), [true]);
  await world.pass(100);
  assert.deepEqual(heard(), [true, false]);
  assert.equal(bob.last("speakersChanged").speakers[0]!.sid, alice.participant.sid);
});

Deno.test("handleRequest() ends each of several simulated speakers", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const clientInfo = world.parameters("").clientInfo.clone();
  clientInfo.protocol = 2;
  const old = await world.joined("old", { clientInfo });
  for (const [client, value] of [[alice, 3], [bob, 1], [bob, 2]] as const) {
    const simulated = new SimulateScenario({ scenario: { case: "speakerUpdate", value } });
    await client.request({ case: "simulate", value: simulated });
  }
  await world.pass(3_000, 100);
  const heard = (sid: string) =>
    alice.all("speakersChanged").flatMap(({ speakers }) => speakers)
      .filter((speaker) => speaker.sid === sid).map(({ active }) => active);
  assert.deepEqual(heard(alice.participant.sid), [true, false]);
  assert.deepEqual(heard(bob.participant.sid), [true, true, false]);
  assert.deepEqual(old.all("speakersChanged"), [], "it could not read them");
});

Deno.test("Participant.resume() ignores the late end of the socket it left", async () => {
  const world = new World();
  const bob = await world.open("bob");
  const old = bob.socket;
  await resume(world, bob);
  old.onClose();
  assert.equal(bob.participant.state, ParticipantInfo_State.JOINED);
  assert.equal(bob.closeCode, undefined);
});

Deno.test("handleRequest() accepts sync_state, and makes a client with unknown tracks join anew", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  await bob.request({ case: "syncState", value: new SyncState({ trackSidsDisabled: [sid] }) });
  assert.equal(world.engine.of("set_down_track_target").at(-1)!.target.enabled, false);
  const track = (trackSid: string) =>
    new SyncState({
      publishTracks: [new TrackPublishedResponse({ track: new TrackInfo({ sid: trackSid }) })],
    });
  await alice.request({ case: "syncState", value: track(sid) });
  assert.equal(alice.closeCode, undefined);
  await alice.request({ case: "syncState", value: track("TR_none") });
  assert.equal(alice.last("leave").action, LeaveRequest_Action.RECONNECT);
  const unsaid = new SyncState({ publishTracks: [new TrackPublishedResponse({ cid: "cam" })] });
  await bob.request({ case: "syncState", value: unsaid });
  assert.equal(bob.last("leave").action, LeaveRequest_Action.RECONNECT);
});

Deno.test("handleRequest() plays the simulated server leave", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const value = new SimulateScenario({ scenario: { case: "serverLeave", value: true } });
  await alice.request({ case: "simulate", value });
  assert.equal(alice.last("leave").reason, DisconnectReason.SERVER_SHUTDOWN);
});

Deno.test("Room closes after departure_timeout when the last member left, whatever agents stay", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const agent = await world.joined("agent", { grant: { ...FULL_GRANT, agent: true } });
  const { sid } = world.rooms.get("lobby")!;
  await alice.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(19_000, 1_000);
  assert.equal(world.rooms.get("lobby")?.sid, sid);
  await world.pass(1_000, 1_000);
  assert.equal(world.rooms.get("lobby"), undefined);
  assert.equal(agent.last("leave").reason, DisconnectReason.ROOM_CLOSED);
  const again = await world.joined("alice");
  assert.notEqual(again.last("join").room!.sid, sid);
});

Deno.test("Room closes after empty_timeout when nobody ever joined, and not while somebody is in", async () => {
  const world = new World();
  world.rooms.create({ name: "empty", emptyTimeoutS: 10 });
  world.rooms.create({ name: "lobby", emptyTimeoutS: 10 });
  await world.joined("alice");
  await world.pass(9_000, 1_000);
  assert.deepEqual(world.rooms.list().map(({ name }) => name), ["empty", "lobby"]);
  await world.pass(1_000, 1_000);
  assert.deepEqual(world.rooms.list().map(({ name }) => name), ["lobby"]);
  await world.pass(100_000, 10_000);
  assert.deepEqual(world.rooms.list(["lobby"])[0]!.numParticipants, 1);
});

Deno.test("RoomDirectory.delete() ends every session with ROOM_DELETED and frees the name", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  assert.equal(await world.rooms.delete("lobby"), true);
  assert.equal(alice.last("leave").reason, DisconnectReason.ROOM_DELETED);
  assert.equal(await world.rooms.delete("lobby"), false);
  await world.joined("alice");
  assert.ok(world.rooms.get("lobby"));
});

Deno.test("RoomAnnouncements sends counts after joins and metadata at once", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await world.joined("bob");
  await world.pass(5_000, 500);
  assert.equal(alice.last("roomUpdate").room!.numParticipants, 2);
  world.rooms.get("lobby")!.setMetadata("news");
  assert.equal(alice.last("roomUpdate").room!.metadata, "news");
});

Deno.test("RoomAnnouncements holds joins of subscribers back for three seconds at most, publishers not at all", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const about = () =>
    alice.all("update").flatMap(({ participants }) => participants)
      .filter(({ identity }) => identity === "bob");
  assert.equal(about().length, 0);
  await world.pass(3_000, 500);
  assert.deepEqual(about().map(({ state }) => state), [ParticipantInfo_State.ACTIVE]);
  await bob.publishMicrophone();
  assert.equal(about().at(-1)!.tracks.length, 1);
  const versions = about().map(({ version }) => version);
  assert.deepEqual(versions, versions.toSorted((a, b) => a - b));
});
