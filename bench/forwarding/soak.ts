/**
 * A soak: a meeting at 70 % of what the engine can carry, for minutes, with clients that come and
 * go, over UDP and TCP. Memory, latency and descriptors must stay where they are.
 *
 * @module
 */
import { ForwardingLine, type Sfu } from "./forwarding_line.ts";
import type { OpenedClient } from "./forwarding_calls.ts";
import { saturate, searchFor } from "./measured_run.ts";
import { scenarioOf } from "./scenarios.ts";
import { type Sample, type SoakFigures, soakFiguresOf } from "./soak_verdict.ts";

const SCENARIO = "meeting-20";
const LOAD = 0.7;
/** About so many samples, but not more often than every second. */
const SAMPLES = 60;
const MIN_SAMPLE_MS = 1_000;
const WARM_UP_MS = 3_000;
/** Clients that come and go between two samples, every other one over TCP. */
const PASSERS_BY = 4;
/** Beside the soak itself: connecting, finding the load, ending, ms. */
const AROUND_MS = 90_000;

/**
 * Runs for so many seconds; `onSample` is told each sample.
 *
 * @throws {Error} saying why it could not.
 */
export async function soak(
  sfu: Sfu,
  seconds: number,
  onSample: (sample: Sample) => void,
): Promise<SoakFigures> {
  const scenario = scenarioOf(SCENARIO)!;
  await using line = new ForwardingLine(sfu, scenario, []);
  const limit = setTimeout(() => line.giveUp(), seconds * 1000 + AROUND_MS);
  try {
    await line.connect();
    const search = searchFor(sfu, line, scenario);
    const outPerSecond = Math.min(await saturate(line, search), search.ceiling) * LOAD;
    await line.load.call("run", { scale: outPerSecond / line.plan.nominalOut });
    await pause(WARM_UP_MS);
    const samples = await sampleFor(line, seconds * 1000, onSample);
    const total = await line.load.call("stop", {});
    const { descriptors } = await line.sfu.call("usage", {});
    return soakFiguresOf(samples, {
      engine: line.engine,
      loss: Math.max(0, 1 - total.received / total.expected),
      descriptorsAfter: descriptors,
    });
  } catch (error) {
    throw line.isGivenUp ? new Error(`still ${line.stage} when time was up`) : error;
  } finally {
    clearTimeout(limit);
  }
}

async function sampleFor(
  line: ForwardingLine,
  ms: number,
  onSample: (sample: Sample) => void,
): Promise<Sample[]> {
  const everyMs = Math.max(MIN_SAMPLE_MS, ms / SAMPLES);
  const samples: Sample[] = [];
  const startedAt = performance.now();
  let before = await line.sfu.call("usage", {});
  await line.load.call("mark", {});
  while (performance.now() - startedAt < ms) {
    const nextAt = performance.now() + everyMs;
    const passersBy = await comeIn(line);
    await pause(nextAt - performance.now());
    await goAway(line, passersBy);
    const after = await line.sfu.call("usage", {});
    const { latency } = await line.load.call("mark", {});
    const sample: Sample = {
      atS: Math.round((performance.now() - startedAt) / 1000),
      rssBytes: after.rssBytes,
      heapBytes: after.heapBytes,
      outsideBytes: after.outsideBytes,
      descriptors: after.descriptors,
      cpuMicrosPerPacket: (after.cpuMicros - before.cpuMicros) /
        (after.forwarded - before.forwarded),
      p50Ms: latency.p50,
      p99Ms: latency.p99,
    };
    samples.push(sample);
    onSample(sample);
    before = after;
  }
  return samples;
}

/** Connects some clients that only look at the first track; those that fail do not matter. */
async function comeIn(line: ForwardingLine): Promise<OpenedClient[]> {
  const { clients: regulars, streams } = line.plan;
  const clients = Array.from({ length: PASSERS_BY }, (_, i): OpenedClient => ({
    client: regulars.length + i,
    room: 0,
    publishes: false,
    hasData: false,
    overTcp: i % 2 === 1,
  }));
  const parameters = await line.load.call("hello", {});
  const endpoints = await line.sfu.call("open", { ...parameters, clients });
  const { failed } = await line.load.call("connect", { clients, endpoints });
  const connected = clients.filter(({ client }) => !failed.includes(client));
  const ssrc = streams.at(-1)!.ssrc;
  await line.sfu.call("subscribe", {
    streams: connected.map(({ client }, i) => ({
      track: 0,
      client,
      mid: "0",
      kind: "video" as const,
      ssrc: ssrc + 2 * (i + 1),
    })),
  });
  return clients;
}

async function goAway(line: ForwardingLine, clients: readonly OpenedClient[]): Promise<void> {
  const numbers = clients.map(({ client }) => client);
  await line.sfu.call("close", { clients: numbers });
  await line.load.call("drop", { clients: numbers });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
