/**
 * The index of a fragmented MP4 file (`sidx`, ISO/IEC 14496-12 §8.16.3): where its fragments stand
 * and when they are, so that a player goes anywhere without reading what is before.
 *
 * @module
 */
import { fullBox, uint16, uint32, uint64 } from "./mp4_boxes.ts";
import { joinBytes } from "../../base/joined_bytes.ts";

/** A fragment as an index knows it; times in ticks. */
export interface IndexedFragment {
  readonly bytes: number;
  readonly at: number;
  readonly end: number;
  /** It begins with a key frame, or has no pictures. */
  readonly isEntry: boolean;
}

const HEAD_BYTES = 40;
const ENTRY_BYTES = 12;
const BEGINS_WITH_KEY = 0x9000_0000;
const MOST_DURATION = 0xffff_ffff;
const MOST_SIZE = 0x7fff_ffff;

interface Part {
  bytes: number;
  readonly at: number;
  end: number;
  readonly isEntry: boolean;
}

/**
 * An index of at most `room` bytes, which is followed by the rest of that room: as many entries as
 * fit, each for all fragments up to the next.
 *
 * @returns `undefined` if it has nothing to say, or no room.
 */
export function segmentIndex(
  track: number,
  fragments: readonly IndexedFragment[],
  timescale: number,
  room: number,
): Uint8Array<ArrayBuffer> | undefined {
  const most = Math.floor((room - HEAD_BYTES) / ENTRY_BYTES);
  const parts = joinParts(fragments, most);
  if (parts.length === 0 || parts.some(({ bytes }) => bytes > MOST_SIZE)) return undefined;
  const length = HEAD_BYTES + ENTRY_BYTES * parts.length;
  const entries = parts.map(({ bytes, at, isEntry, end }, i) => {
    const duration = Math.max(0, (parts[i + 1]?.at ?? end) - at);
    return joinBytes([
      uint32(bytes),
      uint32(Math.min(MOST_DURATION, duration)),
      uint32(isEntry ? BEGINS_WITH_KEY : 0),
    ]);
  });
  return fullBox(
    "sidx",
    1,
    0,
    uint32(track),
    uint32(timescale),
    uint64(parts[0]!.at),
    // The rest of the room, a box of its own, stands in between.
    uint64(room - length + 8),
    uint16(0),
    uint16(parts.length),
    ...entries,
  );
}

/** Those where a player can begin, every so many of them. */
function joinParts(fragments: readonly IndexedFragment[], most: number): Part[] {
  const entries = fragments.filter(({ isEntry }) => isEntry).length;
  if (most < 1 || fragments.length === 0) return [];
  const each = Math.max(1, Math.ceil((entries + 1) / Math.min(most, 0xffff)));
  const parts: Part[] = [];
  let seen = 0;
  for (const { bytes, at, end, isEntry } of fragments) {
    const begins = isEntry && seen++ % each === 0;
    const last = parts.at(-1);
    if (last === undefined || begins) parts.push({ bytes, at, end, isEntry });
    else {
      last.bytes += bytes;
      last.end = Math.max(last.end, end);
    }
  }
  return parts;
}
