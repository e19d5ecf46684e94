/**
 * How long publications take, for metrics: from the announcement of a track, or from when the
 * publisher's connection is up if that is later, to the track's media. A publication that its
 * client gave up is counted as canceled; one that ended otherwise took until then.
 *
 * @module
 */
import { DisconnectReason as Reason } from "@livekit/protocol";
import type { TrackSid } from "../../base/ids.ts";
import type { PendingSlot } from "../registry/pending_tracks.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import type { SessionFacts } from "./session_facts.ts";

/** Announcements without media, as far as is needed here. */
export type Announced = readonly Pick<PendingSlot, "sid" | "queued" | "entries">[];

/** These ends of a session are its client's, or nobody's, decision. */
const CANCELS: ReadonlySet<Reason> = new Set([
  Reason.CLIENT_INITIATED,
  Reason.DUPLICATE_IDENTITY,
  Reason.ROOM_CLOSED,
]);

/** One publisher's publications, each counted once: with its time, or as canceled. */
export class PublicationTimes {
  /** By sid, for what is announced. */
  #announcedAt = new Map<TrackSid, number>();
  #connectedAt: number | undefined;

  constructor(readonly publisher: Pick<SessionFacts, "context" | "init">) {}

  /** The publisher's connection is up for the first time, or again. */
  connected(): void {
    this.#connectedAt ??= this.#now();
  }

  /** `pending` is what is announced now. */
  announced(pending: Announced): void {
    const now = this.#now();
    const announcedAt = new Map<TrackSid, number>();
    for (const { sid, queued } of pending) {
      // Behind another track of the same name it waits for that one.
      if (!queued) announcedAt.set(sid, this.#announcedAt.get(sid) ?? now);
    }
    this.#announcedAt = announcedAt;
  }

  /** The media of a track has come. */
  published({ sid, info }: PublishedTrack): void {
    const announcedAt = this.#announcedAt.get(sid);
    if (announcedAt === undefined) return;
    this.#announcedAt.delete(sid);
    this.#observe(info, announcedAt);
  }

  /** The session is over, and nothing comes of what is still `pending`. */
  ended(pending: Announced, reason: Reason): void {
    const canceled = CANCELS.has(reason);
    for (const { sid, entries } of pending) {
      const info = entries[0]?.info;
      if (info === undefined) continue;
      const announcedAt = this.#announcedAt.get(sid);
      if (canceled) this.publisher.context.telemetry.publishCanceled(info.type, entries.length);
      else if (announcedAt !== undefined) this.#observe(info, announcedAt);
    }
    this.#announcedAt.clear();
  }

  #observe(info: PublishedTrack["info"], announcedAt: number): void {
    const { context, init } = this.publisher;
    const ms = this.#now() - Math.max(announcedAt, this.#connectedAt ?? announcedAt);
    context.telemetry.streamTime("publish", info, init, ms, 1);
  }

  #now(): number {
    return this.publisher.context.platform.clock.now();
  }
}
