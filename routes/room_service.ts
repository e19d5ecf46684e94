/**
 * `livekit.RoomService`: each method checks the grant, calls one function of {@linkcode RoomAdmin}
 * and words the outcome. The order of grant and limit checks is LiveKit's (1.13.5,
 * `pkg/service/roomservice.go`) and differs between methods.
 *
 * @module
 */
import type { AnyMessage } from "@bufbuild/protobuf";
import {
  CreateRoomRequest,
  DeleteRoomRequest,
  ForwardParticipantRequest,
  ListRoomsRequest,
  MoveParticipantRequest,
  PerformRpcRequest,
  type RoomParticipantIdentity,
  SendDataRequest,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
} from "@livekit/protocol";
import type { RoomAdmin } from "../lib/admin/room_admin.ts";
import { ROOM_CALLS, type RoomCall } from "../lib/admin/room_calls.ts";
import { said } from "./admin_reply.ts";
import { relayedError, TwirpError } from "./twirp_error.ts";
import {
  needsDestination,
  needsRoomAdmin,
  needsRoomCreate,
  needsRoomList,
  needsSomeRoomAdmin,
} from "./twirp_grants.ts";
import { type TwirpAccess, type TwirpMethod, twirpMethod, type TwirpService } from "./twirp.ts";

const NONCE_BYTES = 16;
/** Whose room it is shows only in the request. */
const ADMIN_NAMES: TwirpAccess = { grant: needsSomeRoomAdmin, carries: "names" };
const ADMIN_CONTENT: TwirpAccess = { grant: needsSomeRoomAdmin, carries: "content" };

/** The service over `admin`. */
export function roomService(admin: RoomAdmin): TwirpService {
  return {
    name: "livekit.RoomService",
    methods: {
      ...roomMethods(admin),
      ...participantMethods(admin),
      ...trackMethods(admin),
      ...transferMethods(admin),
    },
  };
}

function roomMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    CreateRoom: twirpMethod(
      CreateRoomRequest,
      { grant: needsRoomCreate, carries: "content" },
      async (request, { token }) =>
        needsRoomCreate(token) ?? said(await ROOM_CALLS.CreateRoom.run(admin, request)),
    ),
    ListRooms: twirpMethod(
      ListRoomsRequest,
      { grant: needsRoomList, carries: "names" },
      async (request, { token }) =>
        needsRoomList(token) ?? said(await ROOM_CALLS.ListRooms.run(admin, request)),
    ),
    DeleteRoom: twirpMethod(
      DeleteRoomRequest,
      { grant: needsRoomCreate, carries: "names" },
      async (request, { token }) =>
        needsRoomCreate(token) ?? said(await ROOM_CALLS.DeleteRoom.run(admin, request)),
    ),
    UpdateRoomMetadata: twirpMethod(
      UpdateRoomMetadataRequest,
      ADMIN_CONTENT,
      async (request, { token }) => {
        const tooLarge = admin.checkRoomMetadata(request.metadata);
        if (tooLarge !== undefined) return said(tooLarge);
        return needsRoomAdmin(token, request.room) ??
          said(await ROOM_CALLS.UpdateRoomMetadata.run(admin, request));
      },
    ),
    SendData: twirpMethod(SendDataRequest, ADMIN_CONTENT, async (request, { token }) => {
      const denied = needsRoomAdmin(token, request.room);
      if (denied !== undefined) return denied;
      const { length } = request.nonce;
      if (length !== 0 && length !== NONCE_BYTES) {
        return new TwirpError(
          "invalid_argument",
          `nonce should be ${NONCE_BYTES}-bytes or not present, got: ${length} bytes`,
        );
      }
      return said(await ROOM_CALLS.SendData.run(admin, request));
    }),
  };
}

function participantMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    ListParticipants: ofRoom(admin, "ListParticipants", ADMIN_NAMES),
    GetParticipant: ofRoom(admin, "GetParticipant", ADMIN_NAMES),
    RemoveParticipant: ofRoom(admin, "RemoveParticipant", ADMIN_NAMES),
    UpdateParticipant: twirpMethod(
      UpdateParticipantRequest,
      ADMIN_CONTENT,
      async (request, { token }) => {
        const tooLarge = admin.checkUpdate(request);
        if (tooLarge !== undefined) return said(tooLarge);
        return needsRoomAdmin(token, request.room) ??
          said(await ROOM_CALLS.UpdateParticipant.run(admin, request));
      },
    ),
    PerformRpc: twirpMethod(PerformRpcRequest, ADMIN_CONTENT, async (request, { token }) => {
      const denied = needsRoomAdmin(token, request.room);
      if (denied !== undefined) return denied;
      if (request.destinationIdentity === "") {
        return relayedError("invalid_argument", "destination identity is required");
      }
      return said(await ROOM_CALLS.PerformRpc.run(admin, request));
    }),
  };
}

function trackMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    MutePublishedTrack: ofRoom(admin, "MutePublishedTrack", ADMIN_NAMES),
    UpdateSubscriptions: ofRoom(admin, "UpdateSubscriptions", ADMIN_NAMES),
  };
}

function transferMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    MoveParticipant: twirpMethod(
      MoveParticipantRequest,
      ADMIN_NAMES,
      async (request, { token }) =>
        needsDestination(token, request.room, request.destinationRoom) ??
          said(await ROOM_CALLS.MoveParticipant.run(admin, request)),
    ),
    ForwardParticipant: twirpMethod(
      ForwardParticipantRequest,
      ADMIN_NAMES,
      async (request, { token }) =>
        needsDestination(token, request.room, request.destinationRoom) ??
          said(await ROOM_CALLS.ForwardParticipant.run(admin, request)),
    ),
  };
}

/** A call that takes the right to administer its room, and nothing more to be looked at. */
function ofRoom(
  admin: RoomAdmin,
  name:
    | "ListParticipants"
    | "GetParticipant"
    | "RemoveParticipant"
    | "MutePublishedTrack"
    | "UpdateSubscriptions",
  access: TwirpAccess,
): TwirpMethod {
  // Each takes the messages that it reads itself, all of which name a room.
  const { input, run } = ROOM_CALLS[name] as unknown as RoomCall<
    RoomParticipantIdentity,
    AnyMessage
  >;
  return twirpMethod(
    input,
    access,
    async (request, { token }) =>
      needsRoomAdmin(token, request.room) ?? said(await run(admin, request)),
  );
}
