/**
 * How much memory a layer's packets have: by its rate, and by whether anybody wants it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import { FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import type { PacketReceiver } from "../../../../lib/media/packet/forwarding_ports.ts";
import type { SourcePacket } from "../../../../lib/media/packet/source_packet.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const SSRC = 0x8765_4321;
/** Such that packets which wait move to other slots when a cache grows. */
const FIRST_NUMBER = 50;
const VP8 = codec("video/VP8", 96, 97);

/** Needs what it is told to, and notes the last byte of each packet, as the cache has it. */
class Probe implements PacketReceiver {
  neededLayers = 0;
  readonly seen: number[] = [];
  attach(): void {}
  detach(): void {}
  forward({ layer: { cache }, slot }: SourcePacket) {
    this.seen.push(cache.memoryOf(slot)[cache.offsetOf(slot) + cache.lengthOf(slot) - 1]!);
    return DROP.none;
  }
  layersChanged(): void {}
  sourceMuted(): void {}
  failed(error: unknown): void {
    throw error;
  }
}

function videoTrack(batch?: FanOutBatch) {
  const timed: number[] = [];
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    ...(batch === undefined ? {} : { batch }),
    listener: { onNack() {}, onKeyFrameNeeded() {}, onTimed: (at) => timed.push(at) },
  });
  up.bindLayer(0, SSRC, VP8, 0);
  const probe = new Probe();
  up.addDownTrack(probe, 0);
  let sent = 0;
  /** The next packet, whose last byte counts. */
  const receive = (now: number) => {
    const sequenceNumber = (FIRST_NUMBER + sent++) & 0xffff;
    const payload = vp8Payload({
      pictureId: sent,
      tl0: 0,
      key: sent === 1,
      body: [0, sent & 0xff],
    });
    up.receive(0, viewOf(rtpPacket({ ssrc: SSRC, payloadType: 96, sequenceNumber, payload })), now);
  };
  const { cache } = up.layer(0)!;
  const need = (layers: number) => {
    probe.neededLayers = layers;
    up.needsChanged();
  };
  return { up, probe, cache, receive, need, timed };
}

Deno.test("UpTrack keeps a second of a layer that is needed, in no more slots than that takes", () => {
  for (
    const [perSecond, capacity, keptMs] of [[20, 64, 1000], [60, 64, 1000], [100, 128, 1000], [
      250,
      256,
      1000,
    ], [2000, 512, 255]] as const
  ) {
    const { up, cache, receive, need } = videoTrack();
    need(1);
    const interval = 1000 / perSecond;
    const layer = up.layer(0)!;
    for (let i = 0; i < 3 * perSecond; i++) {
      receive(i * interval);
      const kept = Math.min(i, Math.floor(keptMs / interval) - 1);
      assert.ok(cache.find(layer.highest - kept) >= 0, `${kept} back, ${perSecond} a second`);
    }
    assert.equal(cache.capacity, capacity, `${perSecond} packets a second`);
  }
});

Deno.test("UpTrack grows the cache of a layer from when somebody needs it", () => {
  const { cache, receive, need } = videoTrack();
  for (let i = 0; i < 1000; i++) receive(i * 4);
  assert.equal(cache.capacity, 64, "nobody needs it");
  need(1);
  for (let i = 1000; i < 1300; i++) receive(i * 4);
  assert.equal(cache.capacity, 256);
});

Deno.test("UpTrack lets a cache shrink 3 to 6 s after the last need for it, and not while needed", () => {
  const { up, cache, receive, need, timed } = videoTrack();
  need(1);
  let now = 0;
  const run = (until: number) => {
    for (; now < until; now += 4) {
      receive(now);
      if (now >= up.nextWakeAt()) up.tick(now);
    }
  };
  run(10_000);
  assert.equal(cache.capacity, 256);
  assert.ok(timed.some((at) => at > 3000 && at < 5000), "its owner knows when to look");
  need(0);
  run(13_000);
  assert.equal(cache.capacity, 256);
  run(16_000);
  assert.equal(cache.capacity, 64);
  const { highest } = up.layer(0)!;
  for (let back = 0; back < 64; back++) assert.ok(cache.find(highest - back) >= 0);
});

Deno.test("UpTrack lets the cache of a needed layer shrink that nothing comes for", () => {
  const { up, cache, receive, need } = videoTrack();
  need(1);
  for (let now = 0; now < 2000; now += 4) receive(now);
  up.setMuted(true, 2000);
  const looks: number[] = [];
  for (let at = up.nextWakeAt(); at < Infinity; at = up.nextWakeAt()) {
    looks.push(at);
    up.tick(at);
  }
  assert.equal(cache.capacity, 64);
  assert.ok(looks.at(-1)! < 12_000 && looks.length < 10, `looked at ${looks}`);
});

Deno.test("UpTrack hands on every packet of a batch during which its cache grows", () => {
  const batch = new FanOutBatch();
  const { probe, cache, receive, need } = videoTrack(batch);
  need(1);
  for (let i = 0; i < 70; i++) receive(i); // and now the batches straddle where it grows
  batch.end(70);
  for (let sent = 70; sent < 570;) {
    for (let i = 0; i < 25; i++, sent++) receive(100);
    batch.end(100);
  }
  assert.equal(cache.capacity, 512);
  assert.deepEqual(probe.seen, Array.from({ length: 570 }, (_, i) => (i + 1) & 0xff));
});

Deno.test("DownTrack resends what it sent within the last second, at any rate", () => {
  const { up, receive } = videoTrack();
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "0", kind: "video", ssrc: 7, codecs: [codec("video/VP8", 96)], extensions: [] },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 2, maxTemporal: 3 },
  });
  up.addDownTrack(down, 0);
  const sent = 320;
  for (let i = 0; i < sent; i++) receive(i * 3); // what the history had when it grew, too
  assert.equal(sink.packets.length, sent);
  const numbers = sink.views.map(({ sequenceNumber }) => sequenceNumber);
  const now = (sent - 1) * 3;
  for (let back = 0; back < sent; back++) {
    down.receiveNack(Uint16Array.of(numbers[sent - 1 - back]!), 1, now);
    assert.deepEqual(sink.packets.at(-1), sink.packets[sent - 1 - back], `${back} back`);
    assert.equal(sink.packets.length, sent + 1 + back);
  }
});
