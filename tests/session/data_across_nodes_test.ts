/** Data, speakers, qualities and blobs between participants that several nodes serve. */
import assert from "node:assert/strict";
import {
  ConnectionQuality,
  DataBlob,
  DataBlobKey,
  DataPacket,
  DataPacket_Kind,
  DisconnectReason,
  GetDataBlobRequest,
  RpcRequest,
  SimulateScenario,
  StoreDataBlobRequest,
} from "@livekit/protocol";
import { DEFAULT_DATA_OPTIONS } from "../../lib/room/context/data_options.ts";
import type { PackedValue } from "../../lib/wire/message_pack.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import type { ScriptedClient } from "../support/virtual/scripted_client.ts";
import { userPacket, userText } from "../support/wire/user_packet.ts";

const RELIABLE = DataPacket_Kind.RELIABLE;

/** What went to a client's data channels, as text. */
function heard(client: ScriptedClient): string[] {
  const { dataConnection } = client.participant;
  return client.world.engine.sent
    .filter(({ connections }) => connections.some((connection) => connection === dataConnection))
    .map(({ bytes }) => userText(bytes));
}

async function threeNodes(options: ConstructorParameters<typeof ClusterWorld>[3] = {}) {
  const cluster = new ClusterWorld(["a", "b", "c"], 5, { delayMs: 10, jitterMs: 8 }, options);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const cid = await cluster.join("c", "cid");
  await cluster.pass(200);
  return { cluster, ann, bob, cid };
}

Deno.test("reliable data reaches all nodes in order, and those alone whom it names", async () => {
  const { cluster, ann, bob, cid } = await threeNodes();
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
  for (const [i, text] of texts.entries()) {
    const outer = { kind: RELIABLE, sequence: i + 1 };
    await ann.sendData("_reliable", userPacket(text, new DataPacket(outer)));
  }
  await cluster.pass(500);
  assert.deepEqual(heard(bob), texts);
  assert.deepEqual(heard(cid), texts);
  assert.deepEqual(heard(ann), []);
  const packet = new DataPacket({ kind: RELIABLE, sequence: 51, destinationIdentities: ["cid"] });
  await ann.sendData("_reliable", userPacket("to cid", packet));
  await ann.sendData("_lossy", userPacket("to all", new DataPacket({})));
  await cluster.pass(500);
  assert.deepEqual(heard(bob).slice(50), ["to all"]);
  assert.deepEqual(heard(cid).slice(50).toSorted(), ["to all", "to cid"]);
  const { participantIdentity, participantSid } = DataPacket.fromBinary(
    bob.world.engine.sent.at(-1)!.bytes,
  );
  assert.equal(participantIdentity, "ann");
  assert.equal(participantSid, ann.participant.sid);
});

Deno.test("data for other nodes is not decoded on its way, whatever it holds", async () => {
  const { ann, bob, cluster } = await threeNodes();
  const { fromBinary } = DataPacket;
  let decoded = 0;
  DataPacket.fromBinary = (...packet) => {
    decoded++;
    return fromBinary.apply(DataPacket, packet);
  };
  try {
    // A stream's header that cannot be read is no concern of the server's.
    await ann.sendData("_reliable", Uint8Array.of(13 << 3 | 2, 1, 0x0f));
    for (let n = 0; n < 20; n++) {
      await ann.sendData("_reliable", userPacket(`${n}`, new DataPacket({})));
    }
    await cluster.pass(500);
  } finally {
    DataPacket.fromBinary = fromBinary;
  }
  assert.equal(decoded, 0);
  assert.equal(bob.world.engine.sent.length, 21);
  assert.equal(ann.participant.closed, false);
});

Deno.test("reliable data is each once and in order over a link that is lost, and holds its senders", async () => {
  const { cluster, ann, bob } = await threeNodes();
  let sequence = 0;
  const send = (text: string) =>
    ann.sendData(
      "_reliable",
      userPacket(text, new DataPacket({ kind: RELIABLE, sequence: ++sequence })),
    );
  await send("before");
  cluster.links.network.partition("ND_a", "ND_b");
  await cluster.pass(2_500);
  const large = "x".repeat(60_000);
  for (let i = 0; i < 25; i++) await send(large);
  const { id } = ann.participant.publisher;
  assert.ok(ann.world.engine.held.has(id), "what waits for the node holds whoever sends it");
  cluster.links.network.healAll();
  await cluster.pass(6_000);
  assert.equal(ann.world.engine.held.has(id), false);
  await send("after");
  await cluster.pass(500);
  assert.deepEqual(heard(bob), ["before", ...Array<string>(25).fill(large), "after"]);
});

Deno.test("calls between participants of two nodes go there and back", async () => {
  const { cluster, ann, bob } = await threeNodes();
  const value = new RpcRequest({ id: "1", method: "m", payload: "p", responseTimeoutMs: 1_000 });
  const packet = new DataPacket({
    kind: RELIABLE,
    sequence: 1,
    destinationIdentities: ["bob"],
    value: { case: "rpcRequest", value },
  });
  await ann.sendData("_reliable", packet.toBinary());
  await cluster.pass(200);
  const { value: asked, participantIdentity } = DataPacket.fromBinary(
    bob.world.engine.sent.at(-1)!.bytes,
  );
  assert.equal(asked.case === "rpcRequest" && asked.value.method, "m");
  assert.equal(participantIdentity, "ann");
});

Deno.test("the server's own data reaches participants of all nodes", async () => {
  const { cluster, bob, cid } = await threeNodes();
  const packet = DataPacket.fromBinary(userPacket("from the API"));
  cluster.room("a").sendData(packet, "reliable");
  await cluster.pass(200);
  assert.deepEqual([heard(bob), heard(cid)], [["from the API"], ["from the API"]]);
});

Deno.test("who speaks, and how good a connection is, is told by those who receive it anywhere", async () => {
  const { cluster, ann, bob } = await threeNodes();
  await ann.publishMicrophone();
  await cluster.pass(500);
  const upTrack = ann.upTrack("1");
  ann.world.engine.emit({ type: "audio_levels", levels: [{ upTrack, level: 0.5, active: true }] });
  await cluster.pass(100);
  const { sid } = ann.participant;
  const [speaker] = bob.last("speakersChanged").speakers;
  assert.deepEqual([speaker!.sid, speaker!.active], [sid, true]);
  await cluster.pass(5_000);
  assert.equal(bob.last("speakersChanged").speakers[0]!.active, false, "it is not heard any more");
});

const LAYER = { spatial: 0, expected: 250, outOfOrder: 0, jitterMs: 1 } as const;

/** A client's microphone was measured, with so many of 250 packets lost. */
function measured(client: ScriptedClient, lost: number): void {
  client.world.engine.emit({
    type: "quality_report",
    connection: client.participant.publisher.id,
    intervalMs: 5_000,
    upTracks: [{
      upTrack: client.upTrack("1"),
      mime: "audio/opus",
      inbandFec: false,
      muted: false,
      layers: [{ ...LAYER, lost }],
      topLayer: 0,
    }],
    downTracks: [],
  });
}

/** What `client` was told of the quality of another's connection. */
function qualities(client: ScriptedClient, of: ScriptedClient): ConnectionQuality[] {
  const { sid } = of.participant;
  return client.all("connectionQuality").flatMap(({ updates }) => updates)
    .filter(({ participantSid }) => participantSid === sid).map(({ quality }) => quality);
}

Deno.test("how good connections are is told other nodes when it changes, all of a room at once", async () => {
  const { cluster, ann, bob } = await threeNodes();
  const eve = await cluster.join("a", "eve");
  for (const client of [ann, eve]) await client.publishMicrophone();
  await cluster.pass(500);
  const heard: PackedValue[] = [];
  const room = cluster.node("b").rooms.get("lobby")!;
  const { onChange } = room;
  room.onChange = (peer, value) => {
    if ((value as PackedValue[])[0] === "q") heard.push(value);
    onChange.call(room, peer, value);
  };
  for (const client of [ann, eve]) measured(client, 0);
  await cluster.pass(1_200);
  assert.equal(heard.length, 1, "both in one message");
  assert.deepEqual(qualities(bob, ann), [ConnectionQuality.EXCELLENT]);
  for (let i = 0; i < 5; i++) {
    for (const client of [ann, eve]) measured(client, 0);
    await cluster.pass(5_000);
  }
  assert.equal(heard.length, 1, "nothing has changed");
  measured(ann, 100);
  await cluster.pass(1_200);
  assert.equal(heard.length, 2);
  const { EXCELLENT, POOR } = ConnectionQuality;
  assert.deepEqual(qualities(bob, ann), [EXCELLENT, POOR]);
  assert.deepEqual(qualities(bob, eve), [EXCELLENT]);
});

Deno.test("how good connections are is known on a node that is new to a room, and on one that was away", async () => {
  const { cluster, ann } = await threeNodes();
  await ann.publishMicrophone();
  await cluster.pass(500);
  measured(ann, 100);
  await cluster.pass(1_200);
  cluster.add("d");
  const dan = await cluster.join("d", "dan");
  await cluster.pass(500);
  const { EXCELLENT, POOR } = ConnectionQuality;
  assert.deepEqual(qualities(dan, ann), [POOR]);
  cluster.links.network.partition("ND_a", "ND_d");
  await cluster.pass(3_000);
  for (let i = 0; i < 20 && qualities(ann, ann).at(-1) !== EXCELLENT; i++) {
    measured(ann, 0);
    await cluster.pass(100);
  }
  assert.notEqual(qualities(ann, ann).at(-1), POOR, "it is better now");
  cluster.links.network.healAll();
  await cluster.pass(5_000);
  assert.equal(qualities(dan, ann).at(-1), qualities(ann, ann).at(-1));
});

Deno.test("how loud microphones are is told other nodes while they are active", async () => {
  const { cluster, ann } = await threeNodes();
  await ann.publishMicrophone();
  await cluster.pass(500);
  const told: number[] = [];
  const room = cluster.node("b").rooms.get("lobby")!;
  const { onDatagram } = room;
  room.onDatagram = (peer, kind, value) => {
    if (kind === "levels") told.push((value as PackedValue[]).length);
    onDatagram.call(room, peer, kind, value);
  };
  const level = async (level: number, active: boolean) => {
    const levels = [{ upTrack: ann.upTrack("1"), level, active }];
    ann.world.engine.emit({ type: "audio_levels", levels });
    await cluster.pass(400);
  };
  for (let i = 0; i < 5; i++) await level(0.01, false);
  assert.equal(told.length, 0, "a quiet room is of no interest");
  for (let i = 0; i < 3; i++) await level(0.5, true);
  assert.equal(told.length, 3);
  for (let i = 0; i < 3; i++) await level(0.01, false);
  assert.equal(told.length, 4, "that it is not active any more");
});

Deno.test("simulated speakers are seen on all nodes", async () => {
  const { cluster, ann, bob } = await threeNodes();
  const value = new SimulateScenario({ scenario: { case: "speakerUpdate", value: 3 } });
  await ann.request({ case: "simulate", value });
  await cluster.pass(100);
  assert.equal(bob.last("speakersChanged").speakers[0]!.sid, ann.participant.sid);
  await cluster.pass(3_100);
  assert.equal(bob.last("speakersChanged").speakers[0]!.active, false);
});

Deno.test("blobs are fetched from the node of whoever left them", async () => {
  const data = { ...DEFAULT_DATA_OPTIONS, dataBlobs: true };
  const { cluster, ann, bob } = await threeNodes({ data });
  const key = new DataBlobKey({ key: { case: "generic", value: "map" } });
  const blob = new DataBlob({ key, contents: new Uint8Array([1, 2]) });
  await ann.request({ case: "storeDataBlobRequest", value: new StoreDataBlobRequest({ blob }) });
  const value = new GetDataBlobRequest({ participantIdentity: "ann", key });
  await bob.request({ case: "getDataBlobRequest", value });
  await cluster.pass(200);
  assert.deepEqual(bob.last("getDataBlobResponse").blob!.contents, blob.contents);
  const other = new DataBlobKey({ key: { case: "generic", value: "other" } });
  const missing = new GetDataBlobRequest({ participantIdentity: "ann", key: other });
  await bob.request({ case: "getDataBlobRequest", value: missing });
  await cluster.pass(200);
  assert.equal(bob.last("requestResponse").message, "data blob not found");
});

Deno.test("tokens barred on one node are refused on those that share the room, and by newcomers", async () => {
  const { cluster } = await threeNodes();
  const beforeMs = cluster.platform.clock.wallMs() + 60_000;
  cluster.node("a").world.rooms.bar("lobby", { identity: "dan", beforeMs, knownExpiryMs: 0 });
  await cluster.pass(100);
  cluster.add("d");
  await cluster.pass(1_100);
  for (const name of ["a", "b", "c", "d"]) {
    const { world } = cluster.node(name);
    const tokenNotBefore = cluster.platform.clock.wallMs();
    const placed = await cluster.during(
      world.service.place(world.parameters("dan", { tokenNotBefore })),
    );
    const admission = placed.ok ? world.service.admit(placed.join) : placed;
    assert.equal(admission.ok || admission.status, 401, name);
  }
});

Deno.test("tokens barred in a room are refused where it is made anew, by a node that knew nothing of it", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const beforeMs = cluster.platform.clock.wallMs() + 60_000;
  const ban = { identity: "dan", beforeMs, knownExpiryMs: 0 };
  // Said while the directory is away, and told to it with what is asserted.
  cluster.node("a").directory.reach = "away";
  cluster.node("a").world.rooms.bar("lobby", ban);
  await cluster.pass(500);
  cluster.node("a").directory.reach = "here";
  await cluster.pass(6_000, 50);
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(40_000, 50);
  assert.equal(cluster.memory.find("lobby"), undefined);
  const { world } = cluster.node("b");
  const tokenNotBefore = beforeMs - 1;
  const placed = await cluster.during(
    world.service.place(world.parameters("dan", { tokenNotBefore })),
  );
  assert.equal(placed.ok || placed.status, 401);
});
