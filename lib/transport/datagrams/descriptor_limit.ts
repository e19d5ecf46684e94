/**
 * How many descriptors (sockets, files) this process may have open at once.
 *
 * @module
 */

/** `RLIMIT_NOFILE` of Linux (getrlimit(2)). */
const RLIMIT_NOFILE = 7;
/** The soft limit, and the hard one: 64 bits each. */
const RLIMIT_BYTES = 16;
/**
 * What is taken for granted where the system cannot be asked: the runtime has raised the usual
 * 1024.
 */
const ASSUMED = 4096;

/** The limit in force; a guess without native code. */
export function descriptorLimit(): number {
  if (Deno.build.os !== "linux") return ASSUMED;
  try {
    const libc = Deno.dlopen("libc.so.6", {
      getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
    });
    try {
      const limits = new BigUint64Array(RLIMIT_BYTES / 8);
      if (libc.symbols.getrlimit(RLIMIT_NOFILE, new Uint8Array(limits.buffer)) !== 0) {
        return ASSUMED;
      }
      return Number(limits[0]);
    } finally {
      libc.close();
    }
  } catch {
    return ASSUMED;
  }
}
