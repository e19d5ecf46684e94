import assert from "node:assert/strict";
import {
  bitrate,
  calledOf,
  counted,
  duration,
  fileSize,
  percent,
  qualityRank,
  sourceWords,
  sum,
} from "../../../../web/admin/figures.js";

Deno.test("bit rates have the unit that fits", () => {
  assert.deepEqual(
    [undefined, 0, 12_400, 999_000, 1_000_000, 25_340_000, 1.5e8, 2.54e9].map(bitrate),
    [
      "–",
      "0 kbit/s",
      "12 kbit/s",
      "999 kbit/s",
      "1.0 Mbit/s",
      "25.3 Mbit/s",
      "150 Mbit/s",
      "2.5 Gbit/s",
    ],
  );
});

Deno.test("small losses are seen, and none is none", () => {
  assert.deepEqual([undefined, 0, 0.001, 0.05, 0.5, 1].map(percent), [
    "–",
    "0 %",
    "0.1 %",
    "5.0 %",
    "50 %",
    "100 %",
  ]);
});

Deno.test("no file that has anything in it is said to have nothing", () => {
  assert.deepEqual([1, 74_599, 573_937, 1_272_884, 2.5e9].map(fileSize), [
    "1 kB",
    "75 kB",
    "574 kB",
    "1.3 MB",
    "2.5 GB",
  ]);
});

Deno.test("times are told as coarsely as they are long", () => {
  const [second, minute, hour] = [1_000, 60_000, 3_600_000];
  assert.deepEqual(
    [-5, 59 * second, minute, 59 * minute, hour, 47 * hour + 5 * minute, 48 * hour].map(duration),
    ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "47 h 5 min", "2 days"],
  );
});

Deno.test("what is not known counts as nothing, and nothing known is not known", () => {
  assert.equal(sum([1, undefined, 2]), 3);
  assert.equal(sum([undefined]), undefined);
  assert.equal(sum([0]), 0);
});

Deno.test("qualities go from the worst to what is not known", () => {
  const words = ["excellent", undefined, "lost", "good", "poor"];
  assert.deepEqual(words.toSorted((a, b) => qualityRank(a) - qualityRank(b)), [
    "lost",
    "poor",
    "good",
    "excellent",
    undefined,
  ]);
});

Deno.test("people and tracks have names", () => {
  assert.equal(calledOf({ identity: "a", name: "" }), "a");
  assert.equal(calledOf({ identity: "a", name: "a" }), "a");
  assert.equal(calledOf({ identity: "a", name: "Ann" }), "Ann (a)");
  assert.equal(sourceWords("screen_share_audio"), "Screen share audio");
  assert.deepEqual([counted(1, "room"), counted(12_345, "room")], ["1 room", "12,345 rooms"]);
});
