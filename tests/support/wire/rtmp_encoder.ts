/**
 * An encoder's end of RTMP, in bytes: what it says, and what it hears.
 *
 * @module
 */
import { joinBytes } from "../../../lib/base/joined_bytes.ts";
import { type Amf0Value, decodeAmf0, encodeAmf0 } from "../../../lib/wire/amf0.ts";
import {
  RTMP_TYPE,
  RtmpChunkReader,
  type RtmpMessage,
  writeRtmpMessage,
} from "../../../lib/wire/rtmp_chunks.ts";

const HANDSHAKE_BYTES = 1536;

/** A sequence and a picture parameter set: constrained baseline, 640 × 480. */
export const SPS = Uint8Array.of(0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x3d, 0xa1, 0x00, 0x00);
export const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);

/** Both in a message that says what decoders need. */
export function avcStart(): Uint8Array<ArrayBuffer> {
  const record = [1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, SPS.length, ...SPS, 1, 0, PPS.length, ...PPS];
  return Uint8Array.from([0x17, 0, 0, 0, 0, ...record]);
}

/** A picture of one unit with `size` bytes. */
export function avcFrame(
  isKey: boolean,
  size = 100,
  compositionMs = 0,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(5 + 4 + size).fill(0xab);
  message.set([isKey ? 0x17 : 0x27, 1]);
  message.set([compositionMs >> 16 & 0xff, compositionMs >> 8 & 0xff, compositionMs & 0xff], 2);
  new DataView(message.buffer).setUint32(5, size);
  message[9] = isKey ? 0x65 : 0x41;
  return message;
}

/** Opus as enhanced RTMP has it: its beginning, and a frame. */
export function opusStart(channels = 2): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([0x90, ...text("OpusOpusHead"), 1, channels, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}
export function opusFrame(size = 40): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([0x91, ...text("Opus"), 0xfc, ...new Uint8Array(size - 1)]);
}

/** AAC, as most encoders send it. */
export const AAC_START = Uint8Array.of(0xaf, 0, 0x12, 0x10);
export const AAC_FRAME = Uint8Array.of(0xaf, 1, 0x21, 0x10, 0x04);

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

/** The handshake's two parts. */
export function hello(fill = 7): Uint8Array<ArrayBuffer> {
  return joinBytes([Uint8Array.of(3), new Uint8Array(HANDSHAKE_BYTES).fill(fill)]);
}
export function echo(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(HANDSHAKE_BYTES);
}

export function command(...values: Amf0Value[]): Uint8Array<ArrayBuffer> {
  const payload = encodeAmf0(values);
  return writeRtmpMessage(3, { type: RTMP_TYPE.command, streamId: 0, timestamp: 0, payload });
}

export function media(
  kind: "audio" | "video",
  payload: Uint8Array<ArrayBuffer>,
  timestamp: number,
): Uint8Array<ArrayBuffer> {
  const message = { type: RTMP_TYPE[kind], streamId: 1, timestamp, payload };
  return writeRtmpMessage(kind === "audio" ? 4 : 6, message);
}

export function metadata(...names: string[]): Uint8Array<ArrayBuffer> {
  const told = new Map(names.map((name) => [name, 1]));
  const payload = encodeAmf0(["@setDataFrame", "onMetaData", told]);
  return writeRtmpMessage(4, { type: RTMP_TYPE.data, streamId: 1, timestamp: 0, payload });
}

/** All that comes before media. */
export function publishing(key: string): Uint8Array<ArrayBuffer> {
  return joinBytes([
    hello(),
    echo(),
    command("connect", 1, new Map([["app", "live"], ["tcUrl", "rtmp://x/live"]])),
    command("releaseStream", 2, null, key),
    command("FCPublish", 3, null, key),
    command("createStream", 4, null),
    command("publish", 5, null, key, "live"),
  ]);
}

/** What a server said, read. */
export class RtmpReplies {
  /** Names of commands, with the code of a status and its words. */
  readonly commands: string[] = [];
  readonly messages: RtmpMessage[] = [];
  readonly #reader = new RtmpChunkReader();
  #skip = 1 + 2 * HANDSHAKE_BYTES;

  push(bytes: Uint8Array): void {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    this.#reader.push(bytes.subarray(skipped), (message) => {
      this.messages.push(message);
      if (message.type !== RTMP_TYPE.command) return;
      const [name, , , info] = decodeAmf0(message.payload) ?? [];
      const of = (key: string) => info instanceof Map ? info.get(key) ?? "" : "";
      this.commands.push(`${name} ${of("code")} ${of("description")}`.trim());
    });
  }
}
