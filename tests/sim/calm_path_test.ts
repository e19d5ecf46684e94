/**
 * What a path is taken to carry when its calm ends: whoever samples must not take what little was
 * sent, or what was not told of, for what little arrives.
 *
 * @module
 */
import assert from "node:assert/strict";
import { link, rates, runFlows, seeded, wideLink } from "../../bench/congestion/congestion_run.ts";
import { LayeredSource } from "../../bench/congestion/layered_source.ts";
import { MediaFlow, type Source } from "../../bench/congestion/media_flow.ts";
import { SENT } from "../../lib/bandwidth/sent_packets.ts";

const PACKET = 1_000;
const WANTED_BPS = 2_500_000;

/** A path of so many Mbit/s, and others from a time on; the lowest estimate from then on. */
function lowest(source: Source, steps: readonly (readonly [atS: number, mbps: number])[]): {
  before: number;
  after: number;
} {
  const chance = seeded(1);
  const forward = link(rates(...steps), chance);
  const flow = new MediaFlow({ forward, back: wideLink(chance), delayMs: 20, source });
  runFlows([flow], 75_000);
  const estimates = (fromMs: number, toMs: number) =>
    flow.samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
      .map(({ estimateBps }) => estimateBps);
  return {
    before: estimates(59_000, 60_000).at(-1)!,
    after: Math.min(...estimates(60_000, 75_000)),
  };
}

function send(flow: MediaFlow, now: number, packets: number): void {
  for (let i = 0; i < packets; i++) flow.send(PACKET, SENT.media, 0, now);
}

Deno.test("a shared screen that stood still does not lose its rate by the next slide", () => {
  for (const everyMs of [2_000, 1_000, 500]) {
    const source: Source = {
      step(now, flow) {
        if (now === 0) flow.estimate.setDemand(100_000, WANTED_BPS, now, 0);
        if (now < 30_000) send(flow, now, now % 8 === 0 ? 1 : 0);
        else if (now === 60_500) send(flow, now, 80);
        else send(flow, now, now % everyMs === 0 ? 1 : 0);
      },
    };
    const { before, after } = lowest(source, [[0, 4]]);
    assert.ok(before >= WANTED_BPS, `${before}`);
    assert.ok(after > before / 2, `a packet in ${everyMs} ms: ${after} of ${before}`);
  }
});

for (let phaseMs = 0; phaseMs < 800; phaseMs += 25) {
  Deno.test(`a path that narrows ${phaseMs} ms after a sample is taken for no less than half of it`, () => {
    const source: Source = {
      step(now, flow) {
        if (now === 0) flow.estimate.setDemand(100_000, WANTED_BPS, now, 0);
        if (now % 33 !== 0) return;
        const bps = Math.min(2_400_000, flow.estimate.bps);
        send(flow, now, Math.max(1, Math.round(bps * 0.033 / 8 / PACKET)));
      },
    };
    const { before, after } = lowest(source, [[0, 10], [60 + phaseMs / 1_000, 2]]);
    assert.ok(before >= WANTED_BPS, `${before}`);
    assert.ok(after > 1_000_000, `${after}`);
    assert.ok(after < 2_200_000, `${after}: it was lowered`);
  });
}

const ONE_TRACK_BPS = 2_000_000;

/** A camera on a path that carries far more, and less from `narrowAtMs` on. */
function camera(narrowAtMs: number, mbps: number, queueMs: number, samples: boolean): MediaFlow {
  const chance = seeded(1);
  const forward = link(rates([0, 10], [narrowAtMs / 1_000, mbps]), chance, { queueMs });
  const source: Source = {
    step(now, flow) {
      if (now === 0) flow.estimate.setDemand(100_000, 1.25 * ONE_TRACK_BPS, now, 0);
      if (now % 33 !== 0) return;
      const bps = Math.min(ONE_TRACK_BPS, flow.estimate.bps);
      send(flow, now, Math.max(1, Math.round(bps * 0.033 / 8 / PACKET)));
    },
  };
  const flow = new MediaFlow({ forward, back: wideLink(chance), delayMs: 20, source, samples });
  runFlows([flow], narrowAtMs + 8_000);
  return flow;
}

Deno.test("a receiver of a camera has next to nothing to tell of a path that carries far more", () => {
  const { samples } = camera(60_000, 10, 300, true);
  const told = samples.filter(({ atMs }) => atMs >= 45_000 && atMs < 60_000);
  const messages = told.reduce((sum, sample) => sum + sample.messages, 0);
  assert.ok(messages <= 15 * 2, `${messages} in a quarter of a minute`);
});

Deno.test("a path that widened and loses a packet now and then is calm in the end, whatever held it", () => {
  for (const seed of [2, 6, 15]) {
    const chance = seeded(seed);
    const forward = link(rates([0, 0.5], [40, 10]), chance, { lossRate: 0.001 });
    const source = new LayeredSource({ tracks: 1, chance });
    const flow = new MediaFlow({ forward, back: wideLink(chance), delayMs: 25, source });
    runFlows([flow], 160_000);
    const late = flow.samples.filter(({ atMs }) => atMs >= 100_000);
    const messages = late.reduce((sum, sample) => sum + sample.messages, 0);
    assert.ok(messages < 60 * 10, `seed ${seed}: ${messages} in a minute`);
  }
});

Deno.test("a packet that is lost now and then has a receiver tell of one moment more", () => {
  const messages = (isLossy: boolean) => {
    const chance = seeded(1);
    const forward = link(rates([0, 10]), chance);
    const through = forward.send.bind(forward);
    let lostAt = 30_000;
    forward.send = (bytes, now) => {
      if (!isLossy || now < lostAt) return through(bytes, now);
      lostAt += 10_000;
      return -1;
    };
    const source: Source = {
      step(now, flow) {
        if (now === 0) flow.estimate.setDemand(100_000, 1.25 * ONE_TRACK_BPS, now, 0);
        if (now % 33 !== 0) return;
        send(flow, now, Math.round(ONE_TRACK_BPS * 0.033 / 8 / PACKET));
      },
    };
    const flow = new MediaFlow({ forward, back: wideLink(chance), delayMs: 20, source });
    runFlows([flow], 120_000);
    return flow.samples.reduce((sum, each) => sum + (each.atMs < 60_000 ? 0 : each.messages), 0);
  };
  const [without, withLoss] = [messages(false), messages(true)];
  // Six are lost. (One in the middle of a moment has its messages, too.)
  assert.ok(withLoss <= without + 6 * 2, `${withLoss} instead of ${without} in a minute`);
});

/**
 * By all packets, and how much later at most in the mean: samples are 0.8 s apart, and wait in the
 * queue, which at worst is full by then.
 */
for (
  const [mbps, queueMs, laterMs] of [[1, 300, 800], [1, 2_000, 1_300], [0.1, 300, 800]] as const
) {
  Deno.test(`a path that narrows to ${mbps} Mbit/s with a queue of ${queueMs} ms is soon known by samples`, () => {
    const fallenMs = (samples: boolean) => {
      const ms: number[] = [];
      for (let phase = 0; phase < 16; phase++) {
        const from = 45_000 + 50 * phase;
        const flow = camera(from, mbps, queueMs, samples);
        const fallen = flow.samples.find(({ atMs, estimateBps }) =>
          atMs >= from && estimateBps <= 1.05e6 * mbps
        );
        assert.ok(fallen !== undefined, `it falls, ${phase}, ${samples}`);
        ms.push(fallen.atMs - from);
      }
      return { mean: ms.reduce((sum, each) => sum + each) / ms.length, worst: Math.max(...ms) };
    };
    const [all, sampled] = [fallenMs(false), fallenMs(true)];
    const seen = JSON.stringify({ sampled, all });
    assert.ok(sampled.mean <= all.mean + laterMs, seen);
    assert.ok(sampled.worst <= all.worst + 800 + queueMs, seen);
  });
}
