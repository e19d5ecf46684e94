/**
 * The epoll instance in which this thread's event loop waits, found by a socket that stands in it.
 *
 * The kernel lists what an epoll instance watches in `/proc/self/fdinfo` (`man 5 proc_pid_fdinfo`):
 * `tfd: 29 events: 8000201d data: 563d5dcd5500 …`, numbers but the first in hexadecimal.
 *
 * @module
 */
import type { WaitingCalls } from "./libc.ts";

/** Descriptors looked through: those of a thread's event loop are among its first. */
const MAX_DESCRIPTORS = 4_096;
/** More than such a file is read to, bytes: some hundred watched descriptors. */
const FILE_BYTES = 65_536;

/**
 * @returns The descriptor of an epoll instance that watches `fd`; `undefined` if there is none, or
 * the system does not say.
 */
export function findPollOf(calls: WaitingCalls, fd: number): number | undefined {
  return pollsOf(calls, fd).next().value;
}

/** Closes all epoll instances of this process that watch `fd`, because who made them is gone. */
export function closePollsOf(calls: WaitingCalls, fd: number): void {
  // Each is closed when it is found, and not after a search in which its number may have gone to
  // something else.
  for (const poll of pollsOf(calls, fd)) calls.close(poll);
}

function* pollsOf(calls: WaitingCalls, fd: number): Generator<number, undefined> {
  const buffer = new Uint8Array(FILE_BYTES);
  const line = new RegExp(`^tfd:\\s+${fd} `, "m");
  const decoder = new TextDecoder();
  for (let candidate = 0; candidate < MAX_DESCRIPTORS; candidate++) {
    const length = calls.readFile(`/proc/self/fdinfo/${candidate}`, buffer);
    if (length > 0 && line.test(decoder.decode(buffer.subarray(0, length)))) yield candidate;
  }
  return undefined;
}
