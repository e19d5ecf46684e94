/**
 * What one room makes of the media plane's measurements: who speaks, and how good connections are.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { Member } from "../participant/member.ts";
import type { Session } from "../participant/session.ts";
import type { AudioLevelEntry } from "../../engine/messages/media_messages.ts";
import type { HeardQuality, RoomLink } from "../context/node_ports.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { RoomWitnesses } from "../context/room_witness.ts";
import { RoomQuality } from "./room_quality.ts";
import { RoomSpeakers } from "./room_speakers.ts";
import type { RoomTracks } from "../subscription/room_tracks.ts";

/**
 * One room's measurements. Give it everybody who comes and goes; after `close` it holds no timer.
 */
export class RoomReports {
  readonly #speakers: RoomSpeakers;
  readonly #quality: RoomQuality;

  constructor(
    readonly context: RoomContext,
    sessions: () => Iterable<Session>,
    readonly tracks: RoomTracks<Member>,
    /** To the other nodes of the room. */
    link: () => Pick<RoomLink, "levels" | "quality" | "hasPeers">,
    witnesses: RoomWitnesses,
  ) {
    const { platform, router, options } = context;
    const askedQuality = tracks.askedQuality.bind(tracks);
    this.#quality = new RoomQuality({
      participants: sessions,
      askedQuality,
      measured: ({ sid }, worst) => link().quality(sid, worst),
    });
    this.#speakers = new RoomSpeakers(
      sessions,
      platform,
      router,
      options.audioUpdateIntervalMs,
      link,
      witnesses,
    );
    tracks.watch(this.#speakers);
  }

  joined(participant: Session): void {
    const { platform, router } = this.context;
    for (const connection of connectionsOf(participant)) {
      router.watchQuality(connection, (report) => {
        this.#quality.report(participant, report, platform.clock.now());
      });
    }
  }

  left(participant: Session): void {
    for (const connection of connectionsOf(participant)) {
      this.context.router.unwatchQuality(connection);
    }
  }

  /** `subscriber` receives the track from now on. */
  subscribed(trackSid: string, subscriber: Session): void {
    const publisher = this.tracks.get(trackSid)?.publisher;
    if (publisher !== undefined) this.#quality.introduce(publisher, subscriber);
  }

  /** What another node measured of one of its members. */
  qualityHeard(member: Member, heard: HeardQuality): void {
    this.#quality.heard(member, heard);
  }

  /** How good the connection of a member is, as far as that is known. */
  qualityOf(member: Member): HeardQuality | undefined {
    return this.#quality.of(member);
  }

  /** How loud microphones of another node's members are. */
  levelsHeard(levels: readonly AudioLevelEntry[]): void {
    this.#speakers.take(levels);
  }

  close(): void {
    this.#speakers.close();
  }
}

function connectionsOf({ publisher, subscriber }: Session): Set<ConnectionId> {
  return new Set([publisher.id, subscriber.id]);
}
