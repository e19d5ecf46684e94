/**
 * Pictures behind loss both ways: what is lost is there again before its picture is to be shown,
 * also where the request for it is lost, and nobody waits for longer than that takes. On virtual
 * time.
 */
import assert from "node:assert/strict";
import { LossyWorld } from "../support/media/lossy_world.ts";

/** The wait of a receiver has to hold what lies between a picture's arrival and its decoding, ms. */
const DECODING_MS = 20;

/** Means over three seeds, 60 s each. */
function behind(loss: number, rttMs: number, tells = true, downBps = Infinity) {
  const runs = [1, 2, 3].map((seed) =>
    new LossyWorld({ loss, rttMs, seed, tells, downBps }).run(20_000, 60_000)
  );
  const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / 3;
  return {
    tooLate: mean(
      runs.map(({ lateMs, waitMs }) =>
        lateMs.filter((ms) => ms > waitMs - DECODING_MS).length / lateMs.length
      ),
    ),
    waitMs: Math.max(...runs.map((run) => run.waitMs)),
    resent: mean(runs.map((run) => run.resent)),
  };
}

for (
  const [loss, rttMs, mostLate, mostWaitMs, copies] of [
    [0.02, 50, 0.03, 110, 1],
    [0.05, 50, 0.01, 190, 1],
    [0.1, 50, 0.01, 190, 2],
    [0.02, 200, 0.03, 260, 2],
    [0.05, 200, 0.01, 300, 2],
    [0.1, 200, 0.02, 300, 3],
  ] as const
) {
  Deno.test(`${100 * loss} % lost both ways at ${rttMs} ms: pictures are whole in time`, () => {
    const { tooLate, waitMs, resent } = behind(loss, rttMs);
    assert.ok(tooLate <= mostLate, `${tooLate} of the pictures came late`);
    assert.ok(waitMs <= mostWaitMs, `${waitMs} ms waited for`);
    // What is told is not sent once more when it is asked for.
    assert.ok(resent < 1.25 * copies * loss, `${resent} of the packets sent again`);
  });
}

for (
  const [loss, downBps, mostLate] of [[0.1, 2_000_000, 0.35], [0.05, 1_750_000, 0.15]] as const
) {
  Deno.test(`${100 * loss} % lost of ${downBps} bit/s: repairs do not fill the path themselves`, () => {
    const { tooLate, resent } = behind(loss, 200, true, downBps);
    assert.ok(tooLate <= mostLate, `${tooLate} of the pictures came late`);
    assert.ok(resent < 2.5 * loss, `${resent} of the packets sent again`);
  });
}

Deno.test("who does not tell what arrived is waited for as long as a second request takes", () => {
  assert.equal(behind(0.05, 50, false).waitMs, 230);
});
