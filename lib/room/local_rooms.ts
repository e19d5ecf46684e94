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
import { DearValue } from "../base/dear_value.ts";
import { invariant } from "../base/errors.ts";
import { randomId, type RoomSid } from "../base/ids.ts";
import type { Farewell } from "./context/close_reason.ts";
import type { Entry, Newcomer, RoomRecord, TokenBan } from "./context/node_ports.ts";
import type { Claim } from "./context/room_claim.ts";
import type { RoomPlan } from "./context/room_plan.ts";
import { RecentDepartures } from "./context/recent_departures.ts";
import { SessionCensus } from "./context/session_census.ts";
import { Room } from "./room.ts";
import type { RoomContext } from "./context/room_context.ts";
import {
  applyRequest,
  defaultPlan,
  firstDispatches,
  pinByName,
  type RoomRequest,
  withPreset,
} from "./room_creation.ts";
import { TokenRevocations } from "./token_revocations.ts";

/** A room that is served here. */
export interface Entrance {
  readonly ok: true;
  readonly room: Room;
  /** It was made for this. */
  readonly created?: boolean;
  /** The newcomer's, where rooms are shared. */
  readonly claim?: Claim;
}

/** Why it is not. */
export type EntryRefused = Extract<Entry, { readonly ok: false }>;

/** Counting all tracks takes no more than one part in so many of the time. */
const COUNT_PACE = 20;
/** One count holds for so long at most, ms. */
const COUNTED_FOR_MS = 5_000;

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
  readonly census: SessionCensus = new SessionCensus();

  readonly context: RoomContext;

  readonly #counted: DearValue<number>;

  constructor(context: RoomContext) {
    this.departures = new RecentDepartures(context.platform.clock);
    const { platform: { clock }, counters } = context;
    this.#counted = new DearValue(clock, COUNT_PACE, COUNTED_FOR_MS);
    this.revocations = new TokenRevocations(clock, counters);
    const { departures, census, revocations } = this;
    this.context = { ...context, departures, census, revocations };
  }

  /** Whether a room may be made from that preset; the empty name is none. */
  hasPreset(name: string): boolean {
    return name === "" || Object.hasOwn(this.context.options.roomPresets ?? {}, name);
  }

  /** Whether rooms are shared with other nodes, which have to be asked first. */
  get shared(): boolean {
    return this.context.ports?.placement !== undefined;
  }

  /**
   * The room of that name, made if there is none; an existing one keeps its settings. An unknown
   * preset is no preset: ask {@linkcode hasPreset} first. Where rooms are shared, ask for
   * {@linkcode enter} instead.
   */
  create(request: RoomRequest): Room {
    const existing = this.#rooms.get(request.name);
    if (existing !== undefined) return existing;
    invariant(request.name !== "", "a room has a name");
    invariant(!this.shared, "a shared room is entered");
    const { random, clock } = this.context.platform;
    const sid = randomId<RoomSid>(random, "RM_");
    const createdAtMs = clock.wallMs();
    return this.#open(
      request.name,
      { sid, createdAtMs, version: 1, plan: this.#planOf(request) },
      true,
    );
  }

  /**
   * Serves a room, for a newcomer if one is named; the others who serve it agree.
   *
   * @param mayCreate It is made if there is none; an existing one keeps its settings.
   * @throws SfuError If nobody can be asked.
   */
  async enter(
    request: RoomRequest,
    mayCreate: boolean,
    newcomer?: Newcomer,
  ): Promise<Entrance | EntryRefused> {
    const { name } = request;
    const placement = this.context.ports?.placement;
    if (placement === undefined) {
      const room = mayCreate ? this.create(request) : this.get(name);
      return room === undefined ? { ok: false, reason: "not_found" } : { ok: true, room };
    }
    const entry = await placement.enter({
      room: name,
      ...(mayCreate ? { plan: this.#planOf(request) } : {}),
      ...(newcomer === undefined ? {} : { newcomer }),
    });
    if (!entry.ok) return entry;
    const { claim, created, bans = [] } = entry;
    for (const ban of bans) this.#refuse(name, ban);
    const room = this.#adopt(name, entry.record, created);
    await room.meet(entry.nodes);
    return { ok: true, room, created, ...(claim === undefined ? {} : { claim }) };
  }

  /**
   * As {@linkcode enter}, but an existing room takes over the tags that the request itself says.
   * What else a room is made with stays: backends make rooms again before each join, and LiveKit
   * changes nothing of one that is there.
   */
  async enterAndTag(request: RoomRequest, mayCreate: boolean): Promise<Entrance | EntryRefused> {
    const existing = this.shared ? undefined : this.get(request.name);
    const entrance = existing === undefined
      ? await this.enter(request, mayCreate)
      : { ok: true as const, room: existing, created: false };
    if (!entrance.ok || entrance.created) return entrance;
    const { room } = entrance;
    const { tags = {} } = request;
    // What is known is what all agree upon: it came with the entry.
    const isNews = Object.entries(tags).some(([name, value]) => room.internal.tags[name] !== value);
    if (isNews) await room.setTags(tags);
    return entrance;
  }

  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  all(): Iterable<Room> {
    return this.#rooms.values();
  }

  get size(): number {
    return this.#rooms.size;
  }

  /** Tracks that come in from clients, and for each participant those that go out. */
  trackCount(): number {
    let count = 0;
    for (const room of this.#rooms.values()) {
      for (const { tracks, elsewhere } of room.participants()) {
        if (!elsewhere) count += tracks.length;
      }
      for (const { subscriptions } of room.sessions()) {
        count += subscriptions.subscribedTracks().length;
      }
    }
    return count;
  }

  /** The same for whoever asks often: where it takes long to count, as it was a moment ago. */
  recentTrackCount(): number {
    const startedUs = this.context.platform.clock.nowUs();
    return this.#counted.kept ?? this.#counted.made(this.trackCount(), startedUs);
  }

  /** Participants that are served here but agents and recorders. */
  occupants(): number {
    let count = 0;
    for (const room of this.#rooms.values()) {
      for (const { profile, elsewhere } of room.participants()) {
        if (!elsewhere && !profile.isDependent) count++;
      }
    }
    return count;
  }

  /** Refuses the tokens of an identity for a room, on all nodes that serve it, or will. */
  bar(room: string, ban: TokenBan): void {
    const keepMs = this.#refuse(room, ban);
    this.get(room)?.bar(ban);
    this.context.ports?.placement?.bar(room, ban, keepMs);
  }

  /** A claim of {@linkcode enter} comes to nothing. */
  forgo(room: string, identity: string, claim: Claim | undefined): void {
    if (claim !== undefined) this.context.ports?.placement?.forgo(room, identity, claim);
  }

  /** Infos of all rooms, or of those named. */
  list(names: readonly string[] = []): RoomInfo[] {
    const wanted = new Set(names);
    return [...this.#rooms.values()]
      .filter((room) => wanted.size === 0 || wanted.has(room.name))
      .map((room) => room.info());
  }

  /** Ends a room and every session in it. @returns Whether there was one. */
  async delete(name: string): Promise<boolean> {
    const room = this.#rooms.get(name);
    if (room === undefined) return false;
    const placement = this.context.ports?.placement;
    if (placement !== undefined && !await placement.remove(name, room.sid)) return false;
    room.close(Reason.ROOM_DELETED);
    return true;
  }

  /** Ends everything, telling each participant `reason`, and whether to join anew. */
  close(reason: DisconnectReason = Reason.SERVER_SHUTDOWN, farewell?: Farewell): void {
    const placement = this.context.ports?.placement;
    for (const room of [...this.#rooms.values()]) {
      if (placement === undefined) {
        room.close(reason, farewell);
        continue;
      }
      room.abandon(reason, farewell);
      // Whoever of them finds another node first goes on with the room there.
      placement.leave(room.name, room.sid, "go").catch(() => {});
    }
  }

  /** @returns For how long, ms. */
  #refuse(room: string, { identity, beforeMs, knownExpiryMs }: TokenBan): number {
    return this.revocations.revoke(room, identity, beforeMs, knownExpiryMs);
  }

  /** The room of that record; one of that name that is not this room has ended elsewhere. */
  #adopt(name: string, record: RoomRecord, created: boolean): Room {
    const existing = this.#rooms.get(name);
    if (existing?.sid === record.sid) {
      existing.adopt(record);
      return existing;
    }
    existing?.supersede(true);
    return this.#open(name, record, created);
  }

  #open(name: string, record: RoomRecord, created: boolean): Room {
    const room = new Room(name, record, this.context, (closed) => {
      if (this.#rooms.get(closed.name) === closed) this.#rooms.delete(closed.name);
      closed.events.closed();
    });
    this.#rooms.set(name, room);
    room.log.info(created ? "room created" : "room joined by this node");
    room.events.opened(created);
    if (created) room.events.started();
    return room;
  }

  #planOf(request: RoomRequest): RoomPlan {
    const plan = applyRequest(defaultPlan(this.context.options), this.#complete(request));
    if (!this.shared) return plan;
    const { internal } = plan;
    const { platform, options: { roomRegions = {} } } = this.context;
    const dispatches = firstDispatches(request.name, internal.agents, platform);
    const nodeId = internal.nodeId || pinByName(request.name, roomRegions);
    return { ...plan, internal: { ...internal, dispatches, nodeId } };
  }

  #complete(request: RoomRequest): RoomRequest {
    const name = request.roomPreset ?? "";
    const preset = name === "" ? undefined : this.context.options.roomPresets?.[name];
    return preset === undefined ? request : withPreset(request, preset);
  }
}
