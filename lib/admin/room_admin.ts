/**
 * What the server API can do to rooms: the functions behind `RoomService`, `mod.ts` and everything
 * else that is not a participant. Each does what a client's own request would do, by the same code.
 *
 * A call that cannot be carried out gives an {@linkcode AdminFailure} and changes nothing.
 *
 * @module
 */
import type { Message, MessageType } from "@bufbuild/protobuf";
import {
  type CreateRoomRequest,
  DataPacket,
  DataPacket_Kind,
  DeleteRoomRequest,
  DeleteRoomResponse,
  DisconnectReason,
  type ForwardParticipantRequest,
  ForwardParticipantResponse,
  ListParticipantsRequest,
  ListParticipantsResponse,
  ListRoomsRequest,
  ListRoomsResponse,
  type MoveParticipantRequest,
  MoveParticipantResponse,
  type MuteRoomTrackRequest,
  MuteRoomTrackResponse,
  ParticipantInfo,
  type ParticipantPermission,
  type PerformRpcRequest,
  PerformRpcResponse,
  RemoveParticipantResponse,
  type Room as RoomInfo,
  Room as RoomInfoMessage,
  type RoomEgress,
  RoomParticipantIdentity,
  type SendDataRequest,
  SendDataResponse,
  type TrackInfo,
  type UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateSubscription,
  type UpdateSubscriptionsRequest,
  UpdateSubscriptionsResponse,
  UserPacket,
} from "@livekit/protocol";
import { SfuError } from "../base/errors.ts";
import type { NodeId, TrackSid } from "../base/ids.ts";
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
import { carryCall } from "./call_carrier.ts";
import type { ListedRoom } from "../room/context/node_ports.ts";
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
  /** Why rooms cannot be recorded so, if they cannot; absent where nothing records. */
  readonly checkEgress?: (room: string, egress: RoomEgress) => AdminFailure | undefined;
}

/** Where a participant is. */
interface Found {
  readonly room: Room;
  readonly participant: OwnMember;
}

/** Other nodes that serve a participant, or its room. */
interface Elsewhere {
  readonly nodes: readonly NodeId[];
}

/** A call of a participant lasts so long if the request does not say, ms. */
const LONGEST_RPC_MS = 10_000;

/**
 * The server API without HTTP. A call either does what it says or returns an
 * {@linkcode AdminFailure} and changes nothing.
 */
export class RoomAdmin {
  /** @param hops How often another node has carried the calls that are made of this one. */
  constructor(
    readonly rooms: RoomDirectory,
    readonly options: RoomAdminOptions,
    readonly hops = 0,
  ) {}

  /** The same for a call of another node that has been carried that often. */
  carried(hops: number): RoomAdmin {
    return new RoomAdmin(this.rooms, this.options, hops);
  }

  /** Makes a room; one that is there keeps all that it has, and gets the tags of the request. */
  async createRoom(request: CreateRoomRequest): Promise<RoomInfo | AdminFailure> {
    const { limits } = this.options;
    const failure = checkRoomName(request.name, limits) ??
      checkMetadata(request.metadata, limits) ??
      checkDispatches(request.agents, limits);
    if (failure !== undefined) return failure;
    // A room that is there does not begin anew.
    const whyNone = this.#whyNotMade(request);
    const { roomPreset, nodeId, replayEnabled } = request;
    const wanted = roomRequest(request.name, request);
    const entrance = await agreed(this.rooms.createOrTag(
      { ...wanted, roomPreset, nodeId, replayEnabled },
      whyNone === undefined,
    ));
    if (entrance instanceof AdminFailure) return entrance;
    if (entrance.ok) return entrance.room.info();
    const { nodes, reason } = entrance;
    if (whyNone !== undefined && reason === "not_found") return whyNone;
    return nodes === undefined
      ? nobodyServes()
      : await this.#carry(nodes, "CreateRoom", request, RoomInfoMessage);
  }

  /** Why no room can be made of a request, as one that is recorded so. */
  #whyNotMade({ name, egress, roomPreset }: CreateRoomRequest): AdminFailure | undefined {
    if (!this.rooms.local.hasPreset(roomPreset)) {
      return new AdminFailure(
        "invalid_argument",
        "unknown room configuration in create room request",
      );
    }
    if (egress === undefined) return undefined;
    const { checkEgress } = this.options;
    if (checkEgress !== undefined) return checkEgress(name, egress);
    // Where nothing records, a room that was to be recorded from its start is none.
    return egress.room === undefined ? undefined : nobodyServes();
  }

  /** All rooms, or those of the names that exist. */
  async listRooms(names: readonly string[]): Promise<RoomInfo[]> {
    const { here, elsewhere } = await this.rooms.list(names);
    if (this.hops > 0 || elsewhere.length === 0) return here;
    // Whoever serves a room knows best; of one that nobody can be asked about the directory does.
    const known = new Map(elsewhere.map((room) => [room.name, listedInfo(room)]));
    const byNode = Map.groupBy(elsewhere, ({ nodes: [node] }) => node);
    await Promise.all(Array.from(byNode, async ([node, rooms]) => {
      if (node === undefined) return;
      const request = new ListRoomsRequest({ names: rooms.map(({ name }) => name) });
      const answer = await this.#carry([node], "ListRooms", request, ListRoomsResponse);
      if (answer instanceof AdminFailure) return;
      for (const info of answer.rooms) if (known.has(info.name)) known.set(info.name, info);
    }));
    return [...here, ...known.values()];
  }

  async deleteRoom(name: string): Promise<AdminFailure | undefined> {
    const found = await this.rooms.find(name);
    if (found instanceof Array) {
      const request = new DeleteRoomRequest({ room: name });
      return failureOf(await this.#carry(found, "DeleteRoom", request, DeleteRoomResponse));
    }
    const deleted = await agreed(this.rooms.delete(name));
    if (deleted instanceof AdminFailure) return deleted;
    return deleted ? undefined : roomNotFound();
  }

  /** Everybody in the room, hidden ones included; nobody if there is no such room. */
  async listParticipants(name: string): Promise<ParticipantInfo[] | AdminFailure> {
    const room = await this.rooms.find(name);
    if (room === undefined) return [];
    if (room instanceof Array) {
      const request = new ListParticipantsRequest({ room: name });
      const [carried, output] = ["ListParticipants", ListParticipantsResponse] as const;
      const answer = await this.#carry(room, carried, request, output);
      return answer instanceof AdminFailure ? answer : answer.participants;
    }
    await room.settled();
    return Array.from(room.participants(), (one) => one.info());
  }

  async getParticipant(room: string, identity: string): Promise<ParticipantInfo | AdminFailure> {
    const found = await this.#find(room, identity);
    if (found === undefined) return participantNotFound();
    if (!("nodes" in found)) return found.participant.info();
    const request = new RoomParticipantIdentity({ room, identity });
    return await this.#carry(found.nodes, "GetParticipant", request, ParticipantInfo);
  }

  /**
   * Ends a session, with the publish-only ones beside it, and refuses the tokens they could come
   * back with: those not valid before `revokeTokenTs` (Unix seconds), or before now and some leeway
   * if the request does not say. Who has just left is kept out as well.
   */
  async removeParticipant(request: RoomParticipantIdentity): Promise<AdminFailure | undefined> {
    const { room: name, identity, revokeTokenTs } = request;
    const room = await this.rooms.find(name);
    if (room instanceof Array) return await this.#carryRemoval(room, request);
    await room?.settled();
    const { departures, context: { platform } } = this.rooms.local;
    const present = [...room?.participants() ?? []]
      .filter(({ init }) => isSessionOf(init, identity));
    const known = [...departures.of(name, identity), ...present.map(({ init }) => init)];
    if (known.length === 0) return participantNotFound();
    const beforeMs = revokeTokenTs === 0n
      ? platform.clock.wallMs() + REVOCATION_LEEWAY_MS
      : Number(revokeTokenTs) * 1000;
    const expiries = known.map(({ tokenExpiresAt = 0 }) => tokenExpiresAt);
    const knownExpiryMs = Math.max(...expiries);
    this.rooms.local.bar(name, { identity, beforeMs, knownExpiryMs });
    for (const participant of present.filter(isOwn)) {
      participant.log.info("participant removed by the server API");
      participant.close(DisconnectReason.PARTICIPANT_REMOVED, "disconnect");
    }
    departures.forget(name, identity);
    // Whoever carried this here asks the other nodes, too.
    if (this.hops > 0) return undefined;
    const nodes = new Set(present.flatMap(({ node }) => node ?? []));
    const failures = await Promise.all(
      Array.from(nodes, (node) => this.#carryRemoval([node], request)),
    );
    return failures.find((failure) => failure !== undefined);
  }

  async #carryRemoval(
    nodes: readonly NodeId[],
    request: RoomParticipantIdentity,
  ): Promise<AdminFailure | undefined> {
    const [name, output] = ["RemoveParticipant", RemoveParticipantResponse] as const;
    return failureOf(await this.#carry(nodes, name, request, output));
  }

  /** @returns The track as it is now; `undefined` if the participant announced no such track. */
  async mutePublishedTrack(
    request: MuteRoomTrackRequest,
  ): Promise<TrackInfo | AdminFailure | undefined> {
    const { room, identity, trackSid, muted } = request;
    const found = await this.#find(room, identity);
    if (found === undefined) return nobodyServes();
    if ("nodes" in found) {
      const [name, output] = ["MutePublishedTrack", MuteRoomTrackResponse] as const;
      const answer = await this.#carry(found.nodes, name, request, output);
      return answer instanceof AdminFailure ? answer : answer.track;
    }
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
    if ("nodes" in found) {
      return await this.#carry(found.nodes, "UpdateParticipant", request, ParticipantInfo);
    }
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
    const found = await this.#find(request.room, request.identity);
    if (found !== undefined && "nodes" in found) {
      const [name, output] = ["UpdateSubscriptions", UpdateSubscriptionsResponse] as const;
      return failureOf(await this.#carry(found.nodes, name, request, output));
    }
    const session = found?.room.session(request.identity);
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
    if (room instanceof Array) {
      return failureOf(await this.#carry(room, "SendData", request, SendDataResponse));
    }
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
    if (room instanceof Array) {
      const request = new UpdateRoomMetadataRequest({ room: name, metadata });
      return await this.#carry(room, "UpdateRoomMetadata", request, RoomInfoMessage);
    }
    return await agreed(room.setMetadata(metadata)) ?? room.info();
  }

  /** Calls a method of a participant and waits for its answer. */
  async performRpc(request: PerformRpcRequest): Promise<string | AdminFailure> {
    const found = await this.#find(request.room, request.destinationIdentity);
    if (found !== undefined && "nodes" in found) {
      const moreMs = request.responseTimeoutMs || LONGEST_RPC_MS;
      const [name, output] = ["PerformRpc", PerformRpcResponse] as const;
      const answer = await this.#carry(found.nodes, name, request, output, moreMs);
      return answer instanceof AdminFailure ? answer : answer.payload;
    }
    const session = found?.room.session(request.destinationIdentity);
    if (found === undefined || session === undefined) return nobodyServes();
    const outcome = await found.room.data.rpcs.call(session, request);
    return outcome.ok ? outcome.payload : rpcFailure(outcome);
  }

  /** The session goes on in another room, with its tracks and without a new join. */
  async moveParticipant(request: MoveParticipantRequest): Promise<AdminFailure | undefined> {
    const transfer = await this.#transfer(request);
    if (transfer instanceof AdminFailure) return transfer;
    return "nodes" in transfer
      ? failureOf(
        await this.#carry(transfer.nodes, "MoveParticipant", request, MoveParticipantResponse),
      )
      : await moveParticipant(transfer.participant, transfer.room, transfer.entry);
  }

  /** The participant is in another room as well, to be seen and heard. */
  async forwardParticipant(request: ForwardParticipantRequest): Promise<AdminFailure | undefined> {
    const transfer = await this.#transfer(request);
    if (transfer instanceof AdminFailure) return transfer;
    return "nodes" in transfer
      ? failureOf(
        await this.#carry(
          transfer.nodes,
          "ForwardParticipant",
          request,
          ForwardParticipantResponse,
        ),
      )
      : await forwardParticipant(transfer.participant, transfer.room, transfer.entry);
  }

  async #transfer(
    { room, identity, destinationRoom }: MoveParticipantRequest | ForwardParticipantRequest,
  ): Promise<(Found & { readonly entry: DestinationEntry }) | Elsewhere | AdminFailure> {
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
    if ("nodes" in found) return found;
    const exists = await this.rooms.find(destinationRoom) !== undefined;
    if (!exists && !this.options.autoCreateRooms) return roomNotFound();
    const { local } = this.rooms;
    return {
      ...found,
      entry: {
        enter: (newcomer) => this.rooms.enter({ name: destinationRoom }, newcomer),
        forgo: (claim) => local.forgo(destinationRoom, identity, claim),
      },
    };
  }

  /** Where a participant is; or the nodes that serve it, or its room. */
  async #find(roomName: string, identity: string): Promise<Found | Elsewhere | undefined> {
    const room = await this.rooms.find(roomName);
    if (room === undefined) return undefined;
    if (room instanceof Array) return { nodes: room };
    // Somebody has heard of it who asks: so shall we.
    if (room.byIdentity(identity) === undefined) await room.settled();
    const participant = room.byIdentity(identity);
    if (participant === undefined) return undefined;
    if (isOwn(participant)) return { room, participant };
    return participant.node && { nodes: [participant.node] };
  }

  #carry<I extends Message<I>, O extends Message<O>>(
    nodes: readonly NodeId[],
    name: string,
    request: I,
    output: MessageType<O>,
    moreMs?: number,
  ): Promise<O | AdminFailure> {
    const { others } = this.rooms;
    return carryCall(others, nodes, name, request, output, this.hops, moreMs);
  }
}

/** A room as the directory knows it. */
function listedInfo({ name, record, counted }: ListedRoom): RoomInfo {
  const { sid, createdAtMs, plan: { settings, metadata } } = record;
  return new RoomInfoMessage({
    sid,
    name,
    emptyTimeout: settings.emptyTimeoutS,
    departureTimeout: settings.departureTimeoutS,
    maxParticipants: settings.maxParticipants,
    creationTime: BigInt(Math.trunc(createdAtMs / 1000)),
    creationTimeMs: BigInt(createdAtMs),
    metadata,
    numParticipants: counted,
  });
}

/** A step that all nodes have to agree upon: a failure if they cannot now. */
async function agreed<T>(step: Promise<T>): Promise<T | AdminFailure> {
  try {
    return await step;
  } catch (error) {
    if (error instanceof SfuError) return nobodyServes();
    throw error;
  }
}

function failureOf(answer: unknown): AdminFailure | undefined {
  return answer instanceof AdminFailure ? answer : undefined;
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
