/**
 * What becomes of messages for a reader that is slower than its writers.
 *
 * Reliable messages are never thrown away while the reader makes progress, if their writers can be
 * held: these are slowed down instead (see `data_flow.ts` in the engine), so that memory stays
 * bounded and files arrive whole. A reader below the threshold does not slow anybody down: it loses
 * its oldest messages, so that it soon sees the gap and what is new. Messages of lossy channels are
 * dropped once they would wait longer than their target latency.
 *
 * @module
 */
import type { DataChannelPolicy } from "../../base/media_vocabulary.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { DrainRate } from "./drain_rate.ts";

/** LiveKit's three channels by what they are for. */
export type ChannelKind = "reliable" | "lossy" | "data_track";

/** Labels of LiveKit's channels, whoever opens them. */
export const CHANNEL_LABELS: Readonly<Record<ChannelKind, string>> = {
  reliable: "_reliable",
  lossy: "_lossy",
  data_track: "_data_track",
};

/** Bytes that may wait in a reliable channel: seconds of a slow phone's link. */
const MAX_RELIABLE_BUFFER_BYTES = 4 * 1024 * 1024;
/** Bytes that may wait in a lossy one, where late is as bad as lost. */
export const MAX_LOSSY_BUFFER_BYTES = 256 * 1024;
/** With a threshold: waiting reliable bytes from which writers wait, or a slow reader loses. */
export const BACKLOG_BYTES = 128 * 1024;
/** Without one, writers wait only where messages would be lost otherwise. */
const LAST_RESORT_BACKLOG_BYTES = 3 * 1024 * 1024;
/** From here on everybody waits who can, however little he wrote: soon messages are lost. */
const SHARED_BUFFER_BYTES = (LAST_RESORT_BACKLOG_BYTES + MAX_RELIABLE_BUFFER_BYTES) / 2;
/**
 * Up to where messages are queued whose sender cannot be held: the rest of the buffer is for those
 * who can, who would lose messages otherwise without ever having been told to wait. It is more than
 * writers fill who are held from the backlog's limit on, and what others may have besides.
 */
const MAX_UNHELD_BUFFER_BYTES = SHARED_BUFFER_BYTES - 64 * 1024;
/** What those who are not held may have waiting together is one part of that in so many. */
const BACKLOG_SHARES = 8;
/** Without a threshold: a reader below this, bit/s, may not slow a whole room down to its pace. */
const STALLED_BPS = 100_000;
/** Waiting lossy bytes that are never too many, whatever the rate. */
const MIN_LOSSY_BUFFER_BYTES = 8 * 1024;
/** How long a lossy message may wait, ms, whatever is configured: it is of no use later. */
export const MAX_LOSSY_AGE_MS = 2_000;
/** A slow reader is behind by this at most, ms at the threshold, so that it soon sees the gap. */
const SLOW_READER_BEHIND_MS = 2_000;
const MIN_SLOW_BACKLOG_BYTES = 8 * 1024;

/** No thresholds and no data tracks: what holds where nothing is configured. */
export const DEFAULT_DATA_POLICY: DataChannelPolicy = {
  dataTracks: false,
  slowThresholdBps: 0,
  lossyTargetLatencyMs: 0,
  dataTrackTargetLatencyMs: 0,
};

/** Whether the reader of a reliable channel is so slow that nobody should wait for it. */
export function isSlowReader(policy: DataChannelPolicy, rate: DrainRate, now: number): boolean {
  const bps = rate.bps(now);
  return bps !== undefined && bps < (policy.slowThresholdBps || STALLED_BPS);
}

/** Waiting reliable bytes from which writers are to wait; they may go on at half of it. */
export function backlogLimit({ slowThresholdBps }: DataChannelPolicy): number {
  return slowThresholdBps > 0 ? BACKLOG_BYTES : LAST_RESORT_BACKLOG_BYTES;
}

/**
 * Of a reader with too much waiting, what one of `senders` may have waiting without being held, so
 * that who writes little need not wait for who writes much. All of it together is little; nothing
 * where the buffer is nearly full.
 */
export function backlogShare(
  policy: DataChannelPolicy,
  senders: number,
  waitingBytes: number,
): number {
  if (waitingBytes >= SHARED_BUFFER_BYTES) return 0;
  return backlogLimit(policy) / BACKLOG_SHARES / Math.max(1, senders);
}

/**
 * Why a message must not be queued, as a drop reason.
 *
 * @param holdable Whether its sender can be held; the last part of a reliable buffer is for those.
 */
export function refusal(
  policy: DataChannelPolicy,
  channel: { readonly label: string; readonly lossy: boolean; readonly rate: DrainRate },
  waitingBytes: number,
  messageBytes: number,
  now: number,
  holdable = true,
): TransportDrop | undefined {
  if (channel.lossy) {
    if (waitingBytes + messageBytes > MAX_LOSSY_BUFFER_BYTES) return "data_lossy_buffer_full";
    return isLate(policy, channel, waitingBytes, now) ? "data_lossy_late" : undefined;
  }
  const most = holdable ? MAX_RELIABLE_BUFFER_BYTES : MAX_UNHELD_BUFFER_BYTES;
  return waitingBytes + messageBytes > most ? "data_reliable_buffer_full" : undefined;
}

/**
 * Reliable bytes that may wait for a reader before its oldest messages are given up: any number
 * unless it turned out to be slow.
 *
 * @param begunBytes Of a message that has begun, which must end: a large one leaves room for some
 *   that are new, or each of those would push out the one before.
 */
export function keptBacklog(
  policy: DataChannelPolicy,
  rate: DrainRate,
  now: number,
  begunBytes = 0,
): number {
  const { slowThresholdBps } = policy;
  if (slowThresholdBps === 0 || !isSlowReader(policy, rate, now)) return Infinity;
  const bytes = slowThresholdBps * SLOW_READER_BEHIND_MS / 8_000;
  const least = begunBytes + MIN_SLOW_BACKLOG_BYTES;
  return Math.max(Math.min(bytes, BACKLOG_BYTES), least);
}

function isLate(
  policy: DataChannelPolicy,
  { label, rate }: { readonly label: string; readonly rate: DrainRate },
  waitingBytes: number,
  now: number,
): boolean {
  if (waitingBytes <= MIN_LOSSY_BUFFER_BYTES) return false;
  const latencyMs = label === CHANNEL_LABELS.data_track
    ? policy.dataTrackTargetLatencyMs
    : policy.lossyTargetLatencyMs;
  const bps = latencyMs > 0 ? rate.bps(now) : undefined;
  return bps !== undefined && waitingBytes > bps * latencyMs / 8000;
}
