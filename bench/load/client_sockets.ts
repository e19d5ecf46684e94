/**
 * The sockets of all clients of a load process, read together.
 *
 * Each client has a socket of its own, as in reality, and everything that arrives is really read:
 * what is left unread is dropped by the kernel at half the price. Sockets are swept by a timer
 * instead of waking somebody for each datagram, because a wake-up would be paid by the sender under
 * test, and because on a small machine the readers must be cheap.
 *
 * @module
 */
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import type { WireSocket } from "../../tests/support/wire/wire_socket.ts";

/** Room for one received datagram. */
export const MAX_DATAGRAM_BYTES = 2048;

/** A client's socket. */
export interface ClientSocket extends Omit<WireSocket, "onDatagram"> {
  readonly localPort: number;
  /** Takes what is neither RTP nor RTCP; `arrivedAt` as for {@linkcode RtpListener}. */
  onDatagram: (bytes: Uint8Array, arrivedAt: number) => void;
  /** Takes this socket's RTP; at first {@linkcode ClientSockets.onRtp} does. */
  onRtp: RtpListener;
  /** Takes this socket's RTCP; at first nobody does. */
  onRtcp: RtpListener;
  /**
   * Sends datagrams as one burst; `lengths[i]` bytes from `slots[i]`.
   *
   * @returns The time they left, µs, on the clock of {@linkcode ClientSockets.now}.
   */
  sendBurst(slots: readonly Uint8Array[], lengths: ArrayLike<number>, count: number): number;
}

/** A client's connection over TCP; what is sent leaves in order. */
export interface ClientStream {
  /** Takes what has come; the bytes are valid during the call. */
  onBytes: (bytes: Uint8Array) => void;
  /** Told once, unless it was closed here. */
  onEnd: () => void;
  send(bytes: Uint8Array): void;
  close(): void;
}

/**
 * Takes each arriving RTP datagram: `bytes[offset .. offset + length)` is valid during the call.
 */
export type RtpListener = (
  bytes: Uint8Array,
  offset: number,
  length: number,
  /** When the kernel got it, µs. */
  arrivedAt: number,
) => void;

/**
 * The sockets of all clients of this process. `sweep` reads what has arrived, all of it, and gives
 * it out before it returns.
 */
export interface ClientSockets {
  /** In words, for the report. */
  readonly kind: string;
  /** Datagrams that are RTP, of sockets that nobody else listens to. */
  onRtp: RtpListener;
  /** A socket connected to `server`, or one that takes from anybody. */
  open(server: MediaAddress | undefined): Promise<ClientSocket>;
  /**
   * Connects to the server of a `ws://` or `wss://` address.
   *
   * @throws {Error} if nobody listens there.
   */
  connect(url: URL): Promise<ClientStream>;
  /** µs on the clock of arrival times. */
  now(): number;
  /** Reads everything that waits. */
  sweep(): void;
}

/** RTP, not RTCP, in a muxed stream (RFC 7983 §7, RFC 5761 §4). */
export function isRtp(first: number, second: number): boolean {
  return isRtpOrRtcp(first) && (second < 192 || second > 223);
}

/** RFC 7983 §7. */
export function isRtpOrRtcp(first: number): boolean {
  return first >= 128 && first < 192;
}
