/**
 * What an SFU meets beyond RFC 8867: joins on slow lines, loss that is not congestion, key frames
 * of everybody at once, lines that break down and come back, stalls, lost feedback. Tracks have
 * three layers, shared out by the allocation in use.
 *
 * @module
 */
import { atLeast, atMost, between, figuresOf, jainOf, meanOf } from "./congestion_figures.ts";
import type { Gate } from "./congestion_figures.ts";
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
import { type Encoding, type LayeredOptions, LayeredSource, LINES_540 } from "./layered_source.ts";
import type { LinkOptions, RateStep } from "./link.ts";
import { LateThread } from "./late_thread.ts";
import { type FlowOptions, MediaFlow, SAMPLE_MS } from "./media_flow.ts";
import { TcpFlow } from "./tcp_flow.ts";

const DELAY_MS = 25;
const TOP_LEVEL = 10;
/** The highest temporal layer, and levels up to it in the lowest spatial one. */
const ALL_FRAMES = 2;
const LOWEST_LAYER_LEVELS = 4;
/** Of a camera's frames, up to each temporal layer; a larger picture with fewer a second jerks. */
const FRAME_SHARE = [0.25, 0.5, 1, 1] as const;
const LEAST_FPS = 7;
/** Frames of one size, each of which passes soon. */
const EVEN_540: Encoding = { ...LINES_540, temporalShare: [0.25, 0.5, 1], frameSize: [1, 1, 1] };
/** Start-up and what follows a fall are looked at apart, ms. */
const SETTLE_MS = 3_000;
/** A layer may change once in so long in a steady state, ms… */
const STEADY_MS = 5_000;
/** …no more than thrice a minute where nothing changes at all… */
const CONSTANT_CHANGES = 3 * STEADY_MS / 60_000;
/** …and so many times where a late thread looks like a queue. */
const LATE_CHANGES = 1.5;

interface Setting {
  readonly steps: readonly RateStep[];
  readonly durationMs: number;
  readonly tracks: number;
  readonly source?: Partial<LayeredOptions>;
  readonly link?: Partial<LinkOptions>;
  readonly back?: Partial<LinkOptions>;
  readonly flow?: Partial<FlowOptions>;
}

interface Run extends Outcome {
  readonly flow: MediaFlow;
  readonly source: LayeredSource;
}

/** One subscriber behind a bottleneck, without gates. */
function subscriber(seed: number, setting: Setting): Run {
  const chance = seeded(seed);
  const forward = link(setting.steps, chance, setting.link);
  const source = new LayeredSource({ tracks: setting.tracks, chance, ...setting.source });
  const back = link(rates([0, 100]), chance, setting.back);
  const flow = new MediaFlow({ forward, back, delayMs: DELAY_MS, source, ...setting.flow });
  runFlows([flow], setting.durationMs);
  source.end(setting.durationMs);
  const figures = figuresOf([flow], forward, setting.durationMs, {
    freezeS: source.freezeS,
    layerChanges: source.changes.length,
  });
  const { durationMs } = setting;
  return { figures, gates: [], flows: [flow], link: forward, durationMs, flow, source };
}

function queueGate({ flow }: Run, fromMs: number, toMs: number): Gate {
  const waits = between(flow, fromMs, toMs).map(({ queueMs }) => queueMs).sort((a, b) => a - b);
  return atMost("p95 of waits once settled, ms", waits[Math.floor(waits.length * 0.95)] ?? 0, 150);
}

/** Changes of the busiest track from a time on. A step up that fails is two changes. */
function steadyGate({ source }: Run, fromMs: number, toMs: number, most = 1): Gate {
  const changes = source.changes.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
  const counts = source.levels.map((_, number) =>
    changes.filter(({ track }) => track === number).length
  );
  const rate = Math.max(...counts) * STEADY_MS / (toMs - fromMs);
  return atMost("changes of a track's layer each 5 s once settled", rate, most);
}

/** When all tracks had their highest layer again, s after `fromMs`. */
function completeS({ source }: Run, fromMs: number, tracks: number): number {
  const levels = new Map<number, number>();
  for (const { atMs, track, level } of source.changes) {
    levels.set(track, level);
    if (atMs < fromMs) continue;
    const complete = [...levels.values()].filter((value) => value >= TOP_LEVEL).length;
    if (complete === tracks) return (atMs - fromMs) / 1000;
  }
  return Infinity;
}

/** For how long the first track had such a level between two times, s. */
function timeAtS(
  { source }: Run,
  isSuch: (level: number) => boolean,
  fromMs: number,
  toMs: number,
): number {
  const changes = source.changes.filter(({ track, atMs }) => track === 0 && atMs < toMs);
  return changes.reduce((sum, { atMs, level }, i) => {
    const endMs = changes[i + 1]?.atMs ?? toMs;
    const ms = Math.max(0, endMs - Math.max(atMs, fromMs));
    return isSuch(level) ? sum + ms / 1000 : sum;
  }, 0);
}

/** When something of a track was sent again, s after `fromMs`; 0 if it never stopped. */
function pictureS({ source }: Run, fromMs: number): number {
  const before = source.changes.filter(({ atMs }) => atMs <= fromMs).at(-1);
  if (before !== undefined && before.level >= 0) return 0;
  const next = source.changes.find(({ atMs, level }) => atMs > fromMs && level >= 0);
  return next === undefined ? Infinity : (next.atMs - fromMs) / 1000;
}

function joinAt500(tracks: number): (seed: number) => Outcome {
  return (seed) => {
    const durationMs = 60_000;
    const run = subscriber(seed, { steps: rates([0, 0.5]), durationMs, tracks });
    const seen = run.source.firstSeenAt.filter((at) => at >= 0);
    return {
      ...run,
      gates: [
        atMost("first picture, s", Math.min(...seen, Infinity) / 1000, 1),
        atLeast(
          "pictures, of those that fit",
          run.source.levels.filter((level) => level >= 0).length,
          Math.min(tracks, 3),
        ),
        queueGate(run, SETTLE_MS, durationMs),
        steadyGate(run, 10_000, durationMs),
        atMost("loss", run.figures.loss, 0.02),
      ],
    };
  };
}

/** A camera of few frames; where half of them fit of a larger picture, it is shown so or not. */
function fewFrames(fps: number, mbps: number, encoding?: Encoding, largerS = 0) {
  return (seed: number): Outcome => {
    const durationMs = 60_000;
    const source = { fps, ...(encoding === undefined ? {} : { encoding }) };
    const run = subscriber(seed, { steps: rates([0, mbps]), durationMs, tracks: 1, source });
    const isLarger = (level: number) => level >= LOWEST_LAYER_LEVELS;
    const isJerking = (level: number) =>
      isLarger(level) && fps * FRAME_SHARE[level & 3]! < Math.min(fps, LEAST_FPS);
    return {
      ...run,
      gates: [
        atMost("a larger picture that jerks, s", timeAtS(run, isJerking, 0, durationMs), 0),
        atLeast(
          "a larger one, s of the last 50",
          timeAtS(run, isLarger, 10_000, durationMs),
          largerS,
        ),
        queueGate(run, SETTLE_MS, durationMs),
        steadyGate(run, 10_000, durationMs),
        atMost("loss", run.figures.loss, 0.015),
        atMost("frozen, s", run.figures.freezeS, 0),
      ],
    };
  };
}

function randomLoss(lossRate: number): (seed: number) => Outcome {
  return (seed) => {
    const chance = seeded(seed);
    const durationMs = 60_000;
    const forward = link(rates([0, 4]), chance, { lossRate });
    const source = new ElasticSource(2e6, chance);
    const flow = new MediaFlow({ forward, back: wideLink(chance), delayMs: DELAY_MS, source });
    runFlows([flow], durationMs);
    const kept = meanOf(between(flow, 30_000, durationMs), ({ estimateBps }) => estimateBps);
    return {
      figures: figuresOf([flow], forward, durationMs),
      gates: [atLeast("estimate over the last 30 s, of 2 Mbit/s wanted, Mbit/s", kept / 1e6, 1)],
      flows: [flow],
      link: forward,
      durationMs,
    };
  };
}

/** Loss that is not congestion, far below what the path carries: nothing is won by less. */
function lossyLayers(lossRate: number, delayMs: number): (seed: number) => Outcome {
  return (seed) => {
    const durationMs = 60_000;
    const steps = rates([0, 10]);
    const link = { lossRate };
    const source = { keepsRepairs: true };
    const run = subscriber(seed, { steps, durationMs, tracks: 1, source, link, flow: { delayMs } });
    const topS = timeAtS(run, (level) => level >= TOP_LEVEL, 10_000, durationMs);
    return {
      ...run,
      figures: { ...run.figures, settleS: completeS(run, 0, 1) },
      gates: [
        atMost("all layers, s", completeS(run, 0, 1), 5),
        atLeast("with all layers, s of the last 50", topS, 47.5),
        steadyGate(run, 10_000, durationMs),
        atMost("frozen, s", run.figures.freezeS, 0),
      ],
    };
  };
}

function keyFrames(seed: number): Outcome {
  const durationMs = 90_000;
  const source = { keyFramesEveryMs: 10_000 };
  const run = subscriber(seed, { steps: rates([0, 7.5]), durationMs, tracks: 3, source });
  const late = run.source.changes.filter(({ atMs }) => atMs > 20_000).length;
  return {
    ...run,
    gates: [
      atMost("all layers, s", completeS(run, 0, 3), 15),
      atMost("layer changes from 20 s on", late, 0),
      atMost("frozen, s", run.figures.freezeS, 0),
    ],
  };
}

/** Publishers that do not pace: whole frames at once, into a short queue. */
function bursts(mbps: number, tracks: number, queueMs: number, paced: boolean) {
  return (seed: number): Outcome => {
    const durationMs = 60_000;
    const run = subscriber(seed, {
      steps: rates([0, mbps]),
      durationMs,
      tracks,
      source: { keyFramesEveryMs: 10_000, pace: Infinity },
      link: { queueMs },
      flow: { paced },
    });
    const most = paced ? [atMost("loss", run.figures.loss, 0.03)] : [];
    return { ...run, gates: [...most, atMost("frozen, s", run.figures.freezeS, 0)] };
  };
}

function breakdown(seed: number): Outcome {
  const durationMs = 120_000;
  const steps = rates([0, 10], [40, 0.8], [70, 10]);
  const run = subscriber(seed, { steps, durationMs, tracks: 3 });
  return {
    ...run,
    figures: { ...run.figures, settleS: completeS(run, 70_000, 3) },
    gates: [
      atMost("all layers at the start, s", completeS(run, 0, 3), 10),
      queueGate(run, 40_000 + SETTLE_MS, 70_000),
      steadyGate(run, 50_000, 70_000),
      atMost("all layers again, s", completeS(run, 70_000, 3), 6),
      atMost("frozen, s", run.figures.freezeS, 2),
    ],
  };
}

/** Nothing is wrong for long: receivers have little to tell, and then the path becomes narrow. */
function calm(seed: number): Outcome {
  const durationMs = 90_000;
  const run = subscriber(seed, { steps: rates([0, 10], [60, 3]), durationMs, tracks: 3 });
  const told = meanOf(between(run.flow, 20_000, 60_000), ({ messages }) => messages);
  const fallen = between(run.flow, 60_000, durationMs).find(({ estimateBps }) => estimateBps < 3e6);
  return {
    ...run,
    gates: [
      atMost("messages of feedback a second while calm", told * 1_000 / SAMPLE_MS, 8),
      atMost(
        "estimate below what there is after, s",
        ((fallen?.atMs ?? 1e9) - 60_000) / 1_000,
        1.5,
      ),
      queueGate(run, 60_000 + SETTLE_MS, durationMs),
      steadyGate(run, 70_000, durationMs),
      atMost("frozen, s", run.figures.freezeS, 0.5),
    ],
  };
}

/** A bottleneck ends; how soon the whole pictures are there. */
function widened(
  mbps: number,
  tracks: number,
  mostS: number,
  lossRate = 0,
  delayMs = DELAY_MS,
): (seed: number) => Outcome {
  return (seed) => {
    const durationMs = 70_000;
    // At any moment between two probes.
    const atMs = 30_000 + Math.floor(2_000 * seeded(seed)());
    const run = subscriber(seed, {
      steps: rates([0, 0.5], [atMs / 1000, mbps]),
      durationMs,
      tracks,
      source: { keepsRepairs: lossRate > 0 },
      link: { lossRate },
      flow: { delayMs },
    });
    const againS = completeS(run, atMs, tracks);
    return {
      ...run,
      figures: { ...run.figures, settleS: againS },
      gates: [
        atMost("all layers, s", againS, mostS),
        queueGate(run, SETTLE_MS, atMs),
        steadyGate(run, 10_000, atMs),
        steadyGate(run, atMs + 1_000 * mostS, durationMs),
        atMost("frozen, s", run.figures.freezeS, 0),
      ],
    };
  };
}

/** A path that stays as it is, and on which the next layer fits with little room, or nearly. */
function constant(mbps: number, tracks: number, source: Partial<LayeredOptions> = {}, wholeS = 0) {
  return (seed: number): Outcome => {
    const durationMs = 120_000;
    const run = subscriber(seed, { steps: rates([0, mbps]), durationMs, tracks, source });
    const isWhole = (level: number) => level >= TOP_LEVEL;
    const estimates = between(run.flow, 20_000, durationMs).map(({ estimateBps }) => estimateBps);
    return {
      ...run,
      gates: [
        queueGate(run, SETTLE_MS, durationMs),
        steadyGate(run, 20_000, durationMs, CONSTANT_CHANGES),
        wholeS > 0
          ? atLeast("whole, s of the last 100", timeAtS(run, isWhole, 20_000, durationMs), wholeS)
          : atMost("the estimate, of what there is", Math.max(...estimates) / (mbps * 1e6), 1.15),
        atMost("frozen, s", run.figures.freezeS, 0),
      ],
    };
  };
}

/** Threads at both ends that wait for cores. */
function lateEnds(seed: number): Pick<FlowOptions, "late"> {
  const chance = seeded(seed + 1_000);
  return { late: { sender: new LateThread(chance), receiver: new LateThread(chance) } };
}

/** The highest layer takes three quarters of the path, and both ends are late. */
function lateAtRate(seed: number): Outcome {
  const durationMs = 60_000;
  const flow = lateEnds(seed);
  const run = subscriber(seed, { steps: rates([0, 2.3]), durationMs, tracks: 1, flow });
  const high = meanOf(between(run.flow, 15_000, durationMs), ({ mediaBps }) => mediaBps);
  return {
    ...run,
    figures: { ...run.figures, settleS: completeS(run, 0, 1) },
    gates: [
      atMost("all layers, s", completeS(run, 0, 1), 10),
      atLeast("media from 15 s on, Mbit/s of 1.7", high / 1e6, 1.4),
      steadyGate(run, 15_000, durationMs, LATE_CHANGES),
      atMost("frozen, s", run.figures.freezeS, 0),
    ],
  };
}

function lateWidened(seed: number): Outcome {
  const durationMs = 60_000;
  const atMs = 30_000 + Math.floor(2_000 * seeded(seed)());
  const steps = rates([0, 0.5], [atMs / 1000, 10]);
  const run = subscriber(seed, { steps, durationMs, tracks: 1, flow: lateEnds(seed) });
  const againS = completeS(run, atMs, 1);
  return {
    ...run,
    figures: { ...run.figures, settleS: againS },
    gates: [
      atMost("all layers, s", againS, 3),
      steadyGate(run, 10_000, atMs, LATE_CHANGES),
      steadyGate(run, atMs + 3_000, durationMs, LATE_CHANGES),
      atMost("frozen, s", run.figures.freezeS, 0),
    ],
  };
}

function nearlyNothing(seed: number): Outcome {
  const durationMs = 90_000;
  const steps = rates([0, 3], [30, 0.06], [60, 3]);
  const run = subscriber(seed, { steps, durationMs, tracks: 1 });
  return {
    ...run,
    figures: { ...run.figures, settleS: pictureS(run, 60_000) },
    gates: [
      atMost("picture again, s", pictureS(run, 60_000), 3),
      atMost("all layers again, s", completeS(run, 60_000, 1), 10),
    ],
  };
}

/** Not even sound has room: between two packets that come there is longer than rates are taken of. */
function drowned(seed: number): Outcome {
  const durationMs = 90_000;
  const steps = rates([0, 3], [30, 0.03], [60, 3]);
  const run = subscriber(seed, { steps, durationMs, tracks: 1 });
  const fallen = between(run.flow, 30_000, 60_000).find(({ estimateBps }) => estimateBps < 1e5);
  return {
    ...run,
    figures: { ...run.figures, settleS: pictureS(run, 60_000) },
    gates: [
      atMost("estimate below 100 kbit/s, s", ((fallen?.atMs ?? 1e9) - 30_000) / 1_000, 5),
      atMost("picture again, s", pictureS(run, 60_000), 3),
      atMost("all layers again, s", completeS(run, 60_000, 1), 10),
    ],
  };
}

function stalls(seed: number): Outcome {
  const durationMs = 90_000;
  const steps: RateStep[] = [];
  for (let atMs = 0; atMs < durationMs; atMs += 10_000) {
    steps.push({ atMs, bps: 4e6 }, { atMs: atMs + 7_000, bps: 0 });
    steps.push({ atMs: atMs + 7_300, bps: 4e6 });
  }
  const run = subscriber(seed, { steps, durationMs, tracks: 1, link: { queueMs: 1_000 } });
  const high = meanOf(between(run.flow, 20_000, durationMs), ({ mediaBps }) => mediaBps);
  return {
    ...run,
    gates: [
      steadyGate(run, 10_000, durationMs),
      atLeast("media from 20 s on, Mbit/s of 1.7", high / 1e6, 1.2),
      atMost("frozen, s", run.figures.freezeS, 0),
    ],
  };
}

function pausedAndResumed(seed: number): Outcome {
  const durationMs = 70_000;
  const unwanted = [30_000, 45_000] as const;
  const setting = { steps: rates([0, 3]), durationMs, tracks: 2, source: { unwanted } };
  const run = subscriber(seed, setting);
  const before = meanOf(between(run.flow, 25_000, 30_000), ({ mediaBps }) => mediaBps);
  const samples = between(run.flow, 45_000, durationMs);
  const back = samples.findIndex((_, i) =>
    i >= 10 && meanOf(samples.slice(i - 10, i), ({ mediaBps }) => mediaBps) >= before * 0.9
  );
  return {
    ...run,
    figures: { ...run.figures, settleS: back / 10 },
    gates: [
      atMost("what there was before, s", back < 0 ? Infinity : back / 10, 5),
      queueGate(run, 45_000 + SETTLE_MS, durationMs),
    ],
  };
}

/** Who says how much it could take, and not when packets came: what fits, and all of it after. */
function rembWidened(seed: number): Outcome {
  const durationMs = 120_000;
  const atMs = 60_000;
  const run = subscriber(seed, {
    steps: rates([0, 0.5], [atMs / 1_000, 10]),
    durationMs,
    tracks: 1,
    flow: { saysRemb: true },
  });
  const wholeS = timeAtS(run, (level) => (level & 3) === ALL_FRAMES, 10_000, atMs);
  return {
    ...run,
    figures: { ...run.figures, settleS: completeS(run, atMs, 1) },
    gates: [
      atMost("all layers, s", completeS(run, atMs, 1), 40),
      atLeast("all frames of some layer, s of 50", wholeS, 25),
      steadyGate(run, 10_000, atMs),
      steadyGate(run, atMs + 40_000, durationMs),
      atMost("frozen, s", run.figures.freezeS, 0),
    ],
  };
}

/** The same on a path that carries everything: nothing it says is a reason to send less. */
function rembWide(seed: number): Outcome {
  const durationMs = 60_000;
  const flow = { saysRemb: true };
  const run = subscriber(seed, { steps: rates([0, 10]), durationMs, tracks: 1, flow });
  const topS = timeAtS(run, (level) => level >= TOP_LEVEL, 10_000, durationMs);
  return {
    ...run,
    figures: { ...run.figures, settleS: completeS(run, 0, 1) },
    gates: [
      atMost("all layers, s", completeS(run, 0, 1), 12),
      atLeast("with all layers, s of 50", topS, 45),
      atMost("padding", run.figures.padding, 0),
      atMost("frozen, s", run.figures.freezeS, 0),
    ],
  };
}

function lostFeedback(seed: number): Outcome {
  const durationMs = 60_000;
  const back = { lossRate: 0.3, rates: rates([0, 100], [30, 0], [32, 100]), queueMs: 0 };
  const run = subscriber(seed, { steps: rates([0, 4]), durationMs, tracks: 1, back });
  const before = meanOf(between(run.flow, 25_000, 30_000), ({ estimateBps }) => estimateBps);
  const least = Math.min(...between(run.flow, 30_000, 40_000).map((sample) => sample.estimateBps));
  return {
    ...run,
    gates: [
      atMost("all layers, s", completeS(run, 0, 1), 10),
      atLeast("of the estimate left after two seconds of silence", least / before, 0.7),
      steadyGate(run, 10_000, durationMs),
    ],
  };
}

function besideTcp(seed: number): Outcome {
  const chance = seeded(seed);
  const durationMs = 120_000;
  const forward = link(rates([0, 4]), chance);
  const sources = [0, 1].map(() => new LayeredSource({ tracks: 2, chance }));
  const flows = sources.map((source) =>
    new MediaFlow({ forward, back: wideLink(chance), delayMs: DELAY_MS, source })
  );
  const transfers = [{ atMs: 20_000, bytes: Infinity }];
  const tcp = new TcpFlow({ forward, delayMs: DELAY_MS, transfers });
  runFlows(flows, durationMs, [tcp]);
  for (const source of sources) source.end(durationMs);
  const shares = flows.map((flow) =>
    meanOf(between(flow, 60_000, durationMs), ({ receivedBps }) => receivedBps) / 4e6
  );
  return {
    figures: figuresOf(flows, forward, durationMs, {
      jain: jainOf(shares),
      freezeS: sources.reduce((sum, { freezeS }) => sum + freezeS, 0),
      layerChanges: sources.reduce((sum, { changes }) => sum + changes.length, 0),
    }),
    gates: [
      atLeast("the lesser one's share of the link", Math.min(...shares), 0.12),
      atLeast("fairness between the subscribers", jainOf(shares), 0.75),
    ],
    flows,
    link: forward,
    durationMs,
  };
}

/** As they are told. */
export const SFU_CASES: readonly CongestionCase[] = [
  caseOf("join-1", "one track, 500 kbit/s", joinAt500(1)),
  caseOf("join-5", "five tracks, 500 kbit/s", joinAt500(5)),
  caseOf("join-20", "twenty tracks, 500 kbit/s", joinAt500(20)),
  caseOf(
    "few-frames",
    "15 frames a second of 540 lines, 500 kbit/s",
    fewFrames(15, 0.5, LINES_540, 40),
  ),
  caseOf("few-frames-720", "the same of 720 lines", fewFrames(15, 0.5)),
  caseOf("slow-camera", "12 frames a second, 400 kbit/s", fewFrames(12, 0.4, EVEN_540)),
  caseOf("loss-10", "10 % random loss", randomLoss(0.1)),
  caseOf("loss-15", "15 % random loss", randomLoss(0.15)),
  caseOf("lossy-10", "10 % random loss, one track, round trip of 50 ms", lossyLayers(0.1, 25)),
  caseOf("lossy-far", "the same, round trip of 200 ms", lossyLayers(0.1, 100)),
  caseOf("key-frames", "key frames of three publishers at once", keyFrames),
  caseOf("bursts", "whole frames of three at once, queue of 30 ms", bursts(7.5, 3, 30, true)),
  caseOf("unpaced", "the same, sent as they come", bursts(7.5, 3, 30, false)),
  caseOf("bursts-6", "of six at once on 20 Mbit/s, queue of 30 ms", bursts(20, 6, 30, true)),
  caseOf("unpaced-6", "the same, sent as they come", bursts(20, 6, 30, false)),
  caseOf("breakdown", "10 → 0.8 → 10 Mbit/s, three tracks", breakdown),
  caseOf("calm", "10 Mbit/s for a minute → 3 Mbit/s, three tracks", calm),
  caseOf("widened", "0.5 → 10 Mbit/s, one track", widened(10, 1, 3)),
  caseOf("widened-3", "0.5 → 10 Mbit/s, three tracks", widened(10, 3, 5)),
  caseOf("widened-lossy", "0.5 → 10 Mbit/s, 10 % random loss", widened(10, 1, 10, 0.1)),
  caseOf(
    "widened-far",
    "0.5 → 10 Mbit/s, 2 % random loss, round trip of 800 ms",
    widened(10, 1, 10, 0.02, 400),
  ),
  caseOf("constant-2", "2.2 Mbit/s for two minutes, two tracks", constant(2.2, 2)),
  caseOf(
    "constant-540",
    "400 kbit/s, one track of 540 lines",
    constant(0.4, 1, { encoding: LINES_540 }),
  ),
  caseOf("constant-5", "1 Mbit/s, five tracks", constant(1, 5)),
  caseOf(
    "large-frames",
    "2 Mbit/s, 15 frames a second of 540 lines",
    constant(2, 1, { encoding: LINES_540, fps: 15 }, 95),
  ),
  caseOf("fits", "0.5 → 2 Mbit/s, one track that takes 87 % of it", widened(2, 1, 20)),
  caseOf("late", "2.3 Mbit/s, one track, threads at both ends late by up to 30 ms", lateAtRate),
  caseOf("late-widened", "0.5 → 10 Mbit/s, one track, the same threads", lateWidened),
  caseOf("starved", "3 Mbit/s → 60 kbit/s → 3 Mbit/s", nearlyNothing),
  caseOf("drowned", "3 Mbit/s → 30 kbit/s → 3 Mbit/s", drowned),
  caseOf("stalls", "nothing moves for 300 ms every 10 s", stalls),
  caseOf("resume", "nothing wanted for 15 s", pausedAndResumed),
  caseOf("feedback", "30 % of feedback lost, and all for 2 s", lostFeedback),
  caseOf("remb", "the receiver tells no arrivals: 10 Mbit/s, one track", rembWide),
  caseOf("remb-widened", "the same, 0.5 → 10 Mbit/s", rembWidened),
  caseOf("tcp", "two subscribers and a TCP transfer", besideTcp),
];
