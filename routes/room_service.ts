/**
 * `livekit.RoomService`: each method checks the grant, calls one function of {@linkcode RoomAdmin}
 * and words the outcome. The order of grant and limit checks is LiveKit's (1.13.5,
 * `pkg/service/roomservice.go`) and differs between methods.
 *
 * @module
 */
import {
  CreateRoomRequest,
  DeleteRoomRequest,
  DeleteRoomResponse,
  ForwardParticipantRequest,
  ForwardParticipantResponse,
  ListParticipantsRequest,
  ListParticipantsResponse,
  ListRoomsRequest,
  ListRoomsResponse,
  MoveParticipantRequest,
  MoveParticipantResponse,
  MuteRoomTrackRequest,
  MuteRoomTrackResponse,
  PerformRpcRequest,
  PerformRpcResponse,
  RemoveParticipantResponse,
  RoomParticipantIdentity,
  SendDataRequest,
  SendDataResponse,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateSubscriptionsRequest,
  UpdateSubscriptionsResponse,
} from "@livekit/protocol";
import { AdminFailure } from "../lib/admin/admin_failure.ts";
import type { RoomAdmin } from "../lib/admin/room_admin.ts";
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
      async (request, { token }) => needsRoomCreate(token) ?? said(await admin.createRoom(request)),
    ),
    ListRooms: twirpMethod(
      ListRoomsRequest,
      { grant: needsRoomList, carries: "names" },
      async ({ names }, { token }) =>
        needsRoomList(token) ?? new ListRoomsResponse({ rooms: await admin.listRooms(names) }),
    ),
    DeleteRoom: twirpMethod(
      DeleteRoomRequest,
      { grant: needsRoomCreate, carries: "names" },
      async ({ room }, { token }) =>
        needsRoomCreate(token) ?? said(await admin.deleteRoom(room) ?? new DeleteRoomResponse()),
    ),
    UpdateRoomMetadata: twirpMethod(
      UpdateRoomMetadataRequest,
      ADMIN_CONTENT,
      async ({ room, metadata }, { token }) => {
        const tooLarge = admin.checkRoomMetadata(metadata);
        if (tooLarge !== undefined) return said(tooLarge);
        return needsRoomAdmin(token, room) ?? said(await admin.updateRoomMetadata(room, metadata));
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
      return said(await admin.sendData(request) ?? new SendDataResponse());
    }),
  };
}

function participantMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    ListParticipants: twirpMethod(
      ListParticipantsRequest,
      ADMIN_NAMES,
      async ({ room }, { token }) =>
        needsRoomAdmin(token, room) ??
          new ListParticipantsResponse({ participants: await admin.listParticipants(room) }),
    ),
    GetParticipant: twirpMethod(
      RoomParticipantIdentity,
      ADMIN_NAMES,
      async ({ room, identity }, { token }) =>
        needsRoomAdmin(token, room) ?? said(await admin.getParticipant(room, identity)),
    ),
    RemoveParticipant: twirpMethod(
      RoomParticipantIdentity,
      ADMIN_NAMES,
      async (request, { token }) =>
        needsRoomAdmin(token, request.room) ??
          said(await admin.removeParticipant(request) ?? new RemoveParticipantResponse()),
    ),
    UpdateParticipant: twirpMethod(
      UpdateParticipantRequest,
      ADMIN_CONTENT,
      async (request, { token }) => {
        const tooLarge = admin.checkUpdate(request);
        if (tooLarge !== undefined) return said(tooLarge);
        return needsRoomAdmin(token, request.room) ?? said(await admin.updateParticipant(request));
      },
    ),
    PerformRpc: twirpMethod(PerformRpcRequest, ADMIN_CONTENT, async (request, { token }) => {
      const denied = needsRoomAdmin(token, request.room);
      if (denied !== undefined) return denied;
      if (request.destinationIdentity === "") {
        return relayedError("invalid_argument", "destination identity is required");
      }
      const payload = await admin.performRpc(request);
      if (payload instanceof AdminFailure) return said(payload);
      return new PerformRpcResponse({ payload });
    }),
  };
}

function trackMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    MutePublishedTrack: twirpMethod(
      MuteRoomTrackRequest,
      ADMIN_NAMES,
      async (request, { token }) => {
        const denied = needsRoomAdmin(token, request.room);
        if (denied !== undefined) return denied;
        const track = await admin.mutePublishedTrack(request);
        if (track instanceof AdminFailure) return said(track);
        return new MuteRoomTrackResponse(track === undefined ? {} : { track });
      },
    ),
    UpdateSubscriptions: twirpMethod(
      UpdateSubscriptionsRequest,
      ADMIN_NAMES,
      async (request, { token }) =>
        needsRoomAdmin(token, request.room) ??
          said(await admin.updateSubscriptions(request) ?? new UpdateSubscriptionsResponse()),
    ),
  };
}

function transferMethods(admin: RoomAdmin): Record<string, TwirpMethod> {
  return {
    MoveParticipant: twirpMethod(
      MoveParticipantRequest,
      ADMIN_NAMES,
      async (request, { token }) =>
        needsDestination(token, request.room, request.destinationRoom) ??
          said(await admin.moveParticipant(request) ?? new MoveParticipantResponse()),
    ),
    ForwardParticipant: twirpMethod(
      ForwardParticipantRequest,
      ADMIN_NAMES,
      async (request, { token }) =>
        needsDestination(token, request.room, request.destinationRoom) ??
          said(await admin.forwardParticipant(request) ?? new ForwardParticipantResponse()),
    ),
  };
}
