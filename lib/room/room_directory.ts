/**
 * Rooms by name for whoever need not know where they are: the server API. What may be far is a
 * promise, so that a node's own rooms (`local_rooms.ts`) and those of others look alike.
 *
 * @module
 */
import type { Room as RoomInfo } from "@livekit/protocol";
import { SfuError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import {
  ALONE,
  type ListedRoom,
  type Newcomer,
  type NodePorts,
  type RemoteMembers,
} from "./context/node_ports.ts";
import type { Entrance, EntryRefused, LocalRooms } from "./local_rooms.ts";
import type { Room } from "./room.ts";
import type { RoomRequest } from "./room_creation.ts";

/** Rooms by name, wherever they are. What may be far is a promise. */
export class RoomDirectory {
  constructor(readonly local: LocalRooms) {}

  /**
   * A room that is served here, or the nodes that serve it; it is served here from then on if
   * nobody does. `undefined` without the room; no nodes if nobody can tell now.
   */
  async find(name: string): Promise<Room | readonly NodeId[] | undefined> {
    const room = this.local.get(name);
    const { placement } = this.#ports;
    if (room !== undefined || placement === undefined) return room;
    try {
      const nodes = await placement.find(name);
      if (nodes === undefined) return undefined;
      const others = nodes.filter((node) => node !== this.local.context.nodeId);
      if (others.length > 0) return others;
      const entrance = await this.local.enter({ name }, false);
      return entrance.ok ? entrance.room : undefined;
    } catch (error) {
      if (error instanceof SfuError) return [];
      throw error;
    }
  }

  /** What other nodes are asked by. */
  get others(): RemoteMembers {
    return this.#ports.remoteMembers;
  }

  /** See {@linkcode LocalRooms.enter}. */
  enter(request: RoomRequest, newcomer?: Newcomer): Promise<Entrance | EntryRefused> {
    return this.local.enter(request, true, newcomer);
  }

  /** See {@linkcode LocalRooms.enterAndTag}. */
  createOrTag(request: RoomRequest, mayCreate: boolean): Promise<Entrance | EntryRefused> {
    return this.local.enterAndTag(request, mayCreate);
  }

  /**
   * Infos of all rooms that are served here, or of those named, and where others are, as far as
   * somebody can tell.
   */
  async list(
    names: readonly string[],
  ): Promise<{ readonly here: RoomInfo[]; readonly elsewhere: readonly ListedRoom[] }> {
    const { placement, remoteMembers } = this.#ports;
    if (placement === undefined) return { here: this.local.list(names), elsewhere: [] };
    const asked = placement.list(names).catch((error): readonly ListedRoom[] => {
      if (error instanceof SfuError) return [];
      throw error;
    });
    const [listed] = await Promise.all([asked, remoteMembers.settled(names)]);
    const elsewhere = listed.filter(({ name }) => this.local.get(name) === undefined);
    return { here: this.local.list(names), elsewhere };
  }

  get #ports(): NodePorts {
    return this.local.context.ports ?? ALONE;
  }

  /** Ends a room and every session in it. @returns Whether there was one. */
  delete(name: string): Promise<boolean> {
    return this.local.delete(name);
  }
}
