/**
 * The steps of the directory over maps: what Redis' scripts do (`redis_scripts.ts`), in the same
 * order and with the same answers.
 *
 * Contract: each method is one atomic step. Invariants after each: nobody serves a room exactly if
 * it is closing; a claim's number is at most the last that was given; what `of` has of a node holds all
 * rooms that it serves or keeps.
 *
 * @module
 */
import type { NodeId, RoomSid } from "../../../lib/base/ids.ts";
import type { Clock } from "../../../lib/base/platform.ts";
import type {
  AssertAnswer,
  AssertedClaim,
  AssertRequest,
  BarRequest,
  Burial,
  Claim,
  Closing,
  EnterAnswer,
  EnterRequest,
  HeartbeatAnswer,
  NodeRecord,
  Pin,
  RoomListing,
  RoomRecord,
  UpdateAnswer,
  UpdateRequest,
} from "../../../lib/cluster/directory/cluster_directory.ts";
import { MemoryShelf } from "../../../lib/ingress/text_shelf.ts";
import type { TokenBan } from "../../../lib/room/context/node_ports.ts";

/** Dead nodes that one node is asked to bury at a time. */
const BURIALS_AT_ONCE = 8;
/** How long it is remembered who deleted a room, in case the answer was lost, ms. */
const EPITAPH_MS = 60_000;
/** How long it is remembered what a burial found, in case the answer was lost, ms. */
const FUNERAL_MS = 10_000;
/** How long it is remembered that a room has ended, ms. */
const OVER_MS = 3_600_000;
/** Identities of one room whose tokens are refused. */
const MAX_BANS = 1_000;

interface HeldClaim extends AssertedClaim {
  /** Whom it replaced. */
  readonly former: Claim | undefined;
}

interface HeldRoom {
  record: RoomRecord;
  readonly nodes: Set<NodeId>;
  readonly claims: Map<string, HeldClaim>;
  /** Claims that others replaced, until their nodes release them; by number. */
  readonly replaced: Map<number, Claim>;
  /** Numbers of claims whose sessions are still to join. */
  readonly due: Set<number>;
  closing: Closing | undefined;
}

interface HeldNode {
  readonly record: NodeRecord;
  /** When it was heard last, ms; -Infinity once it has withdrawn. */
  beatMs: number;
  /** Who buries it, and until when nobody else is asked to. */
  burial: { readonly by: NodeId; readonly untilMs: number } | undefined;
}

interface Epitaph {
  /** What was asked when it was deleted. */
  readonly cause: string;
  readonly listing: RoomListing;
  readonly untilMs: number;
}

/** Everything that the directory knows. */
export class DirectorySteps {
  readonly shelf = new MemoryShelf();
  readonly #clock: Clock;
  readonly #rooms = new Map<string, HeldRoom>();
  readonly #nodes = new Map<NodeId, HeldNode>();
  readonly #of = new Map<NodeId, Set<string>>();
  readonly #epitaphs = new Map<string, Epitaph>();
  /** What burials found, by dead node and room. */
  readonly #funerals = new Map<
    string,
    { readonly by: NodeId; readonly burial: Burial; readonly untilMs: number }
  >();
  /** Rooms that have ended, by sid. */
  readonly #over = new Map<RoomSid, { readonly word: string; readonly untilMs: number }>();
  /** The last fencing number. */
  #last = 0;
  /** Bans by room, then by identity. */
  readonly #bans = new Map<string, Map<string, { readonly ban: TokenBan; untilMs: number }>>();
  /** How far its clock is ahead of what it was, ms: a replica that took over may have another. */
  skewMs = 0;

  /** @param leaseMs A node that is not heard for so long is dead. */
  constructor(clock: Clock, readonly leaseMs: number) {
    this.#clock = clock;
  }

  /** Everything is forgotten, as by a Redis without persistence that was started anew. */
  clear(): void {
    const maps = {
      rooms: this.#rooms,
      nodes: this.#nodes,
      of: this.#of,
      epitaphs: this.#epitaphs,
      funerals: this.#funerals,
      over: this.#over,
      bans: this.#bans,
    };
    for (const map of Object.values(maps)) map.clear();
  }

  /** What a room is taken for, as the directory keeps it. */
  recordOf(room: string): RoomRecord | undefined {
    return this.#rooms.get(room)?.record;
  }

  /** The room is as it was: a replica that took over had not heard of what changed. */
  goBack(room: string, record: RoomRecord): void {
    const held = this.#rooms.get(room);
    if (held !== undefined) held.record = record;
  }

  heartbeat(record: NodeRecord): HeartbeatAnswer {
    const now = this.#now();
    const before = this.#nodes.get(record.nodeId);
    const known = before !== undefined && this.#lives(before);
    this.#nodes.set(record.nodeId, { record, beatMs: now, burial: undefined });
    const bury: NodeId[] = [];
    for (const [nodeId, node] of this.#nodes) {
      if (bury.length === BURIALS_AT_ONCE) break;
      if (this.#lives(node)) continue;
      const other = node.burial;
      if (other !== undefined && other.by !== record.nodeId && other.untilMs > now) continue;
      node.burial = { by: record.nodeId, untilMs: now + this.leaseMs };
      bury.push(nodeId);
    }
    return { known, isNew: before === undefined, bury };
  }

  withdraw(nodeId: NodeId): void {
    const node = this.#nodes.get(nodeId);
    if (node !== undefined) node.beatMs = -Infinity;
  }

  nodes(): readonly NodeRecord[] {
    return [...this.#nodes.values()].filter((node) => this.#lives(node))
      .map(({ record }) => record).sort((a, b) => a.nodeId < b.nodeId ? -1 : 1);
  }

  enter(request: EnterRequest): EnterAnswer {
    const { room: name, node, create, claim } = request;
    const found = this.#rooms.get(name);
    if (found === undefined && create === undefined) return { ok: false, reason: "not_found" };
    const pin = found?.record.pin ?? create!.pin;
    const elsewhere = this.#pinnedNodes(pin);
    if (elsewhere.length > 0 && !fits(pin, request)) {
      return { ok: false, reason: "elsewhere", nodes: elsewhere };
    }
    const refusal = found === undefined ? undefined : this.#refusal(found, claim);
    if (refusal !== undefined) return { ok: false, reason: refusal };
    const room = found ?? this.#make({ ...create!, name, creator: node, version: 1, writer: node });
    room.closing = undefined;
    const isKnown = request.knowsNodes === true && room.nodes.has(node);
    const bans = room.nodes.has(node) ? [] : this.#bansOf(name);
    this.#serve(room, node);
    return {
      ok: true,
      ...(bans.length === 0 ? {} : { bans }),
      created: room.record.sid === create?.sid && room.record.creator === node,
      record: room.record,
      nodes: isKnown ? [] : [...room.nodes].sort(),
      ...(claim === undefined ? {} : { claim: this.#claim(room, node, claim) }),
    };
  }

  joined({ room, number }: { room: string; number: number }): void {
    this.#rooms.get(room)?.due.delete(number);
  }

  release(claim: { room: string; identity: string; number: number }): boolean {
    const room = this.#rooms.get(claim.room);
    room?.replaced.delete(claim.number);
    const claims = room?.claims;
    const isIts = claims?.get(claim.identity)?.number === claim.number;
    if (isIts) claims!.delete(claim.identity);
    if (room !== undefined) forgetDue(room);
    return isIts;
  }

  /** Ends a claim of which only this is known. */
  undo({ room, identity, node, sid }: Omit<Claim, "number"> & { readonly room: string }): void {
    const found = this.#rooms.get(room);
    const held = found?.claims.get(identity);
    if (held?.node !== node || held.sid !== sid) return;
    found!.claims.delete(identity);
    forgetDue(found!);
  }

  leave(
    { room: name, node, sid }: { room: string; node: NodeId; sid?: RoomSid },
  ): Closing | "lost" | undefined {
    if (this.#isLost(name, sid)) return "lost";
    const room = this.#rooms.get(name);
    if (room === undefined) {
      this.#of.get(node)?.delete(name);
      return undefined;
    }
    if (room.nodes.delete(node) && room.nodes.size === 0) {
      room.closing = { keeper: node, number: this.#next() };
    }
    if (room.closing?.keeper === node) return room.closing;
    this.#of.get(node)?.delete(name);
    return undefined;
  }

  close(
    name: string,
    { keeper, number }: Closing,
    sid?: RoomSid,
  ): RoomRecord | "lost" | undefined {
    if (this.#isLost(name, sid)) return "lost";
    const cause = `close ${keeper} ${number}`;
    const room = this.#rooms.get(name);
    const { closing } = room ?? {};
    if (room !== undefined && closing?.keeper === keeper && closing.number === number) {
      return this.#delete(room, cause).record;
    }
    if (closing?.keeper !== keeper && !room?.nodes.has(keeper)) this.#of.get(keeper)?.delete(name);
    return this.#epitaph(name, cause)?.record;
  }

  bar({ room, ban, keepMs }: BarRequest): boolean {
    const bans = this.#bans.get(room) ?? new Map();
    this.#bans.set(room, bans);
    for (const [identity, { untilMs }] of bans) if (untilMs <= this.#now()) bans.delete(identity);
    if (bans.size >= MAX_BANS && !bans.has(ban.identity)) return false;
    bans.set(ban.identity, { ban, untilMs: this.#now() + keepMs });
    return true;
  }

  lastWord({ room, sid, node }: { room: string; sid: RoomSid; node: NodeId }): boolean {
    if (this.#rooms.get(room)?.record.sid === sid) return false;
    const word = `superseded ${node}`;
    if (!this.#isOver(sid)) this.#over.set(sid, { word, untilMs: this.#now() + OVER_MS });
    return this.#over.get(sid)!.word === word;
  }

  update({ room: name, node, sid, version, change }: UpdateRequest): UpdateAnswer {
    const room = this.#rooms.get(name);
    if (room === undefined || room.record.sid !== sid) return { ok: false, reason: "not_found" };
    const { record } = room;
    const next = { ...record, ...change };
    const isDone = record.version === version + 1 && record.writer === node &&
      JSON.stringify(next) === JSON.stringify(record);
    if (isDone) return { ok: true, record };
    if (record.version !== version) return { ok: false, reason: "conflict", record };
    room.record = { ...next, version: version + 1, writer: node };
    return { ok: true, record: room.record };
  }

  remove(name: string, request: string): RoomListing | undefined {
    const room = this.#rooms.get(name);
    const cause = `remove ${request}`;
    return room === undefined ? this.#epitaph(name, cause) : this.#delete(room, cause);
  }

  assert({ node, record, claims }: AssertRequest): AssertAnswer {
    const found = this.#rooms.get(record.name);
    if (found === undefined && this.#isOver(record.sid)) return { ok: false };
    const room = found ?? this.#make(record);
    if (room.record.sid !== record.sid) return { ok: false, record: room.record };
    if (record.version > room.record.version) room.record = record;
    room.closing = undefined;
    this.#serve(room, node);
    const newest = claims.reduce((most, { number }) => Math.max(most, number), 0);
    const asserted = new Set(claims.map(({ identity }) => identity));
    for (const held of room.claims.values()) {
      const isStale = held.node === node && held.number <= newest && !asserted.has(held.identity);
      if (isStale) room.claims.delete(held.identity);
    }
    this.#last = Math.max(this.#last, newest);
    const numbers = new Map(claims.map(({ identity, number }) => [identity, number]));
    for (const { identity, node: its, number } of [...room.replaced.values()]) {
      const isSaid = numbers.get(identity) === number &&
        (room.claims.get(identity)?.number ?? 0) > number;
      if (its === node && !isSaid) room.replaced.delete(number);
    }
    const newer: Claim[] = [];
    const beaten: Claim[] = [];
    for (const claim of claims) {
      const held = room.claims.get(claim.identity);
      if (held !== undefined && held.number > claim.number) newer.push(plain(held));
      else {
        if (held !== undefined && held.node !== node) {
          beaten.push(plain(held));
          room.replaced.set(held.number, plain(held));
        }
        room.claims.set(claim.identity, { ...claim, node, former: undefined });
      }
    }
    forgetDue(room);
    return { ok: true, record: room.record, nodes: [...room.nodes].sort(), newer, beaten };
  }

  find(name: string): RoomListing | undefined {
    const room = this.#rooms.get(name);
    return room === undefined ? undefined : listing(room);
  }

  claim(name: string, identity: string): Claim | undefined {
    const claim = this.#rooms.get(name)?.claims.get(identity);
    return claim === undefined ? undefined : plain(claim);
  }

  claims(name: string): readonly AssertedClaim[] {
    const claims = [...this.#rooms.get(name)?.claims.values() ?? []];
    return claims.map((claim) => ({ ...plain(claim), counted: claim.counted }))
      .sort((a, b) => a.identity < b.identity ? -1 : 1);
  }

  list(names?: readonly string[]): readonly RoomListing[] {
    const wanted = names === undefined ? [...this.#rooms.keys()] : [...new Set(names)];
    return wanted.sort().flatMap((name) => this.find(name) ?? []);
  }

  roomsOf(node: NodeId): readonly string[] {
    return [...this.#of.get(node) ?? []].sort();
  }

  bury({ room: name, dead, by }: { room: string; dead: NodeId; by: NodeId }): Burial | undefined {
    const funeral = `${dead} ${name}`;
    if (this.#of.get(dead)?.delete(name) !== true) {
      const said = this.#funerals.get(funeral);
      if (said?.by === by && said.untilMs > this.#now()) return said.burial;
    }
    const room = this.#rooms.get(name);
    if (room === undefined) return undefined;
    const freed = [...room.claims.values()].filter(({ node }) => node === dead).map(plain);
    for (const { identity } of freed) room.claims.delete(identity);
    for (const claim of [...room.replaced.values()]) {
      if (claim.node !== dead) continue;
      room.replaced.delete(claim.number);
      freed.push(claim);
    }
    const wasServed = room.nodes.delete(dead) && room.nodes.size === 0;
    if (wasServed || room.closing?.keeper === dead) {
      room.closing = { keeper: by, number: this.#next() };
      this.#note(by, name);
    }
    const isKept = room.closing?.keeper === by;
    const closing = isKept ? { closing: room.closing! } : {};
    const unjoined = freed.filter(({ number }) => room.due.has(number));
    const burial = {
      record: room.record,
      freed: freed.filter(({ number }) => !room.due.has(number)),
      ...(unjoined.length === 0 ? {} : { unjoined }),
      ...closing,
    };
    forgetDue(room);
    if (freed.length > 0 || isKept) {
      this.#funerals.set(funeral, { by, burial, untilMs: this.#now() + FUNERAL_MS });
    }
    return burial;
  }

  forget(dead: NodeId): boolean {
    const node = this.#nodes.get(dead);
    if (node === undefined) return true;
    if (this.#lives(node)) return false;
    this.#nodes.delete(dead);
    return true;
  }

  #now(): number {
    return this.#clock.now() + this.skewMs;
  }

  #lives(node: HeldNode): boolean {
    return node.beatMs > this.#now() - this.leaseMs;
  }

  /** Nodes that the pin names, if they take anybody. */
  #pinnedNodes(pin: Pin): NodeId[] {
    if (pin === "") return [];
    return this.nodes().filter(({ state }) => state === "serving")
      .filter(({ nodeId, region }) => fits(pin, { node: nodeId, region }))
      .map(({ nodeId }) => nodeId);
  }

  #refusal(room: HeldRoom, claim: EnterRequest["claim"]): "room_full" | "room_locked" | undefined {
    if (claim === undefined || !claim.counted || room.claims.has(claim.identity)) return undefined;
    const { locked, maxParticipants } = room.record;
    if (locked && claim.passesLock !== true) return "room_locked";
    if (maxParticipants === 0) return undefined;
    // Places of those who died with their nodes are free before they are buried.
    const taken = [...room.claims.values()].filter(({ counted, node }) => {
      const server = this.#nodes.get(node);
      return counted && (server === undefined || this.#lives(server));
    });
    return taken.length < maxParticipants ? undefined : "room_full";
  }

  #make(record: RoomRecord): HeldRoom {
    const room = {
      record,
      nodes: new Set<NodeId>(),
      claims: new Map(),
      replaced: new Map(),
      due: new Set<number>(),
      closing: undefined,
    };
    this.#rooms.set(record.name, room);
    return room;
  }

  #serve(room: HeldRoom, node: NodeId): void {
    room.nodes.add(node);
    this.#note(node, room.record.name);
  }

  #note(node: NodeId, name: string): void {
    const names = this.#of.get(node) ?? new Set();
    this.#of.set(node, names.add(name));
  }

  #claim(
    room: HeldRoom,
    node: NodeId,
    { identity, sid, counted, joinsLater }: NonNullable<EnterRequest["claim"]>,
  ): { number: number; former?: Claim } {
    const before = room.claims.get(identity);
    const isAgain = before?.sid === sid && before.node === node;
    const former = isAgain ? before.former : before === undefined ? undefined : plain(before);
    const number = isAgain ? before.number : this.#next();
    if (!isAgain && before !== undefined && before.node !== node) {
      room.replaced.set(before.number, plain(before));
    }
    if (!isAgain && joinsLater === true) room.due.add(number);
    room.claims.set(identity, { identity, node, sid, number, counted, former });
    forgetDue(room);
    return former === undefined ? { number } : { number, former };
  }

  /** A number larger than all before, also those before everything was forgotten. */
  #next(): number {
    const wallMs = this.#clock.wallMs() + this.skewMs;
    return this.#last = Math.max(this.#last + 1, wallMs * 1_000);
  }

  #delete(room: HeldRoom, cause: string): RoomListing {
    const { name } = room.record;
    const gone = listing(room);
    for (const names of this.#of.values()) names.delete(name);
    this.#rooms.delete(name);
    this.#over.set(room.record.sid, { word: cause, untilMs: this.#now() + OVER_MS });
    this.#epitaphs.set(name, { cause, listing: gone, untilMs: this.#now() + EPITAPH_MS });
    return gone;
  }

  #bansOf(room: string): TokenBan[] {
    const now = this.#now();
    return [...this.#bans.get(room)?.values() ?? []].filter(({ untilMs }) => untilMs > now)
      .map(({ ban }) => ban);
  }

  #isOver(sid: RoomSid): boolean {
    return (this.#over.get(sid)?.untilMs ?? 0) > this.#now();
  }

  /** Nothing is known of that room, nor that it has ended. */
  #isLost(name: string, sid: RoomSid | undefined): boolean {
    return sid !== undefined && this.#rooms.get(name)?.record.sid !== sid && !this.#isOver(sid);
  }

  #epitaph(name: string, cause: string): RoomListing | undefined {
    const epitaph = this.#epitaphs.get(name);
    if (epitaph !== undefined && epitaph.untilMs <= this.#now()) this.#epitaphs.delete(name);
    else if (epitaph?.cause === cause) return epitaph.listing;
    return undefined;
  }
}

/** Whether a node is one that the pin names. */
function fits(pin: Pin, { node, region }: { node: NodeId; region: string }): boolean {
  return pin === "" || pin === node || pin === `region:${region}`;
}

function listing({ record, nodes, claims }: HeldRoom): RoomListing {
  const counted = [...claims.values()].filter((claim) => claim.counted).length;
  return { record, nodes: [...nodes].sort(), claims: claims.size, counted };
}

/** Nothing is due of a claim that is no more. */
function forgetDue({ due, claims, replaced }: HeldRoom): void {
  const held = new Set([...claims.values()].map(({ number }) => number));
  for (const number of [...due]) {
    if (!held.has(number) && !replaced.has(number)) due.delete(number);
  }
}

function plain({ identity, node, sid, number }: Claim): Claim {
  return { identity, node, sid, number };
}
