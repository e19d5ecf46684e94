import assert from "node:assert/strict";
import { RembSignal } from "../../../lib/bandwidth/remb_signal.ts";

const MOST = 3_000_000;

/** A sender of a steady rate whose receiver says something twice a second. */
class Talk {
  readonly signal = new RembSignal();
  now = 0;

  /** @param says Bits a second, by how long it has been so, ms. */
  run(
    ms: number,
    bps: number,
    says: (elapsed: number) => number | undefined,
    ...ssrcs: number[]
  ): void {
    const named = Uint32Array.from(ssrcs.length > 0 ? ssrcs : [7]);
    for (let elapsed = 0; elapsed < ms; elapsed += 20) {
      this.now += 20;
      this.signal.sent(bps * 20 / 8_000, this.now);
      const said = elapsed % 500 === 0 ? says(elapsed) : undefined;
      if (said !== undefined) this.signal.said(said, named, named.length, this.now);
      if (elapsed % 100 === 0) this.bps;
    }
  }

  get bps(): number {
    return this.signal.update(MOST, this.now);
  }
}

Deno.test("RembSignal takes what is as much as is sent for no limit", () => {
  const talk = new Talk();
  talk.run(10_000, 400_000, () => 610_000);
  assert.equal(talk.bps, Infinity);
  assert.equal(talk.signal.loweredAt, -Infinity);
});

Deno.test("RembSignal follows what stays less than is sent, and a deep fall at once", () => {
  const talk = new Talk();
  talk.run(5_000, 800_000, () => 900_000);
  talk.run(1_000, 800_000, () => 650_000);
  assert.equal(talk.bps, Infinity, "it may be a moment's");
  talk.run(1_000, 800_000, () => 650_000);
  assert.equal(talk.bps, 650_000);
  const deep = new Talk();
  deep.run(5_000, 1_700_000, () => 1_900_000);
  deep.run(20, 1_700_000, () => 425_000);
  assert.equal(deep.bps, 425_000);
});

Deno.test("RembSignal lets a receiver that lags behind a larger picture catch up", () => {
  const talk = new Talk();
  talk.run(5_000, 200_000, () => 240_000);
  talk.run(12_000, 450_000, (elapsed) => 240_000 * 1.08 ** (elapsed / 1_000));
  assert.equal(talk.bps, Infinity);
});

Deno.test("RembSignal tries more after a pause, which is longer each time that it was too much", () => {
  const talk = new Talk();
  talk.run(3_000, 500_000, () => 300_000);
  const pauses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const from = talk.bps;
    const fellAt = talk.now;
    assert.equal(from, 300_000);
    // What it says is enough for what is sent; more is tried in the end.
    while (talk.bps <= from && talk.now - fellAt < 60_000) talk.run(500, 280_000, () => 300_000);
    pauses.push(talk.now - fellAt);
    assert.ok(talk.bps > from, `${talk.now - fellAt}`);
    talk.run(3_000, 500_000, () => 300_000);
  }
  assert.ok(pauses.every((ms, i) => i === 0 || ms >= pauses[i - 1]!), `${pauses}`);
  assert.ok(pauses[0]! < 10_000 && pauses.at(-1)! > 20_000 && pauses.at(-1)! < 40_000, `${pauses}`);
});

Deno.test("RembSignal tries more though a receiver says the same for ever, until it says less, or finds what comes", () => {
  for (const says of [180_000, 300_000]) {
    const talk = new Talk();
    talk.run(3_000, 500_000, () => 200_000);
    assert.equal(talk.bps, 200_000);
    talk.run(12_000, 260_000, () => 200_000);
    assert.ok(talk.bps > 350_000, `${talk.bps}`);
    talk.run(2_600, 400_000, () => says);
    assert.equal(talk.bps, says);
  }
});

Deno.test("RembSignal tries more while nothing is said at all, and no more than is of use", () => {
  const talk = new Talk();
  talk.run(3_000, 500_000, () => 100_000);
  assert.equal(talk.bps, 100_000);
  talk.run(60_000, 0, () => undefined);
  assert.equal(talk.bps, MOST);
});

Deno.test("RembSignal adds up what receivers say of their videos apart, and forgets who is silent", () => {
  const talk = new Talk();
  for (let second = 0; second < 10; second++) {
    for (const ssrc of [1, 2, 3]) talk.signal.said(250_000, Uint32Array.of(ssrc), 1, talk.now);
    talk.run(1_000, 600_000, () => undefined);
  }
  assert.equal(talk.bps, Infinity, "three times as much as each of them says");
  talk.run(8_000, 600_000, () => 250_000, 1);
  assert.equal(talk.bps, 250_000, "one says it, of all");
});

Deno.test("RembSignal takes what is said of some of the same streams in place of what was said before", () => {
  // Receivers name those that came lately: repairs, whose number may be less, now and then.
  const repairs = new Talk();
  for (let second = 0; second < 6; second++) {
    repairs.run(1_000, 1_000_000, () => 600_000, ...(second % 2 === 0 ? [5] : [4, 5]));
  }
  assert.equal(repairs.signal.loweredAt < 3_000, true, `${repairs.signal.loweredAt}`);
  // One of two videos pauses.
  const videos = new Talk();
  videos.run(500, 1_000_000, () => 1_100_000, 3, 4, 8, 9);
  videos.run(2_500, 1_000_000, () => 600_000, 8, 9);
  assert.equal(videos.bps, 600_000);
});

Deno.test("RembSignal takes what is said of no stream for all there are", () => {
  const talk = new Talk();
  for (const ssrc of [1, 2, 3]) talk.signal.said(250_000, Uint32Array.of(ssrc), 1, talk.now);
  const nothing = new Uint32Array();
  for (let i = 0; i < 6; i++) {
    talk.signal.said(250_000, nothing, 0, talk.now);
    talk.run(500, 600_000, () => undefined);
  }
  assert.equal(talk.bps, 250_000);
});

Deno.test("RembSignal adds up what is said of videos apart with their repairs", () => {
  const talk = new Talk();
  for (let second = 0; second < 10; second++) {
    for (const ssrc of [10, 20, 30]) {
      talk.signal.said(250_000, Uint32Array.of(ssrc, ssrc + 1), second % 2 + 1, talk.now);
    }
    talk.run(1_000, 600_000, () => undefined);
  }
  assert.equal(talk.bps, Infinity);
});

Deno.test("RembSignal bears any number of sources", () => {
  const talk = new Talk();
  for (let source = 0; source < 10_000; source++) {
    talk.signal.said(1_000, Uint32Array.of(source), 1, talk.now);
  }
  talk.run(3_000, 600_000, () => 100_000, 10_001);
  assert.equal(talk.bps, 163_000, "the newest 64 of them");
  const many = Uint32Array.from({ length: 255 }, (_, i) => 20_000 + i);
  talk.signal.said(80_000, many, many.length, talk.now);
  talk.run(6_000, 600_000, () => 80_000, ...many);
  assert.equal(talk.bps, 80_000);
});
