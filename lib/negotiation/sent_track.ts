/**
 * A track on its way to a client, and how one section of a description says so. The same for
 * sections that we offer and for those in which a client offers to receive.
 *
 * Pure.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type HeaderExtension,
  type MediaKind,
  type PlayoutDelayRange,
  type SendSection,
} from "../base/media_vocabulary.ts";

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
  /** Of repair packets; video without it has none. */
  readonly fecSsrc?: number;
  readonly stereo: boolean;
  /** How long the client is to wait before it shows a picture; absent: that is its business. */
  readonly playoutDelay?: PlayoutDelayRange;
  /** The publisher puts more behind a frame than the client can bear. */
  readonly stripsTrailer?: boolean;
  /** From end to end. */
  readonly isEncrypted?: boolean;
  /** It comes with redundancy: a subscriber that gets it without cannot have packets again. */
  readonly isRedundant?: boolean;
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
  audio: [EXTENSION_URI.mid, EXTENSION_URI.absCaptureTime, EXTENSION_URI.transportCc],
  video: [
    EXTENSION_URI.mid,
    EXTENSION_URI.absCaptureTime,
    EXTENSION_URI.absSendTime,
    EXTENSION_URI.dependencyDescriptor,
    EXTENSION_URI.transportCc,
  ],
};

/**
 * The same where we answer. Audio is not numbered there, because a client numbers what it sends in
 * sections of a kind if any of them is numbered, and audio alone should cost no feedback.
 */
export const ANSWERED_EXTENSIONS: Readonly<Record<MediaKind, readonly string[]>> = {
  audio: SENT_EXTENSIONS.audio.filter((uri) => uri !== EXTENSION_URI.transportCc),
  video: SENT_EXTENSIONS.video,
};

/** Feedback that says when each numbered packet came. */
const NUMBERED_FEEDBACK = "transport-cc";
const VIDEO_FEEDBACK = ["ccm fir", "nack", "nack pli", "goog-remb"];
const AUDIO_FEEDBACK = ["nack"];

/**
 * A codec as a section that carries `track` describes it: our feedback, and stereo where it is.
 *
 * @param numbered Whether feedback on numbered packets is part of it.
 */
export function sentCodec(
  codec: CodecParameters,
  track: SubscribedTrack,
  numbered: boolean,
): CodecParameters {
  const numbers = numbered ? [NUMBERED_FEEDBACK] : [];
  if (codec.mime === FLEXFEC_MIME) return { ...codec, feedback: [...numbers, "goog-remb"] };
  if (track.kind === "video") return { ...codec, feedback: [...numbers, ...VIDEO_FEEDBACK] };
  // Redundancy takes the place of retransmission, so what is sent or comes as RED has no NACK.
  const red = codec.mime === "audio/red" || track.isRedundant === true;
  const feedback = red ? numbers : [...numbers, ...AUDIO_FEEDBACK];
  const stereo = track.stereo && codec.mime === "audio/opus";
  return { ...codec, feedback, fmtp: stereo ? `${codec.fmtp};sprop-stereo=1` : codec.fmtp };
}

/** Whether a client said of a codec that it tells when each numbered packet came. */
export function tellsArrivals({ feedback }: CodecParameters): boolean {
  return feedback.includes(NUMBERED_FEEDBACK);
}

/**
 * The extensions that are written of those a section has: no numbers for a client that would never
 * say what became of them. In order of their ids: pion shuffles its lines in each description, and
 * that is no change.
 *
 * @param codecs As the client described them.
 */
export function writtenExtensions(
  extensions: readonly HeaderExtension[],
  codecs: readonly CodecParameters[],
): readonly HeaderExtension[] {
  const written = codecs.some(tellsArrivals)
    ? extensions
    : extensions.filter(({ uri }) => uri !== EXTENSION_URI.transportCc);
  return written.toSorted((a, b) => a.id - b.id);
}

/** What is done with the packets of a track, whatever section carries it. */
export function handlingOf(
  { stripsTrailer, isEncrypted }: SubscribedTrack,
): Pick<SendSection, "stripsTrailer" | "isEncrypted"> {
  return {
    ...(stripsTrailer === true ? { stripsTrailer } : {}),
    ...(isEncrypted === true ? { isEncrypted } : {}),
  };
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
  const { ssrc, cname } = track;
  const rtx = usesRtx(codecs) ? [track.rtxSsrc] : [];
  const fec = usesRepair(track, codecs) ? [track.fecSsrc!] : [];
  return [
    ...rtx.map((id) => `a=ssrc-group:FID ${ssrc} ${id}`),
    ...fec.map((id) => `a=ssrc-group:FEC-FR ${ssrc} ${id}`),
    ...[ssrc, ...rtx, ...fec].flatMap((id) => [
      `a=ssrc:${id} cname:${cname}`,
      `a=ssrc:${id} msid:${track.streamId} ${track.trackId}`,
    ]),
  ];
}

/** Whether a track sent in `codecs` may come with repair packets. */
function usesRepair(
  { fecSsrc }: SubscribedTrack,
  codecs: readonly CodecParameters[],
): boolean {
  return fecSsrc !== undefined && codecs.some(({ mime }) => mime === FLEXFEC_MIME);
}

/** SSRCs beside the media's, of a section in which `track` is sent in `codecs`. */
export function otherSsrcs(
  track: SubscribedTrack,
  codecs: readonly CodecParameters[],
): { readonly rtxSsrc?: number; readonly fecSsrc?: number } {
  return {
    ...(usesRtx(codecs) ? { rtxSsrc: track.rtxSsrc } : {}),
    ...(usesRepair(track, codecs) ? { fecSsrc: track.fecSsrc! } : {}),
  };
}

/** Whether any of `codecs` is retransmitted on an SSRC of its own. */
export function usesRtx(codecs: readonly CodecParameters[]): boolean {
  return codecs.some(({ rtxPayloadType }) => rtxPayloadType !== undefined);
}
