/**
 * Bent dependency descriptors through the parsers, and bent SVC streams through the forwarding
 * plane: no throw, what is accepted is within bounds, and a key frame puts everything right again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { DependencyDescriptor } from "../../lib/wire/dependency_descriptor.ts";
import { DependencyStructure } from "../../lib/wire/dependency_structure.ts";
import {
  bareVp8Payload,
  codec,
  layerListener,
  RecordingSink,
  viewOf,
} from "../support/media/forwarding_fixtures.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { descriptorOf, type Frame, packetWith } from "../support/media/svc_world.ts";
import { temporalDescriptor } from "../support/media/temporal_descriptors.ts";

const ROUNDS = 20_000;

function frame(number: number, s: number, t: number, key: boolean): Frame {
  const refs = key ? (s > 0 ? [number - 1] : []) : [number - 3];
  const diff = key ? s : 3;
  const chainDiffs = [diff, diff, diff];
  return { number, picture: Math.floor(number / 3), s, t, key, refs, chainDiffs, packets: 1 };
}

Deno.test("DependencyDescriptor reads or refuses bent descriptors and stays within its arrays", () => {
  const random = new SeededRandom(301);
  const structure = new DependencyStructure();
  const d = new DependencyDescriptor();
  let structures = 0;
  let frames = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const bytes = random.chance(0.4)
      ? random.bytes(random.below(60))
      : random.chance(0.2)
      ? temporalDescriptor({ number: 600 + i, t: i % 3, key: i % 5 === 0, refs: [599 + i] })
      : descriptorOf(frame(600 + i, i % 3, 0, i % 5 === 0), true, true, "L3T3_KEY");
    for (let bends = random.below(3); bends > 0 && bytes.length > 0; bends--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const length = random.chance(0.2) ? random.below(bytes.length + 1) : bytes.length;
    if (!d.parse(bytes, 0, length)) continue;
    if (d.hasTemplateStructure) {
      if (!d.readStructure(structure)) {
        structure.templateCount = 0;
        continue;
      }
      structures++;
      assert.ok(structure.templateCount <= 64 && structure.targetCount <= 32);
      assert.ok(structure.chainCount <= structure.targetCount && structure.maxSpatial <= 3);
    }
    if (!d.readFrame(structure)) continue;
    frames++;
    assert.ok(d.frameDiffCount <= d.frameDiffs.length && d.temporalId <= structure.maxTemporal);
    assert.ok(structure.maxTemporal <= 7);
  }
  assert.ok(structures > 500 && frames > 1000, `${structures} structures, ${frames} frames`);
});

/** A publisher of one described stream, and a subscriber of it. */
function forwarding(mime: "video/AV1" | "video/VP8") {
  const extensions = [{ id: 5, uri: EXTENSION_URI.dependencyDescriptor }];
  const up = new UpTrack({
    kind: "video",
    extensions,
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  const sink = new RecordingSink();
  const codecs = [codec(mime, 35, 36)];
  const down = new DownTrack({
    section: { mid: "0", kind: "video", ssrc: 1, rtxSsrc: 2, codecs, extensions },
    publisherExtensions: extensions,
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 1, maxTemporal: 2 },
  });
  up.bindLayer(0, 7, codecs[0]!, 0);
  up.addDownTrack(down, 0);
  return { up, down, sink };
}

Deno.test("DownTrack lives through bent SVC streams and goes on at the next key frame", () => {
  const random = new SeededRandom(302);
  const { up, down, sink } = forwarding("video/AV1");
  let number = 300;
  const send = (key: boolean, s: number, bend: boolean) => {
    const descriptor = descriptorOf(frame(number, s, 0, key), true, true, "L3T3_KEY");
    if (bend) descriptor[random.below(descriptor.length)] = random.below(256);
    const packet = packetWith({
      ssrc: 7,
      payloadType: 35,
      sequenceNumber: number & 0xffff,
      timestamp: Math.floor(number / 3) * 3000,
      payload: Uint8Array.of(0x10, 1, 2, 3),
    }, descriptor);
    up.receive(0, viewOf(packet), number);
    number++;
  };
  for (let i = 0; i < ROUNDS; i++) {
    const key = random.chance(0.05);
    for (let s = 0; s < 3; s++) {
      if (random.chance(0.05)) number++;
      else send(key, s, random.chance(0.1));
    }
    if (random.chance(0.02)) {
      const maxSpatial = random.below(3) as 0 | 1 | 2;
      down.setTarget({ enabled: true, maxSpatial, maxTemporal: 2 }, number);
    }
    if (random.chance(0.1)) down.receiveNack(Uint16Array.of(random.below(65_536)), 1, number);
    for (const { ssrc } of sink.views) assert.ok(ssrc === 1 || ssrc === 2, "every packet is one");
    sink.packets.length = 0;
  }
  down.setTarget({ enabled: true, maxSpatial: 1, maxTemporal: 2 }, number);
  number += 300;
  for (let s = 0; s < 3; s++) send(true, s, false);
  for (let s = 0; s < 3; s++) send(false, s, false);
  assert.equal(
    sink.packets.length,
    3,
    "two layers of the key picture, then the one that was asked for",
  );
});

Deno.test("DownTrack lives through bent descriptors of VP8 and goes on at the next key frame", () => {
  const random = new SeededRandom(303);
  const { up, down, sink } = forwarding("video/VP8");
  let number = 300;
  const send = (key: boolean, t: number, bend: boolean) => {
    const refs = key ? [] : [number - (t === 0 ? 4 : t === 1 ? 2 : 1)];
    const descriptor = temporalDescriptor({ number, t, key, refs });
    if (bend) descriptor[random.below(descriptor.length)] = random.below(256);
    const packet = packetWith({
      ssrc: 7,
      payloadType: 35,
      sequenceNumber: number & 0xffff,
      timestamp: number * 3000,
      payload: bareVp8Payload(key),
    }, descriptor);
    up.receive(0, viewOf(packet), number);
    number++;
  };
  for (let i = 0; i < ROUNDS; i++) {
    if (random.chance(0.05)) number++;
    else send(i % 4 === 0 && random.chance(0.1), [0, 2, 1, 2][i % 4]!, random.chance(0.1));
    if (random.chance(0.02)) {
      const maxTemporal = random.below(4) as 0 | 1 | 2 | 3;
      down.setTarget({ enabled: true, maxSpatial: 1, maxTemporal }, number);
    }
    if (random.chance(0.1)) down.receiveNack(Uint16Array.of(random.below(65_536)), 1, number);
    for (const { ssrc } of sink.views) assert.ok(ssrc === 1 || ssrc === 2, "every packet is one");
    sink.packets.length = 0;
  }
  down.setTarget({ enabled: true, maxSpatial: 1, maxTemporal: 0 }, number);
  number += 300;
  for (const t of [0, 2, 1, 2, 0, 2, 1, 2]) send(sink.packets.length === 0, t, false);
  assert.equal(sink.packets.length, 2, "a key frame, and the one of the lowest layer");
});
