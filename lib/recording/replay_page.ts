/**
 * The page by which a recording of a room that is in a bucket is found again, by its id: which
 * object is its journal, and which are the files that the journal tells of, by the names that they
 * have got at last. Pure.
 *
 * @module
 */
import { leadsOutside } from "./recording_name.ts";

/** Where such pages are, below the prefix of recordings. */
export const REPLAY_FOLDER = ".roomwire-replay";
const VERSION = 1;
/** Names in one page. */
const MOST_FILES = 20_000;
const MOST_NAME = 2_048;
/** One page, which is read whole: 20,000 names of 200 bytes. */
export const MOST_PAGE_BYTES = 4 * 1024 * 1024;

/** What a page says. */
export interface ReplayPage {
  readonly egressId: string;
  readonly roomName: string;
  /** Unix ms. */
  readonly beganAtMs: number;
  /** Names below the prefix of recordings. */
  readonly journal: string;
  readonly files: readonly string[];
}

/** The page; without the last files, if it would be too long for whoever reads it. */
export function replayPageText(index: ReplayPage): string {
  const encoder = new TextEncoder();
  const lengthOf = (value: unknown) => encoder.encode(JSON.stringify(value)).length;
  let bytes = lengthOf({ version: VERSION, ...index, files: [] });
  const files: string[] = [];
  for (const name of index.files.slice(0, MOST_FILES)) {
    // With the comma before it.
    bytes += lengthOf(name) + 1;
    if (bytes > MOST_PAGE_BYTES) break;
    files.push(name);
  }
  return JSON.stringify({ version: VERSION, ...index, files });
}

/** Reads {@linkcode replayPageText}; `undefined` for anything else, and for another recording. */
export function readReplayPage(text: string, id: string): ReplayPage | undefined {
  try {
    const { version, egressId, roomName, beganAtMs, journal, files } = JSON.parse(text);
    const names: unknown[] = Array.isArray(files) ? [journal, ...files] : [undefined];
    const isOne = version === VERSION && egressId === id && typeof roomName === "string" &&
      Number.isFinite(beganAtMs) && Math.abs(beganAtMs) <= 8.64e15 &&
      names.length <= MOST_FILES + 1 && names.every(isName);
    return isOne ? { egressId, roomName, beganAtMs, journal, files } : undefined;
  } catch {
    return undefined;
  }
}

function isName(name: unknown): boolean {
  return typeof name === "string" && name !== "" && name.length <= MOST_NAME &&
    !leadsOutside(name);
}
