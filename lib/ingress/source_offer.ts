/**
 * The offer of an encoder that makes none: one section for each of its tracks, each with one codec,
 * as a WHIP client would write it.
 *
 * Pure.
 *
 * @module
 */
import { randomId } from "../base/ids.ts";
import type { Random } from "../base/platform.ts";

/** What is offered. */
export interface OfferedTracks {
  readonly audio: {
    readonly payloadType: number;
    readonly channels: number;
    readonly ssrc: number;
  } | undefined;
  readonly video: {
    readonly payloadType: number;
    readonly codec: "H264" | "AV1";
    readonly profileLevelId?: string;
    readonly ssrc: number;
  } | undefined;
}

/** Writes it; its transport is nobody's. */
export function sourceOffer({ audio, video }: OfferedTracks, random: Random): string {
  const transport = [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${randomId(random, "")}`,
    `a=ice-pwd:${randomId(random, "")}${randomId(random, "")}`,
    `a=fingerprint:sha-256 ${Array(32).fill("00").join(":")}`,
    "a=setup:actpass",
    "a=rtcp-mux",
    "a=sendonly",
  ];
  const mids = [...(audio ? ["audio"] : []), ...(video ? ["video"] : [])];
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mids.join(" ")}`,
    ...(audio === undefined ? [] : [
      `m=audio 9 UDP/TLS/RTP/SAVPF ${audio.payloadType}`,
      ...transport,
      ...trackLines("audio", audio.ssrc),
      `a=rtpmap:${audio.payloadType} opus/48000/2`,
      `a=fmtp:${audio.payloadType} minptime=10;useinbandfec=1${
        audio.channels === 2 ? ";stereo=1;sprop-stereo=1" : ""
      }`,
    ]),
    ...(video === undefined ? [] : [
      `m=video 9 UDP/TLS/RTP/SAVPF ${video.payloadType}`,
      ...transport,
      ...trackLines("video", video.ssrc),
      `a=rtpmap:${video.payloadType} ${video.codec}/90000`,
      `a=rtcp-fb:${video.payloadType} nack pli`,
      ...(video.profileLevelId === undefined ? [] : [
        `a=fmtp:${video.payloadType} level-asymmetry-allowed=1;packetization-mode=1;` +
        `profile-level-id=${video.profileLevelId}`,
      ]),
    ]),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function trackLines(name: string, ssrc: number): string[] {
  return [`a=mid:${name}`, `a=msid:encoder ${name}`, `a=ssrc:${ssrc} cname:encoder`];
}
