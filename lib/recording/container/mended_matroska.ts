/**
 * What a WebM or Matroska file of ours lacks that nobody ended: its length and its index.
 *
 * Contract: total on whatever is in the file; what is not as we write it ends the reading, and what
 * is behind that is left out.
 *
 * @module
 */
import { readUint32 } from "../../wire/big_endian.ts";
import type { FileMending, FileReader } from "./file_mending.ts";
import {
  type Cue,
  HEAD_BYTES,
  MATROSKA_ID as ID,
  matroskaHead,
  matroskaIndex,
} from "./matroska.ts";

/** Of a second or so of a call: a larger piece is none of ours. */
const MOST_CLUSTER = 64 * 1024 * 1024;
/** An id of four bytes and a size of eight. */
const CLUSTER_HEAD = 12;
const KEY_FRAME = 0x80;
const VIDEO = 1;

interface Element {
  readonly id: number;
  /** Where it begins, where its data does, and where that ends. */
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/** @returns `undefined` if the file was ended, or is none of ours. */
export async function mendMatroska(file: FileReader): Promise<FileMending | undefined> {
  const head = await file.read(0, HEAD_BYTES);
  const [ebml] = elements(head, 0);
  if (head.length < HEAD_BYTES || ebml?.id !== ID.ebml) return undefined;
  if (readUint32(head, ebml.to) !== ID.segment) return undefined;
  const start = head.subarray(0, ebml.to + 4);
  const isUnended = head[start.length] === 0x01 &&
    head.subarray(start.length + 1, start.length + 8).every((byte) => byte === 0xff);
  if (!isUnended) return undefined;
  const tracks = elements(head, start.length + 8).find(({ id }) => id === ID.tracks);
  if (tracks === undefined) return undefined;
  const found = await readClusters(file, videoTracks(head, tracks));
  if (found.end === HEAD_BYTES) return undefined;
  const tail = matroskaIndex(found.cues, HEAD_BYTES - start.length - 8);
  const indexAt = found.end - HEAD_BYTES;
  const facts = { durationMs: found.durationMs, bodyBytes: indexAt + tail.length, indexAt };
  return {
    head: matroskaHead(start, head.subarray(tracks.start, tracks.to), facts),
    end: found.end,
    tail,
    durationMs: found.durationMs,
  };
}

function videoTracks(head: Uint8Array, { from, to }: Element): Set<number> {
  const numbers = new Set<number>();
  for (const entry of elements(head, from, to)) {
    const fields = elements(head, entry.from, entry.to);
    const valueOf = (wanted: number) => {
      const field = fields.find(({ id }) => id === wanted);
      return field === undefined ? 0 : unsignedAt(head, field);
    };
    if (valueOf(ID.trackType) === VIDEO) numbers.add(valueOf(ID.trackNumber));
  }
  return numbers;
}

async function readClusters(file: FileReader, pictures: ReadonlySet<number>) {
  const cues: Cue[] = [];
  let durationMs = 0;
  let end = HEAD_BYTES;
  for (;;) {
    const start = await file.read(end, CLUSTER_HEAD);
    if (start.length < CLUSTER_HEAD || readUint32(start, 0) !== ID.cluster) break;
    const size = sizeAt(start, 4);
    if (size === undefined || size.value > MOST_CLUSTER) break;
    const from = end + 4 + size.length;
    const data = await file.read(from, size.value);
    if (data.length < size.value) break;
    const { cue, lastMs } = readCluster(data, pictures);
    if (cue !== undefined) cues.push({ ...cue, at: end - HEAD_BYTES });
    durationMs = Math.max(durationMs, lastMs);
    end = from + size.value;
  }
  return { cues, durationMs, end };
}

/** Pictures are found by their key frames, sound alone by any cluster. */
function readCluster(data: Uint8Array, pictures: ReadonlySet<number>) {
  let startMs = 0;
  let lastMs = 0;
  let first: { timeMs: number; track: number } | undefined;
  let cue: { timeMs: number; track: number } | undefined;
  let hasPicture = false;
  for (const { id, from, to } of elements(data, 0)) {
    if (id === ID.time) startMs = unsignedAt(data, { from, to });
    if (id !== ID.block || to - from < 4) continue;
    const track = data[from]! & 0x7f;
    const timeMs = startMs + ((data[from + 1]! << 24 | data[from + 2]! << 16) >> 16);
    lastMs = Math.max(lastMs, timeMs);
    first ??= { timeMs: startMs, track };
    if (!pictures.has(track)) continue;
    hasPicture = true;
    if ((data[from + 3]! & KEY_FRAME) !== 0) cue ??= { timeMs: Math.max(0, timeMs), track };
  }
  return { cue: hasPicture ? cue : cue ?? first, lastMs };
}

/** Whole elements, one behind the other. */
function elements(bytes: Uint8Array, start: number, end = bytes.length): Element[] {
  const found: Element[] = [];
  for (let at = start; at < end;) {
    const idLength = Math.clz32(bytes[at]!) - 23;
    if (idLength > 4 || at + idLength >= end) break;
    let id = 0;
    for (let i = 0; i < idLength; i++) id = id * 256 + bytes[at + i]!;
    const size = sizeAt(bytes, at + idLength);
    if (size === undefined) break;
    const from = at + idLength + size.length;
    if (from + size.value > end) break;
    found.push({ id, start: at, from, to: from + size.value });
    at = from + size.value;
  }
  return found;
}

/** A size (RFC 8794 §4); `undefined` if it is cut off or beyond counting. */
function sizeAt(bytes: Uint8Array, at: number): { value: number; length: number } | undefined {
  const first = bytes[at];
  if (first === undefined || first === 0) return undefined;
  const length = Math.clz32(first) - 23;
  if (at + length > bytes.length) return undefined;
  let value = first & (0xff >> length);
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
  return value > Number.MAX_SAFE_INTEGER ? undefined : { value, length };
}

function unsignedAt(bytes: Uint8Array, { from, to }: Pick<Element, "from" | "to">): number {
  let value = 0;
  for (let at = from; at < Math.min(to, from + 6); at++) value = value * 256 + bytes[at]!;
  return value;
}
