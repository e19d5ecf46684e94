import assert from "node:assert/strict";
import { joinBytes } from "../../lib/base/joined_bytes.ts";
import { av1Payloads } from "../../lib/ingress/av1_packets.ts";
import { EncoderStream } from "../../lib/ingress/encoder_stream.ts";
import { RtmpSession } from "../../lib/ingress/rtmp_session.ts";
import { adtsFrame, readAacConfig } from "../../lib/wire/aac_config.ts";
import { decodeAmf0, encodeAmf0 } from "../../lib/wire/amf0.ts";
import { avcUnits, readAvcConfig } from "../../lib/wire/avc_config.ts";
import { readAudioTag, readVideoTag } from "../../lib/wire/flv_tags.ts";
import { OggPackets } from "../../lib/wire/ogg_packets.ts";
import { RtmpChunkReader, type RtmpMessage, writeRtmpMessage } from "../../lib/wire/rtmp_chunks.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import {
  avcFrame,
  avcStart,
  media,
  metadata,
  opusFrame,
  opusStart,
  publishing,
} from "../support/wire/rtmp_encoder.ts";

const SEEDS = [1, 7_919, 0xdeadbeef];

Deno.test("RtmpChunkReader reads what was written, however it is cut and mixed", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 300; round++) {
      const sent: RtmpMessage[] = Array.from({ length: 1 + random.below(6) }, () => ({
        type: random.chance(0.5) ? 8 : 9,
        streamId: random.uint32(),
        timestamp: random.chance(0.2) ? random.uint32() : random.below(0xffffff),
        payload: Uint8Array.from(random.bytes(1 + random.below(700))),
      }));
      const stream = joinBytes(sent.map((message, at) => writeRtmpMessage(3 + at % 5, message)));
      const reader = new RtmpChunkReader();
      const got: RtmpMessage[] = [];
      for (let at = 0; at < stream.length;) {
        const cut = 1 + random.below(200);
        reader.push(stream.subarray(at, at + cut), (message) => got.push(message));
        at += cut;
      }
      assert.equal(reader.fault, undefined, `seed ${seed} round ${round}`);
      assert.deepEqual(got, sent, `seed ${seed} round ${round}`);
    }
  }
});

Deno.test("RTMP's parsers are total, and hold no more than came", () => {
  const valid = [
    Uint8Array.from([0x4f, 0x67, 0x67, 0x53, ...new Uint8Array(22), 2, 3, 4, 1, 2, 3, 4, 5, 6, 7]),
    encodeAmf0(["connect", 1, new Map([["app", "live"]]), [1, 2, "x"]]),
    avcStart(),
    avcFrame(true, 300),
    opusStart(),
    opusFrame(),
    Uint8Array.from([0x90, 0x61, 0x76, 0x30, 0x31, 0x81, 0, 0xc, 0, 0x0a, 1, 2]),
  ];
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    let read = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from(mutate(random, valid[round % valid.length]!));
      if (decodeAmf0(bytes) !== undefined) read++;
      if (readVideoTag(bytes) !== undefined) read++;
      if (readAudioTag(bytes) !== undefined) read++;
      const config = readAvcConfig(bytes.subarray(5));
      for (const set of config?.sets ?? []) assert.ok(set.length <= bytes.length);
      const units = avcUnits(bytes, 1 + round % 4, 512) ?? [];
      assert.ok(units.reduce((sum, { length }) => sum + length, 0) <= bytes.length);
      av1Payloads(bytes, true, bytes);
      const aac = readAacConfig(bytes);
      if (aac !== undefined) adtsFrame(aac, bytes);
      const ogg = new OggPackets();
      let packets = 0;
      ogg.push(bytes, ({ length }) => packets += length);
      assert.ok(packets <= bytes.length);
    }
    assert.ok(read > 1_000, "most would be refused at once otherwise");
  }
});

Deno.test("RtmpSession and EncoderStream outlive whatever an encoder says", () => {
  const whole = joinBytes([
    publishing("key"),
    metadata("videocodecid", "audiocodecid"),
    media("video", avcStart(), 0),
    media("audio", opusStart(), 0),
    media("video", avcFrame(true, 2_000), 0),
    media("audio", opusFrame(), 10),
    media("video", avcFrame(false), 33),
  ]);
  const shaken = 1 + 2 * 1536;
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    let published = 0;
    let ended = 0;
    for (let round = 0; round < 1_500; round++) {
      const platform = new VirtualPlatform(seed + round);
      const stream = new EncoderStream(platform);
      let written = 0;
      const session = new RtmpSession({
        write: (bytes) => written += bytes.length,
        end: () => ended++,
        publish: () => session.accept(),
        metadata: (values) => stream.metadata(values),
        media: (kind, payload, timestamp) => {
          published++;
          stream[kind](payload, timestamp, 0);
        },
        stopped: () => {},
      });
      const rest = mutate(random, whole.subarray(shaken));
      session.receive(joinBytes([whole.subarray(0, shaken), rest]));
      session.closed();
      stream.isReady(0);
      stream.offer();
      const made = stream.take()?.length ?? 0;
      assert.ok(made <= 3 * whole.length, `seed ${seed} round ${round}: ${made} bytes of packets`);
      assert.ok(written <= 4 * whole.length, `seed ${seed} round ${round}: ${written} bytes said`);
    }
    assert.ok(published > 1_000 && ended > 50, `seed ${seed}: ${published} ${ended}`);
  }
});
