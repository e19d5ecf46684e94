import assert from "node:assert/strict";
import {
  processCost,
  rssOf,
  runtimeOf,
  threadTimes,
  ticksOf,
} from "../../../bench/real_loads/process_cost.ts";

Deno.test("ticksOf() sums user and system time, whatever the process is called", () => {
  const rest = `S 1 2 3 4 5 6 7 8 9 10 ${700} ${55} 0 0 20 0 12 0`;
  assert.equal(ticksOf(`4711 (deno) ${rest}`), 755);
  assert.equal(ticksOf(`4711 (a ) b (c) ${rest}`), 755);
});

Deno.test("runtimeOf() sums threads, and passes over those that have ended", () => {
  assert.equal(runtimeOf(["1500000 3 4\n", "", "500 0 1\n"]), 1_500.5);
  assert.equal(runtimeOf([]), 0);
});

Deno.test("rssOf() finds the resident set", () => {
  assert.equal(rssOf("Name:\tdeno\nVmSize:\t 900 kB\nVmRSS:\t  1234 kB\n"), 1_234 * 1_024);
  assert.equal(rssOf(""), 0);
});

Deno.test({
  name: "processCost() reads this process, and refuses one that is not there",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const before = processCost(Deno.pid);
    assert.ok(before.rssBytes > 1e6 && before.cpuMicros > 0);
    assert.ok(processCost(Deno.pid).cpuMicros >= before.cpuMicros);
    assert.throws(() => processCost(2 ** 30));
  },
});

Deno.test({
  name: "threadTimes() shares out the time of this process, and refuses one that is not there",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const { main, workers, others } = threadTimes(Deno.pid);
    assert.ok(main + workers + others > 0);
    assert.throws(() => threadTimes(2 ** 30));
  },
});
