/**
 * A room as clients and the server API see it.
 *
 * @module
 */
import { Codec, Room as RoomInfo } from "@livekit/protocol";
import type { ParticipantProfile } from "./context/participant_profile.ts";
import type { RoomPlan } from "./room_creation.ts";
import type { RoomOptions } from "./context/room_options.ts";

/** What is read of a room. */
export interface DescribedRoom {
  readonly sid: string;
  readonly name: string;
  /** Unix milliseconds. */
  readonly createdAtMs: number;
  readonly context: { readonly options: Pick<RoomOptions, "enabledCodecs"> };
  participants(): Iterable<{ readonly profile: ParticipantProfile }>;
}

/** Writes the message; dependents are counted as publishers and not as participants. */
export function roomInfo(room: DescribedRoom, { settings, metadata }: RoomPlan): RoomInfo {
  const profiles = Array.from(room.participants(), ({ profile }) => profile);
  const members = profiles.filter((profile) => !profile.isDependent);
  return new RoomInfo({
    sid: room.sid,
    name: room.name,
    emptyTimeout: settings.emptyTimeoutS,
    departureTimeout: settings.departureTimeoutS,
    maxParticipants: settings.maxParticipants,
    creationTime: BigInt(Math.trunc(room.createdAtMs / 1000)),
    creationTimeMs: BigInt(room.createdAtMs),
    enabledCodecs: room.context.options.enabledCodecs.map((codec) => new Codec(codec)),
    metadata,
    numParticipants: members.length,
    numPublishers: profiles.filter((profile) => profile.isPublisher).length,
    activeRecording: profiles.some((profile) => profile.isRecorder),
  });
}
