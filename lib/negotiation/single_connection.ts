/**
 * Which sections of a client's offers carry which down-tracks, on the single connection on which
 * the client both publishes and receives. Only the client can add sections, so this also says how
 * many it must add and when it should offer anew.
 *
 * Contract: the table does not grow with the number of tracks ever sent. A section whose track
 * ended is answered `inactive` once and carries the next track of its kind after that, because a
 * client reports a new track only where a section goes from inactive to active (W3C WebRTC, "set a
 * session description"). Sections are asked for only if there is none to wait for, and not asked
 * for twice.
 *
 * Each offer is one round: {@linkcode SingleConnectionSections.begin}, then
 * {@linkcode SingleConnectionSections.trackFor} for each section that receives, then
 * {@linkcode SingleConnectionSections.finish} with what the answer says.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import type { CodecParameters, MediaKind } from "../base/media_vocabulary.ts";
import type { RemoteDescription, RemoteSection } from "../wire/session_description.ts";
import { type CodecPolicy, sendableCodecs } from "./codec_catalog.ts";
import type { OfferedSending, PlacedTrack, SentSection } from "./publisher_answer.ts";
import type { RejectedTrack, SubscribedTrack } from "./sent_track.ts";

/** Fixed for the life of a connection. */
export interface SingleConnectionOptions {
  /** What may be sent to this client. */
  readonly codecs: CodecPolicy;
  /**
   * `false` for clients that cannot reuse a section (Safari, old protocols): the table then grows.
   */
  readonly reuseTransceivers: boolean;
  /** See {@linkcode OfferedSending}. */
  readonly setsDelay?: boolean;
}

/**
 * Sections the client is to add before it offers; none of either means that it should just offer.
 */
export interface SectionRequirement {
  readonly numAudios: number;
  readonly numVideos: number;
}

/** What a round decided. */
export interface RoundOutcome {
  /** Tracks that can be sent now, or whose parameters changed. */
  readonly accepted: readonly SentSection[];
  /** Tracks the client cannot get; they are out of the table. */
  readonly rejected: readonly RejectedTrack[];
}

/**
 * An offer that was on its way when we asked for sections lacks them; the one after it does not.
 */
const OFFERS_UNTIL_ASKED_AGAIN = 2;
const KINDS = ["audio", "video"] as const;

/** A section of the client's last offer in which it receives. */
interface Section {
  readonly kind: MediaKind;
  track: SubscribedTrack | undefined;
  /** The client was told that it is sent something here and not yet that this ended. */
  activeAtClient: boolean;
  /** Has carried a track. */
  used: boolean;
  /** The client also sends here: it keeps what it carries and takes nothing new. */
  shared: boolean;
  /** What was last reported as accepted, to report only changes. */
  accepted: string;
}

/**
 * The down-tracks in the sections of a client's offers: one live track a section, the table bounded
 * by the tracks alive at one time, and nothing asked for twice.
 */
export class SingleConnectionSections implements OfferedSending {
  readonly codecs: CodecPolicy;
  readonly setsDelay: boolean;
  readonly #reuse: boolean;
  #sections = new Map<string, Section>();
  /** Which section carries a track. */
  readonly #carriers = new Map<DownTrackId, Section>();
  /** Tracks without a section, in the order they were added. */
  readonly #waiting = new Map<DownTrackId, SubscribedTrack>();
  /** Waiting tracks that no free section of this round could carry. */
  readonly #unsupported = new Set<DownTrackId>();
  /** Sections asked for and not yet seen. */
  readonly #requested: Record<MediaKind, number> = { audio: 0, video: 0 };
  #patience = 0;
  /** No offer came since one was asked for. */
  #offerAsked = false;

  constructor({ codecs, reuseTransceivers, setsDelay = false }: SingleConnectionOptions) {
    this.codecs = codecs;
    this.setsDelay = setsDelay;
    this.#reuse = reuseTransceivers;
  }

  /** Sections in which the client receives, idle ones included. */
  get size(): number {
    return this.#sections.size;
  }

  /** Puts a track into the next answer; ignored if it is already there. */
  addTrack(track: SubscribedTrack): void {
    const { downTrack } = track;
    if (this.#waiting.has(downTrack) || this.#carriers.has(downTrack)) return;
    this.#waiting.set(downTrack, track);
  }

  /** Takes a track out of the next answer; ignored if it is not there. */
  removeTrack(downTrack: DownTrackId): void {
    if (this.#waiting.delete(downTrack)) return;
    const section = this.#carriers.get(downTrack);
    if (section === undefined) return;
    this.#carriers.delete(downTrack);
    section.track = undefined;
    section.accepted = "";
  }

  /** Whether the client has to be asked for something it was not asked for yet. */
  get needsOffer(): boolean {
    if (this.#toRequest("audio") + this.#toRequest("video") > 0) return true;
    return !this.#offerAsked && this.#offerHelps();
  }

  /** What to ask the client for, remembered as asked; call it if {@linkcode needsOffer}. */
  requirement(): SectionRequirement {
    const numAudios = this.#toRequest("audio");
    const numVideos = this.#toRequest("video");
    this.#requested.audio += numAudios;
    this.#requested.video += numVideos;
    if (numAudios + numVideos > 0) this.#patience = OFFERS_UNTIL_ASKED_AGAIN;
    this.#offerAsked = true;
    return { numAudios, numVideos };
  }

  /** Takes over an offer: sections that are gone give their tracks back. */
  begin(offer: RemoteDescription): void {
    this.#offerAsked = false;
    this.#unsupported.clear();
    const before = this.#sections;
    this.#sections = new Map();
    const added: Record<MediaKind, number> = { audio: 0, video: 0 };
    for (const { mid, kind, rejected, direction } of offer.sections) {
      const receives = !rejected && (direction === "recvonly" || direction === "sendrecv");
      if (kind === "application" || !receives) continue;
      const shared = direction === "sendrecv";
      const known = before.get(mid);
      if (known?.kind === kind) {
        before.delete(mid);
        known.shared = shared;
      } else added[kind]++;
      this.#sections.set(mid, known?.kind === kind ? known : newSection(kind, shared));
    }
    for (const { track } of before.values()) {
      if (track === undefined) continue;
      this.#carriers.delete(track.downTrack);
      this.#waiting.set(track.downTrack, track);
    }
    this.#patience--;
    for (const kind of KINDS) {
      const left = this.#patience > 0 ? this.#requested[kind] - added[kind] : 0;
      this.#requested[kind] = Math.max(0, left);
    }
  }

  /** The track that `section` carries: the one it had, else the first waiting one that fits. */
  trackFor(
    { mid }: RemoteSection,
    codecs: readonly CodecParameters[],
  ): PlacedTrack | undefined {
    const section = this.#sections.get(mid);
    if (section === undefined) return undefined;
    if (section.track === undefined && this.#isFree(section)) this.#fill(section, codecs);
    const { track } = section;
    if (track === undefined) return undefined;
    const sendable = sendableCodecs(track.codecs, codecs);
    if (sendable.length > 0) return { track, codecs: sendable };
    section.track = undefined;
    this.#carriers.delete(track.downTrack);
    this.#waiting.set(track.downTrack, track);
    this.#unsupported.add(track.downTrack);
    return undefined;
  }

  /** The answer is decided; `sent` is what it says that we send. */
  finish(sent: readonly SentSection[]): RoundOutcome {
    const byMid = new Map(sent.map((entry) => [entry.section.mid, entry]));
    const accepted: SentSection[] = [];
    for (const [mid, section] of this.#sections) {
      const entry = byMid.get(mid);
      section.activeAtClient = entry !== undefined;
      section.used ||= entry !== undefined;
      // A section that the answer refused carries nothing.
      if (entry === undefined) this.#release(section);
      else if (report(section, entry)) accepted.push(entry);
    }
    const rejected: RejectedTrack[] = [];
    for (const downTrack of this.#unsupported) {
      if (!this.#waiting.delete(downTrack)) continue;
      rejected.push({ downTrack, reason: "codec_unsupported" });
    }
    this.#unsupported.clear();
    return { accepted, rejected };
  }

  /**
   * The client came back on another socket: what it was told last may never have reached it, and it
   * may not have heard that it should offer.
   */
  clientReturned(): void {
    this.#offerAsked = false;
    for (const kind of KINDS) this.#requested[kind] = 0;
    for (const section of this.#sections.values()) {
      if (section.track === undefined) section.activeAtClient = section.used;
    }
  }

  #isFree({ activeAtClient, used, shared }: Section): boolean {
    return !activeAtClient && !shared && (this.#reuse || !used);
  }

  #fill(section: Section, codecs: readonly CodecParameters[]): void {
    for (const [downTrack, track] of this.#waiting) {
      if (track.kind !== section.kind) continue;
      if (sendableCodecs(track.codecs, codecs).length === 0) {
        this.#unsupported.add(downTrack);
        continue;
      }
      this.#unsupported.delete(downTrack);
      this.#waiting.delete(downTrack);
      section.track = track;
      this.#carriers.set(downTrack, section);
      section.accepted = "";
      return;
    }
  }

  #release(section: Section): void {
    const { track } = section;
    if (track === undefined) return;
    this.#carriers.delete(track.downTrack);
    section.track = undefined;
    section.accepted = "";
    this.#waiting.set(track.downTrack, track);
  }

  /** An offer would let something be said that was not: an end, or a track in a free section. */
  #offerHelps(): boolean {
    for (const section of this.#sections.values()) {
      if (section.track !== undefined) continue;
      if (section.activeAtClient) return true;
      if (this.#isFree(section) && this.#waitingOf(section.kind) > 0) return true;
    }
    return false;
  }

  /** Sections to ask for: for each waiting track one, less those that are or become free. */
  #toRequest(kind: MediaKind): number {
    let available = this.#requested[kind];
    for (const section of this.#sections.values()) {
      const freed = section.activeAtClient && this.#reuse && !section.shared;
      const idle = section.track === undefined && (freed || this.#isFree(section));
      if (idle && section.kind === kind) available++;
    }
    return Math.max(0, this.#waitingOf(kind) - available);
  }

  #waitingOf(kind: MediaKind): number {
    let count = 0;
    for (const track of this.#waiting.values()) if (track.kind === kind) count++;
    return count;
  }
}

/** Whether `entry` says something else than what was reported last. */
function report(section: Section, entry: SentSection): boolean {
  const said = JSON.stringify(entry);
  if (section.accepted === said) return false;
  section.accepted = said;
  return true;
}

function newSection(kind: MediaKind, shared: boolean): Section {
  return { kind, track: undefined, activeAtClient: false, used: false, shared, accepted: "" };
}
