/** How bursts are spread, what they consist of, and when they end. */
import assert from "node:assert/strict";
import type { ProbeCluster } from "../../../../lib/bandwidth/probe_plan.ts";
import { NO_CLUSTER } from "../../../../lib/base/packet_sink.ts";
import { ProbeSender } from "../../../../lib/engine/local/probe_sender.ts";

const PACKET_BYTES = 1_000;

function setup() {
  const begun: number[] = [];
  const estimate = {
    probe: undefined as ProbeCluster | undefined,
    begun: (cluster: number) => void begun.push(cluster),
  };
  const state = { canPad: true, padded: 0 };
  const sender: ProbeSender = new ProbeSender(() => {
    if (!state.canPad) return false;
    state.padded++;
    if (sender.cluster !== NO_CLUSTER) sender.sent(PACKET_BYTES);
    return true;
  });
  /** Padding of each turn, at 10 ms, from `from` to before `to`. */
  const run = (from: number, to: number) => {
    const perTurn: number[] = [];
    for (let now = from; now < to; now += 10) {
      const before = state.padded;
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
  // 300 bytes a ms, in turns of 10 ms: 3,000 bytes each.
  assert.deepEqual(run(100, 170), [3, 3, 3, 0, 0, 0, 0]);
  assert.deepEqual(begun, [7]);
  assert.equal(sender.cluster, NO_CLUSTER);
  estimate.probe = { ...PROBE, cluster: 8 };
  run(200, 300);
  assert.deepEqual(begun, [7, 8]);
  assert.equal(state.padded, 18);
});

Deno.test("ProbeSender counts media that leaves meanwhile, and goes on until there were enough packets", () => {
  const { estimate, state, sender, run } = setup();
  estimate.probe = PROBE;
  run(100, 110);
  for (let i = 0; i < 4; i++) sender.sent(1_000);
  assert.deepEqual(run(110, 140), [0, 2, 0], "7,000 bytes by then, of 9,000 due after 30 ms");
  estimate.probe = { cluster: 9, bps: 800_000, packets: 12, bytes: 1_000 };
  const before = state.padded;
  run(200, 600);
  assert.equal(state.padded - before, 12);
});

Deno.test("ProbeSender ends at once with what wanted it, and without anything to send", () => {
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
  assert.equal(sender.cluster, NO_CLUSTER);
  assert.equal(sender.nextWakeAt(estimate), Infinity, "nobody is woken for it again");
});
