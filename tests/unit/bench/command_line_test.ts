import assert from "node:assert/strict";
import { ENGINES, PARTS, readCommandLine } from "../../../bench/command_line.ts";
import { TimeBudget } from "../../../bench/time_budget.ts";

const read = (...args: string[]) => readCommandLine(args, ["video-10", "video-100"]);

Deno.test("readCommandLine() measures everything by default", () => {
  assert.deepEqual(read(), {
    parts: PARTS,
    engines: ENGINES,
    isJson: false,
    out: "bench/results",
    flags: [],
  });
});

Deno.test("readCommandLine() takes lists, in any combination", () => {
  assert.deepEqual(
    read(
      "--json",
      "--only=storm,join",
      "--scenario=video-100",
      "--engine=c,native",
      "--out=/tmp/x",
    ),
    {
      parts: ["storm", "join"],
      scenarios: ["video-100"],
      engines: ["c", "native"],
      isJson: true,
      out: "/tmp/x",
      flags: [],
    },
  );
  assert.deepEqual(read("--soak=600", "--cpu-prof"), {
    parts: PARTS,
    engines: ENGINES,
    soak: 600,
    isJson: false,
    out: "bench/results",
    flags: ["--cpu-prof"],
  });
});

Deno.test("readCommandLine() says what is wrong", () => {
  assert.match(read("--only=media") as string, /--only takes .*; got "media"/);
  assert.match(read("--only") as string, /--only takes/);
  assert.match(read("--scenario=video-11") as string, /video-10, video-100; got "video-11"/);
  assert.match(read("--engine=janus") as string, /got "janus"/);
  for (const seconds of ["0", "-1", "x", "1e9", ""]) {
    assert.match(read(`--soak=${seconds}`) as string, /--soak takes seconds/, seconds);
  }
  assert.match(read("--jsno") as string, /Unknown argument "--jsno"/);
  assert.match(read("json") as string, /Unknown argument "json"/);
});

Deno.test("TimeBudget tells what is left above what is reserved", () => {
  let now = 5_000;
  const budget = new TimeBudget(1_000, () => now);
  assert.equal(budget.leftMs(), 1_000);
  now += 400;
  assert.equal(budget.leftMs(), 600);
  assert.equal(budget.leftMs(700), -100);
});
