import assert from "node:assert/strict";
import { ToldLosses } from "../../../../lib/media/down/told_losses.ts";
import { NOT_RECEIVED, TransportFeedback } from "../../../../lib/wire/transport_cc.ts";

/** A message on packets from `first` on, of which those of `lost` did not come. */
function message(first: number, count: number, lost: readonly number[]): TransportFeedback {
  const feedback = new TransportFeedback();
  feedback.baseSequence = first & 0xffff;
  feedback.statusCount = count;
  for (let i = 0; i < count; i++) feedback.deltas[i] = lost.includes(i) ? NOT_RECEIVED : 4;
  return feedback;
}

function told(losses: ToldLosses): readonly (readonly [number, number])[] {
  return Array.from({ length: losses.count }, (_, i) => [losses.ssrcs[i]!, losses.numbers[i]!]);
}

Deno.test("ToldLosses says which packets of which streams did not come, each once", () => {
  const losses = new ToldLosses();
  losses.turn(true);
  for (let i = 0; i < 6; i++) {
    losses.sent((65_533 + i) & 0xffff, { ssrc: 5_000 + i % 2, sequence: 65_534 + i });
  }
  losses.read(message(65_533, 6, [1, 4]));
  assert.deepEqual(told(losses), [[5_001, 65_535], [5_000, 2]], "numbers wrap");
  losses.read(message(65_533, 6, [1, 4, 5]));
  assert.deepEqual(told(losses), [[5_001, 3]]);
  losses.read(message(65_533, 6, []));
  assert.deepEqual(told(losses), []);
});

Deno.test("ToldLosses knows nothing of what did not leave, left before, or is too old", () => {
  const losses = new ToldLosses();
  losses.sent(1, { ssrc: 5_000, sequence: 1 });
  losses.read(message(1, 1, [0]));
  assert.deepEqual(told(losses), [], "before it was turned on");
  losses.turn(true);
  losses.read(message(1, 3, [0, 1, 2]));
  assert.deepEqual(told(losses), []);
  for (let i = 0; i < 1_025; i++) losses.sent(i, { ssrc: 5_000, sequence: i });
  losses.read(message(0, 2, [0, 1]));
  assert.deepEqual(told(losses), [[5_000, 1]], "one place holds two numbers in turn");
  losses.turn(false);
  losses.read(message(2, 1, [0]));
  losses.turn(true);
  losses.read(message(2, 1, [0]));
  assert.deepEqual(told(losses), [], "what was known is forgotten when it is turned off");
});

Deno.test("ToldLosses bounds what one message is answered with", () => {
  const losses = new ToldLosses();
  losses.turn(true);
  for (let i = 0; i < 500; i++) losses.sent(i, { ssrc: 5_000, sequence: i });
  losses.read(message(0, 500, Array.from({ length: 500 }, (_, i) => i)));
  assert.equal(losses.count, 64);
});
