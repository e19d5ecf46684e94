/**
 * Our side of a description: the transport parameters every section shares, and the lines that both
 * offers and answers are written with (RFC 8829 §5, RFC 8839, RFC 9143).
 *
 * The server is ICE-lite and says so at session level, the only place where every browser looks.
 *
 * @module
 */
import type {
  CodecParameters,
  DtlsFingerprint,
  DtlsRole,
  HeaderExtension,
  IceCredentials,
  MediaAddress,
} from "../base/media_vocabulary.ts";
import { type CandidateInit, formatCandidate, type IceCandidate } from "../wire/ice_candidate.ts";
import type { DtlsSetup } from "../wire/session_description.ts";

/** What one connection's descriptions are written from. */
export interface LocalParameters {
  readonly ice: IceCredentials;
  readonly fingerprint: DtlsFingerprint;
  readonly addresses: readonly MediaAddress[];
  /** Decimal `o=` session id, the same for all descriptions of a connection. */
  readonly sessionId: string;
  /** `o=` version, one more with each description. */
  readonly version: number;
  /** Our role in the DTLS handshake, which an answer says; absent: server. */
  readonly dtlsRole?: DtlsRole;
}

/** SCTP port of every WebRTC data channel transport (RFC 8841 §5). */
export const SCTP_PORT = 5000;
/** Protocol of the `m=application` line for data channels (RFC 8841 §4). */
const DATA_CHANNEL_PROTOCOL = "UDP/DTLS/SCTP";
export const DATA_CHANNEL_FORMAT = "webrtc-datachannel";
/** Protocol of our own media sections (RFC 8829 §5.1.2). */
export const MEDIA_PROTOCOL = "UDP/TLS/RTP/SAVPF";

/** Type preferences of RFC 8445 §5.1.2.1 and, for TCP, RFC 6544 §4.2: UDP before TCP. */
const UDP_TYPE_PREFERENCE = 126;
const TCP_TYPE_PREFERENCE = 90;
/** RFC 6544 §4.2: direction preference of a passive host candidate, in the top 3 of 16 bits. */
const TCP_PASSIVE_PREFERENCE = 4 << 13;
/** RTP, and under rtcp-mux everything else. */
const COMPONENT = 1;

/** One host candidate per address; earlier addresses are preferred, UDP always over TCP. */
export function hostCandidates(addresses: readonly MediaAddress[]): readonly IceCandidate[] {
  return addresses.map(({ protocol, hostname, port }, index) => {
    const tcp = protocol === "tcp";
    const order = tcp ? TCP_PASSIVE_PREFERENCE + (8191 - index) : 65_535 - index;
    const type = tcp ? TCP_TYPE_PREFERENCE : UDP_TYPE_PREFERENCE;
    return {
      foundation: String(index + 1),
      component: COMPONENT,
      protocol,
      priority: type * 2 ** 24 + order * 2 ** 8 + (256 - COMPONENT),
      address: hostname,
      port,
      type: "host",
      ...(tcp ? { tcpType: "passive" as const } : {}),
    };
  });
}

/** Texts of a list of addresses that many connections have. */
const candidateTexts = new WeakMap<readonly MediaAddress[], readonly string[]>();

/** The same candidates as `candidate:…` values. Contract: the list does not change any more. */
export function hostCandidateTexts(addresses: readonly MediaAddress[]): readonly string[] {
  let texts = candidateTexts.get(addresses);
  if (texts === undefined) {
    texts = hostCandidates(addresses).map(formatCandidate);
    candidateTexts.set(addresses, texts);
  }
  return texts;
}

/** The same candidates as trickle messages, for clients that look for them there. */
export function candidateInits(
  local: Pick<LocalParameters, "ice" | "addresses">,
  sdpMid: string,
): readonly CandidateInit[] {
  return hostCandidateTexts(local.addresses).map((candidate) => ({
    candidate,
    sdpMid,
    sdpMLineIndex: 0,
    usernameFragment: local.ice.ufrag,
  }));
}

/** Lines before the first `m=`. */
export function sessionLines(
  local: LocalParameters,
  bundledMids: readonly string[],
): readonly string[] {
  return [
    "v=0",
    `o=- ${local.sessionId} ${local.version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    "a=ice-lite",
    ...(bundledMids.length > 0 ? [`a=group:BUNDLE ${bundledMids.join(" ")}`] : []),
    "a=extmap-allow-mixed",
    "a=msid-semantic: WMS *",
  ];
}

/** The `m=` and `c=` lines; port 9 (discard) stands for ICE (RFC 8840 §4.1.1), 0 refuses. */
export function mediaLines(
  media: string,
  protocol: string,
  formats: readonly (string | number)[],
  port: 9 | 0,
): readonly string[] {
  return [`m=${media} ${port} ${protocol} ${formats.join(" ")}`, "c=IN IP4 0.0.0.0"];
}

/** ICE, DTLS and, if asked, candidates of a section in use. */
export function transportLines(
  local: LocalParameters,
  setup: DtlsSetup,
  withCandidates: boolean,
): readonly string[] {
  const candidates = withCandidates
    ? [
      ...hostCandidateTexts(local.addresses).map((text) => `a=${text}`),
      "a=end-of-candidates",
    ]
    : [];
  return [
    ...candidates,
    `a=ice-ufrag:${local.ice.ufrag}`,
    `a=ice-pwd:${local.ice.pwd}`,
    `a=fingerprint:${local.fingerprint.algorithm} ${local.fingerprint.value}`,
    `a=setup:${setup}`,
  ];
}

/** `a=rtpmap`, `a=rtcp-fb` and `a=fmtp` of one codec and of its RTX. */
export function codecLines(codec: CodecParameters): readonly string[] {
  const { payloadType, rtxPayloadType, clockRate, channels, fmtp } = codec;
  const name = codec.mime.slice(codec.mime.indexOf("/") + 1);
  const suffix = channels !== undefined && channels > 1 ? `/${channels}` : "";
  return [
    `a=rtpmap:${payloadType} ${name}/${clockRate}${suffix}`,
    ...codec.feedback.map((feedback) => `a=rtcp-fb:${payloadType} ${feedback}`),
    ...(fmtp === "" ? [] : [`a=fmtp:${payloadType} ${fmtp}`]),
    ...(rtxPayloadType === undefined ? [] : [
      `a=rtpmap:${rtxPayloadType} rtx/${clockRate}`,
      `a=fmtp:${rtxPayloadType} apt=${payloadType}`,
    ]),
  ];
}

/** Payload types of the `m=` line, RTX after its codec. */
export function payloadTypes(codecs: readonly CodecParameters[]): readonly number[] {
  return codecs.flatMap(({ payloadType, rtxPayloadType }) =>
    rtxPayloadType === undefined ? [payloadType] : [payloadType, rtxPayloadType]
  );
}

/** `a=extmap` lines. */
export function extensionLines(extensions: readonly HeaderExtension[]): readonly string[] {
  return extensions.map(({ id, uri }) => `a=extmap:${id} ${uri}`);
}

/** The `m=application` section of the data channels (RFC 8841 §4). */
export function dataChannelLines(
  local: LocalParameters,
  mid: string,
  setup: DtlsSetup,
  withCandidates: boolean,
  maxMessageBytes: number,
): readonly string[] {
  return [
    ...mediaLines("application", DATA_CHANNEL_PROTOCOL, [DATA_CHANNEL_FORMAT], 9),
    ...transportLines(local, setup, withCandidates),
    `a=mid:${mid}`,
    `a=sctp-port:${SCTP_PORT}`,
    `a=max-message-size:${maxMessageBytes}`,
  ];
}

/** Joins lines as SDP wants them (RFC 8866 §5). */
export function joinLines(lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n`;
}
