import assert from "node:assert/strict";
import { pinByName } from "../../../lib/room/room_creation.ts";

Deno.test("pinByName() takes the whole name first, then the longest beginning", () => {
  const regions = { "clinic-*": "eu", "clinic-new-*": "us", "clinic-new-york": "ny", "*": "ap" };
  const pins: readonly (readonly [string, string])[] = [
    ["clinic-new-york", "region:ny"],
    ["clinic-new-york-2", "region:us"],
    ["clinic-", "region:eu"],
    ["clinic", "region:ap"],
    ["anything", "region:ap"],
  ];
  for (const [name, pin] of pins) assert.equal(pinByName(name, regions), pin, name);
});

Deno.test("pinByName() pins nothing without a rule, or by a rule without a region", () => {
  assert.equal(pinByName("room", {}), "");
  assert.equal(pinByName("room", { "rooms": "eu", "ro": "eu", "x*": "eu" }), "");
  assert.equal(pinByName("room", { "room": "", "r*": "eu" }), "", "one may be left out");
});
