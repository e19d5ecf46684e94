/**
 * What a down-track is made from and what it reports, as plain data and one listener.
 *
 * @module
 */
import type { PacketSink } from "../../base/packet_sink.ts";
import type {
  CodecParameters,
  HeaderExtension,
  LayerTarget,
  MediaKind,
  PlayoutDelayRange,
  SpatialLayer,
} from "../../base/media_vocabulary.ts";
import type { Pacer } from "./pacer.ts";
import type { RepairBudget } from "./repair_budget.ts";
import type { ToldLosses } from "./told_losses.ts";
import { ntpFraction, ntpSeconds, type RtcpClock } from "../layer/rtcp_clock.ts";

/** The section the track is sent in, as the subscriber accepted it. */
export interface DownTrackSection {
  readonly mid: string;
  readonly kind: MediaKind;
  readonly ssrc: number;
  readonly rtxSsrc?: number;
  readonly fecSsrc?: number;
  readonly codecs: readonly CodecParameters[];
  readonly extensions: readonly HeaderExtension[];
  readonly openAfterMs?: number;
  readonly playoutDelay?: PlayoutDelayRange;
  readonly stripsTrailer?: boolean;
  readonly isEncrypted?: boolean;
}

/** What a down-track tells its owner, from within the call that made it so. */
export interface DownTrackListener {
  /** The first packet was sent, or the layer being sent changed. */
  onLayer(spatial: SpatialLayer): void;
  /** `tick` has something to do at `at`, which may be sooner than it had before. */
  onTimed?(at: number): void;
  /** What there is of the track has changed: layers, or whether it is muted. */
  onSource?(): void;
  /** Forwarding threw: a bug of ours. */
  onFailed(error: unknown): void;
}

/** What a down-track is made of; none of it changes afterwards but the target. */
export interface DownTrackOptions {
  readonly section: DownTrackSection;
  /** Header extensions of the publisher's section ({@linkcode UpTrack.extensions}). */
  readonly publisherExtensions: readonly HeaderExtension[];
  readonly sink: PacketSink;
  /** As {@linkcode PacketReceiver.place}. */
  readonly place: number | undefined;
  readonly listener: DownTrackListener;
  readonly target: LayerTarget;
  /** What may be sent again; absent: whatever is asked for. */
  readonly repairs?: RepairBudget;
  /** What the subscriber tells not to have arrived; absent: it is asked for. */
  readonly losses?: ToldLosses;
  /** Spreads bursts of video; absent: everything leaves at once. */
  readonly pacer?: Pacer;
  /** First sequence number on the RTX SSRC, 16 bits; random in production (RFC 4588 §4). */
  readonly firstRtxSequence?: number;
  /**
   * First sequence number and timestamp of a stream that begins with padding; random in production
   * (RFC 3550 §5.1). One that begins with media takes its publisher's.
   */
  readonly firstSequence?: number;
  readonly firstTimestamp?: number;
}

/**
 * The sender part of a sender report (RFC 3550 §6.4.1), all unsigned 32 bits. Reused by its owner.
 */
export class SenderReportFigures {
  ssrc = 0;
  ntpSeconds = 0;
  ntpFraction = 0;
  rtpTimestamp = 0;
  packetCount = 0;
  octetCount = 0;

  /**
   * The publisher's wall clock, carried on to `now`.
   *
   * @param offset How far the subscriber's timestamps are behind the publisher's.
   */
  setTime(clock: RtcpClock, clockRate: number, offset: number, now: number): void {
    const ntpMs = clock.ntpMs + (now - clock.arrivedAt);
    this.ntpSeconds = ntpSeconds(ntpMs);
    this.ntpFraction = ntpFraction(ntpMs);
    this.rtpTimestamp = (clock.timestampAt(ntpMs, clockRate) - offset) >>> 0;
  }
}

/** Figures shaped for the engine's statistics. */
export interface DownTrackFigures {
  readonly spatial: SpatialLayer | undefined;
  readonly packets: number;
  readonly bytes: number;
  readonly retransmitted: number;
  readonly nacksReceived: number;
  readonly plisReceived: number;
}
