/**
 * How many descriptors (sockets, files) this process has open, as far as the system says it without
 * any permission but that for native code.
 *
 * @module
 */

/** `struct pollfd` of poll(2): a descriptor, what is waited for, and what is so. */
const POLL_BYTES = 8;
const FOUND_AT = 6;
/** What is so of a number that nobody has. */
const POLLNVAL = 0x20;
/** Numbers are given from the lowest on, so that higher ones than this are hardly used. */
const MOST_LOOKED_AT = 65_536;

/** Counts them when it is asked; `undefined` where it cannot be known. */
export type OpenDescriptors = () => number | undefined;

/** @param limit As many as the process may have. */
export function openDescriptors(limit: number): OpenDescriptors {
  if (Deno.build.os !== "linux") return () => undefined;
  try {
    const libc = Deno.dlopen("libc.so.6", {
      poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
    });
    const count = Math.min(limit, MOST_LOOKED_AT);
    const list = new Uint8Array(count * POLL_BYTES);
    const view = new DataView(list.buffer);
    for (let fd = 0; fd < count; fd++) view.setInt32(fd * POLL_BYTES, fd, true);
    return () => {
      // It waits for nothing, and so only says which numbers are none.
      if (libc.symbols.poll(list, BigInt(count), 0) < 0) return undefined;
      let open = 0;
      for (let at = FOUND_AT; at < list.length; at += POLL_BYTES) {
        if ((list[at]! & POLLNVAL) === 0) open++;
      }
      return open;
    };
  } catch {
    return () => undefined;
  }
}
