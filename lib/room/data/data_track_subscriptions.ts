/**
 * Which data tracks one participant wants, which it has, and under which handle. Pure.
 *
 * Contract: a wanted track is had as soon as it exists and is allowed, and not longer; a handle
 * names one track at a time and is not given out again while any other is free. A track that ended
 * is not wanted any more.
 *
 * @module
 */
import {
  DataTrackSubscriberHandles,
  DataTrackSubscriberHandles_PublishedDataTrack as PublishedDataTrack,
  SubscriptionPermissionUpdate,
} from "@livekit/protocol";
import { mayBeSid } from "../../base/ids.ts";

/** Tracks one participant may want at once; more are not taken note of. */
const MAX_WANTED = 4096;
const MAX_HANDLE = 65_535;

/** A data track as one subscriber sees it. */
export interface DataTrackSource {
  readonly publisherSid: string;
  readonly publisherIdentity: string;
  /** The publisher's rule lets this subscriber have it. */
  readonly allowed: boolean;
}

/** What changed in one round. */
export interface DataTrackChanges {
  /** For the client, in order. */
  readonly permissions: readonly SubscriptionPermissionUpdate[];
  /** Tracks that are had from now on, or no longer. */
  readonly changed: readonly string[];
}

interface Entry {
  allowed: boolean | undefined;
  handle: number | undefined;
  source: DataTrackSource | undefined;
}

/**
 * One participant's data tracks: a wanted track is had as soon as it exists and is allowed, and a
 * handle names one track at a time.
 */
export class DataTrackSubscriptions {
  readonly #wanted = new Map<string, Entry>();
  /** Tracks no longer wanted that are still had until the next round. */
  readonly #unwanted = new Set<string>();
  readonly #taken = new Set<number>();
  #lastHandle: number;

  /** @param firstHandle Handles count up after this. */
  constructor(firstHandle: number) {
    this.#lastHandle = firstHandle;
  }

  /** Notes a wish; {@linkcode reconcile} carries it out. */
  desire(trackSid: string, wanted: boolean): void {
    const entry = this.#wanted.get(trackSid);
    if (!wanted) {
      if (entry === undefined) return;
      this.#wanted.delete(trackSid);
      if (this.#release(entry)) this.#unwanted.add(trackSid);
    } else if (entry === undefined && this.#wanted.size < MAX_WANTED && mayBeSid(trackSid)) {
      this.#wanted.set(trackSid, { allowed: undefined, handle: undefined, source: undefined });
    }
  }

  /**
   * Makes facts agree with wishes.
   *
   * @param trackSids Those of which something has changed; all if absent.
   */
  reconcile(
    maySubscribe: boolean,
    resolve: (trackSid: string) => DataTrackSource | undefined,
    trackSids: Iterable<string> = this.#wanted.keys(),
  ): DataTrackChanges {
    const permissions: SubscriptionPermissionUpdate[] = [];
    const changed = [...this.#unwanted];
    this.#unwanted.clear();
    for (const trackSid of trackSids) {
      const entry = this.#wanted.get(trackSid);
      if (entry === undefined) continue;
      const source = resolve(trackSid);
      if (source === undefined) {
        if (this.#release(entry)) changed.push(trackSid);
        // One that was there has ended; one that was not may still come.
        if (entry.source !== undefined) this.#wanted.delete(trackSid);
        continue;
      }
      entry.source = source;
      if (maySubscribe && entry.allowed !== source.allowed) {
        const { publisherSid: participantSid, allowed } = source;
        entry.allowed = allowed;
        permissions.push(new SubscriptionPermissionUpdate({ participantSid, trackSid, allowed }));
      }
      const moved = maySubscribe && source.allowed ? this.#take(entry) : this.#release(entry);
      if (moved) changed.push(trackSid);
    }
    return { permissions, changed };
  }

  /** The handle of a track that is had. */
  handleOf(trackSid: string): number | undefined {
    return this.#wanted.get(trackSid)?.handle;
  }

  /** Everything that is had, for the client. */
  handles(): DataTrackSubscriberHandles {
    const subHandles: Record<number, PublishedDataTrack> = {};
    for (const [trackSid, { handle, source }] of this.#wanted) {
      if (handle === undefined || source === undefined) continue;
      const { publisherIdentity, publisherSid } = source;
      subHandles[handle] = new PublishedDataTrack({ publisherIdentity, publisherSid, trackSid });
    }
    return new DataTrackSubscriberHandles({ subHandles });
  }

  /** Wants nothing any more. @returns what was had. */
  clear(): string[] {
    const had = [...this.#wanted].filter(([, { handle }]) => handle !== undefined);
    this.#wanted.clear();
    this.#unwanted.clear();
    this.#taken.clear();
    return had.map(([trackSid]) => trackSid);
  }

  #take(entry: Entry): boolean {
    if (entry.handle !== undefined) return false;
    do {
      this.#lastHandle = this.#lastHandle % MAX_HANDLE + 1;
    } while (this.#taken.has(this.#lastHandle));
    entry.handle = this.#lastHandle;
    this.#taken.add(entry.handle);
    return true;
  }

  #release(entry: Entry): boolean {
    if (entry.handle === undefined) return false;
    this.#taken.delete(entry.handle);
    entry.handle = undefined;
    return true;
  }
}
