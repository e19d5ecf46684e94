/**
 * Metrics of rooms and sessions: counted as things happen, and gauges looked up when asked for.
 *
 * @module
 */
import {
  type ClientInfo,
  DisconnectReason,
  type ParticipantInfo,
  type Room as RoomInfo,
  type TrackInfo,
  TrackType,
} from "@livekit/protocol";
import type { UpTrackId } from "../../base/ids.ts";
import type { Clock } from "../../base/platform.ts";
import type { Room } from "../../room/room.ts";
import type { PublishedTrack } from "../../room/registry/registry_messages.ts";
import type { RoomObserver } from "../../room/context/room_events.ts";
import { type Instruments, protocolLabel } from "./metrics_instruments.ts";

/** LiveKit's "warp" start is not offered. */
const WARP = "false";

/** A join that ends so was given up, and has not failed. */
const CANCELS: ReadonlySet<DisconnectReason> = new Set([
  DisconnectReason.CLIENT_INITIATED,
  DisconnectReason.DUPLICATE_IDENTITY,
  DisconnectReason.ROOM_CLOSED,
]);
/** A socket closed before that was closed on purpose; later, it may be for want of media, ms. */
const QUICK_CLOSE_MS = 3_000;

interface Session {
  readonly protocol: string;
  readonly connectingAt: number;
  joinedAt: number | undefined;
}

/** Rooms and sessions, as an observer that keeps nothing of a room after its end. */
export class RoomMetrics implements RoomObserver {
  /** By participant sid; exactly those that are in a room. */
  readonly #sessions = new Map<string, Session>();
  /** When each room began, by sid. */
  readonly #rooms = new Map<string, number>();

  constructor(readonly instruments: Instruments, readonly clock: Clock) {}

  roomStarted(room: RoomInfo): void {
    this.#rooms.set(room.sid, this.clock.now());
  }

  roomFinished(room: RoomInfo): void {
    const startedAt = this.#rooms.get(room.sid);
    this.#rooms.delete(room.sid);
    if (startedAt === undefined) return;
    this.instruments.roomDuration.observe((this.clock.now() - startedAt) / 1000);
  }

  participantConnecting(_: RoomInfo, participant: ParticipantInfo, client: ClientInfo): void {
    const { joins, operations } = this.instruments;
    joins.inc({ state: "rtc_init", warp: "" });
    joins.inc({ state: "rtc_connected", warp: "" });
    operations.inc({ type: "participant_join", status: "success", error_type: "" });
    this.#sessions.set(participant.sid, {
      protocol: protocolLabel(client.protocol),
      connectingAt: this.clock.now(),
      joinedAt: undefined,
    });
  }

  participantJoined(_: RoomInfo, participant: ParticipantInfo): void {
    const { joins, sessionStartMs } = this.instruments;
    joins.inc({ state: "rtc_active", warp: WARP });
    joins.inc({ state: "rtc_success", warp: WARP });
    const session = this.#sessions.get(participant.sid);
    if (session === undefined) return;
    session.joinedAt = this.clock.now();
    const ms = session.joinedAt - session.connectingAt;
    sessionStartMs.observe({ protocol_version: session.protocol, warp: WARP }, ms);
  }

  participantLeft(_: RoomInfo, participant: ParticipantInfo): void {
    const session = this.#sessions.get(participant.sid);
    this.#sessions.delete(participant.sid);
    if (session?.joinedAt === undefined) return;
    const ms = this.clock.now() - session.joinedAt;
    this.instruments.sessionDurationMs.observe({ protocol_version: session.protocol }, ms);
  }

  participantConnectionAborted(_: RoomInfo, participant: ParticipantInfo): void {
    const session = this.#sessions.get(participant.sid);
    // That of a node which has died was counted there.
    if (!this.#sessions.delete(participant.sid)) return;
    const { disconnectReason: reason } = participant;
    const quick = session !== undefined &&
      this.clock.now() - session.connectingAt < QUICK_CLOSE_MS;
    const canceled = CANCELS.has(reason) || reason === DisconnectReason.SIGNAL_CLOSE && quick;
    this.instruments.joins.inc({ state: canceled ? "rtc_canceled" : "rtc_failure", warp: WARP });
  }

  trackPublished(_room: RoomInfo, _publisher: ParticipantInfo, track: TrackInfo): void {
    this.instruments.publishAttempts.inc({ kind: TrackType[track.type]!, state: "success" });
  }

  /** Sets the gauges, and tells where each up-track's media comes from. */
  collect(rooms: Iterable<CountedRoom>): TrackSources {
    const sources: TrackSources = new Map();
    const published = new KindCounts();
    const subscribed = new KindCounts();
    let roomCount = 0;
    let participantCount = 0;
    for (const room of rooms) {
      roomCount++;
      const kinds = new Map<string, TrackType>();
      const participants = [...room.participants()].filter(({ elsewhere }) => !elsewhere);
      participantCount += participants.length;
      for (const { tracks } of participants) {
        for (const { sid, info, source, upTracks } of tracks) {
          published.count(info.type);
          kinds.set(sid, info.type);
          for (const { upTrack } of upTracks) sources.set(upTrack, source);
        }
      }
      for (const { subscriptions } of room.sessions()) {
        for (const sid of subscriptions.subscribedTracks()) {
          const kind = kinds.get(sid);
          if (kind !== undefined && subscriptions.isAccepted(sid)) subscribed.count(kind);
        }
      }
    }
    this.instruments.rooms.set(roomCount);
    this.instruments.participants.set(participantCount);
    published.write((kind, count) => this.instruments.published.set({ kind }, count));
    subscribed.write((kind, count) => this.instruments.subscribed.set({ kind }, count));
    return sources;
  }
}

/** `TrackSource` of the track that an up-track belongs to. */
/** A room as far as it is counted. */
export type CountedRoom = Pick<Room, "participants" | "sessions">;

/** What each up-track that is published here is: a camera, a microphone, a screen. */
export type TrackSources = Map<UpTrackId, PublishedTrack["source"]>;

class KindCounts {
  readonly #counts = new Map<TrackType, number>([[TrackType.AUDIO, 0], [TrackType.VIDEO, 0]]);

  count(type: TrackType): void {
    this.#counts.set(type, (this.#counts.get(type) ?? 0) + 1);
  }

  write(write: (kind: string, count: number) => void): void {
    for (const [type, count] of this.#counts) write(TrackType[type]!, count);
  }
}
