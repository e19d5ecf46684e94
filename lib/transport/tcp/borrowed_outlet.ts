/**
 * The way out of one path by a socket that another thread has lent.
 *
 * @module
 */
import type { SendKind } from "../datagrams/datagrams.ts";

/** One path's way out. */
export interface BorrowedOutlet {
  /** Whether it may still be used. */
  isOpen(now: number): boolean;
  /** Bytes that the system has not taken. */
  readonly queuedBytes: number;
  /** Bytes of video that were left out for a slow reader, in all; absent: none ever are. */
  readonly droppedBytes?: number;
  /** Queues one datagram. @returns Whether it was; `undefined` if the connection has to end. */
  send(bytes: Uint8Array, length: number, kind: SendKind): boolean | undefined;
  flush(): void;
  /** As `NetworkPath` has it. */
  outdate?(ssrc: number): boolean;
  /** Nothing more is sent: calls `done` once all is written, or as much of it as can be. */
  finish(done: () => void): void;
  close(): void;
  /** Whether what comes in for the path comes here, too. */
  readonly receives?: boolean;
}
