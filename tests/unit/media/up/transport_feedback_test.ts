import assert from "node:assert/strict";
import { TransportFeedbackRecorder } from "../../../../lib/media/up/transport_feedback.ts";
import { NOT_RECEIVED, TransportFeedback } from "../../../../lib/wire/transport_cc.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** Arrival times in µs by 16-bit number, as the sender would read them. */
function decode(feedback: TransportFeedback, into: Map<number, number | undefined>): void {
  let micros = feedback.referenceTime * 64_000;
  for (let i = 0; i < feedback.statusCount; i++) {
    const delta = feedback.deltas[i]!;
    const seq = (feedback.baseSequence + i) & 0xffff;
    if (delta === NOT_RECEIVED) into.set(seq, undefined);
    else into.set(seq, micros += delta * 250);
  }
}

Deno.test("TransportFeedbackRecorder is due 100 ms after a packet, 50 ms after a marker, at once over 100", () => {
  const recorder = new TransportFeedbackRecorder();
  assert.equal(recorder.nextWakeAt(), Infinity);
  recorder.record(1, 0, false, 0);
  assert.equal(recorder.nextWakeAt(), 100);
  recorder.record(2, 10_000, true, 10);
  assert.equal(recorder.nextWakeAt(), 60);
  assert.equal(recorder.due(59), false);
  assert.equal(recorder.due(60), true);
  for (let i = 0; i < 99; i++) recorder.record(3 + i, 20_000, false, 20);
  assert.equal(recorder.due(20), true, "101 packets are held");
});

Deno.test("TransportFeedbackRecorder reports arrivals and losses over the wrap, each number once", () => {
  const recorder = new TransportFeedbackRecorder();
  const random = new SeededRandom(5);
  const feedback = new TransportFeedback();
  const reported = new Map<number, number | undefined>();
  const sent = new Map<number, number | undefined>();
  let seq = 65_000;
  let expectedBase = -1;
  for (let now = 1000; now < 8000; now++) {
    for (let i = random.below(3); i > 0; i--, seq = (seq + 1) & 0xffff) {
      if (random.chance(0.1)) {
        sent.set(seq, undefined);
        continue;
      }
      const micros = now * 1000 + random.below(4) * 250;
      sent.set(seq, micros);
      recorder.record(seq, micros, random.chance(0.1), now);
    }
    if (!recorder.due(now)) continue;
    while (recorder.take(feedback)) {
      if (expectedBase >= 0) assert.equal(feedback.baseSequence, expectedBase);
      expectedBase = (feedback.baseSequence + feedback.statusCount) & 0xffff;
      decode(feedback, reported);
    }
    assert.equal(recorder.nextWakeAt(), Infinity);
  }
  assert.ok(reported.size > 5000);
  for (const [number, micros] of reported) assert.equal(micros, sent.get(number));
});

Deno.test("TransportFeedbackRecorder reports a packet that comes after it was reported lost", () => {
  const recorder = new TransportFeedbackRecorder();
  const feedback = new TransportFeedback();
  recorder.record(10, 0, false, 0);
  recorder.record(12, 5000, false, 5);
  assert.ok(recorder.take(feedback));
  assert.deepEqual([feedback.baseSequence, feedback.statusCount], [10, 3]);
  assert.equal(feedback.deltas[1], NOT_RECEIVED);
  assert.equal(recorder.take(feedback), false);
  recorder.record(11, 8000, false, 8);
  assert.ok(recorder.take(feedback));
  assert.equal(feedback.baseSequence, 11);
  assert.notEqual(feedback.deltas[0], NOT_RECEIVED);
});

Deno.test("TransportFeedbackRecorder splits reports when times are too far apart for a delta", () => {
  const recorder = new TransportFeedbackRecorder();
  const feedback = new TransportFeedback();
  const reported = new Map<number, number | undefined>();
  recorder.record(0, 0, false, 0);
  recorder.record(1, 20_000_000, false, 20_000);
  let messages = 0;
  while (recorder.take(feedback)) {
    assert.equal(feedback.feedbackCount, messages++);
    decode(feedback, reported);
  }
  assert.equal(messages, 2);
  assert.deepEqual([...reported], [[0, 0], [1, 20_000_000]]);
});

Deno.test("TransportFeedbackRecorder survives jumps of any size without an oversized report", () => {
  const recorder = new TransportFeedbackRecorder();
  const feedback = new TransportFeedback();
  const random = new SeededRandom(6);
  for (let now = 0; now < 3000; now++) {
    recorder.record(random.below(0x10000), now * 1000, false, now);
    for (let i = 0; recorder.due(now) && recorder.take(feedback); i++) {
      assert.ok(feedback.statusCount > 0 && feedback.statusCount <= feedback.deltas.length);
      assert.ok(i < 2100, "take() comes to an end");
    }
  }
});

Deno.test("TransportFeedbackRecorder ignores a duplicate", () => {
  const recorder = new TransportFeedbackRecorder();
  const feedback = new TransportFeedback();
  recorder.record(5, 1000, false, 1);
  recorder.record(5, 9000, false, 9);
  assert.ok(recorder.take(feedback));
  assert.deepEqual([feedback.statusCount, feedback.deltas[0]], [1, 4]);
});
