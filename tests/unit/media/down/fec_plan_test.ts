import assert from "node:assert/strict";
import { protectedGroup } from "../../../../lib/media/down/fec_plan.ts";

Deno.test("protectedGroup() protects where a retransmission comes late and packets are lost", () => {
  assert.equal(protectedGroup(0.05, 149, false), 0, "a retransmission is soon there");
  assert.equal(protectedGroup(0.05, -1, false), 0, "nobody knows");
  assert.equal(protectedGroup(0.05, 150, true), 0, "a queue would only get longer");
  assert.equal(protectedGroup(0.014, 300, false), 0, "hardly anything is lost");
  assert.equal(protectedGroup(0.12, 300, false), 0, "several of each group would be");
  assert.ok(protectedGroup(0.02, 150, false) > 0);
  assert.ok(protectedGroup(0.1, 150, false) > 0);
});

Deno.test("protectedGroup() has smaller groups the more is lost", () => {
  let last = Infinity;
  for (let loss = 0.02; loss <= 0.11; loss += 0.01) {
    const group = protectedGroup(loss, 200, false);
    assert.ok(group > 1 && group <= last, `${group} at ${loss}`);
    last = group;
  }
});
