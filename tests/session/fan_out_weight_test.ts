/** What one request of one client makes of messages to others, and of work for all of them. */
import assert from "node:assert/strict";
import {
  LeaveRequest,
  ParticipantInfo_State as State,
  PublishDataTrackRequest,
  SimulateScenario,
  SubscriptionPermission,
  UnpublishDataTrackRequest,
  UpdateDataSubscription,
  UpdateDataSubscription_Update as Update,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const AUTO = { autoSubscribeDataTrack: true };

async function crowd(world: World, count: number): Promise<ScriptedClient[]> {
  const others: ScriptedClient[] = [];
  for (let i = 0; i < count; i++) others.push(await world.joined(`other${i}`, AUTO));
  return others;
}

async function publish(client: ScriptedClient, pubHandle: number): Promise<string> {
  const value = new PublishDataTrackRequest({ pubHandle, name: `${pubHandle}` });
  await client.request({ case: "publishDataTrackRequest", value });
  return client.last("publishDataTrackResponse").info!.sid;
}

/** What the media plane was told of data tracks by `act`: messages, and receivers named in them. */
async function routed(world: World, act: () => Promise<unknown>) {
  const before = world.engine.of("set_data_track_routes").length;
  await act();
  const told = world.engine.of("set_data_track_routes").slice(before);
  const named = told.flatMap(({ routes }) => routes).flatMap(({ receivers }) => receivers);
  return { messages: told.length, receivers: named.length };
}

Deno.test("a data track that comes or goes is routed once, however many want it", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await crowd(world, 30);
  assert.deepEqual(await routed(world, () => publish(alice, 1)), { messages: 1, receivers: 30 });
  await publish(alice, 2);
  const flip = (allParticipants: boolean) => () =>
    alice.request({
      case: "subscriptionPermission",
      value: new SubscriptionPermission({ allParticipants }),
    });
  assert.deepEqual(await routed(world, flip(false)), { messages: 1, receivers: 0 });
  assert.deepEqual(await routed(world, flip(true)), { messages: 1, receivers: 60 });
  const end = () =>
    alice.request({
      case: "unpublishDataTrackRequest",
      value: new UnpublishDataTrackRequest({ pubHandle: 1 }),
    });
  assert.deepEqual(await routed(world, end), { messages: 1, receivers: 30 });
});

Deno.test("data tracks of very many receivers are not routed anew with each wish about them", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const others = await crowd(world, 20);
  const sids: string[] = [];
  for (let handle = 1; handle <= 60; handle++) sids.push(await publish(alice, handle));
  await world.pass(3_000, 500);
  const [bob] = others;
  const wish = async (subscribe: boolean) => {
    const updates = [new Update({ trackSid: sids[7]!, subscribe })];
    const value = new UpdateDataSubscription({ updates });
    await bob!.request({ case: "updateDataSubscription", value });
  };
  const flood = await routed(world, async () => {
    for (let i = 0; i < 201; i++) await wish(i % 2 === 1);
    await world.pass(2_000, 100);
  });
  assert.ok(flood.receivers <= 40 * 1_200, `${flood.receivers} receivers named`);
  const last = world.engine.of("set_data_track_routes").at(-1)!;
  assert.deepEqual(last.routes.map(({ receivers }) => receivers.length), [
    ...Array(7).fill(20),
    19,
    ...Array(52).fill(20),
  ], "the last wish holds");
});

/** Bytes that `others` are sent while `act` lasts. */
async function sent(others: readonly ScriptedClient[], act: () => Promise<unknown>) {
  const total = () =>
    others.flatMap(({ socket }) => socket.frames).reduce((sum, { length }) => sum + length, 0);
  const before = total();
  await act();
  return total() - before;
}

Deno.test("who speaks for show in a loop is shown as often as others can be told", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const others = await crowd(world, 50);
  await world.pass(6_000, 500);
  const seen = () => others[0]!.all("speakersChanged").length;
  const before = seen();
  const value = new SimulateScenario({ scenario: { case: "speakerUpdate", value: 0 } });
  for (let i = 0; i < 500; i++) {
    await alice.request({ case: "simulate", value });
    await world.pass(2, 2);
  }
  assert.ok(seen() - before <= 500, `${seen() - before} times in a second`);
  assert.ok(world.counters.get("simulated_speech_too_often") > 0);
});

Deno.test("who leaves and comes back in a loop weighs no more than who stays", async () => {
  const world = new World();
  const others = await crowd(world, 10);
  await world.pass(6_000, 500);
  const bytes = await sent(others, async () => {
    for (let i = 0; i < 40; i++) {
      const alice = await world.joined("alice");
      const metadata = "m".repeat(60_000);
      const value = new UpdateParticipantMetadata({ metadata });
      await alice.publishMicrophone();
      await alice.request({ case: "updateMetadata", value });
      await alice.request({ case: "leave", value: new LeaveRequest() });
      await world.pass(25, 25);
    }
  });
  assert.ok(bytes < 4 * 1024 * 1024, `${bytes} bytes in a second`);
  const told = () =>
    others[0]!.all("update").flatMap(({ participants }) => participants)
      .filter(({ identity }) => identity === "alice");
  assert.equal(told().at(-1)!.state, State.DISCONNECTED);
  await world.pass(5_000, 500);
  const alice = await world.joined("alice", { metadata: "here again" });
  await world.pass(3_000, 100);
  assert.equal(told().at(-1)!.metadata, "here again");
  assert.ok(alice.participant.active);
});

Deno.test("who flips what others may have in a loop makes them negotiate twice a second in the long run", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.publishCamera();
  const others = await crowd(world, 10);
  await world.pass(20_000, 500);
  const offers = () => others[0]!.all("offer").length;
  const flips = async (count: number) => {
    for (let i = 1; i <= count; i++) {
      const value = new SubscriptionPermission({ allParticipants: i % 2 === 0 });
      await alice.request({ case: "subscriptionPermission", value });
      await world.pass(10, 10);
    }
  };
  await flips(1_000);
  const before = offers();
  await flips(1_000);
  assert.ok(offers() - before <= 21, `${offers() - before} offers in 10 s`);
  await world.pass(2_000, 100);
  assert.equal(others[0]!.forwarded().length, 1, "the last change holds");
});
