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

/** Methods never throw, also after the socket has closed; then they do nothing. */
export interface SignalSocket {
  send(data: Uint8Array | string): void;
  /** Ends the socket after everything sent so far; further calls do nothing. */
  close(code: number, reason: string): void;
  /** Bytes handed to `send` that the network has not taken yet. */
  readonly bufferedAmount: number;
  /** Set by the signalling layer; called once per frame. */
  onMessage: (data: Uint8Array | string) => void;
  /** Set by the signalling layer; called once, also when the peer vanished. */
  onClose: () => void;
}
