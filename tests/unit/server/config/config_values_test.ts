import assert from "node:assert/strict";
import fc from "fast-check";
import { parseGoDuration } from "../../../../lib/server/config/config_values.ts";
import { nearestName } from "../../../../lib/server/config/nearest_name.ts";

Deno.test("parseGoDuration() reads what Go prints", () => {
  const rows: [string, number][] = [
    ["500ms", 500],
    ["7.5s", 7500],
    ["2m", 120_000],
    ["1h30m0.5s", 5_400_500],
    ["0", 0],
    ["0s", 0],
    [".5s", 500],
    ["-1.s", -1000],
    ["250us", 0.25],
    ["250µs", 0.25],
    ["+1s", 1000],
  ];
  for (const [text, ms] of rows) assert.equal(parseGoDuration(text), ms, text);
});

Deno.test("parseGoDuration() refuses what Go refuses", () => {
  for (const text of ["", "5", "s", "1 s", "1s ", "1d", "1.2.3s", "--1s", "1e3s", ".s"]) {
    assert.equal(parseGoDuration(text), undefined, text);
  }
});

Deno.test("nearestName() finds a name with one letter added, dropped, changed or swapped", () => {
  const known = ["port", "region", "tcp_port", "udp_port"];
  for (const [wrong, right] of [["prot", "port"], ["ports", "port"], ["regoin", "region"]]) {
    assert.equal(nearestName(wrong!, known), right);
  }
  assert.equal(nearestName("tcp-port", known), "tcp_port");
  assert.equal(nearestName("elephant", known), undefined);
  assert.equal(nearestName("p".repeat(65), known), undefined);
});

Deno.test("nearestName() finds every name after one random replacement", () => {
  const known = ["bind_addresses", "signal_relay", "node_selector", "enable_data_tracks"];
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.nat(), (name, position) => {
      const at = position % name.length;
      assert.equal(nearestName(`${name.slice(0, at)}#${name.slice(at + 1)}`, known), name);
    }),
    { seed: 7 },
  );
});
