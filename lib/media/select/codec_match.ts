/**
 * Which of a subscriber's payload types can carry a publisher's stream unchanged.
 *
 * @module
 */
import type { CodecParameters } from "../../base/media_vocabulary.ts";

/**
 * The best entry of `offered` for a stream of `source`, or `undefined` if none can decode it.
 *
 * H.264 prefers the same profile and packetization mode, then the same mode, then any. VP9 and AV1
 * profiles are different bitstreams, so they must be equal. Opus goes with redundancy (RFC 2198 §3)
 * where that can be taken, however it comes, and else without.
 *
 * @param isBare Without redundancy in any case.
 */
export function matchCodec(
  source: CodecParameters,
  offered: readonly CodecParameters[],
  isBare = false,
): CodecParameters | undefined {
  const mime = source.mime.toLowerCase();
  const same = offered.filter((codec) =>
    codec.mime.toLowerCase() === mime && codec.clockRate === source.clockRate
  );
  switch (mime) {
    case "video/h264": {
      const mode = parameter(source.fmtp, "packetization-mode", "0");
      const profile = parameter(source.fmtp, "profile-level-id", "42e01f").slice(0, 4);
      const sameMode = same.filter((c) => parameter(c.fmtp, "packetization-mode", "0") === mode);
      return sameMode.find((c) =>
        parameter(c.fmtp, "profile-level-id", "42e01f").slice(0, 4) === profile
      ) ?? sameMode[0] ?? same[0];
    }
    case "video/vp9":
      return matchProfile(source, same, "profile-id");
    case "video/av1":
      return matchProfile(source, same, "profile");
    case "audio/opus":
    case "audio/red":
      return (isBare ? undefined : redundancyIn(offered)) ?? offered.find(isOpus);
    default:
      return same[0];
  }
}

function matchProfile(
  source: CodecParameters,
  same: readonly CodecParameters[],
  name: string,
): CodecParameters | undefined {
  const profile = parameter(source.fmtp, name, "0");
  return same.find((codec) => parameter(codec.fmtp, name, "0") === profile);
}

/** Redundant audio whose frames are of an opus that is offered, too. */
export function redundancyIn(offered: readonly CodecParameters[]): CodecParameters | undefined {
  return offered.find((codec) =>
    codec.mime.toLowerCase() === "audio/red" &&
    offered.some((opus) => isOpus(opus) && opus.payloadType === frameType(codec))
  );
}

function isOpus({ mime }: CodecParameters): boolean {
  return mime.toLowerCase() === "audio/opus";
}

/** Payload type of the frames in redundant audio; `NaN` if it does not say. */
export function frameType({ fmtp }: CodecParameters): number {
  return parseInt(fmtp, 10);
}

/** One `name=value` of an fmtp text, in lower case. */
function parameter(fmtp: string, name: string, missing: string): string {
  for (const part of fmtp.split(";")) {
    const [key, value] = part.split("=");
    if (key?.trim().toLowerCase() === name && value !== undefined) {
      return value.trim().toLowerCase();
    }
  }
  return missing;
}
