/**
 * `livekit.AgentDispatchService` without HTTP, for rooms wherever they are: a call is carried out
 * by a node that serves the room, where all nodes' dispatches of it are known.
 *
 * @module
 */
import {
  AgentDispatch,
  AgentDispatchState,
  DeleteAgentDispatchRequest,
  ListAgentDispatchRequest,
  ListAgentDispatchResponse,
} from "@livekit/protocol";
import type { Message, MessageType } from "@bufbuild/protobuf";
import { AdminFailure, nobodyServes } from "../admin/admin_failure.ts";
import { checkDispatchTotal } from "../admin/admin_limits.ts";
import { answerCarried, carryCall } from "../admin/call_carrier.ts";
import { SfuError } from "../base/errors.ts";
import type { CarriedCall, CarriedReply } from "../room/context/node_ports.ts";
import type { Room } from "../room/room.ts";
import type { RoomDirectory } from "../room/room_directory.ts";
import type { AgentDispatcher } from "./agent_dispatcher.ts";
import type { AgentPeers } from "./agent_peers.ts";

/** What the calls work on. */
export interface DispatchCallsOptions {
  readonly dispatcher: AgentDispatcher;
  readonly rooms: Pick<RoomDirectory, "find" | "enter" | "others">;
  /** Absent for a node that is alone. */
  readonly peers: () => AgentPeers | undefined;
  /** `room.auto_create`. */
  readonly autoCreateRooms: boolean;
}

/** The calls, as SDKs make them. */
export class DispatchCalls {
  /** @param hops How often another node has carried the calls that are made of this one. */
  constructor(readonly options: DispatchCallsOptions, readonly hops = 0) {}

  /** Dispatches an agent to a room, which is made if rooms may be. An id makes it once. */
  async create(dispatch: AgentDispatch): Promise<AgentDispatch | AdminFailure> {
    const { rooms, autoCreateRooms } = this.options;
    const { room: name } = dispatch;
    const found = await rooms.find(name);
    if (found instanceof Array) {
      return await this.#carry(found, "CreateDispatch", dispatch, AgentDispatch);
    }
    if (found === undefined) {
      if (!autoCreateRooms) return nobodyServes();
      const entrance = await agreed(rooms.enter({ name }));
      if (entrance instanceof AdminFailure) return entrance;
      if (!entrance.ok) {
        return await this.#carry(entrance.nodes ?? [], "CreateDispatch", dispatch, AgentDispatch);
      }
      return await this.#createIn(entrance.room, dispatch);
    }
    return await this.#createIn(found, dispatch);
  }

  /** Ends a dispatch and its jobs. */
  async delete(request: DeleteAgentDispatchRequest): Promise<AgentDispatch | AdminFailure> {
    const { dispatcher, rooms, peers } = this.options;
    const { room: name, dispatchId } = request;
    const found = await rooms.find(name);
    if (found instanceof Array) {
      return await this.#carry(found, "DeleteDispatch", request, AgentDispatch);
    }
    if (peers() === undefined) return dispatcher.delete(name, dispatchId) ?? dispatchNotFound();
    const [known] = await this.#listed(name, dispatchId) ?? [];
    if (found === undefined || known === undefined || dispatchId === "") return dispatchNotFound();
    const changed = await agreed(
      found.changeDispatches((planned) => planned.filter(({ id }) => id !== dispatchId)),
    );
    if (changed instanceof AdminFailure) return changed;
    known.state!.deletedAt = dispatcher.nowNs();
    return known;
  }

  /** Dispatches of a room, all or the one named, with the jobs that any node launched for them. */
  async list(request: ListAgentDispatchRequest): Promise<ListAgentDispatchResponse | AdminFailure> {
    const { room: name, dispatchId } = request;
    const found = await this.options.rooms.find(name);
    if (found instanceof Array) {
      return await this.#carry(found, "ListDispatch", request, ListAgentDispatchResponse);
    }
    const agentDispatches = await this.#listed(name, dispatchId);
    return agentDispatches === undefined
      ? nobodyServes()
      : new ListAgentDispatchResponse({ agentDispatches });
  }

  /** Does what another node asks for; `undefined` if that is none of these calls. */
  async answer({ name, bytes, hops }: CarriedCall): Promise<CarriedReply | undefined> {
    const calls = new DispatchCalls(this.options, hops);
    switch (name) {
      case "CreateDispatch":
        return await answerCarried(bytes, AgentDispatch, (dispatch) => calls.create(dispatch));
      case "DeleteDispatch":
        return await answerCarried(bytes, DeleteAgentDispatchRequest, (one) => calls.delete(one));
      case "ListDispatch":
        return await answerCarried(bytes, ListAgentDispatchRequest, (one) => calls.list(one));
      default:
        return undefined;
    }
  }

  async #createIn(room: Room, dispatch: AgentDispatch): Promise<AgentDispatch | AdminFailure> {
    const { dispatcher, peers } = this.options;
    const { room: name, id } = dispatch;
    if (peers() === undefined) return createAlone(dispatcher, dispatch);
    const [known] = await this.#listed(name, id) ?? [];
    if (known !== undefined) return known; // a repeated request with the same id
    dispatch.state = new AgentDispatchState({ createdAt: dispatcher.nowNs() });
    let exceeds: AdminFailure | undefined;
    const changed = await agreed(room.changeDispatches((planned) => {
      const wanted = [...planned, dispatch];
      const isKnown = planned.some((one) => one.id === id);
      exceeds = isKnown ? undefined : checkDispatchTotal(wanted);
      return isKnown || exceeds !== undefined ? planned : wanted;
    }));
    if (changed instanceof AdminFailure) return changed;
    if (exceeds !== undefined) return exceeds;
    return dispatcher.launchForRoom(name, id) ?? nobodyServes();
  }

  async #listed(name: string, dispatchId: string): Promise<AgentDispatch[] | undefined> {
    const { dispatcher, peers: peersNow } = this.options;
    const peers = peersNow();
    const room = dispatcher.get(name);
    if (room === undefined) return undefined;
    const lists = peers === undefined ? [] : await Promise.all(
      peers.sharing(name).filter((node) => peers.isLive(node)).map((node) =>
        peers.list(node, name, room.sid)
      ),
    );
    const dispatches = dispatcher.list(name, dispatchId);
    for (const { id, state } of dispatches ?? []) {
      const known = new Set(state!.jobs.map((job) => job.id));
      for (const job of lists.flat()) {
        // One that is being offered is none yet.
        if (job.dispatchId !== id || job.state === undefined || known.has(job.id)) continue;
        known.add(job.id);
        state!.jobs.push(job);
      }
    }
    return dispatches;
  }

  #carry<I extends Message<I>, O extends Message<O>>(
    nodes: readonly Parameters<AgentPeers["isLive"]>[0][],
    name: string,
    request: I,
    output: MessageType<O>,
  ): Promise<O | AdminFailure> {
    return carryCall(this.options.rooms.others, nodes, name, request, output, this.hops);
  }
}

/** In a room of this node alone. */
function createAlone(
  dispatcher: AgentDispatcher,
  dispatch: AgentDispatch,
): AgentDispatch | AdminFailure {
  const dispatches = dispatcher.get(dispatch.room)?.dispatches;
  const isKnown = dispatches?.has(dispatch.id) === true;
  const exceeds = isKnown
    ? undefined
    : checkDispatchTotal([...dispatches?.values() ?? [], dispatch]);
  return exceeds ?? dispatcher.create(dispatch) ?? nobodyServes();
}

/** What other nodes have to agree to, which they cannot be asked for now. */
async function agreed<T>(asked: Promise<T>): Promise<T | AdminFailure> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof SfuError) return nobodyServes();
    throw error;
  }
}

function dispatchNotFound(): AdminFailure {
  return new AdminFailure("not_found", "dispatch ID not found");
}
