/**
 * One size of cluster: the busiest hour, then the loss of a hundredth of its nodes and of a region
 * at its busiest moment. Pure but for the time it takes.
 *
 * @module
 */
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { type ClusterOptions, ClusterRun, type LossFigures } from "./cluster_run.ts";
import type { Sum, TrafficKind } from "./link_traffic.ts";
import { MediaCensus, type MediaFigures } from "./media_relays.ts";
import { HOUR_MS, makePopulation, type Population } from "./population.ts";
import type { RedisSecond, StepTotal } from "./redis_model.ts";

/** People for each node at the busiest moment, and the share of what they can carry. */
const PEOPLE_EACH = 1_000;
const USED = 0.6;
/** The region that is lost: the largest but the one where Redis is. */
const LOST_REGION = 2;
/** The first node that is lost; then each hundredth. */
const FIRST_LOST = 7;
/** Before the first loss, and between the two, ms. */
const BEFORE_LOSS_MS = 10_000;
const AFTER_LOSS_MS = 120_000;

/** What goes over links, all of them, per second. */
export type Traffic = Readonly<Record<TrafficKind, Sum>>;

export interface HourFigures {
  readonly nodes: number;
  readonly people: number;
  readonly rooms: number;
  readonly joins: number;
  readonly steps: readonly StepTotal[];
  /** Means of the hour and its busiest second. */
  readonly mean: RedisSecond;
  readonly peak: RedisSecond;
  /** Of a node, at the busiest moment. */
  readonly links: number;
  readonly dials: number;
  readonly traffic: Traffic;
  readonly media: MediaFigures;
}

export function populationFor(nodes: number, seed: number): Population {
  const participants = nodes * PEOPLE_EACH;
  return makePopulation({ participants, seed, untilMs: HOUR_MS });
}

/** Lives through the hour. */
export function hourOf(nodes: number, population: Population, seed: number): HourFigures {
  const run = new ClusterRun(optionsFor(nodes, population, seed, 0, HOUR_MS));
  run.runUntil(population.peakAt);
  const links = run.rooms.links(run.now);
  const ends = links.reduce((sum, count) => sum + count, 0);
  const media = mediaOf(run, nodes, population, seed);
  const steady = run.traffic.steady(run.rooms, population.kindOfRoom, ends / 2);
  const people = run.present.reduce((sum, count) => sum + count, 0);
  run.runUntil(HOUR_MS);
  const hourly = ({ messages, bytes }: Sum): Sum => {
    return { messages: messages / 3_600, bytes: bytes / 3_600 };
  };
  const { sums } = run.traffic;
  const changes = hourly(sums.changes);
  const { mean, peak } = secondsOf(run);
  return {
    nodes,
    people,
    rooms: media.rooms,
    joins: run.census().came,
    steps: run.redis.takeTotals(),
    mean,
    peak,
    links: ends / nodes,
    dials: run.rooms.dials,
    traffic: {
      ...steady,
      "hello": hourly(sums.hello),
      "tracks wanted": hourly(sums["tracks wanted"]),
      "changes": {
        messages: changes.messages + steady.changes.messages,
        bytes: changes.bytes + steady.changes.bytes,
      },
    },
    media,
  };
}

/** The losses, one after the other. */
export interface LossesFigures {
  readonly hundredth: LossFigures;
  readonly region: LossFigures;
}

export function lossesOf(
  nodes: number,
  population: Population,
  seed: number,
  more: Pick<ClusterOptions, "masters" | "lavish"> = {},
): LossesFigures {
  const lossAt = Math.min(population.peakAt, HOUR_MS - 3 * AFTER_LOSS_MS);
  const untilMs = lossAt + 2 * AFTER_LOSS_MS;
  const beginMs = lossAt - BEFORE_LOSS_MS;
  const run = new ClusterRun({ ...optionsFor(nodes, population, seed, beginMs, untilMs), ...more });
  run.runUntil(lossAt);
  const every = [...Array(nodes).keys()];
  run.kill(every.filter((node) => node % 100 === FIRST_LOST), false);
  run.runUntil(lossAt + AFTER_LOSS_MS);
  const hundredth = run.lossFigures();
  run.kill(
    every.filter((node) => run.isAlive[node] && run.balancer.regionOf[node] === LOST_REGION),
    true,
  );
  run.runUntil(untilMs);
  return { hundredth, region: run.lossFigures() };
}

/** What would cross if people of a region were sent to nodes that serve their room already. */
export function togetherAtPeak(nodes: number, population: Population, seed: number) {
  const { peakAt } = population;
  const options = optionsFor(nodes, population, seed, peakAt, peakAt + 1);
  const run = new ClusterRun({ ...options, together: true });
  run.runUntil(peakAt);
  const ends = run.rooms.links(run.now).reduce((sum, count) => sum + count, 0);
  const traffic = run.traffic.steady(run.rooms, population.kindOfRoom, ends / 2);
  return { links: ends / nodes, traffic, media: mediaOf(run, nodes, population, seed) };
}

function optionsFor(
  nodes: number,
  population: Population,
  seed: number,
  beginMs: number,
  untilMs: number,
): ClusterOptions {
  return { nodes, population, seed, beginMs, untilMs, used: USED };
}

function mediaOf(run: ClusterRun, nodes: number, population: Population, seed: number) {
  const idOf = (node: number) => run.balancer.idOf(node);
  const census = new MediaCensus(nodes, run.balancer.regionOf, idOf, new SeededRandom(seed));
  return census.take(run.rooms, population.kindOfRoom);
}

function secondsOf(run: ClusterRun): { mean: RedisSecond; peak: RedisSecond } {
  const all = Array.from({ length: HOUR_MS / 1000 }, (_, i) => run.redis.second(i));
  const sum = (pick: (second: RedisSecond) => number) =>
    all.reduce((total, second) => total + pick(second), 0) / all.length;
  const most = (pick: (second: RedisSecond) => number) =>
    all.reduce((highest, second) => Math.max(highest, pick(second)), 0);
  const each = (over: typeof sum): RedisSecond => ({
    operations: over(({ operations }) => operations),
    us: over(({ us }) => us),
    bytesIn: over(({ bytesIn }) => bytesIn),
    bytesOut: over(({ bytesOut }) => bytesOut),
  });
  return { mean: each(sum), peak: each(most) };
}
