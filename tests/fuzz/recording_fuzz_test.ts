/** Random and damaged packets into recordings: no throw, no frame that is none. */
import assert from "node:assert/strict";
import type { RecordedCodec } from "../../lib/recording/frames/encoded_frame.ts";
import { frameAssembly } from "../../lib/recording/frames/frame_assembly.ts";
import { opusSamples } from "../../lib/recording/frames/opus_frames.ts";
import { vp9HeaderLength } from "../../lib/recording/frames/vp9_frames.ts";
import { PublisherClock } from "../../lib/recording/media_timeline.ts";
import { RecordedStream } from "../../lib/recording/recorded_stream.ts";
import { bundle } from "../support/media/packet_bundles.ts";
import {
  av1Payloads,
  h264Payloads,
  vp8Frame,
  vp8Payloads,
  vp9KeyFrame,
  vp9Payloads,
} from "../support/media/recorded_payloads.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const CODECS: readonly RecordedCodec[] = ["opus", "vp8", "vp9", "av1", "h264"];

/** Payloads of one frame of that codec, well formed. */
function framePayloads(codec: RecordedCodec, random: SeededRandom): Uint8Array[] {
  const rest = random.bytes(random.below(3_000));
  switch (codec) {
    case "opus":
      return [Uint8Array.from([0xfc, ...rest.subarray(0, 200)])];
    case "vp8":
      return vp8Payloads(vp8Frame(random.chance(0.5), 320, 240, rest), 1_000);
    case "vp9":
      return vp9Payloads(vp9KeyFrame(320, 240, rest), 1_000, { spatialId: 0, isInter: false });
    case "av1":
      return av1Payloads(
        [Uint8Array.from([1 << 3, ...rest.subarray(0, 40)]), Uint8Array.from([6 << 3, ...rest])],
        1_000,
        true,
      );
    case "h264":
      return h264Payloads([
        Uint8Array.from([0x67, 0x42, 0, 0x1f, ...rest.subarray(0, 20)]),
        Uint8Array.of(0x68, 1, 2, 3),
        Uint8Array.from([0x65, ...rest]),
      ], 1_000);
  }
}

Deno.test("Assemblies take random and damaged payloads without a throw, within their bytes", () => {
  for (const codec of CODECS) {
    const random = new SeededRandom(2_026);
    const assembly = frameAssembly(codec);
    let frames = 0;
    let given = 0;
    for (let n = 0; n < 2_000; n++) {
      const payloads = random.chance(0.5)
        ? [random.bytes(random.below(60))]
        : framePayloads(codec, random);
      payloads.forEach((payload, i) => {
        const damaged = Uint8Array.from(payload);
        if (random.chance(0.1) && damaged.length > 0) {
          damaged[random.below(Math.min(12, damaged.length))] = random.below(256);
        }
        if (random.chance(0.05)) return assembly.gap();
        const offset = random.below(3);
        const bytes = new Uint8Array(offset + damaged.length);
        bytes.set(damaged, offset);
        given += damaged.length;
        const isLast = random.chance(0.1) || i === payloads.length - 1;
        const frame = assembly.push(bytes, offset, damaged.length, n * 10, isLast);
        if (frame === undefined) return;
        frames++;
        assert.ok(frame.data.length > 0);
        // Lengths and an index are all that is added.
        assert.ok(frame.data.length < given + 10_000);
        if (codec === "opus") assert.ok(opusSamples(frame.data) > 0);
      });
    }
    assert.ok(frames > 300, `${codec}: ${frames}`);
  }
});

Deno.test("vp9HeaderLength() stays within what it is given", () => {
  const random = new SeededRandom(9);
  for (let n = 0; n < 50_000; n++) {
    const bytes = random.bytes(random.below(30));
    const length = vp9HeaderLength(bytes, 0, bytes.length);
    assert.ok(length === -1 || length > 0 && length < bytes.length);
  }
});

Deno.test("RecordedStream takes random bundles without a throw, and its times never go back", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = new SeededRandom(seed);
    const last = new Map<string, number>();
    const stream = new RecordedStream(new PublisherClock(), {
      frame: (_, timeMs, codec) => {
        assert.ok(Number.isFinite(timeMs));
        assert.ok(timeMs >= (last.get(codec) ?? -Infinity));
        last.set(codec, timeMs);
      },
      keyFrameWanted: () => {},
    });
    stream.isWritten = true;
    let now = 0;
    let sequenceNumber = random.below(0x10000);
    for (let n = 0; n < 3_000; n++) {
      now += random.below(60);
      const payloadType = random.chance(0.9) ? 96 : random.below(128);
      const payload = random.chance(0.3)
        ? random.bytes(random.below(30))
        : vp8Payloads(vp8Frame(random.chance(0.3), 64, 64, random.bytes(30)), 100)[0]!;
      if (random.chance(0.1)) sequenceNumber += random.below(50);
      const packet = rtpPacket({
        ssrc: 1,
        payloadType,
        sequenceNumber: sequenceNumber++ & 0xffff,
        timestamp: random.chance(0.02) ? random.uint32() : (now * 90) >>> 0,
        marker: random.chance(0.8),
        payload,
      });
      const packets = bundle(random.chance(0.1) ? random.bytes(random.below(40)) : packet);
      const cut = random.chance(0.05) ? random.below(packets.length) : packets.length;
      const clock = random.chance(0.1)
        ? {
          clock: {
            ntpMs: random.chance(0.1) ? random.uint32() : now,
            rtpTimestamp: random.uint32(),
          },
        }
        : {};
      stream.push({ packets: packets.subarray(0, cut), ageMs: random.below(60), ...clock }, now);
    }
  }
});
