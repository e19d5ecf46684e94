/**
 * Rooms by name for whoever need not know where they are: the server API. What may be far is a
 * promise, so that a node's own rooms (`local_rooms.ts`) and those of others look alike.
 *
 * @module
 */
import type { Room as RoomInfo } from "@livekit/protocol";
import type { LocalRooms } from "./local_rooms.ts";
import type { Room } from "./room.ts";
import type { RoomRequest } from "./room_creation.ts";

/**
 * Rooms by name, wherever they are. Every answer is a promise, although today all rooms are this
 * process's.
 */
export class RoomDirectory {
  constructor(readonly local: LocalRooms) {}

  find(name: string): Promise<Room | undefined> {
    return Promise.resolve(this.local.get(name));
  }

  /** The room of that name, made if there is none; an existing one keeps its settings. */
  create(request: RoomRequest): Promise<Room> {
    return Promise.resolve(this.local.create(request));
  }

  /** As {@linkcode create}, but an existing room takes over what the request says. */
  createOrUpdate(request: RoomRequest): Promise<Room> {
    return Promise.resolve(this.local.createOrUpdate(request));
  }

  /** Infos of all rooms, or of those named. */
  list(names: readonly string[] = []): Promise<RoomInfo[]> {
    return Promise.resolve(this.local.list(names));
  }

  /** Ends a room and every session in it. @returns Whether there was one. */
  delete(name: string): Promise<boolean> {
    return Promise.resolve(this.local.delete(name));
  }
}
