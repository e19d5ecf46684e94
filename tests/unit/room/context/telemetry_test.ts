/** The port of figures: who hears what, and that nobody is harmed. */
import assert from "node:assert/strict";
import { TrackType } from "@livekit/protocol";
import { NO_TELEMETRY, telemetryOf } from "../../../../lib/room/context/telemetry.ts";

Deno.test("telemetryOf() tells each listener the figures it wants, in order, as they are", () => {
  const told: unknown[] = [];
  const telemetry = telemetryOf([
    { subscription: (...values) => told.push(["first", ...values]) },
    {
      subscription: (...values) => told.push(["second", ...values]),
      publishCanceled: (...values) => told.push(["second", ...values]),
    },
  ], assert.fail);
  telemetry.subscription("attempt");
  telemetry.publishCanceled(TrackType.VIDEO, 2);
  telemetry.webhookQueue(7);
  assert.deepEqual(told, [
    ["first", "attempt"],
    ["second", "attempt"],
    ["second", TrackType.VIDEO, 2],
  ]);
});

Deno.test("telemetryOf() calls listeners as methods: they may be classes", () => {
  class Counter {
    total = 0;
    webhookQueue(length: number): void {
      this.total += length;
    }
  }
  const counter = new Counter();
  const { webhookQueue } = telemetryOf([counter], assert.fail);
  webhookQueue(3);
  webhookQueue(4);
  assert.equal(counter.total, 7);
});

Deno.test("telemetryOf() keeps what a listener throws from who tells, and from the other listeners", () => {
  const bug = new Error("a listener's bug");
  const thrown: unknown[] = [];
  let heard = 0;
  const telemetry = telemetryOf([
    {
      signalConnected: () => {
        throw bug;
      },
    },
    { signalConnected: () => heard++ },
  ], (figure, error) => thrown.push([figure, error]));
  telemetry.signalConnected();
  telemetry.signalConnected();
  assert.equal(heard, 2);
  assert.deepEqual(thrown, [["signalConnected", bug], ["signalConnected", bug]]);
});

Deno.test("A figure nobody wants costs no more than the null twin's", () => {
  const telemetry = telemetryOf([{ webhookQueue: () => {} }], assert.fail);
  for (const figure of Object.keys(NO_TELEMETRY) as (keyof typeof NO_TELEMETRY)[]) {
    if (figure === "webhookQueue") assert.notEqual(telemetry[figure], NO_TELEMETRY[figure]);
    else assert.equal(telemetry[figure], NO_TELEMETRY[figure]);
  }
});
