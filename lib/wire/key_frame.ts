/**
 * Whether a packet starts a key frame, by codec. The codec is looked up by name once, when a stream
 * is bound; per packet it is a small integer.
 *
 * @module
 */
import { isAv1KeyFrameStart } from "./av1_payload.ts";
import type { DependencyDescriptor } from "./dependency_descriptor.ts";
import { isH264KeyFrameStart, isH265KeyFrameStart } from "./h264_payload.ts";
import type { Vp8Descriptor } from "./vp8_descriptor.ts";
import type { Vp9Descriptor } from "./vp9_descriptor.ts";

/** Codec families as small integers. */
export const CODEC = { other: 0, vp8: 1, vp9: 2, h264: 3, h265: 4, av1: 5 } as const;
/** One value of {@linkcode CODEC}. */
export type CodecFamily = (typeof CODEC)[keyof typeof CODEC];

/** The family of a mime type such as `video/VP8`; letter case does not matter. */
export function codecFamily(mime: string): CodecFamily {
  switch (mime.toLowerCase()) {
    case "video/vp8":
      return CODEC.vp8;
    case "video/vp9":
      return CODEC.vp9;
    case "video/h264":
      return CODEC.h264;
    case "video/h265":
      return CODEC.h265;
    case "video/av1":
      return CODEC.av1;
    default:
      return CODEC.other;
  }
}

/**
 * Whether the payload `bytes[offset, offset + length)` starts a key frame.
 *
 * @param vp8 Already parsed for this packet if the family is VP8; untouched otherwise.
 * @param vp9 Scratch for parsing VP9.
 * @param descriptor The packet's dependency descriptor if it has one; it is believed for AV1 only,
 *   where a template structure comes with every key frame.
 */
export function isKeyFrameStart(
  family: CodecFamily,
  bytes: Uint8Array,
  offset: number,
  length: number,
  vp8: Vp8Descriptor,
  vp9: Vp9Descriptor,
  descriptor: DependencyDescriptor | undefined,
): boolean {
  switch (family) {
    case CODEC.vp8:
      return vp8.keyFrameStart;
    case CODEC.vp9:
      return vp9.parse(bytes, offset, length) && vp9.keyFrameStart;
    case CODEC.h264:
      return isH264KeyFrameStart(bytes, offset, length);
    case CODEC.h265:
      return isH265KeyFrameStart(bytes, offset, length);
    case CODEC.av1:
      // An end-to-end encrypted payload hides the aggregation header; the extension is in the
      // clear.
      if (descriptor !== undefined) return descriptor.keyFrameStart;
      return isAv1KeyFrameStart(bytes, offset, length);
    default:
      return false;
  }
}
