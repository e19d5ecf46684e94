/**
 * The cases of RFC 8867 §5.1–5.8, with what is asked of each as gates. Propagation is 50 ms, queues
 * drop at their tail after 300 ms, sources follow the estimate as an encoder does.
 *
 * @module
 */
import * as figures from "./congestion_figures.ts";
import {
  caseOf,
  type CongestionCase,
  link,
  type Outcome,
  rates,
  runFlows,
  seeded,
  wideLink,
} from "./congestion_run.ts";
import { ElasticSource } from "./elastic_source.ts";
import type { Link } from "./link.ts";
import { type FlowOptions, MediaFlow, type Sample } from "./media_flow.ts";
import { TcpFlow } from "./tcp_flow.ts";

const { atLeast, atMost, between, figuresOf, jainOf, meanOf } = figures;
const DELAY_MS = 50;
const MAX_BPS = 5e6;
/** A fall has this long before the queue has to be short again, ms. */
const AFTER_FALL_MS = 3_000;

interface Phase {
  readonly fromS: number;
  readonly toS: number;
  readonly mbps: number;
}

function phases(steps: readonly (readonly [number, number])[], endS: number): Phase[] {
  return steps.map(([fromS, mbps], i) => ({ fromS, toS: steps[i + 1]?.[0] ?? endS, mbps }));
}

function flow(
  forward: Link,
  chance: () => number,
  more: Partial<FlowOptions> = {},
): MediaFlow {
  const source = new ElasticSource(MAX_BPS, chance);
  return new MediaFlow({ forward, back: wideLink(chance), delayMs: DELAY_MS, source, ...more });
}

/** How well one flow follows a link's rate: up in 10 s, down in 2, no queue, no loss. */
function followGates(one: MediaFlow, steps: readonly Phase[]): figures.Gate[] {
  const gates: figures.Gate[] = [];
  const waits: number[] = [];
  for (const [i, { fromS, toS, mbps }] of steps.entries()) {
    const bps = mbps * 1e6;
    const isFall = i > 0 && mbps < steps[i - 1]!.mbps;
    if (isFall) {
      const downS = figures.reachedS(one, fromS * 1000, (estimate) => estimate <= bps * 1.05);
      gates.push(atMost(`down to ${mbps} Mbit/s, s`, downS, 2));
    } else {
      const upS = figures.reachedS(one, fromS * 1000, (estimate) => estimate >= bps * 0.75);
      gates.push(atMost(`up to ${mbps} Mbit/s, s`, upS, 10));
    }
    const settled = between(one, (fromS + 10) * 1000, toS * 1000);
    const within = settled.filter(({ estimateBps }) =>
      estimateBps >= bps * 0.75 && estimateBps <= bps * 1.05
    );
    const share = within.length / settled.length;
    gates.push(atLeast(`share of time in 0.75–1.05 of ${mbps} Mbit/s`, share, 0.9));
    const from = fromS * 1000 + (isFall || i === 0 ? AFTER_FALL_MS : 0);
    waits.push(...between(one, from, toS * 1000).map(({ queueMs }) => queueMs));
  }
  gates.push(atMost("p95 of waits, ms", figures.quantileOf(waits, 0.95), 150));
  gates.push(atMost("loss", one.lostPackets / one.sentPackets, 0.02));
  return gates;
}

function received(one: MediaFlow, fromMs: number, toMs: number): number {
  return meanOf(between(one, fromMs, toMs), ({ receivedBps }) => receivedBps);
}

function jainBetween(flows: readonly MediaFlow[], fromMs: number, toMs: number): number {
  return jainOf(flows.map((one) => received(one, fromMs, toMs)));
}

function variableCapacity(seed: number): Outcome {
  const chance = seeded(seed);
  const steps = [[0, 1], [40, 2.5], [60, 0.6], [80, 1]] as const;
  const forward = link(rates(...steps), chance);
  const one = flow(forward, chance);
  const durationMs = 100_000;
  runFlows([one], durationMs);
  const settle = figures.settleS(one, 40_000, 1.875e6);
  return {
    figures: figuresOf([one], forward, durationMs, { settle }),
    gates: followGates(one, phases(steps, 100)),
    flows: [one],
    link: forward,
    durationMs,
  };
}

function severalFlows(seed: number): Outcome {
  const chance = seeded(seed);
  const steps = [[0, 4], [25, 2], [50, 3.5], [75, 1], [100, 2]] as const;
  const forward = link(rates(...steps), chance);
  const flows = [flow(forward, chance), flow(forward, chance)];
  const durationMs = 125_000;
  runFlows(flows, durationMs);
  const fair = phases(steps, 125).map(({ toS }) =>
    jainBetween(flows, (toS - 15) * 1000, toS * 1000)
  );
  return {
    figures: figuresOf(flows, forward, durationMs, { jain: Math.min(...fair) }),
    gates: [
      atLeast("least fairness over the last 15 s of each phase", Math.min(...fair), 0.85),
      atMost("loss", figuresOf(flows, forward, durationMs).loss, 0.03),
    ],
    flows,
    link: forward,
    durationMs,
  };
}

function congestedFeedback(seed: number): Outcome {
  const chance = seeded(seed);
  const steps = [[0, 2], [20, 1], [40, 0.5], [60, 2]] as const;
  const forward = link(rates(...steps), chance);
  // What fills the way back is another flow, which takes nearly all of it in its second phase.
  const backward = link(rates([0, 2], [35, 0.8], [70, 2]), chance);
  const one = flow(forward, chance, { back: backward });
  const other = flow(backward, chance, { back: wideLink(chance) });
  const durationMs = 100_000;
  runFlows([one, other], durationMs);
  const before = between(one, 30_000, 35_000);
  const after = between(one, 35_000, 39_500);
  const estimate = (sample: Sample) => sample.estimateBps;
  const kept = Math.min(...after.map(estimate)) / meanOf(before, estimate);
  return {
    figures: figuresOf([one], forward, durationMs),
    gates: [
      ...followGates(one, phases(steps, 100)),
      atLeast("of the estimate left while only feedback suffers", kept, 0.7),
    ],
    flows: [one, other],
    link: forward,
    durationMs,
  };
}

function sameAlgorithm(seed: number): Outcome {
  const chance = seeded(seed);
  const forward = link(rates([0, 3.5]), chance);
  const flows = [0, 20_000, 40_000].map((startMs) => flow(forward, chance, { startMs }));
  const durationMs = 120_000;
  runFlows(flows, durationMs);
  const jain = jainBetween(flows, 80_000, durationMs);
  return {
    figures: figuresOf(flows, forward, durationMs, { jain }),
    gates: [atLeast("fairness over the last 40 s", jain, 0.85)],
    flows,
    link: forward,
    durationMs,
  };
}

function roundTripFairness(seed: number): Outcome {
  const chance = seeded(seed);
  const forward = link(rates([0, 4]), chance);
  const flows = [10, 25, 50, 100, 150].map((delayMs, i) =>
    flow(forward, chance, { delayMs, startMs: i * 10_000 })
  );
  const durationMs = 300_000;
  runFlows(flows, durationMs);
  const jain = jainBetween(flows, 150_000, durationMs);
  return {
    figures: figuresOf(flows, forward, durationMs, { jain }),
    gates: [atLeast("fairness over the last 150 s", jain, 0.75)],
    flows,
    link: forward,
    durationMs,
  };
}

function longTcp(seed: number): Outcome {
  const chance = seeded(seed);
  const forward = link(rates([0, 2]), chance);
  const one = flow(forward, chance, { startMs: 5_000, endMs: 119_000 });
  const transfers = [{ atMs: 0, bytes: Infinity }];
  const tcp = new TcpFlow({ forward, delayMs: DELAY_MS, transfers });
  const durationMs = 120_000;
  runFlows([one], durationMs, [tcp]);
  const share = received(one, 20_000, 119_000) / 2e6;
  return {
    figures: figuresOf([one], forward, durationMs),
    gates: [
      atLeast("media's share of the link", share, 0.2),
      atLeast("TCP's share of the link", tcp.acked * 8 / (2e6 * durationMs / 1000), 0.2),
    ],
    flows: [one],
    link: forward,
    durationMs,
  };
}

function shortTcp(seed: number): Outcome {
  const chance = seeded(seed);
  const forward = link(rates([0, 2]), chance);
  const flows = [flow(forward, chance), flow(forward, chance)];
  const tcps = Array.from({ length: 10 }, () => {
    const transfers = [];
    for (let atMs = 10_000 * chance(); atMs < 300_000; atMs += 10_000 + 60_000 * chance()) {
      transfers.push({ atMs, bytes: 100_000 + 900_000 * chance() });
    }
    return new TcpFlow({ forward, delayMs: DELAY_MS, transfers });
  });
  const durationMs = 300_000;
  runFlows(flows, durationMs, tcps);
  const shares = flows.map((one) => received(one, 10_000, durationMs) / 2e6);
  return {
    figures: figuresOf(flows, forward, durationMs, { jain: jainBetween(flows, 0, durationMs) }),
    gates: [atLeast("the lesser one's share of the link", Math.min(...shares), 0.08)],
    flows,
    link: forward,
    durationMs,
  };
}

function pauseAndResume(seed: number): Outcome {
  const chance = seeded(seed);
  const forward = link(rates([0, 3.5]), chance);
  const flows = [
    flow(forward, chance, { paused: [40_000, 60_000] }),
    flow(forward, chance),
    flow(forward, chance),
  ];
  const durationMs = 120_000;
  runFlows(flows, durationMs);
  // Its share, or what it had: who came first may have had more than that.
  const before = Math.min(3.5e6 / 3, received(flows[0]!, 30_000, 40_000));
  const backS = figures.settleS(flows[0]!, 60_000, before);
  return {
    figures: figuresOf(flows, forward, durationMs, {
      jain: jainBetween(flows, 90_000, durationMs),
      settle: backS,
    }),
    gates: [
      atMost("the resumed flow is back at its rate, s", backS < 0 ? Infinity : backS, 5),
      atLeast("fairness over the last 30 s", jainBetween(flows, 90_000, durationMs), 0.85),
    ],
    flows,
    link: forward,
    durationMs,
  };
}

/** In the order of the RFC. */
export const RFC8867_CASES: readonly CongestionCase[] = [
  caseOf("5.1", "variable capacity, one flow", variableCapacity),
  caseOf("5.2", "variable capacity, two flows", severalFlows),
  caseOf("5.3", "congested feedback", congestedFeedback),
  caseOf("5.4", "three flows of the same kind", sameAlgorithm),
  caseOf("5.5", "five flows, round trips of 20–300 ms", roundTripFairness),
  caseOf("5.6", "beside a long TCP transfer", longTcp),
  caseOf("5.7", "beside ten short TCP transfers", shortTcp),
  caseOf("5.8", "paused and resumed", pauseAndResume),
];
