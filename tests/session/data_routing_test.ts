import assert from "node:assert/strict";
import {
  ChatMessage,
  DataPacket,
  DataPacket_Kind,
  DataStream_ByteHeader,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  DataStream_Trailer,
  EncryptedPacket,
  LeaveRequest,
  ParticipantPermission,
  RpcRequest,
  SipDTMF,
  Transcription,
  UserPacket,
} from "@livekit/protocol";
import type { ConnectionId } from "../../lib/base/ids.ts";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

/** Messages of each kind: as many as may come at once. */
const FLOOD = 4_000;
const text = (value: string) => new TextEncoder().encode(value);
const user = (packet: Partial<UserPacket> = {}, outer: Partial<DataPacket> = {}) =>
  new DataPacket({
    ...outer,
    value: { case: "user", value: new UserPacket({ payload: text("hi"), ...packet }) },
  }).toBinary();

function sent(world: World) {
  return world.engine.sent.map(({ connections, kind, bytes }) => ({
    connections,
    kind,
    packet: DataPacket.fromBinary(bytes),
  }));
}

const inbox = (client: ScriptedClient): ConnectionId => client.participant.dataConnection!;

async function three() {
  const world = new World();
  const clients = [];
  for (const name of ["alice", "bob", "carol"]) clients.push(await world.joined(name));
  return { world, alice: clients[0]!, bob: clients[1]!, carol: clients[2]! };
}

Deno.test("DataPlane sends a user packet to everyone but its sender in one command, stamped", async () => {
  const { world, alice, bob, carol } = await three();
  await alice.sendData("_lossy", user({ participantSid: "PA_forged" }));
  const [only, ...more] = sent(world);
  assert.deepEqual(more, []);
  assert.deepEqual(only!.connections, [inbox(bob), inbox(carol)]);
  assert.equal(only!.kind, "lossy");
  const { packet } = only!;
  const { sid } = alice.participant;
  assert.deepEqual([packet.participantSid, packet.participantIdentity], [sid, "alice"]);
  assert.equal(packet.kind, DataPacket_Kind.LOSSY);
  const inner = packet.value.value as UserPacket;
  assert.deepEqual([inner.participantSid, inner.participantIdentity], [sid, "alice"]);
});

Deno.test("DataPlane sends only to destinations, named the new way or one of the old ways", async () => {
  const { world, alice, bob, carol } = await three();
  await alice.sendData("_reliable", user({}, { destinationIdentities: ["bob", "alice"] }));
  await alice.sendData("_reliable", user({ destinationIdentities: ["carol"] }));
  await alice.sendData("_reliable", user({ destinationSids: [carol.participant.sid] }));
  assert.deepEqual(sent(world).map(({ connections }) => connections), [
    [inbox(bob)],
    [inbox(carol)],
    [inbox(carol)],
  ]);
  const [first, second] = sent(world).map(({ packet }) => packet);
  const inner = first!.value.value as UserPacket;
  assert.deepEqual(inner.destinationIdentities, ["bob", "alice"], "mirrored inwards");
  assert.deepEqual(second!.destinationIdentities, ["carol"], "mirrored outwards");
});

Deno.test("DataPlane drops and counts what may not pass", async () => {
  const { world, alice } = await three();
  const mute = await world.joined("mute", { grant: { ...FULL_GRANT, canPublishData: false } });
  await mute.sendData("_reliable", user());
  await alice.sendData("_reliable", new Uint8Array([0xff, 0xff, 0xff]));
  await alice.sendData("_reliable", new DataPacket().toBinary());
  const transcription = new DataPacket({
    value: { case: "transcription", value: new Transcription() },
  });
  await alice.sendData("_reliable", transcription.toBinary());
  assert.deepEqual(sent(world), []);
  assert.deepEqual(world.counters.snapshot(), {
    data_not_allowed: 2,
    data_undecodable: 1,
    data_unknown_value: 1,
  });
});

Deno.test("DataPlane hides the identity of hidden senders and lets agents speak for others", async () => {
  const { world, alice } = await three();
  const ghost = await world.joined("ghost", { grant: { ...FULL_GRANT, hidden: true } });
  for (const label of ["_reliable", "_lossy", "own"]) {
    await ghost.sendData(label, user());
    const { packet } = sent(world).at(-1)!;
    assert.deepEqual([packet.participantIdentity, packet.participantSid], ["", ""], label);
  }
  const agent = await world.joined("agent", { grant: { ...FULL_GRANT, agent: true } });
  const chat = (identity: string) =>
    new DataPacket({
      participantIdentity: identity,
      value: { case: "chatMessage", value: new ChatMessage({ message: "m" }) },
    }).toBinary();
  await agent.sendData("_reliable", chat("bob"));
  const spoken = sent(world).at(-1)!.packet;
  assert.equal(spoken.participantIdentity, "bob");
  assert.equal((spoken.value.value as ChatMessage).generated, true);
  await alice.sendData("_reliable", chat("bob"));
  const own = sent(world).at(-1)!.packet;
  assert.equal(own.participantIdentity, "alice");
  assert.equal((own.value.value as ChatMessage).generated, false);
});

Deno.test("DataPlane forwards other kinds of packets unchanged but for their sender", async () => {
  const { world, alice, bob } = await three();
  const request = new RpcRequest({ id: "1", method: "m", payload: "p", version: 1 });
  const packet = new DataPacket({
    destinationIdentities: ["bob"],
    value: { case: "rpcRequest", value: request },
  });
  await alice.sendData("_reliable", packet.toBinary());
  assert.deepEqual(sent(world)[0]!.connections, [inbox(bob)]);
  assert.deepEqual(sent(world)[0]!.packet.value.value, request);
});

Deno.test("DataPlane wraps messages of a client's own channel as user packets", async () => {
  const { world, alice, bob, carol } = await three();
  await alice.sendData("my-channel", text("raw"));
  const { connections, kind, packet } = sent(world)[0]!;
  assert.deepEqual([connections, kind], [[inbox(bob), inbox(carol)], "reliable"]);
  assert.deepEqual((packet.value.value as UserPacket).payload, text("raw"));
  assert.equal(packet.participantIdentity, "alice");
});

Deno.test("DataPlane drops what a resumed client sends again, and repeated nonces", async () => {
  const { world, alice } = await three();
  const before = world.engine.of("set_data_member").length;
  for (const sequence of [1, 2, 2, 1, 3]) {
    await alice.sendData("_reliable", user({}, { sequence }));
  }
  assert.deepEqual(sent(world).map(({ packet }) => packet.sequence), [1, 2, 3]);
  assert.equal(world.engine.of("set_data_member").length, before, "nothing of it is told");
  await world.pass(500);
  assert.equal(alice.participant.data.membership.lastSequence, 3, "but how far it came, soon");
  const nonce = new Uint8Array(16).fill(9);
  await alice.sendData("_lossy", user({ nonce }));
  await alice.sendData("_lossy", user({ nonce }));
  assert.equal(sent(world).length, 4);
  assert.equal(world.counters.get("data_duplicate"), 3);
});

Deno.test("DataPlane keeps reliable packets in order for a participant that is still connecting", async () => {
  const { world, alice } = await three();
  const dave = await world.open("dave");
  await alice.sendData("_lossy", user({ topic: "lossy" }));
  for (const topic of ["1", "2"]) await alice.sendData("_reliable", user({ topic }));
  const to = () =>
    sent(world).filter(({ connections }) => connections.includes(inbox(dave)))
      .map(({ packet }) => (packet.value.value as UserPacket).topic);
  assert.deepEqual(to(), []);
  await dave.connect();
  assert.deepEqual(to(), ["1", "2"]);
  await alice.sendData("_reliable", user({ topic: "3" }));
  assert.deepEqual(to(), ["1", "2", "3"]);
});

Deno.test("DataPlane sends lossy packets to ACTIVE participants only, reliable ones as soon as it can", async () => {
  const { world, alice } = await three();
  const dave = await world.open("dave");
  const connection = inbox(dave);
  world.engine.emit({ type: "data_channel_open", connection, label: "_reliable" });
  for (const label of ["_lossy", "_reliable"]) await alice.sendData(label, user());
  const kinds = sent(world).filter(({ connections }) => connections.includes(connection))
    .map(({ kind }) => kind);
  assert.deepEqual(kinds, ["reliable"]);
});

Deno.test("DataPlane bounds what it keeps for a participant that is still connecting", async () => {
  const { world, alice } = await three();
  const dave = await world.open("dave");
  const payload = new Uint8Array(40_000);
  for (let i = 0; i < 4; i++) await alice.sendData("_reliable", user({ payload }));
  assert.equal(world.counters.get("data_waiting_overflow"), 2);
  const before = sent(world).length;
  await dave.connect();
  assert.equal(sent(world).length, before + 2);
});

Deno.test("DataPlane uses the publisher connection of a client that cannot subscribe", async () => {
  const { world, alice } = await three();
  const dave = await world.joined("dave", { grant: { ...FULL_GRANT, canSubscribe: false } });
  await alice.sendData("_reliable", user({}, { destinationIdentities: ["dave"] }));
  assert.deepEqual(sent(world)[0]!.connections, [dave.participant.publisher.id]);
});

/** Topics of the packets that went to `client`, with their kinds. */
function topics(world: World, client: ScriptedClient): string[] {
  return sent(world).filter(({ connections }) => connections.includes(inbox(client)))
    .map(({ packet }) => (packet.value.value as UserPacket).topic ?? "");
}

Deno.test("DataPlane replays numbered packets to a joiner from the first it missed on, in order", async () => {
  const { world, alice, bob } = await three();
  await alice.sendData("_reliable", user({ topic: "before" }, { sequence: 1 }));
  const dave = await world.open("dave");
  await alice.sendData("_reliable", user({ topic: "a2" }, { sequence: 2 }));
  await bob.sendData("_reliable", user({ topic: "b7" }, { sequence: 7 }));
  const forBob = { sequence: 3, destinationIdentities: ["bob"] };
  await alice.sendData("_reliable", user({ topic: "not for dave" }, forBob));
  await alice.sendData("_reliable", user({ topic: "a4" }, { sequence: 4 }));
  await alice.sendData("_reliable", user({ topic: "unnumbered" }));
  assert.deepEqual(topics(world, dave), []);
  await dave.connect();
  assert.deepEqual(topics(world, dave), ["a2", "b7", "a4", "unnumbered"]);
  await alice.sendData("_reliable", user({ topic: "a5" }, { sequence: 5 }));
  assert.deepEqual(topics(world, dave).slice(4), ["a5"]);
});

Deno.test("DataPlane keeps numbered packets for joiners for 2 s", async () => {
  const { world, alice } = await three();
  const dave = await world.open("dave");
  await alice.sendData("_reliable", user({ topic: "old" }, { sequence: 1 }));
  await world.pass(1_500);
  await alice.sendData("_reliable", user({ topic: "recent" }, { sequence: 2 }));
  await world.pass(1_000);
  await dave.connect();
  assert.deepEqual(topics(world, dave), ["recent"]);
});

Deno.test("DataPlane keeps 100,000 bytes of numbered packets for all joiners, the newest", async () => {
  const { world, alice } = await three();
  const dave = await world.open("dave");
  const payload = new Uint8Array(30_000);
  for (const sequence of [1, 2, 3, 4]) {
    await alice.sendData("_reliable", user({ topic: `${sequence}`, payload }, { sequence }));
  }
  await dave.connect();
  assert.deepEqual(topics(world, dave), ["2", "3", "4"]);
});

Deno.test("DataPlane counts packets that may not pass as received, so that none is sent again", async () => {
  const { world, alice } = await three();
  const transcription = new DataPacket({
    sequence: 5,
    value: { case: "transcription", value: new Transcription() },
  });
  await alice.sendData("_reliable", transcription.toBinary());
  await alice.sendData("_reliable", user({}, { sequence: 4 }));
  assert.deepEqual(sent(world), []);
  await world.pass(500);
  assert.equal(alice.participant.data.membership.lastSequence, 5);
  await alice.sendData("_lossy", user({ topic: "lossy" }, { sequence: 1 }));
  assert.equal(sent(world).length, 1, "lossy packets have no sequence");
});

Deno.test("DataPlane heeds what a participant may no longer do, from its next packet on", async () => {
  const { world, alice, bob } = await three();
  await alice.sendData("_reliable", user({ topic: "1" }));
  const change = (canPublishData: boolean) =>
    alice.participant.setPermission(
      new ParticipantPermission({ ...alice.participant.profile.permission, canPublishData }),
    );
  const revoked = change(false);
  // Before anything that this leads to is done.
  world.engine.receiveData(alice.participant.publisher.id, "_reliable", user({ topic: "2" }));
  await revoked;
  await alice.sendData("_reliable", user({ topic: "3" }));
  await change(true);
  await alice.sendData("_reliable", user({ topic: "4" }));
  assert.deepEqual(topics(world, bob), ["1", "4"]);
  assert.equal(world.counters.get("data_not_allowed"), 2);
});

Deno.test("DataPlane bothers the control plane with a flood no more often than with a trickle", async () => {
  const { world, alice, bob } = await three();
  await alice.openPublisher();
  const connection = alice.participant.publisher.id;
  const { engine } = world;
  const told: string[] = [];
  const { onEvent } = engine;
  engine.onEvent = (event) => {
    told.push(event.type);
    onEvent(event);
  };
  const commands = engine.commands.length;
  const value = new DataStream_Header({ streamId: "s", mimeType: "text/plain" });
  const header = new DataPacket({ value: { case: "streamHeader", value } }).toBinary();
  for (let sequence = 1; sequence <= FLOOD; sequence++) {
    engine.receiveData(connection, "_reliable", user({}, { sequence }));
    engine.receiveData(connection, "_lossy", sequence % 2 === 0 ? header : user());
  }
  await world.pass(1_000);
  assert.deepEqual(told, ["data_progress"]);
  assert.equal(engine.commands.length, commands);
  assert.equal(alice.participant.data.membership.lastSequence, FLOOD);
  // What is begun is counted, as far as a person could begin streams.
  const begun = world.figures.filter((line) => line.startsWith("stream ")).length;
  assert.ok(begun > 0 && begun < FLOOD / 10, `${begun} streams`);
  assert.equal(begun + world.counters.get("data_stream_untold"), FLOOD / 2);
  const reached = engine.sent.filter(({ connections }) => connections.includes(inbox(bob)));
  assert.equal(reached.length, 2 * FLOOD);
});

Deno.test("DataPlane sends nothing more to a participant that has left, nor takes anything of it", async () => {
  const { world, alice, bob, carol } = await three();
  const connection = alice.participant.publisher.id;
  await alice.openPublisher();
  await alice.request({ case: "leave", value: new LeaveRequest() });
  world.engine.receiveData(connection, "_reliable", user());
  assert.deepEqual(sent(world), []);
  assert.equal(world.counters.get("data_no_member"), 1);
  await bob.sendData("_reliable", user());
  assert.deepEqual(sent(world).map(({ connections }) => connections), [[inbox(carol)]]);
});

Deno.test("DataPlane passes DTMF, encrypted packets and byte streams through", async () => {
  const { world, alice } = await three();
  const values: DataPacket["value"][] = [
    { case: "sipDtmf", value: new SipDTMF({ code: 5, digit: "5" }) },
    { case: "encryptedPacket", value: new EncryptedPacket({ keyIndex: 3 }) },
    { case: "streamHeader", value: new DataStream_Header({ streamId: "s", topic: "files" }) },
    { case: "streamChunk", value: new DataStream_Chunk({ streamId: "s" }) },
    { case: "streamTrailer", value: new DataStream_Trailer({ streamId: "s" }) },
  ];
  for (const value of values) {
    await alice.sendData("_reliable", new DataPacket({ value }).toBinary());
  }
  assert.deepEqual(sent(world).map(({ packet }) => packet.value), values);
});

Deno.test("DataPlane lets agents transcribe, and speak for others in text streams only", async () => {
  const { world } = await three();
  const agent = await world.joined("agent", { grant: { ...FULL_GRANT, agent: true } });
  const as = async (participantIdentity: string, value: DataPacket["value"]) => {
    const packet = new DataPacket({ participantIdentity, value });
    await agent.sendData("_reliable", packet.toBinary());
    return sent(world).at(-1)!.packet;
  };
  const transcribed = await as("bob", { case: "transcription", value: new Transcription() });
  assert.equal(transcribed.participantIdentity, "agent");
  const header = (contentHeader: DataStream_Header["contentHeader"]) =>
    ({ case: "streamHeader", value: new DataStream_Header({ contentHeader }) }) as const;
  const written = await as(
    "bob",
    header({ case: "textHeader", value: new DataStream_TextHeader() }),
  );
  assert.equal(written.participantIdentity, "bob");
  const { contentHeader } = written.value.value as DataStream_Header;
  assert.equal((contentHeader.value as DataStream_TextHeader).generated, true);
  // One that is hidden may speak for others, and not tell who it is by speaking for itself.
  const ghost = await world.joined("ghost", {
    grant: { ...FULL_GRANT, agent: true, hidden: true },
  });
  for (const [claimed, shown] of [["bob", "bob"], ["ghost", ""]] as const) {
    const value = new ChatMessage({ message: "boo" });
    const packet = new DataPacket({
      participantIdentity: claimed,
      value: { case: "chatMessage", value },
    });
    await ghost.sendData("_reliable", packet.toBinary());
    assert.equal(sent(world).at(-1)!.packet.participantIdentity, shown);
  }
  const file = await as("bob", header({ case: "byteHeader", value: new DataStream_ByteHeader() }));
  assert.equal(file.participantIdentity, "agent");
});
