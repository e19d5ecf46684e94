/**
 * The port through which the media plane sends and receives UDP. One socket, many peers.
 *
 * Shaped for batches, so a twin that moves 64 packets in one system call fits under it: input comes
 * as a run of `onDatagram` calls and then one `onBatchEnd`; output is queued and leaves at the
 * latest on `flush`. A twin whose system call carries one datagram makes batches of one.
 *
 * Output is written where it will be sent from: `reserve` lends a slot of the queue, `commit` sends
 * what was written into it. `send` is the same with a copy. Committing the datagrams of one
 * destination one after the other, those of equal size together, lets a twin send them as one.
 *
 * What a twin receives at once it may deliver in another order where that is of use: records that
 * {@linkcode isSackRecord} names behind all else, and the one that came last first.
 *
 * Nothing here throws after the socket is bound: what cannot be sent or received is counted.
 *
 * @module
 */

export { isSackRecord } from "./sack_record.ts";

/**
 * Where a datagram came from, or goes to. Structurally a `Deno.NetAddr`. A value that never
 * changes: it may be kept, and one that came with a datagram is the cheapest to answer to.
 */
export interface RemoteAddress {
  readonly transport: "udp" | "tcp";
  /** Literal IPv4 or IPv6 address; IPv4 peers of a dual-stack socket read `::ffff:192.0.2.1`. */
  readonly hostname: string;
  readonly port: number;
}

/**
 * Room for one received datagram. WebRTC keeps to path MTUs; a longer one is cut and so dropped.
 */
export const MAX_DATAGRAM_BYTES = 2048;

/**
 * Longest datagram that is sent, and the size of a send slot: an Ethernet frame's worth, above any
 * MTU WebRTC uses; a multiple of 32, so that every slot begins on a boundary ciphers like.
 */
export const MAX_SEND_BYTES = 1536;

/**
 * What a datagram is to the send queue. A full queue drops the oldest `video` first: it is most of
 * the traffic, is stale soonest, and is repaired by retransmission and key frames.
 */
export const SendKind = {
  /** Audio, RTCP, STUN, DTLS: what a call cannot do without. */
  other: 0,
  video: 1,
  /** Messages: they have a way of their own to be sent again, and to wait. */
  data: 2,
} as const;
export type SendKind = (typeof SendKind)[keyof typeof SendKind];

/** Totals since the socket was bound; drops are in the `DropCounters` the twin was given. */
export interface DatagramCounters {
  received: number;
  receivedBytes: number;
  /** Handed to the operating system. */
  sent: number;
  sentBytes: number;
}

/** How routers are to treat what is sent. */
export interface PacketMarks {
  /** Differentiated services code point, 0 to 63 (RFC 2474 §3); 46 is expedited forwarding. */
  readonly dscp?: number;
  /** ECN-capable, ECT(0), as RFC 6679 §6 has it for RTP. */
  readonly ecn?: boolean;
}

/** One bound UDP socket. */
export interface Datagrams {
  /** As bound: the port is the real one when 0 was asked for. */
  readonly localAddress: { readonly hostname: string; readonly port: number };
  readonly counters: Readonly<DatagramCounters>;
  /** Settles when the socket is gone and no operation of it is pending; never rejects. */
  readonly closed: Promise<void>;

  /** Where every reserved slot lies. Never moves, so native code may learn its address once. */
  readonly slab: ArrayBuffer;

  /**
   * Lends the next free send slot: a persistent view of `slab` of `MAX_SEND_BYTES` bytes with the
   * datagram's first byte at index 0, filled with leftovers. The slot is the caller's until the
   * next `commit` or `send`; without one, the next `reserve` lends the same slot again.
   *
   * A full queue is flushed first; then it drops its oldest video, counted
   * `udp_send_dropped_video`.
   *
   * @returns `undefined` if all that waits is of another kind, counted `udp_send_queue_full`, and
   * after `close`, counted `udp_send_closed`.
   */
  reserve(): Uint8Array | undefined;
  /**
   * Queues the first `length` bytes of the slot reserved last. Datagrams for one destination leave
   * in the order of their commits. Dropped are a length above `MAX_SEND_BYTES`, counted
   * `udp_send_too_long`, and a commit with nothing reserved, counted `udp_send_not_reserved`.
   */
  commit(length: number, remote: RemoteAddress, kind: SendKind): void;
  /**
   * Queues a copy of `bytes[0..length)` as `SendKind.other`: `reserve` and `commit` in one, with
   * their order and their drops. The caller may reuse the bytes at once.
   */
  send(bytes: Uint8Array, length: number, remote: RemoteAddress): void;
  /** Promises that everything queued leaves without waiting for more. */
  flush(): void;
  /** Idempotent. What is still queued is dropped. */
  close(): void;

  /**
   * Set once, before the first datagram is due (in the task that bound the socket). `bytes` is
   * valid during the call only and may be changed in place. Must not throw, as it would end the
   * receiving.
   */
  onDatagram: (bytes: Uint8Array, length: number, remote: RemoteAddress) => void;
  /**
   * After each run of `onDatagram` calls: the time for work that is better done once per batch, and
   * to flush. What is queued afterwards leaves soon by itself.
   */
  onBatchEnd: () => void;
  /**
   * Before each call that gives the kernel what is queued, as {@linkcode onFlushed} has it: a
   * thread that waits for a core waits when that call returns.
   */
  onFlushing?: () => void;
  /**
   * After each call that has given the kernel something that was queued, or the last of it, by a
   * twin that does that in one go; others never call it. What the kernel has not taken by then
   * counts as if it had: else what left first would seem to have left with the last, which does
   * more harm (`departures.ts`). Must not throw, and send nothing.
   */
  onFlushed?: () => void;
}
