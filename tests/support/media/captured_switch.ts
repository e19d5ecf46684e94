/**
 * What somebody was sent of one camera while its publisher went over to another codec, out of a
 * packet capture.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Vp8Descriptor } from "../../../lib/wire/vp8_descriptor.ts";
import { capturedMedia, type CapturedPacket } from "./captured_media.ts";
import { readPcapng } from "./pcapng_reader.ts";

/** The packets on both sides of a codec's end, in the order in which they were sent. */
export interface CodecSwitch {
  readonly last: CapturedPacket;
  readonly first: CapturedPacket;
}

/** The video of a capture, of one camera: sent by the server, or come from the publisher. */
export function capturedVideo(file: Uint8Array, isSent: boolean): readonly CapturedPacket[] {
  const { packets } = capturedMedia(readPcapng(file), isSent);
  return packets.filter(({ kind }) => kind === "video");
}

/**
 * Each change of the codec in which video was sent.
 *
 * @throws {Error} where VP8 does not begin with a key frame behind another codec.
 */
export function codecSwitches(sent: readonly CapturedPacket[]): CodecSwitch[] {
  const vp8 = new Vp8Descriptor();
  return sent.flatMap((first, i) => {
    const last = sent[i - 1];
    assert.ok(first.mime !== undefined, "it has accepted what it is sent");
    if (last === undefined || last.mime === first.mime) return [];
    if (first.mime === "video/VP8") {
      vp8.parse(first.payload, 0, first.payload.length);
      assert.ok(vp8.keyFrameStart, "what goes over to VP8 begins with a key frame");
    }
    return [{ last, first }];
  });
}

/** Codecs in which video was sent, in turn. */
export function codecsSent(sent: readonly CapturedPacket[]): (string | undefined)[] {
  return [sent[0]?.mime, ...codecSwitches(sent).map(({ first }) => first.mime)];
}

/** What is sent is one stream: all that numbers its packets and frames goes on. */
export function assertOneStream(sent: readonly CapturedPacket[]): void {
  const ahead = (by: number, bits: number) => by << (32 - bits) >> (32 - bits);
  let before: CapturedPacket | undefined;
  let frame: number | undefined;
  for (const packet of sent) {
    const told = JSON.stringify([before, packet].map((one) => ({ ...one, payload: "" })));
    if (before !== undefined) {
      assert.equal(packet.ssrc, before.ssrc);
      assert.ok(ahead(packet.sequence - before.sequence, 16) > 0, `sequence number: ${told}`);
      assert.ok(ahead(packet.timestamp - before.timestamp, 32) >= 0, `timestamp: ${told}`);
    }
    if (packet.frame !== undefined && frame !== undefined) {
      assert.ok(ahead(packet.frame - frame, 16) >= 0, `frame number: ${told}`);
    }
    frame = packet.frame ?? frame;
    before = packet;
  }
}

/**
 * How many pictures a publisher sent between the last packet in the old codec that somebody was
 * sent and the first in the new one: so many did that one miss, and those twice that were sent in
 * both.
 */
export function picturesMissed(
  { last, first }: CodecSwitch,
  published: readonly CapturedPacket[],
): number {
  const between = published.filter(({ at }) => at > last.at && at < first.at);
  const codecs = Map.groupBy(between, ({ mime }) => mime);
  return [...codecs.values()].reduce((sum, packets) => sum + mostPictures(packets), 0);
}

/** In the layer of which most came. */
function mostPictures(packets: readonly CapturedPacket[]): number {
  const layers = [...Map.groupBy(packets, ({ ssrc }) => ssrc).values()];
  return Math.max(...layers.map((of) => new Set(of.map(({ timestamp }) => timestamp)).size));
}
