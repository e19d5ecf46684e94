import assert from "node:assert/strict";
import type { NodeId, UpTrackId } from "../../../lib/base/ids.ts";
import { RegionHeads } from "../../../lib/cluster/media/region_heads.ts";
import {
  hourOf,
  type LossesFigures,
  lossesOf,
  populationFor,
} from "../../../bench/cluster/cluster_figures.ts";
import { type Census, ClusterRun } from "../../../bench/cluster/cluster_run.ts";
import { EventHeap } from "../../../bench/cluster/event_heap.ts";
import { drawGrowth } from "../../../bench/cluster/growth_plot.ts";
import { MediaCensus } from "../../../bench/cluster/media_relays.ts";
import { HOUR_MS, makePopulation } from "../../../bench/cluster/population.ts";
import { RedisModel } from "../../../bench/cluster/redis_model.ts";
import { RoomsOnNodes } from "../../../bench/cluster/rooms_on_nodes.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const NODES = 24;
const population = makePopulation({ participants: 4_000, seed: 3, untilMs: HOUR_MS });

function runOf(seed = 5, beginMs = 0): ClusterRun {
  return new ClusterRun({
    nodes: NODES,
    population,
    seed,
    beginMs,
    untilMs: HOUR_MS,
    used: 0.5,
  });
}

/** Everybody who came is somewhere, and only there. */
function assertConserved(run: ClusterRun): Census {
  const census = run.census();
  const known = census.present + census.away + census.left + census.gaveUp;
  // Who is on the way in is not anywhere yet.
  assert.ok(known <= census.came && census.came - known < census.came / 50);
  const onNodes = run.present.reduce((sum, count, node) => {
    assert.ok(count >= 0);
    return sum + (run.isAlive[node] ? count : 0);
  }, 0);
  assert.equal(onNodes, census.present);
  return census;
}

/** What the rooms have of living nodes is who is there. */
function assertRoomsAgree(run: ClusterRun): void {
  let inRooms = 0;
  run.rooms.forEach((_, nodes, counts) => {
    assert.equal(new Set(nodes).size, nodes.length);
    nodes.forEach((node, i) => {
      assert.ok(counts[i]! >= 0);
      if (run.isAlive[node]) inRooms += counts[i]!;
    });
  });
  assert.equal(inRooms, run.census().present);
}

Deno.test("ClusterRun loses nobody in an hour, and all of it ends as the population says", () => {
  const run = runOf();
  for (let minute = 10; minute <= 60; minute += 10) {
    run.runUntil(minute * 60_000);
    assertConserved(run);
    assertRoomsAgree(run);
  }
  const { joinAt, leaveAt, sessions } = population;
  let expected = 0;
  for (let i = 0; i < sessions; i++) {
    if (joinAt[i]! < HOUR_MS && leaveAt[i]! >= HOUR_MS) expected++;
  }
  const { present, gaveUp } = run.census();
  assert.equal(gaveUp, 0);
  assert.ok(Math.abs(present - expected) <= 20, `${present} of ${expected}`);
});

Deno.test("ClusterRun gives the same figures for the same seed, and others for another", () => {
  const [one, again, other] = [5, 5, 6].map((seed) => {
    const run = runOf(seed, population.peakAt - 5_000);
    run.runUntil(population.peakAt);
    run.kill([1, 9], false);
    run.runUntil(population.peakAt + 60_000);
    return JSON.stringify([run.lossFigures(), run.census(), [...run.present]]);
  });
  assert.equal(one, again);
  assert.notEqual(one, other);
});

Deno.test("ClusterRun: after nodes died everybody is back, and the dead are buried", () => {
  for (const isSilent of [false, true]) {
    const run = runOf(7, population.peakAt - 5_000);
    run.runUntil(population.peakAt);
    const lost = [2, 3, 11];
    const clients = lost.reduce((sum, node) => sum + run.present[node]!, 0);
    run.kill(lost, isSilent);
    assert.equal(run.census().away, clients);
    run.runUntil(population.peakAt + 90_000);
    const figures = run.lossFigures();
    assert.equal(figures.clients, clients);
    assert.equal(figures.stillAway + figures.gaveUp, 0);
    assert.equal(figures.backAfterMs.length + figures.leftMeanwhile, clients);
    // Nobody can be back before the dead silence is noticed, nor buried before the lease is over.
    assert.ok(figures.backAfterMs[0]! >= (isSilent ? 10_000 : 0));
    assert.ok(figures.goneAfterMs >= (isSilent ? 7_000 : 5_000));
    assert.ok(figures.buriedAfterMs! > 4_000);
    run.rooms.forEach((room, nodes) => {
      for (const node of lost) assert.ok(!nodes.includes(node), `room ${room} has ${node}`);
    });
    assertConserved(run);
    assertRoomsAgree(run);
  }
});

Deno.test("RedisModel answers in order, each master for itself, and counts what came", () => {
  const redis = new RedisModel(10_000, 2);
  const cost = { us: 500, bytesIn: 10, bytesOut: 20 };
  assert.equal(redis.ask("enter", cost, 1_000, 0), 1_000, "it does not count yet");
  redis.isOn = true;
  assert.equal(redis.ask("enter", cost, 1_000, 0), 1_000.5);
  assert.equal(redis.ask("enter", cost, 1_000, 2), 1_001);
  assert.equal(redis.ask("enter", cost, 1_000, 1), 1_000.5);
  assert.deepEqual(redis.second(1), { operations: 3, us: 1_500, bytesIn: 30, bytesOut: 60 });
  const enter = redis.takeTotals().find(({ step }) => step === "enter")!;
  assert.equal(enter.operations, 3);
  assert.equal(redis.takeLongestWait(), 1);
});

Deno.test("RoomsOnNodes: two nodes have one link while they share a room, and a minute after", () => {
  const rooms = new RoomsOnNodes(3);
  assert.equal(rooms.enter(1, 0, 0), true);
  assert.equal(rooms.enter(1, 0, 0), false);
  assert.deepEqual([...rooms.links(0)], [0, 0, 0]);
  rooms.enter(1, 2, 0);
  rooms.enter(7, 0, 0);
  rooms.enter(7, 2, 0);
  assert.deepEqual([...rooms.links(0)], [1, 0, 1]);
  assert.equal(rooms.dials, 1);
  assert.equal(rooms.exit(1, 2), 0);
  rooms.leave(1, 2, 10_000);
  rooms.leave(7, 2, 10_000);
  assert.deepEqual([...rooms.links(69_000)], [1, 0, 1]);
  assert.deepEqual([...rooms.links(71_000)], [0, 0, 0]);
  assert.deepEqual(rooms.listOf(0), [1, 7]);
  assert.equal(rooms.peopleIn(1), 2);
});

Deno.test("MediaCensus: a stream crosses to each other node once, and to each region once", () => {
  const regionOf = Uint8Array.of(0, 0, 1, 1, 1, 2);
  const rooms = new RoomsOnNodes(6);
  for (let node = 0; node < 6; node++) for (let i = 0; i < 3; i++) rooms.enter(0, node, 0);
  const idOf = (node: number) => `ND_${node}` as NodeId;
  const webinar = Uint8Array.of(6);
  const figures = new MediaCensus(6, regionOf, idOf, new SeededRandom(1)).take(rooms, webinar);
  // Two voices, one large picture, three small ones.
  const streams = 6;
  assert.equal(figures.relays, streams * 5);
  assert.equal(figures.relaysBetweenRegions, streams * 2);
  assert.equal(figures.sharedRooms, 1);
  assert.equal(figures.peersPerNode, 5);
  // The same by the project's own rule, asked for one stream from node 0.
  const heads = new RegionHeads();
  const own = [2, 3, 4, 5].filter((node) =>
    heads.headFor("UT_x" as UpTrackId, String(regionOf[node]), idOf(node)) === undefined
  );
  assert.deepEqual(own, [2, 5]);
});

Deno.test("EventHeap gives what was put in by time, and by kind and number at one time", () => {
  const random = new SeededRandom(11);
  const heap = new EventHeap();
  const entries = Array.from({ length: 3_000 }, () => {
    return [random.below(50), random.below(3), random.below(1_000)] as const;
  });
  for (const [at, kind, number] of entries) heap.push(at, kind, number);
  const sorted = [...entries].sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  const got = sorted.map(() => {
    const entry = [heap.nextAt, heap.kind, heap.number] as const;
    heap.drop();
    return entry;
  });
  assert.deepEqual(got, sorted);
  assert.equal(heap.nextAt, Infinity);
});

Deno.test("makePopulation() comes near the wanted number, and is the same for the same seed", () => {
  const again = makePopulation({ participants: 4_000, seed: 3, untilMs: HOUR_MS });
  assert.deepEqual(again.joinAt, population.joinAt);
  assert.ok(Math.abs(population.peak / 4_000 - 1) < 0.25, `${population.peak}`);
  for (let i = 1; i < population.sessions; i++) {
    assert.ok(population.joinAt[i]! >= population.joinAt[i - 1]! - 1);
    assert.ok(population.leaveAt[i]! > population.joinAt[i]!);
  }
});

Deno.test("drawGrowth() draws each figure at each size, and nothing that is not a number", () => {
  const small = populationFor(20, 1);
  const hour = hourOf(20, small, 1);
  const losses: LossesFigures = lossesOf(20, small, 1);
  const svg = drawGrowth([hour, { ...hour, nodes: 200 }], [losses, losses]);
  assert.equal(svg.match(/<circle/g)?.length, 2 * 2 * 4);
  assert.ok(!svg.includes("NaN") && !svg.includes("undefined"));
});
