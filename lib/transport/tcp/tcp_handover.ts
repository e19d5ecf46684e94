/**
 * What passes between the thread that listens for ICE over TCP and the threads where the sessions
 * live. One listener serves them all: the first STUN request on a connection names its session.
 *
 * Both directions are bounded: who passes bytes on counts them until the other end says that it
 * took them. Plain structured-cloneable data.
 *
 * @module
 */

import type { SendKind } from "../datagrams/datagrams.ts";
import type { Endpoint } from "../datagrams/socket_options.ts";
import type { LentSocket } from "./lent_socket.ts";

/** Bytes passed on and not taken above which a connection is not read, or RTP not sent. */
export const HANDOVER_BYTES = 256 * 1024;
/** The same for what is not RTP: the connection is closed. */
export const HANDOVER_LIMIT_BYTES = 1024 * 1024;
/** Taken bytes are told in steps of at least this many. */
export const TAKEN_STEP_BYTES = 16 * 1024;

/** To the session's thread. `path` numbers a connection, or a relayed address, for all time. */
export type TcpToSession =
  | {
    /** One frame (RFC 4571 §2) that came. The first makes the path known. */
    readonly type: "tcp_received";
    readonly path: number;
    /** What the client speaks. */
    readonly protocol: "udp" | "tcp";
    readonly hostname: string;
    readonly port: number;
    readonly bytes: Uint8Array;
  }
  /** The thread may send by itself from now on. */
  | { readonly type: "tcp_lent"; readonly path: number; readonly socket: LentSocket }
  /** All that was sent by messages is written: a stream that was taken over may be written to. */
  | { readonly type: "tcp_written"; readonly path: number }
  /** The connection is gone. */
  | { readonly type: "tcp_ended"; readonly path: number }
  /** So many bytes of {@linkcode TurnStray}s were looked at. */
  | { readonly type: "turn_strays_taken"; readonly bytes: number }
  /** Video was left out for a slow reader, so many bytes in all, and is taken again. */
  | { readonly type: "tcp_gap"; readonly path: number; readonly droppedBytes: number }
  /** This many sent bytes are written, or were dropped. */
  | { readonly type: "tcp_taken"; readonly path: number; readonly bytes: number };

/** From the session's thread. */
export type TcpFromSession =
  | {
    readonly type: "tcp_send";
    readonly path: number;
    readonly kind: SendKind;
    readonly bytes: Uint8Array;
  }
  /** A picture of a video begins anew: what waits of it is worth nothing. */
  | { readonly type: "tcp_outdated"; readonly path: number; readonly ssrc: number }
  /** It proved, with STUN, to belong to a session. */
  | { readonly type: "tcp_opened"; readonly path: number }
  /** The last that was sent by a message: the thread writes to the lent stream by itself. */
  | { readonly type: "tcp_taken_over"; readonly path: number }
  /** What comes in for it over UDP is received by the thread, if the kernel gives it to that. */
  | { readonly type: "turn_receives"; readonly path: number }
  | TurnStray
  /** To be closed once what was sent is written. */
  | { readonly type: "tcp_close"; readonly path: number }
  | { readonly type: "tcp_taken"; readonly path: number; readonly bytes: number };

/** Something came to a thread that is not, or not yet, for a channel that it was lent. */
export interface TurnStray {
  readonly type: "turn_stray";
  /** The TURN server's address that it was sent to. */
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly bytes: Uint8Array;
}
