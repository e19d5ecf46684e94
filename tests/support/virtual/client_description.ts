/**
 * Session descriptions as a client writes and reads them. Works on text alone, so that it shares no
 * code with what it tests.
 *
 * @module
 */
import type { IceCredentials } from "../../../lib/base/media_vocabulary.ts";
import { PUBLISHED_ID } from "../wire/wire_media.ts";

/** One section of a description written by the server. */
export interface ReadSection {
  readonly mid: string;
  readonly kind: string;
  readonly port: number;
  /** `sendonly`, `recvonly`, `sendrecv` or `inactive`. */
  readonly direction: string;
  readonly streamId: string | undefined;
  readonly trackId: string | undefined;
  readonly ssrc: number | undefined;
  /** Second of `a=ssrc-group:FID`. */
  readonly rtxSsrc: number | undefined;
  /** In order of preference; RTX left out. */
  readonly codecs: readonly { readonly payloadType: number; readonly mime: string }[];
  readonly text: string;
}

/** What the server's description says of its transport. */
export interface ReadDescription {
  readonly sections: readonly ReadSection[];
  readonly credentials: IceCredentials | undefined;
  /** SHA-256 of the server's certificate. */
  readonly fingerprint: string | undefined;
  /** Lines after `a=`. */
  readonly candidates: readonly string[];
}

/** Reads a description of the server. */
export function readDescription(sdp: string): ReadDescription {
  const sections = sdp.split(/\r\n(?=m=)/).slice(1).map(readSection);
  const ufrag = /a=ice-ufrag:(\S+)/.exec(sdp)?.[1];
  const pwd = /a=ice-pwd:(\S+)/.exec(sdp)?.[1];
  return {
    sections,
    fingerprint: /a=fingerprint:sha-256 (\S+)/i.exec(sdp)?.[1],
    credentials: ufrag === undefined || pwd === undefined ? undefined : { ufrag, pwd },
    candidates: [...sdp.matchAll(/a=(candidate:.*)/g)].map(([, line]) => line!.trim()),
  };
}

function readSection(text: string): ReadSection {
  const [, kind = "", port = "0", formats = ""] = /^m=(\S+) (\d+) \S+ (.*)/.exec(text) ?? [];
  const names = new Map(
    [...text.matchAll(/a=rtpmap:(\d+) ([^/\s]+)/g)].map(([, pt, name]) => [pt!, name!]),
  );
  const [, streamId, trackId] = /a=msid:(\S+) (\S+)/.exec(text) ?? [];
  const ssrc = /a=ssrc:(\d+)/.exec(text)?.[1];
  const rtxSsrc = /a=ssrc-group:FID \d+ (\d+)/.exec(text)?.[1];
  return {
    mid: /a=mid:(\S+)/.exec(text)?.[1] ?? "",
    kind,
    port: Number(port),
    direction: /a=(sendonly|recvonly|sendrecv|inactive)/.exec(text)?.[1] ?? "sendrecv",
    streamId,
    trackId,
    ssrc: ssrc === undefined ? undefined : Number(ssrc),
    rtxSsrc: rtxSsrc === undefined ? undefined : Number(rtxSsrc),
    codecs: formats.trim().split(" ")
      .map((pt) => ({ payloadType: Number(pt), mime: `${kind}/${names.get(pt) ?? ""}` }))
      .filter(({ mime }) => !/\/(rtx|)$/i.test(mime)),
    text,
  };
}

/** Codecs a test client can offer, with their payload types. */
export const CLIENT_CODECS = {
  "audio/opus": { payloadType: 111, map: "opus/48000/2", fmtp: "minptime=10;useinbandfec=1" },
  "audio/PCMA": { payloadType: 8, map: "PCMA/8000", fmtp: "" },
  "video/VP8": { payloadType: 96, rtx: 97, map: "VP8/90000", fmtp: "" },
  "video/H264": {
    payloadType: 125,
    rtx: 126,
    map: "H264/90000",
    fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
  },
  "video/AV1": { payloadType: 45, rtx: 46, map: "AV1/90000", fmtp: "" },
  "video/VP9": { payloadType: 98, rtx: 99, map: "VP9/90000", fmtp: "profile-id=0" },
} as const satisfies Record<string, ClientCodec>;

interface ClientCodec {
  readonly payloadType: number;
  readonly rtx?: number;
  readonly map: string;
  readonly fmtp: string;
}

export type ClientMime = keyof typeof CLIENT_CODECS;

/** One section of a client's offer besides the data section, which is always there with mid 0. */
export interface OfferSection {
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly direction: "sendonly" | "recvonly" | "inactive";
  readonly codecs: readonly ClientMime[];
  /** Track id of `a=msid`, for what is sent. */
  readonly cid?: string;
  readonly ssrc?: number;
}

/** What is the client's own in a description. */
export interface ClientTransport {
  readonly credentials: IceCredentials;
  /** Upper-case hex pairs of the certificate's SHA-256. */
  readonly fingerprint: string;
}

/** Writes an offer. */
export function writeOffer(
  transport: ClientTransport,
  version: number,
  sections: readonly OfferSection[],
): string {
  const { credentials, fingerprint } = transport;
  const common = [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${credentials.ufrag}`,
    `a=ice-pwd:${credentials.pwd}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    "a=setup:actpass",
  ];
  const lines = [
    "v=0",
    `o=- 7 ${version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${["0", ...sections.map(({ mid }) => mid)].join(" ")}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...common,
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
    ...sections.flatMap((section) => sectionLines(section, common)),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function sectionLines(section: OfferSection, common: readonly string[]): string[] {
  const { mid, kind, direction, cid, ssrc } = section;
  const codecs: ClientCodec[] = section.codecs.map((mime) => CLIENT_CODECS[mime]);
  const formats = codecs.flatMap(({ payloadType, rtx }) =>
    rtx === undefined ? [payloadType] : [payloadType, rtx]
  );
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${formats.join(" ")}`,
    ...common,
    `a=mid:${mid}`,
    `a=${direction}`,
    ...(direction === "sendonly" ? [`a=msid:stream ${cid}`] : []),
    "a=rtcp-mux",
    `a=extmap:${PUBLISHED_ID.mid} urn:ietf:params:rtp-hdrext:sdes:mid`,
    ...(kind === "audio"
      ? [`a=extmap:${PUBLISHED_ID.audioLevel} urn:ietf:params:rtp-hdrext:ssrc-audio-level`]
      : []),
    ...codecs.flatMap((codec) => codecLines(codec, kind)),
    ...(direction === "sendonly" && ssrc !== undefined ? [`a=ssrc:${ssrc} cname:client`] : []),
  ];
}

function codecLines({ payloadType, rtx, map, fmtp }: ClientCodec, kind: string): string[] {
  return [
    `a=rtpmap:${payloadType} ${map}`,
    ...(fmtp === "" ? [] : [`a=fmtp:${payloadType} ${fmtp}`]),
    ...(kind === "video"
      ? [`a=rtcp-fb:${payloadType} nack`, `a=rtcp-fb:${payloadType} nack pli`]
      : []),
    ...(rtx === undefined ? [] : [`a=rtpmap:${rtx} rtx/90000`, `a=fmtp:${rtx} apt=${payloadType}`]),
  ];
}

/** Puts the client's own transport into an answer that was made out of the server's offer. */
export function withTransport(
  answer: string,
  { credentials, fingerprint }: ClientTransport,
): string {
  return answer.replace(/a=candidate:.*\r\n|a=end-of-candidates\r\n/g, "")
    .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${credentials.ufrag}`)
    .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${credentials.pwd}`)
    .replace(/a=fingerprint:.*/g, `a=fingerprint:sha-256 ${fingerprint}`);
}
