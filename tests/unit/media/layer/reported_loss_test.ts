import assert from "node:assert/strict";
import { ReportedLoss } from "../../../../lib/media/layer/reported_loss.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

function report(highestSequence: number, cumulativeLost: number, fractionLost = 0): ReportBlock {
  return Object.assign(new ReportBlock(), { highestSequence, cumulativeLost, fractionLost });
}

/** What each of some reports says: packets that should have come, and that were lost. */
function said(
  ...reports: readonly (readonly [block: ReportBlock, unsent: number])[]
): (readonly [expected: number, lost: number])[] {
  const loss = new ReportedLoss();
  return reports.map(([block, unsent]) => {
    loss.take(block, 200, unsent);
    return [loss.expected, loss.lost] as const;
  });
}

Deno.test("ReportedLoss says how many packets were lost since the report before", () => {
  const told = said([report(100, 0), 0], [report(150, 0), 0], [report(200, 2), 0]);
  assert.deepEqual(told, [[200, 0], [50, 0], [50, 2]]);
});

Deno.test("ReportedLoss takes the fraction of a first report, as totals may be of another track", () => {
  assert.deepEqual(said([report(9_000, 70), 0], [report(9_050, 70), 0]), [[200, 0], [50, 0]]);
  assert.deepEqual(said([report(100, 1, 3), 0]), [[200, 3]]);
});

Deno.test("ReportedLoss does not count what the publisher's path lost", () => {
  const told = said([report(100, 0), 0], [report(150, 3), 3], [report(200, 4), 3]);
  assert.deepEqual(told, [[200, 0], [50, 0], [50, 1]]);
  assert.deepEqual(said([report(100, 2, 5), 2]), [[200, 0]]);
});

Deno.test("ReportedLoss says how often packets were sent again, and is not misled by who counts those", () => {
  const loss = new ReportedLoss();
  const take = (highest: number, lost: number, again: number) => {
    loss.take(report(highest, lost), highest, 0, again);
    return [loss.expected, loss.lost, loss.copies];
  };
  take(100, 0, 0);
  assert.deepEqual(take(150, 2, 10), [50, 2, 0]);
  assert.deepEqual(take(200, 2, 58), [50, 0, 1]);
  assert.deepEqual(take(250, 3, 156), [50, 1, 2]);
  // 100 copies, of which 95 came, beside 47 packets.
  assert.deepEqual(take(300, 3 + 50 - 47 - 95, 256), [0, 0, 2]);
  // One that was taken for lost came, as some did before there were copies.
  const late = new ReportedLoss();
  late.take(report(100, 4), 100, 0, 0);
  late.take(report(150, 2), 150, 0, 50);
  assert.deepEqual([late.expected, late.lost], [50, 0]);
});

Deno.test("ReportedLoss is not misled by a hole that is newer than the report", () => {
  // The hole was there when the report came, which counts it only the next time.
  const told = said([report(100, 0), 0], [report(150, 0), 1], [report(200, 1), 1]);
  assert.deepEqual(told.map(([, lost]) => lost), [0, 0, 0]);
});

Deno.test("ReportedLoss says nothing new where nothing came", () => {
  assert.deepEqual(said([report(100, 0), 0], [report(100, 0), 0])[1], [0, 0]);
});

Deno.test("ReportedLoss hears of losses again soon after a receiver counted anew", () => {
  const again = [[report(5_000, 1), 0], [report(5_050, 1), 0], [report(5_100, 1), 0]] as const;
  const told = said([report(4_900, 90), 0], ...again, [report(5_150, 1), 0], [report(5_200, 3), 0]);
  assert.equal(told.at(-1)![1], 2);
});

Deno.test("ReportedLoss is whole and not negative whatever reports say (seeded)", () => {
  const random = new SeededRandom(5);
  const loss = new ReportedLoss();
  for (let i = 0; i < 20_000; i++) {
    const cumulative = random.below(1 << 24) - (1 << 23);
    const block = report(random.uint32(), cumulative, random.below(256));
    loss.take(block, random.below(100_000), random.below(100_000) - 10);
    assert.ok(Number.isInteger(loss.lost) && loss.lost >= 0);
    assert.ok(Number.isInteger(loss.expected) && loss.expected >= 0);
  }
});
