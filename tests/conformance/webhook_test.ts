/** LiveKit's webhook tests: what is told, to whom, and that it can be believed. */
import assert from "node:assert/strict";
import { WebhookReceiver } from "../support/process/webhook_receiver.ts";
import { WebhookWorld } from "../support/virtual/webhook_world.ts";
import { TEST_KEY } from "../support/process/roomwire_process.ts";
import { ROOM, scenario, TestServer, unitScenario } from "./support.ts";

scenario("TestWebhooks", async ({ flavour }) => {
  await using receiver = new WebhookReceiver();
  await using test = await TestServer.start({
    webhook: { urls: [receiver.url], api_key: TEST_KEY },
  }, flavour);
  const alice = await test.join("alice");
  const started = await receiver.event("room_started");
  assert.equal(started.room!.name, ROOM);
  assert.match(started.room!.sid, /^RM_/);
  assert.match(started.id, /^EV_/);
  assert.ok(Math.abs(Date.now() / 1000 - Number(started.createdAt)) < 100);
  await receiver.event("participant_joined", (e) => e.participant!.identity === "alice");

  const bob = await test.join("bob");
  await receiver.event("participant_joined", (e) => e.participant!.identity === "bob");

  const { sid, cid } = await alice.publish("audio");
  const published = await receiver.event("track_published");
  assert.equal(published.track!.sid, sid);
  assert.equal(published.participant!.sid, alice.sid);
  await alice.unpublish(cid);
  assert.equal((await receiver.event("track_unpublished")).track!.sid, sid);

  await alice.leave();
  const left = await receiver.event("participant_left");
  assert.equal(left.participant!.identity, "alice");
  assert.equal(await test.server.rooms.delete(ROOM), true);
  await bob.signal.ended();
  const finished = await receiver.event("room_finished");
  assert.equal(finished.room!.name, ROOM);
  assert.deepEqual(receiver.names(ROOM), [
    ...["room_started", "participant_joined", "participant_joined", "track_published"],
    ...["track_unpublished", "participant_left", "participant_left", "room_finished"],
  ]);
  assert.deepEqual(receiver.failures, []);
});

// Webhooks named in a request belong to egress, which this server does not have.
unitScenario("P:webhook", async (context) => {
  await context.step("body and signature verify, under LiveKit's user agent", async () => {
    await using receiver = new WebhookReceiver();
    const world = WebhookWorld.real(receiver.url);
    world.accept("lobby", "EV_0");
    await receiver.event("room_started", ({ id }) => id === "EV_0");
    const [{ headers }] = receiver.requests as [typeof receiver.requests[0]];
    assert.equal(headers.get("User-Agent"), "LiveKit");
    assert.equal(headers.get("Content-Type"), "application/webhook+json");
    await world.close();
    assert.deepEqual(receiver.failures, []);
  });
  await context.step("what is dropped because of depth or age is accounted for", async () => {
    const world = new WebhookWorld({ maxDepth: 2 });
    world.behave = () => world.now < 40_000 ? "down" : 200;
    for (let n = 0; n < 5; n++) world.accept("lobby", `EV_${n}`);
    await world.pass(100_000);
    assert.deepEqual(world.counts, { "queue is full": 2, failed: 1, delivered: 1, age: 1 });
    assert.equal(world.delivered[0]!.event.numDropped, 3);
    world.accept("lobby", "EV_5");
    await world.pass(100);
    assert.equal(world.delivered[1]!.event.numDropped, 1);
  });
  await context.step("closing drains, and a hanging receiver ends it by force", async () => {
    const draining = new WebhookWorld();
    for (let n = 0; n < 20; n++) draining.accept("lobby", `EV_${n}`);
    const drained = draining.endpoint.close(5_000);
    await draining.pass(100);
    await drained;
    assert.equal(draining.delivered.length, 20);
    const hanging = new WebhookWorld();
    hanging.behave = () => "hang";
    for (let n = 0; n < 20; n++) hanging.accept("lobby", `EV_${n}`);
    let forced = false;
    hanging.endpoint.close(5_000).then(() => forced = true);
    await hanging.pass(4_900);
    assert.equal(forced, false);
    await hanging.pass(200);
    assert.equal(forced, true);
    assert.equal(hanging.counts.shutdown, 20);
  });
  await context.step("a request that is not answered in time fails", async () => {
    const world = new WebhookWorld({ maxAgeMs: 1 });
    world.behave = () => "hang";
    world.accept("lobby", "EV_0");
    await world.pass(120_000);
    assert.deepEqual(world.counts, { failed: 1 });
  });
  await context.step("filters include, else exclude; include wins", async () => {
    const filter = { include: ["room_started"], exclude: ["room_started", "room_finished"] };
    for (
      const [used, expected] of [
        [{ include: [], exclude: [] }, 2],
        [{ ...filter, exclude: [] }, 1],
        [{ ...filter, include: [] }, 0],
        [filter, 1],
      ] as const
    ) {
      const world = new WebhookWorld({ filter: used });
      world.accept("lobby", "EV_0", "room_started");
      world.accept("lobby", "EV_1", "room_finished");
      await world.pass(100);
      assert.equal(world.delivered.length, expected);
    }
  });
});
