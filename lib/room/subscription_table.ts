/**
 * One subscriber's wishes, kept apart from what is so: desired tracks against existing down-tracks,
 * and what must happen next to make them agree.
 *
 * Pure: no clock, no effects. Ask {@linkcode SubscriptionTable.reconcile} after every change and on a
 * slow tick, carry out what it returns, and tell the table how it went. At most one down-track exists
 * per track, because an entry that has one never asks for another.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import type { MediaKind } from "../base/media_vocabulary.ts";
import { initialSettings, type TrackSettings } from "./track_settings.ts";

/** How often the whole table is looked at again, ms. */
export const RECONCILE_INTERVAL_MS = 3_000;
/** How long a wish for a track that does not exist, or settings without a wish, are kept, ms. */
export const NOT_FOUND_TIMEOUT_MS = 60_000;
/** How long a down-track may wait for the subscriber's answer before it is given up, ms. */
export const NOT_BOUND_TIMEOUT_MS = 15_000;

/** Tracks one subscriber may have wishes about, known or not: more than any room has. */
export const MAX_ENTRIES = 50_000;

/** What the room says about one track at one moment. */
export type SourceState =
  | { readonly exists: false }
  | {
    readonly exists: true;
    readonly kind: MediaKind;
    /** Whether its publisher lets this subscriber have it. */
    readonly allowed: boolean;
  };

/** Limits per kind; 0 is no limit. */
export interface SubscriptionLimits {
  readonly audio: number;
  readonly video: number;
}

/** What a reconcile wants done, in order. */
export type SubscriptionAction =
  | { readonly type: "subscribe"; readonly trackSid: string }
  | { readonly type: "unsubscribe"; readonly trackSid: string; readonly downTrack: DownTrackId }
  | { readonly type: "not_found"; readonly trackSid: string }
  | { readonly type: "not_bound"; readonly trackSid: string }
  | { readonly type: "permission"; readonly trackSid: string; readonly allowed: boolean };

interface Entry {
  desired: boolean;
  settings: TrackSettings | undefined;
  /** Set while a down-track exists. */
  downTrack:
    | { readonly id: DownTrackId; readonly kind: MediaKind; since: number }
    | undefined;
  bound: boolean;
  /** Last permission evaluated; `undefined` before the first time. */
  allowed: boolean | undefined;
  /** When the wish was made, or last had its track; runs {@linkcode NOT_FOUND_TIMEOUT_MS}. */
  missingSince: number;
}

/** Wishes and facts of one subscriber, by track sid. */
export class SubscriptionTable {
  readonly #entries = new Map<string, Entry>();

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
    entry.downTrack = { id, kind, since: now };
    entry.bound = false;
  }

  /**
   * The subscriber's answer accepted the down-track. With adaptive stream a stored `disabled` is
   * cleared, because the client will say again what is visible.
   */
  bound(trackSid: string): void {
    const entry = this.#entries.get(trackSid);
    if (entry?.downTrack === undefined) return;
    entry.bound = true;
    if (this.adaptiveStream && entry.settings?.disabled) {
      entry.settings = { ...entry.settings, disabled: false };
    }
  }

  /** The down-track of a track is gone, whoever ended it. */
  closed(trackSid: string, now: number): void {
    const entry = this.#entries.get(trackSid);
    if (entry === undefined) return;
    entry.downTrack = undefined;
    entry.bound = false;
    entry.missingSince = now;
    if (!entry.desired) this.#entries.delete(trackSid);
  }

  /** The track was unpublished: the wish goes with it. */
  sourceRemoved(trackSid: string): DownTrackId | undefined {
    const downTrack = this.#entries.get(trackSid)?.downTrack?.id;
    this.#entries.delete(trackSid);
    return downTrack;
  }

  /** Forgets everything; down-tracks must have been ended before. */
  clear(): void {
    this.#entries.clear();
  }

  isDesired(trackSid: string): boolean {
    return this.#entries.get(trackSid)?.desired ?? false;
  }

  isBound(trackSid: string): boolean {
    return this.#entries.get(trackSid)?.bound ?? false;
  }

  downTrack(trackSid: string): DownTrackId | undefined {
    return this.#entries.get(trackSid)?.downTrack?.id;
  }

  /** Sids of tracks that have a down-track, bound or not. */
  subscribedTracks(): string[] {
    return [...this.#entries].filter(([, e]) => e.downTrack !== undefined).map(([sid]) => sid);
  }

  /** How many tracks anything is known of. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether some entry is not as desired, so that time alone may change it. */
  get unsettled(): boolean {
    for (const entry of this.#entries.values()) {
      if (entry.downTrack === undefined || !entry.desired) return true;
      if (entry.downTrack !== undefined && !entry.bound) return true;
    }
    return false;
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
   */
  reconcile(
    now: number,
    source: (trackSid: string) => SourceState,
    maySubscribe: boolean,
  ): SubscriptionAction[] {
    const actions: SubscriptionAction[] = [];
    const used = { audio: 0, video: 0 };
    for (const [trackSid, entry] of this.#entries) {
      const state = source(trackSid);
      this.#evaluatePermission(trackSid, entry, state, actions);
      const { downTrack } = entry;
      if (downTrack === undefined) continue;
      const keep = entry.desired && maySubscribe && state.exists && state.allowed;
      if (!keep) actions.push({ type: "unsubscribe", trackSid, downTrack: downTrack.id });
      else if (!entry.bound && now - downTrack.since >= NOT_BOUND_TIMEOUT_MS) {
        actions.push({ type: "not_bound", trackSid });
      }
      if (keep) used[downTrack.kind]++;
    }
    for (const [trackSid, entry] of this.#entries) {
      if (entry.downTrack !== undefined) continue;
      if (!entry.desired) {
        if (now - entry.missingSince >= NOT_FOUND_TIMEOUT_MS) this.#entries.delete(trackSid);
        continue;
      }
      const state = source(trackSid);
      if (!state.exists) {
        if (now - entry.missingSince >= NOT_FOUND_TIMEOUT_MS) {
          this.#entries.delete(trackSid);
          actions.push({ type: "not_found", trackSid });
        }
        continue;
      }
      entry.missingSince = now;
      const limit = this.limits[state.kind];
      if (!maySubscribe || !state.allowed || (limit > 0 && used[state.kind] >= limit)) continue;
      used[state.kind]++;
      actions.push({ type: "subscribe", trackSid });
    }
    return actions;
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
    if (this.#entries.size >= MAX_ENTRIES) return undefined;
    const entry: Entry = {
      desired: false,
      settings: undefined,
      downTrack: undefined,
      bound: false,
      allowed: undefined,
      missingSince: now,
    };
    this.#entries.set(trackSid, entry);
    return entry;
  }
}
