/**
 * The port between what writes RTP packets and what seals and sends them.
 *
 * A packet is handed over as a header written into borrowed room and a payload that is only read,
 * so that sealing it is the one time its payload is touched. Whoever wrote the header says what is
 * in it: nobody behind the port reads it again.
 *
 * @module
 */

/** Tail of a reserved buffer that a sink uses to seal in place. */
export const SEAL_BYTES = 32;

/** What a packet is for. */
export const PACKET_KIND = {
  media: 0,
  audio: 1,
  /** Sent again because it was missed. */
  repair: 2,
  /** Sent to find out what the path carries. */
  padding: 3,
  /** Sent again under all the numbers that it had: its arrival tells nothing. */
  again: 4,
} as const;
export type PacketKind = (typeof PACKET_KIND)[keyof typeof PACKET_KIND];

/** A probe is a burst with a number from 1 to 255; this is none. */
export const NO_CLUSTER = 0;

/** In place of a transport-wide number: the connection uses none, or not for this packet. */
export const NOT_NUMBERED = -1;
export const SKIPPED = -2;

/** Who remembers what was sent under the transport-wide numbers of one connection. */
export interface SendHistory {
  /** Whether a packet that leaves now is to have a number. */
  numbers(now: number): boolean;
  /** A packet left that has none, because it was not to; arguments as of {@linkcode sent}. */
  skipped(bytes: number, now: number): void;
  /** A packet left that has none, because its receiver knows no such numbers. */
  unnumbered(bytes: number, now: number): void;
  /**
   * A packet left.
   *
   * @param sequence Its transport-wide number, 16 bits.
   * @param bytes The datagram's payload, sealed.
   * @param now Monotonic ms.
   */
  sent(sequence: number, bytes: number, kind: PacketKind, now: number): void;
  /** What left was a packet of video, which is only read, and only during the call. */
  sentMedia?(sequence: number, packet: StreamPacket): void;
}

/** A packet's place in its stream. */
export interface StreamPacket {
  /** 32 bits, as in the header. */
  readonly ssrc: number;
  /** The low 16 bits are those in the header. */
  readonly sequence: number;
}

/** What a sink knows of a stream that it seals. */
export interface SealedStream {
  /** Who seals it. */
  readonly owner: object;
  /** As signed 32 bits. */
  readonly ssrc: number;
  /** Its highest number so far, extended. */
  highest: number;
}

/** One packet that is written: it begins in the reserved bytes and ends in `source`. */
export interface WrittenPacket extends StreamPacket {
  /** Video is the first to go where a queue is full. */
  readonly isVideo: boolean;
  /** Bytes of the header, which are not encrypted. */
  readonly headerLength: number;
  /** Bytes written to the reserved room: the header, and what was rewritten of the payload. */
  readonly written: number;
  /** The rest of the payload is `source[sourceAt, sourceAt + sourceLength)`. */
  readonly source: Uint8Array;
  readonly sourceAt: number;
  readonly sourceLength: number;
  /** Kept here by the sink, so that whoever sends the next packet of the stream need not look. */
  sealing?: SealedStream | undefined;
}

/** A written packet with what its connection notes of it. */
export interface NumberedPacket extends WrittenPacket {
  /** Transport-wide number in the header (16 bits); negative: one of those above. */
  readonly transportSequence: number;
  readonly packetKind: PacketKind;
}

/** Where a down-track's packets go, one at a time; one per connection. */
export interface PacketSink {
  /**
   * Where the next packet is written, from index 0 on; the last {@linkcode SEAL_BYTES} are the
   * sink's own. `undefined` if nothing can be sent now, which the sink counts. Valid until the next
   * call of any sink, and may be left unused.
   */
  reserve(): Uint8Array | undefined;
  /**
   * Sends the packet that begins in the reserved bytes and ends in `packet.source`, which is only
   * read, and only during the call: sealing and copying are one step.
   *
   * @param now Monotonic ms, an integer.
   */
  send(packet: NumberedPacket, now: number): void;
  /**
   * A picture of the video `ssrc` begins anew: what waits of it for a slow reader is worth nothing.
   *
   * @returns Whether something was left out, which nobody needs any more. Absent: nothing waits.
   */
  outdate?(ssrc: number): boolean;
  /**
   * The connection's next transport-wide sequence number (16 bits), {@linkcode NOT_NUMBERED} while
   * it uses none, or {@linkcode SKIPPED} if a packet that leaves now is to have none.
   */
  nextTransportSequence(now: number): number;
}
