/**
 * Limits and choices of data tracks, data blobs and data channels.
 *
 * @module
 */
import type { DataChannelPolicy } from "../../base/media_vocabulary.ts";
import type { DataLimits } from "../../engine/messages/data_messages.ts";

/** Sizes in bytes; 0 is no limit. */
export interface DataOptions extends DataChannelPolicy {
  /** Whether participants may leave blobs for others. */
  readonly dataBlobs: boolean;
  readonly maxBlobKeyLength: number;
  /** Of all blobs of a participant, keys included. */
  readonly maxBlobsSize: number;
  /** Of the name of an encoding that has no number. */
  readonly maxCustomEncodingLength: number;
  /** What one participant may send. */
  readonly limits: DataLimits;
}

export const DEFAULT_DATA_OPTIONS: DataOptions = {
  dataTracks: true,
  slowThresholdBps: 0,
  lossyTargetLatencyMs: 0,
  dataTrackTargetLatencyMs: 100,
  dataBlobs: false,
  maxBlobKeyLength: 256,
  maxBlobsSize: 64_000,
  maxCustomEncodingLength: 32,
  limits: { messagesPerS: 10_000, bytesPerS: 12_500_000 },
};

/** What the media plane is to know of them. */
export function channelPolicy(options: DataOptions): DataChannelPolicy {
  const { dataTracks, slowThresholdBps, lossyTargetLatencyMs, dataTrackTargetLatencyMs } = options;
  return { dataTracks, slowThresholdBps, lossyTargetLatencyMs, dataTrackTargetLatencyMs };
}
