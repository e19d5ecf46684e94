/** What of the main thread one user may take, by whatever door it comes in. */
import assert from "node:assert/strict";
import { SignalRequest, UpdateSubscription } from "@livekit/protocol";
import { FakeSocket, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { fragment, WHIP_OFFER, WhipWorld } from "../support/virtual/whip_world.ts";

const ping = new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary();

/** Time that passes while something is done, and only then. */
function measured(world: World): (us: number) => void {
  const { clock } = world.platform;
  const { nowUs } = clock;
  let spentUs = 0;
  clock.nowUs = () => nowUs() + spentUs;
  return (us) => void (spentUs += us);
}

async function askTwice(world: World, client: ScriptedClient): Promise<void> {
  const value = new UpdateSubscription({ trackSids: ["TR_x"], subscribe: true });
  for (let i = 0; i < 2; i++) {
    await client.request({ case: "subscription", value });
    await world.pass(1, 1);
  }
}

Deno.test("a request that keeps the thread is charged for all of the time that it does", async () => {
  const world = new World();
  const spend = measured(world);
  const alice = await world.joined("alice");
  await world.pass(2_000, 500);
  alice.participant.updateSubscription = () => spend(200_000);
  await askTwice(world, alice);
  alice.socket.onMessage(ping);
  await world.pass(550, 50);
  assert.equal(alice.all("pong").length, 0, "400 ms are a quarter of 1,600, and 250 were left");
  await world.pass(150, 50);
  assert.equal(alice.all("pong").length, 1);
});

Deno.test("who leaves and comes back has of the thread what it had left", async () => {
  const world = new World();
  const spend = measured(world);
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await world.pass(2_000, 500);
  alice.participant.updateSubscription = () => spend(240_000);
  await askTwice(world, alice);
  alice.participant.close(1, "none");
  const admission = () => world.service.admitSession(world.parameters("alice"));
  assert.deepEqual(admission(), {
    ok: false,
    status: 429,
    body: "too many requests",
    retryAfterS: 1,
  });
  assert.equal(world.counters.get("signal_join_too_soon"), 1);
  assert.equal(world.service.admitSession(world.parameters("bob")).ok, true);
  const again = await world.joined("alice");
  again.socket.onMessage(ping);
  bob.socket.onMessage(ping);
  await world.settle();
  assert.deepEqual([again.all("pong").length, bob.all("pong").length], [0, 1]);
  await world.pass(1_100, 100);
  assert.equal(again.all("pong").length, 1);
  assert.equal(admission().ok, true);
});

Deno.test("who comes in again and again is told to come later, and may then", async () => {
  const world = new World();
  let refused = 0;
  for (let i = 0; i < 1_000; i++) {
    if (world.service.admitSession(world.parameters("alice")).ok) await world.open("alice");
    else refused++;
    world.clients.length = 0;
  }
  assert.ok(refused > 800, `${refused} refused`);
  await world.pass(1_000, 1_000);
  assert.equal(world.service.admitSession(world.parameters("alice")).ok, true);
});

Deno.test("large offers over HTTP are refused beyond a user's share, and others' are not", async () => {
  const world = new WhipWorld();
  const large = `${WHIP_OFFER}${`a=${"x".repeat(4_000)}\r\n`.repeat(50)}`;
  const statuses: number[] = [];
  for (let i = 0; i < 50; i++) {
    statuses.push((await world.post(large)).status);
  }
  assert.equal(statuses[0], 201);
  assert.ok(statuses.filter((status) => status === 429).length >= 35, statuses.join());
  const late = await world.post();
  assert.deepEqual([late.status, late.headers.get("Retry-After")], [429, "1"]);
  assert.equal((await world.post(WHIP_OFFER, { token: world.token("other") })).status, 201);
  await world.world.pass(2_000, 500);
  assert.equal((await world.post()).status, 201);
});

Deno.test("changes of a session over HTTP are refused beyond a user's share, but not its end", async () => {
  const world = new WhipWorld();
  const { headers } = await world.post();
  const location = headers.get("Location")!;
  let refused = 0;
  for (let i = 0; i < 5_000 && refused === 0; i++) {
    if ((await world.patch(location, "*", fragment())).status === 429) refused++;
  }
  assert.equal(refused, 1);
  assert.equal((await world.request(location, { method: "DELETE" })).status, 200);
});

Deno.test("counting all tracks for newcomers takes a twentieth of the thread, however many come", async () => {
  const world = new World({}, true, 100);
  const spend = measured(world);
  let counts = 0;
  let tracks = 0;
  world.rooms.trackCount = () => {
    counts++;
    spend(5_000);
    return tracks;
  };
  for (let i = 0; i < 100; i++) {
    assert.equal(world.service.admit(world.parameters("alice")).ok, true);
  }
  assert.equal(counts, 1);
  tracks = 100;
  await world.pass(101, 101);
  assert.equal(world.service.admit(world.parameters("alice")).ok, false);
  assert.equal(counts, 2);
});

Deno.test("who returns after much work is let in at once, however flaky its network is, but not in a loop", async () => {
  const world = new World();
  const spend = measured(world);
  const alice = await world.joined("alice");
  await world.pass(2_000, 500);
  alice.participant.updateSubscription = () => spend(240_000);
  await askTwice(world, alice);
  const join = { ...alice.join, reconnect: true };
  const returns = async () => {
    if (!world.service.admitHere(join).ok || !world.service.admitSession(join).ok) return false;
    alice.socket.onClose();
    alice.socket = new FakeSocket();
    world.service.open(join, alice.socket);
    await world.settle();
    return alice.cases[0] === "reconnect";
  };
  for (let i = 0; i < 5; i++) {
    assert.equal(await returns(), true, `return ${i}`);
    await world.pass(100, 100);
  }
  assert.equal(world.service.admitSession(alice.join).ok, false, "it may not join anew yet");
  let refused = 0;
  for (let i = 0; i < 1_000; i++) refused += await returns() ? 0 : 1;
  assert.ok(refused > 800, `${refused} refused`);
  assert.equal(world.service.admitSession(world.parameters("bob", { reconnect: true })).ok, true);
});
