import assert from "node:assert/strict";
import {
  DataPacket,
  DataPacket_Kind,
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  ParticipantInfo_State as State,
  Ping,
  ReconnectReason,
  SimulateScenario,
  SyncState,
  UpdateParticipantMetadata,
  UpdateSubscription,
  UserPacket,
} from "@livekit/protocol";
import type { TrackSid } from "../../lib/base/ids.ts";
import type { JoinParameters } from "../../lib/signalling/join_parameters.ts";
import {
  FakeSocket,
  FULL_GRANT,
  type ScriptedClient,
  World,
} from "../support/virtual/scripted_client.ts";

/** The same client on a new socket with `reconnect=1`. */
async function resume(
  client: ScriptedClient,
  changes: Partial<JoinParameters> = {},
): Promise<void> {
  const { world } = client;
  client.socket = new FakeSocket();
  world.service.open({ ...client.join, reconnect: true, ...changes }, client.socket);
  await world.settle();
}

/** The socket ends as when the network resets it. */
function cut(client: ScriptedClient): void {
  client.socket.onClose();
}

async function ping(client: ScriptedClient): Promise<void> {
  await client.request({ case: "pingReq", value: new Ping() });
}

/** A client of that protocol version. */
function speaking(world: World, protocol: number): Partial<JoinParameters> {
  const clientInfo = world.parameters("").clientInfo.clone();
  clientInfo.protocol = protocol;
  return { clientInfo };
}

const muteByServer = (client: ScriptedClient, sid: string) =>
  client.participant.registry.setMuted(sid as TrackSid, true, "admin");

/** States in which `watcher` was told of `identity`, in order. */
const statesOf = (watcher: ScriptedClient, identity: string) =>
  watcher.all("update").flatMap(({ participants }) => participants)
    .filter((info) => info.identity === identity).map(({ state }) => state);

Deno.test("Participant that lost a connection is told to RESUME, and is gone for others after five seconds", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishCamera();
  await world.pass(400);
  alice.lose();
  const leave = alice.last("leave");
  assert.deepEqual([leave.action, leave.reason], [
    LeaveRequest_Action.RESUME,
    DisconnectReason.CONNECTION_TIMEOUT,
  ]);
  assert.equal(alice.closeCode, 1000);
  await world.pass(4_900, 100);
  assert.ok(!statesOf(bob, "alice").includes(State.DISCONNECTED));
  assert.equal(bob.forwarded().length, 1, "what was forwarded may come back");
  await world.pass(200, 100);
  const gone = bob.all("update").at(-1)!.participants[0]!;
  assert.equal(gone.state, State.DISCONNECTED);
  assert.equal(gone.disconnectReason, DisconnectReason.CONNECTION_TIMEOUT);
  assert.deepEqual(bob.forwarded(), []);
  assert.equal(world.engine.openConnections().length, 1, "alice's connections are freed");
});

Deno.test("Participant that resumes in time keeps its session, its tracks and what it receives", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  const forwarding = world.engine.forwarding();
  for (const client of [alice, bob]) {
    client.lose();
    await world.pass(4_000, 100);
    await resume(client, { reconnectReason: ReconnectReason.RR_SUBSCRIBER_FAILED });
    const connection = client.participant.subscriber.id;
    world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
    await world.pass(10_000, 500);
    assert.equal(client.participant.state, State.ACTIVE);
    assert.equal(client.closeCode, undefined);
  }
  assert.deepEqual(world.engine.forwarding(), forwarding);
  assert.deepEqual(alice.participant.tracks.map((track) => track.sid), [sid]);
});

Deno.test("Participant asks clients without leave actions to resume by closing their socket", async () => {
  const world = new World();
  const old = await world.joined("old", speaking(world, 12));
  old.lose();
  assert.deepEqual(old.all("leave"), []);
  assert.equal(old.closeCode, 1000);
  await resume(old);
  assert.equal(old.cases[0], "reconnect");
});

Deno.test("Participant whose lost connection comes back by itself is not given up", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.openPublisher();
  const { participant } = alice;
  alice.lose("publisher");
  alice.lose("subscriber");
  const back = (connection: typeof participant.publisher.id) =>
    world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  back(participant.subscriber.id);
  await world.pass(4_000, 100);
  back(participant.publisher.id);
  await world.pass(60_000, 1_000);
  assert.equal(participant.state, State.ACTIVE);
  alice.lose("publisher");
  back(participant.subscriber.id);
  await world.pass(5_000, 100);
  assert.equal(participant.state, State.DISCONNECTED, "the other connection does not stand in");
});

Deno.test("Participant that loses its connection again after a resume is asked again", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  for (let round = 0; round < 3; round++) {
    alice.lose();
    assert.equal(alice.last("leave").action, LeaveRequest_Action.RESUME);
    await resume(alice);
    assert.equal(alice.cases[0], "reconnect");
    await world.pass(6_000, 500);
  }
  assert.equal(alice.participant.state, State.ACTIVE);
});

Deno.test("Participant that never had media ends with its socket, lost connection or not", async () => {
  const world = new World();
  const alice = await world.open("alice");
  const watcher = await world.joined("watcher");
  alice.lose();
  assert.equal(alice.last("leave").action, LeaveRequest_Action.RESUME);
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), undefined);
  await world.pass(4_000, 500);
  assert.equal(statesOf(watcher, "alice").at(-1), State.DISCONNECTED);
  await resume(alice);
  assert.deepEqual(alice.cases, ["leave"]);
  assert.equal(alice.last("leave").action, LeaveRequest_Action.RECONNECT);
});

for (
  const [browser, os, reconnectReason, isLost, joinsAnew] of [
    ["Firefox", "Windows", ReconnectReason.RR_PUBLISHER_FAILED, false, true],
    ["Firefox", "Android", ReconnectReason.RR_SUBSCRIBER_FAILED, false, true],
    ["Firefox", "", ReconnectReason.RR_SUBSCRIBER_FAILED, true, false],
    ["Firefox", "", ReconnectReason.RR_SIGNAL_DISCONNECTED, false, false],
    // WebKit, but livekit-client says so.
    ["Firefox", "iOS", ReconnectReason.RR_PUBLISHER_FAILED, false, false],
    ["Chrome", "", ReconnectReason.RR_PUBLISHER_FAILED, false, false],
  ] as const
) {
  const reason = ReconnectReason[reconnectReason];
  const what = `${browser} ${os}, ${reason}${isLost ? ", and ICE is lost here, too" : ""}`;
  Deno.test(`SignalService resumes what ICE can bring back, and no DTLS that has ended: ${what}`, async () => {
    const world = new World();
    const { clientInfo } = speaking(world, 16);
    Object.assign(clientInfo!, { browser, os });
    const alice = await world.joined("alice", { clientInfo: clientInfo! });
    await alice.publishCamera();
    const up = (role: "publisher" | "subscriber") => {
      const connection = alice.participant[role].id;
      world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
    };
    up("publisher");
    up("subscriber");
    if (isLost) alice.lose();
    const { participant } = alice;
    await resume(alice, { reconnectReason });
    if (!joinsAnew) return assert.equal(alice.cases[0], "reconnect");
    assert.deepEqual(alice.cases, ["leave"]);
    assert.equal(alice.last("leave").action, LeaveRequest_Action.RECONNECT);
    assert.equal(participant.icePreference, "none", "UDP has nothing to do with it");
    const { identity } = await world.joined("alice");
    assert.notEqual(world.rooms.get("lobby")!.byIdentity(identity)!.sid, participant.sid);
  });
}

Deno.test("SignalService refuses to resume a session whose transport is gone", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const connection = alice.participant.subscriber.id;
  world.engine.emit({ type: "connection_failed", connection, reason: "closed_by_peer" });
  await resume(alice);
  const { reason, action } = alice.last("leave");
  assert.deepEqual([reason, action], [
    DisconnectReason.STATE_MISMATCH,
    LeaveRequest_Action.RECONNECT,
  ]);
});

Deno.test("Participant whose page closed ends with its socket, without the time of grace", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { participant } = alice;
  const connection = participant.subscriber.id;
  world.engine.emit({ type: "connection_failed", connection, reason: "closed_by_peer" });
  assert.equal(participant.state, State.ACTIVE, "it may be about to say goodbye");
  cut(alice);
  assert.equal(participant.state, State.DISCONNECTED);
});

Deno.test("SignalService finds the session to resume by identity, whatever sid the client names", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { participant } = alice;
  cut(alice);
  await resume(alice, { participantSid: "PA_another" });
  assert.equal(alice.cases[0], "reconnect");
  assert.equal(alice.participant, participant);
});

Deno.test("SignalService resumes a publish-only session beside the first", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const identity = "alice#screen";
  const beside = await world.joined(identity, {
    publish: "screen",
    grant: { ...FULL_GRANT, canSubscribe: false },
  });
  const sids = [alice.participant.sid, beside.participant.sid];
  cut(beside);
  await resume(beside);
  assert.equal(beside.cases[0], "reconnect");
  assert.deepEqual([alice.participant.sid, beside.participant.sid], sids);
  assert.deepEqual(beside.all("offer"), [], "it has no subscriber connection to restart");
});

Deno.test("SignalService.open() without reconnect evicts the older session of its identity", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const watchers = [
    await world.joined("watcher"),
    await world.joined("oldWatcher", speaking(world, 9)),
  ];
  await alice.publishCamera();
  const { sid } = alice.participant;
  const again = await world.joined("alice");
  assert.deepEqual([alice.last("leave").reason, alice.last("leave").action], [
    DisconnectReason.DUPLICATE_IDENTITY,
    LeaveRequest_Action.DISCONNECT,
  ]);
  assert.notEqual(again.participant.sid, sid);
  await world.pass(4_000, 500);
  const ended = watchers.map((watcher) =>
    watcher.all("update").flatMap(({ participants }) => participants)
      .filter((info) => info.sid === sid && info.state === State.DISCONNECTED).length
  );
  assert.deepEqual(ended, [0, 1], "clients that tell sessions apart are not told of the end");
});

Deno.test("SignalLink sends again what was said while there was no socket", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  cut(alice);
  await muteByServer(alice, sid);
  await resume(alice);
  const { cases } = alice;
  assert.deepEqual([alice.last("mute").sid, alice.last("mute").muted], [sid, true]);
  assert.ok(cases.indexOf("mute") > cases.indexOf("roomUpdate"), "after the state it changes");
});

Deno.test("SignalLink sends again what went into a socket that nobody heard any more", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  await ping(alice);
  await world.pass(2_000, 500);
  await muteByServer(alice, sid);
  await world.pass(14_000, 500);
  await resume(alice);
  assert.equal(alice.last("mute").sid, sid);
  // It is heard on the new socket, and then it is not said a third time.
  await world.pass(1_500, 500);
  await ping(alice);
  await resume(alice);
  assert.deepEqual(alice.all("mute"), []);
});

Deno.test("SignalLink says an answer again only if it certainly was not heard", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.offer([]);
  await world.pass(1_000);
  await resume(alice);
  assert.deepEqual(alice.all("answer"), []);
  // The offer is the last thing that comes before the socket ends.
  const offered = alice.offer([], "anotherUfrag");
  cut(alice);
  await offered;
  await resume(alice);
  assert.deepEqual(alice.all("answer").map(({ id }) => id), [2]);
});

Deno.test("SignalLink keeps a bounded number of messages", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  const { registry } = alice.participant;
  cut(alice);
  for (let i = 0; i < 600; i++) await registry.setMuted(sid as TrackSid, i % 2 === 0, "admin");
  await resume(alice);
  const mutes = alice.all("mute");
  assert.ok(mutes.length > 0 && mutes.length <= 512);
  assert.equal(mutes.at(-1)!.muted, false, "the last word is kept");
});

Deno.test("Participant.resume() shows a client the room as it has become while it was away", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await world.pass(400);
  cut(bob);
  const sid = await alice.publishCamera();
  const carol = await world.joined("carol");
  await alice.request({
    case: "updateMetadata",
    value: new UpdateParticipantMetadata({ metadata: "news" }),
  });
  await world.pass(20_000, 1_000);
  assert.deepEqual(bob.forwarded(), [], "without a socket nothing can be negotiated");
  await resume(bob);
  const infos = bob.all("update").at(-1)!.participants;
  const about = (identity: string) => infos.find((info) => info.identity === identity)!;
  assert.deepEqual(infos.map(({ identity }) => identity).toSorted(), ["alice", "bob", "carol"]);
  assert.equal(about("alice").metadata, "news");
  assert.deepEqual(about("alice").tracks.map((track) => track.sid), [sid]);
  assert.equal(about("carol").sid, carol.participant.sid);
  await world.pass(1_000);
  assert.equal(bob.forwarded().length, 1);
  assert.ok(bob.last("offer").sdp.includes(sid));
});

Deno.test("Participant whose signalling is cut for a minute goes on: its media, its data, its place in the room", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  const forwarding = world.engine.forwarding();
  const before = bob.participant;
  cut(bob);
  await world.pass(60_000, 1_000);
  assert.equal(bob.participant, before);
  assert.deepEqual(world.engine.forwarding(), forwarding, "media goes on");
  const packet = new DataPacket({ value: { case: "user", value: new UserPacket() } });
  await alice.sendData("_lossy", packet.toBinary());
  const sent = world.engine.sent.at(-1)!;
  assert.deepEqual(sent.connections, [before.subscriber.id], "data, too");
  assert.ok(!statesOf(alice, "bob").includes(State.DISCONNECTED));
  await resume(bob);
  await world.pass(1_000);
  assert.equal(bob.participant, before);
  assert.deepEqual(world.engine.forwarding(), forwarding);
  assert.ok(bob.last("offer").sdp.includes(sid));
  // It is gone only when its connection is, with nobody there to be told so.
  cut(bob);
  bob.lose();
  await world.pass(9_000, 500);
  assert.equal(statesOf(alice, "bob").at(-1), State.DISCONNECTED);
});

Deno.test("Participant.resume() never lets an older version follow the one it showed", async () => {
  const world = new World();
  const bob = await world.joined("bob");
  const alice = await world.joined("alice");
  // Alice's first showing waits in the batch while bob resumes and is shown her.
  await resume(bob);
  const shown = bob.all("update").at(-1)!.participants.find((info) => info.identity === "alice")!;
  await world.pass(4_000, 500);
  const later = bob.all("update").flatMap(({ participants }) => participants)
    .filter((info) => info.sid === alice.participant.sid).at(-1)!;
  assert.ok(later.version >= shown.version);
  assert.equal(statesOf(bob, "alice").length, 1, "nothing has changed, so nothing is repeated");
});

Deno.test("RoomAnnouncements names no departed session of somebody who is back, but to old clients", async () => {
  const world = new World();
  const current = await world.joined("current");
  const old = await world.joined("old", speaking(world, 9));
  const first = await world.joined("alice");
  const { sid } = first.participant;
  cut(current);
  cut(old);
  await world.pass(1_000, 500);
  await first.request({ case: "leave", value: new LeaveRequest() });
  await world.joined("alice");
  for (const client of [current, old]) await resume(client);
  const named = (client: ScriptedClient) =>
    client.all("update").flatMap(({ participants }) => participants)
      .some((info) => info.sid === sid);
  assert.deepEqual([named(current), named(old)], [false, true]);
});

Deno.test("SubscriberConnection does not blame a client without socket or connection for no answer", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const [cutOff, silent, interrupted] = [
    await world.joined("cutOff"),
    await world.joined("silent"),
    await world.joined("interrupted"),
  ];
  await world.pass(400);
  for (const client of [cutOff, silent, interrupted]) client.autoAnswer = false;
  cut(cutOff);
  await ping(silent);
  const connection = interrupted.participant.subscriber.id;
  world.engine.emit({ type: "connection_interrupted", connection });
  await alice.publishCamera();
  await world.pass(20_000, 500);
  assert.equal(interrupted.closeCode, undefined);
  for (const client of [cutOff, silent]) {
    client.autoAnswer = true;
    await resume(client);
    await world.pass(500);
    assert.equal(client.forwarded().length, 1, client.identity);
  }
  // Once its connection is back, an answer is due again.
  world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  await world.pass(16_000, 500);
  assert.equal(interrupted.last("leave").action, LeaveRequest_Action.RECONNECT);
});

Deno.test("ReconnectResponse tells the last reliable message that came, and its replay is not doubled", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const send = (sequence: number) => {
    const packet = new DataPacket({
      kind: DataPacket_Kind.RELIABLE,
      sequence,
      value: { case: "user", value: new UserPacket({ payload: Uint8Array.of(sequence) }) },
    });
    return alice.sendData("_reliable", packet.toBinary());
  };
  for (const sequence of [1, 2, 3]) await send(sequence);
  await world.pass(500);
  cut(alice);
  await resume(alice);
  assert.equal(alice.last("reconnect").lastMessageSeq, 3);
  for (const sequence of [2, 3, 4]) await send(sequence);
  const toBob = world.engine.sent.filter(({ connections }) =>
    connections.includes(bob.participant.subscriber.id)
  );
  assert.deepEqual(toBob.map(({ bytes }) => DataPacket.fromBinary(bytes).sequence), [1, 2, 3, 4]);
});

Deno.test("SyncState keeps what the client had ended, and its disabled tracks, after a resume", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const cam = await alice.publishCamera();
  await world.pass(400);
  cut(bob);
  await resume(bob);
  const value = new SyncState({
    subscription: new UpdateSubscription({ trackSids: [cam], subscribe: false }),
  });
  await bob.request({ case: "syncState", value });
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
});

Deno.test("handleRequest() drops the next resumed socket after or before any message, as asked", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.request({
    case: "simulate",
    value: new SimulateScenario({ scenario: { case: "disconnectSignalOnResume", value: true } }),
  });
  await resume(alice);
  assert.equal(alice.cases[0], "reconnect");
  assert.equal(alice.closeCode, 1000);
  await resume(alice);
  assert.equal(alice.closeCode, undefined, "once only");
  await alice.request({
    case: "simulate",
    value: new SimulateScenario({
      scenario: { case: "disconnectSignalOnResumeNoMessages", value: true },
    }),
  });
  for (let i = 0; i < 3; i++) {
    await resume(alice);
    assert.deepEqual([alice.cases, alice.closeCode], [[], 1000]);
  }
  await resume(alice);
  assert.equal(alice.cases[0], "reconnect");
  assert.equal(alice.closeCode, undefined);
});

Deno.test("handleRequest() forgets a simulated drop after five seconds", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const scenario = { case: "disconnectSignalOnResumeNoMessages", value: true } as const;
  await alice.request({ case: "simulate", value: new SimulateScenario({ scenario }) });
  await world.pass(5_000, 500);
  await resume(alice);
  assert.equal(alice.cases[0], "reconnect");
  assert.equal(alice.closeCode, undefined);
});

Deno.test("Room keeps no timer and no connection of sessions that were lost, resumed and left", async () => {
  const world = new World();
  for (let i = 0; i < 20; i++) {
    const client = await world.joined(`client${i}`);
    await client.publishMicrophone();
    client.lose();
    if (i % 2 === 0) await resume(client);
    await world.pass(6_000, 500);
    if (i % 2 === 0) await client.request({ case: "leave", value: new LeaveRequest() });
  }
  await world.pass(60_000, 1_000);
  assert.deepEqual(world.rooms.list(), []);
  assert.deepEqual(world.engine.openConnections(), []);
  assert.equal(world.platform.pendingTimers, 0);
});
