/** Which packets are numbered on a calm path, and what can be told by few of them. */
import assert from "node:assert/strict";
import { NumberSampling } from "../../../lib/bandwidth/number_sampling.ts";

/** Sends a packet of 1,000 bytes each ms in `[from, to)`; returns when numbered ones left. */
function send(sampling: NumberSampling, from: number, to: number): number[] {
  const numbered: number[] = [];
  for (let now = from; now < to; now++) {
    if (sampling.numbers(now)) {
      sampling.sent(now & 0xffff, 1_000, now);
      numbered.push(now);
    } else sampling.skipped(1, 1_000);
  }
  return numbered;
}

/** A path that has been calm for 5 s at 6,000. */
function calm(): NumberSampling {
  const sampling = new NumberSampling();
  sampling.update(true, 1_000);
  assert.equal(send(sampling, 1_000, 6_000).length, 5_000, "everything, for five seconds");
  return sampling;
}

Deno.test("NumberSampling numbers 20 of 400 ms once a path was calm for 5 s", () => {
  const sampling = calm();
  const expected = [6_000, 6_400, 6_800, 7_200, 7_600]
    .flatMap((at) => Array.from({ length: 20 }, (_, i) => at + i));
  assert.deepEqual(send(sampling, 6_000, 8_000), expected);
  assert.equal(sampling.isSampled(7_999), true);
});

Deno.test("NumberSampling begins a moment with the first packet that there is", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_001);
  assert.deepEqual(send(sampling, 6_730, 6_760).length, 20);
  assert.equal(sampling.numbers(7_129), false);
  assert.equal(sampling.numbers(7_130), true);
});

Deno.test("NumberSampling numbers everything half a second after a doubt, and then a whole moment", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_100);
  sampling.watch(6_100);
  const numbered = send(sampling, 6_100, 7_000);
  const everything = Array.from({ length: 520 }, (_, i) => 6_100 + i);
  assert.deepEqual(numbered, everything);
});

Deno.test("NumberSampling has a path that rested be calm for 5 s, also behind a doubt", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_100);
  sampling.watch(6_100);
  send(sampling, 6_100, 6_700);
  assert.equal(send(sampling, 10_000, 15_000).length, 5_000, "everything");
});

Deno.test("NumberSampling has a moment at once where one packet is missed or two, and then each 400 ms", () => {
  for (const count of [1, 2]) {
    const sampling = calm();
    send(sampling, 6_000, 6_100);
    assert.equal(sampling.missed(count, 6_100), false);
    const expected = [6_100, 6_500].flatMap((at) => Array.from({ length: 20 }, (_, i) => at + i));
    assert.deepEqual(send(sampling, 6_100, 6_700), expected);
  }
});

Deno.test("NumberSampling numbers everything where three packets are missed, or more within 250 ms", () => {
  const doubts = [
    (sampling: NumberSampling) => sampling.missed(3, 6_300),
    (sampling: NumberSampling) => (sampling.missed(1, 6_051), sampling.missed(1, 6_300)),
  ];
  for (const isDoubt of doubts) {
    const sampling = calm();
    send(sampling, 6_000, 6_050);
    assert.equal(isDoubt(sampling), true);
    assert.equal(send(sampling, 6_300, 6_900).length, 520);
  }
  const sampling = calm();
  sampling.missed(1, 6_050);
  assert.equal(sampling.missed(1, 6_300), false);
});

Deno.test("NumberSampling keeps numbering for half a second behind what is missed while it does", () => {
  const sampling = calm();
  sampling.watch(6_000);
  send(sampling, 6_000, 6_300);
  assert.equal(sampling.missed(1, 6_300), false, "everything was numbered before");
  assert.equal(send(sampling, 6_300, 6_900).length, 520);
});

/** When moments begin in some seconds. */
function moments(sampling: NumberSampling, from: number, to: number): number[] {
  return send(sampling, from, to).filter((at, i, all) => at !== all[i - 1]! + 1);
}

Deno.test("NumberSampling has moments each 800 ms after ten calm seconds, and each 400 ms after any doubt", () => {
  const sampling = calm();
  send(sampling, 6_000, 15_999);
  sampling.update(true, 15_999);
  assert.deepEqual(moments(sampling, 15_999, 16_900), [16_000, 16_400, 16_800]);
  sampling.update(true, 16_900);
  assert.deepEqual(moments(sampling, 16_900, 19_300), [17_600, 18_400, 19_200]);
  sampling.missed(1, 19_300);
  assert.deepEqual(
    moments(sampling, 19_300, 20_900),
    [19_300, 20_100],
    "one that is missed is none",
  );
  sampling.watch(21_000);
  assert.deepEqual(
    moments(sampling, 21_000, 22_400),
    [21_000, 21_900, 22_300],
    "half a second first",
  );
});

Deno.test("NumberSampling says until when it rests, and tells when that does not hold any more", () => {
  let ends = 0;
  const sampling = new NumberSampling(() => ends++);
  sampling.update(true, 1_000);
  send(sampling, 1_000, 6_100);
  ends = 0;
  assert.equal(sampling.restsUntil, 6_400);
  send(sampling, 6_100, 6_400);
  assert.equal(ends, 0);
  sampling.watch(6_400);
  assert.equal(ends, 1, "a doubt");
  send(sampling, 6_400, 7_000);
  ends = 0;
  sampling.update(false, 7_000);
  assert.ok(ends > 0, "calm has ended");
});

Deno.test("NumberSampling numbers everything once a path is calm no longer, for 5 s at least", () => {
  const sampling = calm();
  sampling.update(false, 6_050);
  assert.equal(sampling.isSampled(6_050), false);
  sampling.update(true, 6_100);
  assert.equal(send(sampling, 6_050, 11_100).length, 5_050);
  assert.equal(send(sampling, 11_100, 11_500).length, 20);
});

Deno.test("NumberSampling ends where more than a hundredth of the packets is missed, not below that", () => {
  const sampling = calm();
  for (let now = 6_000; now < 26_000; now += 200) {
    send(sampling, now, now + 200);
    sampling.missed(1, 0);
  }
  assert.equal(sampling.isSampled(26_000), true, "0.5 %");
  for (let now = 26_000; now < 32_000; now += 50) {
    send(sampling, now, now + 50);
    sampling.missed(1, 0);
  }
  assert.equal(sampling.isSampled(32_000), false, "2 %");
});

Deno.test("NumberSampling bears two packets that are missed at once", () => {
  const sampling = new NumberSampling();
  sampling.update(true, 0);
  send(sampling, 5_000, 5_010);
  sampling.missed(2, 0);
  assert.equal(sampling.isSampled(5_010), true);
  sampling.missed(1, 0);
  assert.equal(sampling.isSampled(5_010), false);
});

Deno.test("NumberSampling tells what left between two moments, by when their first packets came", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_300);
  assert.equal(sampling.arrived(6_000, 50_000), 0, "there is nothing to compare the first with");
  assert.equal(sampling.arrived(6_001, 50_001), 0);
  send(sampling, 6_300, 6_600);
  assert.equal(sampling.arrived(6_400, 50_410), 410);
  assert.equal(sampling.momentBytes, 400_000);
  assert.equal(sampling.arrived(6_400, 50_410), 0, "once");
});

Deno.test("NumberSampling knows samples that are told of after a doubt or the end of calm", () => {
  for (const end of ["watch", "update"] as const) {
    const sampling = calm();
    send(sampling, 6_000, 6_450);
    if (end === "watch") sampling.watch(6_450);
    else sampling.update(false, 6_450);
    assert.deepEqual([5_999, 6_000, 6_449, 6_450].map((at) => sampling.isSample(at)), [
      false,
      true,
      true,
      false,
    ], end);
  }
});

Deno.test("NumberSampling takes a path on which nothing left for two seconds for a new one", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_500);
  assert.equal(send(sampling, 9_000, 14_000).length, 5_000, "everything, for five seconds");
  assert.equal(send(sampling, 14_000, 14_400).length, 20);
});

Deno.test("NumberSampling notices a pause behind a packet that is missed, too", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_500);
  assert.equal(sampling.missed(1, 6_501), false);
  assert.equal(send(sampling, 9_000, 14_000).length, 5_000, "everything, for five seconds");
});

Deno.test("NumberSampling has rare moments after a pause only once it was calm for as long as at first", () => {
  const sampling = calm();
  send(sampling, 6_000, 16_000);
  sampling.update(true, 16_000);
  send(sampling, 16_000, 17_000);
  send(sampling, 20_000, 25_000);
  sampling.update(true, 25_000);
  assert.equal(send(sampling, 25_000, 25_800).length, 40, "two moments");
  send(sampling, 25_800, 35_000);
  sampling.update(true, 35_000);
  send(sampling, 35_000, 35_400);
  assert.equal(send(sampling, 35_400, 36_200).length, 20, "one moment");
});

Deno.test("NumberSampling compares nothing across a moment whose first packet did not come", () => {
  const sampling = calm();
  send(sampling, 6_000, 6_300);
  sampling.arrived(6_000, 50_000);
  send(sampling, 6_300, 7_100);
  assert.equal(sampling.arrived(6_800, 50_800), 0);
  send(sampling, 7_100, 7_500);
  assert.equal(sampling.arrived(7_200, 51_200), 400);
});

Deno.test("NumberSampling suits paths that carry a quarter more, without a queue, and near", () => {
  assert.equal(NumberSampling.suits(1_250_000, 1_000_000, 19, 249), true);
  assert.equal(NumberSampling.suits(1_249_000, 1_000_000, 0, 10), false);
  assert.equal(NumberSampling.suits(9_000_000, 1_000_000, 20, 10), false);
  assert.equal(NumberSampling.suits(9_000_000, 1_000_000, 0, 250), false);
});
