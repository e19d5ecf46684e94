/**
 * One client's WebSocket as the signalling layer sees it; the HTTP layer adapts the real one.
 *
 * @module
 */

/** Close codes of RFC 6455 §7.4.1 that this server sends. */
export const CLOSE_CODE = {
  normal: 1000,
  invalidPayload: 1007,
  policy: 1008,
  tooBig: 1009,
} as const;

/** Bytes a peer may leave unread by default: more than any honest one has on its way. */
export const DEFAULT_BUFFERED_BYTES = 4 * 1024 * 1024;

/**
 * Whether `bytes` more are too many for a socket whose peer may leave `limit` unread; 0 is no
 * limit. A single message is never too many.
 */
export function isUnread(
  { bufferedAmount }: Pick<SignalSocket, "bufferedAmount">,
  bytes: number,
  limit: number,
): boolean {
  return limit > 0 && bufferedAmount > 0 && bufferedAmount + bytes > limit;
}

/** Methods never throw, also after the socket has closed; then they do nothing. */
export interface SignalSocket {
  send(data: Uint8Array | string): void;
  /** Ends the socket after everything sent so far; further calls do nothing. */
  close(code: number, reason: string): void;
  /** Bytes handed to `send` that the network has not taken yet. */
  readonly bufferedAmount: number;
  /** Set by the signalling layer; called once per frame. */
  onMessage: (data: Uint8Array | string) => void;
  /**
   * Set by the signalling layer; called once, also when the peer vanished.
   *
   * @param code With which the peer closed it, and why, if it said so.
   */
  onClose: (code?: number, reason?: string) => void;
}
