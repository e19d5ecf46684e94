/**
 * A member whose client is not in this room, or not on this node: it shows here what it is said to
 * be, and follows every change of that. What its kinds differ in is who says so, and who is asked.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import { attemptAll } from "../../base/attempt_all.ts";
import { randomId } from "../../base/ids.ts";
import type { Log } from "../../base/platform.ts";
import type { ParticipantInit } from "../context/participant_profile.ts";
import type { RoomContext } from "../context/room_context.ts";
import { PublishedDataTracks } from "../data/published_data_tracks.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import { MemberRecord } from "./member.ts";
import type { Member } from "./member.ts";
import type { MemberPort } from "./room_port.ts";

/**
 * A member that shows tracks of somebody who is not here. Its room hears of each change once, and
 * of nothing after its end.
 */
export abstract class ImageMember extends MemberRecord {
  readonly dataTracks: PublishedDataTracks;
  readonly #shown = new Map<string, PublishedTrack>();

  constructor(context: RoomContext, init: ParticipantInit, log: Log, joinedAtMs?: number) {
    super(context, init, log, joinedAtMs);
    const { platform: { random }, options } = context;
    this.dataTracks = new PublishedDataTracks(
      options.data.maxCustomEncodingLength,
      () => randomId(random, "DTR_"),
    );
  }

  abstract readonly host: MemberPort;

  get tracks(): readonly PublishedTrack[] {
    return [...this.#shown.values()];
  }

  /** Its client hears elsewhere what it is to hear. */
  tell(): void {}

  sendUpdates(): void {}

  close(reason: DisconnectReason): void {
    if (this.closed) return;
    attemptAll([
      () => this.profile.disconnect(reason),
      () => this.log.info("participant closed", { reason: DisconnectReason[reason] }),
      () => this.host.participantClosed(this.asMember()),
      () => this.ended(),
      () => {
        for (const track of this.#shown.values()) this.trackEnded(track);
        this.#shown.clear();
      },
    ], (error) => this.noteBug(error));
  }

  protected abstract asMember(): Member;

  /** Called once, when it has been taken out of its room. */
  protected abstract ended(): void;

  /** A track is about to be shown, or shown as it is now. */
  protected abstract trackBegins(track: PublishedTrack): void;

  /** A track is shown no more. */
  protected abstract trackEnded(track: PublishedTrack): void;

  /** Shows `tracks` and no others; the same object is the same state. */
  protected followTracks(tracks: readonly PublishedTrack[]): void {
    const now = new Map(tracks.map((track) => [track.sid as string, track]));
    const self = this.asMember();
    for (const [sid, track] of [...this.#shown]) {
      if (now.has(sid)) continue;
      this.#shown.delete(sid);
      this.profile.touch();
      this.host.trackUnpublished(self, track);
      this.trackEnded(track);
    }
    for (const [sid, track] of now) {
      const before = this.#shown.get(sid);
      if (before === track || this.closed) continue;
      this.trackBegins(track);
      this.#shown.set(sid, track);
      this.profile.becomePublisher();
      if (before === undefined) this.host.trackPublished(self, track);
      else this.host.trackUpdated(self, track);
    }
  }
}
