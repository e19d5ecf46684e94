/**
 * All rooms of this process by name. The server API and the signalling layer both come through here.
 *
 * A name leads to at most one open room; a room that closed is gone from here before anybody hears of
 * it, so the same name makes a new room with a new sid.
 *
 * @module
 */
import type { DisconnectReason, Room as RoomInfo } from "@livekit/protocol";
import { DisconnectReason as Reason } from "@livekit/protocol";
import { Room, type RoomSettings } from "./room.ts";
import type { RoomContext } from "./room_context.ts";

/** What may be asked for when a room is made; 0 and absent mean the server's default. */
export interface RoomRequest {
  readonly name: string;
  readonly emptyTimeoutS?: number;
  readonly departureTimeoutS?: number;
  readonly maxParticipants?: number;
  readonly metadata?: string;
}

/** See the module text. */
export class RoomDirectory {
  readonly #rooms = new Map<string, Room>();

  constructor(readonly context: RoomContext) {}

  /** The room of that name, made if there is none; an existing one keeps its settings. */
  create(request: RoomRequest): Room {
    const existing = this.#rooms.get(request.name);
    if (existing !== undefined) return existing;
    const room = new Room(request.name, this.#settings(request), this.context, (closed) => {
      if (this.#rooms.get(closed.name) === closed) this.#rooms.delete(closed.name);
    });
    this.#rooms.set(room.name, room);
    room.log.info("room created");
    return room;
  }

  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  /** Infos of all rooms, or of those named. */
  list(names: readonly string[] = []): RoomInfo[] {
    const wanted = new Set(names);
    return [...this.#rooms.values()]
      .filter((room) => wanted.size === 0 || wanted.has(room.name))
      .map((room) => room.info());
  }

  /** Ends a room and every session in it. @returns Whether there was one. */
  delete(name: string): boolean {
    const room = this.#rooms.get(name);
    room?.close(Reason.ROOM_DELETED);
    return room !== undefined;
  }

  /** Ends everything, telling each participant `reason`. */
  close(reason: DisconnectReason = Reason.SERVER_SHUTDOWN): void {
    for (const room of [...this.#rooms.values()]) room.close(reason);
  }

  #settings(request: RoomRequest): RoomSettings {
    const { options } = this.context;
    return {
      emptyTimeoutS: request.emptyTimeoutS || options.emptyTimeoutS,
      departureTimeoutS: request.departureTimeoutS || options.departureTimeoutS,
      maxParticipants: request.maxParticipants || options.maxParticipants,
      metadata: request.metadata ?? "",
    };
  }
}
