/**
 * A publisher of the wire-level tests, with a simulcast video and an audio track, and what tells in
 * a subscriber's packets where they came from.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { UpTrackId } from "../../../lib/base/ids.ts";
import type { ReceivedRtp } from "./wire_client.ts";
import {
  audioSection,
  AudioStream,
  RIDS,
  TransportNumbers,
  videoSection,
  VideoStream,
} from "./wire_media.ts";
import type { Peer, WireRoom } from "./wire_room.ts";

export const VIDEO = "video-1" as UpTrackId;
export const AUDIO = "audio-1" as UpTrackId;
const TRACKS = { video: VIDEO, audio: AUDIO };
/** SSRCs of the publisher's layers; the last body byte but three of a packet tells which it was. */
export const LAYER_SSRCS = [1000, 1010, 1020] as const;

/** A publisher of a simulcast video and an audio track. */
export interface Publisher extends Peer {
  readonly layers: readonly VideoStream[];
  readonly audio: AudioStream;
  readonly numbers: TransportNumbers;
}

/** A connected peer that the engine receives both tracks from. */
export async function publisher(
  room: WireRoom,
  protocol: "udp" | "tcp" = "udp",
  { video, audio }: { readonly video: UpTrackId; readonly audio: UpTrackId } = TRACKS,
): Promise<Publisher> {
  const peer = await room.connect({ protocol });
  room.send({
    type: "set_receive",
    connection: peer.id,
    sections: [videoSection("0", video), audioSection("1", audio)],
  });
  const numbers = new TransportNumbers();
  const layers = RIDS.map((rid, i) => new VideoStream(LAYER_SSRCS[i]!, "0", rid, numbers));
  return { ...peer, layers, audio: new AudioStream(2000, "1", numbers), numbers };
}

/** Sends one frame of every layer. */
export async function frames(from: Publisher, options: { key?: boolean } = {}): Promise<void> {
  for (const layer of from.layers) await from.client.sendRtp(layer.frame(options));
}

/** Which layer a received video packet came from: its SSRC is written in the body. */
export function layerOf(packet: ReceivedRtp): number {
  const mark = packet.bytes.at(-4)! & 0xfe;
  return LAYER_SSRCS.findIndex((ssrc) => (ssrc & 0xfe) === mark);
}

/** Asserts that numbers follow one another without gap or repetition, modulo 2^16. */
export function assertDense(numbers: readonly number[], what: string): void {
  for (let i = 1; i < numbers.length; i++) {
    assert.equal((numbers[i]! - numbers[i - 1]!) & 0xffff, 1, `${what} around index ${i}`);
  }
}

export function sequenceNumbers(packets: readonly ReceivedRtp[]): number[] {
  return packets.map(({ sequenceNumber }) => sequenceNumber);
}
