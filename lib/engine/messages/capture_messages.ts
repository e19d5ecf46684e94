/**
 * What the media plane is told of packet captures, and what it tells for them: copies of one
 * connection's packets in the clear, without most of what is in them.
 *
 * @module
 */
import type { ConnectionId, DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection, SendSection } from "../../base/media_vocabulary.ts";

/** Begins or ends the capture of one connection. */
export interface CaptureCommand {
  /** Tells the connection's packets from now on; begins anew if it does so already. */
  readonly type: "capture_packets";
  readonly connection: ConnectionId;
  /** Absent: it ends. */
  readonly limits?: CaptureLimits;
}

/** When a capture ends by itself. */
export interface CaptureLimits {
  /** So many bytes were told. */
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** What a connection sends in one section. */
export interface SentSection {
  readonly downTrack: DownTrackId;
  readonly upTrack: UpTrackId;
  readonly section: SendSection;
}

/** What comes of it, in this order. */
export type CaptureEvent =
  | {
    /** What its packets are to be read by: of all sections at first, then of those that are new. */
    readonly type: "capture_described";
    readonly connection: ConnectionId;
    readonly receives: readonly ReceiveSection[];
    readonly sends: readonly SentSection[];
  }
  | {
    /** Packets in the order in which they came and went, as `packet_capture.ts` writes them. */
    readonly type: "captured";
    readonly connection: ConnectionId;
    readonly packets: Uint8Array<ArrayBuffer>;
  }
  | {
    /** No more packets are told of this connection. */
    readonly type: "capture_ended";
    readonly connection: ConnectionId;
    readonly reason: "bytes" | "time" | "stopped" | "closed";
  };

/** Whether an event is one of a capture. */
export function isCaptureEvent(event: { readonly type: string }): event is CaptureEvent {
  const { type } = event;
  return type === "captured" || type === "capture_described" || type === "capture_ended";
}
