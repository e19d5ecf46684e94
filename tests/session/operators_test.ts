/** What operators are told of a server, and of several. */
import assert from "node:assert/strict";
import { ConnectionQuality } from "@livekit/protocol";
import type { EngineStats, MediaEvent } from "../../lib/engine/messages/media_messages.ts";
import { MOST_SHOWN } from "../../lib/watch/figures.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { operatorsOf } from "../support/virtual/operator_world.ts";
import { type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

type UpTracks = EngineStats["upTracks"];

/** Totals after so many seconds of a camera that sends three layers of `kbps`. */
function camera(client: ScriptedClient, seconds: number, kbps: readonly number[]): UpTracks {
  const layers = kbps.map((rate, spatial) => ({
    spatial: spatial as 0 | 1 | 2,
    ssrc: spatial + 1,
    packets: 90 * seconds,
    bytes: rate * 125 * seconds,
    lost: 10 * seconds,
    repaired: 0,
    nacksSent: 0,
    plisSent: 0,
  }));
  return [{ upTrack: client.upTrack("1"), layers }];
}

/** Ann sends a camera to bob, and somebody looks at their room. */
async function lobby() {
  const world = new World();
  const ann = await world.joined("ann", { name: "Ann" });
  const bob = await world.joined("bob");
  const trackSid = await ann.publishCamera();
  await world.pass(200);
  const operators = operatorsOf(world);
  const reader = operators.open({ room: "lobby" });
  const forwarded = (seconds: number): EngineStats["downTracks"] =>
    bob.forwarded().map(({ downTrack, upTrack }) => ({
      downTrack,
      upTrack,
      spatial: 2,
      packets: 100 * seconds,
      bytes: 125_000 * seconds,
      retransmitted: 3 * seconds,
      nacksReceived: 0,
      plisReceived: 0,
      firsReceived: 0,
    }));
  return { world, ann, bob, trackSid, operators, reader, forwarded };
}

Deno.test("a stream begins with everything, and goes on with what is new each second", async () => {
  const { world, operators, reader } = await lobby();
  await world.pass(4_500);
  const [first, ...others] = reader.kinds;
  assert.equal(first, "snapshot");
  assert.ok(others.length >= 3 && others.every((kind) => kind === "change"), reader.kinds.join());
  assert.deepEqual(Object.keys(reader.state.nodes), ["ND_test"]);
  const { name, participants, publishers, tracks, subscriptions, isLocked, nodes } = reader.room;
  assert.deepEqual([name, participants, publishers, tracks, subscriptions], [
    "lobby",
    2,
    1,
    1,
    1,
  ]);
  assert.deepEqual([isLocked, nodes], [false, { ND_test: 2 }]);
  await world.joined("cid");
  await world.pass(1_500);
  assert.equal(reader.room.participants, 3);
  assert.equal(reader.participant("cid").state, "active");
  world.rooms.get("lobby")!.session("cid")!.close(1, "disconnect");
  await world.pass(1_500);
  assert.deepEqual(
    Object.values(reader.state.participants!).map(({ identity }) => identity).toSorted(),
    ["ann", "bob"],
  );
  const { length } = JSON.stringify(reader.state);
  const last = String(reader.socket.frames.at(-1));
  assert.ok(last.length < length / 4, `${last} says only what is new`);
  assert.deepEqual(operators.counters.snapshot(), {});
});

Deno.test("rates are made of the media plane's totals, layer by layer", async () => {
  const { world, ann, bob, trackSid, operators, reader, forwarded } = await lobby();
  operators.media.stats = { upTracks: camera(ann, 1, [100, 400, 1_500]), downTracks: forwarded(1) };
  await world.pass(300);
  assert.equal(reader.participant("ann").inBps, undefined, "totals alone say nothing of now");
  operators.media.stats = {
    upTracks: camera(ann, 2, [100, 400, 1_500]),
    downTracks: forwarded(2),
    sendPaths: [{
      connection: bob.participant.subscriber.id,
      bps: 3_000_400,
      ackedBps: 0,
      limitedBy: "loss",
      loss: 0.0204,
      queueMs: 3.2,
      rttMs: 41.6,
    }],
  };
  // A second after the first look, to the millisecond.
  await world.pass(1_000);
  const { tracks: { [trackSid]: track }, ...publisher } = reader.participant("ann");
  assert.deepEqual(track!.layers, {
    0: { inBps: 100_000, inLoss: 0.1 },
    1: { inBps: 400_000, inLoss: 0.1 },
    2: { inBps: 1_500_000, inLoss: 0.1 },
  });
  assert.deepEqual([track!.inBps, track!.inLoss, track!.codec], [2_000_000, 0.1, "vp8"]);
  assert.deepEqual([publisher.inBps, publisher.inLoss], [2_000_000, 0.1]);
  const { outBps, estimateBps, limitedBy, rttMs, outLoss, queueMs } = reader.participant("bob");
  assert.deepEqual([outBps, estimateBps, limitedBy], [1_000_000, 3_000_000, "loss"]);
  assert.deepEqual([rttMs, outLoss, queueMs], [42, 0.02, 3]);
  assert.deepEqual([reader.room.inBps, reader.room.outBps], [2_000_000, 1_000_000]);
  const { inBps, outBps: nodeOut } = reader.state.nodes.ND_test!;
  assert.deepEqual([inBps, nodeOut], [2_000_000, 1_000_000]);
});

Deno.test("what one participant receives is told to who asks for it", async () => {
  const { world, trackSid, operators, reader, forwarded } = await lobby();
  assert.equal((await operators.watch.look({ room: "lobby" })).received, undefined);
  reader.ask({ room: "lobby", participant: "bob" });
  operators.media.stats = { downTracks: forwarded(1) };
  await world.pass(1_500);
  operators.media.stats = { downTracks: forwarded(2) };
  await world.pass(1_500);
  const { [trackSid]: track } = reader.state.received!;
  assert.deepEqual([track!.identity, track!.source, track!.kind, track!.layer], [
    "ann",
    "camera",
    "video",
    2,
  ]);
  assert.ok(track!.outBps! > 0 && track!.repairedPerS! >= 0);
});

Deno.test("reports of clients give what the media plane does not measure", async () => {
  const { world, bob, operators, reader } = await lobby();
  const report: Extract<MediaEvent, { type: "quality_report" }> = {
    type: "quality_report",
    connection: bob.participant.subscriber.id,
    intervalMs: 5_000,
    upTracks: [],
    downTracks: bob.forwarded().map(({ downTrack }) => ({
      downTrack,
      mime: "video/vp8",
      inbandFec: false,
      muted: false,
      packetsSent: 100,
      reported: { expected: 100, lost: 25, outOfOrder: 0, jitterMs: 7.4, rttMs: 90.2 },
      missingLayers: 0,
      pausedPart: 0,
    })),
  };
  operators.own.qualityReport(report);
  await world.pass(300);
  const first = reader.participant("bob");
  assert.equal(first.quality, undefined, "not measured yet");
  world.engine.emit(report);
  operators.own.qualityReport(report);
  await world.pass(1_100);
  const { quality, score, rttMs, outLoss, jitterMs } = reader.participant("bob");
  assert.deepEqual([rttMs, outLoss, jitterMs], [90, 0.25, 7]);
  assert.ok(quality === "poor" || quality === "lost", quality);
  assert.ok(score! < 3);
  assert.equal(reader.room.quality, quality, "the room's is that of its worst");
  const heard = world.rooms.get("lobby")!.qualityOf(bob.participant)!;
  assert.notEqual(heard.quality, ConnectionQuality.EXCELLENT);
  await world.pass(20_000);
  assert.equal(reader.participant("bob").jitterMs, undefined, "old reports say nothing of now");
});

Deno.test("nobody looks while nobody watches, and nothing is kept", async () => {
  const { world, operators, reader } = await lobby();
  await world.pass(3_000);
  const { asked } = operators.media;
  assert.ok(asked >= 2 && asked <= 4, `${asked} times in three seconds`);
  assert.equal(operators.own.isWatched, true);
  reader.socket.onClose();
  await world.pass(60_000);
  assert.ok(operators.media.asked <= asked + 1);
  assert.equal(operators.own.isWatched, false);
  assert.equal(operators.streams.size, 0);
});

Deno.test("many who watch cost as much as one", async () => {
  const { world, operators } = await lobby();
  const others = Array.from({ length: 20 }, () => operators.open());
  await world.pass(5_000);
  assert.ok(operators.media.asked <= 6, `the media plane was asked ${operators.media.asked} times`);
  for (const { kinds } of others) assert.ok(kinds.length >= 4);
});

Deno.test("a media plane that takes long to say how it fares is asked a twentieth of the time", async () => {
  const { world, operators } = await lobby();
  operators.media.takesMs = 200;
  await world.pass(5_000);
  operators.media.asked = 0;
  await world.pass(20_000);
  const { asked } = operators.media;
  assert.ok(asked >= 4 && asked <= 6, `asked ${asked} times`);
  // One that does not answer at all takes no time of anybody.
  operators.media.takesMs = 60_000;
  await world.pass(5_000);
  operators.media.asked = 0;
  await world.pass(20_000);
  assert.ok(operators.media.asked >= 8, `asked ${operators.media.asked} times`);
});

Deno.test("there are so many streams and no more, and each ends with its token", async () => {
  const { world, operators } = await lobby();
  const short = operators.open({}, 5_000);
  while (!operators.streams.isFull) operators.open();
  const refused = operators.open();
  assert.deepEqual(refused.socket.closed, { code: 1008, reason: "too many streams" });
  await world.pass(4_900);
  assert.equal(short.socket.closed, undefined);
  await world.pass(200);
  assert.deepEqual(short.socket.closed, { code: 1008, reason: "the token has expired" });
  assert.equal(operators.streams.isFull, false);
  operators.streams.close();
  assert.equal(operators.streams.size, 0);
  const late = operators.open();
  assert.equal(late.socket.closed?.code, 1008);
});

Deno.test("who reads slowly gets what holds now, and who does not read is let go", async () => {
  const { world, operators, reader } = await lobby();
  await world.pass(2_000);
  const { length } = reader.kinds;
  reader.socket.bufferedAmount = 1;
  await world.joined("cid");
  await world.pass(10_000);
  assert.equal(reader.kinds.length, length, "nothing is made for who has not taken the last");
  reader.socket.bufferedAmount = 0;
  await world.pass(1_100);
  assert.equal(reader.kinds.at(-1), "change");
  assert.equal(reader.participant("cid").identity, "cid");
  reader.socket.bufferedAmount = 1;
  await world.pass(20_000);
  assert.deepEqual(reader.socket.closed, { code: 1008, reason: "the reader is too slow" });
  assert.deepEqual(operators.counters.snapshot(), { watch_reader_too_slow: 1 });
  assert.equal(operators.streams.size, 0);
});

Deno.test("what is no question ends the stream", async () => {
  const { world, operators } = await lobby();
  for (
    const message of [
      "",
      "null",
      "[]",
      '"text"',
      '{"room": 1}',
      `{"room": "${"r".repeat(1_025)}"}`,
      " ".repeat(5_000),
      new Uint8Array([123, 125]),
    ]
  ) {
    const reader = operators.open();
    reader.socket.onMessage(message);
    assert.equal(reader.socket.closed?.code, 1007, String(message).slice(0, 20));
  }
  assert.equal(operators.counters.snapshot().watch_question_malformed, 8);
  const asker = operators.open();
  for (let times = 0; times < 1_000; times++) asker.ask({ findRoom: String(times) });
  await world.pass(1_000);
  assert.ok(asker.kinds.length <= 4, "questions are not answered faster than they can be read");
  asker.ask({ unknown: 1, room: "lobby" });
  await world.pass(1_000);
  assert.equal(asker.participant("ann").name, "Ann");
});

Deno.test("of a crowd a bounded part is told, and the rest is found by name", async () => {
  const world = new World();
  const operators = operatorsOf(world);
  for (let number = 0; number < MOST_SHOWN + 20; number++) {
    const made = await world.rooms.enter({ name: `room ${number}` }, true);
    assert.ok(made.ok);
  }
  const crowd = MOST_SHOWN + 5;
  for (let number = 0; number < crowd; number++) {
    await world.open(`member ${number}`, { autoSubscribe: false, roomName: "hall" });
  }
  const reader = operators.open({ room: "hall" });
  await world.pass(300);
  const { rooms, roomCount, participants, participantCount } = reader.state;
  assert.equal(Object.keys(rooms).length, MOST_SHOWN);
  assert.equal(roomCount, MOST_SHOWN + 21);
  assert.equal(Object.keys(participants!).length, MOST_SHOWN);
  assert.equal(participantCount, crowd);
  assert.equal(Object.values(rooms)[0]!.participants, crowd, "the largest room is among them");
  assert.ok(String(reader.socket.frames[0]).length < 1_000_000);
  reader.ask({ room: "hall", findParticipant: `MEMBER ${crowd - 1}`, findRoom: "room 519" });
  await world.pass(1_000);
  assert.equal(reader.participant(`member ${crowd - 1}`).name, "");
  assert.equal(reader.room.name, "room 519");
});

Deno.test("texts of clients are values, cut where they are long, and never keys", async () => {
  const world = new World();
  const operators = operatorsOf(world);
  const name = `\u001b[2J<img onerror=1>\u202e${"n".repeat(1_000)}`;
  await world.joined("__proto__", { name, roomName: "__proto__" });
  const reader = operators.open({ room: "__proto__" });
  await world.pass(300);
  const shown = reader.participant("__proto__");
  assert.equal(shown.name, name.slice(0, 256));
  assert.equal(reader.room.name, "__proto__");
  const keys = [...Object.keys(reader.state.rooms), ...Object.keys(reader.state.participants!)];
  assert.ok(keys.every((key) => /^(?:RM|PA)_\w+$/.test(key)), keys.join());
});

/** Two nodes that share a room, and one that has nothing of it. */
async function withOutsider() {
  const cluster = new ClusterWorld(["a", "b", "c"], 3);
  await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await bob.publishCamera();
  await cluster.pass(1_500);
  return { cluster, on: (name: string) => cluster.node(name).operators };
}

Deno.test("any node tells of all nodes, their rooms and whom they serve", async () => {
  const { cluster, on } = await withOutsider();
  for (const name of ["a", "b", "c"]) {
    const reader = on(name).open({ room: "lobby", participant: "ann" });
    await cluster.pass(3_000);
    const { nodes, self, received } = reader.state;
    assert.equal(self, `ND_${name}`);
    assert.deepEqual(Object.keys(nodes).toSorted(), ["ND_a", "ND_b", "ND_c"]);
    assert.ok(Object.values(nodes).every(({ state }) => state === "serving"));
    assert.deepEqual([nodes.ND_a!.participants, nodes.ND_c!.participants], [1, 0]);
    assert.deepEqual(reader.room.nodes, { ND_a: 1, ND_b: 1 });
    assert.deepEqual([reader.room.participants, reader.room.tracks], [2, 1]);
    assert.deepEqual([reader.participant("ann").node, reader.participant("bob").node], [
      "ND_a",
      "ND_b",
    ]);
    assert.deepEqual(Object.values(received!).map(({ identity }) => identity), ["bob"]);
    assert.equal(reader.state.participantCount, 2);
  }
});

Deno.test("a node that does not answer is shown as silent, and the others go on", async () => {
  const { cluster, on } = await withOutsider();
  const reader = on("c").open();
  await cluster.pass(3_000);
  cluster.links.network.partition("ND_c", "ND_b");
  await cluster.pass(6_000);
  const { nodes } = reader.state;
  assert.equal(nodes.ND_b!.state, "silent");
  assert.equal(nodes.ND_a!.state, "serving");
  assert.deepEqual(reader.room.nodes, { ND_a: 1 });
  assert.ok(reader.kinds.length >= 5, "it is told on");
});
