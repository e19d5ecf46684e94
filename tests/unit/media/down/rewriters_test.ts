import assert from "node:assert/strict";
import { RtcpClock } from "../../../../lib/media/layer/rtcp_clock.ts";
import { SequenceRewriter } from "../../../../lib/media/down/sequence_rewriter.ts";
import { SenderReportFigures } from "../../../../lib/media/down/down_track_options.ts";
import { TimestampRewriter } from "../../../../lib/media/down/timestamp_rewriter.ts";
import { Vp8Rewriter } from "../../../../lib/media/select/vp8_rewriter.ts";
import { Vp8Descriptor } from "../../../../lib/wire/vp8_descriptor.ts";
import { type Vp8Fields, vp8Payload } from "../../../support/media/forwarding_fixtures.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

Deno.test("SequenceRewriter keeps the source's own numbers until something is left out", () => {
  const rewriter = new SequenceRewriter();
  rewriter.switchTo(70_000);
  assert.deepEqual([70_000, 70_001, 70_003].map((n) => rewriter.forward(n)), [
    70_000,
    70_001,
    70_003,
  ]);
  assert.equal(rewriter.drop(70_004), -1);
  assert.equal(rewriter.forward(70_005), 70_004);
  assert.equal(rewriter.forward(70_002), 70_002, "late, with the offset of its time");
  assert.equal(rewriter.lastOut, 70_004);
});

Deno.test("SequenceRewriter.drop() of a late packet returns the number kept free for it", () => {
  const rewriter = new SequenceRewriter();
  rewriter.switchTo(100);
  rewriter.forward(100);
  assert.equal(rewriter.drop(102), -1);
  rewriter.forward(103);
  assert.equal(rewriter.drop(101), 101);
});

Deno.test("SequenceRewriter.switchTo() goes on from the last number sent", () => {
  const rewriter = new SequenceRewriter();
  rewriter.switchTo(100);
  rewriter.forward(100);
  rewriter.forward(105);
  rewriter.switchTo(9000);
  assert.equal(rewriter.isKnown(8999), false, "before the switch");
  assert.equal(rewriter.forward(9000), 106);
  assert.equal(rewriter.isKnown(9000 - 512), false);
});

Deno.test("SequenceRewriter uses each number once and leaves none out, in random order", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new SeededRandom(seed);
    const rewriter = new SequenceRewriter();
    const order = Array.from(
      { length: 400 },
      (_, i) => ({ seq: 66_000 + i, at: i + random.below(8) }),
    );
    order.sort((a, b) => a.at - b.at);
    rewriter.switchTo(66_000);
    const used: number[] = [];
    for (const { seq } of order) {
      const out = random.chance(0.3) ? rewriter.drop(seq) : rewriter.forward(seq);
      if (out !== -1) used.push(out);
    }
    used.sort((a, b) => a - b);
    assert.deepEqual(used, used.map((_, i) => used[0]! + i), `seed ${seed}`);
  }
});

Deno.test("SequenceRewriter gives a late packet the number of its time, whatever came since", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new SeededRandom(seed);
    const rewriter = new SequenceRewriter();
    // What each source number is to be, worked out in order; -1 for what is left out.
    const planned: number[] = [];
    const missing: number[] = [];
    rewriter.switchTo(70_000);
    let next = 70_000;
    let endsInHole = false;
    for (let i = 0; i < 400; i++) {
      const kind = random.below(10);
      if (kind === 0) {
        if (endsInHole || !rewriter.isDense) continue;
        assert.equal(rewriter.insert(0), next++, `seed ${seed}`);
        continue;
      }
      const seq = 70_000 + planned.length;
      endsInHole = kind < 4;
      if (kind < 4) missing.push(seq);
      else if (kind < 6) assert.equal(rewriter.drop(seq), -1);
      else assert.equal(rewriter.forward(seq), next, `seed ${seed}, ${seq}`);
      planned.push(kind < 4 || kind >= 6 ? next++ : -1);
      // Missing ones below the highest have their number; those behind it have none yet.
      if (kind >= 4 && missing.length > 0 && random.chance(0.5)) {
        const late = missing.splice(random.below(missing.length), 1)[0]!;
        assert.equal(rewriter.forward(late), planned[late - 70_000], `seed ${seed}, late ${late}`);
      }
    }
  }
});

function clockAt(ntpMs: number, rtpTimestamp: number): RtcpClock {
  const clock = new RtcpClock();
  const fraction = Math.round(((ntpMs % 1000) / 1000) * 2 ** 32);
  clock.update(Math.floor(ntpMs / 1000), fraction, rtpTimestamp, 0);
  return clock;
}

Deno.test("TimestampRewriter starts with the source's own timestamps, over the wrap", () => {
  const rewriter = new TimestampRewriter();
  const clock = new RtcpClock();
  rewriter.switchTo(0xffff_ff00, undefined, clock, 90_000, 2000, 0);
  assert.equal(rewriter.forward(0xffff_ff00, 0), 0xffff_ff00);
  assert.equal(rewriter.forward(0x0000_0ab8, 33), 0x0000_0ab8);
});

Deno.test("TimestampRewriter places a new source by the sender reports of both", () => {
  const rewriter = new TimestampRewriter();
  const from = clockAt(3_900_000_000_000, 10_000);
  const to = clockAt(3_900_000_000_500, 7_000_000);
  rewriter.switchTo(10_000, undefined, from, 90_000, 2000, 0);
  rewriter.forward(10_000, 0);
  // Captured 100 ms after the first picture: 400 ms before the new layer's report.
  rewriter.switchTo(7_000_000 - 36_000, from, to, 90_000, 2000, 120);
  assert.equal(rewriter.forward(7_000_000 - 36_000, 120), 10_000 + 9_000);
});

Deno.test("TimestampRewriter goes by the time that passed without a report, or with an absurd one", () => {
  for (const to of [new RtcpClock(), clockAt(3_900_003_600_000, 7_000_000)]) {
    const rewriter = new TimestampRewriter();
    const from = clockAt(3_900_000_000_000, 10_000);
    rewriter.switchTo(10_000, undefined, from, 90_000, 2000, 0);
    rewriter.forward(10_000, 0);
    rewriter.switchTo(7_000_000, from, to, 90_000, 2000, 200);
    assert.equal(rewriter.forward(7_000_000, 200), 10_000 + 18_000);
  }
});

Deno.test("TimestampRewriter never goes back at a switch", () => {
  const rewriter = new TimestampRewriter();
  const from = clockAt(3_900_000_000_000, 10_000);
  const to = clockAt(3_900_000_000_000, 50_000);
  rewriter.switchTo(10_000, undefined, from, 90_000, 2000, 0);
  rewriter.forward(10_000, 0);
  rewriter.switchTo(50_000, from, to, 90_000, 2000, 10); // the same picture in another layer
  assert.equal(rewriter.forward(50_000, 10), 10_001);
  rewriter.switchTo(9_000, to, from, 90_000, 2000, 20);
  assert.equal(rewriter.forward(9_000, 20), 10_002);
});

Deno.test("TimestampRewriter brings pictures together that are older than what left, and stays in time", () => {
  const from = clockAt(3_900_000_000_000, 10_000);
  const to = clockAt(3_900_000_000_000, 50_000);
  const switched = (isVideo: boolean, behind: number) => {
    const rewriter = new TimestampRewriter(isVideo);
    rewriter.switchTo(10_000, undefined, from, 90_000, 2000, 0);
    rewriter.forward(100_000, 1000);
    rewriter.switchTo(140_000 - behind, from, to, 90_000, 2000, 1010);
    return [0, 3_000, 6_000, 9_000, 3_000, 12_000].map((ticks) => {
      return rewriter.forward(140_000 - behind + ticks, 1010) - 100_000;
    });
  };
  // From 67 ms before what left last; the second picture's last packet comes late.
  assert.deepEqual(switched(true, 6_000), [1, 47, 94, 3_000, 47, 6_000]);
  assert.deepEqual(switched(false, 6_000), [1, 3_001, 6_001, 9_001, 3_001, 12_001], "no sound");
  assert.deepEqual(switched(true, 90_000)[1], 3_001, "nor a whole second");
});

/** A camera of which its subscriber was told, and which goes over to a source without a report. */
function guessed(isVideo = true) {
  const rewriter = new TimestampRewriter(isVideo);
  const from = clockAt(3_900_000_000_000, 10_000);
  const to = new RtcpClock();
  rewriter.switchTo(10_000, undefined, from, 90_000, 2000, 0);
  rewriter.forward(10_000, 0);
  assert.ok(rewriter.report(from, 90_000, 0, new SenderReportFigures()));
  rewriter.switchTo(50_000, from, to, 90_000, 2000, 100);
  assert.equal(rewriter.forward(50_000, 100), 10_000 + 9_000);
  return { rewriter, from, to };
}

Deno.test("TimestampRewriter moves a picture to where the first report of its source puts it", () => {
  // Of what was captured at 100 ms by its arrival, and really at so many ms.
  for (const capturedMs of [160, 80]) {
    const { rewriter, to } = guessed();
    const figures = new SenderReportFigures();
    to.update(3_900_000_000, 0, 50_000 - 90 * capturedMs, 110);
    assert.equal(rewriter.report(to, 90_000, 110, figures), false, "nothing is said of a guess");
    assert.equal(rewriter.forward(50_000, 110), 10_000 + 9_000, "a picture stays whole");
    assert.equal(rewriter.forward(53_000, 133), 10_000 + 90 * capturedMs + 3_000);
    assert.equal(rewriter.forward(50_000, 134), 10_000 + 9_000, "also where a part of it is late");
    assert.equal(rewriter.forward(56_000, 166), 10_000 + 90 * capturedMs + 6_000);
    assert.ok(rewriter.report(to, 90_000, 170, figures));
    assert.equal(figures.rtpTimestamp, 10_000 + 90 * 60, "60 ms after its clock was heard");
  }
});

Deno.test("TimestampRewriter brings pictures together where the first report puts them too early", () => {
  const { rewriter, to } = guessed();
  to.update(3_900_000_000, 0, 50_000, 110);
  const at = [53_000, 56_000, 59_000, 62_000].map((ticks) => rewriter.forward(ticks, 133) - 19_000);
  assert.deepEqual(at, [1, 47, 94, 3_000]);
});

Deno.test("TimestampRewriter believes no first report that is absurd, and moves no sound", () => {
  const { rewriter, to } = guessed();
  to.update(3_900_000_000, 0, 50_000 - 90 * 1_000, 110);
  assert.equal(rewriter.forward(53_000, 133), 10_000 + 9_000 + 3_000);
  const sound = guessed(false);
  sound.to.update(3_900_000_000, 0, 50_000 - 90 * 160, 110);
  assert.equal(sound.rewriter.forward(53_000, 133), 10_000 + 9_000 + 3_000);
});

Deno.test("TimestampRewriter places a source that nothing came before by what it has told", () => {
  const { rewriter } = guessed();
  const next = clockAt(3_900_000_000_000, 70_000);
  rewriter.switchTo(70_000 + 90 * 300, undefined, next, 90_000, 2000, 350);
  assert.equal(rewriter.forward(70_000 + 90 * 300, 350), 10_000 + 90 * 300);
});

Deno.test("TimestampRewriter resumes a source whose clock stood still by the time that passed", () => {
  const rewriter = new TimestampRewriter();
  const clock = new RtcpClock();
  rewriter.switchTo(1000, undefined, clock, 48_000, 2000, 0);
  rewriter.forward(1000, 0);
  rewriter.switchTo(1960, clock, clock, 48_000, 200, 5000);
  assert.equal(rewriter.forward(1960, 5000), 1000 + 240_000);
});

function descriptor(fields: Vp8Fields): Vp8Descriptor {
  const d = new Vp8Descriptor();
  const payload = vp8Payload(fields);
  assert.ok(d.parse(payload, 0, payload.length));
  return d;
}

Deno.test("Vp8Rewriter keeps the first source's numbers and continues them over a switch and a wrap", () => {
  const rewriter = new Vp8Rewriter();
  const first = descriptor({ pictureId: 0x7fff, tl0: 255, keyIdx: 31, key: true });
  rewriter.switchTo(first, 3);
  assert.ok(rewriter.decide(first, false, 3));
  assert.deepEqual([rewriter.pictureIdOut, rewriter.tl0PicIdxOut, rewriter.keyIdxOut], [
    0x7fff,
    255,
    31,
  ]);
  const other = descriptor({ pictureId: 500, tl0: 60, keyIdx: 9, key: true });
  rewriter.switchTo(other, 3);
  assert.ok(rewriter.decide(other, false, 3));
  assert.deepEqual([rewriter.pictureIdOut, rewriter.tl0PicIdxOut, rewriter.keyIdxOut], [0, 0, 0]);
});

Deno.test("Vp8Rewriter extends 7-bit picture ids past 127", () => {
  const rewriter = new Vp8Rewriter();
  const start = descriptor({ pictureId: 126, bits: 7, tl0: 1, key: true });
  rewriter.switchTo(start, 3);
  const ids: number[] = [];
  for (const pictureId of [126, 127, 0, 1]) {
    assert.ok(rewriter.decide(descriptor({ pictureId, bits: 7, tl0: 1 }), false, 3));
    ids.push(rewriter.pictureIdOut);
  }
  assert.deepEqual(ids, [126, 127, 128, 129]);
});

Deno.test("Vp8Rewriter leaves whole pictures of higher temporal layers out and closes the gap in ids", () => {
  const rewriter = new Vp8Rewriter();
  const key = descriptor({ pictureId: 10, tl0: 1, key: true });
  rewriter.switchTo(key, 0);
  assert.ok(rewriter.decide(key, false, 0));
  for (const start of [true, false]) {
    const upper = descriptor({ pictureId: 11, tl0: 1, tid: 2, sync: true, start });
    assert.equal(rewriter.decide(upper, false, 0), false);
  }
  assert.ok(rewriter.decide(descriptor({ pictureId: 12, tl0: 2 }), false, 0));
  assert.equal(rewriter.pictureIdOut, 11);
  const late = descriptor({ pictureId: 11, tl0: 1, tid: 2, start: false });
  assert.equal(rewriter.decide(late, true, 3), false, "its fate was sealed");
});

Deno.test("Vp8Rewriter switches temporal layers up at a sync frame only, down at once", () => {
  const rewriter = new Vp8Rewriter();
  const key = descriptor({ pictureId: 10, tl0: 1, key: true });
  rewriter.switchTo(key, 0);
  rewriter.decide(key, false, 0);
  const decide = (pictureId: number, tid: number, sync: boolean, max: number) =>
    rewriter.decide(descriptor({ pictureId, tl0: 1, tid, sync }), false, max);
  assert.equal(decide(11, 1, false, 2), false, "no sync");
  assert.equal(decide(12, 1, true, 2), true);
  assert.equal(decide(13, 2, false, 2), false, "layer 2 needs its own sync");
  assert.equal(decide(14, 2, true, 2), true);
  assert.equal(decide(15, 2, false, 2), true);
  assert.equal(decide(16, 2, false, 1), false, "down");
  assert.equal(decide(17, 1, false, 1), true);
});

Deno.test("Vp8Rewriter sends a picture that is seen late for the first time", () => {
  const rewriter = new Vp8Rewriter();
  const key = descriptor({ pictureId: 10, tl0: 1, key: true });
  rewriter.switchTo(key, 3);
  rewriter.decide(key, false, 3);
  assert.ok(rewriter.decide(descriptor({ pictureId: 12, tl0: 1 }), false, 0));
  assert.ok(rewriter.decide(descriptor({ pictureId: 11, tl0: 1, tid: 2 }), true, 0));
  assert.equal(rewriter.pictureIdOut, 11);
});
