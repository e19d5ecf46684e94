import assert from "node:assert/strict";
import fc from "fast-check";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { createLog, type LogOptions, logOptions } from "../../../lib/server/logging.ts";
import { ownAddress, redactText, redactValue } from "../../../lib/server/log/redaction.ts";
import { signAccessToken } from "../../../lib/signalling/access_token.ts";

function recorded(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: "debug",
    format: "json",
    write: (line) => lines.push(line),
    ...options,
  });
  return { log, lines };
}

const JWT = await signAccessToken(
  { apiKey: "k", secret: "s" },
  { identity: "ann", video: { room: "r", roomJoin: true } },
  1_800_000_000_000,
  1000,
);

Deno.test("createLog() writes one JSON object a line with level, message and fields", () => {
  const { log, lines } = recorded();
  log.child({ room: "den" }).child({ participant: "PA_1" }).warn("something odd", { count: 2 });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]!.endsWith("\n"));
  const record = JSON.parse(lines[0]!);
  assert.equal(record.message, "something odd");
  assert.match(record.level, /^warn/i);
  assert.deepEqual([record.room, record.participant, record.count], ["den", "PA_1", 2]);
});

Deno.test("createLog() writes nothing below its level", () => {
  const { log, lines } = recorded({ level: "warn" });
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  assert.deepEqual(lines.map((line) => JSON.parse(line).message), ["c", "d"]);
});

Deno.test("createLog() keeps a message with line ends and braces on one line, as it is", () => {
  const { log, lines } = recorded();
  log.info("a {room} {{b}}\n{", { room: "den", text: "x\ny" });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.trimEnd().split("\n").length, 1);
  assert.equal(JSON.parse(lines[0]!).message, "a {room} {{b}}\n{");
});

Deno.test("createLog() writes an error with its name, message, stack and cause", () => {
  const { log, lines } = recorded();
  log.error("failed", { error: new TypeError("no", { cause: new Error("deeper") }) });
  const { error } = JSON.parse(lines[0]!);
  assert.equal(error.name, "TypeError");
  assert.equal(error.cause.message, "deeper");
  assert.match(error.stack, /logging_test/);
});

Deno.test("createLog() writes readable text for a terminal", () => {
  const { log, lines } = recorded({ format: "pretty" });
  log.info("room created", { room: "den" });
  assert.match(lines[0]!, /INFO.*room created.*room=den/);
});

Deno.test("createLog() writes colours only where they are wanted", () => {
  const escape = "\x1b";
  for (const colour of [true, false]) {
    const { log, lines } = recorded({ format: "pretty", colour });
    log.warn("odd", { room: "den" });
    log.warn("bare");
    assert.equal(lines[0]!.includes(escape), colour);
    assert.equal(lines[1]!.includes(escape), colour);
    assert.match(lines[0]!, /WARNING.*odd.*room=den/);
  }
});

Deno.test("logOptions() obeys logging.json and NO_COLOR, else looks at the terminal", () => {
  const rows: [json: boolean | undefined, terminal: boolean, noColour: boolean, string, boolean][] =
    [
      [undefined, true, false, "pretty", true],
      [undefined, false, false, "json", false],
      [false, false, false, "pretty", false],
      [false, true, false, "pretty", true],
      [true, true, false, "json", true],
      [false, true, true, "pretty", false],
      [undefined, true, true, "pretty", false],
    ];
  for (const [json, isTerminal, noColour, format, colour] of rows) {
    const config = parseConfig({
      logging: { level: "warning", ...(json === undefined ? {} : { json }) },
    });
    const options = logOptions(config, { isTerminal, noColour });
    assert.deepEqual(options, { level: "warn", format, colour });
  }
});

Deno.test("createLog() shows the server's own address where it is said to be that", () => {
  const { log, lines } = recorded();
  log.info("listening", { advertised: [ownAddress("192.0.2.7")], peer: "192.0.2.8" });
  assert.match(lines[0]!, /"advertised":\["192\.0\.2\.7"\],"peer":"<address>"/);
});

Deno.test("createLog() never writes a token or an address, wherever it is hidden", () => {
  for (const format of ["json", "pretty"] as const) {
    const { log, lines } = recorded({ format });
    log.info(`joined with ${JWT} from 192.0.2.7`, {
      url: `/rtc?access_token=${JWT}&protocol=16`,
      deep: { list: [{ candidate: "candidate:1 1 udp 1 198.51.100.4 7882 typ host" }] },
      six: ["2001:db8::17", "fe80::1%eth0", "::1", "[2001:db8:0:0:0:0:0:9]:7882"],
      error: new Error("Connection from 203.0.113.9:4711 refused"),
      "203.0.113.10": true,
    });
    log.child({ client: "203.0.113.11" }).warn("bound");
    const text = lines.join("");
    assert.equal(lines.length, 2);
    assert.ok(!text.includes("eyJ"), text);
    for (const hidden of ["192.0.2", "198.51", "203.0", "2001:db8", "fe80", "::1"]) {
      assert.ok(!text.includes(hidden), `${hidden} in ${text}`);
    }
    assert.ok(text.includes("typ host"), "the rest of the line stays readable");
  }
});

Deno.test("redactText() takes out every IPv4 and IPv6 address and every token", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV6(), fc.constantFrom(" ", "/", '"', ",", "("), (v4, v6, gap) => {
      const text = redactText(`from${gap}${v4}${gap}and${gap}${v6}${gap}end`);
      assert.equal(text, `from${gap}<address>${gap}and${gap}<address>${gap}end`);
    }),
    { seed: 11, numRuns: 1000 },
  );
  assert.equal(redactText(`Bearer ${JWT}`), "Bearer <token>");
});

Deno.test("redactText() takes time for a text as long as it is, whatever is in it", () => {
  const pieces = ["eyJ-", "eyJ", "token=", "bearer ", "1:", "a:b%c", "1.1.1.", "::", "%", "1"];
  for (const piece of pieces) {
    const text = `${piece.repeat(100_000)} =`;
    const before = performance.now();
    redactText(text);
    // Going through it once more from each piece takes some 100 s.
    assert.ok(performance.now() - before < 5_000, piece);
  }
  assert.equal(redactText("eyJa-eyJb=eyJc-eyJd.e.f.g -eyJh."), "eyJa-eyJb=<token>.g -<token>");
});

Deno.test("redactText() leaves ordinary text alone", () => {
  const rows = [
    "room den",
    "PA_8Fh3kd9s",
    "12:34:56",
    "version 1.2.3",
    "Room::close",
    "aa:bb:cc:dd:ee:ff",
    "udp/7882",
    "50%",
  ];
  for (const text of rows) assert.equal(redactText(text), text);
});

Deno.test("redactValue() ends on cycles and does not print bytes", () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  assert.ok(JSON.stringify(redactValue(loop)).includes("<deep>"));
  assert.equal(redactValue(new Uint8Array(9)), "<9 bytes>");
  assert.equal(redactValue(5n), "5");
});

Deno.test("createLog() lets no client's name change the line or the terminal", () => {
  const { log, lines } = recorded({ format: "pretty", colour: false });
  const names = ["a\nb", "a\x1b[2Jb", "a\x9b2Jb", "a\u202eb", "a\u2028b", 'a"b'];
  for (const participant of names) log.info("participant joined", { participant });
  assert.equal(lines.length, names.length);
  for (const line of lines) {
    assert.ok(!/[\p{Cc}\p{Cf}\p{Zl}]/u.test(line.slice(0, -1)), JSON.stringify(line));
    assert.match(line, /participant="a.*b"\n$/);
  }
});
