/**
 * When a thread that waits in the kernel looks at its sockets, in a kernel in which time passes
 * only while somebody waits.
 */
import assert from "node:assert/strict";
import { SocketLoop } from "../../../../lib/transport/datagrams/socket_loop.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { VirtualKernel } from "../../../support/virtual/virtual_kernel.ts";

const SOCKET = 40;
const BELL = 41;
const SECOND_US = 1_000_000;
const GRAIN_US = 10_000;
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
  /** Until when time goes on, µs. */
  readonly untilUs: number;
  readonly begin?: (loop: SocketLoop, kernel: VirtualKernel) => void;
  /** Called for what is received. */
  readonly received?: (loop: SocketLoop, kernel: VirtualKernel) => void;
}

/** Runs a loop until the time is over. @returns What was received, and all waits. */
async function run({ datagrams, rings = [], untilUs, begin, received }: World) {
  const over = Promise.withResolvers<void>();
  const got: Received[] = [];
  const kernel = new VirtualKernel(({ nowUs }) => {
    if (nowUs < untilUs) return false;
    release?.().then(over.resolve);
    return false;
  });
  kernel.arrive(SOCKET, datagrams);
  kernel.arrive(BELL, rings);
  const failures: unknown[] = [];
  const loop = new SocketLoop({
    calls: kernel.calls,
    bell: BELL,
    clock: kernel.clock,
    timers: kernel.timers,
    failed: (error) => failures.push(error),
  });
  const release = loop.watch(SOCKET, () => {
    const came = kernel.take(SOCKET);
    for (const cameAt of came) got.push({ cameAt, at: kernel.nowUs });
    received?.(loop, kernel);
    return came.length;
  });
  assert.ok(release !== undefined);
  begin?.(loop, kernel);
  await over.promise;
  assert.deepEqual(failures, []);
  return { got, waits: kernel.waits };
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
        const atMs = (Math.floor(nowMs / 10) + 1) * 10;
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
  assert.ok(turns.length > 90, `${turns.length} timers`);
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
