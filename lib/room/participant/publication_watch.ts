/**
 * Notices publications that never happen: a track that is announced, not muted, and brings no media
 * although its publisher's connection is up. That is logged and counted, and the client is made to
 * join anew where `rtc.reconnect_on_publication_error` says so. What does happen is timed on the
 * way.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import type { TrackSid } from "../../base/ids.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import { PublicationTimes } from "./publication_times.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import type { TrackRegistry } from "../registry/track_registry.ts";
import type { SessionFacts } from "./session_facts.ts";

/** How long an announced track may bring no media, ms. */
const PUBLISH_WAIT_MS = 30_000;
/** How often it is looked for. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * One publisher's announced tracks: one that brings no media in time is told of once. It holds a
 * timer only while something is announced.
 */
export class PublicationWatch {
  /** When a track's time began; `Infinity` once it was told. */
  #since = new Map<TrackSid, number>();
  #isConnected = false;
  readonly #timer: WakeTimer;
  readonly #times: PublicationTimes;

  constructor(
    readonly publisher: Pick<SessionFacts, "context" | "init" | "log" | "close">,
    readonly registry: TrackRegistry,
  ) {
    this.#times = new PublicationTimes(publisher);
    this.#timer = new WakeTimer(publisher.context.platform, () => this.#check());
  }

  /** The publisher's connection is up; before that nothing is expected. */
  connected(): void {
    this.#isConnected = true;
    this.#times.connected();
    this.announced();
  }

  /** A track may have been announced. */
  announced(): void {
    this.#times.announced(this.registry.contents().pending);
    if (!this.#isConnected || this.#timer.isSet) return;
    this.#check();
  }

  /** The media of a track has come. */
  published(track: PublishedTrack): void {
    this.#times.published(track);
  }

  /** The session is over. */
  stop(reason: DisconnectReason): void {
    this.#times.ended(this.registry.contents().pending, reason);
    this.#isConnected = false;
    this.#timer.stop();
  }

  #check(): void {
    const { log, context: { platform, counters, options } } = this.publisher;
    const now = platform.clock.now();
    const since = new Map<TrackSid, number>();
    let isOverdue = false;
    for (const { sid, queued, entries } of this.registry.contents().pending) {
      // Behind another track of the same name it waits for that one.
      if (queued) continue;
      const began = entries[0]?.info.muted ? now : this.#since.get(sid) ?? now;
      since.set(sid, began);
      if (now - began < PUBLISH_WAIT_MS) continue;
      since.set(sid, Infinity);
      isOverdue = true;
      log.warn("publication timed out", { trackSid: sid });
      counters.count("publication_timeout");
    }
    this.#since = since;
    if (since.size > 0) this.#timer.set(now + CHECK_INTERVAL_MS);
    if (!isOverdue || !options.reconnectOnPublicationError) return;
    this.publisher.close(DisconnectReason.STATE_MISMATCH, "reconnect");
  }
}
