/**
 * Words that negotiation, media and the engine share: codecs, header extensions, ICE and DTLS
 * parameters, as plain structured-cloneable data.
 *
 * @module
 */
import type { UpTrackId } from "./ids.ts";

export type MediaKind = "audio" | "video";

/** One codec of one media section, with the payload types negotiated for that section. */
export interface CodecParameters {
  /** Lower-case kind, codec as LiveKit spells it: `audio/opus`, `video/VP8`, `video/H264`. */
  readonly mime: string;
  readonly payloadType: number;
  readonly clockRate: number;
  /** Audio channels; absent for video. */
  readonly channels?: number;
  /** The `a=fmtp` text without the payload type, empty if there is none. */
  readonly fmtp: string;
  /** `a=rtcp-fb` values: `nack`, `nack pli`, `ccm fir`, `transport-cc`, `goog-remb`. */
  readonly feedback: readonly string[];
  /** Payload type of the `rtx` codec whose `apt` is this one (RFC 4588 §8), if negotiated. */
  readonly rtxPayloadType?: number;
}

/** One negotiated RTP header extension (`a=extmap`), RFC 8285 §5. */
export interface HeaderExtension {
  readonly id: number;
  readonly uri: string;
}

/**
 * Repair packets of a stream of their own (draft-ietf-payload-flexible-fec-scheme-03), a codec of a
 * section that no track comes in.
 */
export const FLEXFEC_MIME = "video/flexfec-03";

/** Header extensions this server understands. */
export const EXTENSION_URI = {
  mid: "urn:ietf:params:rtp-hdrext:sdes:mid",
  rid: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  repairedRid: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  audioLevel: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  transportCc: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
  absSendTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  absCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
  playoutDelay: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
  dependencyDescriptor:
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
  videoOrientation: "urn:3gpp:video-orientation",
} as const;

/** `a=ice-ufrag` and `a=ice-pwd` of one side. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** `a=fingerprint`: algorithm in lower case, value as upper-case hex pairs joined by colons. */
export interface DtlsFingerprint {
  readonly algorithm: string;
  readonly value: string;
}

/** Who sends the DTLS ClientHello: the side whose `a=setup` became `active` (RFC 5763 §5). */
export type DtlsRole = "client" | "server";

/** One address where the media plane listens, as it is advertised to clients (RFC 8839 §5.1). */
export interface MediaAddress {
  readonly protocol: "udp" | "tcp";
  /** Literal IPv4 or IPv6 address, without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** Spatial layer of a simulcast or SVC track, lowest first. */
export type SpatialLayer = 0 | 1 | 2;
/** The data channels of LiveKit's protocol. */
export type DataKind = "reliable" | "lossy";

/**
 * The largest message we say we take, bytes, by who opens the channels. Of clients what LiveKit's
 * server takes (1.13.5, `pkg/rtc/transport.go`), so that most can be given to everybody; where we
 * open them clients send nothing, but libwebrtc takes no more than the other side does, so what
 * libwebrtc takes.
 */
export const MAX_MESSAGE_BYTES = { accept: 65_535, create: 262_144 } as const;

/** How the data channels of a connection treat a reader that is too slow; 0 turns a rule off. */
export interface DataChannelPolicy {
  /** `_data_track` channels are used; a client's own is closed otherwise. */
  readonly dataTracks: boolean;
  /** Reliable messages for a reader below this are lost, so that nobody waits for it; bit/s. */
  readonly slowThresholdBps: number;
  /** Longest a lossy message may wait. */
  readonly lossyTargetLatencyMs: number;
  /** Longest a data track's packet may wait. */
  readonly dataTrackTargetLatencyMs: number;
}

/** A section of a publisher's description that the engine is to receive. */
export interface ReceiveSection {
  readonly mid: string;
  readonly kind: MediaKind;
  /**
   * Names the track this section carries *now*. When a client reuses the m-line for another track
   * the control plane gives the section a new id, and the engine ends the old up-track.
   */
  readonly upTrack: UpTrackId;
  /** In order of preference. */
  readonly codecs: readonly CodecParameters[];
  readonly extensions: readonly HeaderExtension[];
  /**
   * Simulcast RIDs, lowest layer first: the index is the spatial layer. Empty without simulcast.
   */
  readonly rids: readonly string[];
  /** `a=ssrc` lines of the section, in order; needed where packets carry no mid. */
  readonly ssrcs: readonly {
    readonly ssrc: number;
    readonly rtxSsrc?: number;
    readonly fecSsrc?: number;
  }[];
}

/** How long a receiver of video is to wait before it shows a picture, at least and at most, ms. */
export interface PlayoutDelayRange {
  readonly minMs: number;
  readonly maxMs: number;
  /** More than the least where packets come unevenly. */
  readonly followsJitter: boolean;
  /**
   * Nothing was configured: what is told is what repairs take where packets are lost, and nothing
   * anywhere else.
   */
  readonly onlyRepairs?: boolean;
}

/** A section of a subscriber's description through which one down-track is sent. */
export interface SendSection {
  readonly mid: string;
  readonly kind: MediaKind;
  readonly ssrc: number;
  /** Retransmission SSRC (RFC 4588 §5); absent without RTX. */
  readonly rtxSsrc?: number;
  /** SSRC of repair packets; absent where the section has no flexfec-03. */
  readonly fecSsrc?: number;
  /** RTCP canonical name (RFC 3550 §6.5.1). */
  readonly cname: string;
  /** What the subscriber accepted, in its order. */
  readonly codecs: readonly CodecParameters[];
  readonly extensions: readonly HeaderExtension[];
  /**
   * What media has to come first, ms, until padding may open the stream; absent: the usual time.
   * For a client that must know the stream before anything of it comes.
   */
  readonly openAfterMs?: number;
  /** Told to a client that has taken the extension; absent: it decides itself. */
  readonly playoutDelay?: PlayoutDelayRange;
  /** What clients put behind a frame (`packet_trailer.ts`) is left out. */
  readonly stripsTrailer?: boolean;
  /** From end to end: nobody but the publisher can make a frame of it. */
  readonly isEncrypted?: boolean;
}

/** Whether what is sent in a section has numbers by which the receiver tells when it came. */
export function hasTransportNumbers({ extensions }: Pick<SendSection, "extensions">): boolean {
  return extensions.some(({ uri }) => uri === EXTENSION_URI.transportCc);
}

/** What a subscriber wants of one track, after permissions and settings. */
export interface LayerTarget {
  /** `false` forwards nothing (muted by the subscriber). */
  readonly enabled: boolean;
  readonly maxSpatial: SpatialLayer;
  /** 0–3. */
  readonly maxTemporal: number;
  /** Frames per second that are enough, as far as there are temporal layers; absent: no limit. */
  readonly maxFps?: number;
  /** Who gets bandwidth first, 1–255: 1 is the first; absent: behind all who have one. */
  readonly priority?: number;
  /** A shared screen, which comes before cameras whatever their priority. */
  readonly isScreen?: boolean;
  /** Audio that is wanted only while it is among the loudest of that room, by the room's sid. */
  readonly loudestOf?: string;
}
