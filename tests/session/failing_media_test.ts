import assert from "node:assert/strict";
import { DisconnectReason, LeaveRequest_Action, MuteTrackRequest } from "@livekit/protocol";
import { cameraRequest, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

/** The publisher's connection comes up. */
async function publisherUp(client: ScriptedClient): Promise<void> {
  await client.openPublisher();
  const connection = client.participant.publisher.id;
  client.world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
}

function assertToldToJoinAnew(client: ScriptedClient): void {
  const { reason, action } = client.last("leave");
  assert.deepEqual([reason, action], [
    DisconnectReason.STATE_MISMATCH,
    LeaveRequest_Action.RECONNECT,
  ]);
}

const failures = (world: World) => world.counters.get("publication_timeout");

Deno.test("PublicationWatch makes a client join anew whose announced track brings no media for 30 s", async () => {
  const world = new World({ reconnectOnPublicationError: true });
  const alice = await world.joined("alice");
  await publisherUp(alice);
  await alice.announce(cameraRequest("cam"));
  await world.pass(29_900, 100);
  assert.equal(alice.closeCode, undefined);
  await world.pass(1_200, 100);
  assertToldToJoinAnew(alice);
});

Deno.test("PublicationWatch only counts a failed publication unless the configuration says more", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await publisherUp(alice);
  await alice.announce(cameraRequest("cam"));
  await world.pass(120_000, 1_000);
  assert.equal(alice.closeCode, undefined);
  assert.equal(failures(world), 1, "once for each track");
});

Deno.test("PublicationWatch expects nothing before the connection is up, and nothing of a muted track", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.announce(cameraRequest("cam"));
  const { sid } = alice.last("trackPublished").track!;
  await world.pass(60_000, 1_000);
  assert.equal(failures(world), 0);
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  await publisherUp(alice);
  await world.pass(60_000, 1_000);
  assert.equal(failures(world), 0);
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: false }) });
  await world.pass(29_000, 500);
  assert.equal(failures(world), 0);
  await world.pass(2_500, 500);
  assert.equal(failures(world), 1);
});

Deno.test("PublicationWatch is content with a published track, and sleeps when nothing is announced", async () => {
  const world = new World({ reconnectOnPublicationError: true });
  const alice = await world.joined("alice");
  await publisherUp(alice);
  await world.pass(5_000, 500);
  const idle = world.platform.pendingTimers;
  await alice.publishMicrophone();
  await world.pass(60_000, 1_000);
  assert.equal(failures(world), 0);
  assert.equal(alice.closeCode, undefined);
  assert.equal(world.platform.pendingTimers, idle);
});

for (const reconnects of [false, true]) {
  const what = reconnects ? "makes its client join anew" : "is told to its client";
  Deno.test(`Subscriptions whose offer is never accepted: the failure ${what}`, async () => {
    const world = new World({ reconnectOnSubscriptionError: reconnects });
    const alice = await world.joined("alice");
    const bob = await world.open("bob");
    bob.autoAnswer = false;
    await world.pass(400);
    // Bob's connection is not up, so that the missing answer alone does not end his session.
    const sid = await alice.publishCamera();
    await bob.subscribe([sid]);
    await world.pass(20_000, 500);
    assert.equal(bob.last("subscriptionResponse").trackSid, sid);
    if (reconnects) assertToldToJoinAnew(bob);
    else assert.equal(bob.closeCode, undefined);
  });
}

for (const single of [false, true]) {
  const what = single ? "a single connection" : "two connections";
  Deno.test(`DataChannelWatch makes a client with ${what} join anew a moment after its channels ended`, async () => {
    const world = new World({ reconnectOnDataChannelError: true });
    const alice = await world.joined("alice", single ? { singlePeerConnection: true } : {});
    await publisherUp(alice);
    const connection = alice.participant.publisher.id;
    world.engine.emit({ type: "data_channels_failed", connection });
    await world.pass(900, 100);
    assert.equal(alice.closeCode, undefined, "it may be leaving");
    await world.pass(200, 100);
    assertToldToJoinAnew(alice);
  });
}

Deno.test("DataChannelWatch leaves alone a client that goes, and every client without the option", async () => {
  const leaving = new World({ reconnectOnDataChannelError: true });
  const alice = await leaving.joined("alice");
  await publisherUp(alice);
  const connection = alice.participant.publisher.id;
  const idle = leaving.platform.pendingTimers;
  leaving.engine.emit({ type: "data_channels_failed", connection });
  leaving.engine.emit({ type: "data_channels_failed", connection });
  assert.equal(leaving.platform.pendingTimers, idle + 1);
  leaving.engine.emit({ type: "connection_failed", connection, reason: "closed_by_peer" });
  await leaving.pass(2_000, 100);
  assert.equal(alice.closeCode, undefined, "Presence decides when a connection has ended");

  const lenient = new World();
  const bob = await lenient.joined("bob");
  await publisherUp(bob);
  const channels = bob.participant.publisher.id;
  lenient.engine.emit({ type: "data_channels_failed", connection: channels });
  await lenient.pass(10_000, 1_000);
  assert.equal(bob.closeCode, undefined);
});
