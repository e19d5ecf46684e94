import assert from "node:assert/strict";
import { DataTurns, type DataTurnTaker } from "../../../../lib/engine/local/data_turns.ts";

/** What happens in turns, on a clock that moves by what each message costs. */
class Stage {
  us = 0;
  readonly log: string[] = [];
  readonly failed: string[] = [];
  readonly turns = new DataTurns<Taker>(
    { nowUs: () => this.us },
    (taker) => this.failed.push(taker.name),
  );

  taker(name: string, messages: number, costUs = 0): Taker {
    return new Taker(this, name, messages, costUs);
  }
}

class Taker implements DataTurnTaker {
  hasDataTurn = false;
  delivered = 0;
  flushes = 0;
  onDeliver: () => void = () => {};
  onFlush: () => void = () => {};

  constructor(
    readonly stage: Stage,
    readonly name: string,
    public messages: number,
    readonly costUs: number,
  ) {}

  get hasMessages(): boolean {
    return this.messages > 0;
  }

  deliverData(): boolean {
    if (this.messages > 0) {
      this.messages--;
      this.delivered++;
      this.stage.us += this.costUs;
      this.stage.log.push(this.name);
    }
    this.onDeliver();
    return this.messages > 0;
  }

  flushData(): void {
    this.flushes++;
    this.stage.log.push(`${this.name} sends`);
    this.onFlush();
  }
}

Deno.test("DataTurns sees to each once, and to those who are sent something meanwhile", () => {
  const stage = new Stage();
  const [a, b] = [stage.taker("a", 3), stage.taker("b", 0)];
  a.onDeliver = () => stage.turns.add(b);
  for (let i = 0; i < 5; i++) stage.turns.add(a);
  stage.turns.run(0);
  assert.deepEqual(stage.log, ["a", "a", "a", "a sends", "b sends"]);
  assert.equal(stage.turns.isWaiting, false);
  stage.turns.run(0);
  assert.equal(a.flushes, 1);
});

Deno.test("DataTurns goes round while there is time, and goes on in the next turn", () => {
  const stage = new Stage();
  const crowd = stage.taker("crowd", 100_000, 10);
  const few = stage.taker("few", 40, 10);
  stage.turns.add(crowd);
  stage.turns.add(few);
  stage.turns.run(0);
  assert.equal(few.messages, 0, "not behind the crowd");
  assert.ok(stage.us >= 4_000 && stage.us < 4_400, `${stage.us} µs`);
  assert.equal(stage.turns.isWaiting, true);
  assert.deepEqual([crowd.flushes, few.flushes], [1, 1]);
  const before = crowd.delivered;
  stage.turns.run(0);
  assert.ok(crowd.delivered > before);
});

Deno.test("DataTurns begins the next turn with those who had nothing of the last one", () => {
  const stage = new Stage();
  const takers = Array.from({ length: 10 }, (_, i) => stage.taker(`${i}`, 1_000, 100));
  for (const taker of takers) stage.turns.add(taker);
  for (let turn = 0; turn < 20; turn++) stage.turns.run(0);
  const delivered = takers.map((taker) => taker.delivered);
  assert.ok(Math.min(...delivered) > 0, delivered.join());
  assert.ok(Math.max(...delivered) - Math.min(...delivered) <= 32, delivered.join());
});

Deno.test("DataTurns ends a turn after a message that takes long, as one to a thousand does", () => {
  const stage = new Stage();
  const [wide, narrow] = [stage.taker("wide", 10, 5_000), stage.taker("narrow", 10, 10)];
  stage.turns.add(wide);
  stage.turns.add(narrow);
  stage.turns.run(0);
  assert.deepEqual([wide.delivered, narrow.delivered], [1, 0]);
  stage.turns.run(0);
  assert.deepEqual([wide.delivered, narrow.delivered], [2, 10], "who had nothing is first");
});

Deno.test("DataTurns tells of a throw, and everybody else has a turn", () => {
  const stage = new Stage();
  const [bad, good] = [stage.taker("bad", 1), stage.taker("good", 1)];
  bad.onDeliver = () => {
    throw new Error("a bug");
  };
  stage.turns.add(bad);
  stage.turns.add(good);
  stage.turns.run(0);
  assert.deepEqual(stage.failed, ["bad"]);
  assert.deepEqual([good.delivered, good.flushes], [1, 1]);
});

Deno.test("DataTurns has those in line already who find while they send that they have more", () => {
  const stage = new Stage();
  const takers = ["a", "b", "c"].map((name) => stage.taker(name, 1_000, 200));
  let turnsAskedFor = 0;
  for (const taker of takers) {
    taker.onFlush = () => {
      if (!stage.turns.isWaiting) turnsAskedFor++;
      stage.turns.add(taker);
    };
    stage.turns.add(taker);
  }
  stage.turns.run(0);
  assert.equal(turnsAskedFor, 0, "the turn that is over does not ask for the next at once");
  const served = stage.log.filter((entry) => !entry.includes("sends")).length;
  stage.turns.run(0);
  const next = stage.log.slice(served + takers.length);
  assert.equal(next[0], "c", "who had least of the last turn is first in this one");
});
