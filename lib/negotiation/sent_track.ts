/**
 * A track on its way to a client, and how one section of a description says so. The same for
 * sections that we offer and for those in which a client offers to receive.
 *
 * Pure.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import { type CodecParameters, EXTENSION_URI, type MediaKind } from "../base/media_vocabulary.ts";

/** One track to be sent to this client. */
export interface SubscribedTrack {
  readonly downTrack: DownTrackId;
  readonly kind: MediaKind;
  /** What the up-track can deliver, preferred first; payload types do not matter. */
  readonly codecs: readonly CodecParameters[];
  /** First and second word of `a=msid`. */
  readonly streamId: string;
  readonly trackId: string;
  readonly cname: string;
  /** Never used before on this connection: an old SSRC would confuse the client's jitter buffer. */
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly stereo: boolean;
}

/**
 * `codec_unsupported`: nothing in common. `section_rejected`: the client does not want to receive.
 */
export type RejectionReason = "codec_unsupported" | "section_rejected";

/** A down-track the client will not get. */
export interface RejectedTrack {
  readonly downTrack: DownTrackId;
  readonly reason: RejectionReason;
}

/** Header extensions a down-track writes. */
export const SENT_EXTENSIONS: Readonly<Record<MediaKind, readonly string[]>> = {
  audio: [EXTENSION_URI.mid, EXTENSION_URI.absCaptureTime],
  video: [
    EXTENSION_URI.mid,
    EXTENSION_URI.absCaptureTime,
    EXTENSION_URI.absSendTime,
    EXTENSION_URI.dependencyDescriptor,
  ],
};

const VIDEO_FEEDBACK = ["ccm fir", "nack", "nack pli", "goog-remb"];
const AUDIO_FEEDBACK = ["nack"];

/** A codec as a section that carries `track` describes it: our feedback, and stereo where it is. */
export function sentCodec(codec: CodecParameters, track: SubscribedTrack): CodecParameters {
  if (track.kind === "video") return { ...codec, feedback: VIDEO_FEEDBACK };
  // Redundancy takes the place of retransmission, so a track sent as RED has no NACK.
  const red = codec.mime === "audio/red" || track.codecs.some(({ mime }) => mime === "audio/red");
  const feedback = red ? [] : AUDIO_FEEDBACK;
  const stereo = track.stereo && codec.mime === "audio/opus";
  return { ...codec, feedback, fmtp: stereo ? `${codec.fmtp};sprop-stereo=1` : codec.fmtp };
}

/** `a=msid` of a section that carries `track`. */
export function msidLine({ streamId, trackId }: SubscribedTrack): string {
  return `a=msid:${streamId} ${trackId}`;
}

/** `a=ssrc-group` and `a=ssrc` lines (RFC 5576 §4). */
export function ssrcLines(
  track: SubscribedTrack,
  codecs: readonly CodecParameters[],
): readonly string[] {
  const { ssrc, rtxSsrc, cname } = track;
  const rtx = usesRtx(codecs);
  return [
    ...(rtx ? [`a=ssrc-group:FID ${ssrc} ${rtxSsrc}`] : []),
    ...(rtx ? [ssrc, rtxSsrc] : [ssrc]).flatMap((id) => [
      `a=ssrc:${id} cname:${cname}`,
      `a=ssrc:${id} msid:${track.streamId} ${track.trackId}`,
    ]),
  ];
}

/** Whether any of `codecs` is retransmitted on an SSRC of its own. */
export function usesRtx(codecs: readonly CodecParameters[]): boolean {
  return codecs.some(({ rtxPayloadType }) => rtxPayloadType !== undefined);
}
