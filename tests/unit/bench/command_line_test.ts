import assert from "node:assert/strict";
import { ENGINES, PARTS, readCommandLine } from "../../../bench/command_line.ts";
import { TimeBudget } from "../../../bench/time_budget.ts";

const secrets: Record<string, string> = {};
const read = (...args: string[]) =>
  readCommandLine(args, {
    scenarios: ["video-10", "video-100"],
    loads: ["video-1-50", "idle-200"],
    env: (name) => secrets[name],
  });
const LOADS = {
  engines: ["native"],
  profile: "pion",
  signalling: "v0",
  reaches: ["udp"],
  repeat: 1,
};

Deno.test("readCommandLine() measures everything by default", () => {
  assert.deepEqual(read(), {
    parts: PARTS,
    engines: ENGINES,
    loads: LOADS,
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
      loads: { ...LOADS, scenarios: [] },
      isJson: true,
      out: "/tmp/x",
      flags: [],
    },
  );
  assert.deepEqual(read("--soak=600", "--cpu-prof"), {
    parts: PARTS,
    engines: ENGINES,
    loads: LOADS,
    soak: 600,
    isJson: false,
    out: "bench/results",
    flags: ["--cpu-prof"],
  });
});

Deno.test("readCommandLine() measures loads alone if only loads are named", () => {
  const parts = (...args: string[]) => {
    const options = read(...args);
    assert.ok(typeof options !== "string", String(options));
    return options;
  };
  assert.deepEqual(parts("--scenario=video-1-50").parts, ["loads"]);
  const both = parts("--scenario=video-1-50,video-10", "--engine=portable,c", "--repeat=3");
  assert.deepEqual(both.parts, PARTS);
  assert.deepEqual(both.scenarios, ["video-10"]);
  assert.deepEqual(both.loads, {
    ...LOADS,
    scenarios: ["video-1-50"],
    engines: ["portable"],
    repeat: 3,
  });
  const other = parts("--only=loads", "--clients=libwebrtc", "--signalling=v1");
  assert.deepEqual(other.loads, { ...LOADS, profile: "libwebrtc", signalling: "v1" });
  assert.deepEqual(parts("--ahead=5").loads, { ...LOADS, aheadMs: 5 });
  assert.deepEqual(parts("--settle=30").loads, { ...LOADS, settleMs: 30_000 });
});

Deno.test("readCommandLine() takes a peer, its secret also from the environment", () => {
  const peer = { url: "ws://127.0.0.1:7880", pid: 12, key: "k", secret: "s" };
  const address = ["--peer=ws://127.0.0.1:7880", "--peer-pid=12"];
  const loads = { ...LOADS, peer };
  const given = read(...address, "--peer-key=k", "--peer-secret=s");
  assert.deepEqual(given, { ...(read() as object), parts: ["loads"], loads });
  assert.match(read(...address) as string, /needs --peer-key and --peer-secret/);
  Object.assign(secrets, { LIVEKIT_API_KEY: "k", LIVEKIT_API_SECRET: "s" });
  assert.deepEqual(read(...address), given);
});

Deno.test("readCommandLine() says what is wrong", () => {
  assert.match(read("--only=media") as string, /--only takes .*; got "media"/);
  assert.match(read("--only") as string, /--only takes/);
  assert.match(read("--scenario=video-11") as string, /video-10, video-100; got "video-11"/);
  assert.match(read("--engine=janus") as string, /got "janus"/);
  for (const ahead of ["", "-1", "2.5", "1001"]) {
    assert.match(read(`--ahead=${ahead}`) as string, /--ahead takes ms from 0 to 1000/);
  }
  for (const settle of ["", "-1", "2.5", "61"]) {
    assert.match(read(`--settle=${settle}`) as string, /--settle takes seconds from 0 to 60/);
  }
  for (const seconds of ["0", "-1", "x", "1e9", ""]) {
    assert.match(read(`--soak=${seconds}`) as string, /--soak takes seconds/, seconds);
  }
  assert.match(read("--clients=gecko") as string, /--clients takes pion, libwebrtc; got "gecko"/);
  assert.match(read("--signalling=v2") as string, /--signalling takes v0, v1; got "v2"/);
  assert.match(read("--repeat=0") as string, /--repeat takes/);
  assert.match(read("--peer=http://x") as string, /--peer takes ws:/);
  assert.match(read("--peer=ws://x:1") as string, /--peer needs --peer-pid/);
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
