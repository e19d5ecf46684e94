/** Names of recordings: templates, and nothing that leads out of their folder. */
import assert from "node:assert/strict";
import {
  endingOf,
  leadsOutside,
  type NameFacts,
  ownTemplate,
  recordingPath,
  sharedTemplate,
} from "../../../lib/recording/recording_name.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const FACTS: NameFacts = {
  room_name: "daily",
  room_id: "RM_1",
  publisher_identity: "ann",
  track_id: "TR_1",
  track_type: "video",
  track_source: "camera",
  startedAtMs: Date.UTC(2026, 10, 29, 15, 4, 5, 67),
};

Deno.test("recordingPath() fills templates in, and has a name of its own where there is none", () => {
  const table: readonly (readonly [string, string])[] = [
    ["", "daily-2026-11-29T150405"],
    ["calls/", "calls/daily-2026-11-29T150405"],
    ["{room_name}/{publisher_identity}.mp4", "daily/ann"],
    [
      "{room_id}_{track_id}_{track_type}_{track_source}_{utc}",
      "RM_1_TR_1_video_camera_20261129150405067",
    ],
    ["a{retry}b", "a0b"],
    ["{unknown}.webm", "{unknown}"],
    ["a//b/./c", "a/b/c"],
  ];
  for (const [template, path] of table) {
    assert.equal(recordingPath(template, "{room_name}-{time}", FACTS), path, template);
  }
});

Deno.test("recordingPath() takes a name of a megabyte like any other", () => {
  const path = recordingPath("x".repeat(1_000_000), "{time}", FACTS);
  assert.equal(path, "x".repeat(200));
});

Deno.test("recordingPath() makes one safe name of what clients call themselves", () => {
  const named = (identity: string) =>
    recordingPath("x/{publisher_identity}", "", { ...FACTS, publisher_identity: identity });
  assert.equal(named("../../etc/passwd"), "x/_.._etc_passwd");
  assert.equal(named(".."), "x");
  assert.equal(named("a\u0000b\nc\\d:e"), "x/a_b_c_d_e");
  assert.equal(named("-rf"), "x/-rf");
  const long = named("é".repeat(500)).slice(2);
  assert.ok(new TextEncoder().encode(long).length <= 200);
});

Deno.test("leadsOutside() finds every way out of the folder, and endingOf() our endings", () => {
  for (const path of ["/etc/x", "../x", "a/../../x", "a/..", "a\\..\\x"]) {
    assert.ok(leadsOutside(path), path);
  }
  for (const path of ["", "a/b", "..a/b..", "a..b"]) assert.ok(!leadsOutside(path), path);
  assert.deepEqual(["a.MP4", "b/c.webm", "d.txt", ""].map(endingOf), ["mp4", "webm", "", ""]);
});

Deno.test("recordingPath() stays inside, with random templates and facts", () => {
  const random = new SeededRandom(6);
  const parts = ["..", ".", "/", "a", "{room_name}", "{publisher_identity}", "\\", "\u0000", " "];
  const draw = () =>
    Array.from({ length: random.below(8) }, () => parts[random.below(parts.length)]).join("");
  for (let n = 0; n < 20_000; n++) {
    const facts = { ...FACTS, room_name: draw(), publisher_identity: draw() };
    const path = recordingPath(draw(), draw(), facts);
    assert.notEqual(path, "");
    assert.ok(!path.includes("\u0000"));
    for (const part of path.split("/")) assert.match(part, /^[^.\s/\\][^/\\]*$/, path);
  }
});

Deno.test("ownTemplate() tells the files of a room apart behind the name, before its ending", () => {
  const own = "-{publisher_identity}-{track_source}";
  const table = [
    ["calls/standup.mp4", `calls/standup${own}`],
    ["{room_name}-{time}.WebM", `{room_name}-{time}${own}`],
    ["v1.2", `v1.2${own}`],
    ["{track_id}.mp4", "{track_id}.mp4"],
    ["calls/", "calls/"],
    ["", ""],
  ] as const;
  for (const [template, each] of table) assert.equal(ownTemplate(template), each, template);
});

Deno.test("sharedTemplate() leaves out what tells the files of a room apart", () => {
  const table = [
    ["", ""],
    ["calls/", "calls/"],
    ["calls/{room_name}-{time}.mp4", "calls/{room_name}-{time}.mp4"],
    ["{room_name}/{publisher_identity}/{time}", "{room_name}/{time}"],
    ["{time}/{publisher_identity}-{track_source}.webm", "{time}/"],
    ["{track_id}", ""],
    ["{track_type}/{track_source}", ""],
  ] as const;
  for (const [template, shared] of table) assert.equal(sharedTemplate(template), shared, template);
});
