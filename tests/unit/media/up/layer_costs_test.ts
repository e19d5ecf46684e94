import assert from "node:assert/strict";
import { LayerRates } from "../../../../lib/media/layer/layer_rates.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { codec, viewOf, vp8Payload } from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SvcWorld } from "../../../support/media/svc_world.ts";

/** What sealing and our header extensions are taken to add to a packet, bytes. */
const ADDED = 20;
const EVERYTHING = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;

function costsOf(up: UpTrack): number[] {
  const costs = new Float64Array(12);
  up.costs(costs);
  return [...costs];
}

/** A track whose streams bring a packet of their own size every 10 ms, in temporal layers 0, 1. */
class SizedTrack {
  readonly up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  now = 0;
  #sequence = 0;

  constructor(readonly sizes: readonly number[]) {
    sizes.forEach((_, i) =>
      this.up.bindLayer(i as 0 | 1 | 2, 70 + i, codec("video/VP8", 96), this.now)
    );
  }

  run(ms: number, active = this.sizes.map(() => true)): void {
    for (const end = this.now + ms; this.now < end; this.now += 10) {
      const sequenceNumber = this.#sequence++ & 0xffff;
      this.sizes.forEach((size, i) => {
        if (!active[i]) return;
        const fields = { pictureId: sequenceNumber & 0x7fff, tl0: 0, tid: sequenceNumber & 1 };
        const head = vp8Payload({ ...fields, body: [0] });
        const payload = new Uint8Array(size - 12 - ADDED);
        payload.set(head);
        const packet = rtpPacket({ ssrc: 70 + i, payloadType: 96, sequenceNumber, payload });
        this.up.receive(i as 0 | 1 | 2, viewOf(packet), this.now);
      });
      if (this.now >= this.up.nextWakeAt()) this.up.tick(this.now);
    }
  }
}

function assertAbout(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((bps, i) =>
    assert.ok(Math.abs(bps - expected[i]!) <= expected[i]! * 0.03, `${i}: ${actual}`)
  );
}

Deno.test("UpTrack.costs() are what each stream brings, by temporal layers that are added up", () => {
  const track = new SizedTrack([100, 500]);
  track.run(3_000);
  // 100 packets a second of 100 bytes are 80 kbit/s, half of them in the lowest temporal layer.
  const row = (bps: number) => [bps / 2, bps, bps, bps];
  assertAbout(costsOf(track.up), [...row(80_000), ...row(400_000), 0, 0, 0, 0]);
});

Deno.test("UpTrack.costs() of a stream are a guess until it was measured, and 0 when it stops", () => {
  const track = new SizedTrack([100, 500]);
  track.run(300);
  assert.deepEqual(costsOf(track.up).slice(0, 8), [
    ...Array(4).fill(100_000),
    ...Array(4).fill(200_000),
  ]);
  track.run(2_000);
  track.run(3_000, [true, false]);
  assert.deepEqual(costsOf(track.up).slice(4), Array(8).fill(0));
  // It is back, and what was known of it still holds: the pause was no measurement.
  track.run(20);
  assertAbout(costsOf(track.up).slice(4, 8), [200_000, 400_000, 400_000, 400_000]);
});

Deno.test("UpTrack.costs() of layers inside one stream are those of all that they are built on", () => {
  for (const described of [true, false]) {
    const mime = "video/VP9";
    const world = new SvcWorld({ seed: 5, mime, mode: "L3T3", described, target: EVERYTHING });
    world.run(5_000);
    const costs = costsOf(world.up);
    for (let i = 0; i < 12; i++) {
      if (i % 4 !== 0) assert.ok(costs[i]! >= costs[i - 1]!, `${costs}`);
      if (i >= 4) assert.ok(costs[i]! > costs[i - 4]!, `${costs}`);
    }
    // A third more packets for each layer: 1, 2, 3 of nearly one size.
    assert.ok(Math.abs(costs[11]! / costs[3]! - 6) < 1, `${costs}`);
    assert.ok(Math.abs(costs[11]! / costs[8]! - 4) < 0.5, `${costs}`);
  }
});

function frameRatesOf(up: UpTrack): number[] {
  const frameRates = new Float64Array(12);
  up.costs(new Float64Array(12), frameRates);
  return [...frameRates];
}

Deno.test("UpTrack.costs() tells frames a second by temporal layers that are added up", () => {
  const track = new SizedTrack([100, 500]);
  track.run(300);
  assert.deepEqual(frameRatesOf(track.up), Array(12).fill(0), "nothing was measured");
  track.run(2_700);
  const row = [50, 100, 100, 100];
  assertAbout(frameRatesOf(track.up).slice(0, 8), [...row, ...row]);
});

Deno.test("UpTrack.costs() takes a layer that was not seen to be as fast as those below", () => {
  const track = new SizedTrack([100, 500, 900]);
  track.run(3_000, [true, false, false]);
  const row = [50, 100, 100, 100];
  assertAbout(frameRatesOf(track.up), [...row, ...row, ...row]);
});

Deno.test("UpTrack.costs() tells one frame rate for all spatial layers inside a stream", () => {
  const mime = "video/VP9";
  const world = new SvcWorld({ seed: 5, mime, mode: "L3T3", described: true, target: EVERYTHING });
  world.run(5_000);
  const rates = frameRatesOf(world.up);
  const lowest = rates.slice(0, 4);
  assert.deepEqual(rates, [...lowest, ...lowest, ...lowest]);
  for (const [temporal, fps] of [30 / 4, 30 / 2, 30, 30].entries()) {
    assert.ok(Math.abs(lowest[temporal]! - fps) <= 1, `${lowest}`);
  }
});

Deno.test("LayerRates follow what rises faster than what falls, and know nothing before a window", () => {
  const rates = new LayerRates();
  const run = (from: number, to: number, bytes: number) => {
    for (let now = from; now < to; now += 10) rates.count(0, 0, bytes - ADDED, now);
  };
  run(0, 490, 100);
  assert.equal(rates.isKnown, false);
  run(490, 510, 100);
  assert.equal(Math.round(rates.at(0)), 80_000);
  run(510, 1_510, 200);
  assert.equal(Math.round(rates.at(0) / 1_000), 120);
  run(1_510, 2_510, 20);
  assert.equal(Math.round(rates.at(0) / 1_000), 94);
});
