/**
 * How a thread is woken that waits in a {@linkcode SocketLoop}: an `eventfd` (`man 2 eventfd`),
 * rung after a message was posted to it, after something was put into a ring that it reads, or by
 * itself for another turn. The runtime's own wake-up does not reach a thread that began to wait in
 * the moment before.
 *
 * Descriptors are the process's and given out again, so a bell is closed only when no thread that
 * knows of it lives.
 *
 * @module
 */
import { libc } from "./libc.ts";
import { closePollsOf } from "./runtime_poll.ts";

/** One bell; closed by the thread that made it, rung by that one or by its number. */
export interface ThreadBell {
  /** What the other thread waits for. */
  readonly fd: number;
  ring(): void;
  /** A thread is to wait for it. The one before, if there was one, is gone: what it left closes. */
  newWaiter(): void;
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
  let isOpen = true;
  let hadWaiter = false;
  return {
    fd,
    ring() {
      if (isOpen) ringBell(fd);
    },
    newWaiter() {
      if (isOpen && hadWaiter) closePollsOf(waiting, fd);
      hadWaiter = true;
    },
    close() {
      if (isOpen) waiting.close(fd);
      isOpen = false;
    },
  };
}

const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** Rings a bell that another thread has made and keeps open. */
export function ringBell(fd: number): void {
  const library = libc();
  if (library.ok) library.libc.waiting.write(fd, ONE, 8n);
}
