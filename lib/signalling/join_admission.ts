/**
 * From validated join parameters to a room and what a participant of it is made of.
 *
 * @module
 */
import { ParticipantInfo_Kind } from "@livekit/protocol";
import { SfuError } from "../base/errors.ts";
import type { ParticipantInit } from "../room/context/participant_profile.ts";
import type { Room } from "../room/room.ts";
import { ALONE } from "../room/context/node_ports.ts";
import { type RoomRequest, roomRequest } from "../room/room_creation.ts";
import type { EntryRefused, LocalRooms } from "../room/local_rooms.ts";
import type { Refusal } from "./access_token.ts";
import { addressBlock } from "../wire/ip_address.ts";
import type { Admission, JoinParameters, Placement } from "./join_parameters.ts";
import { grantedPermission } from "./permission_claims.ts";

export const NO_ROOM: Refusal = {
  ok: false,
  status: 404,
  body: "requested room does not exist",
};
export const ROOM_FULL: Refusal = {
  ok: false,
  status: 500,
  body: "room has exceeded its max participants",
};
/** Who comes has had more than its share of the main thread just now. */
export const TOO_SOON: Refusal = {
  ok: false,
  status: 429,
  body: "too many requests",
  retryAfterS: 1,
};
/** Nobody can tell now whether there is such a room, or who is in it. */
const UNAVAILABLE: Refusal = {
  ok: false,
  status: 503,
  body: "rooms of other nodes cannot be asked for now",
  retryAfterS: 1,
};
export const UNKNOWN_PRESET: Refusal = {
  ok: false,
  status: 400,
  body: "unknown room configuration in create room request",
};

/**
 * The room of a join that has been admitted; made if there is none and it is this node's alone to
 * make. One that nodes share may have ended since it was entered.
 */
export function roomOf(rooms: LocalRooms, join: JoinParameters): Room | undefined {
  return rooms.shared ? rooms.get(join.roomName) : rooms.create(requestOf(join));
}

function requestOf({ roomName, roomConfig, roomPreset = "" }: JoinParameters): RoomRequest {
  return { ...roomRequest(roomName, roomConfig ?? {}), roomPreset };
}

/** Whether there is the room of a join that may not make it, here or on other nodes. */
export async function confirmRoom(rooms: LocalRooms, join: JoinParameters): Promise<Admission> {
  const { placement } = rooms.context.ports ?? ALONE;
  if (placement === undefined || rooms.get(join.roomName) !== undefined) return { ok: true };
  try {
    return await placement.find(join.roomName) === undefined ? NO_ROOM : { ok: true };
  } catch (error) {
    if (error instanceof SfuError) return UNAVAILABLE;
    throw error;
  }
}

/** Takes a place for a join in a room that nodes share, the room made if it may be. */
export async function enterRoom(
  rooms: LocalRooms,
  join: JoinParameters,
  mayCreate: boolean,
): Promise<Placement> {
  const isDependent = isDependentJoin(join);
  const passesLock = join.grant.roomAdmin || isDependent;
  const isKnown = rooms.hasPreset(join.roomPreset ?? "");
  const entrance = await rooms.enter(requestOf(join), mayCreate && isKnown, {
    identity: join.identity,
    counted: !isDependent,
    passesLock,
  }).catch((): EntryRefused => ({ ok: false, reason: "unavailable" }));
  if (!entrance.ok) return refusalOf(entrance, mayCreate && !isKnown);
  const { claim } = entrance;
  return { ok: true, join: claim === undefined ? join : { ...join, claim } };
}

function refusalOf({ reason, nodes = [] }: EntryRefused, lacksPreset: boolean): Refusal {
  switch (reason) {
    case "not_found":
      return lacksPreset ? UNKNOWN_PRESET : NO_ROOM;
    case "room_full":
      return ROOM_FULL;
    case "room_locked":
      return { ok: false, status: 403, body: "room is locked" };
    case "elsewhere":
      return {
        ok: false,
        status: 503,
        body: "room is served by another node",
        ...(nodes.length > 0 ? { takers: nodes } : {}),
      };
    case "unavailable":
      return UNAVAILABLE;
  }
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
    ...(join.subscriberAllowPause === undefined ? {} : { allowPause: join.subscriberAllowPause }),
    singlePeerConnection: join.singlePeerConnection,
    tokenExpiresAt: join.tokenExpiresAt,
    ...(join.claim === undefined ? {} : { claim: join.claim }),
  };
}

function addressOf({ socketAddress = "" }: JoinParameters): { readonly addressBlock?: string } {
  const block = addressBlock(socketAddress);
  return block === undefined ? {} : { addressBlock: block };
}
