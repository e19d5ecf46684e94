/**
 * Turns what happens in rooms into `WebhookEvent`s, with the fields LiveKit fills for each.
 *
 * @module
 */
import { ParticipantInfo, Room as RoomInfo, type TrackInfo, WebhookEvent } from "@livekit/protocol";
import { randomId } from "../../base/ids.ts";
import type { Clock, Random } from "../../base/platform.ts";
import type { RoomObserver } from "../../room/context/room_events.ts";

/** What an event is made with and where it goes. */
export interface WebhookEventsOptions {
  readonly clock: Pick<Clock, "wallMs">;
  readonly random: Random;
  /** `room.enable_full_room_in_webhooks`: track events carry more of the room than sid and name. */
  readonly fullRoomInTrackEvents: boolean;
  readonly deliver: (event: WebhookEvent) => void;
}

type EventFields = Pick<
  Partial<WebhookEvent>,
  "room" | "participant" | "track" | "egressInfo" | "ingressInfo"
>;

/**
 * An observer that hands one `WebhookEvent` to `deliver` for each event it hears of. A receiver
 * hears of a participant before its tracks, although an offer may publish them before there is a
 * connection, and never of tracks of a participant that did not get one.
 */
export class WebhookEvents implements RoomObserver {
  /** Of participants whose connection was not up yet, by sid: their tracks, by sid. */
  readonly #early = new Map<string, Map<string, () => void>>();

  constructor(readonly options: WebhookEventsOptions) {}

  roomStarted(room: RoomInfo): void {
    this.#emit("room_started", { room });
  }

  roomFinished(room: RoomInfo): void {
    this.#emit("room_finished", { room });
  }

  participantConnecting(_room: RoomInfo, { sid }: ParticipantInfo): void {
    this.#early.set(sid, new Map());
  }

  participantJoined(room: RoomInfo, participant: ParticipantInfo): void {
    this.#emit("participant_joined", { room, participant });
    const tracks = this.#early.get(participant.sid);
    this.#early.delete(participant.sid);
    for (const publish of tracks?.values() ?? []) publish();
  }

  participantLeft(room: RoomInfo, participant: ParticipantInfo): void {
    this.#emit("participant_left", { room, participant });
  }

  participantConnectionAborted(room: RoomInfo, participant: ParticipantInfo): void {
    this.#early.delete(participant.sid);
    this.#emit("participant_connection_aborted", { room, participant });
  }

  trackPublished(room: RoomInfo, publisher: ParticipantInfo, track: TrackInfo): void {
    const publish = () => this.#emit("track_published", this.#aboutTrack(room, publisher, track));
    const early = this.#early.get(publisher.sid);
    if (early === undefined) publish();
    else early.set(track.sid, publish);
  }

  trackUnpublished(room: RoomInfo, publisher: ParticipantInfo, track: TrackInfo): void {
    if (this.#early.get(publisher.sid)?.delete(track.sid)) return;
    this.#emit("track_unpublished", this.#aboutTrack(room, publisher, track));
  }

  #aboutTrack(room: RoomInfo, publisher: ParticipantInfo, track: TrackInfo): EventFields {
    const { sid, identity } = publisher;
    return {
      room: this.options.fullRoomInTrackEvents
        ? room
        : new RoomInfo({ sid: room.sid, name: room.name }),
      participant: new ParticipantInfo({ sid, identity }),
      track,
    };
  }

  #emit(event: string, fields: EventFields): void {
    this.options.deliver(webhookEvent(event, fields, this.options));
  }
}

/** An event of now, with an id of its own. */
export function webhookEvent(
  event: string,
  fields: EventFields,
  { clock, random }: Pick<WebhookEventsOptions, "clock" | "random">,
): WebhookEvent {
  const createdAt = BigInt(Math.trunc(clock.wallMs() / 1000));
  return new WebhookEvent({ ...fields, event, id: randomId(random, "EV_"), createdAt });
}

/** Events with one key reach a receiver in order: whatever the event is about, its room first. */
export function resourceKey(event: WebhookEvent): string {
  const { egressInfo, ingressInfo, room, participant, track } = event;
  return egressInfo?.egressId ?? ingressInfo?.ingressId ?? room?.name ?? participant?.identity ??
    track?.sid ?? "";
}

/**
 * Which events are wanted: those listed, or all but those listed; `include` wins over `exclude`.
 */
export function isWanted(
  event: string,
  filter: { readonly include: readonly string[]; readonly exclude: readonly string[] },
): boolean {
  if (filter.include.length > 0) return filter.include.includes(event);
  return !filter.exclude.includes(event);
}
