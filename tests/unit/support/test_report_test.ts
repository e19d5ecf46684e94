import assert from "node:assert/strict";
import {
  afterRunAlone,
  closingReport,
  FileByFile,
  summarize,
} from "../../support/process/test_report.ts";

const GOOD = `running 2 tests from ./tests/a_test.ts
one ... ok (1ms)
two ... ok (2ms)

ok | 2 passed (3 steps) | 0 failed (1s)
`;
const BAD = `\x1b[0mrunning 2 tests from ./tests/b_test.ts
one ... ok (1ms)
two ... FAILED (2ms)

 ERRORS 

two => ./tests/b_test.ts:3:6
error: AssertionError: 1 is not 2
    at ./tests/b_test.ts:4:10

 FAILURES 

two => ./tests/b_test.ts:3:6

\x1b[31mFAILED\x1b[0m | 1 passed | 1 failed (2s)

error: Test failed
`;

Deno.test("closingReport() says why a test failed, and then the totals of all runs", () => {
  const summaries = [summarize("a", GOOD, true), summarize("b", BAD, false)];
  assert.equal(
    closingReport(summaries, 83),
    [
      "",
      "two => ./tests/b_test.ts:3:6",
      "error: AssertionError: 1 is not 2",
      "    at ./tests/b_test.ts:4:10",
      "",
      "In short:",
      "- two => ./tests/b_test.ts:3:6: error: AssertionError: 1 is not 2",
      "",
      "FAILED | 3 passed (3 steps) | 1 failed (1m23s)",
    ].join("\n"),
  );
  assert.equal(
    closingReport([summarize("a", GOOD, true)], 5),
    "\nok | 2 passed (3 steps) | 0 failed (0m5s)",
  );
});

Deno.test("summarize() counts a run that ends without success or totals as a failure", () => {
  const typeError = summarize("c", "error: Type checking failed.\n", false);
  assert.deepEqual([typeError.passed, typeError.failed], [0, 1]);
  assert.match(
    typeError.failures[0]!,
    /^c ended without success.*\nerror: Type checking failed\.$/,
  );
  const killed = summarize("c", "one ... FAILED (1ms)\ntwo ...", false);
  assert.match(killed.failures[0]!, /\ntwo \.\.\.\nIn it: one \.\.\. FAILED \(1ms\)$/);
  assert.equal(summarize("c", "", true).failed, 1, "no totals");
  const stray = summarize("c", GOOD, false);
  assert.deepEqual([stray.passed, stray.failed], [2, 1], "passed tests, then an uncaught error");
});

Deno.test("afterRunAlone() counts what passed alone as passed, and tells it all the same", () => {
  const first = summarize("b", BAD, false);
  assert.deepEqual(first.failedFiles, ["./tests/b_test.ts"]);
  const again = afterRunAlone(first, summarize("b alone", GOOD, true));
  assert.deepEqual([again.passed, again.failed], [2, 0]);
  assert.equal(
    closingReport([again], 1),
    [
      "",
      "PASSED WHEN RUN AGAIN, ALONE: two => ./tests/b_test.ts:3:6",
      "error: AssertionError: 1 is not 2",
      "    at ./tests/b_test.ts:4:10",
      "",
      "In short:",
      "- PASSED WHEN RUN AGAIN, ALONE: two => ./tests/b_test.ts:3:6: error: AssertionError: 1 is not 2",
      "",
      "ok | 2 passed (0 steps) | 0 failed (0m1s)",
    ].join("\n"),
  );
  assert.equal(afterRunAlone(first, summarize("b alone", BAD, false)), first, "failed twice");
  assert.equal(afterRunAlone(first, summarize("b alone", "", false)), first, "did not end");
  const none = summarize("b alone", "ok | 0 passed | 0 failed (0ms)\n", true);
  assert.equal(afterRunAlone(first, none), first, "no test was found");
  const others = summarize("b alone", GOOD.replace("two", "three"), true);
  assert.equal(afterRunAlone(first, others), first, "others passed");
  const step = summarize(
    "b",
    BAD.replace(
      "two => ./tests/b_test.ts:3:6\nerror",
      "two ... step => ./tests/b_test.ts:4:8\nerror",
    ),
    false,
  );
  assert.equal(afterRunAlone(step, summarize("b alone", GOOD, true)).failed, 0, "its step failed");
  const shared = summarize(
    "c",
    BAD.replaceAll("./tests/b_test.ts:3:6", "./tests/help.ts:9:9"),
    false,
  );
  assert.deepEqual(shared.failedFiles, ["./tests/b_test.ts"], "registered by a helper");
});

Deno.test("a file whose process died is run again, alone", () => {
  const crash = "running 1 test from ./tests/d_test.ts\none ... ok (1ms)\ncorrupted list\n";
  const first = summarize("tests/d_test.ts", crash, false);
  assert.deepEqual([first.passed, first.failed, first.failedFiles], [0, 1, ["tests/d_test.ts"]]);
  const again = afterRunAlone(first, summarize("again", GOOD, true));
  assert.deepEqual([again.passed, again.steps, again.failed], [2, 3, 0]);
  assert.match(closingReport([again], 1), /PASSED WHEN RUN AGAIN, ALONE: tests\/d_test.ts ended/);
  assert.equal(afterRunAlone(first, summarize("again", crash, false)), first, "dies each time");
  const slow = BAD.replace(
    "two ... FAILED",
    "two ...'two' has been running for over (1m0s)\n FAILED",
  );
  assert.deepEqual(summarize("all", slow, false).failedFiles, ["./tests/b_test.ts"], "took long");
  const shared = summarize("all other tests", crash, false);
  assert.deepEqual(shared.failedFiles, [], "of a run of many files it is not known which");
  assert.deepEqual(summarize("tests/a_test.ts", GOOD, false).failedFiles, [], "came to its totals");
});

Deno.test("a file that an uncaught error ended is run again, alone, with all of its tests", () => {
  const stray = `running 2 tests from ./tests/a_test.ts
one ... ok (1ms)
two ... cancelled (0ms)

 ERRORS 

./tests/a_test.ts (uncaught error)
error: Error: Not running
    at ./tests/help.ts:4:10

 FAILURES 

./tests/a_test.ts (uncaught error)

FAILED | 1 passed | 2 failed (2s)
`;
  const first = summarize("tests/a_test.ts", stray, false);
  assert.deepEqual([first.passed, first.failed, first.failedFiles], [1, 2, ["tests/a_test.ts"]]);
  const again = afterRunAlone(first, summarize("again", GOOD, true));
  assert.deepEqual([again.passed, again.failed], [2, 0]);
  assert.match(
    closingReport([again], 1),
    /RUN AGAIN, ALONE: \.\/tests\/a_test.ts \(uncaught error\)/,
  );
  assert.equal(afterRunAlone(first, summarize("again", stray, false)), first, "each time");
  const none = summarize("again", "ok | 0 passed | 0 failed (0ms)\n", true);
  assert.equal(afterRunAlone(first, none), first, "no test was found");
  assert.deepEqual(summarize("all other tests", stray, false).failedFiles, [], "of many files");
});

Deno.test("summarize() names no files where it does not know them all", () => {
  assert.deepEqual(summarize("a", GOOD, true).failedFiles, []);
  assert.deepEqual(summarize("c", "one ... FAILED (1ms)", false).failedFiles, [], "killed");
  const oneUnnamed = BAD.replace("1 failed", "2 failed");
  assert.deepEqual(summarize("b", oneUnnamed, false).failedFiles, []);
  // Two failed steps of one test are two entries, so there are as many as failures.
  const oneUncaught = oneUnnamed.replace(
    "two => ./tests/b_test.ts:3:6\nerror",
    "two ... a => ./tests/b_test.ts:3:6\nerror: x\n\n" +
      "./tests/c_test.ts (uncaught error)\nerror: y\n\ntwo ... b => ./tests/b_test.ts:5:6\nerror",
  );
  assert.equal(summarize("b", oneUncaught, false).failures.length, 3);
  assert.deepEqual(summarize("b", oneUncaught, false).failedFiles, []);
});

Deno.test("closingReport() keeps both ends of a long failure, and tells more than six in short", () => {
  const entry = (name: string, length: number) =>
    [`${name} => ./t.ts:1:1`, ...Array.from({ length }, (_, i) => `line ${i}`), ""].join("\n");
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const entries = names.map((name) => entry(name, name === "g" ? 500 : 1));
  const output = ` ERRORS \n\n${
    entries.join("\n")
  }\n FAILURES \n\nFAILED | 0 passed | 7 failed (1s)\n`;
  const report = closingReport([summarize("x", output, false)], 1);
  assert.ok(report.split("\n").length < 120, report);
  for (const wanted of ["line 499\n", "lines are left out", "- a => ./t.ts:1:1: line 0\n"]) {
    assert.ok(report.includes(wanted), wanted);
  }
  assert.ok(!report.includes("\na => ./t.ts:1:1"), "the first of seven is not told in full");
});

Deno.test("FileByFile passes files on whole, whatever pieces the output comes in", () => {
  const text = `Check a\n${GOOD}${BAD}`;
  for (const size of [1, 7, 64, text.length]) {
    const written: string[] = [];
    const files = new FileByFile((part) => written.push(part));
    for (let at = 0; at < text.length; at += size) files.push(text.slice(at, at + size));
    files.end();
    assert.equal(written.join(""), text);
    const starts = written.filter((part) => part.includes("running") && !part.startsWith("Check"));
    assert.equal(starts.length, size === text.length ? 1 : 2, `pieces of ${size}`);
  }
});
