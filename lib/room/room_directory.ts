/**
 * Rooms by name for whoever need not know where they are: the server API. What may be far is a
 * promise, so that a node's own rooms (`local_rooms.ts`) and those of others look alike.
 *
 * @module
 */
import type { Room as RoomInfo } from "@livekit/protocol";
import type { Newcomer } from "./context/node_ports.ts";
import type { Entrance, EntryRefused, LocalRooms } from "./local_rooms.ts";
import type { Room } from "./room.ts";
import type { RoomRequest } from "./room_creation.ts";

/** Rooms by name, wherever they are. What may be far is a promise. */
export class RoomDirectory {
  constructor(readonly local: LocalRooms) {}

  find(name: string): Promise<Room | undefined> {
    return Promise.resolve(this.local.get(name));
  }

  /** See {@linkcode LocalRooms.enter}. */
  enter(request: RoomRequest, newcomer?: Newcomer): Promise<Entrance | EntryRefused> {
    return this.local.enter(request, true, newcomer);
  }

  /** The room of that name, made if there is none; an existing one takes over the request. */
  createOrUpdate(request: RoomRequest): Promise<Entrance | EntryRefused> {
    return this.local.enterAndUpdate(request);
  }

  /** Infos of all rooms, or of those named. */
  list(names: readonly string[] = []): Promise<RoomInfo[]> {
    return Promise.resolve(this.local.list(names));
  }

  /** Ends a room and every session in it. @returns Whether there was one. */
  delete(name: string): Promise<boolean> {
    return this.local.delete(name);
  }
}
