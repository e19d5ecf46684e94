/**
 * Reads what is in a recorded file, as far as tests ask: an independent reader of Matroska, MP4 and
 * Ogg that takes nothing on trust.
 *
 * @module
 */
import assert from "node:assert/strict";

/** One frame of a file. */
export interface ReadFrame {
  readonly track: number;
  readonly timeMs: number;
  readonly isKey: boolean;
  readonly data: Uint8Array;
}

/** What a file holds. */
export interface ReadFile {
  /** Codec ids by track, as the format spells them. */
  readonly tracks: readonly string[];
  readonly frames: readonly ReadFrame[];
  /** Bytes that belong to nothing: a piece that was cut off. */
  readonly left: number;
  readonly durationMs: number;
  /** Where the index points, each checked to be a cluster. */
  readonly cues: number;
}

interface Element {
  readonly id: number;
  readonly from: number;
  readonly end: number;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const number = (bytes: Uint8Array) => bytes.reduce((value, byte) => value * 256 + byte, 0);

/** Children in `[from, end)`; one that is cut off is left out. */
function elements(bytes: Uint8Array, from: number, end: number): { list: Element[]; at: number } {
  const list: Element[] = [];
  let at = from;
  while (at < end) {
    const idLength = Math.clz32(bytes[at]!) - 23;
    const sizeAt = at + idLength;
    if (sizeAt >= end) break;
    const sizeLength = Math.clz32(bytes[sizeAt]!) - 23;
    const dataAt = sizeAt + sizeLength;
    if (dataAt > end) break;
    const raw = bytes.slice(sizeAt, dataAt);
    raw[0]! &= 0xff >> sizeLength;
    const isUnknown = raw[0] === 0xff >> sizeLength && raw.slice(1).every((byte) => byte === 0xff);
    const dataEnd = isUnknown ? end : dataAt + number(raw);
    if (dataEnd > end) break;
    list.push({ id: number(bytes.subarray(at, sizeAt)), from: dataAt, end: dataEnd });
    at = dataEnd;
  }
  return { list, at };
}

/** Reads a WebM or Matroska file. */
export function readMatroska(bytes: Uint8Array): ReadFile {
  const top = elements(bytes, 0, bytes.length).list;
  assert.deepEqual(top.map(({ id }) => id), [0x1a45dfa3, 0x18538067]);
  const segment = top[1]!;
  const { list, at } = elements(bytes, segment.from, segment.end);
  const inside = (of: Element) => elements(bytes, of.from, of.end).list;
  const find = (of: readonly Element[], id: number) => of.find((element) => element.id === id);
  const data = (element: Element) => bytes.subarray(element.from, element.end);
  const tracks = inside(find(list, 0x1654ae6b)!).map((entry) =>
    text(data(find(inside(entry), 0x86)!))
  );
  const frames: ReadFrame[] = [];
  for (const cluster of list.filter(({ id }) => id === 0x1f43b675)) {
    const start = number(data(find(inside(cluster), 0xe7)!));
    for (const block of inside(cluster).filter(({ id }) => id === 0xa3)) {
      const raw = data(block);
      const relative = new DataView(raw.buffer, raw.byteOffset).getInt16(1);
      frames.push({
        track: raw[0]! & 0x7f,
        timeMs: start + relative,
        isKey: (raw[3]! & 0x80) !== 0,
        data: raw.subarray(4),
      });
    }
  }
  const info = inside(find(list, 0x1549a966)!);
  const duration = find(info, 0x4489);
  const durationMs = duration === undefined
    ? 0
    : new DataView(bytes.buffer, bytes.byteOffset + duration.from).getFloat64(0);
  const cues = find(list, 0x1c53bb6b);
  const points = cues === undefined ? [] : inside(cues);
  for (const point of points) {
    const position = find(inside(find(inside(point), 0xb7)!), 0xf1)!;
    const target = segment.from + number(data(position));
    assert.equal(number(bytes.subarray(target, target + 4)), 0x1f43b675, "a cue names a cluster");
  }
  return { tracks, frames, left: segment.end - at, durationMs, cues: points.length };
}

interface Box {
  readonly type: string;
  readonly from: number;
  readonly end: number;
}

function boxes(bytes: Uint8Array, from: number, end: number): { list: Box[]; at: number } {
  const list: Box[] = [];
  let at = from;
  while (at + 8 <= end) {
    const size = number(bytes.subarray(at, at + 4));
    if (size < 8 || at + size > end) break;
    list.push({ type: text(bytes.subarray(at + 4, at + 8)), from: at + 8, end: at + size });
    at += size;
  }
  return { list, at };
}

/** Reads a fragmented MP4 file of ours. */
export function readFragmentedMp4(bytes: Uint8Array): ReadFile {
  const { list, at } = boxes(bytes, 0, bytes.length);
  const inside = (of: Box, skip = 0) => boxes(bytes, of.from + skip, of.end).list;
  const path = (of: Box, ...types: readonly string[]): Box =>
    types.reduce((box, type) => inside(box).find((child) => child.type === type)!, of);
  const uint = (at: number) => number(bytes.subarray(at, at + 4));
  const moov = list.find(({ type }) => type === "moov")!;
  const tracks = inside(moov).filter(({ type }) => type === "trak").map((trak) => {
    const stsd = path(trak, "mdia", "minf", "stbl", "stsd");
    return inside(stsd, 8)[0]!.type;
  });
  const timescale = uint(path(moov, "mvhd").from + 12);
  const frames: ReadFrame[] = [];
  list.forEach((moof, index) => {
    if (moof.type !== "moof" || list[index + 1]?.type !== "mdat") return;
    for (const traf of inside(moof).filter(({ type }) => type === "traf")) {
      const track = uint(path(traf, "tfhd").from + 4);
      let ticks = number(bytes.subarray(path(traf, "tfdt").from + 4, path(traf, "tfdt").from + 12));
      const trun = path(traf, "trun").from;
      let dataAt = moof.from - 8 + uint(trun + 8);
      for (let i = 0; i < uint(trun + 4); i++) {
        const entry = trun + 12 + 12 * i;
        const size = uint(entry + 4);
        frames.push({
          track,
          timeMs: ticks * 1_000 / timescale,
          isKey: (uint(entry + 8) & 0x10000) === 0,
          data: bytes.subarray(dataAt, dataAt + size),
        });
        ticks += uint(entry);
        dataAt += size;
      }
      assert.ok(dataAt <= list[index + 1]!.end, "samples lie in the fragment's data");
    }
  });
  const mehd = inside(path(moov, "mvex")).find(({ type }) => type === "mehd");
  const durationMs = mehd === undefined ? 0 : uint(mehd.from + 4) * 1_000 / timescale;
  const sidx = list.find(({ type }) => type === "sidx");
  const cues = sidx === undefined ? 0 : checkIndex(bytes, sidx, list);
  return { tracks, frames, left: bytes.length - at, durationMs, cues };
}

/** Each part begins with a fragment, and the last one ends with the file. @returns How many. */
function checkIndex(bytes: Uint8Array, sidx: Box, list: readonly Box[]): number {
  const uint = (at: number) => number(bytes.subarray(at, at + 4));
  const count = uint(sidx.from + 28) & 0xffff;
  let target = sidx.end + number(bytes.subarray(sidx.from + 20, sidx.from + 28));
  for (let i = 0; i < count; i++) {
    const fragment = list.find(({ from }) => from - 8 === target);
    assert.equal(fragment?.type, "moof", `part ${i} begins with a fragment`);
    target += uint(sidx.from + 32 + 12 * i);
  }
  assert.equal(target, list.at(-1)!.end, "all of the file is in the index");
  return count;
}

/** Reads the packets of an Ogg file, headers left out, and where its last page says it ends. */
export function readOgg(bytes: Uint8Array): { packets: Uint8Array[]; samples: number } {
  const packets: Uint8Array[] = [];
  let samples = 0;
  let pages = 0;
  for (let at = 0; at < bytes.length;) {
    assert.equal(text(bytes.subarray(at, at + 4)), "OggS");
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    assert.equal(view.getUint32(18, true), pages++, "pages are numbered");
    samples = Number(view.getBigUint64(6, true));
    const lacing = bytes.subarray(at + 27, at + 27 + bytes[at + 26]!);
    let from = at + 27 + lacing.length;
    let length = 0;
    for (const value of lacing) {
      length += value;
      if (value === 255) continue;
      packets.push(bytes.subarray(from, from + length));
      from += length;
      length = 0;
    }
    at = from;
  }
  assert.equal(text(packets[0]!.subarray(0, 8)), "OpusHead");
  assert.equal(text(packets[1]!.subarray(0, 8)), "OpusTags");
  return { packets: packets.slice(2), samples };
}
