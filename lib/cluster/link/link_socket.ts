/**
 * One connection to another node as a link sees it: a WebSocket in production, a simulated one in
 * tests.
 *
 * @module
 */

/**
 * Messages whole and in order, or the end. Methods never throw, also after the socket has closed;
 * then they do nothing. What is sent before it is open is sent then.
 */
export interface LinkSocket {
  send(data: Uint8Array): void;
  /** Ends the socket after everything sent so far; further calls do nothing. */
  close(code: number, reason: string): void;
  /** Bytes handed to `send` that the network has not taken yet. */
  readonly bufferedAmount: number;
  /** Set by the link; called once per message. Text is nothing that a node sends. */
  onMessage: (data: Uint8Array | string) => void;
  /** Set by the link; called once, also when the peer vanished or was never there. */
  onClose: () => void;
}

/** Connects to another node; fails by closing. */
export type LinkDial = (address: string, token: string) => LinkSocket;

/** Close codes of links (RFC 6455 §7.4.2: 4000 on is for private use). */
export const LINK_CLOSE = {
  /** Nobody needs the link, or this node ends. */
  done: 1000,
  /** What came makes no sense, or the proof is wrong. */
  protocol: 4000,
  /** Another connection to the same node is kept. */
  double: 4001,
  /** Nothing came for too long. */
  dead: 4003,
  /** Too far behind. */
  slow: 4004,
} as const;
