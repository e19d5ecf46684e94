/**
 * What the server API can do to rooms: the functions behind `RoomService`, `mod.ts` and everything
 * else that is not a participant. Each does what a client's own request would do, by the same code.
 *
 * A call that cannot be carried out gives an {@linkcode AdminFailure} and changes nothing.
 *
 * @module
 */
import {
  type CreateRoomRequest,
  DataPacket,
  DataPacket_Kind,
  DisconnectReason,
  type ForwardParticipantRequest,
  type MoveParticipantRequest,
  type MuteRoomTrackRequest,
  type ParticipantInfo,
  type ParticipantPermission,
  type PerformRpcRequest,
  type Room as RoomInfo,
  type RoomParticipantIdentity,
  type SendDataRequest,
  type TrackInfo,
  type UpdateParticipantRequest,
  UpdateSubscription,
  type UpdateSubscriptionsRequest,
  UserPacket,
} from "@livekit/protocol";
import type { TrackSid } from "../base/ids.ts";
import {
  AdminFailure,
  nobodyServes,
  participantNotFound,
  roomNotFound,
  rpcFailure,
} from "./admin_failure.ts";
import {
  type AdminLimits,
  checkAttributes,
  checkDispatches,
  checkMetadata,
  checkName,
  checkRoomName,
} from "./admin_limits.ts";
import { isOwn, type OwnMember } from "../room/participant/member.ts";
import {
  type DestinationEntry,
  forwardParticipant,
  moveParticipant,
} from "./participant_transfer.ts";
import type { ParticipantProfile } from "../room/context/participant_profile.ts";
import type { Room } from "../room/room.ts";
import { roomRequest } from "../room/room_creation.ts";
import type { RoomDirectory } from "../room/room_directory.ts";
import { isSessionOf } from "../room/context/session_names.ts";
import { REVOCATION_LEEWAY_MS } from "../room/token_revocations.ts";

/** What the API needs besides the rooms. */
export interface RoomAdminOptions {
  readonly limits: AdminLimits;
  /** Participants may be moved or forwarded to rooms that do not exist yet. */
  readonly autoCreateRooms: boolean;
}

/** Where a participant is. */
interface Found {
  readonly room: Room;
  readonly participant: OwnMember;
}

/**
 * The server API without HTTP. A call either does what it says or returns an
 * {@linkcode AdminFailure} and changes nothing.
 */
export class RoomAdmin {
  constructor(readonly rooms: RoomDirectory, readonly options: RoomAdminOptions) {}

  /** Makes a room, or changes an existing one where the request says something. */
  async createRoom(request: CreateRoomRequest): Promise<RoomInfo | AdminFailure> {
    const { limits } = this.options;
    const failure = checkRoomName(request.name, limits) ??
      checkMetadata(request.metadata, limits) ??
      checkDispatches(request.agents, limits);
    if (failure !== undefined) return failure;
    const { roomPreset, nodeId, replayEnabled } = request;
    if (!this.rooms.local.hasPreset(roomPreset)) {
      return new AdminFailure(
        "invalid_argument",
        "unknown room configuration in create room request",
      );
    }
    // Nothing records here: a room that was to be recorded from its start is none.
    if (request.egress?.room !== undefined && await this.rooms.find(request.name) === undefined) {
      return nobodyServes();
    }
    const wanted = roomRequest(request.name, request);
    const entrance = await this.rooms.createOrUpdate({
      ...wanted,
      roomPreset,
      nodeId,
      replayEnabled,
    });
    return entrance.ok ? entrance.room.info() : nobodyServes();
  }

  /** All rooms, or those of the names that exist. */
  async listRooms(names: readonly string[]): Promise<RoomInfo[]> {
    return await this.rooms.list(names);
  }

  async deleteRoom(name: string): Promise<AdminFailure | undefined> {
    return await this.rooms.delete(name) ? undefined : roomNotFound();
  }

  /** Everybody in the room, hidden ones included; nobody if there is no such room. */
  async listParticipants(room: string): Promise<ParticipantInfo[]> {
    return Array.from((await this.rooms.find(room))?.participants() ?? [], (one) => one.info());
  }

  async getParticipant(room: string, identity: string): Promise<ParticipantInfo | AdminFailure> {
    return (await this.#find(room, identity))?.participant.info() ?? participantNotFound();
  }

  /**
   * Ends a session, with the publish-only ones beside it, and refuses the tokens they could come
   * back with: those not valid before `revokeTokenTs` (Unix seconds), or before now and some leeway
   * if the request does not say. Who has just left is kept out as well.
   */
  async removeParticipant(request: RoomParticipantIdentity): Promise<AdminFailure | undefined> {
    const { room, identity, revokeTokenTs } = request;
    const { departures, context: { platform } } = this.rooms.local;
    const present = [...(await this.rooms.find(room))?.participants() ?? []]
      .filter(({ init }) => isSessionOf(init, identity));
    const known = [...departures.of(room, identity), ...present.map(({ init }) => init)];
    if (known.length === 0) return participantNotFound();
    const beforeMs = revokeTokenTs === 0n
      ? platform.clock.wallMs() + REVOCATION_LEEWAY_MS
      : Number(revokeTokenTs) * 1000;
    const expiries = known.map(({ tokenExpiresAt = 0 }) => tokenExpiresAt);
    const knownExpiryMs = Math.max(...expiries);
    this.rooms.local.bar(room, { identity, beforeMs, knownExpiryMs });
    for (const participant of present) {
      participant.log.info("participant removed by the server API");
      participant.close(DisconnectReason.PARTICIPANT_REMOVED, "disconnect");
    }
    departures.forget(room, identity);
    return undefined;
  }

  /** @returns The track as it is now; `undefined` if the participant announced no such track. */
  async mutePublishedTrack(
    { room, identity, trackSid, muted }: MuteRoomTrackRequest,
  ): Promise<TrackInfo | AdminFailure | undefined> {
    const found = await this.#find(room, identity);
    if (found === undefined) return nobodyServes();
    if (!muted && !this.rooms.local.context.options.enableRemoteUnmute) {
      return new AdminFailure("failed_precondition", "remote unmute not enabled");
    }
    const { participant } = found;
    return await participant.muteByServer(trackSid as TrackSid, muted);
  }

  /** Empty texts change nothing; an attribute with an empty value is removed. */
  async updateParticipant(
    request: UpdateParticipantRequest,
  ): Promise<ParticipantInfo | AdminFailure> {
    const { room, identity, name, metadata, attributes, permission } = request;
    const found = await this.#find(room, identity);
    if (found === undefined) return participantNotFound();
    const { participant } = found;
    const { limits } = this.options;
    const merged = { ...participant.profile.attributes, ...attributes };
    const failure = checkAttributes(merged, limits) ??
      (permission && whyNotGrant(permission, participant.profile));
    if (failure !== undefined) return failure;
    participant.updateProfile({ name, metadata, attributes });
    if (permission !== undefined) await participant.setPermission(permission);
    return participant.info();
  }

  /** Limits of an update, which hold whoever it is for. */
  checkUpdate(request: UpdateParticipantRequest): AdminFailure | undefined {
    const { limits } = this.options;
    return checkName(request.name, limits) ?? checkMetadata(request.metadata, limits) ??
      checkAttributes(request.attributes, limits);
  }

  async updateSubscriptions(
    request: UpdateSubscriptionsRequest,
  ): Promise<AdminFailure | undefined> {
    const session = (await this.rooms.find(request.room))?.session(request.identity);
    if (session === undefined) return nobodyServes();
    const { trackSids, subscribe, participantTracks } = request;
    const update = new UpdateSubscription({ trackSids, subscribe, participantTracks });
    session.updateSubscription(update);
    return undefined;
  }

  /** A user packet from nobody; the nonce must be empty or of 16 bytes. */
  async sendData(request: SendDataRequest): Promise<AdminFailure | undefined> {
    const room = await this.rooms.find(request.room);
    if (room === undefined) return nobodyServes();
    const { data: payload, kind, destinationSids, destinationIdentities, topic, nonce } = request;
    const user = new UserPacket({
      payload,
      destinationSids,
      destinationIdentities,
      nonce,
      ...(topic === undefined ? {} : { topic }),
    });
    const value = { case: "user" as const, value: user };
    const packet = new DataPacket({ kind, destinationIdentities, value });
    room.sendData(packet, kind === DataPacket_Kind.LOSSY ? "lossy" : "reliable");
    return undefined;
  }

  checkRoomMetadata(metadata: string): AdminFailure | undefined {
    return checkMetadata(metadata, this.options.limits);
  }

  /** Everybody in the room has been told when this returns. */
  async updateRoomMetadata(name: string, metadata: string): Promise<RoomInfo | AdminFailure> {
    const room = await this.rooms.find(name);
    if (room === undefined) return roomNotFound();
    await room.setMetadata(metadata);
    return room.info();
  }

  /** Calls a method of a participant and waits for its answer. */
  async performRpc(request: PerformRpcRequest): Promise<string | AdminFailure> {
    const { room, destinationIdentity } = request;
    const found = await this.rooms.find(room);
    const session = found?.session(destinationIdentity);
    if (found === undefined || session === undefined) return nobodyServes();
    const outcome = await found.data.rpcs.call(session, request);
    return outcome.ok ? outcome.payload : rpcFailure(outcome);
  }

  /** The session goes on in another room, with its tracks and without a new join. */
  async moveParticipant(request: MoveParticipantRequest): Promise<AdminFailure | undefined> {
    const transfer = await this.#transfer(request);
    return transfer instanceof AdminFailure
      ? transfer
      : await moveParticipant(transfer.participant, transfer.room, transfer.entry);
  }

  /** The participant is in another room as well, to be seen and heard. */
  async forwardParticipant(request: ForwardParticipantRequest): Promise<AdminFailure | undefined> {
    const transfer = await this.#transfer(request);
    return transfer instanceof AdminFailure
      ? transfer
      : await forwardParticipant(transfer.participant, transfer.room, transfer.entry);
  }

  async #transfer(
    { room, identity, destinationRoom }: MoveParticipantRequest | ForwardParticipantRequest,
  ): Promise<Found & { readonly entry: DestinationEntry } | AdminFailure> {
    if (room === destinationRoom) {
      return new AdminFailure(
        "invalid_argument",
        "destination room cannot be the same as source room",
        "",
      );
    }
    const failure = checkRoomName(destinationRoom, this.options.limits);
    if (failure !== undefined) return failure;
    const found = await this.#find(room, identity);
    if (found === undefined) return participantNotFound();
    const exists = await this.rooms.find(destinationRoom) !== undefined;
    if (!exists && !this.options.autoCreateRooms) return roomNotFound();
    const { local } = this.rooms;
    return {
      ...found,
      entry: {
        enter: (newcomer) => this.rooms.enter({ name: destinationRoom }, newcomer),
        release: (claim) => local.release(destinationRoom, identity, claim),
      },
    };
  }

  async #find(roomName: string, identity: string): Promise<Found | undefined> {
    const room = await this.rooms.find(roomName);
    const participant = room?.byIdentity(identity);
    return room && participant && isOwn(participant) ? { room, participant } : undefined;
  }
}

/**
 * Agents and recorders are made by the token they come with: their rights reach beyond one room.
 */
function whyNotGrant(
  { agent, recorder }: ParticipantPermission,
  { isAgent, isRecorder }: ParticipantProfile,
): AdminFailure | undefined {
  const granted = agent && !isAgent ? "agent" : recorder && !isRecorder ? "recorder" : undefined;
  return granted &&
    new AdminFailure("permission_denied", `"${granted}" is granted by access tokens alone`);
}
