/**
 * All rooms of this process by name. The server API and the signalling layer both come through
 * here.
 *
 * A name leads to at most one open room; a room that closed is gone from here before anybody hears
 * of it, so the same name makes a new room with a new sid.
 *
 * @module
 */
import {
  type DisconnectReason,
  DisconnectReason as Reason,
  type Room as RoomInfo,
} from "@livekit/protocol";
import { invariant } from "../base/errors.ts";
import type { Farewell } from "./context/close_reason.ts";
import { RecentDepartures } from "./context/recent_departures.ts";
import { SessionCensus } from "./context/session_census.ts";
import { Room } from "./room.ts";
import type { RoomContext } from "./context/room_context.ts";
import { applyRequest, defaultPlan, type RoomRequest, withPreset } from "./room_creation.ts";
import { TokenRevocations } from "./token_revocations.ts";

/**
 * The rooms of this process. A name leads to at most one open room, and a closed one is gone before
 * anybody hears of it.
 */
export class LocalRooms {
  readonly #rooms = new Map<string, Room>();

  /** Whom the server API has removed; kept here because it outlives rooms. */
  readonly revocations: TokenRevocations;
  /** Who has left, also rooms that are closed by now. */
  readonly departures: RecentDepartures;

  /** Who is in any room. */
  readonly census = new SessionCensus();

  readonly context: RoomContext;

  constructor(context: RoomContext) {
    this.departures = new RecentDepartures(context.platform.clock);
    this.context = { ...context, departures: this.departures, census: this.census };
    this.revocations = new TokenRevocations(context.platform.clock, context.counters);
  }

  /** Whether a room may be made from that preset; the empty name is none. */
  hasPreset(name: string): boolean {
    return name === "" || Object.hasOwn(this.context.options.roomPresets ?? {}, name);
  }

  /**
   * The room of that name, made if there is none; an existing one keeps its settings. An unknown
   * preset is no preset: ask {@linkcode hasPreset} first.
   */
  create(request: RoomRequest): Room {
    const existing = this.#rooms.get(request.name);
    if (existing !== undefined) return existing;
    invariant(request.name !== "", "a room has a name");
    const plan = applyRequest(defaultPlan(this.context.options), this.#complete(request));
    const room = new Room(request.name, plan, this.context, (closed) => {
      if (this.#rooms.get(closed.name) === closed) this.#rooms.delete(closed.name);
    });
    this.#rooms.set(room.name, room);
    room.log.info("room created");
    room.events.started();
    return room;
  }

  /** As {@linkcode create}, but an existing room takes over what the request says. */
  createOrUpdate(request: RoomRequest): Room {
    const existing = this.#rooms.get(request.name);
    if (existing === undefined) return this.create(request);
    existing.update(this.#complete(request));
    return existing;
  }

  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  all(): Iterable<Room> {
    return this.#rooms.values();
  }

  /** Tracks that come in, and for each participant those that go out. */
  trackCount(): number {
    let count = 0;
    for (const room of this.#rooms.values()) {
      for (const { tracks } of room.participants()) count += tracks.length;
      for (const { subscriptions } of room.sessions()) {
        count += subscriptions.subscribedTracks().length;
      }
    }
    return count;
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

  /** Ends everything, telling each participant `reason`, and whether to join anew. */
  close(reason: DisconnectReason = Reason.SERVER_SHUTDOWN, farewell?: Farewell): void {
    for (const room of [...this.#rooms.values()]) room.close(reason, farewell);
  }

  #complete(request: RoomRequest): RoomRequest {
    const name = request.roomPreset ?? "";
    const preset = name === "" ? undefined : this.context.options.roomPresets?.[name];
    return preset === undefined ? request : withPreset(request, preset);
  }
}
