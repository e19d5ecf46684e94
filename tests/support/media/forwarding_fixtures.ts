/**
 * What tests of the forwarding plane start from: VP8 payloads, codecs, views, and a sink that keeps
 * what it was given.
 *
 * @module
 */
import type {
  CodecParameters,
  MediaKind,
  SpatialLayer,
} from "../../../lib/base/media_vocabulary.ts";
import {
  type NumberedPacket,
  type PacketKind,
  type PacketSink,
  SEAL_BYTES,
  SKIPPED,
} from "../../../lib/base/packet_sink.ts";
import { DownTrack } from "../../../lib/media/down/down_track.ts";
import { UpTrack, type UpTrackOptions } from "../../../lib/media/up/up_track.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";

/** A view on a packet. */
export function viewOf(bytes: Uint8Array): RtpView {
  const view = new RtpView();
  if (!view.wrap(bytes)) throw new Error("not an RTP packet");
  return view;
}

export interface Vp8Fields {
  readonly pictureId: number;
  readonly bits?: 7 | 15;
  readonly tl0: number;
  readonly tid?: number;
  readonly sync?: boolean;
  readonly keyIdx?: number;
  readonly key?: boolean;
  readonly start?: boolean;
  /** Bytes after the descriptor, at least 1. */
  readonly body?: readonly number[];
}

/** A VP8 payload with every optional field of the descriptor. */
export function vp8Payload(fields: Vp8Fields): Uint8Array {
  const { pictureId, tl0, tid = 0, keyIdx = 0, start = true, key = false } = fields;
  const id = (fields.bits ?? 15) === 15
    ? [0x80 | ((pictureId >> 8) & 0x7f), pictureId & 0xff]
    : [pictureId & 0x7f];
  const body = fields.body ?? [0, 1, 2, 3];
  return Uint8Array.from([
    0x80 | (start ? 0x10 : 0),
    0xf0,
    ...id,
    tl0 & 0xff,
    (tid << 6) | (fields.sync ? 0x20 : 0) | (keyIdx & 0x1f),
    (body[0]! & 0xfe) | (key ? 0 : 1),
    ...body.slice(1),
  ]);
}

/** A VP8 payload that tells of nothing, as libwebrtc writes it with dependency descriptors. */
export function bareVp8Payload(key: boolean, start = true, body = [0, 1, 2, 3]): Uint8Array {
  return Uint8Array.of(start ? 0x10 : 0, (body[0]! & 0xfe) | (key ? 0 : 1), ...body.slice(1));
}

/** Codec parameters with the defaults tests want. */
export function codec(mime: string, payloadType: number, rtx?: number, fmtp = ""): CodecParameters {
  const audio = mime.startsWith("audio/");
  return {
    mime,
    payloadType,
    clockRate: audio ? 48_000 : 90_000,
    ...(audio ? { channels: 2 } : {}),
    fmtp,
    feedback: ["nack", "nack pli"],
    ...(rtx === undefined ? {} : { rtxPayloadType: rtx }),
  };
}

/** A published track that nobody is asked anything of. */
export function publishedTrack(
  kind: MediaKind,
  options: Partial<Omit<UpTrackOptions, "kind">> = {},
): UpTrack {
  const listener = { onNack() {}, onKeyFrameNeeded() {} };
  return new UpTrack({ kind, extensions: [], listener, ...options });
}

/** Hears of layers, and fails the test where forwarding fails. */
export function layerListener(onLayer: (spatial: SpatialLayer) => void = () => {}) {
  return {
    onLayer,
    onFailed: (error: unknown) => {
      throw error;
    },
  };
}

/** Keeps copies of all packets. */
export class RecordingSink implements PacketSink {
  readonly packets: Uint8Array[] = [];
  readonly kinds: PacketKind[] = [];
  /** There is no room. */
  isFull = false;
  /** Packets that leave now are to have no transport-wide number. */
  skips = false;
  #transport = 65_530;

  readonly #reserved = new Uint8Array(1_536);

  reserve(): Uint8Array | undefined {
    if (this.isFull) return undefined;
    this.#reserved.fill(0xee); // what an earlier packet, sealed in place, would leave behind
    return this.#reserved;
  }

  send({ written, source, sourceAt, sourceLength, packetKind }: NumberedPacket): void {
    const length = written + sourceLength;
    if (this.#reserved.length < length + SEAL_BYTES) throw new Error("no room to seal");
    const packet = this.#reserved.slice(0, length);
    packet.set(source.subarray(sourceAt, sourceAt + sourceLength), written);
    this.packets.push(packet);
    this.kinds.push(packetKind);
  }

  nextTransportSequence(): number {
    return this.skips ? SKIPPED : this.#transport++ & 0xffff;
  }

  get views(): RtpView[] {
    return this.packets.map(viewOf);
  }
}

/** A publisher of audio (SSRC 1000), and one subscriber of what it accepts (SSRC 5). */
export function audioPair(published: CodecParameters, accepted: readonly CodecParameters[]) {
  const up = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 1000, published, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "1", kind: "audio", ssrc: 5, codecs: accepted, extensions: [] },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
  });
  up.addDownTrack(down, 0);
  return { up, down, sink };
}
