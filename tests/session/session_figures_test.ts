/** What is counted of sessions, through scripted clients. */
import assert from "node:assert/strict";
import {
  DataPacket,
  DataStream_Header,
  DisconnectReason,
  LeaveRequest,
  MuteTrackRequest,
} from "@livekit/protocol";
import { cameraRequest, World } from "../support/virtual/scripted_client.ts";

/** What was counted since the last call, of one sort. */
function counted(world: World, sort: string): string[] {
  return world.figures.splice(0).filter((line) => line.includes(sort));
}

Deno.test("SessionFigures count how far each connection came, each state once", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  assert.deepEqual(counted(world, ""), [
    "subscriber started",
    "subscriber connected",
    "subscriber fully_established",
  ]);
  await alice.openPublisher();
  const { publisher, subscriber } = alice.participant;
  const connection = publisher.id;
  world.engine.emit({ type: "ice_connected", connection });
  for (const id of [subscriber.id, connection, connection]) {
    world.engine.emit({ type: "connection_connected", connection: id, protocol: "udp" });
  }
  assert.deepEqual(counted(world, ""), [
    "publisher started",
    "publisher ice_connected",
    "publisher connected",
  ]);
  for (const label of ["_reliable", "_reliable", "other"]) {
    world.engine.emit({ type: "data_channel_open", connection, label });
  }
  assert.deepEqual(counted(world, ""), [], "the lossy channel is still missing");
  for (const label of ["_lossy", "_lossy"]) {
    world.engine.emit({ type: "data_channel_open", connection, label });
  }
  assert.deepEqual(counted(world, ""), ["publisher fully_established"]);
});

Deno.test("SessionFigures time a publication from its announcement to its media", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await world.pass(200);
  await alice.announce(cameraRequest("cam"));
  await world.pass(700);
  counted(world, "");
  await alice.offer([{ mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] }]);
  assert.deepEqual(counted(world, "publish "), ["publish VIDEO after 700 ms, number 1"]);
});

for (
  const [ending, reason, counts] of [
    ["gives up", DisconnectReason.CLIENT_INITIATED, "1 VIDEO canceled"],
    ["is lost", DisconnectReason.CONNECTION_TIMEOUT, "publish VIDEO after 900 ms, number 1"],
  ] as const
) {
  Deno.test(`SessionFigures know of a publication whose client ${ending}`, async () => {
    const world = new World();
    const alice = await world.joined("alice");
    await alice.announce(cameraRequest("cam"));
    await world.pass(900);
    counted(world, "");
    alice.participant.close(reason, "none");
    assert.deepEqual(counted(world, "VIDEO"), [counts]);
  });
}

Deno.test("SessionFigures time a subscription to its answer, and from there to its first packet", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  bob.autoAnswer = false;
  const sid = await alice.publishCamera();
  await world.pass(1_000);
  counted(world, "");
  bob.answerOffers();
  await world.settle();
  const taken = counted(world, "subscribe ");
  assert.equal(taken.length, 1);
  assert.match(taken[0]!, /^subscribe VIDEO after \d+ ms, number 1$/);
  await world.pass(250);
  const { downTrack } = world.engine.of("add_down_track").at(-1)!;
  for (const spatial of [0, 1] as const) {
    world.engine.emit({ type: "down_track_layer", downTrack, spatial });
  }
  assert.deepEqual(counted(world, "stream-start"), [
    "subscribe-stream-start VIDEO after 250 ms, number 1",
  ]);
  bob.autoAnswer = true;
  for (const subscribe of [false, true]) {
    await bob.subscribe([sid], subscribe);
    await world.pass(1_000);
  }
  assert.match(counted(world, "subscribe ")[0]!, /number 2$/);
});

Deno.test("SessionFigures wait for no first packet of a track that is muted", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  const bob = await world.joined("bob");
  await world.pass(1_000);
  assert.equal(bob.participant.subscriptions.isAccepted(sid), true);
  counted(world, "");
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: false }) });
  await world.pass(5_000);
  const { downTrack } = world.engine.of("add_down_track").at(-1)!;
  world.engine.emit({ type: "down_track_layer", downTrack, spatial: 0 });
  assert.deepEqual(counted(world, "stream-start"), []);
});

Deno.test("SessionFigures count a subscription as attempted, then as successful, and no more", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(1_000);
  assert.equal(bob.participant.subscriptions.isAccepted(sid), true);
  assert.deepEqual(counted(world, "subscription"), [
    "subscription attempt",
    "subscription success",
  ]);
  await bob.subscribe([sid], false);
  await world.pass(1_000);
  assert.deepEqual(counted(world, "subscription"), []);
});

for (const ending of ["gives it up", "leaves"]) {
  Deno.test(`SessionFigures count a subscription as canceled whose subscriber ${ending} before it answers`, async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const bob = await world.joined("bob");
    bob.autoAnswer = false;
    const sid = await alice.publishCamera();
    await world.pass(1_000);
    assert.deepEqual(counted(world, "subscription"), ["subscription attempt"]);
    if (ending === "leaves") await bob.request({ case: "leave", value: new LeaveRequest() });
    else await bob.subscribe([sid], false);
    await world.pass(1_000);
    assert.deepEqual(counted(world, "subscription"), ["subscription cancel"]);
  });
}

Deno.test("SessionFigures count a data stream once, by its header", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await world.joined("bob");
  const value = new DataStream_Header({ streamId: "s", mimeType: "text/plain" });
  const header = new DataPacket({
    destinationIdentities: ["bob"],
    value: { case: "streamHeader", value },
  });
  await alice.sendData("_reliable", header.toBinary());
  await world.pass(1_000);
  assert.deepEqual(counted(world, "stream"), ["stream of text/plain to 1"]);
});
