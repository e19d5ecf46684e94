import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { TokenRevocations } from "../../../lib/room/token_revocations.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Revocations on a clock the test moves. */
function revocations(maxEntries?: number) {
  let now = 1_000 * DAY;
  const counters = new DropCounters();
  const list = new TokenRevocations({ wallMs: () => now }, counters, maxEntries);
  return {
    list,
    counters,
    now: () => now,
    pass: (ms: number) => now += ms,
    refuses: (identity: string, notBeforeMs: number, expiresAtMs = now + HOUR) =>
      list.refuses("room", identity, { notBeforeMs, expiresAtMs }),
  };
}

Deno.test("TokenRevocations.refuses() only what was issued before the moment, per room and identity", () => {
  const { list, now, refuses } = revocations();
  list.revoke("room", "alice", now(), 0);
  assert.equal(refuses("alice", now() - 1), true);
  assert.equal(refuses("alice", now()), false);
  assert.equal(refuses("bob", now() - 1), false);
  const token = { notBeforeMs: 0, expiresAtMs: now() + HOUR };
  assert.equal(list.refuses("roomalic", "e", token), false);
  assert.equal(list.refuses("rooma", "lice", token), false);
});

Deno.test("TokenRevocations keeps an entry as long as a token it refuses may live, and no longer", () => {
  const { list, now, refuses, pass } = revocations();
  const issued = now() - 1;
  list.revoke("room", "usual", now(), now() + HOUR);
  list.revoke("room", "long", now(), now() + 30 * DAY);
  pass(DAY - 1);
  assert.equal(refuses("usual", issued, issued + HOUR), true);
  pass(1);
  assert.equal(refuses("usual", issued, issued + HOUR), false);
  assert.equal(refuses("long", issued, issued + 30 * DAY), true);
  pass(29 * DAY + 60_000);
  assert.equal(refuses("long", issued, issued + 30 * DAY), false);
  assert.equal(list.size, 0);
});

Deno.test("TokenRevocations lets nobody outwait an entry with a token that lives longer", () => {
  const { list, now, refuses, pass } = revocations();
  const issued = now() - 1;
  const expires = now() + 30 * DAY;
  list.revoke("room", "alice", now(), 0);
  pass(DAY - 1);
  assert.equal(refuses("alice", issued, expires), true);
  pass(20 * DAY);
  assert.equal(refuses("alice", issued, expires), true);
});

Deno.test("TokenRevocations.revoke() again moves the moment, also back", () => {
  const { list, now, refuses } = revocations();
  list.revoke("room", "alice", now(), 0);
  list.revoke("room", "alice", 1_000, 0);
  assert.equal(refuses("alice", now() - 1), false);
  assert.equal(refuses("alice", 999), true);
});

Deno.test("TokenRevocations stays within its bound, dropping first what ends first, counted", () => {
  const { list, counters, now, pass, refuses } = revocations(50);
  for (let i = 0; i < 1_000; i++) {
    list.revoke("room", `user${i}`, now(), 0);
    pass(1);
    assert.ok(list.size <= 50);
  }
  assert.equal(refuses("user999", 0), true);
  assert.equal(refuses("user0", 0), false);
  assert.equal(counters.get("token_revocation_evicted"), 1_000 - list.size);
  pass(2 * DAY);
  list.revoke("room", "last", now(), 0);
  assert.equal(list.size, 1, "what has expired goes without being asked for");
});

Deno.test("TokenRevocations.of() names those in force for one room, and none that have gone", () => {
  const { list, now, pass } = revocations(10);
  const of = (room: string) => list.of(room).map(({ identity }) => identity);
  list.revoke("room", "ann", now(), 0);
  list.revoke("room", "ann", now() + 1, 0);
  list.revoke("roo", "mbob", now(), 0);
  assert.deepEqual([of("room"), of("roo"), of("other")], [["ann"], ["mbob"], []]);
  assert.equal(list.of("room")[0]!.beforeMs, now() + 1);
  pass(1);
  for (let i = 0; i < 10; i++) list.revoke("full", `user${i}`, now(), 0);
  assert.deepEqual([of("room"), of("roo")], [[], []], "they made room for others");
  pass(2 * DAY);
  assert.deepEqual(of("full"), [], "they have ended");
});
