/**
 * Readers on stacks that we did not write which come to a stop: frozen as whole processes, so that
 * nothing is acknowledged; or by an application that does nothing while its stack reads on. What
 * they read later, what the server kept for them, and what the others had meanwhile. Readers that
 * leave messages in their window, on pion: `data_readers_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { FrozenProcesses } from "../support/process/frozen_processes.ts";
import { type Arrival, type DataPeer, isIntact, RELIABLE } from "../support/peers/data_peer.ts";
import { all, expectedOf, Inboxes, meeting } from "../support/peers/data_scenarios.ts";
import type { DistantRtcNodePeer } from "../support/peers/distant_rtc_node_peer.ts";
import type { RawDataPeer } from "../support/peers/raw_data_peer.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import { pause } from "../support/wire/until.ts";

/** LiveKit's threshold in its own test of slow readers, bit/s. */
const THRESHOLD_BPS = 21_024;

const fixture = CallFixture.forThisFile();
const slowFixture = CallFixture.forThisFile({
  config: { rtc: { datachannel_slow_threshold: THRESHOLD_BPS } },
});

/**
 * How long they stand, ms: ICE calls who has not answered for 10 s interrupted, and for 15 s lost.
 * It is longer than the 2 s over which a reader's rate is taken.
 */
const STOP_MS = 8_000;
/** Written to all meanwhile: more than a server keeps for anybody. */
const BURST = { label: RELIABLE, count: 600, size: 16_000 };
/** Written when they have gone on. */
const LATE = { label: RELIABLE, count: 5, size: 100, first: 2 * BURST.count };
/** Without a threshold so much is kept for a reader, whatever it takes, bytes. */
const MOST_KEPT = 4 * 1024 * 1024;
/** Writers wait from here on, until it turns out that nobody should, bytes. */
const SURELY_KEPT = 3 * 1024 * 1024;
/** With one so much until it is known how slow it is, bytes. */
const MOST_KEPT_OF_SLOW = 128 * 1024;
/** Messages that were on their way to a reader when it stopped, and may not have left whole. */
const ON_THEIR_WAY = 4;

/** How each stack's processes are known. */
const PROGRAMS = {
  "chromium": /chromium/,
  "firefox": /firefox/,
  "libdatachannel": /data_peer\.mjs/,
  "aiortc": /data_peer\.py/,
  "rtc-node": /distant_rtc_node_main/,
} as const;
const STACKS = Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[];
/** Those in which one thread is application and stack alike. */
const OF_ONE_THREAD: readonly string[] = ["aiortc"];

type Reader = RawDataPeer | DistantRtcNodePeer;

/** One who writes to all, one who reads on, and one reader on each stack. */
interface Meeting {
  readonly writer: DataPeer;
  readonly steady: DataPeer;
  readonly readers: readonly Reader[];
}

async function meet(call: Call): Promise<Meeting> {
  const writer = await call.joinData("pion", "writer");
  const steady = await call.joinData("pion", "steady");
  const readers: Reader[] = [];
  for (const stack of STACKS) {
    const name = `${stack}-reader`;
    readers.push(
      stack === "rtc-node" ? await call.joinDistantRtcNode(name) : await call.joinData(stack, name),
    );
  }
  await meeting([writer, steady, ...readers]);
  return { writer, steady, readers };
}

/** Message numbers that one reader has, without those of {@linkcode LATE}. */
type Check = (reader: DataPeer, numbers: readonly number[]) => void;

/**
 * Writes to all while `stop` lasts, in which the steady one must have everything.
 *
 * @param first Number of the first message.
 */
async function writeWhile(
  { writer, steady, readers }: Meeting,
  first: number,
  stop: () => Promise<void>,
  check: Check,
): Promise<void> {
  const [burst, late] = [{ ...BURST, first }, { ...LATE, first: first + LATE.first }];
  const inboxes = await Inboxes.of([steady, ...readers]);
  const stopping = stop();
  await Promise.all([
    stopping,
    writer.send(burst),
    inboxes.expect(writer, steady, expectedOf(burst)),
  ]);
  await writer.send(late);
  await all(readers, ({ stack }) => stack, async (reader) => {
    let got: readonly Arrival[] = [];
    await eventually("what was written last", async () => {
      got = await inboxes.from(writer, reader);
      return got.at(-1)?.number === late.first + late.count - 1;
    }, { seen: () => got.map(({ number }) => number) });
    assert.ok(got.every((one) => isIntact(one)), "a message is damaged");
    const numbers = got.map(({ number }) => number);
    const tail = expectedOf(late).map(({ number }) => number);
    assert.deepEqual(numbers.slice(-late.count), tail);
    check(reader, numbers.slice(0, -late.count).map((number) => number - first));
  });
}

/** Freezes everybody until the rest of the room has everything. */
async function freeze({ writer, steady }: Meeting, first: number): Promise<void> {
  using _frozen = FrozenProcesses.matching(Object.values(PROGRAMS));
  const inboxes = await Inboxes.of([steady]);
  await pause(STOP_MS);
  const got = await inboxes.from(writer, steady);
  assert.equal(got.at(-1)?.number, first + BURST.count - 1, "somebody else was held up");
}

/** All up to one, which is beyond what is surely kept, and none behind it. */
const hasBeginning: Check = (_reader, numbers) => {
  assert.deepEqual(numbers, numbers.map((_, at) => at));
  const bytes = numbers.length * BURST.size;
  assert.ok(bytes >= SURELY_KEPT, `${bytes} bytes were kept`);
  assert.ok(bytes <= MOST_KEPT + ON_THEIR_WAY * BURST.size, `${bytes} bytes were kept`);
};

const hasAll: Check = (_reader, numbers) => {
  assert.deepEqual(numbers, expectedOf(BURST).map(({ number }) => number));
};

/** In order what is left, which is no more than is kept. */
const hasLittle: Check = (_reader, numbers) => {
  assert.ok(numbers.every((number, at) => at === 0 || number > numbers[at - 1]!), `${numbers}`);
  const bytes = numbers.length * BURST.size;
  assert.ok(bytes <= MOST_KEPT_OF_SLOW + ON_THEIR_WAY * BURST.size, `${bytes} bytes: ${numbers}`);
};

async function stopAndGoOn(call: Call): Promise<void> {
  const meeting = await meet(call);
  await writeWhile(meeting, 0, () => freeze(meeting, 0), hasBeginning);
  const first = 4 * BURST.count;
  const block = () => all(meeting.readers, ({ stack }) => stack, (reader) => reader.block(STOP_MS));
  await writeWhile(meeting, first, block, (reader, numbers) => {
    (OF_ONE_THREAD.includes(reader.stack) ? hasBeginning : hasAll)(reader, numbers);
  });
}

async function stopBelowThreshold(call: Call): Promise<void> {
  const meeting = await meet(call);
  await writeWhile(meeting, 0, () => freeze(meeting, 0), hasLittle);
}

endToEndTest(
  "readers on strange stacks that stop have in order what was kept for them, and hold up nobody",
  ["go", "node", "python", "chromium", "firefox"],
  () => fixture.call("stopped-stacks", stopAndGoOn, "dual"),
);

endToEndTest(
  "readers on strange stacks that stop soon see what is new where there is a threshold",
  ["go", "node", "python", "chromium", "firefox"],
  () => slowFixture.call("stopped-below-threshold", stopBelowThreshold),
);
