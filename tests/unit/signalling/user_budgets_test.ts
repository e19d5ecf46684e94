import assert from "node:assert/strict";
import { UserBudgets } from "../../../lib/signalling/user_budgets.ts";

const ANN = { roomName: "lobby", identity: "ann" };

function budgets() {
  const time = { ms: 0 };
  return { time, users: new UserBudgets({ now: () => time.ms }) };
}

Deno.test("UserBudgets gives all sessions of a user one share, also those of other names", () => {
  const { users } = budgets();
  users.began(ANN);
  users.of(ANN).charge(300_000);
  const camera = { roomName: "lobby", identity: "ann#cam", tokenIdentity: "ann" };
  assert.ok(users.of(camera).waitMs() > 0);
  assert.equal(users.of({ roomName: "hall", identity: "ann" }).waitMs(), 0);
  assert.equal(users.of({ roomName: "lobby", identity: "bob" }).waitMs(), 0);
});

Deno.test("UserBudgets keeps what is left of a share over a user's absence, and no longer than it takes", () => {
  const { time, users } = budgets();
  const { end } = users.began(ANN);
  users.of(ANN).charge(400_000);
  end();
  time.ms = 100;
  assert.ok(users.of(ANN).waitMs() > 0);
  for (let i = 0; i < 1_000; i++) users.of({ roomName: "lobby", identity: `${i}` }).charge(100);
  time.ms = 2_100;
  users.of({ roomName: "lobby", identity: "bob" });
  assert.equal(users.size, 1);
  assert.equal(users.of(ANN).waitMs(), 0);
});

Deno.test("UserBudgets keeps the shares of those who are here", () => {
  const { time, users } = budgets();
  const [first, second] = [users.began(ANN), users.began(ANN)];
  const share = users.of(ANN);
  first.end();
  time.ms = 60_000;
  users.of({ roomName: "lobby", identity: "bob" });
  assert.equal(users.of(ANN), share);
  second.end();
  time.ms = 120_000;
  users.of({ roomName: "lobby", identity: "bob" });
  assert.notEqual(users.of(ANN), share);
});
