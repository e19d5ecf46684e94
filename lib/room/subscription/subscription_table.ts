/**
 * One subscriber's wishes, kept apart from what is so: desired tracks against existing down-tracks,
 * and what must happen next to make them agree.
 *
 * Pure: no clock, no effects. Ask {@linkcode SubscriptionTable.reconcile} after every change about
 * what changed, and on a slow tick about what is unsettled, carry out what it returns, and tell the
 * table how it went. So one publication costs each subscriber one look, however many tracks there
 * are. At most one down-track exists per track, because an entry that has one never asks for
 * another.
 *
 * @module
 */
import { type DownTrackId, mayBeSid } from "../../base/ids.ts";
import type { MediaKind } from "../../base/media_vocabulary.ts";
import { initialSettings, type TrackSettings } from "./track_settings.ts";
import type { SubscriptionLimits } from "../context/room_options.ts";

/** How often what is unsettled is looked at again, ms. */
export const RECONCILE_INTERVAL_MS = 3_000;
/** How long a wish for a track that does not exist, or settings without a wish, are kept, ms. */
export const NOT_FOUND_TIMEOUT_MS = 60_000;
/** How long a down-track may wait for the subscriber's answer before it is given up, ms. */
export const NOT_ACCEPTED_TIMEOUT_MS = 15_000;

/** Tracks one subscriber may have wishes about, known or not: more than any room has. */
export const MAX_ENTRIES = 10_000;

/** What the room says about one track at one moment. */
export type SourceState =
  | { readonly exists: false }
  | {
    readonly exists: true;
    readonly kind: MediaKind;
    /** Whether its publisher lets this subscriber have it. */
    readonly allowed: boolean;
  };

/** There is no such track, or none of its media has come. */
export const NO_SOURCE: SourceState = { exists: false };

/** What a reconcile wants done, in order. */
export type SubscriptionAction =
  | { readonly type: "subscribe"; readonly trackSid: string }
  | { readonly type: "unsubscribe"; readonly trackSid: string; readonly downTrack: DownTrackId }
  | { readonly type: "not_found"; readonly trackSid: string }
  | { readonly type: "not_accepted"; readonly trackSid: string }
  | { readonly type: "permission"; readonly trackSid: string; readonly allowed: boolean };

interface Entry {
  desired: boolean;
  /** Asked for by name. */
  insists: boolean;
  settings: TrackSettings | undefined;
  /** Set while a down-track exists. */
  downTrack:
    | { readonly id: DownTrackId; readonly kind: MediaKind; since: number }
    | undefined;
  accepted: boolean;
  /** Last permission evaluated; `undefined` before the first time. */
  allowed: boolean | undefined;
  /** When the wish was made, or last had its track; runs {@linkcode NOT_FOUND_TIMEOUT_MS}. */
  missingSince: number;
}

/** Wishes and facts of one subscriber, by track sid. */
export class SubscriptionTable {
  readonly #entries = new Map<string, Entry>();
  /** Tracks that are not as desired, so that time alone may change something. */
  readonly #unsettled = new Set<string>();
  /** Down-tracks there are. */
  readonly #open: Record<MediaKind, number> = { audio: 0, video: 0 };

  constructor(readonly adaptiveStream: boolean, readonly limits: SubscriptionLimits) {}

  /** Records that the subscriber wants (or no longer wants) a track; it need not exist yet. */
  desire(trackSid: string, wanted: boolean, now: number): void {
    const entry = this.#entries.get(trackSid);
    if (entry === undefined) {
      const added = wanted ? this.#add(trackSid, now) : undefined;
      if (added !== undefined) added.desired = true;
      return;
    }
    if (wanted && !entry.desired) entry.missingSince = now;
    entry.desired = wanted;
    this.#note(trackSid, entry);
  }

  /**
   * The subscriber asked for a track by name, or no longer does. @returns Whether that is news.
   */
  insist(trackSid: string, insists: boolean): boolean {
    const entry = this.#entries.get(trackSid);
    if (entry === undefined || entry.insists === insists) return false;
    entry.insists = insists;
    return true;
  }

  /** Whether a track was asked for by name, and not just wanted like all others. */
  insists(trackSid: string): boolean {
    return this.#entries.get(trackSid)?.insists ?? false;
  }

  /**
   * Keeps settings, also those that come before the subscription.
   *
   * @returns `false` if there are too many already.
   */
  setSettings(trackSid: string, settings: TrackSettings, now: number): boolean {
    const entry = this.#entries.get(trackSid) ?? this.#add(trackSid, now);
    if (entry !== undefined) entry.settings = settings;
    return entry !== undefined;
  }

  /** Settings in force; the initial ones if none were sent. */
  settings(trackSid: string): TrackSettings {
    return this.#entries.get(trackSid)?.settings ?? initialSettings(this.adaptiveStream);
  }

  /** A `subscribe` action was carried out. */
  subscribed(trackSid: string, id: DownTrackId, kind: MediaKind, now: number): void {
    const entry = this.#entries.get(trackSid);
    if (entry === undefined) return;
    if (entry.downTrack !== undefined) this.#open[entry.downTrack.kind]--;
    this.#open[kind]++;
    entry.downTrack = { id, kind, since: now };
    entry.accepted = false;
    this.#note(trackSid, entry);
  }

  /**
   * The subscriber's answer accepted the down-track. With adaptive stream a stored `disabled` is
   * cleared, because the client will say again what is visible.
   */
  accepted(trackSid: string): void {
    const entry = this.#entries.get(trackSid);
    if (entry?.downTrack === undefined) return;
    entry.accepted = true;
    this.#note(trackSid, entry);
    if (this.adaptiveStream && entry.settings?.disabled) {
      entry.settings = { ...entry.settings, disabled: false };
    }
  }

  /** The down-track of a track is gone, whoever ended it. */
  closed(trackSid: string, now: number): void {
    const entry = this.#entries.get(trackSid);
    if (entry === undefined) return;
    if (entry.downTrack !== undefined) this.#open[entry.downTrack.kind]--;
    entry.downTrack = undefined;
    entry.accepted = false;
    entry.missingSince = now;
    if (entry.desired) this.#note(trackSid, entry);
    else this.#delete(trackSid);
  }

  /** The track was unpublished: the wish goes with it. */
  sourceRemoved(trackSid: string): DownTrackId | undefined {
    const downTrack = this.#entries.get(trackSid)?.downTrack?.id;
    this.#delete(trackSid);
    return downTrack;
  }

  /** Forgets everything; down-tracks must have been ended before. */
  clear(): void {
    this.#entries.clear();
    this.#unsettled.clear();
    this.#open.audio = this.#open.video = 0;
  }

  isDesired(trackSid: string): boolean {
    return this.#entries.get(trackSid)?.desired ?? false;
  }

  isAccepted(trackSid: string): boolean {
    return this.#entries.get(trackSid)?.accepted ?? false;
  }

  downTrack(trackSid: string): DownTrackId | undefined {
    return this.#entries.get(trackSid)?.downTrack?.id;
  }

  /** Sids of tracks that have a down-track, accepted or not. */
  subscribedTracks(): string[] {
    return [...this.#entries].filter(([, e]) => e.downTrack !== undefined).map(([sid]) => sid);
  }

  /** How many tracks anything is known of. */
  get size(): number {
    return this.#entries.size;
  }

  /** Tracks that are not as desired, so that time alone may change something. */
  get unsettled(): ReadonlySet<string> {
    return this.#unsettled;
  }

  /** The client is given the time to accept the track once more. */
  waitLonger(trackSid: string, now: number): void {
    const downTrack = this.#entries.get(trackSid)?.downTrack;
    if (downTrack !== undefined) downTrack.since = now;
  }

  /**
   * What to do now.
   *
   * @param source What the room knows of a track.
   * @param maySubscribe The subscriber's own permission.
   * @param changed Tracks of which something is not as it was; all of them if absent. Those that
   * wait for room under a limit are looked at, too.
   */
  reconcile(
    now: number,
    source: (trackSid: string) => SourceState,
    maySubscribe: boolean,
    changed: Iterable<string> = this.#entries.keys(),
  ): SubscriptionAction[] {
    const actions: SubscriptionAction[] = [];
    const used = { ...this.#open };
    const waiting = new Set(this.#hasLimits ? this.#unsettled : []);
    for (const trackSid of new Set(changed)) {
      const entry = this.#entries.get(trackSid);
      if (entry === undefined) continue;
      const state = source(trackSid);
      this.#evaluatePermission(trackSid, entry, state, actions);
      const { downTrack } = entry;
      if (downTrack === undefined) {
        waiting.add(trackSid);
        continue;
      }
      if (entry.desired && maySubscribe && state.exists && state.allowed) {
        if (entry.accepted || now - downTrack.since < NOT_ACCEPTED_TIMEOUT_MS) continue;
        actions.push({ type: "not_accepted", trackSid });
      } else {
        used[downTrack.kind]--;
        actions.push({ type: "unsubscribe", trackSid, downTrack: downTrack.id });
      }
    }
    for (const trackSid of waiting) {
      const action = this.#begin(trackSid, now, source, maySubscribe, used);
      if (action !== undefined) actions.push(action);
    }
    return actions;
  }

  /**
   * What to do about a track without a down-track.
   *
   * @param used Down-tracks there will be, by kind.
   */
  #begin(
    trackSid: string,
    now: number,
    source: (trackSid: string) => SourceState,
    maySubscribe: boolean,
    used: Record<MediaKind, number>,
  ): SubscriptionAction | undefined {
    const entry = this.#entries.get(trackSid);
    if (entry === undefined || entry.downTrack !== undefined) return undefined;
    const isOld = now - entry.missingSince >= NOT_FOUND_TIMEOUT_MS;
    if (!entry.desired) {
      if (isOld) this.#delete(trackSid);
      return undefined;
    }
    const state = source(trackSid);
    if (!state.exists) {
      if (!isOld) return undefined;
      this.#delete(trackSid);
      return { type: "not_found", trackSid };
    }
    entry.missingSince = now;
    const limit = this.limits[state.kind];
    if (!maySubscribe || !state.allowed || (limit > 0 && used[state.kind] >= limit)) {
      return undefined;
    }
    used[state.kind]++;
    return { type: "subscribe", trackSid };
  }

  /** Reports the first evaluation and every change after it. */
  #evaluatePermission(
    trackSid: string,
    entry: Entry,
    state: SourceState,
    actions: SubscriptionAction[],
  ): void {
    if (!entry.desired || !state.exists || entry.allowed === state.allowed) return;
    entry.allowed = state.allowed;
    actions.push({ type: "permission", trackSid, allowed: state.allowed });
  }

  #add(trackSid: string, now: number): Entry | undefined {
    if (this.#entries.size >= MAX_ENTRIES || !mayBeSid(trackSid)) return undefined;
    const entry: Entry = {
      desired: false,
      insists: false,
      settings: undefined,
      downTrack: undefined,
      accepted: false,
      allowed: undefined,
      missingSince: now,
    };
    this.#entries.set(trackSid, entry);
    this.#note(trackSid, entry);
    return entry;
  }

  #note(trackSid: string, { desired, downTrack, accepted }: Entry): void {
    if (desired && downTrack !== undefined && accepted) this.#unsettled.delete(trackSid);
    else this.#unsettled.add(trackSid);
  }

  #delete(trackSid: string): void {
    const downTrack = this.#entries.get(trackSid)?.downTrack;
    if (downTrack !== undefined) this.#open[downTrack.kind]--;
    this.#entries.delete(trackSid);
    this.#unsettled.delete(trackSid);
  }

  get #hasLimits(): boolean {
    return this.limits.audio > 0 || this.limits.video > 0;
  }
}
