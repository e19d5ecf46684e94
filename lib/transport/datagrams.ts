/**
 * The port through which the media plane sends and receives UDP. One socket, many peers.
 *
 * Shaped for batches, so a twin that moves 64 packets in one system call fits under it: input comes as
 * a run of `onDatagram` calls and then one `onBatchEnd`; output is queued by `send` and leaves at the
 * latest on `flush`. A twin whose system call carries one datagram makes batches of one.
 *
 * Nothing here throws after the socket is bound: what cannot be sent or received is counted.
 *
 * @module
 */

/** Where a datagram came from, or goes to. Structurally a `Deno.NetAddr`. */
export interface RemoteAddress {
  readonly transport: "udp" | "tcp";
  /** Literal IPv4 or IPv6 address; IPv4 peers of a dual-stack socket read `::ffff:192.0.2.1`. */
  readonly hostname: string;
  readonly port: number;
}

/** Room for one received datagram. WebRTC keeps to path MTUs; a longer one is cut and so dropped. */
export const MAX_DATAGRAM_BYTES = 2048;

/** Longest datagram `send` takes: an Ethernet frame's worth, above any MTU WebRTC uses. */
export const MAX_SEND_BYTES = 1536;

/** Totals since the socket was bound; drops are in the `DropCounters` the twin was given. */
export interface DatagramCounters {
  received: number;
  receivedBytes: number;
  /** Handed to the operating system. */
  sent: number;
  sentBytes: number;
}

/** One bound UDP socket. */
export interface Datagrams {
  /** As bound: the port is the real one when 0 was asked for. */
  readonly localAddress: { readonly hostname: string; readonly port: number };
  readonly counters: Readonly<DatagramCounters>;
  /** Settles when the socket is gone and no operation of it is pending; never rejects. */
  readonly closed: Promise<void>;

  /**
   * Queues `bytes[0..length)`. The bytes are taken before this returns, so the caller may reuse them at
   * once. Keeps the order of calls. A full queue drops the datagram, counted `udp_send_queue_full`.
   */
  send(bytes: Uint8Array, length: number, remote: RemoteAddress): void;
  /** Promises that everything queued leaves without waiting for more. */
  flush(): void;
  /** Idempotent. What is still queued is dropped. */
  close(): void;

  /**
   * Set once, before the first datagram is due (in the task that bound the socket). `bytes` is valid
   * during the call only and may be changed in place. Must not throw, as it would end the receiving.
   */
  onDatagram: (bytes: Uint8Array, length: number, remote: RemoteAddress) => void;
  /** After each run of `onDatagram` calls: the time for work that is better done once per batch. */
  onBatchEnd: () => void;
}
