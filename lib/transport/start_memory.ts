/**
 * Gives back memory that only starting a process needs: what is free in `malloc`, and the pages of
 * the runtime's own program that were read. Whoever needs such a page again gets it from the
 * system's cache of the file, sixteen at a time.
 *
 * @module
 */
import { libc, type MemoryCalls } from "./datagrams/libc.ts";
import type { NativeUse } from "./media_crypto.ts";

/** A line of `/proc/self/maps` (`man 5 proc_pid_maps`) about a file's code, which never changes. */
const CODE_OF_FILE = /^([\da-f]+)-([\da-f]+) r-xp \S+ \S+ [1-9]\d* +\/.*$/gm;
/** More than the list has, bytes. */
const MAPS_BYTES = 256 * 1024;
/** The runtime has 60 MB of code, libraries a few. */
const MIN_CODE_BYTES = 16n * 1024n * 1024n;

/** A part of the address space. */
export interface MemoryRange {
  readonly from: bigint;
  readonly bytes: bigint;
}

/** Does so, where native code is used; nowhere is anything lost by it. */
export function giveBackStartMemory(native: NativeUse): void {
  const library = native === "off" ? undefined : libc();
  if (library?.ok === true) giveBack(library.libc.memory);
}

/** The same with calls of a system. */
export function giveBack(calls: MemoryCalls): void {
  const buffer = new Uint8Array(MAPS_BYTES);
  const length = calls.readFile("/proc/self/maps", buffer);
  const maps = new TextDecoder().decode(buffer.subarray(0, Math.max(0, length)));
  for (const { from, bytes } of longCode(maps)) calls.forget(from, bytes);
  calls.trim();
}

/** Where long code of files is, by a list as in `/proc/self/maps`; its end may be missing. */
export function longCode(maps: string): MemoryRange[] {
  const whole = maps.slice(0, maps.lastIndexOf("\n") + 1);
  return [...whole.matchAll(CODE_OF_FILE)].map(([, from, to]) => ({
    from: BigInt(`0x${from}`),
    bytes: BigInt(`0x${to}`) - BigInt(`0x${from}`),
  })).filter(({ bytes }) => bytes >= MIN_CODE_BYTES);
}
