/**
 * One media section of a client's description as a typed value: what it sends or receives, with
 * which codecs, header extensions, simulcast layers and SSRCs.
 *
 * Reading is tolerant where clients differ (unknown codecs, restrictions of rids, unknown
 * attributes are passed over) and strict where an error would bind media to the wrong place (a
 * section without a mid, with a kind we cannot answer).
 *
 * @module
 */
import {
  type CodecParameters,
  FLEXFEC_MIME,
  type HeaderExtension,
} from "../base/media_vocabulary.ts";
import {
  commonPart,
  nodeOf,
  nodesOf,
  rawValues,
  type SdpNode,
  textOf,
  uintOf,
} from "./sdp_tree.ts";

/** Who sends, seen from the side that wrote the description. */
export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** SSRCs of one encoding: the media, its retransmissions (RFC 4588 §5), its repair packets. */
export interface SsrcPair {
  readonly ssrc: number;
  readonly rtxSsrc?: number;
  readonly fecSsrc?: number;
}

/** One `m=` section. */
export interface RemoteSection {
  /** Empty only if the section is rejected: some clients then write none. */
  readonly mid: string;
  readonly kind: "audio" | "video" | "application";
  /** Port 0 without `a=bundle-only`: the section is not in use (RFC 3264 §6, RFC 9143 §6). */
  readonly rejected: boolean;
  readonly direction: Direction;
  /** Transport protocol of the `m=` line, as written. */
  readonly protocol: string;
  /** Payload types, or `webrtc-datachannel`, of the `m=` line, as written. */
  readonly formats: readonly string[];
  /** Codecs this server knows, in the client's order, `rtx` folded into `rtxPayloadType`. */
  readonly codecs: readonly CodecParameters[];
  readonly extensions: readonly HeaderExtension[];
  /** Ids of the MediaStream and the MediaStreamTrack (RFC 8830 §2); braces of Firefox kept. */
  readonly msid?: { readonly stream: string; readonly track: string };
  /** Simulcast layers the client sends (RFC 8853 §5), lowest resolution first, at most three. */
  readonly rids: readonly string[];
  /** SSRCs in the order of their `SIM` group, else of their first line. */
  readonly ssrcs: readonly SsrcPair[];
  readonly sctpPort?: number;
  readonly maxMessageSize?: number;
}

/** Spatial layers a track can have. */
const MAX_LAYERS = 3;
/** Names of layers from lowest to highest, as the SDKs (`q`) and other senders use them. */
const KNOWN_RID_ORDERS = [
  ["q", "h", "f"],
  ["2", "1", "0"],
  ["l", "m", "h"],
  ["low", "mid", "high"],
  ["low", "medium", "high"],
];
const MAX_SSRC = 0xffff_ffff;
/** Largest payload type: 7 bits. */
const MAX_PAYLOAD_TYPE = 127;
/** Encoding names of `a=rtpmap`, lower case, to the spelling used in the whole server. */
const MIME_BY_NAME: Readonly<Record<"audio" | "video", ReadonlyMap<string, string>>> = {
  audio: new Map([
    ["opus", "audio/opus"],
    ["red", "audio/red"],
    ["pcmu", "audio/PCMU"],
    ["pcma", "audio/PCMA"],
  ]),
  video: new Map([
    ["vp8", "video/VP8"],
    ["vp9", "video/VP9"],
    ["h264", "video/H264"],
    ["h265", "video/H265"],
    ["av1", "video/AV1"],
    ["flexfec-03", FLEXFEC_MIME],
  ]),
};
/** Payload types that need no `a=rtpmap` (RFC 3551 §6, table 4). */
const STATIC_CODECS = new Map([["0", { mime: "audio/PCMU" }], ["8", { mime: "audio/PCMA" }]]);

/**
 * Reads one section.
 *
 * @param inherited The session's direction, which a section without one takes over.
 * @returns The section, or in words what is wrong with it.
 */
export function readSection(node: SdpNode, inherited: Direction): RemoteSection | string {
  const shared = commonPart(node);
  const body = shared === undefined ? readBody(node, inherited) : readOnce(shared, inherited);
  if (typeof body === "string") return body;
  const mid = textOf(node, "mid") ?? "";
  if (mid === "" && !body.rejected) return "there is no a=mid";
  const msid = readMsid(node);
  const ssrcs = body.kind === "application" ? [] : readSsrcs(node);
  return { ...body, ...(msid === undefined ? {} : { msid }), ssrcs, mid };
}

/** A section without its name and what is sent in it: what clients of one make write alike. */
type SectionBody = Omit<RemoteSection, "mid" | "msid" | "ssrcs">;

/** By what was read, and the direction that it took over. */
const bodies = new WeakMap<SdpNode, Map<Direction, SectionBody | string>>();

function readOnce(node: SdpNode, inherited: Direction): SectionBody | string {
  let known = bodies.get(node);
  if (known === undefined) {
    known = new Map();
    bodies.set(node, known);
  }
  let body = known.get(inherited);
  if (body === undefined) {
    body = readBody(node, inherited);
    known.set(inherited, body);
  }
  return body;
}

function readBody(node: SdpNode, inherited: Direction): SectionBody | string {
  const kind = textOf(node, "type");
  if (kind !== "audio" && kind !== "video" && kind !== "application") {
    return `kind ${JSON.stringify(kind ?? "")} is not audio, video or application`;
  }
  const port = uintOf(node, "port", 65535);
  const protocol = textOf(node, "protocol");
  if (port === undefined || !protocol) return "the m= line has no port or protocol";
  const rejected = port === 0 && textOf(node, "bundleOnly") === undefined;
  const direction = directionOf(node) ?? inherited;
  const formats = (textOf(node, "payloads") ?? "").split(" ").filter((word) => word !== "");
  const media = kind === "application" ? undefined : kind;
  const sctpPort = uintOf(node, "sctpPort", 65535);
  const maxMessageSize = uintOf(node, "maxMessageSize", Number.MAX_SAFE_INTEGER);
  return {
    kind,
    rejected,
    direction,
    protocol,
    formats,
    codecs: media === undefined ? [] : readCodecs(node, media, formats),
    extensions: media === undefined ? [] : readExtensions(node),
    rids: media === "video" ? readRids(node) : [],
    ...(sctpPort === undefined ? {} : { sctpPort }),
    ...(maxMessageSize === undefined ? {} : { maxMessageSize }),
  };
}

/** `a=sendrecv` and its three siblings. */
export function directionOf(node: SdpNode): Direction | undefined {
  const value = textOf(node, "direction");
  return value === "sendrecv" || value === "sendonly" || value === "recvonly" ||
      value === "inactive"
    ? value
    : undefined;
}

/**
 * Lowest layer first. Of names that belong to no known order the first is the most preferred one
 * (RFC 8853 §5.2), so the highest: until the pictures say something else, which they often do, as a
 * browser whose page gives no sizes makes the first the smallest.
 */
export function orderRids(rids: readonly string[]): readonly string[] {
  const known = KNOWN_RID_ORDERS.find((order) => rids.every((rid) => order.includes(rid)));
  return known === undefined ? rids.toReversed() : known.filter((rid) => rids.includes(rid));
}

function readCodecs(
  node: SdpNode,
  kind: "audio" | "video",
  formats: readonly string[],
): readonly CodecParameters[] {
  const rtpmaps = firstByPayload(nodesOf(node, "rtp"));
  const fmtps = firstByPayload(nodesOf(node, "fmtp"));
  const rtxOf = new Map<string, number>();
  for (const format of formats) {
    const map = rtpmaps.get(format);
    if (map === undefined || textOf(map, "codec")?.toLowerCase() !== "rtx") continue;
    const apt = /(?:^|;)\s*apt=(\d{1,3})/.exec(configOf(fmtps, format))?.[1];
    const payloadType = payloadTypeOf(format);
    if (apt !== undefined && payloadType !== undefined && !rtxOf.has(apt)) {
      rtxOf.set(apt, payloadType);
    }
  }
  const feedback = readFeedback(node);
  const codecs = new Map<string, CodecParameters>();
  for (const format of formats) {
    const payloadType = payloadTypeOf(format);
    if (payloadType === undefined || codecs.has(format)) continue;
    const map = rtpmaps.get(format);
    const name = map === undefined ? undefined : textOf(map, "codec")?.toLowerCase();
    const mime = name === undefined
      ? map === undefined && kind === "audio" ? STATIC_CODECS.get(format)?.mime : undefined
      : MIME_BY_NAME[kind].get(name);
    if (mime === undefined) continue;
    const rtxPayloadType = rtxOf.get(format);
    codecs.set(format, {
      mime,
      payloadType,
      clockRate: (map && uintOf(map, "rate", 1_000_000)) ?? (kind === "video" ? 90_000 : 8000),
      ...(kind === "audio" ? { channels: (map && uintOf(map, "encoding", 8)) ?? 1 } : {}),
      fmtp: configOf(fmtps, format),
      feedback: [...(feedback.get("*") ?? []), ...(feedback.get(format) ?? [])],
      ...(rtxPayloadType === undefined ? {} : { rtxPayloadType }),
    });
  }
  return [...codecs.values()];
}

function readFeedback(node: SdpNode): ReadonlyMap<string, readonly string[]> {
  const feedback = new Map<string, string[]>();
  for (const line of nodesOf(node, "rtcpFb")) {
    const payload = textOf(line, "payload");
    const type = textOf(line, "type");
    if (payload === undefined || !type) continue;
    const subtype = textOf(line, "subtype");
    const list = feedback.get(payload) ?? [];
    list.push(subtype ? `${type} ${subtype}` : type);
    feedback.set(payload, list);
  }
  return feedback;
}

function readExtensions(node: SdpNode): readonly HeaderExtension[] {
  const byId = new Map<number, HeaderExtension>();
  for (const line of nodesOf(node, "ext")) {
    const id = uintOf(line, "value", 255);
    const uri = textOf(line, "uri");
    // An encrypted extension (RFC 6904 §4) is another thing than the plain one of the same name.
    if (!id || !uri || byId.has(id) || textOf(line, "encrypt-uri") !== undefined) continue;
    byId.set(id, { id, uri });
  }
  return [...byId.values()];
}

function readMsid(node: SdpNode): RemoteSection["msid"] {
  const [stream, track] = (rawValues(node, "msid")[0] ?? "").split(" ");
  return stream ? { stream, track: track ?? "" } : undefined;
}

function readRids(node: SdpNode): readonly string[] {
  const simulcast = nodeOf(node, "simulcast");
  if (simulcast === undefined) return [];
  const number = textOf(simulcast, "dir1") === "send"
    ? "1"
    : textOf(simulcast, "dir2") === "send"
    ? "2"
    : undefined;
  if (number === undefined) return [];
  const rids: string[] = [];
  for (const alternatives of (textOf(simulcast, `list${number}`) ?? "").split(";")) {
    // Of alternatives for one layer (`a,b`) the first is the preferred one.
    const rid = alternatives.split(",")[0]!.replace(/^~/, "");
    if (rid !== "" && !rids.includes(rid)) rids.push(rid);
    if (rids.length === MAX_LAYERS) break;
  }
  return orderRids(rids);
}

function readSsrcs(node: SdpNode): readonly SsrcPair[] {
  const rtxOf = new Map<number, number>();
  const fecOf = new Map<number, number>();
  /** Of retransmissions and repair: no media. */
  const others = new Set<number>();
  let simulcast: readonly number[] = [];
  for (const group of nodesOf(node, "ssrcGroups")) {
    const ssrcs = (textOf(group, "ssrcs") ?? "").split(" ").flatMap((word) => ssrcFrom(word) ?? []);
    const [media, rtx] = ssrcs;
    if (textOf(group, "semantics") === "SIM") simulcast = ssrcs;
    if (media === undefined || rtx === undefined) continue;
    const semantics = textOf(group, "semantics");
    const into = semantics === "FID" ? rtxOf : semantics === "FEC-FR" ? fecOf : undefined;
    if (into === undefined || others.has(media) || into.has(media)) continue;
    into.set(media, rtx);
    others.add(rtx);
  }
  const order = new Set<number>(simulcast);
  for (const line of nodesOf(node, "ssrcs")) {
    const ssrc = uintOf(line, "id", MAX_SSRC);
    if (ssrc) order.add(ssrc);
  }
  for (const media of [...rtxOf.keys(), ...fecOf.keys()]) order.add(media);
  const pairs: SsrcPair[] = [];
  for (const ssrc of order) {
    if (others.has(ssrc)) continue;
    const rtxSsrc = rtxOf.get(ssrc);
    const fecSsrc = fecOf.get(ssrc);
    pairs.push({
      ssrc,
      ...(rtxSsrc === undefined ? {} : { rtxSsrc }),
      ...(fecSsrc === undefined ? {} : { fecSsrc }),
    });
  }
  return pairs;
}

function firstByPayload(lines: readonly SdpNode[]): ReadonlyMap<string, SdpNode> {
  const byPayload = new Map<string, SdpNode>();
  for (const line of lines) {
    const payload = textOf(line, "payload");
    if (payload !== undefined && !byPayload.has(payload)) byPayload.set(payload, line);
  }
  return byPayload;
}

function configOf(fmtps: ReadonlyMap<string, SdpNode>, format: string): string {
  const line = fmtps.get(format);
  return line === undefined ? "" : (textOf(line, "config") ?? "").trim();
}

function payloadTypeOf(format: string): number | undefined {
  if (!/^(0|[1-9]\d{0,2})$/.test(format)) return undefined;
  const value = Number(format);
  return value <= MAX_PAYLOAD_TYPE ? value : undefined;
}

function ssrcFrom(word: string): number | undefined {
  if (!/^\d{1,10}$/.test(word)) return undefined;
  const value = Number(word);
  return value > 0 && value <= MAX_SSRC ? value : undefined;
}
