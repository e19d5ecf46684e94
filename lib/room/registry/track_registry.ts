/**
 * The tracks of one publisher, safe against everything that races: announcements, offers, one
 * media callback for each simulcast layer, mutes, and closing.
 *
 * Each call is one critical section over the {@linkcode TrackTable}; only local work happens
 * inside, and there are no timers. What the world is to be told goes into an outbox before the lock
 * is released and is delivered, in the order of the commits, only while nobody holds the lock. A
 * call resolves once its own effects have been delivered, so `deliver` may start further calls but
 * must not be waited for by one.
 *
 * @module
 */
import type { AddTrackRequest, AudioTrackFeature, TrackInfo } from "@livekit/protocol";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import { Mutex } from "../../base/mutex.ts";
import type {
  ClaimOutcome,
  LayerSizes,
  MediaArrival,
  PublishedTrack,
  RegistryEffect,
  SectionPlan,
  SectionQuery,
} from "./registry_messages.ts";
import {
  type TableContents,
  TrackTable,
  type TrackTableOptions,
  type Transition,
} from "./track_table.ts";

/** What a registry needs; one registry for each participant session. */
export interface TrackRegistryOptions extends TrackTableOptions {
  /** Told each effect once, in order. A throw is logged and counted and loses nothing else. */
  readonly deliver: (effect: RegistryEffect) => void;
  /** The lock; given by tests that want to watch it. */
  readonly mutex?: Mutex;
}

/** An effect to deliver, or a call whose effects have all been delivered when this is reached. */
type OutboxItem =
  | { readonly effect: RegistryEffect }
  | { readonly delivered: () => void };

/** The lock-protected track registry. */
export class TrackRegistry {
  readonly #options: TrackRegistryOptions;
  readonly #table: TrackTable;
  readonly #mutex: Mutex;
  readonly #outbox: OutboxItem[] = [];

  constructor(options: TrackRegistryOptions) {
    this.#options = options;
    this.#table = new TrackTable(options);
    this.#mutex = options.mutex ?? new Mutex();
  }

  /**
   * `AddTrack`: answered with a `track_published` or a `request_response` effect. Media that was
   * parked for it is published at once. A request with a `sid` adds a codec to a published track.
   */
  announce(request: AddTrackRequest): Promise<void> {
    return this.#run(() => this.#table.announce(request));
  }

  /**
   * What the announcements say about the sections of one offer, in the same order. Also records
   * which section will carry which pending track, so that later look-ups agree with the answer.
   */
  plan(sections: readonly SectionQuery[]): Promise<readonly SectionPlan[]> {
    return this.#run(() => this.#table.plan(sections));
  }

  /**
   * Media (or the offer alone) has come: a new track, a further layer or codec, or not yet known.
   */
  claim(media: MediaArrival): Promise<ClaimOutcome> {
    return this.#run(() => this.#table.claim(media));
  }

  /**
   * The section ended. Its track is unpublished with its last section; an announcement queued under
   * that name then becomes current. An up-track nobody knows is ignored.
   */
  closeUpTrack(upTrack: UpTrackId): Promise<void> {
    return this.#run(() => this.#table.closeUpTrack(upTrack));
  }

  /** Works on published, pending and queued tracks. @returns Whether the sid is known. */
  setMuted(sid: TrackSid, muted: boolean, from: "publisher" | "admin"): Promise<boolean> {
    return this.#run(() => this.#table.setMuted(sid, muted, from));
  }

  /** `UpdateLocalVideoTrack`. @returns Whether the sid is known. */
  updateVideo(sid: TrackSid, width: number, height: number): Promise<boolean> {
    return this.#run(() => this.#table.updateVideo(sid, width, height));
  }

  /** Pictures turned out to be this large; for publishers whose word is not enough. */
  measured(upTrack: UpTrackId, found: LayerSizes): Promise<void> {
    return this.#run(() => this.#table.measured(upTrack, found));
  }

  /** `UpdateLocalAudioTrack`. @returns Whether the sid is known. */
  updateAudio(sid: TrackSid, features: readonly AudioTrackFeature[]): Promise<boolean> {
    return this.#run(() => this.#table.updateAudio(sid, features));
  }

  /** Takes away what `predicate` picks, published or announced: a permission was revoked. */
  unpublishWhere(predicate: (info: TrackInfo) => boolean): Promise<void> {
    return this.#run(() => this.#table.unpublishWhere(predicate));
  }

  /** Unpublishes everything; later calls do nothing. Idempotent. */
  close(): Promise<void> {
    return this.#run(() => this.#table.close());
  }

  /** Committed state: transitions are synchronous, so nobody sees half of one. */
  published(): readonly PublishedTrack[] {
    return this.#table.published();
  }

  /** Whether the sid is published or announced (for `SyncState`). */
  has(sid: TrackSid): boolean {
    return this.#table.has(sid);
  }

  /** What is told of a published or announced track; a copy. */
  info(sid: TrackSid): TrackInfo | undefined {
    const { tracks, pending } = this.contents();
    const published = tracks.find((track) => track.sid === sid)?.snapshot.info;
    return (published ?? pending.find((slot) => slot.sid === sid)?.entries[0]?.info)?.clone();
  }

  /** Everything inside, for diagnosis and tests; not to be changed. */
  contents(): TableContents {
    return this.#table.contents();
  }

  async #run<T>(transition: () => Transition<T>): Promise<T> {
    let delivered: Promise<void> | undefined;
    try {
      return await this.#mutex.run(() => {
        const { value, effects } = transition();
        for (const effect of effects) this.#outbox.push({ effect });
        delivered = new Promise((resolve) => this.#outbox.push({ delivered: resolve }));
        return value;
      });
    } finally {
      this.#drain();
      await delivered;
    }
  }

  /**
   * Delivers while the lock is free; whoever holds it drains on its way out. There is one drainer
   * at a time: this is synchronous, and a call made by `deliver` drains in a later turn.
   */
  #drain(): void {
    while (!this.#mutex.locked) {
      const item = this.#outbox.shift();
      if (item === undefined) break;
      if ("delivered" in item) item.delivered();
      else this.#deliver(item.effect);
    }
  }

  #deliver(effect: RegistryEffect): void {
    try {
      this.#options.deliver(effect);
    } catch (error) {
      this.#options.counters.count("track_effect_failed");
      this.#options.log.error("Could not deliver a track effect", { effect: effect.type, error });
    }
  }
}
