/**
 * When a publisher's packets are due: frames at a steady rate, each spread over bursts as a browser's
 * pacer spreads them. Pure: time is an argument.
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

/** Between two bursts of a frame: a browser's pacer. Shorter if the frame would not be out in time. */
const BURST_SPACING_MS = 5;
/** Share of a frame's time in which all of it must be out. */
const SENDING_SHARE = 0.8;

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
 * Packets that should have left by `elapsedMs`.
 *
 * @param scale Frames come this many times as often as at a scale of 1.
 */
export function packetsDue(shape: StreamShape, scale: number, elapsedMs: number): number {
  if (elapsedMs < 0) return 0;
  const frameMs = 1000 / (shape.frameRate * scale);
  const frame = Math.floor(elapsedMs / frameMs);
  const packets = packetsOfFrame(shape, frame);
  const bursts = Math.ceil(packets / shape.burst);
  const spacing = Math.min(BURST_SPACING_MS, frameMs * SENDING_SHARE / bursts);
  const begun = Math.floor((elapsedMs - frame * frameMs) / spacing) + 1;
  return packetsBefore(shape, frame) + Math.min(packets, begun * shape.burst);
}
