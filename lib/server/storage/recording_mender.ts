/**
 * Gives recordings that nobody ended, because the process was killed, the length and the index that
 * players need to go anywhere in them.
 *
 * Contract: what is being written, here or by another node that has the same folder, is left alone:
 * whoever writes holds a lock. A file that cannot be mended stays as it is.
 *
 * @module
 */
import type { Log } from "../../base/platform.ts";
import { describeError } from "../../room/context/close_reason.ts";
import { mendMatroska } from "../../recording/container/mended_matroska.ts";
import { mendMp4 } from "../../recording/container/mended_mp4.ts";
import { KeptRecordings } from "./kept_recordings.ts";

const PLAYLIST_END = "#EXT-X-ENDLIST";
/** As long as a live playlist is, which says at its beginning what it says; bytes. */
const PLAYLIST_TAIL = 4_096;

/**
 * Mends what needs it in a folder, one file after the other.
 *
 * @param isOver Asked between files.
 * @returns Names of those that were mended.
 */
export async function mendRecordings(
  root: string,
  log: Log,
  isOver: () => boolean,
): Promise<readonly string[]> {
  const mended: string[] = [];
  const real = await Deno.realPath(root);
  const kept = new KeptRecordings(real);
  for (const { name } of await kept.files(new Set())) {
    if (isOver()) break;
    if (!/\.(?:webm|mkv|mp4|m3u8)$/.test(name)) continue;
    try {
      if (await mendFile(`${real}/${name}`)) mended.push(name);
    } catch (error) {
      log.warn("a recording could not be mended", { name, why: describeError(error) });
    }
  }
  if (mended.length > 0) log.info("recordings were mended", { count: mended.length });
  return mended;
}

async function mendFile(path: string): Promise<boolean> {
  using file = await Deno.open(path, { read: true, write: true });
  if (!await file.tryLock(true)) return false;
  if (path.endsWith(".m3u8")) return await endPlaylist(file);
  const reader = { read: (at: number, length: number) => readAt(file, at, length) };
  const mend = path.endsWith(".mp4") ? mendMp4 : mendMatroska;
  const mending = await mend(reader);
  if (mending === undefined) return false;
  const { head, end, tail } = mending;
  // In this order: a process that is killed in between leaves a file that is mended again.
  await file.truncate(end);
  await writeAt(file, end, tail);
  await writeAt(file, 0, head);
  return true;
}

/** Players would wait for more of a playlist that has no end. */
async function endPlaylist(file: Deno.FsFile): Promise<boolean> {
  const { size } = await file.stat();
  const from = Math.max(0, size - PLAYLIST_TAIL);
  const tail = new TextDecoder().decode(await readAt(file, from, PLAYLIST_TAIL));
  if (!tail.includes("#EXTINF") || tail.includes(PLAYLIST_END)) return false;
  // Half a line is none.
  const line = tail.endsWith("\n") ? "" : "\n";
  await writeAt(file, size, new TextEncoder().encode(`${line}${PLAYLIST_END}\n`));
  return true;
}

async function readAt(file: Deno.FsFile, at: number, length: number): Promise<Uint8Array> {
  await file.seek(at, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  let count = 0;
  while (count < length) {
    const more = await file.read(bytes.subarray(count));
    if (more === null) break;
    count += more;
  }
  return bytes.subarray(0, count);
}

async function writeAt(file: Deno.FsFile, at: number, bytes: Uint8Array): Promise<void> {
  await file.seek(at, Deno.SeekMode.Start);
  for (let from = 0; from < bytes.length;) from += await file.write(bytes.subarray(from));
}
