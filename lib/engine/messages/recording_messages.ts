/**
 * What the media plane is told of recordings, and what it tells for them: the packets of a track as
 * a subscriber would get them, in bundles.
 *
 * A recorded track is a down-track without a connection: `set_down_track_source` and
 * `remove_down_track` hold for it, too.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { CodecParameters, MediaKind } from "../../base/media_vocabulary.ts";

/** What is to be recorded. */
export type RecordingCommand =
  | {
    /**
     * Tells the packets of `upTrack`, its best layer, until it is removed; ignored if it exists.
     */
    readonly type: "record_track";
    readonly downTrack: DownTrackId;
    readonly upTrack: UpTrackId;
    readonly kind: MediaKind;
    /** What can be recorded; payload types tell them apart in what is told. */
    readonly codecs: readonly CodecParameters[];
  }
  | {
    /** Something was lost for good: pictures are of no use until the next key frame. */
    readonly type: "request_key_frame";
    readonly downTrack: DownTrackId;
  };

/** Which instant one of a stream's timestamps is, by its publisher's wall clock. */
export interface RecordedClock {
  /** Milliseconds since 1900, when this was told. */
  readonly ntpMs: number;
  /** The stream's timestamp at that instant, 32 bits. */
  readonly rtpTimestamp: number;
}

/** What comes of it. */
export type RecordingEvent =
  | {
    /** Packets of a recorded track, as they came: what was sent again is late. */
    readonly type: "recorded";
    readonly downTrack: DownTrackId;
    /** Whole RTP packets, each behind its length in two bytes. */
    readonly packets: Uint8Array<ArrayBuffer>;
    /** How long ago the first of them came, ms. */
    readonly ageMs: number;
    /** Absent while the publisher has not said. */
    readonly clock?: RecordedClock;
  }
  | {
    /** It is recorded no more, because of a fault of ours or because its worker was lost. */
    readonly type: "recording_lost";
    readonly downTrack: DownTrackId;
  };
