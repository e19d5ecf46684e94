/**
 * When a publisher's packets are due: frames at a steady rate, which a pacer lets out in bursts at
 * a multiple of the average rate, as browsers do, so that a key frame may take longer than one
 * frame's time. Pure: time is an argument.
 *
 * @module
 */

/** What one track consists of. */
export interface StreamShape {
  readonly kind: "audio" | "video";
  /** Frames per second at a scale of 1. */
  readonly frameRate: number;
  readonly packetsPerFrame: number;
  /** RTP bytes of each packet of a frame, header included, and of its last one. */
  readonly packetBytes: number;
  readonly lastPacketBytes: number;
  /** Packets that leave together. */
  readonly burst: number;
  /** One frame in so many is a key frame, this many times as large. */
  readonly keyFrameEvery: number;
  readonly keyFrameFactor: number;
}

/** 32 kbit/s of Opus in packets of 20 ms. */
export const VOICE: StreamShape = {
  kind: "audio",
  frameRate: 50,
  packetsPerFrame: 1,
  packetBytes: 108,
  lastPacketBytes: 108,
  burst: 1,
  keyFrameEvery: 1_000_000,
  keyFrameFactor: 1,
};

/** How much faster than the average the pacer sends: libwebrtc's factor. */
const PACING_FACTOR = 2.5;
/** Frames behind a key frame that may still wait for it. */
const MAX_FRAMES_BEHIND = 16;

/** What libwebrtc's pacer takes for the most that a socket's buffer holds, bytes. */
const MAX_BURST_BYTES = 63_000;

/**
 * Packets of a burst if the pacer may run so many ms ahead of its rate; the whole of any frame for
 * `Infinity`. What goes beyond the limit by a part of a packet still leaves.
 */
export function packetsAhead(shape: StreamShape, aheadMs: number): number {
  const packets = Math.ceil(PACING_FACTOR * nominalRate(shape) * aheadMs / 1000);
  const most = Math.floor(MAX_BURST_BYTES / shape.packetBytes);
  return aheadMs === Infinity ? Infinity : Math.max(1, Math.min(packets, most));
}

/** Packets of frame number `frame`. */
export function packetsOfFrame(shape: StreamShape, frame: number): number {
  const isKey = frame % shape.keyFrameEvery === 0;
  return shape.packetsPerFrame * (isKey ? shape.keyFrameFactor : 1);
}

/** Packets of the frames before frame number `frame`. */
export function packetsBefore(shape: StreamShape, frame: number): number {
  const keys = Math.ceil(frame / shape.keyFrameEvery);
  return shape.packetsPerFrame * (frame + keys * (shape.keyFrameFactor - 1));
}

/** Packets per second at a scale of 1, key frames included. */
export function nominalRate(shape: StreamShape): number {
  const { keyFrameEvery: frames, frameRate } = shape;
  return packetsBefore(shape, frames) / frames * frameRate;
}

/**
 * Packets that should have left by `elapsedMs`: no more than have been made, and than the pacer
 * lets out from whenever it last had nothing to do.
 *
 * @param scale Frames come this many times as often as at a scale of 1.
 */
export function packetsDue(shape: StreamShape, scale: number, elapsedMs: number): number {
  if (elapsedMs < 0) return 0;
  const frameMs = 1000 / (shape.frameRate * scale);
  const frame = Math.floor(elapsedMs / frameMs);
  const burstsPerMs = PACING_FACTOR * nominalRate(shape) * scale / 1000 / shape.burst;
  let due = packetsBefore(shape, frame) + packetsOfFrame(shape, frame);
  const keyFrame = frame - frame % shape.keyFrameEvery;
  for (let from = keyFrame; from <= Math.min(frame, keyFrame + MAX_FRAMES_BEHIND); from++) {
    due = Math.min(due, paced(from));
  }
  return Math.min(due, paced(frame));

  /** What is out if the pacer had nothing to do before frame number `from`. */
  function paced(from: number): number {
    const bursts = 1 + Math.floor((elapsedMs - from * frameMs) * burstsPerMs);
    return packetsBefore(shape, from) + bursts * shape.burst;
  }
}
