/**
 * The table of `m=` sections of a connection on which we offer and the client receives.
 *
 * Contract: sections never change their order and none disappears (RFC 3264 §8), yet the table does
 * not grow with the number of tracks ever sent: a section whose track was removed is offered
 * `recvonly`, and once the client has answered that, it carries the next track of its kind under
 * the same mid. It is not reused earlier, because a client reports a new track only where a section
 * goes from not sending to sending (W3C WebRTC, "set a session description"). It is not offered
 * `inactive`, which says the same to a browser but makes pion (v4.2.18, `peerconnection.go`) stop
 * the transceiver for good. A section the client refused (port 0) is reused under a new mid, as RFC
 * 8829 §5.2.2 asks.
 *
 * Every section lists all that may be sent to the client, its own track's codecs first, and not the
 * retransmission that the client refused in that section: offered again with its FID group, pion
 * would wait for it and fail.
 *
 * Tracks may come and go while an offer is unanswered: an answer is applied to the tracks that were
 * in that offer and are still there.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type HeaderExtension,
  MAX_MESSAGE_BYTES,
  type MediaKind,
  type SendSection,
} from "../base/media_vocabulary.ts";
import type { RemoteDescription, RemoteSection } from "../wire/session_description.ts";
import { type CodecPolicy, listedCodecs, offeredCodecs, sameCodec } from "./codec_catalog.ts";
import {
  codecLines,
  dataChannelLines,
  extensionLines,
  joinLines,
  type LocalParameters,
  MEDIA_PROTOCOL,
  mediaLines,
  payloadTypes,
  sessionLines,
  transportLines,
} from "./local_description.ts";
import {
  handlingOf,
  msidLine,
  otherSsrcs,
  type RejectedTrack,
  SENT_EXTENSIONS,
  sentCodec,
  ssrcLines,
  type SubscribedTrack,
  usesRtx,
  writtenExtensions,
} from "./sent_track.ts";

/** Fixed for the life of a connection. */
export interface SubscriberSectionsOptions {
  /** Whether the offer has a data channel section; it is the first, and always there. */
  readonly createsDataChannels: boolean;
  /**
   * `false` for clients that cannot reuse a section (Safari, old protocols): the table then grows.
   */
  readonly reuseTransceivers: boolean;
  readonly codecs: CodecPolicy;
}

/** What an answer decided. */
export interface AppliedAnswer {
  /** Tracks that can be sent now, or whose parameters changed. */
  readonly accepted: readonly { readonly downTrack: DownTrackId; readonly section: SendSection }[];
  /** Tracks the client will not get; they are out of the table. */
  readonly rejected: readonly RejectedTrack[];
  /** The client's SCTP parameters, if it accepted the data channels. */
  readonly sctp?: { readonly port: number; readonly maxMessageSize: number };
}

/** In the order of their ids: what video has, of which audio has a part. */
const ALL_EXTENSIONS = SENT_EXTENSIONS.video;
/** One id per extension in the whole bundle, which is one RTP session (RFC 9143 §9.1). */
const EXTENSIONS: Readonly<Record<MediaKind, readonly HeaderExtension[]>> = {
  audio: SENT_EXTENSIONS.audio.map(withId),
  video: SENT_EXTENSIONS.video.map(withId),
};
/** In sections of video whose client is told how long to wait. */
const PLAYOUT_DELAY: HeaderExtension = {
  id: ALL_EXTENSIONS.length + 1,
  uri: EXTENSION_URI.playoutDelay,
};
const DATA_MID = "0";
/** RFC 8841 §6: what a client that names no `max-message-size` takes, bytes. */
const DEFAULT_MAX_MESSAGE_SIZE = 65_536;

/** One section; its place in the table is its place in the description. */
interface Section {
  mid: string;
  kind: MediaKind;
  /** All it lists. */
  codecs: readonly CodecParameters[];
  /** Those of them in which its track is sent, or the last one was. */
  own: readonly CodecParameters[];
  /** Payload types of codecs that the client took here without their retransmission. */
  readonly withoutRtx: Set<number>;
  /** The lines of `codecs`, kept from one offer to the next: they are most of it. */
  codecText: readonly string[] | undefined;
  /** Whether the client is told how long to wait. */
  setsDelay: boolean;
  /** The track it carries now. */
  track: SubscribedTrack | undefined;
  /** What the outstanding (else the last) offer said of it. */
  offered: SubscribedTrack | undefined;
  /** The client may have seen it active, so it must see it inactive before it is used again. */
  activeAtClient: boolean;
  /** The client refused it with port 0. */
  refused: boolean;
  /** What was last reported as accepted, to report only changes. */
  accepted: string;
}

/**
 * The sections we offer: in an order that never changes, each with one live track at most, and as
 * many as tracks were ever alive at one time.
 */
export class SubscriberSections {
  readonly #options: SubscriberSectionsOptions;
  readonly #sections: Section[] = [];
  /** Which section carries a track; there are as many without one as are missing here. */
  readonly #carriers = new Map<DownTrackId, Section>();
  /** Tracks that wait for the next offer to give them a section, in the order they were added. */
  readonly #waiting = new Map<DownTrackId, SubscribedTrack>();
  readonly #unsupported: DownTrackId[] = [];
  #nextMid: number;
  #changed: boolean;

  constructor(options: SubscriberSectionsOptions) {
    this.#options = options;
    this.#nextMid = options.createsDataChannels ? 1 : 0;
    this.#changed = options.createsDataChannels;
  }

  /** Whether an offer would say something the last one did not. */
  get needsOffer(): boolean {
    return this.#changed;
  }

  /** Sections so far, the data channels' included. */
  get size(): number {
    return this.#sections.length + (this.#options.createsDataChannels ? 1 : 0);
  }

  /** Puts a track into the next offer; ignored if it is already there. */
  addTrack(track: SubscribedTrack): void {
    const { downTrack } = track;
    if (this.#waiting.has(downTrack) || this.#carriers.has(downTrack)) return;
    this.#waiting.set(downTrack, track);
    this.#changed = true;
  }

  /** Takes a track out of the next offer; ignored if it is not there. */
  removeTrack(downTrack: DownTrackId): void {
    if (this.#waiting.delete(downTrack)) return;
    const section = this.#carriers.get(downTrack);
    if (section === undefined) return;
    this.#carriers.delete(downTrack);
    section.track = undefined;
    section.accepted = "";
    this.#changed = true;
  }

  /**
   * Writes the offer and remembers it as the one the next answer belongs to.
   *
   * @returns Also which mid carries which track id, for clients that go by that.
   */
  offer(local: LocalParameters): {
    readonly sdp: string;
    readonly midToTrackId: Readonly<Record<string, string>>;
  } {
    for (const track of this.#waiting.values()) this.#place(track);
    this.#waiting.clear();
    this.#changed = false;
    const used = this.#sections.filter(({ refused }) => !refused);
    const bundle = [
      ...(this.#options.createsDataChannels ? [DATA_MID] : []),
      ...used.map(({ mid }) => mid),
    ];
    const lines = [...sessionLines(local, bundle)];
    // The data section is never refused, so its candidates reach the client; without it any section
    // may turn out to be the one that stays.
    if (this.#options.createsDataChannels) {
      lines.push(...dataChannelLines(local, DATA_MID, "actpass", true, MAX_MESSAGE_BYTES.create));
    }
    const midToTrackId: Record<string, string> = {};
    for (const section of this.#sections) {
      section.offered = section.track;
      if (section.track !== undefined) {
        section.activeAtClient = true;
        midToTrackId[section.mid] = section.track.trackId;
      }
      lines.push(...sectionLines(section, local, !this.#options.createsDataChannels));
    }
    return { sdp: joinLines(lines), midToTrackId };
  }

  /** Takes the client's answer to the last offer. Sections are told apart by mid. */
  applyAnswer(answer: RemoteDescription): AppliedAnswer {
    const byMid = new Map(answer.sections.map((section) => [section.mid, section]));
    const accepted: AppliedAnswer["accepted"][number][] = [];
    const rejected: RejectedTrack[] = [];
    for (const downTrack of this.#unsupported.splice(0)) {
      rejected.push({ downTrack, reason: "codec_unsupported" });
    }
    for (const section of this.#sections) {
      const result = settle(section, byMid.get(section.mid));
      if (result === undefined) continue;
      if ("reason" in result) {
        rejected.push(result);
        this.#carriers.delete(result.downTrack);
        // The client believes it receives: the next offer takes that back.
        this.#changed ||= !section.refused;
      } else accepted.push(result);
    }
    const data = this.#options.createsDataChannels ? byMid.get(DATA_MID) : undefined;
    if (data === undefined || data.rejected) return { accepted, rejected };
    const port = data.sctpPort ?? 5000;
    const maxMessageSize = data.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE;
    return { accepted, rejected, sctp: { port, maxMessageSize } };
  }

  #place(track: SubscribedTrack): void {
    const own = offeredCodecs(track.codecs, this.#options.codecs);
    if (own.length === 0) {
      this.#unsupported.push(track.downTrack);
      return;
    }
    const section = this.#reusable(track.kind) ?? this.#append(track.kind);
    if (section.refused) {
      section.mid = this.#takeMid();
      section.kind = track.kind;
      section.refused = false;
      section.withoutRtx.clear();
    }
    section.codecs = listedCodecs(track.kind, own, this.#options.codecs)
      .map((codec) => sentCodec(codec, track, true));
    section.own = section.codecs.slice(0, own.length);
    section.codecText = undefined;
    section.setsDelay ||= track.playoutDelay !== undefined;
    section.track = track;
    this.#carriers.set(track.downTrack, section);
    section.accepted = "";
  }

  #append(kind: MediaKind): Section {
    const section: Section = {
      mid: this.#takeMid(),
      kind,
      codecs: [],
      own: [],
      withoutRtx: new Set(),
      codecText: undefined,
      setsDelay: false,
      track: undefined,
      offered: undefined,
      activeAtClient: false,
      refused: false,
      accepted: "",
    };
    this.#sections.push(section);
    return section;
  }

  #reusable(kind: MediaKind): Section | undefined {
    if (this.#carriers.size === this.#sections.length) return undefined;
    const refused = (section: Section) => section.refused && section.track === undefined;
    if (!this.#options.reuseTransceivers) return this.#sections.find(refused);
    return this.#sections.find((section) =>
      section.track === undefined && !section.refused && !section.activeAtClient &&
      section.kind === kind
    ) ?? this.#sections.find(refused);
  }

  #takeMid(): string {
    return String(this.#nextMid++);
  }
}

function extensionsOf({ kind, setsDelay }: Section): readonly HeaderExtension[] {
  return setsDelay ? [...EXTENSIONS[kind], PLAYOUT_DELAY] : EXTENSIONS[kind];
}

function withId(uri: string): HeaderExtension {
  return { id: ALL_EXTENSIONS.indexOf(uri) + 1, uri };
}

/** Applies the answer to one section; says what changed for the track that was offered in it. */
function settle(
  section: Section,
  answer: RemoteSection | undefined,
):
  | AppliedAnswer["accepted"][number]
  | RejectedTrack
  | undefined {
  if (section.refused) return undefined;
  const { offered } = section;
  // A section the client left out of its answer is as good as refused.
  const refused = answer === undefined || answer.rejected;
  section.refused = refused;
  section.activeAtClient = !refused && offered !== undefined;
  if (!refused) noteRefusedRtx(section, answer.codecs);
  // Repair that was refused is not named again: its SSRC would look like a track.
  if (!refused && !answer.codecs.some(isRepair)) {
    section.own = section.own.filter((codec) => !isRepair(codec));
  }
  if (offered === undefined || section.track !== offered) return undefined;
  const { downTrack } = offered;
  const codecs = refused ? [] : commonCodecs(section.own, answer.codecs);
  if (codecs.every(isRepair)) {
    section.track = undefined;
    return { downTrack, reason: "codec_unsupported" };
  }
  if (answer!.direction !== "recvonly" && answer!.direction !== "sendrecv") {
    section.track = undefined;
    return { downTrack, reason: "section_rejected" };
  }
  const send = sendSection(section, offered, codecs, answer!);
  const fingerprint = JSON.stringify(send);
  if (fingerprint === section.accepted) return undefined;
  section.accepted = fingerprint;
  return { downTrack, section: send };
}

function sendSection(
  section: Section,
  track: SubscribedTrack,
  codecs: readonly CodecParameters[],
  answer: RemoteSection,
): SendSection {
  const common = extensionsOf(section).filter(({ id, uri }) =>
    answer.extensions.some((accepted) => accepted.id === id && accepted.uri === uri)
  );
  return {
    mid: section.mid,
    kind: section.kind,
    ssrc: track.ssrc,
    ...otherSsrcs(track, codecs),
    cname: track.cname,
    codecs,
    extensions: writtenExtensions(common, codecs),
    ...(track.playoutDelay === undefined ? {} : { playoutDelay: track.playoutDelay }),
    ...handlingOf(track),
  };
}

function isRepair({ mime }: CodecParameters): boolean {
  return mime === FLEXFEC_MIME;
}

/**
 * What is known of the client's retransmission after an answer: a section without any has none at
 * all.
 */
function noteRefusedRtx(section: Section, answered: readonly CodecParameters[]): void {
  if (answered.length === 0) return;
  const refused = usesRtx(answered)
    ? answered.filter(({ rtxPayloadType }) => rtxPayloadType === undefined)
    : section.codecs;
  for (const { payloadType } of refused) {
    if (section.withoutRtx.has(payloadType)) continue;
    section.withoutRtx.add(payloadType);
    section.codecText = undefined;
  }
}

/** A codec as the section lists it: without retransmission where the client refused that. */
function listed(section: Section, codec: CodecParameters): CodecParameters {
  if (!section.withoutRtx.has(codec.payloadType)) return codec;
  const { rtxPayloadType: _refused, ...rest } = codec;
  return rest;
}

/** The answer's codecs that were offered, in the answer's order and with its payload types. */
function commonCodecs(
  offered: readonly CodecParameters[],
  answered: readonly CodecParameters[],
): readonly CodecParameters[] {
  return answered.filter((codec) =>
    offered.some((ours) => ours.payloadType === codec.payloadType && ours.mime === codec.mime) ||
    offered.some((ours) => sameCodec(ours, codec))
  );
}

function sectionLines(
  section: Section,
  local: LocalParameters,
  withCandidates: boolean,
): readonly string[] {
  const { mid, kind, track } = section;
  const codecs = section.codecs.map((codec) => listed(section, codec));
  const own = section.own.map((codec) => listed(section, codec));
  const formats = payloadTypes(codecs);
  if (section.refused) {
    return [...mediaLines(kind, MEDIA_PROTOCOL, formats, 0), `a=mid:${mid}`, "a=inactive"];
  }
  return [
    ...mediaLines(kind, MEDIA_PROTOCOL, formats, 9),
    ...transportLines(local, "actpass", withCandidates),
    `a=mid:${mid}`,
    ...extensionLines(extensionsOf(section)),
    track === undefined ? "a=recvonly" : "a=sendonly",
    ...(track === undefined ? [] : [msidLine(track)]),
    "a=rtcp-mux",
    "a=rtcp-rsize",
    ...(section.codecText ??= codecs.flatMap(codecLines)),
    ...(track === undefined ? [] : ssrcLines(track, own)),
  ];
}
