/**
 * The codecs this server forwards: their payload types and parameters in our own offers, which of
 * them a room and a client allow, and when two descriptions of a codec mean the same one.
 *
 * @module
 */
import { type CodecParameters, FLEXFEC_MIME, type MediaKind } from "../base/media_vocabulary.ts";

/** One codec as we offer it. RTX, where there is one, is the payload type after it. */
export interface CatalogCodec {
  readonly mime: string;
  /** Payload type of our offers; in an answer the client's are used. */
  readonly payloadType: number;
  readonly rtx: boolean;
  readonly clockRate: number;
  readonly channels?: number;
  readonly fmtp: string;
  /** Allowed only if the room's list names this very `fmtp`. */
  readonly explicitOnly?: boolean;
  /** Taken from publishers, never offered to subscribers. */
  readonly receiveOnly?: boolean;
}

/** An entry of the room's `enabled_codecs`, or of a client's `disabled_codecs`. */
export interface CodecRule {
  readonly mime: string;
  /** Empty for every variant of the codec. */
  readonly fmtp: string;
}

/** What may be negotiated with one client in one direction. */
export interface CodecPolicy {
  /** In the catalog's order. */
  readonly codecs: readonly CatalogCodec[];
}

/** LiveKit's default `enabled_codecs` (1.13.5, `pkg/config/config.go`). */
export const DEFAULT_ENABLED_MIMES: readonly string[] = [
  "audio/PCMU",
  "audio/PCMA",
  "audio/opus",
  "audio/red",
  "video/VP8",
  "video/H264",
  "video/VP9",
  "video/AV1",
  "video/H265",
  "video/rtx",
];

/** The same as rules. */
export const DEFAULT_ENABLED_CODECS: readonly CodecRule[] = DEFAULT_ENABLED_MIMES
  .map((mime) => ({ mime, fmtp: "" }));

const audio = (mime: string, payloadType: number, fmtp: string, clockRate: number, channels = 1) =>
  ({ mime, payloadType, rtx: false, clockRate, channels, fmtp }) as const;
const video = (mime: string, payloadType: number, fmtp = "") =>
  ({ mime, payloadType, rtx: true, clockRate: 90_000, fmtp }) as const;
const h264 = (payloadType: number, packetizationMode: 0 | 1, profileLevelId: string) =>
  video(
    "video/H264",
    payloadType,
    `level-asymmetry-allowed=1;packetization-mode=${packetizationMode};profile-level-id=${profileLevelId}`,
  );

/**
 * Every codec, with the payload types that LiveKit's clients have always seen (1.13.5,
 * `pkg/rtc/mediaengine.go`).
 */
export const CATALOG: readonly CatalogCodec[] = [
  audio("audio/opus", 111, "minptime=10;useinbandfec=1", 48_000, 2),
  audio("audio/red", 63, "111/111", 48_000, 2),
  audio("audio/PCMU", 0, "", 8000),
  audio("audio/PCMA", 8, "", 8000),
  video("video/VP8", 96),
  video("video/VP9", 98, "profile-id=0"),
  video("video/VP9", 100, "profile-id=1"),
  h264(125, 0, "42e01f"),
  h264(108, 1, "42e01f"),
  { ...h264(123, 1, "640032"), receiveOnly: true },
  video("video/AV1", 35),
  video("video/H265", 116),
  { ...video(FLEXFEC_MIME, 49, "repair-window=10000000"), rtx: false },
  { ...h264(104, 0, "42001f"), explicitOnly: true },
  { ...h264(102, 1, "42001f"), explicitOnly: true },
  { ...h264(39, 0, "4d001f"), explicitOnly: true },
  { ...h264(106, 1, "4d001f"), explicitOnly: true },
];

/**
 * The part of the catalog that `enabled` names and `disabled` does not. Names are compared without
 * case; a rule with an `fmtp` is for that variant alone. RED goes with opus, which it wraps.
 */
export function codecPolicy(
  enabled: readonly CodecRule[],
  disabled: readonly CodecRule[] = [],
): CodecPolicy {
  const allowed = CATALOG.filter((codec) =>
    enabled.some((rule) => ruleNames(rule, codec, codec.explicitOnly === true)) &&
    !disabled.some((rule) => ruleNames(rule, codec, false))
  );
  const opus = allowed.some((codec) => codec.mime === "audio/opus");
  return { codecs: allowed.filter((codec) => opus || codec.mime !== "audio/red") };
}

/**
 * Which of a client's codecs we take, with its payload types and in its order.
 *
 * A variant in the catalog is taken; if the client has an allowed H.264 in other profiles only,
 * those are taken instead, because a decoder that says one profile plays the neighbouring ones.
 */
export function acceptedCodecs(
  offered: readonly CodecParameters[],
  policy: CodecPolicy,
): readonly CodecParameters[] {
  let known = acceptedOf.get(offered);
  if (known?.policy !== policy) {
    known = { policy, codecs: findAccepted(offered, policy) };
    acceptedOf.set(offered, known);
  }
  return known.codecs;
}

/** By a list of codecs, which clients of one make share: what was taken of it last. */
const acceptedOf = new WeakMap<
  readonly CodecParameters[],
  { readonly policy: CodecPolicy; readonly codecs: readonly CodecParameters[] }
>();

function findAccepted(
  offered: readonly CodecParameters[],
  policy: CodecPolicy,
): readonly CodecParameters[] {
  const exact = offered.filter((codec) => policy.codecs.some((known) => sameCodec(known, codec)));
  const lacksH264 = !exact.some(isH264) && policy.codecs.some(isH264);
  const accepted = new Set([...exact, ...(lacksH264 ? offered.filter(isH264) : [])]);
  const opus = [...accepted].find((codec) => codec.mime === "audio/opus");
  const taken = offered.filter((codec) =>
    accepted.has(codec) && (codec.mime !== "audio/red" || redCarries(codec, opus))
  );
  // The first one is what a track comes in.
  const isRepair = ({ mime }: CodecParameters) => mime === FLEXFEC_MIME;
  return [...taken.filter((codec) => !isRepair(codec)), ...taken.filter(isRepair)];
}

/** What a codec can be expected to be like before its publisher has said more than its name. */
export function knownCodecs(mime: string): readonly CodecParameters[] {
  return CATALOG.filter((codec) =>
    codec.mime === mime && codec.explicitOnly !== true && codec.receiveOnly !== true
  ).map(toParameters);
}

/**
 * Codecs for a section of our own offer through which a track is sent.
 *
 * @param deliverable What the up-track can deliver, preferred first, in the publisher's payload
 *   types.
 * @returns The same with the catalog's payload types; empty if nothing of it may be offered.
 */
export function offeredCodecs(
  deliverable: readonly CodecParameters[],
  policy: CodecPolicy,
): readonly CodecParameters[] {
  const chosen = new Set(
    deliverableAs(deliverable, policy.codecs.filter((codec) => codec.receiveOnly !== true)),
  );
  // RED refers to opus by payload type, so it is of no use without it.
  const opus = [...chosen].some((codec) => codec.mime === "audio/opus");
  const own = [...chosen].filter((codec) => opus || codec.mime !== "audio/red");
  return withRepair(own, policy.codecs).map(toParameters);
}

/**
 * Everything a section of our own offer lists: `own`, in which its track is sent, then whatever
 * else of the kind may be sent to this client. Many clients (pion's among them: v4.2.18,
 * `mediaengine.go`) fix their codecs at the first section of a kind they see, so one that named its
 * own track's alone would shut out the rest.
 *
 * @param own As {@linkcode offeredCodecs} returns it.
 */
export function listedCodecs(
  kind: MediaKind,
  own: readonly CodecParameters[],
  policy: CodecPolicy,
): readonly CodecParameters[] {
  const others = policy.codecs.filter((codec) =>
    codec.mime.startsWith(`${kind}/`) && codec.receiveOnly !== true &&
    !own.some(({ payloadType }) => payloadType === codec.payloadType)
  );
  return [...own, ...others.map(toParameters)];
}

/**
 * The client's codecs in which a track can be sent to it, in the track's order of preference.
 *
 * @param deliverable What the up-track can deliver; payload types do not matter.
 * @param offered What the client offers to receive; the result has its payload types.
 */
export function sendableCodecs(
  deliverable: readonly CodecParameters[],
  offered: readonly CodecParameters[],
): readonly CodecParameters[] {
  const chosen = deliverableAs(deliverable, offered);
  const opus = chosen.find((codec) => codec.mime === "audio/opus");
  return withRepair(
    chosen.filter((codec) => codec.mime !== "audio/red" || redCarries(codec, opus)),
    offered,
  );
}

/** Video may come with repair packets, if those are known, too; alone they are nothing. */
function withRepair<C extends { readonly mime: string }>(
  own: readonly C[],
  all: readonly C[],
): readonly C[] {
  if (!own.some(({ mime }) => mime.startsWith("video/"))) return own;
  return [...own, ...all.filter(({ mime }) => mime === FLEXFEC_MIME).slice(0, 1)];
}

/**
 * Whether two descriptions mean the same codec: name, clock, and the parameters that change the bit
 * stream (H.264 profile and packetization mode, RFC 6184 §8.2.2; VP9 and AV1 profile).
 */
export function sameCodec(
  a: Pick<CodecParameters, "mime" | "clockRate" | "fmtp">,
  b: Pick<CodecParameters, "mime" | "clockRate" | "fmtp">,
): boolean {
  if (a.mime.toLowerCase() !== b.mime.toLowerCase() || a.clockRate !== b.clockRate) return false;
  switch (a.mime) {
    case "video/H264":
      return packetizationMode(a) === packetizationMode(b) &&
        h264Profile(a.fmtp) === h264Profile(b.fmtp);
    case "video/VP9":
      return fmtpValue(a.fmtp, "profile-id", "0") === fmtpValue(b.fmtp, "profile-id", "0");
    case "video/AV1":
      return fmtpValue(a.fmtp, "profile", "0") === fmtpValue(b.fmtp, "profile", "0");
    default:
      return true;
  }
}

/** Whether `red` is redundancy for `opus` (RFC 2198 §5, in SDP: its fmtp lists payload types). */
export function redCarries(red: CodecParameters, opus: CodecParameters | undefined): boolean {
  return opus !== undefined && red.fmtp.split("/").includes(String(opus.payloadType));
}

/** One parameter of an `a=fmtp` text, names compared without case. */
function fmtpValue(fmtp: string, name: string, absent: string): string {
  for (const pair of fmtp.split(";")) {
    const [key, value] = pair.split("=");
    if (key!.trim().toLowerCase() === name) return (value ?? "").trim();
  }
  return absent;
}

/** The `candidates` that mean what can be delivered, in the order of `deliverable`, each once. */
function deliverableAs<C extends Pick<CodecParameters, "mime" | "clockRate" | "fmtp">>(
  deliverable: readonly CodecParameters[],
  candidates: readonly C[],
): readonly C[] {
  const chosen = new Set<C>();
  for (const codec of deliverable) {
    const exact = candidates.filter((candidate) => sameCodec(candidate, codec));
    const sameMode = candidates.filter((candidate) =>
      isH264(candidate) && isH264(codec) &&
      packetizationMode(candidate) === packetizationMode(codec)
    );
    const anyMode = isH264(codec) ? candidates.filter(isH264) : [];
    for (const match of [exact, sameMode, anyMode].find((list) => list.length > 0) ?? []) {
      chosen.add(match);
    }
  }
  return [...chosen];
}

function ruleNames(rule: CodecRule, codec: CatalogCodec, strict: boolean): boolean {
  if (rule.mime.toLowerCase() !== codec.mime.toLowerCase()) return false;
  return (!strict && rule.fmtp === "") || rule.fmtp.toLowerCase() === codec.fmtp.toLowerCase();
}

function toParameters(codec: CatalogCodec): CodecParameters {
  const { mime, payloadType, clockRate, channels, fmtp } = codec;
  return {
    mime,
    payloadType,
    clockRate,
    ...(channels === undefined ? {} : { channels }),
    fmtp,
    feedback: [],
    ...(codec.rtx ? { rtxPayloadType: payloadType + 1 } : {}),
  };
}

function isH264(codec: { readonly mime: string }): boolean {
  return codec.mime === "video/H264";
}

function packetizationMode(codec: { readonly fmtp: string }): string {
  return fmtpValue(codec.fmtp, "packetization-mode", "0");
}

/** The profile a `profile-level-id` names (RFC 6184 §8.1, table 5); absent means Baseline. */
function h264Profile(fmtp: string): string {
  const id = fmtpValue(fmtp, "profile-level-id", "42000a").toLowerCase();
  if (!/^[0-9a-f]{6}$/.test(id)) return id;
  const idc = id.slice(0, 2);
  const constraints = parseInt(id.slice(2, 4), 16);
  const constrainedBaseline = (idc === "42" && (constraints & 0x4f) === 0x40) ||
    (idc === "4d" && (constraints & 0x8f) === 0x80) ||
    (idc === "58" && (constraints & 0xcf) === 0xc0);
  if (constrainedBaseline) return "constrained-baseline";
  const baseline = (idc === "42" && (constraints & 0x4f) === 0) ||
    (idc === "58" && (constraints & 0xcf) === 0x80);
  return baseline ? "baseline" : id.slice(0, 4);
}
