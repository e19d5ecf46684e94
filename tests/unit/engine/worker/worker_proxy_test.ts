import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import { LoadMeter } from "../../../../lib/engine/worker/load_meter.ts";
import { RestartDelay } from "../../../../lib/engine/pool/restart_delay.ts";
import { TurnOutbox } from "../../../../lib/engine/worker/turn_outbox.ts";
import { WorkerProxy, type WorkerThread } from "../../../../lib/engine/worker/worker_proxy.ts";
import type { FromWorker, ToWorker } from "../../../../lib/engine/worker/worker_messages.ts";
import { FAKE_ENGINE_READY } from "../../../support/virtual/fake_engine.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** A worker that does what the test says. */
class FakeThread implements WorkerThread {
  readonly batches: (readonly ToWorker[])[] = [];
  terminated = false;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;

  postMessage(message: unknown): void {
    this.batches.push(structuredClone(message) as ToWorker[]);
  }

  terminate(): void {
    this.terminated = true;
  }

  say(...batch: FromWorker[]): void {
    this.onmessage?.(new MessageEvent("message", { data: structuredClone(batch) }));
  }

  fail(message: string): void {
    this.onerror?.(new ErrorEvent("error", { message, cancelable: true }));
  }
}

const STARTED: FromWorker = { type: "started", ready: FAKE_ENGINE_READY };
const LOAD: FromWorker = { type: "load", load: { busy: 0.5, packetsOutPerS: 10 } };

function world() {
  const platform = new VirtualPlatform();
  const thread = new FakeThread();
  const drops = new DropCounters();
  const setup = { udp: [], advertised: [] };
  const engine = new WorkerProxy({ platform, setup, drops, spawn: () => thread });
  const lost: string[] = [];
  engine.onLost = (reason) => lost.push(reason);
  const start = async () => {
    const ready = engine.start();
    thread.say(STARTED);
    await ready;
  };
  return { platform, thread, drops, engine, lost, start };
}

Deno.test("WorkerProxy posts what one turn sends as one message, in order", async () => {
  const { thread, engine, start } = world();
  await start();
  assert.deepEqual(thread.batches.map((batch) => batch.map(({ type }) => type)), [["start"]]);
  for (const request of [1, 2, 3]) engine.send({ type: "request_stats", request });
  engine.sendTcp({ type: "tcp_ended", path: 7 });
  assert.equal(thread.batches.length, 1);
  await settle();
  assert.deepEqual(thread.batches[1], [
    ...[1, 2, 3].map((request) => ({
      type: "command",
      command: { type: "request_stats", request },
    })),
    { type: "tcp", message: { type: "tcp_ended", path: 7 } },
  ]);
});

Deno.test("WorkerProxy is lost once after 6 s without a sign of life, and then says nothing", async () => {
  const { platform, thread, engine, lost, start } = world();
  await start();
  for (let i = 0; i < 40; i++) {
    platform.advance(500);
    thread.say(LOAD);
  }
  assert.deepEqual(lost, []);
  platform.advance(5_500);
  assert.deepEqual(lost, []);
  platform.advance(2_000);
  assert.deepEqual(lost, ["it gave no sign of life"]);
  assert.equal(thread.terminated, true);
  engine.onEvent = () => assert.fail("an event of a lost worker");
  thread.say({ type: "event", event: { type: "audio_levels", levels: [] } });
  thread.fail("late");
  await engine.close();
  assert.equal(lost.length, 1);
  assert.equal(platform.pendingTimers, 0);
});

Deno.test("WorkerProxy forgives silence while this thread stood still", async () => {
  const { platform, thread, lost, start } = world();
  await start();
  platform.stall(60_000);
  platform.advance(0);
  thread.say(LOAD);
  platform.advance(4_000);
  assert.deepEqual(lost, []);
});

Deno.test("WorkerProxy.start() rejects with the worker's own error, or when it fails or stays silent", async () => {
  const refused = world();
  const refusal = refused.engine.start();
  refused.thread.say({ type: "refused", code: "address_in_use", message: "taken" });
  await assert.rejects(refusal, { code: "address_in_use", message: "taken" });
  const failing = world();
  const failure = failing.engine.start();
  failing.thread.fail("no such module");
  await assert.rejects(failure, { code: "worker_failed", message: /no such module/ });
  const silent = world();
  const silence = silent.engine.start();
  silent.platform.advance(60_000);
  await assert.rejects(silence, { code: "worker_failed" });
  for (const { thread, lost, platform } of [refused, failing, silent]) {
    assert.equal(thread.terminated, true);
    assert.deepEqual(lost, [], "start has told it");
    assert.equal(platform.pendingTimers, 0);
  }
});

Deno.test("WorkerProxy.close() waits for the goodbyes, but not for ever", async () => {
  const polite = world();
  await polite.start();
  const closed = polite.engine.close();
  await settle();
  assert.deepEqual(polite.thread.batches.at(-1), [{ type: "close" }]);
  polite.thread.say({ type: "closed" });
  await closed;
  const hung = world();
  await hung.start();
  const ended = hung.engine.close();
  hung.platform.advance(2_000);
  await ended;
  for (const { thread, lost, platform } of [polite, hung]) {
    assert.equal(thread.terminated, true);
    assert.deepEqual(lost, []);
    assert.equal(platform.pendingTimers, 0);
  }
});

Deno.test("WorkerProxy adds the worker's drops, and a listener that throws keeps nobody from theirs", async () => {
  const { thread, drops, engine, start } = world();
  await start();
  const heard: string[] = [];
  engine.onEvent = (event) => {
    if (!("connection" in event)) return;
    heard.push(event.connection);
    if (event.connection === "broken") throw new Error("a listener's bug");
  };
  const lost = (connection: string): FromWorker => ({
    type: "event",
    event: { type: "connection_lost", connection: connection as ConnectionId },
  });
  thread.say(lost("broken"), { type: "drops", drops: { rtp_malformed: 3 } }, lost("whole"));
  assert.deepEqual(heard, ["broken", "whole"]);
  assert.equal(drops.get("rtp_malformed"), 3);
  assert.equal(drops.get("engine_listener_threw"), 1);
});

Deno.test("TurnOutbox posts nothing without anything to say, and at once when flushed", async () => {
  const posted: (readonly number[])[] = [];
  const outbox = new TurnOutbox<number>((batch) => posted.push(batch));
  outbox.flush();
  outbox.push(1);
  outbox.push(2);
  outbox.flush();
  outbox.push(3);
  await settle();
  assert.deepEqual(posted, [[1, 2], [3]]);
});

Deno.test("LoadMeter.read() takes what was measured, or lateness if that is more", () => {
  const meter = new LoadMeter(1_000_000);
  const first = meter.read({ busyUs: 250_000, packetsOut: 500 }, 500, 1_500_000);
  assert.deepEqual(first, { busy: 0.5, packetsOutPerS: 1000 });
  const late = meter.read({ busyUs: 260_000, packetsOut: 500 }, 500, 3_500_000);
  assert.deepEqual(late, { busy: 0.75, packetsOutPerS: 0 });
});

Deno.test("RestartDelay grows while an engine is lost again and again, and not after a long life", () => {
  const delay = new RestartDelay(0);
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map((now) => delay.lost(now)), [
    ...[100, 400, 1_600, 6_400, 25_600, 30_000, 30_000],
  ]);
  delay.started(1_000);
  assert.equal(delay.lost(60_999), 30_000);
  delay.started(100_000);
  assert.equal(delay.lost(160_000), 100);
});
