/**
 * Our answer to a description in which the client offers to send: which codec, simulcast layers and
 * header extensions we take of each section (RFC 3264, RFC 8829 §5.3, RFC 8853). Sections in which
 * the client offers to receive carry the down-tracks of a single peer connection.
 *
 * Contract: the answer has the offer's sections in the offer's order with the offer's mids, and
 * every payload type and extension id in it was offered for that section.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../base/ids.ts";
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type HeaderExtension,
  MAX_MESSAGE_BYTES,
  type MediaKind,
  type ReceiveSection,
  type SendSection,
} from "../base/media_vocabulary.ts";
import type { RemoteDescription, RemoteSection } from "../wire/session_description.ts";
import { answeredSetup } from "./dtls_role.ts";
import { acceptedCodecs, type CodecPolicy, redCarries } from "./codec_catalog.ts";
import {
  codecLines,
  DATA_CHANNEL_FORMAT,
  dataChannelLines,
  extensionLines,
  joinLines,
  type LocalParameters,
  mediaLines,
  payloadTypes,
  SCTP_PORT,
  sessionLines,
  transportLines,
} from "./local_description.ts";
import {
  ANSWERED_EXTENSIONS,
  handlingOf,
  msidLine,
  otherSsrcs,
  sentCodec,
  ssrcLines,
  type SubscribedTrack,
  tellsArrivals,
  writtenExtensions,
} from "./sent_track.ts";

/** What is known of the track a section carries, from its announcement. */
export interface TrackPlan {
  readonly upTrack: UpTrackId;
  /** Announced codec, `video/VP8` or bare; it comes first in the answer. */
  readonly preferredMime?: string;
  readonly stereo: boolean;
  readonly dtxDisabled: boolean;
  readonly redDisabled: boolean;
  /** The section's simulcast ids, lowest first, where more is known than their names say. */
  readonly rids?: readonly string[];
}

/** See {@linkcode answerPublisherOffer}. */
export interface PublisherOfferInput {
  readonly offer: RemoteDescription;
  readonly local: LocalParameters;
  readonly codecs: CodecPolicy;
  /** For clients that ignore the order of an answer: leave them the preferred video codec alone. */
  readonly singlePreferredVideoCodec: boolean;
  /**
   * Asked once, in order, for each audio or video section that the client wants to send and that
   * has a codec in common. `undefined` refuses the section: it is answered `inactive`.
   */
  readonly planFor: (section: RemoteSection) => TrackPlan | undefined;
  /** Absent where down-tracks have a connection of their own: nothing is sent on this one. */
  readonly sending?: OfferedSending;
}

/** What is sent on a connection on which the client offers. */
export interface OfferedSending {
  /** Codecs that may be sent to this client; `codecs` of the input says what it may send. */
  readonly codecs: CodecPolicy;
  /** The client is told how long to wait before it shows a picture. */
  readonly setsDelay?: boolean;
  /**
   * Asked once, in order, for each audio or video section in which the client wants to receive.
   *
   * @param codecs What the section may carry, in the offer's payload types.
   * @returns The track it carries and in which of `codecs`, at least one.
   */
  trackFor(section: RemoteSection, codecs: readonly CodecParameters[]): PlacedTrack | undefined;
}

/**
 * A down-track and the codecs of its section in which it is sent; the others are listed after them.
 */
export interface PlacedTrack {
  readonly track: SubscribedTrack;
  readonly codecs: readonly CodecParameters[];
}

/** A section of the answer through which we send. */
export interface SentSection {
  readonly downTrack: DownTrackId;
  readonly section: SendSection;
}

/** The answer, and what the engine is to do with it. */
export interface PublisherAnswer {
  readonly sdp: string;
  readonly receive: readonly ReceiveSection[];
  readonly send: readonly SentSection[];
  /**
   * Mids of sections we send on to track sids: none where subscribers have a connection of their
   * own, and older clients would mix up the two connections' mids if publishing ones were in it.
   */
  readonly midToTrackId: Readonly<Record<string, string>>;
  /** The client's SCTP parameters, if data channels were accepted. */
  readonly sctp?: { readonly port: number; readonly maxMessageSize: number };
}

/** RFC 8841 §6: what a client that names no `max-message-size` takes, bytes. */
const DEFAULT_MAX_MESSAGE_SIZE = 65_536;
/** Bit rate a stereo opus publisher may use: the codec's highest. */
const STEREO_MAX_BITRATE = 510_000;
const VIDEO_FEEDBACK = ["transport-cc", "ccm fir", "nack", "nack pli"];
/** Browsers do not offer it for audio but act on it. */
const AUDIO_FEEDBACK = ["nack"];
/** Header extensions that are read. */
const RECEIVED_EXTENSIONS: Readonly<Record<MediaKind, readonly string[]>> = {
  audio: [
    EXTENSION_URI.mid,
    EXTENSION_URI.rid,
    EXTENSION_URI.audioLevel,
    EXTENSION_URI.absCaptureTime,
  ],
  video: [
    EXTENSION_URI.mid,
    EXTENSION_URI.rid,
    EXTENSION_URI.repairedRid,
    EXTENSION_URI.transportCc,
    EXTENSION_URI.dependencyDescriptor,
    EXTENSION_URI.absCaptureTime,
  ],
};

/** What became of one offered section. */
type Decision =
  | { readonly type: "rejected"; readonly section: RemoteSection }
  | { readonly type: "data"; readonly section: RemoteSection }
  | {
    readonly type: "media";
    readonly section: RemoteSection;
    readonly kind: MediaKind;
    readonly codecs: readonly CodecParameters[];
    readonly extensions: readonly HeaderExtension[];
    /** Absent if nothing is received; without `placed`, too, the section is kept, inactive. */
    readonly plan: TrackPlan | undefined;
    /** Absent if nothing is sent. */
    readonly placed: PlacedTrack | undefined;
  };

/**
 * Answers an offer on a connection on which the client sends and we receive.
 *
 * Where we send on it, too, every section has the header extensions of both directions, whichever
 * it has now: libwebrtc leaves out of its later sections of a kind what the answer to an earlier
 * one lacked, so a client that first only received could then send neither simulcast (rid) nor a
 * level.
 */
export function answerPublisherOffer(input: PublisherOfferInput): PublisherAnswer {
  const { offer, local } = input;
  const decisions = decide(input);
  const accepted = decisions.filter((decision) => decision.type !== "rejected");
  const acceptedMids = accepted.map((decision) => decision.section.mid);
  const bundle = offer.bundledMids.filter((mid) => acceptedMids.includes(mid));
  // The first of our group describes the transport for all of it (RFC 9143 §7.3).
  const tag = bundle[0] ?? acceptedMids[0];
  const lines = [...sessionLines(local, bundle)];
  for (const decision of decisions) {
    lines.push(...sectionLines(decision, local, decision.section.mid === tag));
  }
  const data = accepted.find((decision) => decision.type === "data")?.section;
  return {
    sdp: joinLines(lines),
    receive: decisions.flatMap(receiveSection),
    send: decisions.flatMap(sentSection),
    midToTrackId: Object.fromEntries(
      decisions.flatMap((decision) =>
        decision.type === "media" && decision.placed !== undefined
          ? [[decision.section.mid, decision.placed.track.trackId]]
          : []
      ),
    ),
    ...(data === undefined ? {} : {
      sctp: {
        port: data.sctpPort ?? SCTP_PORT,
        maxMessageSize: data.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE,
      },
    }),
  };
}

function decide(input: PublisherOfferInput): readonly Decision[] {
  const { sections, bundledMids } = input.offer;
  const firstUsable = sections.find((section) => !section.rejected);
  let hasData = false;
  return sections.map((section): Decision => {
    // There is one transport: a section that does not share it cannot be served.
    const shares = bundledMids.length > 0
      ? bundledMids.includes(section.mid)
      : section === firstUsable;
    if (section.rejected || !shares) return { type: "rejected", section };
    if (section.kind === "application") {
      const usable = !hasData && section.formats[0] === DATA_CHANNEL_FORMAT;
      hasData ||= usable;
      return { type: usable ? "data" : "rejected", section };
    }
    return decideMedia(input, section, section.kind);
  });
}

function decideMedia(
  input: PublisherOfferInput,
  section: RemoteSection,
  kind: MediaKind,
): Decision {
  const { direction } = section;
  const sends = direction === "sendonly" || direction === "sendrecv";
  const receives = direction === "recvonly" || direction === "sendrecv";
  const policy = receives && !sends ? input.sending?.codecs : undefined;
  const common = acceptedCodecs(section.codecs, policy ?? input.codecs);
  if (common.every(({ mime }) => mime === FLEXFEC_MIME)) return { type: "rejected", section };
  const plan = sends ? input.planFor(section) : undefined;
  const ordered = plan === undefined
    ? common
    : orderCodecs(common, kind, plan, input.singlePreferredVideoCodec);
  const placed = receives ? input.sending?.trackFor(section, ordered) : undefined;
  // A section that also receives keeps the codecs of what it receives.
  const sent = plan === undefined ? placed : undefined;
  return {
    type: "media",
    section,
    kind,
    codecs: sent === undefined
      ? ordered.map((codec) => withParameters(codec, kind, plan))
      : preferring(sent.codecs, ordered)
        .map((codec) =>
          sentCodec(withoutWishes(codec), sent.track, kind === "video" && tellsArrivals(codec))
        ),
    extensions: section.extensions.filter(({ uri }) =>
      RECEIVED_EXTENSIONS[kind].includes(uri) ||
      (input.sending !== undefined && isAnswered(uri, kind, input.sending.setsDelay === true))
    ),
    plan,
    placed,
  };
}

/** Announced codec first; without one, RED before the opus it carries unless it is unwanted. */
function orderCodecs(
  codecs: readonly CodecParameters[],
  kind: MediaKind,
  plan: TrackPlan,
  singlePreferredVideoCodec: boolean,
): readonly CodecParameters[] {
  const wanted = preferredMime(codecs, kind, plan)?.toLowerCase();
  const preferred = codecs.filter((codec) => codec.mime.toLowerCase() === wanted);
  if (preferred.length === 0) return codecs;
  if (kind === "video" && singlePreferredVideoCodec) return preferred;
  return preferring(preferred, codecs);
}

/**
 * `codecs` with `first` in front; nothing is left out, because many clients forget what an answer
 * lacked.
 */
function preferring(
  first: readonly CodecParameters[],
  codecs: readonly CodecParameters[],
): readonly CodecParameters[] {
  return [...first, ...codecs.filter((codec) => !first.includes(codec))];
}

function preferredMime(
  codecs: readonly CodecParameters[],
  kind: MediaKind,
  plan: TrackPlan,
): string | undefined {
  const announced = plan.preferredMime;
  if (announced) return announced.includes("/") ? announced : `${kind}/${announced}`;
  if (kind === "video" || plan.redDisabled) return undefined;
  const opus = codecs.find((codec) => codec.mime === "audio/opus");
  const red = codecs.find((codec) => codec.mime === "audio/red" && redCarries(codec, opus));
  return red?.mime;
}

function withParameters(
  codec: CodecParameters,
  kind: MediaKind,
  plan: TrackPlan | undefined,
): CodecParameters {
  const feedback = kind === "audio"
    ? codec.mime === "audio/red" ? [] : AUDIO_FEEDBACK
    : VIDEO_FEEDBACK.filter((value) => codec.feedback.includes(value));
  switch (codec.mime) {
    case "audio/opus":
      return { ...codec, feedback, fmtp: plan ? opusFmtp(codec.fmtp, plan) : codec.fmtp };
    case "video/VP8":
      // What a client writes here limits what it can decode; said by us it would limit its sending.
      return { ...codec, feedback, fmtp: rateHints(codec.fmtp) };
    default:
      return { ...codec, feedback };
  }
}

/**
 * What we ask the publisher's encoder to do (RFC 7587 §7): an answer's fmtp is the receiver's wish.
 */
function opusFmtp(offered: string, plan: TrackPlan): string {
  const kept = neutralOpusFmtp(offered);
  if (!plan.dtxDisabled) kept.push("usedtx=1");
  if (plan.stereo) kept.push("stereo=1", `maxaveragebitrate=${STEREO_MAX_BITRATE}`);
  return kept.join(";");
}

/**
 * Where libwebrtc is to begin estimating, and its bounds: a client that writes them into its offer
 * wants to read them in the answer, for only there they take effect. livekit-client asks for 90 %
 * of what it publishes, at most 1 Mbit/s; without it the largest layers come some 15 s later.
 */
function rateHints(offered: string): string {
  return offered.split(";").map((pair) => pair.trim())
    .filter((pair) => /^x-google-(start|min|max)-bitrate=\d{1,7}$/.test(pair)).join(";");
}

/**
 * What the client offered without what it asked of our sending: only an announcement decides that.
 */
function neutralOpusFmtp(offered: string): string[] {
  const wishes = /^(stereo|sprop-stereo|usedtx|maxaveragebitrate)=/;
  return offered.split(";").map((pair) => pair.trim())
    .filter((pair) => pair !== "" && !wishes.test(pair));
}

/**
 * A codec of the offer as one that we send: what the client wrote of its own side is not echoed.
 */
function withoutWishes(codec: CodecParameters): CodecParameters {
  switch (codec.mime) {
    case "audio/opus":
      return { ...codec, fmtp: neutralOpusFmtp(codec.fmtp).join(";") };
    case "video/VP8":
      return { ...codec, fmtp: "" };
    default:
      return codec;
  }
}

function sectionLines(
  decision: Decision,
  local: LocalParameters,
  tagged: boolean,
): readonly string[] {
  const { section } = decision;
  switch (decision.type) {
    case "rejected": {
      const formats = section.formats.length > 0 ? section.formats : ["0"];
      return [
        ...mediaLines(section.kind, section.protocol, formats, 0),
        ...(section.mid === "" ? [] : [`a=mid:${section.mid}`]),
        "a=inactive",
      ];
    }
    case "data":
      return dataChannelLines(
        local,
        section.mid,
        answeredSetup(local.dtlsRole),
        tagged,
        MAX_MESSAGE_BYTES.accept,
      );
    case "media": {
      const { codecs, extensions, placed } = decision;
      // Also while nothing is received: an answer without the layers takes them from the client's
      // sender for good, and the section may carry simulcast again.
      const { rids } = section;
      return [
        ...mediaLines(section.kind, section.protocol, payloadTypes(codecs), 9),
        ...transportLines(local, answeredSetup(local.dtlsRole), tagged),
        `a=mid:${section.mid}`,
        ...extensionLines(extensions),
        `a=${directionOf(decision)}`,
        ...(placed === undefined ? [] : [msidLine(placed.track)]),
        "a=rtcp-mux",
        "a=rtcp-rsize",
        ...codecs.flatMap(codecLines),
        ...rids.map((rid) => `a=rid:${rid} recv`),
        ...(rids.length > 0 ? [`a=simulcast:recv ${rids.join(";")}`] : []),
        ...(placed === undefined ? [] : ssrcLines(placed.track, placed.codecs)),
      ];
    }
  }
}

/** Whether a down-track writes an extension that a client offers. */
function isAnswered(uri: string, kind: MediaKind, setsDelay: boolean): boolean {
  return ANSWERED_EXTENSIONS[kind].includes(uri) ||
    setsDelay && kind === "video" && uri === EXTENSION_URI.playoutDelay;
}

function directionOf({ plan, placed }: Extract<Decision, { type: "media" }>): string {
  if (plan !== undefined) return placed === undefined ? "recvonly" : "sendrecv";
  return placed === undefined ? "inactive" : "sendonly";
}

function sentSection(decision: Decision): readonly SentSection[] {
  if (decision.type !== "media" || decision.placed === undefined) return [];
  const { section, kind, codecs, placed } = decision;
  const { track } = placed;
  const { playoutDelay } = track;
  const common = decision.extensions.filter(({ uri }) =>
    isAnswered(uri, kind, playoutDelay !== undefined)
  );
  const carries = codecs.filter(({ payloadType }) =>
    placed.codecs.some((codec) => codec.payloadType === payloadType)
  );
  return [{
    downTrack: track.downTrack,
    section: {
      mid: section.mid,
      kind,
      ssrc: track.ssrc,
      ...otherSsrcs(track, carries),
      cname: track.cname,
      codecs: carries,
      extensions: writtenExtensions(common, codecs),
      ...(playoutDelay === undefined ? {} : { playoutDelay }),
      ...handlingOf(track),
    },
  }];
}

function receiveSection(decision: Decision): readonly ReceiveSection[] {
  if (decision.type !== "media" || decision.plan === undefined) return [];
  const { section, kind, codecs, extensions, plan } = decision;
  const { mid, ssrcs } = section;
  const rids = plan.rids ?? section.rids;
  return [{ mid, kind, upTrack: plan.upTrack, codecs, extensions, rids, ssrcs }];
}
