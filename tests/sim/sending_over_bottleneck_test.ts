/**
 * A connection's sending side over a path with a bottleneck, to a receiver that reports and asks for
 * what it misses as libwebrtc does: what is sent follows what the path carries, and what is sent
 * again never makes it worse. On virtual time.
 */
import assert from "node:assert/strict";
import { PACKET_KIND } from "../../lib/base/packet_sink.ts";
import { BottleneckWorld } from "../support/media/bottleneck_world.ts";

const layerOf = (world: BottleneckWorld) => world.side.stats()[0]!.spatial;

Deno.test("SendingSide sends what a bottleneck carries, and goes up again when it is gone", () => {
  const world = new BottleneckWorld();
  world.link.rateBps = 400_000;
  world.run(20_000);
  world.begin();
  world.run(20_000);
  const bps = world.arrivedBytes * 8 / 20;
  assert.equal(layerOf(world), 0, "the lowest layer is what fits");
  assert.ok(bps > 200_000 && bps < 420_000, `${bps}`);
  assert.ok(world.spatial.length <= 2, `${world.spatial}`);
  assert.ok(world.estimate.lossFraction < 0.05, `${world.estimate.lossFraction}`);
  world.link.rateBps = 10_000_000;
  world.run(45_000);
  assert.equal(layerOf(world), 2, `the whole picture: ${world.estimate.bps}`);
  world.link.rateBps = 700_000;
  world.run(5_000);
  world.begin();
  world.run(20_000);
  assert.ok(layerOf(world)! < 2, `${layerOf(world)}`);
  assert.ok(world.estimate.lossFraction < 0.1, `${world.estimate.lossFraction}`);
});

Deno.test("SendingSide sends who only says how much it takes what fits, all where there is room, and no padding", () => {
  const world = new BottleneckWorld({ saysRemb: true, audio: true, temporal: true });
  world.run(30_000);
  assert.equal(layerOf(world), 2, "half as much again as it is sent is no limit");
  world.link.rateBps = 500_000;
  world.run(10_000);
  world.begin();
  world.run(30_000);
  assert.ok(layerOf(world)! < 2, `${layerOf(world)}`);
  assert.ok(world.spatial.length <= 6, `${world.spatial}`);
  assert.ok(world.heard >= 0.95 * 30_000 / 20, `${world.heard} frames of sound`);
  assert.ok(world.arrivedBytes * 8 / 30 > 250_000, `${world.arrivedBytes * 8 / 30}`);
  world.link.rateBps = 10_000_000;
  world.run(40_000);
  assert.equal(layerOf(world), 2, `the whole picture: ${world.estimate.bps}`);
  assert.equal(world.sink.sentBytes[PACKET_KIND.padding], 0, "nothing would be learnt by it");
});

Deno.test("SendingSide makes no storm of 20 % loss: each packet is sent again about as often as it is lost", () => {
  const world = new BottleneckWorld();
  world.link.loss = 0.2;
  world.run(10_000);
  world.begin();
  world.run(20_000);
  const media = world.sink.sentBytes[PACKET_KIND.media]!;
  const repairs = world.sink.sentBytes[PACKET_KIND.repair]!;
  assert.ok(repairs > media * 0.1, `${repairs} of ${media}: something is repaired`);
  assert.ok(repairs < media * 0.4, `${repairs} of ${media}`);
});

Deno.test("SendingSide repairs in advance where packets are lost on a long way, and nowhere else", () => {
  for (
    const [loss, rttMs, isProtected] of [[0.05, 200, true], [0.05, 50, false], [0, 200, false]]
  ) {
    const world = new BottleneckWorld();
    world.link.loss = loss as number;
    world.side.bandwidth.roundTrip(rttMs as number, world.now);
    world.run(10_000);
    world.begin();
    world.run(20_000);
    const { fecPackets, sentBytes } = world.sink;
    assert.equal(fecPackets > 0, isProtected, `${loss}, ${rttMs} ms: ${fecPackets}`);
    const total = sentBytes.reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(total * 8 / 20 < world.estimate.bps * 1.1, "all of it is within the estimate");
    if (isProtected) assert.ok(sentBytes[PACKET_KIND.repair]! < total * 0.4, `${sentBytes}`);
  }
});

Deno.test("SendingSide sends repairs twice on a near path that loses many, and not where what is too much is dropped", () => {
  for (const [rateBps, loss, isTwice] of [[Infinity, 0.1, true], [600_000, 0.08, false]] as const) {
    const world = new BottleneckWorld({ temporal: true });
    world.link.rateBps = rateBps;
    world.link.queueMs = 30;
    world.link.loss = loss;
    world.run(15_000);
    world.begin();
    let twice = 0;
    for (let second = 0; second < 40; second++) {
      world.run(1_000);
      if (world.side.bandwidth.repairs.copies > 1) twice++;
    }
    assert.equal(twice > 20, isTwice, `${rateBps}: ${twice} of 40`);
    if (isTwice) continue;
    assert.equal(twice, 0);
    assert.deepEqual([layerOf(world), world.spatial.length], [1, 0], "what fits stays");
  }
});

Deno.test("SendingSide makes nothing worse on a path that is full and loses 20 % besides", () => {
  const world = new BottleneckWorld();
  world.link.rateBps = 400_000;
  world.link.loss = 0.2;
  world.run(20_000);
  world.begin();
  world.run(20_000);
  const [media, , repairs] = world.sink.sentBytes;
  const all = world.sink.sentBytes.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(repairs! < media! * 0.5, `${repairs} of ${media}`);
  assert.ok(all * 8 / 20 < 500_000, `${all * 8 / 20} bit/s into 400,000`);
});

Deno.test("SendingSide pads on the retransmission stream to go up, and hardly while all is sent", () => {
  const world = new BottleneckWorld();
  world.link.rateBps = 400_000;
  world.run(10_000);
  world.link.rateBps = 10_000_000;
  world.begin();
  world.run(45_000);
  assert.ok(world.sink.sentBytes[PACKET_KIND.padding]! > 0, "probed");
  world.begin();
  world.run(20_000);
  assert.equal(layerOf(world), 2);
  const [media, , , padding] = world.sink.sentBytes;
  assert.ok(padding! < media! * 0.01, `${padding} of ${media}`);
});

Deno.test("SendingSide sends video again after a path was dead until all of it was paused", () => {
  // Audio has no numbers, so nothing of it is answered.
  const world = new BottleneckWorld({ audio: true, isAudioUncounted: true, allowPause: true });
  world.run(10_000);
  world.link.loss = 1;
  world.run(40_000);
  assert.deepEqual(world.paused, [true]);
  world.link.loss = 0;
  world.run(4_000);
  assert.deepEqual(world.paused, [true, false]);
  world.begin();
  world.run(5_000);
  const bps = world.arrivedBytes * 8 / 5;
  assert.ok(bps > 1_000_000, `${bps}`);
});

Deno.test("SendingSide sends video again after it was sent by another path that was dead at first", () => {
  const world = new BottleneckWorld({ allowPause: true });
  world.link.rateBps = 250_000;
  world.run(20_000);
  world.side.pathChanged(world.now);
  world.link.loss = 1;
  world.run(7_000);
  world.link.loss = 0;
  world.link.rateBps = 10_000_000;
  world.run(15_000);
  world.begin();
  world.run(10_000);
  assert.equal(layerOf(world), 2, `the whole picture: ${world.estimate.bps}`);
  assert.ok(world.arrivedBytes > 100_000, `${world.arrivedBytes}`);
});

Deno.test("SendingSide sends video again once a path is wide, though all was paused and nothing is retransmitted", () => {
  const world = new BottleneckWorld({ hasRtx: false, allowPause: true });
  world.run(5_000);
  world.link.rateBps = 60_000;
  world.run(40_000);
  assert.equal(world.paused.at(-1), true, "the lowest layer takes four times as much");
  world.begin();
  world.run(10_000);
  assert.deepEqual(world.paused, [], "and so it stays");
  world.link.rateBps = 10_000_000;
  world.run(4_000);
  assert.deepEqual(world.paused, [false]);
  world.run(4_000);
  assert.equal(layerOf(world), 2, `${world.estimate.bps}`);
  world.begin();
  world.run(5_000);
  const bps = world.arrivedBytes * 8 / 5;
  assert.ok(bps > 1_400_000, `${bps}`);
});

for (const rateBps of [40_000, 30_000, 20_000]) {
  Deno.test(`SendingSide does not drown a path of ${rateBps / 1_000} kbit/s, and sends all of it once it is wide`, () => {
    const world = new BottleneckWorld({ allowPause: true });
    world.run(20_000);
    assert.equal(layerOf(world), 2);
    world.link.rateBps = rateBps;
    world.run(10_000);
    assert.deepEqual(world.paused, [true], "the lowest layer takes more than four times as much");
    world.begin();
    world.run(20_000);
    const bytes = world.sink.sentBytes.reduce((sum, sent) => sum + sent);
    assert.ok(bytes * 8 / 20 < rateBps, `${bytes * 8 / 20} bit/s`);
    world.link.rateBps = 10_000_000;
    world.run(8_000);
    assert.equal(world.paused.at(-1), false);
    assert.equal(layerOf(world), 2, `${world.estimate.bps}`);
  });
}
