/** How bursts are spread, what they consist of, and when they end. */
import assert from "node:assert/strict";
import type { ProbeCluster } from "../../../lib/bandwidth/probe_cluster.ts";
import { NO_CLUSTER } from "../../../lib/base/packet_sink.ts";
import { ProbeSender } from "../../../lib/bandwidth/probe_sender.ts";

const PACKET_BYTES = 1_000;

function setup() {
  const begun: number[] = [];
  const estimate = {
    probe: undefined as ProbeCluster | undefined,
    begun: (cluster: number) => void begun.push(cluster),
  };
  const state = { canPad: true, padded: 0, now: 0, most: 0 };
  const sender: ProbeSender = new ProbeSender((_now, most) => {
    state.most = most;
    if (!state.canPad) return false;
    state.padded++;
    if (sender.cluster !== NO_CLUSTER) sender.sent(PACKET_BYTES, state.now);
    return true;
  });
  /** Padding of each turn, at 10 ms, from `from` to before `to`. */
  const run = (from: number, to: number) => {
    const perTurn: number[] = [];
    for (let now = from; now < to; now += 10) {
      const before = state.padded;
      state.now = now;
      if (now >= sender.nextWakeAt(estimate)) sender.tick(estimate, now);
      perTurn.push(state.padded - before);
    }
    return perTurn;
  };
  return { begun, estimate, state, sender, run };
}

const PROBE: ProbeCluster = { cluster: 7, bps: 2_400_000, packets: 5, bytes: 9_000 };

Deno.test("ProbeSender sends a burst at its rate until all of it has left, once", () => {
  const { begun, estimate, state, sender, run } = setup();
  assert.equal(sender.nextWakeAt(estimate), Infinity);
  estimate.probe = PROBE;
  // One to measure from; then 300 bytes a ms, in turns of 10 ms: 3,000 bytes each.
  assert.deepEqual(run(100, 170), [1, 3, 3, 3, 0, 0, 0]);
  assert.deepEqual(begun, [7]);
  assert.equal(sender.cluster, NO_CLUSTER);
  estimate.probe = { ...PROBE, cluster: 8 };
  run(200, 300);
  assert.deepEqual(begun, [7, 8]);
  assert.equal(state.padded, 20);
});

Deno.test("ProbeSender asks for small packets where few bytes are wanted", () => {
  const { estimate, state, run } = setup();
  estimate.probe = { cluster: 1, bps: 400_000, packets: 5, bytes: 1_000 };
  run(0, 20);
  assert.ok(state.most >= 200 && state.most <= 300, `${state.most} bytes, of 5 in 1,000`);
  estimate.probe = { ...PROBE, cluster: 2 };
  run(20, 40);
  assert.ok(state.most >= 1_500, `${state.most} bytes, of 5 in 9,000`);
});

Deno.test("ProbeSender counts media that leaves meanwhile, and goes on until there were enough packets", () => {
  const { estimate, state, sender, run } = setup();
  estimate.probe = PROBE;
  run(100, 110);
  for (let i = 0; i < 4; i++) sender.sent(1_000, 105);
  assert.deepEqual(run(110, 150), [0, 2, 3, 0], "4,000 bytes by then, of 9,000 due after 30 ms");
  estimate.probe = { cluster: 9, bps: 800_000, packets: 12, bytes: 1_000 };
  const before = state.padded;
  run(200, 600);
  assert.equal(state.padded - before, 12);
});

Deno.test("ProbeSender ends at once with what wanted it, and soon if there is nothing more to send", () => {
  const { estimate, state, sender, run } = setup();
  estimate.probe = PROBE;
  run(100, 110);
  estimate.probe = undefined;
  sender.tick(estimate, 112);
  assert.equal(sender.cluster, NO_CLUSTER);
  assert.deepEqual(run(120, 150), [0, 0, 0]);
  state.canPad = false;
  estimate.probe = { ...PROBE, cluster: 8 };
  run(200, 220);
  assert.equal(sender.cluster, 8, "it can still begin, with media");
  sender.sent(1_000, 220);
  run(230, 270);
  assert.equal(sender.cluster, NO_CLUSTER);
  assert.equal(sender.nextWakeAt(estimate), Infinity, "nobody is woken for it again");
  estimate.probe = { ...PROBE, cluster: 9 };
  run(300, 320);
  estimate.probe = undefined;
  run(320, 330);
  assert.equal(sender.cluster, NO_CLUSTER, "it is not wanted any more");
});

Deno.test("ProbeSender keeps its rate however late turns come, and leaves no packet for one turn more", () => {
  // When turns came on a machine with too few cores, ms after the burst's first packet.
  for (const turns of [[19, 40], [12, 33], [20, 41], [9, 24], [35], [7, 14, 21]]) {
    const { estimate, state, sender } = setup();
    estimate.probe = { cluster: 3, bps: 2_203_000, packets: 5, bytes: 5_508 };
    sender.tick(estimate, state.now = 1_000);
    let [lastMs, bytes] = [0, 0];
    for (const turn of turns) {
      const before = state.padded;
      sender.tick(estimate, state.now = 1_000 + turn);
      if (state.padded === before) continue;
      lastMs = turn;
      bytes += (state.padded - before) * PACKET_BYTES;
    }
    assert.equal(sender.cluster, NO_CLUSTER, `${turns}: it has ended`);
    const bps = bytes * 8_000 / lastMs;
    assert.ok(bps >= 2_203_000, `${turns}: left at ${bps}`);
    assert.ok(bytes <= 12_000, `${turns}: ${bytes} bytes`);
  }
});

Deno.test("ProbeSender leaves turns out in which nothing can be padded, and keeps its rate", () => {
  const { estimate, state, sender, run } = setup();
  estimate.probe = PROBE;
  assert.deepEqual(run(100, 120), [1, 3]);
  state.canPad = false;
  assert.deepEqual(run(120, 140), [0, 0]);
  assert.equal(sender.cluster, 7);
  state.canPad = true;
  assert.deepEqual(run(140, 160), [9, 0], "300 bytes a ms for 40 ms, of which 3,000 have left");
  assert.equal(sender.cluster, NO_CLUSTER);
});

Deno.test("ProbeSender's patience begins anew when media has left as much as was due", () => {
  const { estimate, state, sender, run } = setup();
  estimate.probe = { cluster: 4, bps: 800_000, packets: 5, bytes: 9_000 };
  assert.deepEqual(run(100, 110), [1]);
  state.canPad = false;
  // 100 bytes a ms: nothing goes between frames at 110 ms, and media covers 30 ms from then on.
  run(110, 120);
  for (let i = 0; i < 4; i++) sender.sent(1_000, 115);
  assert.deepEqual(run(120, 160), [0, 0, 0, 0]);
  assert.equal(sender.cluster, 4, "stuck for one turn again");
  state.canPad = true;
  assert.deepEqual(run(160, 170), [2], "6,000 are due, of which 4,000 have left");
  state.canPad = false;
  run(170, 220);
  assert.equal(sender.cluster, NO_CLUSTER, "and for good");
});
