import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonLines } from "../../../../lib/server/log/json_lines.ts";
import { redactValue } from "../../../../lib/server/log/redaction.ts";
import type { LogLevel } from "../../../../lib/base/platform.ts";

function recorded(level: LogLevel = "debug") {
  const lines: string[] = [];
  const log = jsonLines("sfu", level, (line) => lines.push(line), () => 1_800_000_000_123);
  return { log, lines };
}

Deno.test("jsonLines() writes time, level, message and logger before what it was given", () => {
  const { log, lines } = recorded();
  log.child({ room: "den" }).warn("odd", { count: 2, ok: true, none: undefined, ms: NaN });
  assert.deepEqual(lines, [
    '{"@timestamp":"2027-01-15T08:00:00.123Z","level":"WARN","message":"odd","logger":"sfu",' +
    '"room":"den","count":2,"ok":true,"ms":null}\n',
  ]);
});

Deno.test("jsonLines() writes nothing below its level", () => {
  const { log, lines } = recorded("warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.child({}).error("d");
  assert.deepEqual(lines.map((line) => JSON.parse(line).level), ["WARN", "ERROR"]);
});

Deno.test("jsonLines() writes a name once, and the nearest value of it", () => {
  const { log, lines } = recorded();
  log.child({ a: 1, b: 1, c: 1 }).child({ b: 2, c: 2 }).info("said", { c: 3 });
  assert.ok(lines[0]!.endsWith(',"a":1,"b":2,"c":3}\n'), lines[0]);
});

Deno.test("jsonLines() lets no field stand for what a line says itself", () => {
  const { log, lines } = recorded();
  log.info("said", { message: "other", level: "none", "@timestamp": 0, logger: "me" });
  const { message, level, logger, ...rest } = JSON.parse(lines[0]!);
  assert.deepEqual([message, level, logger], ["said", "INFO", "sfu"]);
  assert.equal(rest.message_, "other");
});

Deno.test("jsonLines() leaves no command for a terminal in a line", () => {
  const { log, lines } = recorded();
  const name = "a\x1b[2Jb\x7f\x9b2Jc\n";
  log.child({ [name]: name }).info(name, { deep: [{ name }] });
  assert.equal(lines.length, 1);
  assert.ok(!/\p{Cc}/u.test(lines[0]!.slice(0, -1)), JSON.stringify(lines[0]));
  assert.deepEqual(JSON.parse(lines[0]!).deep, [{ name }]);
});

Deno.test("jsonLines() writes all values as JSON does what redaction leaves of them", () => {
  const { log, lines } = recorded();
  const value = fc.anything({ withBigInt: true, withTypedArray: true, withDate: false });
  const fields = fc.dictionary(fc.string({ maxLength: 9 }).map((name) => `x${name}`), value);
  fc.assert(
    fc.property(fields, fields, fc.string(), (bound, given, message) => {
      log.child(bound).info(message, given);
      const { "@timestamp": _, level: _level, logger: _logger, message: said, ...rest } = JSON
        .parse(lines.pop()!);
      const expected = JSON.parse(
        JSON.stringify(redactValue({ message, ...bound, ...given })),
      );
      assert.deepEqual({ message: said, ...rest }, expected);
    }),
    { seed: 7, numRuns: 500 },
  );
});
