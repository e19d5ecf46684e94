import assert from "node:assert/strict";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import { SLOT_BYTES } from "../../../../lib/media/layer/packet_cache.ts";
import { FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import type { PacketReceiver } from "../../../../lib/media/packet/forwarding_ports.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import type { SourcePacket } from "../../../../lib/media/packet/source_packet.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  bareVp8Payload,
  codec,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const SSRC = 0x8765_4321;
const OPUS = codec("audio/opus", 111);
const VP8 = codec("video/VP8", 96, 97);

interface Seen {
  readonly seq: number;
  readonly payload: readonly number[];
  readonly marker: boolean;
}

/** A receiver that notes what it is offered. */
class Probe implements PacketReceiver {
  readonly seen: Seen[] = [];
  readonly neededLayers = 1;
  changes = 0;
  attach(): void {}
  detach(): void {}
  forward(packet: SourcePacket) {
    const { bytes, payloadOffset, marker } = packet.view;
    const payload = [...bytes.subarray(payloadOffset, payloadOffset + packet.payloadLength)];
    this.seen.push({ seq: packet.seq & 0xffff, payload, marker });
    return DROP.none;
  }
  layersChanged(): void {
    this.changes++;
  }
  sourceMuted(): void {}
  failed(error: unknown): void {
    throw error;
  }
}

function audioTrack() {
  const nacks: number[][] = [];
  const plis: number[] = [];
  const up = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: {
      onNack: (_ssrc, numbers, count) => nacks.push([...numbers.subarray(0, count)]),
      onKeyFrameNeeded: (ssrc) => plis.push(ssrc),
    },
  });
  up.bindLayer(0, SSRC, OPUS, 0);
  const probe = new Probe();
  up.addDownTrack(probe, 0);
  const receive = (sequenceNumber: number, now = 0, timestamp = sequenceNumber * 960) =>
    up.receive(
      0,
      viewOf(rtpPacket({
        ssrc: SSRC,
        payloadType: 111,
        sequenceNumber,
        timestamp,
        payload: Uint8Array.of(sequenceNumber & 0xff),
      })),
      now,
    );
  return { up, probe, nacks, plis, receive };
}

Deno.test("UpTrack.receive() forwards each packet once, whatever is doubled or late", () => {
  const { probe, receive } = audioTrack();
  assert.deepEqual([65_534, 65_534, 0, 65_535, 0, 65_535].map((seq) => receive(seq)), [
    DROP.none,
    DROP.duplicate,
    DROP.none,
    DROP.none,
    DROP.duplicate,
    DROP.duplicate,
  ]);
  assert.deepEqual(probe.seen.map(({ seq }) => seq), [65_534, 0, 65_535]);
});

Deno.test("UpTrack keeps a second of a voice in frames of 10 ms, in less than 200 kB", () => {
  const { up, probe, receive } = audioTrack();
  for (let number = 1; number <= 100; number++) if (number !== 2) receive(number, number * 10, 480);
  assert.equal(receive(2, 1_000), DROP.none, "asked for again, it comes a second late");
  assert.equal(probe.seen.length, 100);
  assert.ok(up.layer(0)!.cache.capacity * SLOT_BYTES < 200_000, "each microphone has one");
});

Deno.test("UpTrack.receive() names the reason for what it does not use", () => {
  const { up, receive } = audioTrack();
  const packet = { ssrc: SSRC, payloadType: 111, payload: new Uint8Array(10) };
  const view = viewOf(rtpPacket(packet));
  assert.equal(up.receive(1, view, 0), DROP.unboundLayer);
  assert.equal(
    up.receive(0, viewOf(rtpPacket({ ...packet, payloadType: 9 })), 0),
    DROP.payloadType,
  );
  const large = rtpPacket({ ...packet, payload: new Uint8Array(1500) });
  assert.equal(up.receive(0, viewOf(large), 0), DROP.tooLarge);
  receive(1000);
  receive(1400);
  assert.equal(receive(1100), DROP.tooOld, "300 packets are too late even for frames of 2.5 ms");
  const counts: Record<string, number> = {};
  up.drops.addTo(counts);
  assert.deepEqual(counts, {
    rtp_unbound_layer: 1,
    rtp_payload_type: 1,
    rtp_too_large: 1,
    rtp_too_old: 1,
  });
});

Deno.test("UpTrack.receive() takes a packet from a receive buffer of any size", () => {
  for (const room of [0, 500, 2048, 65_536]) {
    const { up, probe } = audioTrack();
    const packet = rtpPacket({ ssrc: SSRC, payloadType: 111, payload: Uint8Array.of(7, 8, 9) });
    const buffer = new Uint8Array(packet.length + room).fill(0xcc);
    buffer.set(packet);
    const view = viewOf(packet);
    assert.ok(view.wrap(buffer, packet.length));
    assert.equal(up.receive(0, view, 0), DROP.none);
    const { cache } = up.layer(0)!;
    const slot = cache.find(up.layer(0)!.highest);
    assert.deepEqual(
      [...cache.slotBytes(slot).subarray(0, cache.lengthOf(slot))],
      [...packet],
    );
    assert.deepEqual(probe.seen[0]!.payload, [7, 8, 9]);
  }
});

Deno.test("UpTrack restarts a layer after two packets far away, and not after one", () => {
  const { up, probe, receive } = audioTrack();
  receive(100);
  assert.equal(receive(40_000), DROP.sequenceJump);
  assert.equal(receive(101), DROP.none, "one stray changes nothing");
  const epoch = up.layer(0)!.epoch;
  assert.equal(receive(40_000), DROP.sequenceJump);
  assert.equal(receive(40_001), DROP.none);
  assert.notEqual(up.layer(0)!.epoch, epoch);
  assert.ok(probe.changes > 0, "down-tracks are told");
  assert.equal(receive(40_002), DROP.none);
  assert.equal(receive(40_002), DROP.duplicate);
});

Deno.test("UpTrack restarts backwards on the same SSRC, too, without asking for what never was", () => {
  const { up, nacks, receive } = audioTrack();
  receive(50_000);
  receive(10, 5);
  receive(11, 6);
  receive(12, 7);
  up.tick(1000);
  assert.deepEqual(nacks, []);
  assert.equal(up.nextWakeAt(), Infinity);
});

Deno.test("UpTrack asks for losses across 65535 → 0 and stops when RTX brings them", () => {
  const nacks: number[][] = [];
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: {
      onNack: (_s, numbers, count) => nacks.push([...numbers.subarray(0, count)]),
      onKeyFrameNeeded() {},
    },
  });
  up.bindLayer(0, SSRC, VP8, 0);
  const probe = new Probe();
  up.addDownTrack(probe, 0);
  const payload = vp8Payload({ pictureId: 1, tl0: 1 });
  const packet = (sequenceNumber: number) =>
    viewOf(rtpPacket({ ssrc: SSRC, payloadType: 96, sequenceNumber, payload }));
  up.receive(0, packet(65_534), 0);
  up.receive(0, packet(1), 0);
  up.tick(20);
  assert.deepEqual(nacks, [[65_535, 0]]);
  const rtx = (original: number, body: Uint8Array) =>
    viewOf(rtpPacket({
      ssrc: 99,
      payloadType: 97,
      sequenceNumber: 5,
      marker: true,
      payload: Uint8Array.of(original >> 8, original & 0xff, ...body),
      padding: 4,
    }));
  assert.equal(up.receiveRtx(0, rtx(65_535, payload), 40), DROP.none);
  assert.equal(up.receiveRtx(0, rtx(65_535, payload), 41), DROP.duplicate);
  assert.equal(up.receiveRtx(0, rtx(0, new Uint8Array(0)), 42), DROP.rtxPadding);
  assert.deepEqual(probe.seen.at(-1), { seq: 65_535, payload: [...payload], marker: true });
  const layer = up.layer(0)!;
  const slot = layer.cache.find(layer.highest - 2);
  const expected = rtpPacket({
    ssrc: SSRC,
    payloadType: 96,
    sequenceNumber: 65_535,
    marker: true,
    payload,
  });
  const stored = layer.cache.slotBytes(slot).subarray(0, layer.cache.lengthOf(slot));
  assert.deepEqual([...stored], [...expected], "the original, byte by byte");
  up.tick(200);
  assert.deepEqual(nacks.at(-1), [0]);
});

Deno.test("UpTrack.receive() hands padding-only packets on as empty ones, without their padding", () => {
  const { up, probe } = audioTrack();
  const padded = rtpPacket({ ssrc: SSRC, payloadType: 111, payload: Uint8Array.of(5), padding: 9 });
  up.receive(0, viewOf(padded), 0);
  const only = rtpPacket({ ssrc: SSRC, payloadType: 111, sequenceNumber: 1, padding: 200 });
  up.receive(0, viewOf(only), 0);
  assert.deepEqual(probe.seen.map(({ payload }) => payload), [[5], []]);
  const { cache, highest } = up.layer(0)!;
  const slot = cache.find(highest - 1);
  assert.equal(cache.lengthOf(slot), 13);
  assert.equal(cache.slotBytes(slot)[0]! & 0x20, 0, "the padding flag is gone");
});

Deno.test("UpTrack.receiverReport() counts loss and jitter as RFC 3550 A.3 and A.8 do", () => {
  const { up, receive } = audioTrack();
  // 20 ms packets; every fourth of the second hundred is lost.
  for (let i = 0; i < 100; i++) receive(i, i * 20);
  const report = new ReportBlock();
  assert.ok(up.receiverReport(0, 2000, report));
  assert.deepEqual([report.ssrc, report.fractionLost, report.cumulativeLost, report.jitter], [
    SSRC,
    0,
    0,
    0,
  ]);
  assert.equal(report.highestSequence, 99);
  for (let i = 100; i < 200; i++) if (i % 4 !== 0) receive(i, i * 20);
  up.receiverReport(0, 4000, report);
  assert.equal(report.fractionLost, 64);
  assert.equal(report.cumulativeLost, 25);
  up.receiverReport(0, 4000, report);
  assert.equal(report.fractionLost, 0, "nothing was expected since");
  receive(200, 4000 + 16, 200 * 960);
  up.receiverReport(0, 4100, report);
  assert.equal(report.jitter, 48, "one packet 16 ms late: 768 / 16");
});

Deno.test("UpTrack.receiverReport() carries LSR and DLSR of the newest sender report", () => {
  const { up, receive } = audioTrack();
  receive(1);
  const report = new ReportBlock();
  up.receiverReport(0, 0, report);
  assert.deepEqual([report.lastSenderReport, report.delaySinceLastSenderReport], [0, 0]);
  up.receiveSenderReport(0, 0x1234_5678, 0x9abc_def0, 7, 1000);
  up.receiverReport(0, 1500, report);
  assert.equal(report.lastSenderReport, 0x5678_9abc);
  assert.equal(report.delaySinceLastSenderReport, 32_768);
});

Deno.test("UpTrack throttles key-frame requests: 500 ms on the low layer, 1 s above, kept until due", () => {
  for (const [spatial, interval] of [[0, 500], [1, 1000], [2, 1000]] as const) {
    const at: number[] = [];
    let now = 0;
    const up = new UpTrack({
      kind: "video",
      extensions: [],
      listener: { onNack() {}, onKeyFrameNeeded: () => at.push(now) },
    });
    up.bindLayer(spatial, SSRC, VP8, 0);
    for (now = 100; now < 2600; now += 10) {
      if (now < 1500) up.requestKeyFrame(spatial, now);
      if (now >= up.nextWakeAt()) up.tick(now);
    }
    for (let i = 1; i < at.length; i++) assert.ok(at[i]! - at[i - 1]! >= interval);
    assert.equal(at[0], 100);
    assert.ok(at.at(-1)! >= 1490, "the last request was not forgotten");
  }
});

Deno.test("UpTrack asks for two layers together or 350 ms apart, as libwebrtc hears no second request sooner", () => {
  for (const [second, expected] of [[100, 100], [310, 450], [440, 450], [500, 500]] as const) {
    const asked: string[] = [];
    let now = 0;
    const up = new UpTrack({
      kind: "video",
      extensions: [],
      listener: { onNack() {}, onKeyFrameNeeded: (ssrc) => asked.push(`${ssrc} ${now}`) },
    });
    for (const spatial of [0, 1, 2] as const) up.bindLayer(spatial, SSRC + spatial, VP8, 0);
    for (now = 10; now <= 900; now += 10) {
      if (now === 100) up.requestKeyFrame(1, now);
      if (now === second) up.requestKeyFrame(2, now);
      assert.ok(up.nextWakeAt() > now - 10, "nobody is woken for nothing");
      if (now >= up.nextWakeAt()) up.tick(now);
    }
    assert.deepEqual(asked, [`${SSRC + 1} 100`, `${SSRC + 2} ${expected}`]);
  }
});

Deno.test("UpTrack asks for a first key frame every second, until it comes or 30 s are over", () => {
  let asked = 0;
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded: () => asked++ },
  });
  up.bindLayer(0, SSRC, VP8, 0);
  for (let now = 0; now < 60_000; now += 100) up.tick(now);
  assert.equal(asked, 30);
  assert.equal(up.nextWakeAt(), Infinity);
});

/** A layer of which nothing has come, and the times at which its publisher is asked. */
function askedLayer(spatial: 0 | 1 | 2) {
  const at: number[] = [];
  let now = 0;
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded: () => at.push(now) },
  });
  up.bindLayer(spatial, SSRC, VP8, 0);
  let sequenceNumber = 0;
  return {
    at,
    ask: () => up.requestKeyFrame(spatial, now),
    sendFrame: (isKey: boolean) => {
      const payload = bareVp8Payload(isKey);
      const packet = { ssrc: SSRC, payloadType: 96, sequenceNumber: ++sequenceNumber, payload };
      assert.equal(up.receive(spatial, viewOf(rtpPacket(packet)), now), DROP.none);
    },
    /** Time passes, and what is due then is done. */
    passTo: (until: number) => {
      for (; now < until; now++) if (now >= up.nextWakeAt()) up.tick(now);
    },
  };
}

Deno.test("UpTrack keeps the request of a subscriber that came after a key frame asked for by another", () => {
  for (const [spatial, dueAt] of [[0, 600], [1, 1_100], [2, 1_100]] as const) {
    const { at, ask, sendFrame, passTo } = askedLayer(spatial);
    passTo(100);
    ask(); // of one subscriber
    passTo(150);
    ask(); // of another, who is there when the key frame comes
    passTo(160);
    sendFrame(true);
    passTo(170);
    sendFrame(false);
    passTo(180);
    ask(); // of a third, who came just too late
    sendFrame(false);
    passTo(3_000);
    assert.deepEqual(at, [100, dueAt]);
  }
});

Deno.test("UpTrack keeps a subscriber's request when it gives up asking for a first key frame", () => {
  for (const askedAt of [30_500, 31_000, 31_500]) {
    const { at, ask, passTo } = askedLayer(1);
    passTo(askedAt);
    ask();
    passTo(40_000);
    assert.deepEqual(at.filter((time) => time > 30_000), [Math.max(askedAt, 31_000)]);
  }
});

Deno.test("UpTrack.bindLayer() with another codec or SSRC starts the layer anew", () => {
  const { up, receive } = audioTrack();
  receive(5);
  up.bindLayer(0, SSRC, OPUS, 0);
  assert.equal(up.layer(0)!.epoch, 0, "the same binding changes nothing");
  up.bindLayer(0, 77, OPUS, 0);
  assert.equal(up.layer(0)!.epoch, 1);
  assert.equal(receive(40_000), DROP.none, "any number may come first");
  assert.deepEqual(up.stats().map(({ ssrc, packets }) => [ssrc, packets]), [[77, 2]]);
});

Deno.test("UpTrack gives packets first to those who pass them on, and to everybody once", () => {
  const order: string[] = [];
  const receiver = (name: string, passesOn: boolean): PacketReceiver =>
    Object.assign(new Probe(), {
      passesOn,
      forward: ({ seq }: SourcePacket) => {
        order.push(`${name} ${seq & 0xffff}`);
        return DROP.none;
      },
    });
  const batch = new FanOutBatch();
  const listener = { onNack() {}, onKeyFrameNeeded() {} };
  const up = new UpTrack({ kind: "audio", extensions: [], listener, batch });
  up.bindLayer(0, SSRC, OPUS, 0);
  up.addDownTrack(receiver("near", false), 0);
  up.addDownTrack(receiver("far", true), 0);
  const receive = (sequenceNumber: number) => {
    const packet = rtpPacket({
      ssrc: SSRC,
      payloadType: 111,
      sequenceNumber,
      payload: new Uint8Array(8),
    });
    up.receive(0, viewOf(packet), 0);
  };
  receive(1);
  receive(2);
  batch.begin(0);
  assert.deepEqual(order, ["far 1", "far 2"]);
  batch.begin(0);
  receive(3);
  batch.end(0);
  assert.deepEqual(order, ["far 1", "far 2", "near 1", "near 2", "far 3", "near 3"]);
});

Deno.test("UpTrack gives packets to connections in the order of their places, whoever came first", () => {
  const order: (number | undefined)[] = [];
  const { up, receive } = audioTrack();
  for (const place of [4, undefined, 1, 7, 4]) {
    const forward = () => {
      order.push(place);
      return DROP.none;
    };
    up.addDownTrack(Object.assign(new Probe(), { place, forward }), 0);
  }
  receive(1);
  assert.deepEqual(order, [1, 4, 4, 7, undefined]);
});

Deno.test("UpTrack.requestKeyFrame() asks a publisher as often as the throttle of the layer lets it", () => {
  const times = (spatial: 0 | 1 | 2) => {
    const asked: number[] = [];
    let now = 0;
    const up = new UpTrack({
      kind: "video",
      extensions: [],
      pliThrottleMs: [200, 700, 3_000],
      listener: { onNack() {}, onKeyFrameNeeded: () => void asked.push(now) },
    });
    up.bindLayer(spatial, SSRC, VP8, 0);
    for (; now <= 1_500; now += 10) up.requestKeyFrame(spatial, now);
    return asked;
  };
  assert.deepEqual(times(0), [0, 200, 400, 600, 800, 1_000, 1_200, 1_400]);
  assert.deepEqual(times(1), [0, 700, 1_400]);
  assert.deepEqual(times(2), [0]);
});
