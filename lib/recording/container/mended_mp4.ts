/**
 * What a fragmented MP4 file of ours lacks that nobody ended: its length and its index, which both
 * stand in its head.
 *
 * Contract: total on whatever is in the file; what is not as we write it ends the reading.
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";
import { readUint32 } from "../../wire/big_endian.ts";
import type { FileMending, FileReader } from "./file_mending.ts";
import { filledUp, MP4_HEAD_BYTES, TIMESCALE } from "./fragmented_mp4.ts";
import { box, fullBox, uint32 } from "./mp4_boxes.ts";
import type { IndexedFragment } from "./seek_table.ts";

/** Of a second or so of a call: a larger one is none of ours. */
const MOST_MOOF = 4 * 1024 * 1024;
const BOX_BYTES = 8;
const MOST_TICKS = 0xffff_fffe;
const NOT_SYNC = 0x01_0000;
/** Where `mvhd` of version 0 has its duration. */
const DURATION_AT = 24;

interface Box {
  readonly type: string;
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/** @returns `undefined` if the file was ended, or is none of ours. */
export async function mendMp4(file: FileReader): Promise<FileMending | undefined> {
  const head = await file.read(0, MP4_HEAD_BYTES);
  if (head.length < MP4_HEAD_BYTES) return undefined;
  const [ftyp, moov] = boxes(head, 0, head.length);
  if (ftyp?.type !== "ftyp" || moov?.type !== "moov") return undefined;
  const parts = boxes(head, moov.from, moov.to);
  const mvhd = parts.find(({ type }) => type === "mvhd");
  const mvex = parts.find(({ type }) => type === "mvex");
  if (mvhd === undefined || mvhd.to - mvhd.start < DURATION_AT + 4 || mvex === undefined) {
    return undefined;
  }
  const defaults = boxes(head, mvex.from, mvex.to);
  if (defaults.some(({ type }) => type === "mehd")) return undefined;
  const video = parts.filter(({ type }) => type === "trak").map((trak) => trackOf(head, trak));
  const pictures = new Set(video.filter(({ isVideo }) => isVideo).map(({ number }) => number));
  const { fragments, end } = await readFragments(file, pictures);
  if (fragments.length === 0) return undefined;
  const ticks = Math.min(MOST_TICKS, Math.max(...fragments.map((fragment) => fragment.end)));
  const bytesOf = ({ start, to }: Box) => head.subarray(start, to);
  const header = bytesOf(mvhd).slice();
  header.set(uint32(ticks), DURATION_AT);
  const known = joinBytes([
    bytesOf(ftyp),
    box(
      "moov",
      header,
      ...parts.filter(({ type }) => type === "trak").map(bytesOf),
      box("mvex", fullBox("mehd", 0, 0, uint32(ticks)), ...defaults.map(bytesOf)),
    ),
  ]);
  if (known.length + BOX_BYTES > MP4_HEAD_BYTES) return undefined;
  const track = [...pictures][0] ?? video[0]?.number;
  return {
    head: filledUp(known, track === undefined ? undefined : { track, fragments }),
    end,
    tail: new Uint8Array(0),
    durationMs: ticks * 1_000 / TIMESCALE,
  };
}

/** Where the head of a growing file ends, but for the room in it; bytes. */
export function moovEnd(head: Uint8Array): number {
  return boxes(head, 0, head.length).find(({ type }) => type === "moov")?.to ?? head.length;
}

/** Numbers of the tracks with pictures that a head names. */
export function pictureTracks(head: Uint8Array): Set<number> {
  const moov = boxes(head, 0, head.length).find(({ type }) => type === "moov");
  const tracks = moov === undefined ? [] : boxes(head, moov.from, moov.to)
    .filter(({ type }) => type === "trak").map((trak) => trackOf(head, trak));
  return new Set(tracks.filter(({ isVideo }) => isVideo).map(({ number }) => number));
}

function trackOf(head: Uint8Array, trak: Box): { number: number; isVideo: boolean } {
  const inside = boxes(head, trak.from, trak.to);
  const tkhd = inside.find(({ type }) => type === "tkhd");
  const mdia = inside.find(({ type }) => type === "mdia");
  const hdlr = mdia && boxes(head, mdia.from, mdia.to).find(({ type }) => type === "hdlr");
  const isVideo = hdlr !== undefined && hdlr.to - hdlr.from >= 12 &&
    typeAt(head, hdlr.from + 8) === "vide";
  const has = tkhd !== undefined && tkhd.to - tkhd.from >= 16;
  return { number: has ? readUint32(head, tkhd.from + 12) : 0, isVideo };
}

async function readFragments(file: FileReader, pictures: ReadonlySet<number>) {
  const fragments: IndexedFragment[] = [];
  let end = MP4_HEAD_BYTES;
  for (;;) {
    const first = await file.read(end, BOX_BYTES);
    if (first.length < BOX_BYTES || typeAt(first, 4) !== "moof") break;
    const length = readUint32(first, 0);
    if (length < BOX_BYTES || length > MOST_MOOF) break;
    const moof = await file.read(end, length + BOX_BYTES);
    if (moof.length < length + BOX_BYTES || typeAt(moof, length + 4) !== "mdat") break;
    const data = readUint32(moof, length);
    // Its last byte is there.
    const last = await file.read(end + length + data - 1, 1);
    if (data < BOX_BYTES || last.length < 1) break;
    const times = fragmentTimes(moof.subarray(0, length), pictures);
    if (times === undefined) break;
    fragments.push({ bytes: length + data, ...times });
    end += length + data;
  }
  return { fragments, end };
}

/** Whole fragments of ours, one behind the other: each a `moof` and its `mdat`. */
export function* wholeFragments(
  bytes: Uint8Array,
): Generator<{ readonly from: number; readonly moofEnd: number; readonly to: number }> {
  const parts = boxes(bytes, 0, bytes.length);
  for (const [i, moof] of parts.entries()) {
    const mdat = parts[i + 1];
    if (moof.type !== "moof" || mdat?.type !== "mdat") continue;
    yield { from: moof.start, moofEnd: moof.to, to: mdat.to };
  }
}

/**
 * When a fragment is; `undefined` if it cannot be read.
 *
 * @param pictures Numbers of the tracks with pictures.
 */
export function fragmentTimes(
  moof: Uint8Array,
  pictures: ReadonlySet<number>,
): Omit<IndexedFragment, "bytes"> | undefined {
  let at = Infinity;
  let end = 0;
  let isEntry = pictures.size === 0;
  for (const traf of boxes(moof, BOX_BYTES, moof.length)) {
    if (traf.type !== "traf") continue;
    const inside = boxes(moof, traf.from, traf.to);
    const [tfhd, tfdt, trun] = ["tfhd", "tfdt", "trun"].map((type) =>
      inside.find((part) => part.type === type)
    );
    if (tfhd === undefined || tfdt === undefined || trun === undefined) return undefined;
    if (tfdt.to - tfdt.from < 12 || tfhd.to - tfhd.from < 8) return undefined;
    const start = readUint32(moof, tfdt.from + 4) * 2 ** 32 + readUint32(moof, tfdt.from + 8);
    const entries = trun.from + 12;
    const count = trun.to < entries ? 0 : readUint32(moof, trun.from + 4);
    if (count === 0 || entries + 12 * count > trun.to) return undefined;
    let ticks = start;
    for (let i = 0; i < count; i++) ticks += readUint32(moof, entries + 12 * i);
    at = Math.min(at, start);
    end = Math.max(end, ticks);
    if (!pictures.has(readUint32(moof, tfhd.from + 4))) continue;
    isEntry ||= (readUint32(moof, entries + 8) & NOT_SYNC) === 0;
  }
  return at === Infinity || !Number.isSafeInteger(end) ? undefined : { at, end, isEntry };
}

/** Whole boxes, one behind the other. */
function boxes(bytes: Uint8Array, start: number, end: number): Box[] {
  const found: Box[] = [];
  for (let at = start; at + BOX_BYTES <= end;) {
    const size = readUint32(bytes, at);
    if (size < BOX_BYTES || at + size > end) break;
    found.push({ type: typeAt(bytes, at + 4), start: at, from: at + BOX_BYTES, to: at + size });
    at += size;
  }
  return found;
}

function typeAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
