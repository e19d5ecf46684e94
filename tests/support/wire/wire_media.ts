/**
 * What a publisher of the wire-level tests sends: sections of a description, and VP8 and Opus
 * packets that fit them.
 *
 * @module
 */
import type { UpTrackId } from "../../../lib/base/ids.ts";
import {
  EXTENSION_URI,
  type ReceiveSection,
  type SendSection,
} from "../../../lib/base/media_vocabulary.ts";
import { codec, vp8Payload } from "../media/forwarding_fixtures.ts";
import { rtpPacket } from "../media/rtp_packets.ts";

/** Header extension ids of the publisher's side; the subscriber's are others on purpose. */
export const PUBLISHED_ID = { mid: 4, rid: 10, repairedRid: 11, transportCc: 3, audioLevel: 1 };
export const SUBSCRIBED_ID = { mid: 7, transportCc: 5, audioLevel: 2 };
/** Payload types of the publisher, and of the subscriber. */
export const PUBLISHED_PT = { vp8: 96, vp8Rtx: 97, opus: 111 };
export const SUBSCRIBED_PT = { vp8: 100, vp8Rtx: 101, opus: 109 };
/** Lowest layer first, as browsers name them. */
export const RIDS = ["q", "h", "f"] as const;

const PUBLISHED_EXTENSIONS = [
  { id: PUBLISHED_ID.mid, uri: EXTENSION_URI.mid },
  { id: PUBLISHED_ID.rid, uri: EXTENSION_URI.rid },
  { id: PUBLISHED_ID.repairedRid, uri: EXTENSION_URI.repairedRid },
  { id: PUBLISHED_ID.transportCc, uri: EXTENSION_URI.transportCc },
  { id: PUBLISHED_ID.audioLevel, uri: EXTENSION_URI.audioLevel },
];
const SUBSCRIBED_EXTENSIONS = [
  { id: SUBSCRIBED_ID.mid, uri: EXTENSION_URI.mid },
  { id: SUBSCRIBED_ID.transportCc, uri: EXTENSION_URI.transportCc },
  { id: SUBSCRIBED_ID.audioLevel, uri: EXTENSION_URI.audioLevel },
];

/** A published VP8 section; with `rids` it is simulcast. */
export function videoSection(
  mid: string,
  upTrack: UpTrackId,
  rids: readonly string[] = RIDS,
): ReceiveSection {
  return {
    mid,
    kind: "video",
    upTrack,
    codecs: [codec("video/VP8", PUBLISHED_PT.vp8, PUBLISHED_PT.vp8Rtx)],
    extensions: PUBLISHED_EXTENSIONS,
    rids,
    ssrcs: [],
  };
}

/** A published Opus section. */
export function audioSection(mid: string, upTrack: UpTrackId): ReceiveSection {
  return {
    mid,
    kind: "audio",
    upTrack,
    codecs: [codec("audio/opus", PUBLISHED_PT.opus)],
    extensions: PUBLISHED_EXTENSIONS,
    rids: [],
    ssrcs: [],
  };
}

/** The section a subscriber gets a track in. */
export function sendSection(mid: string, kind: "audio" | "video", ssrc: number): SendSection {
  return {
    mid,
    kind,
    ssrc,
    ...(kind === "video" ? { rtxSsrc: ssrc + 1 } : {}),
    cname: "wire-test",
    codecs: kind === "video"
      ? [codec("video/VP8", SUBSCRIBED_PT.vp8, SUBSCRIBED_PT.vp8Rtx)]
      : [codec("audio/opus", SUBSCRIBED_PT.opus)],
    extensions: SUBSCRIBED_EXTENSIONS,
  };
}

/** What all streams of one publisher share: the transport-wide numbers. */
export class TransportNumbers {
  #next = 0xfffa; // soon wraps

  take(): Uint8Array {
    const number = this.#next;
    this.#next = (number + 1) & 0xffff;
    return Uint8Array.of(number >> 8, number & 0xff);
  }
}

/** One stream of VP8 frames, one packet each. */
export class VideoStream {
  sequenceNumber: number;
  timestamp = 10_000;
  #pictureId = 100;
  #rtxSequence = 500;

  constructor(
    readonly ssrc: number,
    readonly mid: string,
    readonly rid: string | undefined,
    private readonly numbers: TransportNumbers,
  ) {
    this.sequenceNumber = 65_530 - (ssrc & 0xff); // wraps within the first packets
  }

  /** The next frame, 3,000 ticks (30 frames/s) after the last. */
  frame(options: { key?: boolean } = {}): Uint8Array {
    this.timestamp += 3000;
    const sequenceNumber = this.sequenceNumber;
    this.sequenceNumber = (sequenceNumber + 1) & 0xffff;
    this.#pictureId++;
    return rtpPacket({
      ssrc: this.ssrc,
      payloadType: PUBLISHED_PT.vp8,
      sequenceNumber,
      timestamp: this.timestamp,
      marker: true,
      extensions: this.#extensions(PUBLISHED_ID.rid),
      payload: vp8Payload({
        pictureId: this.#pictureId,
        tl0: this.#pictureId,
        key: options.key ?? false,
        body: [this.ssrc & 0xfe, sequenceNumber >> 8, sequenceNumber & 0xff, 7],
      }),
    });
  }

  /** The retransmission (RFC 4588 §4) of a packet made earlier, on the RTX SSRC. */
  retransmission(original: Uint8Array): Uint8Array {
    const extensionBytes = 4 + ((original[14]! << 8) | original[15]!) * 4;
    const payload = original.subarray(12 + extensionBytes);
    return rtpPacket({
      ssrc: this.ssrc + 1,
      payloadType: PUBLISHED_PT.vp8Rtx,
      sequenceNumber: this.#rtxSequence++,
      timestamp: new DataView(original.buffer, original.byteOffset).getUint32(4),
      marker: true,
      extensions: this.#extensions(PUBLISHED_ID.repairedRid),
      payload: Uint8Array.of(original[2]!, original[3]!, ...payload),
    });
  }

  #extensions(ridId: number): Record<number, Uint8Array | string> {
    return {
      [PUBLISHED_ID.mid]: this.mid,
      ...(this.rid === undefined ? {} : { [ridId]: this.rid }),
      [PUBLISHED_ID.transportCc]: this.numbers.take(),
    };
  }
}

/** A stream of Opus packets of 20 ms. */
export class AudioStream {
  #sequenceNumber = 65_533;
  #timestamp = 0xffff_f000;

  constructor(
    readonly ssrc: number,
    readonly mid: string,
    private readonly numbers: TransportNumbers,
  ) {}

  packet(): Uint8Array {
    const sequenceNumber = this.#sequenceNumber;
    this.#sequenceNumber = (sequenceNumber + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + 960) >>> 0;
    return rtpPacket({
      ssrc: this.ssrc,
      payloadType: PUBLISHED_PT.opus,
      sequenceNumber,
      timestamp: this.#timestamp,
      extensions: {
        [PUBLISHED_ID.mid]: this.mid,
        [PUBLISHED_ID.audioLevel]: Uint8Array.of(0x80 | 30),
        [PUBLISHED_ID.transportCc]: this.numbers.take(),
      },
      payload: Uint8Array.of(0x78, sequenceNumber >> 8, sequenceNumber & 0xff, 1, 2, 3),
    });
  }
}
