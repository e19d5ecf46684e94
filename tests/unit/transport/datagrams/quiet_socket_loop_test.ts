/**
 * When a thread that waits in the kernel looks at its sockets, in a kernel in which time passes
 * only while somebody waits.
 */
import assert from "node:assert/strict";
import {
  QUIET_GRAIN_US,
  QUIET_REPORTS_GRAIN_US,
  REPORTS_GRAIN_US,
} from "../../../../lib/transport/datagrams/receive_pace.ts";
import { SocketLoop } from "../../../../lib/transport/datagrams/socket_loop.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { VirtualKernel } from "../../../support/virtual/virtual_kernel.ts";

const SOCKET = 40;
const BELL = 41;
const REPORTS = 42;
const SECOND_US = 1_000_000;
const GRAIN_US = QUIET_GRAIN_US;
/** A grain, and the millisecond in which its timers are due. */
const LONGEST_US = GRAIN_US + 2_000;

/** One datagram that was received. */
interface Received {
  readonly cameAt: number;
  readonly at: number;
}

interface World {
  /** When datagrams come, µs. */
  readonly datagrams: readonly number[];
  readonly rings?: readonly number[];
  /** When reports come, µs. */
  readonly reports?: readonly number[];
  /** Until when time goes on, µs. */
  readonly untilUs: number;
  readonly begin?: (loop: SocketLoop, kernel: VirtualKernel) => void;
  /** Called for what is received. */
  readonly received?: (loop: SocketLoop, kernel: VirtualKernel) => void;
  /** The same for reports. */
  readonly receivedReports?: (loop: SocketLoop, kernel: VirtualKernel) => void;
}

/** Runs a loop until the time is over. @returns What was received, and all waits. */
async function run(world: World) {
  const { datagrams, rings = [], reports = [], untilUs, begin, received, receivedReports } = world;
  const over = Promise.withResolvers<void>();
  const got: Received[] = [];
  const reported: Received[] = [];
  const kernel = new VirtualKernel(({ nowUs }) => {
    if (nowUs < untilUs) return false;
    release?.().then(over.resolve);
    return false;
  });
  kernel.arrive(SOCKET, datagrams);
  kernel.arrive(BELL, rings);
  kernel.arrive(REPORTS, reports);
  const failures: unknown[] = [];
  /** When the runtime had a turn. */
  const turns: number[] = [];
  const steered: { readonly at: number; readonly isQuiet: boolean }[] = [];
  const loop = new SocketLoop({
    calls: kernel.calls,
    bell: BELL,
    clock: kernel.clock,
    timers: {
      after(delayMs, callback) {
        turns.push(kernel.nowUs);
        return kernel.timers.after(delayMs, callback);
      },
    },
    failed: (error) => failures.push(error),
  });
  const release = loop.watch(SOCKET, () => {
    const came = kernel.take(SOCKET);
    for (const cameAt of came) got.push({ cameAt, at: kernel.nowUs });
    received?.(loop, kernel);
    return came.length;
  }, {
    fd: REPORTS,
    receive() {
      const came = kernel.take(REPORTS);
      for (const cameAt of came) reported.push({ cameAt, at: kernel.nowUs });
      receivedReports?.(loop, kernel);
      return came.length;
    },
    setQuiet: (isQuiet) => void steered.push({ at: kernel.nowUs, isQuiet }),
  });
  assert.ok(release !== undefined);
  begin?.(loop, kernel);
  await over.promise;
  assert.deepEqual(failures, []);
  return { got, reported, steered, turns, waits: kernel.waits };
}

/** So many at times drawn evenly from a span, µs. */
function drawn(count: number, spanUs: number, seed = 3): number[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => random.uint32() % spanUs).sort((a, b) => a - b);
}

function longestDelay(got: readonly Received[]): number {
  return Math.max(...got.map(({ cameAt, at }) => at - cameAt));
}

Deno.test("SocketLoop receives once in a grain while nobody waits for what comes", async () => {
  const datagrams = drawn(300, SECOND_US);
  const { got, waits } = await run({ datagrams, untilUs: SECOND_US + 2 * GRAIN_US });
  assert.deepEqual(got.map(({ cameAt }) => cameAt), datagrams);
  assert.ok(longestDelay(got) <= LONGEST_US, `${longestDelay(got)} µs`);
  const grains = new Set(got.map(({ at }) => Math.floor(at / GRAIN_US)));
  assert.equal(new Set(got.map(({ at }) => at)).size, grains.size, "one turn each");
  // One wait for the grain's end and at most one that looks and finds.
  assert.ok(waits.length <= 2 * grains.size + 20, `${waits.length} waits`);
});

Deno.test("SocketLoop receives a lone datagram at once, however quiet it is", async () => {
  const datagrams = Array.from({ length: 20 }, (_, i) => 33_300 * (i + 1));
  const { got } = await run({ datagrams, untilUs: SECOND_US });
  assert.equal(got.length, 20);
  assert.equal(longestDelay(got), 0);
});

Deno.test("SocketLoop sees to timers and sockets of a grain in one turn", async () => {
  const turns: number[] = [];
  const { got } = await run({
    datagrams: drawn(600, SECOND_US),
    untilUs: SECOND_US,
    begin(loop, kernel) {
      // As timed work does: at multiples of the grain, in whole milliseconds of the clock.
      const later = () => {
        if (kernel.nowUs >= SECOND_US) return;
        const nowMs = Math.trunc(kernel.nowUs / 1_000);
        const atMs = (Math.floor(nowMs / 20) + 1) * 20;
        loop.timers.after(atMs - nowMs, () => {
          turns.push(kernel.nowUs);
          later();
        });
      };
      later();
    },
  });
  const received = new Set(got.map(({ at }) => at));
  const together = turns.filter((at) => received.has(at)).length;
  assert.ok(turns.length > 45, `${turns.length} timers`);
  assert.ok(together >= turns.length * 0.9, `${together} of ${turns.length}`);
});

Deno.test("SocketLoop.active() ends the quiet for a second", async () => {
  const datagrams = drawn(100, 2 * SECOND_US);
  const { got } = await run({
    datagrams,
    untilUs: 2 * SECOND_US + GRAIN_US,
    begin: (loop, kernel) => loop.active(kernel.nowUs),
  });
  const early = got.filter(({ cameAt }) => cameAt < SECOND_US - GRAIN_US);
  const late = got.filter(({ cameAt }) => cameAt > SECOND_US + GRAIN_US);
  // Too few to make a burst wait: each is received when it comes.
  assert.ok(longestDelay(early) <= 1_000, `${longestDelay(early)} µs`);
  assert.ok(longestDelay(late) > 1_000, `${longestDelay(late)} µs`);
});

Deno.test("SocketLoop lets media wait once, for the rest of a grain at most", async () => {
  // Checks, and from half a second on a frame every 20 ms.
  const checks = drawn(100, SECOND_US / 2);
  const frames = Array.from({ length: 25 }, (_, i) => SECOND_US / 2 + 1_500 + i * 20_000);
  const { got } = await run({
    datagrams: [...checks, ...frames],
    untilUs: SECOND_US + GRAIN_US,
    received(loop, kernel) {
      if (kernel.nowUs >= SECOND_US / 2) loop.active(kernel.nowUs);
    },
  });
  const [first, ...others] = got.filter(({ cameAt }) => frames.includes(cameAt));
  assert.ok(first!.at - first!.cameAt <= LONGEST_US);
  assert.ok(others.length >= 23 && longestDelay(others) <= 1_000, `${longestDelay(others)} µs`);
});

Deno.test("SocketLoop hears its bell at once while it leaves its sockets alone", async () => {
  const rings = Array.from({ length: 50 }, (_, i) => 3_700 + i * 17_300);
  const { waits } = await run({ datagrams: drawn(400, SECOND_US), rings, untilUs: SECOND_US });
  const heard = waits.filter(({ found }) => found.includes(-2)).map(({ at }) => at);
  assert.deepEqual(heard, rings);
});

Deno.test("SocketLoop receives reports in turns of their own grain, and media as ever", async () => {
  const frames = Array.from({ length: 90 }, (_, i) => 3_300 + i * 11_110);
  const reports = drawn(1_500, SECOND_US);
  const untilUs = SECOND_US + 2 * GRAIN_US;
  const begin = (loop: SocketLoop, kernel: VirtualKernel) => loop.active(kernel.nowUs);
  const received = begin;
  const { got, reported, waits } = await run({
    datagrams: frames,
    reports,
    untilUs,
    begin,
    received,
  });
  assert.deepEqual(got.map(({ cameAt }) => cameAt), frames);
  assert.ok(longestDelay(got) <= 1_000, `${longestDelay(got)} µs`);
  assert.deepEqual(reported.map(({ cameAt }) => cameAt), reports);
  assert.ok(
    longestDelay(reported) <= 1.5 * REPORTS_GRAIN_US + 2_000,
    `${longestDelay(reported)} µs`,
  );
  const turns = new Set(reported.map(({ at }) => at)).size;
  // Half a grain lies between two of them.
  assert.ok(turns <= 2 * SECOND_US / REPORTS_GRAIN_US + 5, `${turns} turns`);
  const together = got.filter(({ at }) => reported.some((report) => report.at === at)).length;
  assert.ok(together > frames.length / 2, `${together} frames came with reports`);
  // For each of the others the end of the rest, and what is found then.
  const alone = turns - together;
  assert.ok(waits.length <= 2 * alone + frames.length + 20, `${waits.length} waits`);
});

Deno.test("SocketLoop receives a lone report at once", async () => {
  const reports = Array.from({ length: 20 }, (_, i) => 41_234 * (i + 1));
  const begin = (loop: SocketLoop, kernel: VirtualKernel) => loop.active(kernel.nowUs);
  const { reported } = await run({ datagrams: [], reports, untilUs: SECOND_US, begin });
  assert.equal(reported.length, 20);
  assert.equal(longestDelay(reported), 0);
});

Deno.test("SocketLoop.prompt() has reports received as media is, in turns as far apart", async () => {
  const reports = drawn(3_000, SECOND_US);
  const begin = (loop: SocketLoop, kernel: VirtualKernel) => {
    loop.active(kernel.nowUs);
    loop.prompt(kernel.nowUs);
  };
  const { reported } = await run({
    datagrams: [],
    reports,
    untilUs: SECOND_US,
    begin,
    received: begin,
    receivedReports: (loop, kernel) => loop.prompt(kernel.nowUs),
  });
  assert.ok(reported.length > 2_990);
  // Until it is seen that much comes each is received at once.
  const later = reported.filter(({ cameAt }) => cameAt > SECOND_US / 2);
  assert.ok(longestDelay(later) <= 1_000, `${longestDelay(later)} µs`);
  const turns = [...new Set(later.map(({ at }) => at))];
  assert.ok(turns.length <= SECOND_US / 2 / 1_000, `${turns.length} turns`);
});

Deno.test("SocketLoop receives reports seldom while it is quiet, and what else comes at once", async () => {
  const reports = drawn(300, SECOND_US);
  // Farther apart than a grain, so that none is what another one waits for.
  const datagrams = Array.from({ length: 15 }, (_, i) => 11_111 + i * 61_234);
  const untilUs = SECOND_US + 2 * QUIET_REPORTS_GRAIN_US;
  const { got, reported, waits } = await run({ datagrams, reports, untilUs });
  assert.deepEqual(reported.map(({ cameAt }) => cameAt), reports);
  assert.ok(
    longestDelay(reported) <= QUIET_REPORTS_GRAIN_US + 2_000,
    `${longestDelay(reported)} µs`,
  );
  const turns = new Set(reported.map(({ at }) => at)).size;
  const grains = SECOND_US / QUIET_REPORTS_GRAIN_US;
  assert.ok(turns <= grains + 1 + datagrams.length, `${turns} turns`);
  assert.ok(waits.length <= 2 * turns + 2 * datagrams.length + 20, `${waits.length} waits`);
  assert.deepEqual(got.map(({ cameAt }) => cameAt), datagrams);
  assert.equal(longestDelay(got), 0);
});

Deno.test("SocketLoop gives the runtime its turns when it is up for reports, while it is quiet", async () => {
  const reports = Array.from({ length: 400 }, (_, i) => 12_345 + i * 25_000);
  const untilUs = 10 * SECOND_US;
  // What another thread says is seen to at once, at a moment of its own.
  const rings = [1_137_000];
  const { reported, waits, turns } = await run({ datagrams: [], reports, rings, untilUs });
  const received = new Set(reported.map(({ at }) => at)).size;
  assert.ok(turns.length > 35, `${turns.length} turns`);
  const others = turns.filter((at) => at > 0 && !rings.includes(at));
  const inGrain = others.map((at) => at % QUIET_REPORTS_GRAIN_US);
  assert.ok(inGrain.every((us) => us <= 2_000), `${inGrain.join()} µs`);
  // Nothing but the ends of grains, and what is found then.
  assert.ok(waits.length <= 2 * received + 20, `${waits.length} waits for ${received} turns`);
});

Deno.test("SocketLoop has checks come to the second socket while it is quiet, and only then", async () => {
  // Media for half a second, then nothing for two, then media again.
  const frames = [0, 2_500_000].flatMap((from) =>
    Array.from({ length: 25 }, (_, i) => from + 1_500 + i * 20_000)
  );
  const { steered } = await run({
    datagrams: frames,
    reports: drawn(200, 3 * SECOND_US),
    untilUs: 3 * SECOND_US,
    received: (loop, kernel) => loop.active(kernel.nowUs),
  });
  const [begins, first, quiet, again, ...others] = steered;
  assert.deepEqual([begins, first, quiet, again].map((one) => one?.isQuiet), [
    false,
    true,
    false,
    true,
  ]);
  assert.ok(quiet!.at <= frames[0]! + LONGEST_US);
  const lastOfMedia = frames[24]!;
  assert.ok(again!.at >= lastOfMedia + SECOND_US, `${again!.at}`);
  assert.ok(again!.at <= lastOfMedia + SECOND_US + 100_000, `${again!.at}`);
  assert.deepEqual(others.map(({ isQuiet }) => isQuiet), [false]);
});
