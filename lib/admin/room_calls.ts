/**
 * The calls of `livekit.RoomService` by name: what each takes and gives, and the function of
 * {@linkcode RoomAdmin} that does it. Routes and nodes that carry a call for each other go by this
 * list.
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
  ParticipantInfo,
  PerformRpcRequest,
  PerformRpcResponse,
  RemoveParticipantResponse,
  Room,
  RoomParticipantIdentity,
  SendDataRequest,
  SendDataResponse,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateSubscriptionsRequest,
  UpdateSubscriptionsResponse,
} from "@livekit/protocol";
import type { Message, MessageType } from "@bufbuild/protobuf";
import { AdminFailure } from "./admin_failure.ts";
import type { RoomAdmin } from "./room_admin.ts";

/** One call. */
export interface RoomCall<I extends Message<I>, O extends Message<O>> {
  readonly input: MessageType<I>;
  readonly output: MessageType<O>;
  readonly run: (admin: RoomAdmin, request: I) => Promise<O | AdminFailure>;
}

function call<I extends Message<I>, O extends Message<O>>(
  input: MessageType<I>,
  output: MessageType<O>,
  run: (admin: RoomAdmin, request: I) => Promise<O | AdminFailure>,
): RoomCall<I, O> {
  return { input, output, run };
}

/** All of them. Who may make one is asked by whoever takes it from outside. */
export const ROOM_CALLS = {
  CreateRoom: call(CreateRoomRequest, Room, (admin, request) => admin.createRoom(request)),
  ListRooms: call(ListRoomsRequest, ListRoomsResponse, async (admin, { names }) => {
    return new ListRoomsResponse({ rooms: await admin.listRooms(names) });
  }),
  DeleteRoom: call(
    DeleteRoomRequest,
    DeleteRoomResponse,
    async (admin, { room }) => await admin.deleteRoom(room) ?? new DeleteRoomResponse(),
  ),
  UpdateRoomMetadata: call(
    UpdateRoomMetadataRequest,
    Room,
    (admin, { room, metadata }) => admin.updateRoomMetadata(room, metadata),
  ),
  SendData: call(
    SendDataRequest,
    SendDataResponse,
    async (admin, request) => await admin.sendData(request) ?? new SendDataResponse(),
  ),
  ListParticipants: call(
    ListParticipantsRequest,
    ListParticipantsResponse,
    async (admin, { room }) => {
      const participants = await admin.listParticipants(room);
      if (participants instanceof AdminFailure) return participants;
      return new ListParticipantsResponse({ participants });
    },
  ),
  GetParticipant: call(
    RoomParticipantIdentity,
    ParticipantInfo,
    (admin, { room, identity }) => admin.getParticipant(room, identity),
  ),
  RemoveParticipant: call(
    RoomParticipantIdentity,
    RemoveParticipantResponse,
    async (admin, request) =>
      await admin.removeParticipant(request) ?? new RemoveParticipantResponse(),
  ),
  UpdateParticipant: call(
    UpdateParticipantRequest,
    ParticipantInfo,
    (admin, request) => admin.updateParticipant(request),
  ),
  PerformRpc: call(PerformRpcRequest, PerformRpcResponse, async (admin, request) => {
    const payload = await admin.performRpc(request);
    return payload instanceof AdminFailure ? payload : new PerformRpcResponse({ payload });
  }),
  MutePublishedTrack: call(MuteRoomTrackRequest, MuteRoomTrackResponse, async (admin, request) => {
    const track = await admin.mutePublishedTrack(request);
    if (track instanceof AdminFailure) return track;
    return new MuteRoomTrackResponse(track === undefined ? {} : { track });
  }),
  UpdateSubscriptions: call(
    UpdateSubscriptionsRequest,
    UpdateSubscriptionsResponse,
    async (admin, request) =>
      await admin.updateSubscriptions(request) ?? new UpdateSubscriptionsResponse(),
  ),
  MoveParticipant: call(
    MoveParticipantRequest,
    MoveParticipantResponse,
    async (admin, request) => await admin.moveParticipant(request) ?? new MoveParticipantResponse(),
  ),
  ForwardParticipant: call(
    ForwardParticipantRequest,
    ForwardParticipantResponse,
    async (admin, request) =>
      await admin.forwardParticipant(request) ?? new ForwardParticipantResponse(),
  ),
} as const;

/** The name of one of {@linkcode ROOM_CALLS}. */
export type RoomCallName = keyof typeof ROOM_CALLS;
