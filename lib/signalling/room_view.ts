/**
 * What one WHEP viewer sees of its room: keeps its sections filled as {@linkcode chooseTracks}
 * says, while publishers come, republish and go.
 *
 * Contract: nothing is said to the client. After `close` the room is not watched any more.
 *
 * @module
 */
import { Encryption_Type, UpdateSubscription, UpdateTrackSettings } from "@livekit/protocol";
import type { VideoQuality } from "@livekit/protocol";
import type { MediaKind } from "../base/media_vocabulary.ts";
import type { Cancel } from "../base/platform.ts";
import { sharedInfo } from "../room/context/participant_facts.ts";
import type { Session } from "../room/participant/session.ts";
import type { PublishedTrack } from "../room/registry/registry_messages.ts";
import type { Room } from "../room/room.ts";
import { type Candidate, chooseTracks, fillSections } from "./track_choice.ts";
import type { ViewChoice } from "./whep_parameters.ts";

/** A section of the viewer's answer that waits for tracks. */
export interface ViewSection {
  readonly mid: string;
  readonly kind: MediaKind;
  /** Codecs it was answered with. */
  readonly mimes: ReadonlySet<string>;
}

/** Changes that come together are looked at once, ms. */
const SETTLE_MS = 20;
/**
 * How often it is looked again while a section waits, ms: what a publisher allows, and whether it
 * is hidden, changes no track.
 */
const WAITING_MS = 2_000;

/** One viewer's sections, filled as its choice says from the first look on until `close`. */
export class RoomView {
  readonly #sections: Readonly<Record<MediaKind, readonly ViewSection[]>>;
  /** What each section has, by kind, in the order of the answer. */
  readonly #sids: Record<MediaKind, readonly (string | undefined)[]>;
  /** By mid, of videos. */
  readonly #qualities = new Map<string, VideoQuality>();
  readonly #unwatch: () => void;
  /** Sid of the participant it sees. */
  #publisher: string | undefined;
  #cancel: Cancel | undefined;
  #dueAt = Infinity;

  constructor(
    readonly room: Room,
    readonly viewer: Session,
    readonly choice: ViewChoice,
    sections: readonly ViewSection[],
  ) {
    const of = (wanted: MediaKind) => sections.filter(({ kind }) => kind === wanted);
    this.#sections = { audio: of("audio"), video: of("video") };
    this.#sids = {
      audio: this.#sections.audio.map(() => undefined),
      video: this.#sections.video.map(() => undefined),
    };
    for (const { mid } of this.#sections.video) this.#qualities.set(mid, choice.quality);
    this.#unwatch = room.tracks.watch({
      trackThere: (_publisher, track, before) => {
        const isSame = before !== undefined && isSameChoice(before, track);
        this.#lookAfter(isSame ? WAITING_MS : SETTLE_MS);
      },
      trackGone: () => this.#lookAfter(SETTLE_MS),
    });
  }

  /** Fills the sections with what there is. */
  look(): void {
    if (this.viewer.closed) return;
    const counts = {
      audio: this.#sections.audio.length,
      video: this.#sections.video.length,
    };
    const chosen = chooseTracks(this.#candidates(), this.choice, counts, this.#publisher);
    // Who is between two tracks is still the one that is seen.
    this.#publisher = chosen.publisher ?? this.#publisher;
    const before = this.#all();
    for (const kind of ["audio", "video"] as const) {
      this.#sids[kind] = fillSections(this.#sids[kind], chosen.sids[kind]);
    }
    const after = this.#all();
    const ended = before.filter((sid) => !after.includes(sid));
    if (ended.length > 0) {
      const over = new UpdateSubscription({ trackSids: ended, subscribe: false });
      this.viewer.updateSubscription(over);
    }
    for (const { mid } of this.#sections.video) this.#applyQuality(mid, before);
    this.viewer.subscribeTo(after);
    if (this.#isWaiting) this.#lookAfter(WAITING_MS);
  }

  /**
   * Changes which layers are wanted.
   *
   * @param mid Of one section; absent: of all.
   * @returns `false` if there is no such section.
   */
  setQuality(quality: VideoQuality, mid?: string): boolean {
    if (mid !== undefined && !this.#qualities.has(mid)) return false;
    for (const each of mid === undefined ? [...this.#qualities.keys()] : [mid]) {
      this.#qualities.set(each, quality);
      this.#applyQuality(each, []);
    }
    return true;
  }

  close(): void {
    this.#unwatch();
    this.#cancel?.();
  }

  get #isWaiting(): boolean {
    const { audio, video } = this.#sids;
    return [...audio, ...video].some((sid) => sid === undefined || !this.viewer.receives(sid));
  }

  #all(): string[] {
    const { audio, video } = this.#sids;
    return [...audio, ...video].filter((sid) => sid !== undefined);
  }

  /** @param known Tracks that were told already. */
  #applyQuality(mid: string, known: readonly string[]): void {
    const sid = this.#sids.video[this.#sections.video.findIndex((each) => each.mid === mid)];
    const quality = this.#qualities.get(mid);
    if (sid === undefined || quality === undefined || known.includes(sid)) return;
    this.viewer.setTrackSettings(new UpdateTrackSettings({ trackSids: [sid], quality }));
  }

  #candidates(): Candidate[] {
    const { room: { tracks }, viewer } = this;
    return tracks.all().flatMap(({ publisher, track: { sid, kind, source, info } }) => {
      // What only members have the key to is noise to everybody else.
      if (info.encryption !== Encryption_Type.NONE) return [];
      const state = tracks.sourceState(sid, viewer);
      if (!state.exists || !state.allowed || !this.#canBeSent(sid, kind)) return [];
      const { joinedAtMs } = sharedInfo(publisher);
      const { sid: publisherSid, identity } = publisher;
      const shown = { sid: publisherSid, identity, joinedAtMs };
      return [{ sid, name: info.name, kind, source, publisher: shown }];
    });
  }

  /** Audio can be had as Opus, whatever it comes as. */
  #canBeSent(sid: string, kind: MediaKind): boolean {
    if (kind === "audio") return true;
    const options = this.room.tracks.resolve(sid, this.viewer)?.options ?? [];
    return options.some(({ mime }) => this.#sections.video.some(({ mimes }) => mimes.has(mime)));
  }

  #lookAfter(delayMs: number): void {
    const { clock, timers } = this.viewer.context.platform;
    const at = clock.now() + delayMs;
    if (at >= this.#dueAt) return;
    this.#cancel?.();
    this.#dueAt = at;
    this.#cancel = timers.after(delayMs, () => {
      this.#dueAt = Infinity;
      this.#cancel = undefined;
      this.look();
    });
  }
}

/**
 * Whether a track is to viewers what it was. Muted, or of another size, it is: its publisher may
 * say so many times a second, and each of the viewers would look at all tracks. They look later, as
 * who may see it, or in which codec, may be another matter by then.
 */
function isSameChoice(before: PublishedTrack, track: PublishedTrack): boolean {
  const codecs = ({ upTracks }: PublishedTrack) =>
    upTracks.map(({ upTrack, mime }) => `${upTrack} ${mime}`).join();
  return before.source === track.source && before.info.name === track.info.name &&
    before.info.encryption === track.info.encryption && before.regressed === track.regressed &&
    codecs(before) === codecs(track);
}
