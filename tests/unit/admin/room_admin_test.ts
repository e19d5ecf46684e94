import assert from "node:assert/strict";
import {
  AutoParticipantEgress,
  CreateRoomRequest,
  DataPacket,
  DataPacket_Kind,
  DisconnectReason,
  EncodedFileOutput,
  MuteRoomTrackRequest,
  ParticipantInfo_State as State,
  ParticipantPermission,
  PerformRpcRequest,
  RoomAgentDispatch,
  RoomCompositeEgressRequest,
  RoomConfiguration,
  RoomEgress,
  RoomParticipantIdentity,
  RpcAck,
  RpcError,
  RpcResponse,
  SendDataRequest,
  TrackType,
  UpdateParticipantRequest,
  UpdateSubscriptionsRequest,
} from "@livekit/protocol";
import { RoomAdmin } from "../../../lib/admin/room_admin.ts";
import { checkRoomEgress } from "../../../lib/egress/egress_plan.ts";
import { adminWorld, failed, succeeded } from "../../support/virtual/admin_world.ts";
import {
  FULL_GRANT,
  type ScriptedClient,
  type World,
} from "../../support/virtual/scripted_client.ts";

const FULL_PERMISSION = {
  canSubscribe: true,
  canPublish: true,
  canPublishData: true,
};

Deno.test("RoomAdmin.createRoom() fills what is not said from the preset, then from the server", async () => {
  const preset = new RoomConfiguration({
    emptyTimeout: 11,
    maxParticipants: 4,
    metadata: "preset",
    tags: { plan: "basic", site: "x" },
    agents: [new RoomAgentDispatch({ agentName: "notes" })],
    minPlayoutDelay: 100,
  });
  const { world, admin } = adminWorld({ roomPresets: { team: preset }, departureTimeoutS: 33 });
  const info = succeeded(
    await admin.createRoom(
      new CreateRoomRequest({
        name: "lobby",
        roomPreset: "team",
        maxParticipants: 9,
        tags: { plan: "pro" },
        syncStreams: true,
        nodeId: "ND_wanted",
      }),
    ),
  );
  assert.deepEqual(
    [info.emptyTimeout, info.departureTimeout, info.maxParticipants, info.metadata],
    [11, 33, 9, "preset"],
  );
  const { internal } = world.rooms.get("lobby")!;
  assert.deepEqual(internal.tags, { plan: "pro", site: "x" });
  assert.deepEqual(internal.agents.map(({ agentName }) => agentName), ["notes"]);
  assert.deepEqual(internal.playoutDelay, { enabled: true, min: 100, max: 0 });
  assert.deepEqual([internal.syncStreams, internal.nodeId], [true, "ND_wanted"]);
});

Deno.test("RoomAdmin.createRoom() changes no room that is there, but for its tags", async () => {
  const preset = new RoomConfiguration({ maxParticipants: 3, tags: { site: "preset" } });
  const { world, admin } = adminWorld({ roomPresets: { team: preset } });
  const create = async (request: ConstructorParameters<typeof CreateRoomRequest>[0]) =>
    succeeded(await admin.createRoom(new CreateRoomRequest({ name: "lobby", ...request })));
  const first = await create({ emptyTimeout: 5, tags: { site: "x", plan: "basic" } });
  const alice = await world.joined("alice");
  const told = alice.all("roomUpdate").length;
  const before = world.rooms.get("lobby")!.internal;
  for (
    const request of [
      { emptyTimeout: 6 },
      { departureTimeout: 7 },
      { maxParticipants: 8 },
      { metadata: "b" },
      { minPlayoutDelay: 100, maxPlayoutDelay: 200 },
      { syncStreams: true },
      { agents: [new RoomAgentDispatch({ agentName: "notes" })] },
      { egress: new RoomEgress({ participant: new AutoParticipantEgress() }) },
      { nodeId: "ND_other" },
      { replayEnabled: true },
      { roomPreset: "team" },
      // Of a preset it has no use for, nobody asks whether there is one.
      { roomPreset: "nope" },
    ]
  ) {
    const again = await create(request);
    assert.deepEqual(
      { ...again, numParticipants: 0 },
      { ...first, numParticipants: 0 },
      JSON.stringify(request),
    );
    assert.deepEqual(world.rooms.get("lobby")!.internal, before, JSON.stringify(request));
  }
  await create({ tags: { plan: "pro" } });
  assert.deepEqual(world.rooms.get("lobby")!.internal.tags, { site: "x", plan: "pro" });
  assert.equal(alice.all("roomUpdate").length, told);
});

Deno.test("RoomAdmin.createRoom() leaves the metadata of a room that is there to updateRoomMetadata()", async () => {
  const { world, admin } = adminWorld();
  // What backends do before each join.
  const prepare = () => admin.createRoom(new CreateRoomRequest({ name: "lobby", metadata: "new" }));
  assert.equal(succeeded(await prepare()).metadata, "new");
  const alice = await world.joined("alice");
  succeeded(await admin.updateRoomMetadata("lobby", "second round"));
  assert.equal(succeeded(await prepare()).metadata, "second round");
  assert.equal(alice.last("roomUpdate").room!.metadata, "second round");
});

Deno.test("RoomAdmin.createRoom() for an empty room gives it no time more", async () => {
  const { world, admin } = adminWorld();
  succeeded(await admin.createRoom(new CreateRoomRequest({ name: "lobby", emptyTimeout: 10 })));
  await world.pass(8_000);
  const request = { name: "lobby", emptyTimeout: 100, tags: { plan: "pro" } };
  succeeded(await admin.createRoom(new CreateRoomRequest(request)));
  await world.pass(1_900);
  assert.ok(world.rooms.get("lobby"));
  await world.pass(200);
  assert.equal(world.rooms.get("lobby"), undefined);
});

Deno.test("RoomAdmin.createRoom() refuses names, metadata and dispatches over their limits", async () => {
  const { world, admin } = adminWorld({}, {
    maxRoomNameLength: 8,
    maxMetadataSize: 8,
    maxAttributesSize: 8,
  });
  const create = async (request: ConstructorParameters<typeof CreateRoomRequest>[0]) =>
    failed(await admin.createRoom(new CreateRoomRequest({ name: "a", ...request })));
  assert.deepEqual(await create({ name: "ninechars" }), [
    "invalid_argument",
    "room name length exceeds limits: max length 8",
  ]);
  const metadata = ["invalid_argument", "metadata size exceeds limits"];
  assert.deepEqual(await create({ metadata: "ninechars" }), metadata);
  // Five characters, ten bytes.
  assert.deepEqual(await create({ metadata: "ééééé" }), metadata);
  assert.deepEqual(await create({ agents: [{ metadata: "ninechars" }] }), metadata);
  assert.deepEqual(await create({ agents: [{ attributes: { four: "fives" } }] }), [
    "invalid_argument",
    "attribute size exceeds limits",
  ]);
  const tooMany = (what: string, most: number) => [
    "resource_exhausted",
    `a room has no more ${what} than ${most}`,
  ];
  assert.deepEqual(
    await create({ agents: Array.from({ length: 101 }, () => ({})) }),
    tooMany("agent dispatches", 100),
  );
  assert.deepEqual(
    await create({ agents: [{ agentName: "a".repeat(2 * 1024 * 1024 + 1) }] }),
    tooMany("texts of agent dispatches", 2 * 1024 * 1024),
  );
  assert.deepEqual(await create({ roomPreset: "nope" }), [
    "invalid_argument",
    "unknown room configuration in create room request",
  ]);
  assert.deepEqual(world.rooms.list(), []);
  succeeded(
    await admin.createRoom(
      new CreateRoomRequest({ name: "8 octets", metadata: "éééé" }),
    ),
  );
});

Deno.test("RoomAdmin.mutePublishedTrack() mutes as the publisher would and tells it", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const trackSid = await alice.publishMicrophone();
  const mute = (muted: boolean, sid = trackSid) =>
    admin.mutePublishedTrack(
      new MuteRoomTrackRequest({ room: "lobby", identity: "alice", trackSid: sid, muted }),
    );
  const track = succeeded(await mute(true));
  await world.settle();
  assert.deepEqual([track!.sid, track!.muted], [trackSid, true]);
  assert.equal(alice.last("mute").muted, true);
  assert.equal(bob.infoOf("alice").tracks[0]!.muted, true);
  assert.deepEqual(failed(await mute(false)), ["failed_precondition", "remote unmute not enabled"]);
  assert.equal(bob.infoOf("alice").tracks[0]!.muted, true);
  assert.equal(await mute(true, "TR_unknown"), undefined);
});

Deno.test("RoomAdmin.mutePublishedTrack() mutes a track that is only announced, and says so", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  await alice.announce({ cid: "mic", type: TrackType.AUDIO, name: "mic" });
  const { sid: trackSid } = alice.last("trackPublished").track!;
  const request = { room: "lobby", identity: "alice", trackSid, muted: true };
  const track = succeeded(await admin.mutePublishedTrack(new MuteRoomTrackRequest(request)));
  assert.deepEqual([track!.sid, track!.name, track!.muted], [trackSid, "mic", true]);
});

Deno.test("Room.info() counts an agent that publishes as publisher and not as participant", async () => {
  const { world } = adminWorld();
  await world.joined("alice");
  const agent = await world.joined("agent", { grant: { ...FULL_GRANT, agent: true } });
  await agent.publishMicrophone();
  const { numParticipants, numPublishers } = world.rooms.get("lobby")!.info();
  assert.deepEqual([numParticipants, numPublishers], [1, 1]);
});

Deno.test("RoomAdmin.createRoom() makes no room that was to be recorded from its start", async () => {
  const { world, admin } = adminWorld();
  const create = async (egress: RoomEgress) =>
    await admin.createRoom(new CreateRoomRequest({ name: "lobby", egress }));
  const whole = new RoomEgress({ room: new RoomCompositeEgressRequest() });
  assert.deepEqual(failed(await create(whole)), ["unavailable", "no response from servers"]);
  assert.equal(world.rooms.get("lobby"), undefined);
  // What begins with a track is tried then, and not noticed by anybody here.
  succeeded(await create(new RoomEgress({ participant: new AutoParticipantEgress() })));
  succeeded(await create(whole));
});

Deno.test("RoomAdmin.createRoom() makes no room whose recording could not be made", async () => {
  const { world, admin: { rooms, options } } = adminWorld();
  const admin = new RoomAdmin(rooms, { ...options, checkEgress: checkRoomEgress });
  const create = async (egress: RoomEgress) =>
    await admin.createRoom(new CreateRoomRequest({ name: "lobby", egress }));
  const fileOutputs = [new EncodedFileOutput({ filepath: "../out" })];
  const outside = new RoomEgress({ room: new RoomCompositeEgressRequest({ fileOutputs }) });
  assert.equal(failed(await create(outside))[0], "invalid_argument");
  assert.equal(world.rooms.get("lobby"), undefined);
  succeeded(await create(new RoomEgress({ room: new RoomCompositeEgressRequest() })));
  // A room that is there keeps what it has.
  succeeded(await create(outside));
});

Deno.test("RoomAdmin.mutePublishedTrack() unmutes where the server allows it", async () => {
  const { world, admin } = adminWorld({ enableRemoteUnmute: true });
  const alice = await world.joined("alice");
  const trackSid = await alice.publishMicrophone();
  for (const muted of [true, false]) {
    const request = { room: "lobby", identity: "alice", trackSid, muted };
    const track = succeeded(await admin.mutePublishedTrack(new MuteRoomTrackRequest(request)));
    assert.equal(track!.muted, muted);
    assert.equal(alice.last("mute").muted, muted);
  }
});

Deno.test("RoomAdmin.removeParticipant() ends the session and bars the tokens it could return with", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const now = world.platform.clock.wallMs();
  const request = new RoomParticipantIdentity({ room: "lobby", identity: "alice" });
  assert.equal(await admin.removeParticipant(request), undefined);
  await world.settle();
  assert.equal(alice.last("leave").reason, DisconnectReason.PARTICIPANT_REMOVED);
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), undefined);
  await world.pass(3_000);
  assert.equal(bob.infoOf("alice").state, State.DISCONNECTED);
  assert.deepEqual(failed(await admin.removeParticipant(request)), [
    "not_found",
    "participant does not exist",
  ]);
  const admit = (changes: Parameters<World["parameters"]>[1], who = "alice") => {
    const admission = world.service.admit(world.parameters(who, changes));
    return admission.ok ? "admitted" : `${admission.status} ${admission.body}`;
  };
  const revoked = "401 invalid authorization token: token has been revoked";
  assert.equal(admit({ tokenNotBefore: now - 60_000 }), revoked);
  assert.equal(admit({ tokenNotBefore: now - 60_000, reconnect: true }), revoked);
  // The issuer's clock may be as far ahead as verification tolerates.
  assert.equal(admit({ tokenNotBefore: now + 59_000 }), revoked);
  assert.equal(admit({}), revoked, "a token that does not say when it was issued");
  assert.equal(admit({ tokenNotBefore: now, tokenIdentity: "alice" }, "alice#screen"), revoked);
  assert.equal(admit({ tokenNotBefore: now + 60_000 }), "admitted");
  assert.equal(admit({ tokenNotBefore: now, roomName: "elsewhere" }), "admitted");
  assert.equal(admit({ tokenNotBefore: now, tokenIdentity: "bob" }, "bob"), "admitted");
});

Deno.test("RoomAdmin.removeParticipant() takes the caller's own moment for the ban", async () => {
  const { world, admin } = adminWorld();
  const removeWith = async (revokeTokenTs: bigint) => {
    await world.joined("alice");
    await admin.removeParticipant(
      new RoomParticipantIdentity({ room: "lobby", identity: "alice", revokeTokenTs }),
    );
    await world.settle();
  };
  const nowS = Math.trunc(world.platform.clock.wallMs() / 1000);
  const admitted = (s: number) =>
    world.service.admit(world.parameters("alice", { tokenNotBefore: s * 1000 })).ok;
  await removeWith(BigInt(nowS - 100));
  assert.deepEqual([admitted(nowS - 101), admitted(nowS - 100)], [false, true]);
  // 1970: remove, but bar nothing.
  await removeWith(1n);
  assert.equal(admitted(nowS - 101), true);
});

Deno.test("RoomAdmin.updateParticipant() changes names and attributes for everybody, and the next token", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice", { attributes: { keep: "1", drop: "2" } });
  const bob = await world.joined("bob");
  const tokens = alice.all("refreshToken").length;
  const info = succeeded(
    await admin.updateParticipant(
      new UpdateParticipantRequest({
        room: "lobby",
        identity: "alice",
        name: "Alice",
        metadata: "moderator",
        attributes: { drop: "", role: "host" },
      }),
    ),
  );
  await world.settle();
  for (const seen of [info, bob.infoOf("alice"), alice.infoOf("alice")]) {
    assert.deepEqual([seen.name, seen.metadata], ["Alice", "moderator"]);
    assert.deepEqual(seen.attributes, { keep: "1", role: "host" });
  }
  assert.equal(alice.all("refreshToken").length, tokens + 1);
});

Deno.test("RoomAdmin.updateParticipant() takes tracks away from everybody at once with their permission", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const trackSid = await alice.publishMicrophone();
  await world.pass(500);
  assert.equal(bob.forwarded().length, 1);
  const permission = new ParticipantPermission({ ...FULL_PERMISSION, canPublish: false });
  const update = { room: "lobby", identity: "alice", permission };
  const info = succeeded(await admin.updateParticipant(new UpdateParticipantRequest(update)));
  await world.settle();
  assert.deepEqual([info.permission!.canPublish, info.tracks], [false, []]);
  assert.equal(alice.last("trackUnpublished").trackSid, trackSid);
  assert.deepEqual(bob.infoOf("alice").tracks, []);
  assert.equal(bob.forwarded().length, 0);
});

Deno.test("RoomAdmin.updateParticipant() hides a participant from the others, and shows it again", async () => {
  const { world, admin } = adminWorld();
  const bob = await world.joined("bob");
  const recorder = await world.joined("recorder", { grant: { ...FULL_GRANT, recorder: true } });
  await world.pass(3_000);
  const { sid } = recorder.participant;
  const setHidden = async (hidden: boolean) => {
    const permission = new ParticipantPermission({ ...FULL_PERMISSION, recorder: true, hidden });
    const update = { room: "lobby", identity: "recorder", permission };
    succeeded(await admin.updateParticipant(new UpdateParticipantRequest(update)));
    await world.pass(3_000);
  };
  await setHidden(true);
  assert.equal(bob.infoOf("recorder").state, State.DISCONNECTED);
  assert.ok(recorder.participant.active, "its own session goes on");
  const late = await world.joined("late");
  assert.deepEqual(late.last("join").otherParticipants.map(({ identity }) => identity), ["bob"]);
  await setHidden(false);
  for (const client of [bob, late]) {
    assert.deepEqual([client.infoOf("recorder").sid, client.infoOf("recorder").state], [
      sid,
      State.ACTIVE,
    ]);
  }
});

Deno.test("RoomAdmin.updateSubscriptions() subscribes and unsubscribes on a participant's behalf", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { autoSubscribe: false });
  const trackSids = [await alice.publishMicrophone()];
  const update = async (subscribe: boolean, identity = "bob") =>
    await admin.updateSubscriptions(
      new UpdateSubscriptionsRequest({ room: "lobby", identity, trackSids, subscribe }),
    );
  assert.equal(await update(true), undefined);
  await world.pass(500);
  assert.equal(bob.forwarded().length, 1);
  assert.equal(await update(false), undefined);
  await world.settle();
  assert.equal(bob.forwarded().length, 0);
  assert.deepEqual(failed(await update(true, "nobody")), [
    "unavailable",
    "no response from servers",
  ]);
});

Deno.test("RoomAdmin.sendData() reaches those named, from nobody, and once per nonce", async () => {
  const { world, admin } = adminWorld();
  await world.joined("alice");
  const bob = await world.joined("bob");
  const send = async (request: ConstructorParameters<typeof SendDataRequest>[0]) =>
    await admin.sendData(
      new SendDataRequest({ room: "lobby", data: new Uint8Array([1, 2]), ...request }),
    );
  const nonce = new Uint8Array(16).fill(9);
  assert.equal(await send({ destinationIdentities: ["bob"], topic: "t", nonce }), undefined);
  assert.equal(await send({ destinationIdentities: ["bob"], topic: "t", nonce }), undefined);
  const sent = world.engine.sent;
  assert.deepEqual(sent.map(({ connections, kind }) => [connections, kind]), [
    [[bob.participant.subscriber.id], "reliable"],
  ]);
  const packet = DataPacket.fromBinary(sent[0]!.bytes);
  assert.equal(packet.participantIdentity, "");
  assert.ok(packet.value.case === "user");
  assert.deepEqual([...packet.value.value.payload], [1, 2]);
  assert.equal(packet.value.value.topic, "t");
  await send({ kind: DataPacket_Kind.LOSSY });
  const lossy = world.engine.sent.at(-1)!;
  assert.deepEqual([lossy.kind, lossy.connections.length], ["lossy", 2]);
  assert.deepEqual(failed(await send({ room: "nowhere" })), [
    "unavailable",
    "no response from servers",
  ]);
});

Deno.test("RoomAdmin.updateRoomMetadata() tells everybody at once", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  assert.equal(succeeded(await admin.updateRoomMetadata("lobby", "new")).metadata, "new");
  await world.settle();
  assert.equal(alice.last("roomUpdate").room!.metadata, "new");
  assert.deepEqual(failed(await admin.updateRoomMetadata("nowhere", "new")), [
    "not_found",
    "requested room does not exist",
  ]);
});

/** Starts a call of alice; `request` is what she was sent. */
async function rpc(world: World, admin: ReturnType<typeof adminWorld>["admin"], payload = "hi") {
  const call = admin.performRpc(
    new PerformRpcRequest({
      room: "lobby",
      destinationIdentity: "alice",
      method: "greet",
      payload,
      responseTimeoutMs: 5_000,
    }),
  );
  await world.settle();
  const sent = world.engine.sent.at(-1);
  const packet = sent && DataPacket.fromBinary(sent.bytes);
  return { call, packet };
}

async function answer(client: ScriptedClient, value: DataPacket["value"]): Promise<void> {
  await client.sendData("_reliable", new DataPacket({ value }).toBinary());
}

Deno.test("RoomAdmin.performRpc() gives the payload of the response, and nobody else sees it", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const mallory = await world.joined("mallory");
  const { call, packet } = await rpc(world, admin);
  assert.ok(packet?.value.case === "rpcRequest");
  const { id: requestId, method, payload, version, responseTimeoutMs } = packet.value.value;
  assert.deepEqual([method, payload, version, responseTimeoutMs], ["greet", "hi", 1, 5_000]);
  assert.match(requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(packet.participantIdentity, requestId);
  const before = world.engine.sent.length;
  const forged = new RpcResponse({ requestId, value: { case: "payload", value: "forged" } });
  await answer(mallory, { case: "rpcResponse", value: forged });
  assert.equal(world.engine.sent.length, before + 1, "not an answer, just a packet");
  await answer(alice, { case: "rpcAck", value: new RpcAck({ requestId }) });
  await world.pass(3_000);
  const response = new RpcResponse({ requestId, value: { case: "payload", value: "hello" } });
  await answer(alice, { case: "rpcResponse", value: response });
  assert.equal(await call, "hello");
  assert.equal(world.engine.sent.length, before + 1);
});

Deno.test("RoomAdmin.performRpc() takes an answer that cannot be read for none, which ends no session", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const { call, packet } = await rpc(world, admin);
  assert.ok(packet?.value.case === "rpcRequest");
  const body = [...new RpcAck({ requestId: packet.value.value.id }).toBinary(), 0x0f];
  // `rpc_ack`, whose second field is of a kind that there is not.
  await alice.sendData("_reliable", Uint8Array.of(11 << 3 | 2, body.length, ...body));
  assert.equal(alice.participant.closed, false);
  const { id: requestId } = packet.value.value;
  const response = new RpcResponse({ requestId, value: { case: "payload", value: "hello" } });
  await answer(alice, { case: "rpcResponse", value: response });
  assert.equal(await call, "hello");
});

Deno.test("RoomAdmin.performRpc() maps every way to fail", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  const unreachable = await rpc(world, admin);
  await world.pass(2_000);
  assert.deepEqual(failed(await unreachable.call), [
    "canceled",
    "RpcError 1501: Connection timeout",
  ]);
  const silent = await rpc(world, admin);
  assert.ok(silent.packet?.value.case === "rpcRequest");
  const ack = new RpcAck({ requestId: silent.packet.value.value.id });
  await answer(alice, { case: "rpcAck", value: ack });
  await world.pass(5_000);
  assert.deepEqual(failed(await silent.call), ["canceled", "RpcError 1502: Response timeout"]);
  for (
    const [code, twirp] of [[1400, "invalid_argument"], [1500, "internal"], [1504, "dataloss"], [
      77,
      "internal",
    ]] as const
  ) {
    const { call, packet } = await rpc(world, admin);
    assert.ok(packet?.value.case === "rpcRequest");
    const error = new RpcError({ code, message: "no", data: "why" });
    const value = { case: "error" as const, value: error };
    const response = new RpcResponse({ requestId: packet.value.value.id, value });
    await answer(alice, { case: "rpcResponse", value: response });
    assert.deepEqual(failed(await call), [twirp, `RpcError ${code}: no: why`]);
  }
  const large = await rpc(world, admin, "x".repeat(15_361));
  assert.deepEqual(failed(await large.call), [
    "malformed",
    "RpcError 1402: Request payload too large",
  ]);
  const orphan = await rpc(world, admin);
  alice.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  assert.deepEqual(failed(await orphan.call), [
    "unavailable",
    "RpcError 1503: Recipient disconnected",
  ]);
  const nobody = await rpc(world, admin);
  assert.deepEqual(failed(await nobody.call), ["unavailable", "no response from servers"]);
});

Deno.test("LOCK_TAG keeps newcomers out of a room and nobody else", async () => {
  const { world, admin } = adminWorld();
  await world.joined("alice");
  const setLock = async (value: string) =>
    await admin.createRoom(
      new CreateRoomRequest({ name: "lobby", tags: { "roomwire.locked": value } }),
    );
  const admit = (identity: string, grant = FULL_GRANT) => {
    const admission = world.service.admit(world.parameters(identity, { grant }));
    return admission.ok ? "admitted" : `${admission.status} ${admission.body}`;
  };
  succeeded(await setLock("true"));
  assert.equal(admit("bob"), "403 room is locked");
  assert.equal(admit("alice"), "admitted", "she may come back from a lost connection");
  assert.equal(admit("host", { ...FULL_GRANT, roomAdmin: true }), "admitted");
  assert.equal(admit("egress", { ...FULL_GRANT, recorder: true }), "admitted");
  succeeded(await setLock("false"));
  assert.equal(admit("bob"), "admitted");
});
