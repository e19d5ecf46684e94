/**
 * Packets of one published track: every one is a key frame of its codec, so that a subscriber gets
 * the first that comes.
 *
 * @module
 */
import { CLIENT_CODECS, type ClientMime } from "../virtual/client_description.ts";
import { vp8Payload } from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { PUBLISHED_ID } from "../wire/wire_media.ts";

/** One track's packets, with numbers and timestamps in order; each is a whole key frame. */
export class SyntheticTrack {
  /** Pause between two packets, ms. */
  static readonly INTERVAL_MS = 20;
  #sequenceNumber = 1000;
  #timestamp = 10_000;

  /** @param isKey Whether the next frame of VP8 is a key frame. */
  constructor(
    readonly mid: string,
    readonly mime: ClientMime,
    readonly ssrc: number,
    private readonly isKey: () => boolean = () => true,
  ) {}

  /** The next packet. */
  packet(): Uint8Array {
    const audio = this.mime.startsWith("audio/");
    this.#sequenceNumber = (this.#sequenceNumber + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + (audio ? 960 : 1800)) >>> 0;
    return rtpPacket({
      ssrc: this.ssrc,
      payloadType: CLIENT_CODECS[this.mime].payloadType,
      sequenceNumber: this.#sequenceNumber,
      timestamp: this.#timestamp,
      marker: !audio,
      extensions: {
        [PUBLISHED_ID.mid]: this.mid,
        ...(audio ? { [PUBLISHED_ID.audioLevel]: Uint8Array.of(0x80 | 30) } : {}),
      },
      payload: this.#payload(),
    });
  }

  #payload(): Uint8Array {
    const number = this.#sequenceNumber;
    switch (this.mime) {
      case "video/VP8":
        return vp8Payload({ pictureId: number & 0x7fff, tl0: number, key: this.isKey() });
      case "video/H264":
        return h264KeyFrame(number);
      default:
        return Uint8Array.of(0x78, number >> 8, number & 0xff, 1, 2, 3);
    }
  }
}

/** An STAP-A of SPS, PPS and a bit of an IDR slice (RFC 6184 §5.7.1). */
function h264KeyFrame(number: number): Uint8Array {
  const units = [[0x67, 0x42, 0xe0, 0x1f], [0x68, 0xce], [0x65, number & 0xff]];
  return Uint8Array.from([0x78, ...units.flatMap((unit) => [0, unit.length, ...unit])]);
}
