/**
 * The offers of a load's clients: the data section, what they publish (one stream by its SSRC or
 * simulcast by rid, RFC 8853), and places for what they receive where there is one connection.
 * Pure.
 *
 * @module
 */
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import type { ClientTransport } from "../../tests/support/virtual/client_description.ts";
import { PUBLISHED_ID, PUBLISHED_PT } from "../../tests/support/wire/wire_media.ts";

/** Beside those that published packets carry. */
const ABS_SEND_TIME_ID = 2;

/** A section beside the data section, which has mid 0. */
export interface LoadSection {
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly direction: "sendonly" | "recvonly";
  /** Client's id of what is sent. */
  readonly cid?: string;
  /** Of what is sent in one layer. */
  readonly ssrc?: number;
  /** Of what is sent in several, lowest first. */
  readonly rids?: readonly string[];
}

/** Writes an offer with all sections so far. */
export function writeLoadOffer(
  { credentials, fingerprint }: ClientTransport,
  version: number,
  sections: readonly LoadSection[],
): string {
  const transport = [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${credentials.ufrag}`,
    `a=ice-pwd:${credentials.pwd}`,
    "a=ice-options:trickle",
    `a=fingerprint:sha-256 ${fingerprint}`,
    "a=setup:actpass",
  ];
  const lines = [
    "v=0",
    `o=- 4711 ${version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${["0", ...sections.map(({ mid }) => mid)].join(" ")}`,
    "a=extmap-allow-mixed",
    "a=msid-semantic: WMS *",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...transport,
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
    ...sections.flatMap((section) => [
      ...(section.kind === "video" ? videoHead() : audioHead()),
      ...transport,
      `a=mid:${section.mid}`,
      `a=${section.direction}`,
      "a=rtcp-mux",
      "a=rtcp-rsize",
      ...(section.kind === "video" ? videoLines() : audioLines()),
      ...sourceLines(section),
    ]),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function videoHead(): string[] {
  const { vp8, vp8Rtx } = PUBLISHED_PT;
  return [`m=video 9 UDP/TLS/RTP/SAVPF ${vp8} ${vp8Rtx}`];
}

function audioHead(): string[] {
  return [`m=audio 9 UDP/TLS/RTP/SAVPF ${PUBLISHED_PT.opus}`];
}

function extensions(ids: Readonly<Record<string, number>>): string[] {
  return Object.entries(ids).map(([uri, id]) => `a=extmap:${id} ${uri}`);
}

function videoLines(): string[] {
  const { vp8, vp8Rtx } = PUBLISHED_PT;
  return [
    ...extensions({
      [EXTENSION_URI.absSendTime]: ABS_SEND_TIME_ID,
      [EXTENSION_URI.transportCc]: PUBLISHED_ID.transportCc,
      [EXTENSION_URI.mid]: PUBLISHED_ID.mid,
      [EXTENSION_URI.rid]: PUBLISHED_ID.rid,
      [EXTENSION_URI.repairedRid]: PUBLISHED_ID.repairedRid,
    }),
    `a=rtpmap:${vp8} VP8/90000`,
    ...["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"]
      .map((feedback) => `a=rtcp-fb:${vp8} ${feedback}`),
    `a=rtpmap:${vp8Rtx} rtx/90000`,
    `a=fmtp:${vp8Rtx} apt=${vp8}`,
  ];
}

function audioLines(): string[] {
  const { opus } = PUBLISHED_PT;
  return [
    ...extensions({
      [EXTENSION_URI.audioLevel]: PUBLISHED_ID.audioLevel,
      [EXTENSION_URI.absSendTime]: ABS_SEND_TIME_ID,
      [EXTENSION_URI.transportCc]: PUBLISHED_ID.transportCc,
      [EXTENSION_URI.mid]: PUBLISHED_ID.mid,
    }),
    `a=rtpmap:${opus} opus/48000/2`,
    `a=rtcp-fb:${opus} transport-cc`,
    `a=fmtp:${opus} minptime=10;useinbandfec=1`,
  ];
}

function sourceLines({ direction, cid, ssrc, rids }: LoadSection): string[] {
  if (direction === "recvonly") return [];
  const stream = `a=msid:load ${cid}`;
  if (rids !== undefined) {
    return [
      stream,
      ...rids.map((rid) => `a=rid:${rid} send`),
      `a=simulcast:send ${rids.join(";")}`,
    ];
  }
  return [stream, `a=ssrc:${ssrc} cname:load`, `a=ssrc:${ssrc} msid:load ${cid}`];
}

/** What the server's section says of the stream it sends in it. */
export interface SentSection {
  /** Id of the transport-wide number's header extension, 0 if it is not used here. */
  readonly transportCcId: number;
  readonly hasRemb: boolean;
  readonly hasNack: boolean;
}

/** Reads one section of the server's description. */
export function readSentSection(text: string): SentSection {
  const id = new RegExp(`a=extmap:(\\d+)(?:/\\w+)? ${escapeRegExp(EXTENSION_URI.transportCc)}`)
    .exec(text)?.[1];
  const has = (feedback: string) =>
    new RegExp(`a=rtcp-fb:(\\d+|\\*) ${feedback}\\s*$`, "m").test(text);
  return {
    transportCcId: id !== undefined && has("transport-cc") ? Number(id) : 0,
    hasRemb: has("goog-remb"),
    hasNack: has("nack"),
  };
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
