/** LiveKit's tests of a room, on virtual time over a media plane that only remembers. */
import assert from "node:assert/strict";
import {
  DataPacket,
  DisconnectReason,
  MuteTrackRequest,
  ParticipantInfo,
  ParticipantInfo_State,
  TrackType,
  UpdateParticipantMetadata,
  UserPacket,
} from "@livekit/protocol";
import { ParticipantUpdateQueue } from "../../lib/room/participant/participant_updates.ts";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { unitScenario } from "./support.ts";

const { ACTIVE, DISCONNECTED } = ParticipantInfo_State;

async function roomOf(...identities: string[]): Promise<[World, ...ScriptedClient[]]> {
  const world = new World();
  const clients = [];
  for (const identity of identities) clients.push(await world.joined(identity));
  return [world, ...clients];
}

/** How often `client` was told that `identity` has left. */
function farewells(client: ScriptedClient, identity: string): number {
  return client.all("update").flatMap(({ participants }) => participants)
    .filter((info) => info.identity === identity && info.state === DISCONNECTED).length;
}

unitScenario("TestJoinedState", async () => {
  const world = new World();
  const room = world.rooms.create({ name: "lobby" });
  assert.deepEqual([room.firstJoinedAt, room.lastLeftAt], [0, 0]);
  await world.joined("alice");
  const nowS = Math.trunc(world.platform.clock.wallMs() / 1000);
  assert.equal(room.firstJoinedAt, nowS);
  await world.pass(5_000, 1_000);
  const bob = await world.joined("bob");
  assert.equal(room.firstJoinedAt, nowS, "the first join stays");
  assert.equal(room.lastLeftAt, 0);
  bob.participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
  assert.equal(room.lastLeftAt, nowS + 5);
});

unitScenario("TestRoomJoin", async (t) => {
  await t.step("the join response names the room, the others and ICE servers", async () => {
    const [world] = await roomOf("alice", "bob");
    const join = (await world.open("carol")).last("join");
    assert.equal(join.room!.sid, world.rooms.get("lobby")!.sid);
    assert.deepEqual(join.otherParticipants.map(({ identity }) => identity), ["alice", "bob"]);
    assert.ok(join.iceServers.length > 0);
  });
  await t.step("a newcomer that is ACTIVE is subscribed to every track", async () => {
    const [world, alice, bob] = await roomOf("alice", "bob");
    const sids = [await alice!.publishCamera(), await bob!.publishMicrophone()];
    const carol = await world.joined("carol");
    await world.pass(400);
    const subscribed = carol.participant.subscriptions.subscribedTracks();
    assert.deepEqual(subscribed.sort(), sids.sort());
  });
  await t.step("a leave is told once, and not to those who have left", async () => {
    const [world, alice, bob, carol] = await roomOf("alice", "bob", "carol");
    carol!.participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
    await world.pass(4_000, 500);
    bob!.participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
    await world.pass(4_000, 500);
    assert.equal(farewells(alice!, "bob"), 1);
    assert.equal(farewells(bob!, "bob"), 0);
    assert.equal(farewells(carol!, "bob"), 0);
  });
  await t.step("a full room takes nobody in", async () => {
    const world = new World({ maxParticipants: 1 });
    await world.joined("alice");
    const bob = await world.open("bob");
    assert.equal(bob.all("join").length, 0);
    assert.deepEqual([...world.rooms.get("lobby")!.participants()].length, 1);
  });
});

unitScenario("TestParticipantUpdate", async () => {
  const changes: ((alice: ScriptedClient, sid: string) => Promise<unknown>)[] = [
    (alice, sid) =>
      alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) }),
    (alice) => {
      const value = new UpdateParticipantMetadata({ metadata: "changed" });
      return alice.request({ case: "updateMetadata", value });
    },
    (alice) =>
      alice.announce({ cid: "second", type: TrackType.AUDIO }).then(() =>
        alice.offer([
          { mid: "1", kind: "audio", cid: "mic" },
          { mid: "2", kind: "audio", cid: "second" },
        ])
      ),
  ];
  for (const [index, change] of changes.entries()) {
    const [, alice, ...others] = await roomOf("alice", "bob", "carol");
    const sid = await alice!.publishMicrophone();
    const clients = [alice!, ...others];
    const before = clients.map((client) => client.all("update").length);
    await change(alice!, sid);
    for (const [at, client] of clients.entries()) {
      const news = client.all("update").slice(before[at]);
      const infos = news.flatMap(({ participants }) => participants);
      assert.ok(infos.some(({ identity }) => identity === "alice"), `${index}: ${client.identity}`);
    }
  }
});

unitScenario("TestPushAndDequeueUpdates", async (t) => {
  const info = (sid: string, version: number, isPublisher = false, reason = 0) =>
    new ParticipantInfo({
      identity: "i",
      sid,
      version,
      isPublisher,
      state: ACTIVE,
      // A newer session has joined later.
      joinedAtMs: BigInt(sid.slice(-1)),
      disconnectReason: reason,
    });
  const sent = (updates: ReturnType<ParticipantUpdateQueue["push"]>) =>
    updates.map(({ info: { sid, version, state } }) => [sid, version, state]);
  const queued = (first: ParticipantInfo) => {
    const queue = new ParticipantUpdateQueue();
    assert.deepEqual(queue.push(first, false, undefined), [], "a subscriber's update waits");
    return queue;
  };
  await t.step("a publisher's update is sent at once", () => {
    const queue = new ParticipantUpdateQueue();
    assert.deepEqual(sent(queue.push(info("PA_1", 1, true), false, undefined)), [
      ["PA_1", 1, ACTIVE],
    ]);
  });
  await t.step("the newest version waits alone", () => {
    const queue = queued(info("PA_1", 2));
    queue.push(info("PA_1", 3), false, undefined);
    queue.push(info("PA_1", 1), false, undefined);
    assert.deepEqual(sent(queue.flush()), [["PA_1", 3, ACTIVE]]);
  });
  await t.step("an immediate update is sent at once", () => {
    const queue = queued(info("PA_1", 1));
    assert.deepEqual(sent(queue.push(info("PA_1", 2), true, undefined)), [["PA_1", 2, ACTIVE]]);
    assert.deepEqual(queue.flush(), []);
  });
  await t.step("another session first ends the waiting one, with its reason", () => {
    const queue = queued(info("PA_1", 5, false, DisconnectReason.STATE_MISMATCH));
    const updates = queue.push(info("PA_2", 1), false, undefined);
    assert.deepEqual(sent(updates), [["PA_1", 5, DISCONNECTED], ["PA_2", 1, ACTIVE]]);
    assert.equal(updates[0]!.info.disconnectReason, DisconnectReason.STATE_MISMATCH);
  });
  await t.step("becoming a publisher empties the queue", () => {
    const queue = queued(info("PA_1", 1));
    assert.equal(queue.push(info("PA_1", 2, true), false, undefined).length, 1);
    assert.deepEqual(queue.flush(), []);
  });
});

unitScenario("TestRoomClosure", async (t) => {
  await t.step("an empty room closes after its departure timeout and takes nobody in", async () => {
    const world = new World({ emptyTimeoutS: 1, departureTimeoutS: 3 });
    const alice = await world.joined("alice");
    const room = world.rooms.get("lobby")!;
    alice.participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
    await world.pass(2_900, 100);
    assert.equal(room.closed, false);
    await world.pass(100);
    assert.equal(room.closed, true);
    assert.equal(room.admits("alice", false), "room_closed");
    assert.equal(world.rooms.get("lobby"), undefined);
  });
  await t.step("a room nobody joined closes after its empty timeout, not before", async () => {
    const world = new World({ emptyTimeoutS: 10 });
    const room = world.rooms.create({ name: "lobby" });
    await world.pass(9_900, 100);
    assert.equal(room.closed, false);
    await world.pass(100);
    assert.equal(room.closed, true);
  });
});

unitScenario("TestNewTrack", async () => {
  const [world, alice, active] = await roomOf("alice", "active");
  const joined = await world.open("joined");
  const sid = await alice!.publishCamera();
  await world.pass(400);
  assert.equal(active!.participant.subscriptions.isAccepted(sid), true);
  assert.equal(joined.participant.subscriptions.isDesired(sid), false);
});

unitScenario("TestDataChannel", async (t) => {
  const payload = new TextEncoder().encode("test");
  const packet = (inner: Partial<UserPacket> = {}, outer: Partial<DataPacket> = {}) =>
    new DataPacket({
      ...outer,
      value: { case: "user", value: new UserPacket({ payload, ...inner }) },
    })
      .toBinary();
  const delivered = (world: World) =>
    world.engine.sent.map(({ connections, bytes }) => {
      const outer = DataPacket.fromBinary(bytes);
      return { connections, outer, inner: outer.value.value as UserPacket };
    });
  const addressed: Record<string, (carol: ScriptedClient) => Uint8Array> = {
    current: () => packet({}, { destinationIdentities: ["carol"] }),
    "legacy sid": (carol) => packet({ destinationSids: [carol.participant.sid] }),
    "legacy identity": () => packet({ destinationIdentities: ["carol"] }),
  };
  for (const [mode, write] of Object.entries(addressed)) {
    await t.step(`${mode}: only the destination gets it`, async () => {
      const [world, alice, , carol] = await roomOf("alice", "bob", "carol");
      await alice!.sendData("_reliable", write(carol!));
      const [only, ...more] = delivered(world);
      assert.deepEqual(more, []);
      assert.deepEqual(only!.connections, [carol!.participant.dataConnection]);
      if (mode === "legacy sid") return;
      assert.deepEqual(only!.outer.destinationIdentities, ["carol"]);
      assert.deepEqual(only!.inner.destinationIdentities, ["carol"]);
    });
  }
  await t.step("without a destination everyone but the sender gets it", async () => {
    const [world, alice, bob, carol] = await roomOf("alice", "bob", "carol");
    await alice!.sendData("_lossy", packet());
    const [{ connections, outer, inner }] = delivered(world) as [ReturnType<typeof delivered>[0]];
    const others = [bob!, carol!].map(({ participant }) => participant.dataConnection);
    assert.deepEqual(connections, others);
    assert.deepEqual([outer.participantIdentity, inner.participantIdentity], ["alice", "alice"]);
    assert.equal(inner.participantSid, alice!.participant.sid);
    assert.deepEqual(inner.payload, payload);
  });
  await t.step("without permission nobody gets it", async () => {
    const [world] = await roomOf("alice", "bob");
    const mute = await world.joined("mute", { grant: { ...FULL_GRANT, canPublishData: false } });
    await mute.sendData("_reliable", packet());
    assert.deepEqual(delivered(world), []);
  });
});

unitScenario("TestHiddenParticipants", async () => {
  const [world, alice] = await roomOf("alice");
  const ghost = await world.joined("ghost", { grant: { ...FULL_GRANT, hidden: true } });
  const newcomer = await world.joined("newcomer");
  const join = newcomer.last("join");
  assert.deepEqual(join.otherParticipants.map(({ identity }) => identity), ["alice"]);
  assert.equal(join.serverInfo!.region, "here");
  await alice!.publishCamera();
  await world.pass(4_000, 500);
  assert.equal(ghost.forwarded().length, 1);
  const told = newcomer.all("update").flatMap(({ participants }) => participants);
  assert.ok(!told.some(({ identity }) => identity === "ghost"));
});

unitScenario("TestRoomUpdate", async (t) => {
  await t.step("a join changes the number of participants", async () => {
    const [world, alice] = await roomOf("alice", "bob");
    const carol = await world.joined("carol");
    // Counts are gathered for 5 s.
    await world.pass(5_000, 500);
    assert.equal(alice!.last("roomUpdate").room!.numParticipants, 3);
    assert.equal(carol.last("join").room!.numParticipants, 3);
  });
  await t.step("metadata reaches everybody", async () => {
    const [world, ...clients] = await roomOf("alice", "bob");
    world.rooms.get("lobby")!.setMetadata("changed");
    await world.pass(100);
    for (const client of clients) assert.equal(client.last("roomUpdate").room!.metadata, "changed");
  });
});
