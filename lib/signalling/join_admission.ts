/**
 * From validated join parameters to a room and what a participant of it is made of.
 *
 * @module
 */
import { ParticipantInfo_Kind } from "@livekit/protocol";
import type { ParticipantInit } from "../room/context/participant_profile.ts";
import type { Room } from "../room/room.ts";
import { roomRequest } from "../room/room_creation.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { addressBlock } from "../wire/ip_address.ts";
import type { JoinParameters } from "./join_parameters.ts";
import { grantedPermission } from "./permission_claims.ts";

/** The room of a join that has been admitted; made if there is none. */
export function roomOf(rooms: LocalRooms, join: JoinParameters): Room {
  const { roomName, roomConfig = {}, roomPreset = "" } = join;
  return rooms.create({ ...roomRequest(roomName, roomConfig), roomPreset });
}

/** There for others: an agent or a recorder, by its grants or its kind. */
export function isDependentJoin({ grant, kind }: Pick<JoinParameters, "grant" | "kind">): boolean {
  return grant.agent || grant.recorder || kind === ParticipantInfo_Kind.AGENT ||
    kind === ParticipantInfo_Kind.EGRESS;
}

/** What the room layer needs to know of a join. */
export function participantInit(join: JoinParameters): ParticipantInit {
  return {
    identity: join.identity,
    userIdentity: join.tokenIdentity ?? join.identity,
    ...(join.tokenId === undefined ? {} : { tokenId: join.tokenId }),
    ...addressOf(join),
    name: join.name,
    metadata: join.metadata,
    attributes: join.attributes,
    permission: grantedPermission({
      ...join.grant,
      agent: join.grant.agent || join.kind === ParticipantInfo_Kind.AGENT,
    }),
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

function addressOf({ socketAddress = "" }: JoinParameters): { readonly addressBlock?: string } {
  const block = addressBlock(socketAddress);
  return block === undefined ? {} : { addressBlock: block };
}
