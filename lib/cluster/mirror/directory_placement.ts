/**
 * Rooms as the directory keeps them: who may come in, what a room's plan is, and who ends it.
 *
 * Contract: what is asked about one room is asked in order, so that a node never leaves a room that
 * it has just let somebody into. While the directory is away, who comes to a room that is served
 * here is let in all the same, by a claim later than all that are known of.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import { type NodeId, type ParticipantSid, randomId, type RoomSid } from "../../base/ids.ts";
import type { Platform } from "../../base/platform.ts";
import type {
  Departure,
  Entry,
  EntryRequest,
  ListedRoom,
  MirroredRoom,
  RoomPlacement,
  RoomRecord,
  TokenBan,
} from "../../room/context/node_ports.ts";
import { REVOCATION_LEEWAY_MS } from "../../room/token_revocations.ts";
import type { Claim } from "../../room/context/room_claim.ts";
import { isLocked, type RoomPlan } from "../../room/context/room_plan.ts";
import { TextSeal } from "../../transport/crypto/sealed_text.ts";
import type {
  AssertAnswer,
  AssertedClaim,
  ClusterDirectory,
  EnterAnswer,
  Pin,
  RoomRecord as DirectoryRecord,
  RoomSettings,
} from "../directory/cluster_directory.ts";
import { keptPlanText, readKeptPlan } from "./kept_plan.ts";
import type { SharedRooms } from "./shared_rooms.ts";

/** What placement works with. */
export interface DirectoryPlacementOptions {
  readonly platform: Pick<Platform, "clock" | "random" | "timers" | "log">;
  readonly directory: ClusterDirectory;
  readonly node: NodeId;
  readonly region: string;
  readonly rooms: SharedRooms;
  /** By it is sealed what nodes alone are to read of a room. */
  readonly secret: Uint8Array;
  /** Whether the directory knows all rooms there are: it has not just lost everything. */
  readonly isWhole: () => boolean;
}

/** How often a directory that has lost everything is asked for a room that others may serve, ms. */
const ASK_AGAIN_MS = 250;

/** Rooms of which it was said that not all of their plan can be read. */
const MAX_UNREAD = 1_000;

/** That somebody has joined is told again so often, for as long as it is not known. */
const MAX_TELLING = 60;
const TELL_AGAIN_MS = 2_000;

/** Bans of a room that the directory is told again: as many as it keeps. */
const MAX_TOLD_BANS = 1_000;

interface HeldClaim extends Claim {
  readonly counted: boolean;
  /** Where the identity was before, if somewhere. */
  readonly former?: NodeId;
}

/** This node's word in the directory. */
export class DirectoryPlacement implements RoomPlacement {
  /** Claims of this node, by room and identity: of who is here, or about to come. */
  readonly #claims = new Map<string, Map<string, HeldClaim>>();
  /** The end of what is asked about each room. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #unread = new Set<RoomSid>();

  readonly #seal: TextSeal;

  constructor(readonly options: DirectoryPlacementOptions) {
    this.#seal = new TextSeal(options.secret, "directory", options.platform.random);
  }

  /** What this node holds in a room, as the directory is told when it has lost it. */
  claimsIn(room: string): AssertedClaim[] {
    const { node } = this.options;
    const claims = this.#claims.get(room) ?? [];
    return Array.from(claims, ([identity, { sid, number, counted }]) => {
      return { identity, node, sid, number, counted };
    });
  }

  /** Whether this node has anything to do with a room, or is about to. */
  isServed(room: string): boolean {
    return this.options.rooms.get(room) !== undefined || this.#claims.has(room) ||
      this.#queues.has(room);
  }

  /**
   * Resolves when all that was asked is answered or has failed: what is not released by then is
   * told of by others when they bury this node.
   */
  async settled(): Promise<void> {
    while (this.#queues.size > 0) await Promise.all(this.#queues.values());
  }

  enter(request: EntryRequest): Promise<Entry> {
    const { directory } = this.options;
    // What is asked now would be answered too late, and would have to be undone.
    const isTooMuch = request.newcomer !== undefined && directory.status === "up" &&
      directory.isSlow(request.room);
    if (isTooMuch) return Promise.resolve({ ok: false, reason: "unavailable" });
    return this.#inOrder(request.room, async () => {
      try {
        return this.#entered(request, await this.#ask(request));
      } catch (error) {
        if (error instanceof SfuError) return this.#enterWithout(request);
        throw error;
      }
    });
  }

  async find(room: string): Promise<readonly NodeId[] | undefined> {
    return (await this.options.directory.find(room))?.nodes;
  }

  async list(names: readonly string[]): Promise<readonly ListedRoom[]> {
    const listings = await this.options.directory.list(names.length === 0 ? undefined : names);
    return listings.flatMap(({ record: kept, nodes, counted }) => {
      const record = this.#recordOf(kept);
      return record === undefined ? [] : [{ name: kept.name, record, nodes, counted }];
    });
  }

  joined(room: string, { number }: Claim): void {
    void this.#tellJoined(room, number, 1);
  }

  release(room: string, identity: string, claim: Claim): void {
    this.#drop(room, identity, claim);
  }

  forgo(room: string, identity: string, claim: Claim): void {
    const { node, rooms } = this.options;
    const { former = node } = this.#drop(room, identity, claim) ?? {};
    // Who is here may have been replaced by somebody who has gone again, which was not heard of.
    if (former === node) this.reclaim(room, identity);
    else rooms.reclaimAt(former, room, identity);
  }

  /** Who is served here under that identity holds it again, after a later claim came to nothing. */
  reclaim(room: string, identity: string): void {
    const member = this.options.rooms.get(room)?.room.member(identity);
    if (member?.claim === undefined) return;
    this.#hold(room, identity, { ...member.claim, counted: !member.profile.isDependent });
    this.assertRoom(room).catch(() => {});
  }

  /**
   * Puts right what the directory has of this node in a room that it serves: after the directory
   * had forgotten it, or other nodes were out of reach. Who has been replaced meanwhile gives way.
   *
   * @throws SfuError If the directory is away.
   */
  assertRoom(name: string): Promise<void> {
    const { directory, node, rooms, platform: { clock } } = this.options;
    return this.#inOrder(name, async () => {
      const answer = await this.#assert(name);
      const room = rooms.get(name)?.room;
      if (!answer?.ok || room === undefined) return;
      const agreed = this.#recordOf(answer.record);
      if (agreed !== undefined) room.adopt(agreed, true);
      for (const { identity, number } of answer.newer) room.evict(identity, number);
      const now = clock.wallMs();
      // All at once: those who come to the room wait for it.
      await Promise.all(
        room.bans().slice(-MAX_TOLD_BANS).map((ban) => {
          const keepMs = ban.knownExpiryMs + REVOCATION_LEEWAY_MS - now;
          return directory.bar({ room: name, ban, keepMs: Math.max(1, keepMs) });
        }),
      );
      // Those whose claims were beaten are seen there, and are told by the room.
      await room.meet(answer.nodes.filter((other) => other !== node));
    });
  }

  lastWord(room: string, sid: RoomSid): Promise<boolean> {
    const { directory, node } = this.options;
    return directory.lastWord({ room, sid, node });
  }

  bar(room: string, ban: TokenBan, keepMs: number): void {
    const { directory } = this.options;
    // If that is not answered it is told with what is asserted.
    this.#inOrder(room, () => directory.bar({ room, ban, keepMs })).catch(() => {});
  }

  leave(room: string, sid: RoomSid, last: "finish" | "stay" | "go"): Promise<Departure> {
    const { directory, node, region } = this.options;
    return this.#inOrder(room, async () => {
      if (last !== "go" && this.#claims.has(room)) return "kept";
      const closing = await directory.leave({ room, node, sid });
      if (closing === "lost") {
        // Others may serve it, and are about to say so as well.
        if (last !== "go") return await this.#assert(room) === undefined ? "left" : "kept";
        await this.#assert(room);
        await directory.leave({ room, node, sid });
        return "left";
      }
      if (closing === undefined || last === "go") return "left";
      if (last === "stay") {
        const { ok } = await directory.enter({ room, node, region });
        return ok ? "kept" : "left";
      }
      const finished = await directory.close(room, closing, sid);
      return finished === undefined ? "left" : finished === "lost" ? "kept" : "finished";
    });
  }

  async update(
    room: string,
    sid: RoomSid,
    version: number,
    plan: RoomPlan,
  ): Promise<{ readonly done: boolean; readonly record: RoomRecord } | undefined> {
    const { directory, node } = this.options;
    const change = this.#settingsOf(plan, room);
    const answer = await directory.update({ room, node, sid, version, change });
    const record = "record" in answer ? this.#recordOf(answer.record) : undefined;
    return record && { done: answer.ok, record };
  }

  async remove(room: string, _sid: RoomSid): Promise<boolean> {
    const { directory, platform: { random } } = this.options;
    return await directory.remove(room, randomId(random, "RQ_")) !== undefined;
  }

  /** @returns `undefined` without the room; one that has ended, or is another one, is given up. */
  async #assert(name: string): Promise<AssertAnswer | undefined> {
    const { directory, node, rooms } = this.options;
    const room = rooms.get(name)?.room;
    if (room === undefined) return undefined;
    const { sid, createdAtMs, version, plan } = room.record;
    const names = { name, creator: node, writer: node };
    const record = { ...names, sid, createdAtMs, version, ...this.#settingsOf(plan, name) };
    const answer = await directory.assert({ node, record, claims: this.claimsIn(name) });
    if (!answer.ok) room.supersede(answer.record !== undefined);
    return answer;
  }

  #settingsOf(plan: RoomPlan, room: string): RoomSettings {
    const { settings: { maxParticipants, departureTimeoutS }, internal: { nodeId } } = plan;
    return {
      plan: keptPlanText(plan, room, this.#seal),
      maxParticipants,
      locked: isLocked(plan),
      pin: nodeId as Pin,
      lingerMs: departureTimeoutS * 1000,
    };
  }

  /** `undefined` if its plan is of a kind that this node does not understand. */
  #recordOf({ name, sid, createdAtMs, version, plan: text }: DirectoryRecord) {
    const { platform: { log } } = this.options;
    const read = readKeptPlan(text, name, this.#seal);
    if (read?.why !== undefined && !this.#unread.has(sid)) {
      // Of as many rooms as are looked at in a while it is said once.
      if (this.#unread.size >= MAX_UNREAD) this.#unread.clear();
      this.#unread.add(sid);
      log.error("what a room records by itself cannot be read, and is not recorded here", {
        room: name,
        why: read.why,
        check: "cluster.secret, or the API keys without one, have to be those of the other nodes",
      });
    }
    return read && { sid, createdAtMs, version, plan: read.plan };
  }

  /** A room is made only once it is sure that nobody serves it. */
  async #ask(request: EntryRequest): Promise<AskedEntry> {
    const { platform: { timers }, isWhole } = this.options;
    const { plan: _, ...unmade } = request;
    while (request.plan !== undefined && !isWhole()) {
      const asked = await this.#askOnce(unmade);
      if (asked.answer.ok || asked.answer.reason !== "not_found") return asked;
      await new Promise<void>((resolve) => void timers.after(ASK_AGAIN_MS, resolve));
    }
    return await this.#askOnce(request);
  }

  async #askOnce({ room, plan, newcomer }: EntryRequest): Promise<AskedEntry> {
    const { directory, node, region, rooms, platform: { clock, random } } = this.options;
    const sid = randomId<ParticipantSid>(random, "PA_");
    const answer = await directory.enter({
      room,
      node,
      region,
      knowsNodes: rooms.get(room) !== undefined,
      ...(plan === undefined ? {} : {
        create: {
          ...this.#settingsOf(plan, room),
          sid: randomId<RoomSid>(random, "RM_"),
          createdAtMs: clock.wallMs(),
        },
      }),
      ...(newcomer === undefined ? {} : { claim: { sid, ...newcomer, joinsLater: true } }),
    });
    return { answer, sid };
  }

  #entered({ room, newcomer }: EntryRequest, { answer, sid }: AskedEntry): Entry {
    if (!answer.ok) {
      const { reason } = answer;
      return { ok: false, reason, ...(reason === "elsewhere" ? { nodes: answer.nodes } : {}) };
    }
    const { node: self, rooms } = this.options;
    const record = this.#recordOf(answer.record);
    if (record === undefined) return { ok: false, reason: "unavailable" };
    const isTold = answer.nodes.length > 0;
    const nodes = isTold
      ? answer.nodes.filter((node) => node !== self)
      : rooms.get(room)?.nodes ?? [];
    const { created, bans = [] } = answer;
    const entry = { ok: true, record, created, nodes, bans } as const;
    if (newcomer === undefined || answer.claim === undefined) return entry;
    const { identity, counted } = newcomer;
    const { number, former } = answer.claim;
    const claim = { sid, number };
    const replaced = former === undefined ? {} : { former: former.node };
    this.#hold(room, identity, { ...claim, counted, ...replaced });
    return { ...entry, claim };
  }

  /** The directory is away: a room that is served here is known well enough. */
  #enterWithout({ room, newcomer }: EntryRequest): Entry {
    const { platform: { random }, rooms } = this.options;
    const mirror = rooms.get(room);
    if (mirror === undefined) return { ok: false, reason: "unavailable" };
    const { record }: MirroredRoom = mirror.room;
    if (newcomer !== undefined && isLocked(record.plan) && !newcomer.passesLock) {
      return { ok: false, reason: "room_locked" };
    }
    const entry = { ok: true, record, created: false, nodes: mirror.peers } as const;
    if (newcomer === undefined) return entry;
    const { identity, counted } = newcomer;
    const held = [...this.#claims.get(room)?.values() ?? []].map(({ number }) => number);
    const number = Math.max(mirror.highestClaim, ...held) + 1;
    const claim = { sid: randomId<ParticipantSid>(random, "PA_"), number };
    this.#hold(room, identity, { ...claim, counted });
    return { ...entry, claim };
  }

  /** Not in the room's order: it may be told whenever it is so. */
  async #tellJoined(room: string, number: number, tries: number): Promise<void> {
    const { directory, platform: { timers } } = this.options;
    try {
      await directory.joined({ room, number });
    } catch {
      if (tries === MAX_TELLING || !this.#holds(room, number)) return;
      timers.after(TELL_AGAIN_MS, () => void this.#tellJoined(room, number, tries + 1));
    }
  }

  #holds(room: string, number: number): boolean {
    const claims = this.#claims.get(room)?.values();
    return claims?.some((claim) => claim.number === number) ?? false;
  }

  /** @returns The claim, if it was this node's last of that identity. */
  #drop(room: string, identity: string, { number }: Claim): HeldClaim | undefined {
    const claims = this.#claims.get(room);
    const held = claims?.get(identity);
    const isIts = held?.number === number;
    if (isIts) claims!.delete(identity);
    if (claims?.size === 0) this.#claims.delete(room);
    // A claim that cannot be released now is told to be gone when the directory is back.
    const { directory } = this.options;
    this.#inOrder(room, () => directory.release({ room, identity, number })).catch(() => {});
    return isIts ? held : undefined;
  }

  #hold(room: string, identity: string, claim: HeldClaim): void {
    const claims = this.#claims.get(room);
    if (claims === undefined) this.#claims.set(room, new Map([[identity, claim]]));
    else claims.set(identity, claim);
  }

  #inOrder<T>(room: string, ask: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(room) ?? Promise.resolve();
    const asked = before.then(ask, ask);
    const settled = asked.then(() => {}, () => {}).then(() => {
      if (this.#queues.get(room) === settled) this.#queues.delete(room);
    });
    this.#queues.set(room, settled);
    return asked;
  }
}

interface AskedEntry {
  readonly answer: EnterAnswer;
  /** Of the newcomer's session. */
  readonly sid: ParticipantSid;
}
