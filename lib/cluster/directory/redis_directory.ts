/**
 * The directory in Redis: a script for each step (`redis_scripts.ts`), so that it is one whoever
 * asks, and a copy of what is known of nodes for when Redis is away.
 *
 * Contract: as `cluster_directory.ts` says. What a failed {@linkcode RedisDirectory.enter} or
 * {@linkcode RedisDirectory.release} may have left in Redis is undone once it is back.
 *
 * @module
 */
import type { NodeId, RoomSid } from "../../base/ids.ts";
import type { TextShelf } from "../../ingress/text_shelf.ts";
import type { TokenBan } from "../../room/context/node_ports.ts";
import type { Cancel, Clock, Platform, Timers } from "../../base/platform.ts";
import type {
  AssertAnswer,
  AssertedClaim,
  AssertRequest,
  BarRequest,
  Burial,
  Claim,
  Closing,
  ClusterDirectory,
  DirectoryStatus,
  EnterAnswer,
  EnterRequest,
  HeartbeatAnswer,
  NodeRecord,
  RoomListing,
  RoomRecord,
  UpdateAnswer,
  UpdateRequest,
} from "./cluster_directory.ts";
import { isNews } from "./load_news.ts";
import { NodesCopy } from "./nodes_copy.ts";
import { NODES_TAG, shardOf, SHARDS, tagged } from "./redis_keys.ts";
import { type Connect, RedisLink } from "./redis_link.ts";
import { RedisShelf } from "./redis_shelf.ts";
import {
  changeValues,
  claimOf,
  formerClaim,
  heldClaim,
  list,
  nodeIds,
  number,
  recordValues,
  type Reply,
  roomListing,
  roomRecord,
  text,
  texts,
} from "./redis_replies.ts";
import * as nodeScripts from "./redis_node_scripts.ts";
import * as scripts from "./redis_scripts.ts";

/** Questions of one listing that are on their way at a time. */
const QUESTIONS_AT_ONCE = 64;
/** What failed questions may have left is remembered of so many; more are for leases to find. */
const MAX_DOUBTS = 10_000;
/** What a late question has left is undone so long after it failed, ms. */
const UNDO_AFTER_MS = 1_000;

/** How the directory is laid out; the same for all nodes of a cluster. */
export interface DirectoryLayout {
  /** What all keys begin with; without braces. */
  readonly prefix: string;
  readonly leaseMs: number;
}

/** What ends a claim that may be held although its session is not. */
interface Doubt {
  readonly script: scripts.Script;
  readonly room: string;
  readonly args: readonly string[];
}

/** One node's handle. */
export class RedisDirectory implements ClusterDirectory {
  readonly shelf: TextShelf;
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #lease: string;
  readonly #copy: NodesCopy;
  readonly #doubts = new Map<string, Doubt>();
  #cancelUndoing: Cancel | undefined;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** What the others were told of this node. */
  #told: { readonly node: NodeRecord; readonly text: string; readonly atMs: number } | undefined;

  /** @param attemptMs An attempt to connect takes no longer. */
  constructor(
    platform: Platform,
    { prefix, leaseMs }: DirectoryLayout,
    connect: Connect,
    attemptMs: number,
  ) {
    this.#clock = platform.clock;
    this.#timers = platform.timers;
    this.#prefix = prefix;
    this.#lease = String(leaseMs);
    this.#link = new RedisLink(platform, connect, attemptMs);
    this.shelf = new RedisShelf(this.#link, prefix);
    this.#copy = new NodesCopy(
      platform.clock,
      leaseMs,
      (args) => this.#ofNodes(nodeScripts.NODES_SINCE, args),
    );
    this.#link.onStatus((status) => {
      if (status === "down") this.#copy.away();
      else {
        this.#copy.back();
        void this.#undoDoubts();
      }
    });
  }

  get status(): DirectoryStatus {
    return this.#link.status;
  }

  onStatus(listener: (status: DirectoryStatus) => void): Cancel {
    return this.#link.onStatus(listener);
  }

  isSlow(room: string): boolean {
    return this.#link.isSlow(tagged(this.#prefix, shardOf(room)));
  }

  async heartbeat(node: NodeRecord): Promise<HeartbeatAnswer> {
    const args = [node.nodeId, this.#news(node)];
    const [known, ...bury] = texts(await this.#ofNodes(nodeScripts.HEARTBEAT, args));
    if (known !== "1") this.#copy.stale();
    return { known: known === "1", isNew: known === "", bury: bury as NodeId[] };
  }

  async withdraw(node: NodeId): Promise<void> {
    await this.#ofNodes(nodeScripts.WITHDRAW, [node]);
    this.#copy.stale();
  }

  async nodes(including?: NodeId): Promise<readonly NodeRecord[]> {
    return await this.#copy.read(this.#link.status, including);
  }

  async enter(request: EnterRequest): Promise<EnterAnswer> {
    const { room, node, claim } = request;
    const { identity, sid } = claim ?? {};
    // Until it is answered, whether it is in is not known.
    const doubt = identity === undefined
      ? undefined
      : { script: scripts.UNDO, room, args: [identity, node, sid!] };
    return await this.#doubtful(doubt, async () => {
      const reply = list(await this.#enter(request, false, []));
      const refusal = text(reply[0]);
      if (refusal === "elsewhere") return await this.#pinned(request, text(reply[1]));
      if (refusal === "room_full") return await this.#full(request, false, nodeIds(reply[1]));
      return entered(reply, identity);
    });
  }

  async release(
    claim: { readonly room: string; readonly identity: string; readonly number: number },
  ): Promise<boolean> {
    const { room, identity } = claim;
    const args = [identity, String(claim.number)];
    const reply = await this.#doubtful(
      { script: scripts.RELEASE, room, args },
      () => this.#of(scripts.RELEASE, room, args),
    );
    return list(reply).length > 0;
  }

  async joined(
    { room, number }: { readonly room: string; readonly number: number },
  ): Promise<void> {
    const tag = tagged(this.#prefix, shardOf(room));
    const key = `${tag}due:${room}`;
    await this.#link.send(tag, key, ["HDEL", key, String(number)]);
  }

  async bar({ room, ban, keepMs }: BarRequest): Promise<boolean> {
    const { identity, beforeMs, knownExpiryMs } = ban;
    const numbers = [beforeMs, knownExpiryMs, keepMs].map((ms) => String(Math.ceil(ms)));
    return list(await this.#of(scripts.BAR, room, [identity, ...numbers])).length > 0;
  }

  async leave(
    { room, node, sid = "" }: {
      readonly room: string;
      readonly node: NodeId;
      readonly sid?: RoomSid | "";
    },
  ): Promise<Closing | "lost" | undefined> {
    const [closing] = list(await this.#of(scripts.LEAVE, room, [node, sid]));
    if (closing === "lost") return "lost";
    return closing === undefined ? undefined : { keeper: node, number: number(closing) };
  }

  async close(
    room: string,
    { keeper, number }: Closing,
    sid: RoomSid | "" = "",
  ): Promise<RoomRecord | "lost" | undefined> {
    const reply = await this.#of(scripts.CLOSE, room, [keeper, String(number), sid]);
    return list(reply)[0] === "lost" ? "lost" : listed(reply)?.record;
  }

  async lastWord(
    { room, sid, node }: { readonly room: string; readonly sid: RoomSid; readonly node: NodeId },
  ): Promise<boolean> {
    return list(await this.#of(scripts.LAST_WORD, room, [sid, node])).length > 0;
  }

  async remove(room: string, request: string): Promise<RoomListing | undefined> {
    return listed(await this.#of(scripts.REMOVE, room, [request]));
  }

  async update({ room, node, sid, version, change }: UpdateRequest): Promise<UpdateAnswer> {
    const args = [node, sid, String(version), ...changeValues(change)];
    const [verdict, values] = list(await this.#of(scripts.UPDATE, room, args));
    if (verdict === undefined) return { ok: false, reason: "not_found" };
    const record = roomRecord(values);
    return verdict === "ok" ? { ok: true, record } : { ok: false, reason: "conflict", record };
  }

  async assert({ node, record, claims }: AssertRequest): Promise<AssertAnswer> {
    const held = claims.flatMap((claim) => [
      claim.identity,
      claim.sid,
      String(claim.number),
      claim.counted ? "1" : "0",
    ]);
    const args = [node, ...recordValues(record), ...held];
    const tag = tagged(this.#prefix, shardOf(record.name));
    const reply = list(await this.#link.run(scripts.ASSERT, tag, args));
    if (reply[0] === "over") return { ok: false };
    const now = roomRecord(reply[1]);
    if (reply[0] !== "ok") return { ok: false, record: now };
    return {
      ok: true,
      record: now,
      nodes: nodeIds(reply[2]),
      newer: list(reply[3]).map(claimOf),
      beaten: list(reply[4]).map(claimOf),
    };
  }

  async find(room: string): Promise<RoomListing | undefined> {
    return listed(await this.#of(scripts.FIND, room, []));
  }

  async claim(room: string, identity: string): Promise<Claim | undefined> {
    const value = await this.#readClaims(room, (key) => ["HGET", key, identity]);
    if (value === null) return undefined;
    const { counted: _, ...claim } = heldClaim(identity, text(value));
    return claim;
  }

  async claims(room: string): Promise<readonly AssertedClaim[]> {
    const found = new Map<string, AssertedClaim>();
    let cursor = "0";
    do {
      const from = cursor;
      const scan = (key: string) => ["HSCAN", key, from, "COUNT", "500"];
      const reply = list(await this.#readClaims(room, scan));
      const pairs = texts(reply[1]);
      for (let index = 0; index + 1 < pairs.length; index += 2) {
        found.set(pairs[index]!, heldClaim(pairs[index]!, pairs[index + 1]!));
      }
      cursor = text(reply[0]);
    } while (cursor !== "0");
    return [...found.values()].sort((a, b) => a.identity < b.identity ? -1 : 1);
  }

  async list(names?: readonly string[]): Promise<readonly RoomListing[]> {
    const found = names === undefined
      ? (await Promise.all([...Array(SHARDS).keys()].map((shard) => this.#listShard(shard)))).flat()
      : await this.#findAll([...new Set(names)]);
    return found.sort((a, b) => a.record.name < b.record.name ? -1 : 1);
  }

  async roomsOf(node: NodeId): Promise<readonly string[]> {
    const parts = await Promise.all([...Array(SHARDS).keys()].map((shard) => {
      const tag = tagged(this.#prefix, shard);
      const key = `${tag}of:${node}`;
      return this.#link.send(tag, key, ["SMEMBERS", key]);
    }));
    return parts.flatMap(texts).sort();
  }

  async bury(
    { room, dead, by }: { readonly room: string; readonly dead: NodeId; readonly by: NodeId },
  ): Promise<Burial | undefined> {
    const reply = list(await this.#of(scripts.BURY, room, [dead, by]));
    if (reply.length === 0) return undefined;
    const closing = text(reply[1]);
    const ended = list(reply[2]).map((claim) => ({
      claim: claimOf(claim),
      isDue: texts(claim)[4] === "1",
    }));
    const unjoined = ended.filter(({ isDue }) => isDue).map(({ claim }) => claim);
    return {
      record: roomRecord(reply[0]),
      freed: ended.filter(({ isDue }) => !isDue).map(({ claim }) => claim),
      ...(unjoined.length === 0 ? {} : { unjoined }),
      ...(closing === "" ? {} : { closing: { keeper: by, number: number(closing) } }),
    };
  }

  async forget(dead: NodeId): Promise<boolean> {
    return list(await this.#ofNodes(nodeScripts.FORGET, [dead])).length > 0;
  }

  async end(): Promise<void> {
    this.#cancelUndoing?.();
    this.#link.end();
  }

  /** What is told of a node: the same text until it is worth reading another. */
  #news(node: NodeRecord): string {
    const now = this.#clock.now();
    const told = this.#told;
    if (
      told !== undefined && told.node.nodeId === node.nodeId &&
      !isNews(told.node, node, now - told.atMs)
    ) return told.text;
    this.#told = { node, text: JSON.stringify(node), atMs: now };
    return this.#told.text;
  }

  async #enter(
    { room, node, region, create, claim, knowsNodes = false }: EnterRequest,
    isUnpinned: boolean,
    dead: readonly NodeId[],
  ): Promise<Reply> {
    const counted = claim === undefined ? "" : claim.counted ? "1" : "0";
    const seed = create === undefined
      ? Array<string>(11).fill("")
      : recordValues({ ...create, name: room, creator: node, version: 1, writer: node });
    const args = [node, region, isUnpinned ? "1" : "0"];
    const flags = [claim?.passesLock, claim?.joinsLater, knowsNodes].map((is) => is ? "1" : "0");
    const who = [claim?.identity ?? "", claim?.sid ?? "", counted, ...flags];
    return await this.#of(scripts.ENTER, room, [...args, ...who, ...seed, ...dead]);
  }

  /** Its pin holds only while somebody is there who is meant. */
  async #pinned(request: EnterRequest, pin: string): Promise<EnterAnswer> {
    this.#copy.stale();
    const nodes = (await this.nodes())
      .filter(({ nodeId, region, state }) =>
        state === "serving" && (nodeId === pin || `region:${region}` === pin)
      ).map(({ nodeId }) => nodeId);
    if (nodes.length > 0) return { ok: false, reason: "elsewhere", nodes };
    const reply = list(await this.#enter(request, true, []));
    if (reply[0] === "room_full") return await this.#full(request, true, nodeIds(reply[1]));
    return entered(reply, request.claim?.identity);
  }

  /** Places of those who died with their nodes are free. */
  async #full(
    request: EnterRequest,
    isUnpinned: boolean,
    nodes: readonly NodeId[],
  ): Promise<EnterAnswer> {
    const dead = nodeIds(await this.#ofNodes(nodeScripts.DEAD_OF, nodes));
    if (dead.length === 0) return { ok: false, reason: "room_full" };
    return entered(list(await this.#enter(request, isUnpinned, dead)), request.claim?.identity);
  }

  async #listShard(shard: number): Promise<RoomListing[]> {
    const found: RoomListing[] = [];
    for (let from = "-"; from !== "";) {
      const page = await this.#link.run(scripts.LIST, tagged(this.#prefix, shard), [from]);
      const [next, ...listings] = list(page);
      from = text(next);
      for (const listing of listings) found.push(roomListing(listing));
    }
    return found;
  }

  async #findAll(names: readonly string[]): Promise<RoomListing[]> {
    const found: RoomListing[] = [];
    for (let from = 0; from < names.length; from += QUESTIONS_AT_ONCE) {
      const part = names.slice(from, from + QUESTIONS_AT_ONCE).map((name) => this.find(name));
      for (const listing of await Promise.all(part)) {
        if (listing !== undefined) found.push(listing);
      }
    }
    return found;
  }

  /** Remembers what ends a claim if the question about it fails. */
  async #doubtful<T>(doubt: Doubt | undefined, ask: () => Promise<T>): Promise<T> {
    const name = doubt === undefined ? "" : JSON.stringify([doubt.room, ...doubt.args]);
    try {
      const answer = await ask();
      this.#doubts.delete(name);
      return answer;
    } catch (error) {
      const isKept = doubt !== undefined && this.#doubts.size < MAX_DOUBTS;
      if (isKept) this.#doubts.set(name, doubt);
      // It may only be slow, and then nobody says that it is back.
      if (isKept) this.#undoLater();
      throw error;
    }
  }

  #undoLater(): void {
    if (this.#cancelUndoing !== undefined) return;
    this.#cancelUndoing = this.#timers.after(UNDO_AFTER_MS, () => {
      this.#cancelUndoing = undefined;
      if (this.status === "up") void this.#undoDoubts();
    });
  }

  async #undoDoubts(): Promise<void> {
    for (const [name, { script, room, args }] of this.#doubts) {
      try {
        await this.#of(script, room, args);
      } catch {
        // It is away again, or slow still, and this goes on once it is not.
        return this.#undoLater();
      }
      this.#doubts.delete(name);
    }
  }

  #of(script: scripts.Script, room: string, args: readonly string[]): Promise<Reply> {
    return this.#link.run(script, tagged(this.#prefix, shardOf(room)), [room, ...args]);
  }

  #ofNodes(script: scripts.Script, args: readonly string[]): Promise<Reply> {
    return this.#link.run(script, tagged(this.#prefix, NODES_TAG), [this.#lease, ...args]);
  }

  #readClaims(room: string, command: (key: string) => readonly string[]): Promise<Reply> {
    const tag = tagged(this.#prefix, shardOf(room));
    const key = `${tag}who:${room}`;
    return this.#link.send(tag, key, command(key));
  }
}

function listed(reply: Reply): RoomListing | undefined {
  return list(reply).length === 0 ? undefined : roomListing(reply);
}

function bansOf(replies: readonly Reply[]): { readonly bans?: readonly TokenBan[] } {
  const bans = replies.map((reply) => {
    const [identity, beforeMs, knownExpiryMs] = texts(reply);
    return {
      identity: identity!,
      beforeMs: Number(beforeMs),
      knownExpiryMs: Number(knownExpiryMs),
    };
  });
  return bans.length === 0 ? {} : { bans };
}

function entered(reply: readonly Reply[], identity: string | undefined): EnterAnswer {
  const refusal = text(reply[0]);
  if (refusal !== "") {
    return { ok: false, reason: refusal as "not_found" | "room_full" | "room_locked" };
  }
  const former = text(reply[4]);
  return {
    ok: true,
    created: reply[1] === "1",
    record: roomRecord(reply[2]),
    nodes: nodeIds(reply[5]),
    ...bansOf(list(reply[6])),
    ...(identity === undefined ? {} : {
      claim: {
        number: number(reply[3]),
        ...(former === "" ? {} : { former: formerClaim(identity, former) }),
      },
    }),
  };
}
