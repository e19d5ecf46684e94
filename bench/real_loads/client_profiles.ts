/**
 * What clients send beside media, by the library they are made with: when, how often, and in which
 * packets. Only what both sides negotiated is sent. Pure.
 *
 * @module
 */

export const PROFILE_NAMES = ["pion", "libwebrtc"] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** Times are ms. */
export interface ClientProfile {
  readonly name: ProfileName;
  /** STUN binding requests on a connection's path, also those that keep consent (RFC 7675). */
  readonly stunMs: number;
  /** Receiver reports, one stream each; sender reports of what is published likewise. */
  readonly videoReportMs: number;
  readonly audioReportMs: number;
  /** Each wait is drawn from this share of the interval below and above it. */
  readonly reportJitter: number;
  /** Reports end with a source description. */
  readonly describesSource: boolean;
  /** Transport-wide feedback, where it is negotiated. */
  readonly transportFeedbackMs: number;
  /** Receiver estimated maximum bitrate, where that is negotiated instead; 0 for never. */
  readonly rembMs: number;
  /** So many ms may the pacer of video run ahead of its rate; `Infinity` if there is no pacer. */
  readonly videoAheadMs: number;
}

/**
 * What a network adds: the share of received video packets that are asked for again, and seconds of
 * a video stream for each key frame that is asked for.
 */
export const NACKED_SHARE = 0.001;
export const PICTURE_LOSS_EVERY_S = 30;
/** A NACK waits so long for others, ms: pion's generator looks every 100 ms. */
export const NACK_EVERY_MS = 100;

const PION: ClientProfile = {
  name: "pion",
  // ice: defaultKeepaliveInterval, a binding request each time.
  stunMs: 2_000,
  // interceptor/report: every second, one packet for each stream.
  videoReportMs: 1_000,
  audioReportMs: 1_000,
  reportJitter: 0,
  describesSource: false,
  // interceptor/twcc: SenderInterceptor's interval.
  transportFeedbackMs: 100,
  rembMs: 0,
  // Samples are packetized and written at once.
  videoAheadMs: Infinity,
};

const LIBWEBRTC: ClientProfile = {
  name: "libwebrtc",
  // p2p_constants: stable, writable connections are pinged every 2.5 s.
  stunMs: 2_500,
  // rtcp_sender: 1 s for video, 5 s for audio, each drawn between half and one and a half.
  videoReportMs: 1_000,
  audioReportMs: 5_000,
  reportJitter: 0.5,
  describesSource: true,
  // transport_sequence_number_feedback_generator: 5 % of what is received, between 50 and 250 ms;
  // from 0.2 Mbit/s on that is the least.
  transportFeedbackMs: 50,
  // remote_bitrate_estimator: once a second, sooner where the estimate falls.
  rembMs: 1_000,
  // pacing_controller: kDefaultBurstInterval, at 2.5 times the rate. An ordinary frame leaves at
  // once, a key frame in a few parts.
  videoAheadMs: 40,
};

const PROFILES: Readonly<Record<ProfileName, ClientProfile>> = {
  pion: PION,
  libwebrtc: LIBWEBRTC,
};

/** @param aheadMs In place of what the library does. */
export function clientProfile(
  name: ProfileName,
  aheadMs: number = PROFILES[name].videoAheadMs,
): ClientProfile {
  return { ...PROFILES[name], videoAheadMs: aheadMs };
}
