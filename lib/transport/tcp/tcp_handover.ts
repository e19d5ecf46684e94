/**
 * What passes between the thread that listens for ICE over TCP and the threads where the sessions
 * live. One listener serves them all: the first STUN request on a connection names its session.
 *
 * Both directions are bounded: who passes bytes on counts them until the other end says that it
 * took them. Plain structured-cloneable data.
 *
 * @module
 */

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
  /** The connection is gone. */
  | { readonly type: "tcp_ended"; readonly path: number }
  /** This many sent bytes are in the socket's own queue, or were dropped there. */
  | { readonly type: "tcp_taken"; readonly path: number; readonly bytes: number };

/** From the session's thread. */
export type TcpFromSession =
  | { readonly type: "tcp_send"; readonly path: number; readonly bytes: Uint8Array }
  /** It proved, with STUN, to belong to a session. */
  | { readonly type: "tcp_opened"; readonly path: number }
  /** To be closed once what was sent is written. */
  | { readonly type: "tcp_close"; readonly path: number }
  | { readonly type: "tcp_taken"; readonly path: number; readonly bytes: number };
