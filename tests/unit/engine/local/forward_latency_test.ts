import assert from "node:assert/strict";
import { ForwardLatency } from "../../../../lib/engine/local/forward_latency.ts";

/** Receives one packet that makes so many copies, in a batch of its own that takes so long. */
function forward(latency: ForwardLatency, at: number, copies: number, tookUs: number): void {
  latency.received(at);
  for (let copy = 0; copy < copies; copy++) latency.copied();
  if (latency.isWatching) latency.batchEnded(at + tookUs);
}

Deno.test("ForwardLatency.take() gives one sample in 61 packets, and each once", () => {
  const latency = new ForwardLatency();
  for (let n = 0; n < 61 * 3; n++) forward(latency, n * 1_000, 2, n);
  assert.deepEqual(latency.take(), [0, 61, 122]);
  assert.deepEqual(latency.take(), []);
  forward(latency, 1_000_000, 1, 7);
  assert.deepEqual(latency.take(), [7]);
});

Deno.test("ForwardLatency leaves out packets that nobody receives", () => {
  const latency = new ForwardLatency();
  for (let n = 0; n < 61 * 2; n++) forward(latency, n * 1_000, n < 61 ? 0 : 1, 5);
  assert.deepEqual(latency.take(), [5]);
});

Deno.test("ForwardLatency watches one packet of a large batch until the batch's end", () => {
  const latency = new ForwardLatency();
  for (let n = 0; n < 200; n++) {
    latency.received(100 + n);
    latency.copied();
  }
  assert.equal(latency.isWatching, true);
  latency.batchEnded(1_100);
  assert.equal(latency.isWatching, false);
  latency.batchEnded(9_999);
  assert.deepEqual(latency.take(), [1_000]);
});

Deno.test("ForwardLatency keeps a bounded number of samples between two looks", () => {
  const latency = new ForwardLatency();
  for (let n = 0; n < 61 * 2_000; n++) forward(latency, n, 1, 3);
  assert.equal(latency.take().length, 1_024);
});
