/**
 * Which of a pool's engines know which rooms' members: those that have a connection of the room,
 * and these know all of its members.
 *
 * Contract: an engine is told of a room's members before anything can come of their connections
 * there, and is joined to the others of the room. A member's receiving connection has a place as
 * soon as the member is known, so that what is sent to it waits there.
 *
 * Synchronous and without effects but the commands it hands out.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { DataCommand, DataMember } from "../messages/data_messages.ts";

type CommandOf<T extends DataCommand["type"]> = Extract<DataCommand, { readonly type: T }>;

/** The pool as its data sees it. */
export interface PoolDataHost {
  engineOf(connection: ConnectionId): number | undefined;
  /** Gives a connection that will be opened its place, unless it has one, if any engine lives. */
  reserve(connection: ConnectionId, placement: string | undefined): void;
  /** The connection will not be opened any more, if it has not been. */
  release(connection: ConnectionId): void;
  /** Brings a command to one engine; keeps the order. */
  send(engine: number, command: EngineCommand): void;
  /** Joins two engines. */
  join(one: number, other: number): void;
}

interface Entry {
  readonly data: DataMember;
  /** Engines its connections are counted on. */
  readonly engines: readonly number[];
}

interface Room {
  readonly members: Set<number>;
  /** Engine → connections of members there. */
  readonly engines: Map<number, number>;
}

/**
 * A pool's rooms as far as data is concerned: an engine knows all members of a room, or none.
 * Effects are the commands handed out, and nothing else.
 */
export class PoolData {
  readonly #host: PoolDataHost;
  readonly #entries = new Map<number, Entry>();
  readonly #rooms = new Map<number, Room>();
  /** Connection → the member it is of. */
  readonly #members = new Map<ConnectionId, number>();

  constructor(host: PoolDataHost) {
    this.#host = host;
  }

  set({ data, placement }: CommandOf<"set_data_member">): void {
    this.#host.reserve(data.receiver, placement);
    const before = this.#entries.get(data.member)?.data;
    const left = before === undefined || before.room === data.room ? [] : this.#leave(before);
    for (const connection of [data.publisher, data.receiver]) {
      this.#members.set(connection, data.member);
    }
    this.#place(data);
    // Those that know its new room have moved it there, with all that waits for it.
    const { engines } = this.#rooms.get(data.room)!;
    this.#forget(data.member, left.filter((engine) => !engines.has(engine)));
  }

  remove({ member }: CommandOf<"remove_data_member">): void {
    const entry = this.#entries.get(member);
    if (entry === undefined) return;
    const { data } = entry;
    this.#forget(member, this.#leave(data));
    for (const connection of [data.publisher, data.receiver]) {
      this.#members.delete(connection);
      this.#host.release(connection);
    }
  }

  /** Brings a packet of the server to the engines that have the room. */
  sendOwn(command: CommandOf<"send_room_data">): void {
    for (const engine of this.#rooms.get(command.room)?.engines.keys() ?? []) {
      this.#host.send(engine, command);
    }
  }

  /** A connection was opened, or is gone: its member may be known to other engines now. */
  moved(connection: ConnectionId): void {
    const member = this.#members.get(connection);
    const entry = member === undefined ? undefined : this.#entries.get(member);
    if (entry !== undefined) this.#place(entry.data);
  }

  /** Counts a member where its connections are, and tells all engines of its room. */
  #place(data: DataMember): void {
    const room = this.#rooms.get(data.room) ?? { members: new Set(), engines: new Map() };
    this.#rooms.set(data.room, room);
    const before = this.#entries.get(data.member);
    const known = before?.data.room === data.room ? before.engines : [];
    const engines = [data.publisher, data.receiver]
      .map((connection) => this.#host.engineOf(connection))
      .filter((engine) => engine !== undefined);
    this.#entries.set(data.member, { data, engines });
    room.members.add(data.member);
    const fresh = engines.filter((engine) => add(room.engines, engine, 1));
    for (const engine of known) {
      if (add(room.engines, engine, -1)) this.#forgetAll(room, engine);
    }
    // Engines are joined before one hears of members on the other.
    for (const engine of fresh) this.#introduce(engine, room);
    for (const engine of room.engines.keys()) {
      if (!fresh.includes(engine)) this.#tell(engine, data);
    }
  }

  /** An engine hears of a room for the first time. */
  #introduce(engine: number, room: Room): void {
    for (const other of room.engines.keys()) {
      if (other !== engine) this.#host.join(engine, other);
    }
    for (const member of room.members) this.#tell(engine, this.#entries.get(member)!.data);
  }

  #tell(engine: number, data: DataMember): void {
    const receiver = this.#host.engineOf(data.receiver) ?? -1;
    const elsewhere = receiver === engine ? {} : { elsewhere: receiver };
    this.#host.send(engine, { type: "set_data_member", data: { ...data, ...elsewhere } });
  }

  /** @returns the engines that knew it. */
  #leave({ member, room: id }: DataMember): number[] {
    const room = this.#rooms.get(id);
    const entry = this.#entries.get(member);
    if (room === undefined || entry === undefined) return [];
    const knew = [...room.engines.keys()];
    this.#entries.delete(member);
    room.members.delete(member);
    for (const engine of entry.engines) {
      if (add(room.engines, engine, -1)) this.#forgetAll(room, engine);
    }
    if (room.members.size === 0) this.#rooms.delete(id);
    return knew;
  }

  /** An engine has nothing more to do with a room. */
  #forgetAll(room: Room, engine: number): void {
    for (const member of room.members) this.#forget(member, [engine]);
  }

  #forget(member: number, engines: readonly number[]): void {
    for (const engine of engines) this.#host.send(engine, { type: "remove_data_member", member });
  }
}

/** Adds to a count. @returns whether it began or ended by that. */
function add(counts: Map<number, number>, engine: number, by: number): boolean {
  const before = counts.get(engine) ?? 0;
  if (before + by > 0) counts.set(engine, before + by);
  else counts.delete(engine);
  return before === 0 || before + by === 0;
}
