/** What is counted of sessions, through scripted clients. */
import assert from "node:assert/strict";
import { DataPacket, DataStream_Header, LeaveRequest, UpdateSubscription } from "@livekit/protocol";
import { World } from "../../support/scripted_client.ts";

/** What was counted since the last call, of one sort. */
function counted(world: World, sort: string): string[] {
  return world.figures.splice(0).filter((line) => line.includes(sort));
}

Deno.test("SessionFigures count each connection as started and, once, as connected", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  assert.deepEqual(counted(world, ""), ["subscriber started", "subscriber connected"]);
  await alice.openPublisher();
  const { publisher, subscriber } = alice.participant;
  for (const { id: connection } of [subscriber, publisher, publisher]) {
    world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  }
  assert.deepEqual(counted(world, ""), ["publisher started", "publisher connected"]);
});

Deno.test("SessionFigures count a subscription as attempted, then as successful, and no more", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(1_000);
  assert.equal(bob.participant.subscriptions.isBound(sid), true);
  assert.deepEqual(counted(world, "subscription"), [
    "subscription attempt",
    "subscription success",
  ]);
  const value = new UpdateSubscription({ trackSids: [sid], subscribe: false });
  await bob.request({ case: "subscription", value });
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
    const value = new UpdateSubscription({ trackSids: [sid], subscribe: false });
    if (ending === "leaves") await bob.request({ case: "leave", value: new LeaveRequest() });
    else await bob.request({ case: "subscription", value });
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
  assert.deepEqual(counted(world, "stream"), ["stream of text/plain to 1"]);
});
