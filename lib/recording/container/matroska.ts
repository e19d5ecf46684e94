/**
 * WebM and Matroska (RFC 9559): a head with room for tracks that come later, and clusters of known
 * size, each a second or so. Where a file was ended properly its head also names its length and the
 * index behind the last cluster; one that was not is the same without.
 *
 * @module
 */
import { opusHead } from "./opus_head.ts";
import type { Container, ContainerTrack, FileFacts, TimedFrame } from "./container.ts";
import {
  element,
  elementId,
  elementSize,
  float,
  shortSize,
  text,
  UNKNOWN_SIZE,
  unsigned,
  voidOf,
} from "./ebml.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import type { RecordedCodec } from "../frames/encoded_frame.ts";

export const MATROSKA_ID = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  seek: 0x4dbb,
  info: 0x1549a966,
  tracks: 0x1654ae6b,
  track: 0xae,
  video: 0xe0,
  audio: 0xe1,
  cluster: 0x1f43b675,
  block: 0xa3,
  cues: 0x1c53bb6b,
  cue: 0xbb,
  time: 0xe7,
  trackNumber: 0xd7,
  trackType: 0x83,
} as const;
const CODEC_ID: Readonly<Record<RecordedCodec, string>> = {
  opus: "A_OPUS",
  vp8: "V_VP8",
  vp9: "V_VP9",
  av1: "V_AV1",
  h264: "V_MPEG4/ISO/AVC",
};
export const HEAD_BYTES = 8_192;
/** Of the segment's size. */
const SIZE_BYTES = 8;
const KEY_FRAME = 0x80;
/** What a decoder needs before a seek target, ns (RFC 7845 §4.6). */
const OPUS_PRE_ROLL_NS = 80_000_000;
/** Times of blocks are 16 bits from their cluster's. */
const MOST_RELATIVE_MS = 0x7fff;
const APPLICATION = "Roomwire";

/** Where a player may begin. */
export interface Cue {
  readonly timeMs: number;
  readonly track: number;
  /** Bytes behind the head. */
  readonly at: number;
}

/** One file's clusters. */
export class Matroska implements Container {
  readonly #docType: "webm" | "matroska";
  #frames: TimedFrame[] = [];
  readonly #cues: Cue[] = [];
  #written = 0;
  #segmentHead = 0;
  indexAt = 0;

  constructor(docType: "webm" | "matroska") {
    this.#docType = docType;
  }

  head(tracks: readonly ContainerTrack[], facts: FileFacts): Uint8Array<ArrayBuffer> {
    const start = joinBytes([this.#ebmlHeader(), elementId(MATROSKA_ID.segment)]);
    this.#segmentHead = start.length + SIZE_BYTES;
    return matroskaHead(start, element(MATROSKA_ID.tracks, ...tracks.map(trackEntry)), facts);
  }

  add(frame: TimedFrame): void {
    this.#frames.push(frame);
  }

  flush(): Uint8Array<ArrayBuffer> | undefined {
    const clusters: Uint8Array[] = [];
    for (let first = 0; first < this.#frames.length;) {
      const start = Math.round(this.#frames[first]!.timeMs);
      let end = first;
      while (
        end < this.#frames.length &&
        Math.abs(this.#frames[end]!.timeMs - start) < MOST_RELATIVE_MS
      ) end++;
      clusters.push(this.#cluster(this.#frames.slice(first, end), start));
      first = end;
    }
    this.#frames = [];
    return clusters.length === 0 ? undefined : joinBytes(clusters);
  }

  end(): Uint8Array<ArrayBuffer> | undefined {
    const rest = this.flush();
    if (this.#cues.length === 0) return rest;
    const cues = matroskaIndex(this.#cues, HEAD_BYTES - this.#segmentHead);
    this.indexAt = this.#written;
    return rest === undefined ? cues : joinBytes([rest, cues]);
  }

  #cluster(frames: readonly TimedFrame[], startMs: number): Uint8Array {
    const blocks: Uint8Array[] = [];
    for (const { track, timeMs, frame } of frames) {
      const relative = Math.round(timeMs) - startMs;
      const header = Uint8Array.from([
        0x80 | track,
        (relative >> 8) & 0xff,
        relative & 0xff,
        frame.isKey ? KEY_FRAME : 0,
      ]);
      const length = shortSize(header.length + frame.data.length);
      blocks.push(elementId(MATROSKA_ID.block), length, header, frame.data);
    }
    const cluster = element(
      MATROSKA_ID.cluster,
      unsigned(MATROSKA_ID.time, startMs),
      joinBytes(blocks),
    );
    this.#index(frames, startMs);
    this.#written += cluster.length;
    return cluster;
  }

  /** Pictures are found by their key frames, sound alone by any cluster. */
  #index(frames: readonly TimedFrame[], startMs: number): void {
    const key = frames.find(({ frame }) => frame.isKey && frame.width > 0);
    const isSound = frames.every(({ frame }) => frame.isKey && frame.width === 0);
    if (key === undefined && !isSound) return;
    const timeMs = key === undefined ? startMs : Math.round(key.timeMs);
    this.#cues.push({ timeMs, track: (key ?? frames[0]!).track, at: this.#written });
  }

  #ebmlHeader(): Uint8Array {
    return element(
      MATROSKA_ID.ebml,
      unsigned(0x4286, 1),
      unsigned(0x42f7, 1),
      unsigned(0x42f2, 4),
      unsigned(0x42f3, 8),
      text(0x4282, this.#docType),
      unsigned(0x4287, 4),
      unsigned(0x4285, 2),
    );
  }
}

/**
 * The head of a file, as long whatever is in it.
 *
 * @param start Everything up to the size of the segment.
 * @param tracks The element of all tracks.
 */
export function matroskaHead(
  start: Uint8Array,
  tracks: Uint8Array,
  { durationMs, bodyBytes, indexAt }: FileFacts,
): Uint8Array<ArrayBuffer> {
  const room = HEAD_BYTES - start.length - SIZE_BYTES;
  const size = bodyBytes === 0 ? UNKNOWN_SIZE : elementSize(room + bodyBytes);
  const seek = indexAt === 0 ? [] : [seekHead(room + indexAt)];
  const known = joinBytes([start, size, ...seek, info(durationMs), tracks]);
  return joinBytes([known, voidOf(HEAD_BYTES - known.length)]);
}

/** @param room Bytes of the segment before the first cluster. */
export function matroskaIndex(cues: readonly Cue[], room: number): Uint8Array<ArrayBuffer> {
  return element(
    MATROSKA_ID.cues,
    // Days of them are more than a call may have arguments.
    joinBytes(cues.map(({ timeMs, track, at }) =>
      element(
        MATROSKA_ID.cue,
        unsigned(0xb3, timeMs),
        element(0xb7, unsigned(0xf7, track), unsigned(0xf1, room + at)),
      )
    )),
  );
}

/** Positions count from the segment's data on. */
function seekHead(indexAt: number): Uint8Array {
  const id = element(0x53ab, elementId(MATROSKA_ID.cues));
  return element(MATROSKA_ID.seekHead, element(MATROSKA_ID.seek, id, unsigned(0x53ac, indexAt)));
}

function info(durationMs: number): Uint8Array {
  return element(
    MATROSKA_ID.info,
    unsigned(0x2ad7b1, 1_000_000),
    ...(durationMs === 0 ? [] : [float(0x4489, durationMs)]),
    text(0x4d80, APPLICATION),
    text(0x5741, APPLICATION),
  );
}

function trackEntry(track: ContainerTrack): Uint8Array {
  const { number, codec, width, height, decoderConfig } = track;
  const isAudio = codec === "opus";
  const config = isAudio ? opusHead() : decoderConfig;
  return element(
    MATROSKA_ID.track,
    unsigned(MATROSKA_ID.trackNumber, number),
    unsigned(0x73c5, number),
    unsigned(MATROSKA_ID.trackType, isAudio ? 2 : 1),
    unsigned(0x9c, 0),
    text(0x86, CODEC_ID[codec]),
    ...(config === undefined ? [] : [element(0x63a2, config)]),
    ...(isAudio ? [unsigned(0x56bb, OPUS_PRE_ROLL_NS)] : []),
    isAudio
      ? element(MATROSKA_ID.audio, float(0xb5, 48_000), unsigned(0x9f, 2))
      : element(MATROSKA_ID.video, unsigned(0xb0, width), unsigned(0xba, height)),
  );
}
