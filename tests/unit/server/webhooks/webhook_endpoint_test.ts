/** Queues of one webhook URL on virtual time, against receivers that behave and that do not. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { createLog } from "../../../../lib/server/logging.ts";
import {
  REQUEST_TIMEOUT_MS,
  type WebhookEndpointOptions,
} from "../../../../lib/server/webhooks/webhook_endpoint.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { type ReceiverState, WebhookWorld } from "../../../support/virtual/webhook_world.ts";

function ids(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `EV_${from + index}`);
}

Deno.test("WebhookEndpoint delivers the events of a room in the order they came", async () => {
  const world = new WebhookWorld();
  for (const id of ids(0, 20)) world.accept("lobby", id);
  await world.pass(50);
  assert.deepEqual(world.ids(), ids(0, 20));
  assert.equal(world.counts.delivered, 20);
  assert.deepEqual(world.queueLengths, [0, ...ids(1, 20).map((_, index) => 18 - index)]);
});

Deno.test("WebhookEndpoint keeps nothing of a room whose events are delivered", async () => {
  const world = new WebhookWorld();
  for (let room = 0; room < 50; room++) world.accept(`room ${room}`, "EV_1");
  assert.equal(world.endpoint.busyQueues, 50);
  await world.pass(50);
  assert.equal(world.endpoint.busyQueues, 0);
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("WebhookEndpoint loses nothing while the receiver is down for 10 s", async () => {
  const world = new WebhookWorld();
  world.behave = () => world.platform.clock.now() < 10_000 ? "down" : 200;
  for (let at = 0; at < 10; at++) {
    world.accept("lobby", `EV_${at}`);
    await world.pass(1_000);
  }
  await world.pass(20_000);
  assert.deepEqual(world.ids(), ids(0, 10));
  assert.ok(world.delivered.every(({ event }) => event.numDropped === 0));
});

Deno.test("WebhookEndpoint loses nothing while the receiver is down for 25 s", async () => {
  const world = new WebhookWorld();
  world.behave = () => world.platform.clock.now() < 25_000 ? 500 : 200;
  for (const id of ids(0, 5)) world.accept("lobby", id);
  await world.pass(31_000);
  assert.deepEqual(world.ids(), ids(0, 5));
});

Deno.test("WebhookEndpoint retries after 1, 2, 4 and 8 s and then until the window closes", async () => {
  const world = new WebhookWorld();
  world.behave = () => 500;
  world.accept("lobby", "EV_0");
  await world.pass(60_000);
  assert.deepEqual(world.requests.map(({ at }) => at), [
    ...[0, 1_000, 3_000, 7_000, 15_000],
    ...[20_000, 25_000, 30_000],
  ]);
  assert.deepEqual(world.counts, { failed: 1 });
  assert.equal(world.endpoint.busyQueues, 0);
});

Deno.test("WebhookEndpoint retries four times where the window is short", async () => {
  const world = new WebhookWorld({ maxAgeMs: 500 });
  world.behave = () => 503;
  world.accept("lobby", "EV_0");
  await world.pass(60_000);
  assert.deepEqual(world.requests.map(({ at }) => at), [0, 1_000, 3_000, 7_000, 15_000]);
});

for (const status of [429, 500, 502, 503]) {
  Deno.test(`WebhookEndpoint tries again after status ${status}`, async () => {
    const world = new WebhookWorld();
    world.behave = () => world.requests.length === 1 ? status : 200;
    world.accept("lobby", "EV_0");
    await world.pass(1_100);
    assert.deepEqual(world.ids(), ["EV_0"]);
  });
}

for (const status of [301, 400, 401, 404, 410, 501]) {
  Deno.test(`WebhookEndpoint does not try again after status ${status}, and goes on`, async () => {
    const world = new WebhookWorld();
    world.behave = ({ id }) => id === "EV_0" ? status : 200;
    for (const id of ids(0, 2)) world.accept("lobby", id);
    await world.pass(100);
    assert.deepEqual(world.requests.map(({ event }) => event.id), ids(0, 2));
    assert.deepEqual(world.counts, { failed: 1, delivered: 1 });
  });
}

Deno.test("WebhookEndpoint waits as long as Retry-After asks, up to 30 s", async () => {
  for (const [asked, waited] of [["7", 7_000], ["3600", 30_000], ["soon", 1_000]] as const) {
    const at: number[] = [];
    const world: WebhookWorld = new WebhookWorld({
      fetch: () => {
        at.push(world.platform.clock.now());
        const status = at.length === 1 ? 429 : 200;
        return Promise.resolve(new Response(null, { status, headers: { "Retry-After": asked } }));
      },
    });
    world.accept("lobby", "EV_0");
    await world.pass(31_000);
    assert.deepEqual(at, [0, waited], asked);
  }
});

Deno.test("WebhookEndpoint drops what waited longer than the window and says how much", async () => {
  const world = new WebhookWorld();
  world.behave = () => world.platform.clock.now() < 50_000 ? "down" : 200;
  for (const id of ids(0, 2)) world.accept("lobby", id);
  await world.pass(10_000);
  for (const id of ids(2, 4)) world.accept("lobby", id);
  await world.pass(50_000);
  assert.deepEqual(world.ids(), []);
  // The second is just young enough to be begun with, and fails by itself.
  assert.deepEqual(world.counts, { failed: 2, age: 2 });
  for (const id of ids(4, 6)) world.accept("lobby", id);
  await world.pass(100);
  assert.deepEqual(world.ids(), ids(4, 6));
  assert.deepEqual(world.delivered.map(({ event }) => event.numDropped), [4, 0]);
});

Deno.test("WebhookEndpoint drops the newest when a queue is full", async () => {
  const world = new WebhookWorld({ maxDepth: 5 });
  world.behave = () => world.platform.clock.now() < 500 ? "down" : 200;
  // One is being sent and does not wait.
  for (const id of ids(0, 10)) world.accept("lobby", id);
  world.accept("other", "EV_x");
  await world.pass(2_000);
  assert.deepEqual(world.ids("lobby"), ids(0, 6));
  assert.deepEqual(world.ids("other"), ["EV_x"]);
  assert.equal(world.counts["queue is full"], 4);
  const told = world.delivered.reduce((sum, { event }) => sum + event.numDropped, 0);
  assert.equal(told, 4);
});

Deno.test("WebhookEndpoint tells drops again when the event that told of them was lost", async () => {
  const world = new WebhookWorld({ maxDepth: 1, maxAgeMs: 500 });
  world.behave = () => world.platform.clock.now() < 20_000 ? "down" : 200;
  for (const id of ids(0, 4)) world.accept("lobby", id);
  await world.pass(40_000);
  assert.deepEqual(world.counts, { "queue is full": 2, failed: 1, age: 1 });
  world.accept("lobby", "EV_4");
  await world.pass(100);
  assert.equal(world.delivered.at(-1)!.event.numDropped, 4);
});

Deno.test("WebhookEndpoint sends the same bytes on every attempt of an event", async () => {
  const bodies: string[] = [];
  const world = new WebhookWorld({
    fetch: (_url, init) => {
      bodies.push(new TextDecoder().decode(init.body as Uint8Array));
      return Promise.resolve(new Response(null, { status: 500 }));
    },
  });
  world.accept("lobby", "EV_0");
  await world.pass(8_000);
  assert.equal(bodies.length, 4);
  assert.equal(new Set(bodies).size, 1);
});

Deno.test("WebhookEndpoint is not held up in one room by a receiver that hangs on another", async () => {
  const world = new WebhookWorld();
  world.behave = ({ room }) => room!.name === "stuck" ? "hang" : 200;
  for (const id of ids(0, 3)) world.accept("stuck", id);
  for (const id of ids(0, 3)) world.accept("free", id);
  await world.pass(50);
  assert.deepEqual(world.ids("free"), ids(0, 3));
  assert.deepEqual(world.ids("stuck"), []);
});

Deno.test("WebhookEndpoint tries again when the receiver has hung for the request's time", async () => {
  const world = new WebhookWorld();
  world.behave = () => world.requests.length === 1 ? "hang" : 200;
  for (const id of ids(0, 2)) world.accept("lobby", id);
  await world.pass(REQUEST_TIMEOUT_MS + 2_000, 100);
  assert.deepEqual(world.ids(), ids(0, 2));
  assert.equal(world.delivered[0]!.at, REQUEST_TIMEOUT_MS + 1_000);
});

Deno.test("WebhookEndpoint gives up a receiver that ignores the end of a request, too", async () => {
  const world = new WebhookWorld({ fetch: () => new Promise(() => {}) });
  world.accept("lobby", "EV_0");
  await world.pass(120_000, 1_000);
  assert.deepEqual(world.counts, { failed: 1 });
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("WebhookEndpoint has a bounded number of requests open, and serves every room in the end", async () => {
  const world = new WebhookWorld();
  world.behave = () => world.platform.clock.now() < 5_000 ? "hang" : 200;
  for (let room = 0; room < 400; room++) world.accept(`room ${room}`, `EV_${room}`);
  await world.pass(15_000);
  assert.equal(world.mostOpen, 128);
  assert.equal(new Set(world.ids()).size, 400);
});

Deno.test("WebhookEndpoint lets through what the filter includes, else what it does not exclude", async () => {
  const sent = ["room_started", "participant_joined", "room_finished"];
  const cases: [WebhookEndpointOptions["filter"], string[]][] = [
    [{ include: [], exclude: [] }, sent],
    [{ include: ["room_finished"], exclude: [] }, ["room_finished"]],
    [{ include: [], exclude: ["room_finished"] }, ["room_started", "participant_joined"]],
    [{ include: ["room_started"], exclude: ["room_started"] }, ["room_started"]],
  ];
  for (const [filter, expected] of cases) {
    const world = new WebhookWorld({ filter });
    for (const event of sent) world.accept("lobby", event, event);
    await world.pass(50);
    assert.deepEqual(world.ids(), expected);
  }
});

Deno.test("WebhookEndpoint.close() sends what waits and takes nothing more in", async () => {
  const world = new WebhookWorld();
  for (const id of ids(0, 20)) world.accept("lobby", id);
  const closing = world.endpoint.close(2_000);
  world.accept("lobby", "EV_late");
  await world.pass(50);
  await closing;
  assert.deepEqual(world.ids(), ids(0, 20));
  assert.equal(world.counts.shutdown, 1);
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("WebhookEndpoint.close() tries once more at once instead of waiting for a retry", async () => {
  const world = new WebhookWorld();
  world.behave = () => "down";
  world.accept("lobby", "EV_0");
  await world.pass(8_000);
  assert.equal(world.requests.length, 4);
  const closing = world.endpoint.close(2_000);
  await world.pass(10);
  await closing;
  assert.equal(world.requests.length, 5);
  assert.equal(world.counts.shutdown, 1);
});

Deno.test("WebhookEndpoint.close() ends in time when the receiver hangs, and counts what it drops", async () => {
  const world = new WebhookWorld();
  world.behave = () => "hang";
  for (const id of ids(0, 7)) world.accept("lobby", id);
  await world.pass(10);
  let closedAt: number | undefined;
  world.endpoint.close(2_000).then(() => closedAt = world.platform.clock.now());
  await world.pass(3_000);
  assert.equal(closedAt, 2_010);
  assert.equal(world.counts.shutdown, 7);
  assert.equal(world.platform.pendingTimers, 0);
  assert.equal(world.open, 0);
});

Deno.test("WebhookEndpoint delivers in order and accounts for every event, whatever the receiver does", async () => {
  const behaviour = fc.constantFrom<ReceiverState>(200, 200, 200, 500, 429, 404, "down", "hang");
  const step = fc.record({
    room: fc.constantFrom("a", "b", "c"),
    pauseMs: fc.integer({ min: 0, max: 4_000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.array(behaviour, { minLength: 1, maxLength: 30 }),
      async (steps, behaviours) => {
        const world = new WebhookWorld({ maxDepth: 5 });
        world.behave = () => behaviours[world.requests.length % behaviours.length]!;
        for (const [index, { room, pauseMs }] of steps.entries()) {
          world.accept(room, String(index));
          await world.pass(pauseMs, 500);
        }
        await world.pass(200_000, 1_000);
        assert.equal(world.endpoint.busyQueues, 0);
        assert.equal(world.platform.pendingTimers, 0);
        for (const room of ["a", "b", "c"]) {
          const numbers = world.ids(room).map(Number);
          assert.deepEqual(numbers, [...new Set(numbers)].sort((x, y) => x - y));
        }
        const total = Object.values(world.counts).reduce((sum, count) => sum + count, 0);
        assert.equal(total, steps.length);
      },
    ),
    { seed: 20_260_101, numRuns: 40 },
  );
});

/** The endpoint's log lines: message, host and how many were lost. */
function logged() {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  const told = () =>
    lines.map((line) => JSON.parse(line)).map(({ message, host, lost }) => [message, host, lost]);
  return { lines, log, told };
}

Deno.test("WebhookEndpoint names the host that fails, and nothing else of its URL, and counts losses", async () => {
  const { lines, log, told } = logged();
  const world = new WebhookWorld({
    url: "https://user:password@hooks.example:8443/secret/path?token=hidden#more",
    platform: { ...new VirtualPlatform(), log },
    maxDepth: 3,
  });
  const host = "hooks.example:8443";
  world.behave = () => 404;
  for (const id of ids(0, 12)) {
    world.accept("lobby", id);
    await settle();
  }
  const failing = [
    ["webhook not delivered", host, 0],
    ["webhook events are lost", host, 1],
    ["webhook events are lost", host, 10],
  ];
  assert.deepEqual(told(), failing);
  world.behave = () => 200;
  world.accept("lobby", "EV_20");
  await settle();
  assert.deepEqual(told(), [...failing, ["webhooks are delivered again", host, 12]]);
  for (const hidden of ["user", "password", "secret", "token", "hidden", "more"]) {
    assert.ok(!lines.join("").includes(hidden), hidden);
  }
});

Deno.test("WebhookEndpoint.close() says how many events were lost with it, also at an address", async () => {
  const { log, told } = logged();
  const platform = new VirtualPlatform();
  const world = new WebhookWorld({ url: "http://192.0.2.7/x", platform: { ...platform, log } });
  world.behave = () => "hang";
  for (const id of ids(0, 3)) world.accept("lobby", id);
  const closing = world.endpoint.close(1_000);
  await settle();
  platform.advance(1_000);
  await closing;
  const lines = told();
  assert.deepEqual(lines.at(-1), ["webhook events were lost", "192.0.2.7", 3]);
  const quiet = logged();
  const idle = new WebhookWorld({ platform: { ...platform, log: quiet.log } });
  await idle.endpoint.close(1_000);
  assert.deepEqual(quiet.told(), []);
});
