/**
 * From validated join parameters to a room and what a participant of it is made of.
 *
 * @module
 */
import type { ParticipantInit } from "../room/participant_profile.ts";
import type { Room } from "../room/room.ts";
import { roomRequest } from "../room/room_creation.ts";
import type { RoomDirectory } from "../room/room_directory.ts";
import type { JoinParameters } from "./join_parameters.ts";
import { grantedPermission } from "./permission_claims.ts";

/** The room of a join that has been admitted; made if there is none. */
export function roomOf(rooms: RoomDirectory, join: JoinParameters): Room {
  const { roomName, roomConfig = {}, roomPreset = "" } = join;
  return rooms.create({ ...roomRequest(roomName, roomConfig), roomPreset });
}

/** What the room layer needs to know of a join. */
export function participantInit(join: JoinParameters): ParticipantInit {
  return {
    identity: join.identity,
    name: join.name,
    metadata: join.metadata,
    attributes: join.attributes,
    permission: grantedPermission(join.grant),
    kind: join.kind,
    kindDetails: join.kindDetails,
    clientInfo: join.clientInfo,
    autoSubscribe: join.autoSubscribe,
    autoSubscribeDataTrack: join.autoSubscribeDataTrack ?? false,
    adaptiveStream: join.adaptiveStream,
    singlePeerConnection: join.singlePeerConnection,
    tokenExpiresAt: join.tokenExpiresAt,
  };
}
