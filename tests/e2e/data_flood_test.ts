/**
 * A writer that floods the reliable channel, on pion: everything arrives, and nobody else waits.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { RELIABLE } from "../support/peers/data_peer.ts";
import { expectedOf, Inboxes } from "../support/peers/data_scenarios.ts";
import type { RawDataPeer } from "../support/peers/raw_data_peer.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { SpeakerAndListener } from "../support/wire/speaker_and_listener.ts";

const fixture = CallFixture.forThisFile();

/** Of so many tiny messages at once. */
const FLOOD = { label: RELIABLE, count: 108_000, size: 10 };
/** Main thread and media stand no longer than this, ms. */
const LONGEST_STALL_MS = 250;
const LONGEST_GAP_MS = 250;
/** What somebody else writes to the same reader meanwhile, again and again. */
const TALK = { label: RELIABLE, count: 20, size: 100, perSecond: 50 };
/**
 * Messages of the flood between two of somebody else, at most: those that it may send at once, and
 * as many again, which it may send in a second.
 */
const MOST_BETWEEN = 20_000;
/** What is noisy is measured until it is quiet. */
const ATTEMPTS = 4;

endToEndTest(
  "a flood of tiny messages arrives and holds up nobody",
  ["go"],
  () =>
    fixture.call("flood", async (call) => {
      await using bystanders = await SpeakerAndListener.on(call.server);
      const flooder = await call.joinData("pion", "flooder");
      const sink = await call.joinData("pion", "sink");
      const measure = async (first: number) => {
        const inboxes = await Inboxes.of([sink]);
        const burst = { ...FLOOD, first };
        const startedAt = performance.now();
        let sentMs = 0;
        const act = async () => {
          await flooder.send(burst);
          sentMs = performance.now() - startedAt;
          await eventually("the whole flood", async () => {
            return (await sink.state()).arrived >= first + FLOOD.count;
          }, { seen: async () => (await sink.state()).arrived });
        };
        const felt = await bystanders.feel(act);
        await inboxes.expect(flooder, sink, expectedOf(burst));
        return { felt, sentMs, arrivedMs: performance.now() - startedAt };
      };
      const runs: Awaited<ReturnType<typeof measure>>[] = [];
      const isQuiet = () =>
        runs.some(({ felt }) =>
          felt.mainThreadMs <= LONGEST_STALL_MS && felt.mediaMs <= LONGEST_GAP_MS
        );
      do runs.push(await measure(runs.length * FLOOD.count)); while (
        !isQuiet() && runs.length < ATTEMPTS
      );
      assert.ok(isQuiet(), `somebody noticed: ${Deno.inspect(runs, { depth: 4 })}`);
    }, "dual"),
);

/** Writes to `reader` until `isOver`; how many messages. */
async function talk(
  talker: RawDataPeer,
  reader: RawDataPeer,
  isOver: () => boolean,
): Promise<number> {
  let first = 0;
  for (; !isOver(); first += TALK.count) {
    await talker.send({ ...TALK, first, to: [reader.identity] });
  }
  return first;
}

endToEndTest(
  "what others write to the reader of a flood arrives between its messages",
  ["go"],
  () =>
    fixture.call("talk-in-flood", async (call) => {
      const flooder = await call.joinData("pion", "flooder");
      const talker = await call.joinData("pion", "talker");
      const sink = await call.joinData("pion", "sink");
      const inboxes = await Inboxes.of([sink]);
      let isOver = false;
      const talking = talk(talker, sink, () => isOver);
      await eventually("the talk", async () => (await inboxes.from(talker, sink)).length > 0);
      await flooder.send({ ...FLOOD, to: [sink.identity] });
      isOver = true;
      const count = await talking;
      await inboxes.expect(flooder, sink, expectedOf(FLOOD));
      await inboxes.expect(talker, sink, expectedOf({ ...TALK, count }));
      let between = 0;
      let most = 0;
      for (const { from } of await sink.arrivals()) {
        between = from === flooder.identity ? between + 1 : 0;
        most = Math.max(most, between);
      }
      assert.ok(most <= MOST_BETWEEN, `${most} messages of the flood in a row`);
    }, "dual"),
);
