/**
 * Readers that stop and readers that are slow: what becomes of the reliable channel towards them, of
 * those who write to it, and of everybody else. On pion, whose applications can leave messages in
 * the window that they give a sender, on libdatachannel, which keeps what nobody takes, and on
 * aiortc, whose SCTP is given nothing meanwhile; readers on other stacks come to a stop as processes
 * (`data_stopped_stacks_test.ts`). A writer that floods: `data_flood_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { type Burst, RELIABLE } from "../support/peers/data_peer.ts";
import { all, expectedOf, Inboxes } from "../support/peers/data_scenarios.ts";
import type { RawDataPeer } from "../support/peers/raw_data_peer.ts";
import { type Call, CallFixture, type DataJoinOptions } from "../support/sdk/call_fixture.ts";
import { SpeakerAndListener } from "../support/wire/speaker_and_listener.ts";
import { pause } from "../support/wire/until.ts";

/** LiveKit's threshold in its own test of slow readers, bit/s. */
const THRESHOLD_BPS = 21_024;

const fixture = CallFixture.forThisFile();
const slowFixture = CallFixture.forThisFile({
  config: { rtc: { datachannel_slow_threshold: THRESHOLD_BPS } },
});

/** How long readers stand still, or read slowly, ms. */
const STOP_MS = 30_000;
/** What is written to those that stop: more than their window, less than may wait for a reader. */
const STOPPED = { label: RELIABLE, count: 300, size: 10_000 };
/** What is written to one that reads on: much more than all windows and buffers on the way hold. */
const LONG = { label: RELIABLE, count: 1_500, size: 16_000 };
const UNHURRIED_BPS = 800_000;
/** A small window, bytes. */
const NARROW_WINDOW = 16 * 1024;
/** Part of it that may be on its way meanwhile; its reader has had an eighth then. */
const MOST_ON_ITS_WAY = 0.6;
/** No bystander waits longer than this for the server, ms. */
const LONGEST_WAIT_MS = 500;

/** One who writes to one reader. */
interface Pair {
  readonly writer: RawDataPeer;
  readonly reader: RawDataPeer;
  readonly burst: Burst;
}

async function pairsIn(call: Call): Promise<Pair[]> {
  const pairOf = async (
    name: string,
    options: DataJoinOptions,
    burst: Burst,
    stack: "pion" | "libdatachannel" | "aiortc" = "pion",
  ) => {
    const reader = await call.joinData(stack, name, options);
    const writer = await call.joinData("pion", `writer-to-${name}`);
    return { writer, reader, burst: { ...burst, to: [name] } };
  };
  const stopped = await pairOf("stopped", { isStopped: true }, STOPPED);
  // What it has room for is full with the first message.
  const narrow = await pairOf("narrow", { isStopped: true, window: NARROW_WINDOW }, STOPPED);
  const untaken = await pairOf("untaken", { isStopped: true }, STOPPED, "libdatachannel");
  const unacknowledged = await pairOf("unacknowledged", {}, STOPPED, "aiortc");
  await unacknowledged.reader.read(0);
  const unhurried = await pairOf("unhurried", {}, LONG);
  await unhurried.reader.read(UNHURRIED_BPS);
  return [stopped, narrow, untaken, unacknowledged, unhurried];
}

async function stopAndGoOn(call: Call): Promise<void> {
  const pairs = await pairsIn(call);
  const talker = await call.joinData("pion", "talker");
  const listener = await call.joinData("pion", "listener");
  await using bystanders = await SpeakerAndListener.on(call.server);
  const inboxes = await Inboxes.of([...pairs.map(({ reader }) => reader), listener]);
  const talk = { label: RELIABLE, count: STOP_MS / 50, size: 100, perSecond: 20 };
  const sending = Promise.all([
    talker.send({ ...talk, to: [listener.identity] }),
    ...pairs.map(({ writer, burst }) => writer.send(burst)),
  ]);
  const felt = await bystanders.feel(() => pause(STOP_MS));
  const [{ sent }, heard] = [await talker.state(), await inboxes.from(talker, listener)];
  const unhurried = pairs.at(-1)!;
  const long = await unhurried.writer.state();
  const onItsWay = long.sent - long.buffered / LONG.size;
  for (const { reader } of pairs) await reader.read(-1);
  await all(
    pairs,
    ({ reader }) => reader.identity,
    ({ writer, reader, burst }) => inboxes.expect(writer, reader, expectedOf(burst)),
  );
  await inboxes.expect(talker, listener, expectedOf(talk));
  await sending;
  assert.ok(onItsWay < LONG.count * MOST_ON_ITS_WAY, `${onItsWay} messages wait for a reader`);
  assert.ok(heard.length >= sent - talk.perSecond, "somebody else was held up");
  assert.ok(felt.mainThreadMs <= LONGEST_WAIT_MS, Deno.inspect(felt));
  assert.ok(felt.mediaMs <= LONGEST_WAIT_MS, Deno.inspect(felt));
}

/** How fast the slow one reads, bit/s: half of the threshold. */
const SLOW_BPS = THRESHOLD_BPS / 2;
/** What it lets a sender have on its way, bytes. */
const SLOW_WINDOW = 4_096;
/** It sees that something is missing so soon, in the time of its own reading, ms. */
const GAP_DEADLINE_MS = 6_000;

async function readSlowly(call: Call): Promise<void> {
  const slow = await call.joinData("pion", "slow", { window: SLOW_WINDOW });
  const fast = await call.joinData("pion", "fast");
  const writer = await call.joinData("pion", "writer");
  await slow.read(SLOW_BPS);
  const inboxes = await Inboxes.of([slow, fast]);
  const burst = { label: RELIABLE, count: 1_000, size: 1_000, perSecond: 100 };
  const sending = writer.send(burst);
  const read = async () => (await inboxes.from(writer, slow)).map(({ number }) => number);
  const gap = await eventually("a gap", async () => {
    const at = (await read()).findIndex((number, at) => number !== at);
    return at >= 0 && at;
  }, { seen: read });
  const gapMs = gap * burst.size * 8_000 / SLOW_BPS;
  assert.ok(gapMs <= GAP_DEADLINE_MS, `it took ${gapMs} ms: ${await read()}`);
  await sending;
  await inboxes.expect(writer, fast, expectedOf(burst));
  const numbers = await read();
  assert.ok(numbers.every((number, at) => at === 0 || number > numbers[at - 1]!), `${numbers}`);
}

endToEndTest(
  "readers that stop for 30 s have everything later, one of 10 kbit/s soon sees what is new, and both hold up nobody else",
  ["go", "node", "python"],
  () =>
    // At the same time, each on a server of its own: most of it is waiting.
    all(
      [
        ["stopped", () => fixture.call("stopped-readers", stopAndGoOn, "dual")],
        ["slow", () => slowFixture.call("slow-reader", readSlowly, "dual")],
      ] as const,
      ([name]) => name,
      ([, run]) => run(),
    ),
);
