/**
 * Streams without chains, as libwebrtc describes VP8: worlds with chains are in `tests/sim`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { SvcStream } from "../../../../lib/media/layer/svc_stream.ts";
import { SvcSelection } from "../../../../lib/media/select/svc_selection.ts";
import { DependencyDescriptor } from "../../../../lib/wire/dependency_descriptor.ts";
import {
  temporalDescriptor,
  type TemporalFrame,
} from "../../../support/media/temporal_descriptors.ts";

/** One subscriber's choice of a stream with three temporal layers. */
class Chosen {
  readonly selection = new SvcSelection();
  readonly stream = new SvcStream();
  readonly #descriptor = new DependencyDescriptor();

  /** Whether a frame that comes whole in one packet is sent. */
  take(frame: TemporalFrame, maxTemporal: number, timestamp = frame.number * 3000): boolean {
    this.#read(frame);
    return this.selection.decide(this.#descriptor, this.stream, timestamp, 0, maxTemporal);
  }

  leaveOut(frame: TemporalFrame): void {
    this.#read(frame);
    this.selection.leaveOut(this.#descriptor);
  }

  #read(frame: TemporalFrame): void {
    const bytes = temporalDescriptor(frame);
    assert.ok(this.#descriptor.parse(bytes, 0, bytes.length));
    this.stream.readDescribed(this.#descriptor, frame.number);
  }
}

const KEY = { number: 8, t: 0, key: true, refs: [] } as const;

/** A frame that is none of a key. */
function frame(number: number, t: number, ...refs: readonly number[]): TemporalFrame {
  return { number, t, key: false, refs };
}

Deno.test("SvcSelection adds a temporal layer where a frame of it needs none that was left out", () => {
  const chosen = new Chosen();
  assert.ok(chosen.take(KEY, 0));
  assert.ok(!chosen.take(frame(9, 2, 8), 0));
  assert.ok(!chosen.take(frame(10, 1, 8), 0));
  assert.ok(!chosen.take(frame(11, 2, 10), 3), "it needs 10");
  assert.ok(chosen.take(frame(12, 0, 8), 3));
  assert.ok(chosen.take(frame(13, 2, 12), 3));
  assert.ok(!chosen.take(frame(14, 1, 12, 10), 3), "it needs 10");
  assert.ok(!chosen.take(frame(15, 2, 12, 14), 3), "it needs 14");
  assert.ok(chosen.take(frame(16, 0, 12), 3));
  assert.ok(chosen.take(frame(18, 1, 16), 3));
  assert.ok(chosen.take(frame(19, 2, 18), 3));
  assert.ok(!chosen.selection.needsKeyFrame);
});

Deno.test("SvcSelection goes on with frames of the lowest layer after one that has not come, whatever was wanted then", () => {
  for (const [before, after] of [[3, 0], [0, 3], [1, 0], [0, 1]] as const) {
    const chosen = new Chosen();
    assert.ok(chosen.take(KEY, before));
    chosen.take(frame(13, 2, 12), before); // 12, of the lowest layer, is missing
    assert.ok(chosen.take(frame(16, 0, 12), after), `${before}, then ${after}`);
    assert.ok(chosen.take(frame(20, 0, 16), after));
    assert.ok(chosen.take(frame(12, 0, 8), after), "it came late");
    assert.ok(!chosen.selection.needsKeyFrame);
  }
});

Deno.test("SvcSelection asks for a key frame if one of the lowest layer was left out", () => {
  const chosen = new Chosen();
  assert.ok(chosen.take(KEY, 3));
  chosen.leaveOut(frame(12, 0, 8));
  assert.ok(!chosen.take(frame(16, 0, 12), 3));
  assert.ok(chosen.selection.needsKeyFrame);
  assert.ok(!chosen.take(frame(17, 2, 16), 3));
  assert.ok(chosen.selection.needsKeyFrame);
  assert.ok(chosen.take({ ...KEY, number: 20 }, 3));
  assert.ok(chosen.take(frame(21, 2, 20), 3));
  assert.ok(!chosen.selection.needsKeyFrame);
});

Deno.test("SvcSelection.restart() takes another stream whose first frame shows the same time", () => {
  const chosen = new Chosen();
  assert.ok(chosen.take(KEY, 3, 5000));
  chosen.selection.restart();
  assert.ok(chosen.take({ ...KEY, number: 9 }, 3, 5000));
});

Deno.test("SvcSelection.announcedTargets() says for a while that all are sent again", () => {
  const chosen = new Chosen();
  const announced = (number: number, maxTemporal: number) => {
    assert.ok(chosen.take(number === 8 ? KEY : frame(number, 0, number - 4), maxTemporal));
    return chosen.selection.announcedTargets(chosen.stream.structure!);
  };
  assert.equal(announced(8, 3), -1);
  assert.equal(announced(12, 1), 0b011);
  assert.equal(announced(16, 0), 0b001);
  for (let number = 20; number <= 16 + 128; number += 4) assert.equal(announced(number, 3), 0b111);
  assert.equal(announced(16 + 132, 3), -1);
});
