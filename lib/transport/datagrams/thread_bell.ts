/**
 * How one thread wakes another that waits in a {@linkcode SocketLoop}: an `eventfd` (`man 2
 * eventfd`), rung after a message was posted. The runtime's own wake-up does not reach a thread
 * that began to wait in the moment before.
 *
 * @module
 */
import { libc } from "./libc.ts";

/** One bell; made, rung and closed by the thread that posts. */
export interface ThreadBell {
  /** What the other thread waits for. */
  readonly fd: number;
  ring(): void;
  /** Idempotent. */
  close(): void;
}

/** `undefined` where native code cannot be used, and so nobody waits for it. */
export function openThreadBell(): ThreadBell | undefined {
  const library = libc();
  if (!library.ok) return undefined;
  const { waiting } = library.libc;
  const fd = waiting.openCounter();
  if (fd < 0) return undefined;
  const one = new Uint8Array(BigUint64Array.of(1n).buffer);
  let isOpen = true;
  return {
    fd,
    ring() {
      if (isOpen) waiting.write(fd, one, 8n);
    },
    close() {
      if (isOpen) waiting.close(fd);
      isOpen = false;
    },
  };
}
