/**
 * What a WHEP viewer writes to the layer resource of its session
 * (`urn:ietf:params:whep:ext:core:layer`): JSON that names one of the layers of a video.
 *
 * Pure and total: whatever comes gives a wish, or what is wrong with it in words.
 *
 * @module
 */
import { VideoQuality } from "@livekit/protocol";
import { qualityNamed } from "./whep_parameters.ts";

/** The highest layer of a video that is wanted from now on. */
export interface LayerWish {
  /** The mid of one section; absent: of all. */
  readonly mediaId?: string;
  readonly quality: VideoQuality;
}

/** Longest text read, characters; a wish has some 100. */
const MAX_CHARS = 4_096;

const BY_LAYER: readonly VideoQuality[] = [
  VideoQuality.LOW,
  VideoQuality.MEDIUM,
  VideoQuality.HIGH,
];

/**
 * Reads one wish. What names no layer wants the best that bandwidth allows; unknown members, and
 * temporal layers, are passed over.
 *
 * @returns Words that say what is wrong, if something is.
 */
export function parseLayerWish(text: string): LayerWish | string {
  if (text.length > MAX_CHARS) return `layer wish exceeds ${MAX_CHARS} characters`;
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    return "malformed json in layer wish";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "layer wish is not a JSON object";
  }
  const { mediaId, encodingId, spatialLayerId, maxSpatialLayerId } = value as Readonly<
    Record<string, unknown>
  >;
  if (mediaId !== undefined && typeof mediaId !== "string") return "mediaId is not a string";
  const layer = spatialLayerId ?? maxSpatialLayerId;
  if (encodingId !== undefined && typeof encodingId !== "string") {
    return "encodingId is not a string";
  }
  const quality = encodingId !== undefined
    ? qualityNamed(encodingId)
    : layer === undefined
    ? VideoQuality.HIGH
    : typeof layer === "number"
    ? BY_LAYER[layer]
    : undefined;
  if (quality === undefined) {
    return encodingId !== undefined
      ? "unknown encodingId: low, medium and high are known"
      : "unknown spatial layer: 0, 1 and 2 are known";
  }
  return mediaId === undefined ? { quality } : { mediaId, quality };
}
