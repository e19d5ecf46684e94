/**
 * A cluster on virtual time: people come and go, nodes renew their leases, one Redis answers, and
 * nodes die. What each thing costs is measured elsewhere (`directory_costs.ts`, `link_costs.ts`);
 * whom who is sent to, and when loads are told, the project's own code decides (`balancer.ts`).
 *
 * Contract: the same options give the same figures. Everybody who came has left, is in, is on the
 * way in or back, or has given up ({@linkcode ClusterRun.census}).
 *
 * @module
 */
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { Balancer } from "./balancer.ts";
import * as costs from "./directory_costs.ts";
import { EventHeap } from "./event_heap.ts";
import { ANSWER_MS, type Funeral, Funerals } from "./funerals.ts";
import { LinkTraffic } from "./link_traffic.ts";
import type { Population } from "./population.ts";
import { RedisModel } from "./redis_model.ts";
import { REDIS_REGION, ROUND_TRIPS } from "./regions.ts";
import { NodePace } from "./node_pace.ts";
import { RoomsOnNodes } from "./rooms_on_nodes.ts";
import { noticedAfter, pauseBefore } from "./sdk_patience.ts";

/** Renewals are so far apart, less the spread, ms (`membership.ts`). */
const BEAT_MS = 1_000;
const BEAT_SPREAD_MS = 100;
/** All records are read this often, ms (`nodes_copy.ts`). */
const WHOLE_MS = 60_000;
/** A node keeps a room in which it serves nobody, and an empty room is kept, ms. */
const STAY_MS = 10_000;
const DEPARTURE_MS = 20_000;
/** What a join takes of a node's main thread, ms (`docs/performance.md`, Joins). */
const JOIN_MS = 2.6;
/** What a resume of a session that is not here takes of it, ms; an assumption. */
const REFUSE_MS = 1;
/** A node that died is passed by in front of the others after so long, ms; an assumption. */
const HEALTH_CHECK_MS = 2_000;
/** Round trips from dialling until a request is answered: TCP, TLS, the request itself. */
const DIAL_ROUND_TRIPS = 3;
/** Round trip from people to the nodes of their region, ms; an assumption. */
const ACCESS_MS = 20;

/** Events that are not in the population, in the order of their turn if due at once. */
const EVENT = {
  beat: 0,
  settle: 1,
  resume: 2,
  join: 3,
  ask: 4,
  die: 5,
  bury: 6,
  finish: 7,
} as const;

/** What a session is. */
export const STATE = { absent: 0, in: 1, away: 2, left: 3, gaveUp: 4 } as const;

/** A cluster to be simulated. */
export interface ClusterOptions {
  readonly nodes: number;
  readonly population: Population;
  readonly untilMs: number;
  /** Share of what all nodes carry together that the busiest moment takes. */
  readonly used: number;
  readonly seed: number;
  /** Whether people are sent to nodes of their region that serve their room, if these have room. */
  readonly together?: boolean;
  /** When the cluster is full enough to be looked at, ms. */
  readonly beginMs: number;
  /** Of a Redis Cluster; 1 is a Redis without that. */
  readonly masters?: number;
  /**
   * As it was: newcomers are let wait for a Redis that is slow, a dead node's claims are found by
   * reading all of a room, and all nodes of a room are named at every join.
   */
  readonly lavish?: boolean;
}

/** How those fared who lost their node. */
export interface LossFigures {
  readonly nodes: number;
  readonly clients: number;
  /** From the death until they were in again, ms, in ascending order. */
  readonly backAfterMs: Float64Array;
  /** From the moment they noticed. */
  readonly backAfterNoticeMs: Float64Array;
  readonly gaveUp: number;
  readonly leftMeanwhile: number;
  readonly stillAway: number;
  /** Questions that Redis answered too late, and dials of nodes that were dead. */
  readonly lateAnswers: number;
  /** Newcomers that were refused at once because answers took too long. */
  readonly toldToWait: number;
  readonly refused: number;
  /** Nobody was known to have room. */
  readonly full: number;
  /** When the last dead node was buried, after the death, ms; `undefined`: not all are. */
  readonly buriedAfterMs: number | undefined;
  /** When the others took the members of the dead for gone at the latest, ms. */
  readonly goneAfterMs: number;
  readonly claimsFreed: number;
  readonly roomsBuried: number;
  /** The busiest second of Redis, and its longest queue, ms. */
  readonly peakOperations: number;
  readonly peakBytesOut: number;
  readonly longestWaitMs: number;
}

/** Running totals. */
export interface Census {
  readonly came: number;
  readonly present: number;
  readonly away: number;
  readonly left: number;
  readonly gaveUp: number;
  readonly refused: number;
}

export class ClusterRun {
  readonly random: SeededRandom;
  readonly redis: RedisModel;
  readonly rooms: RoomsOnNodes;
  readonly balancer: Balancer;
  readonly traffic: LinkTraffic;
  readonly present: Int32Array;
  readonly nodeOf: Int16Array;
  readonly state: Uint8Array;
  readonly isAlive: Uint8Array;
  readonly funerals: Funerals;
  now = -Infinity;
  readonly #options: ClusterOptions;
  readonly #heap = new EventHeap();
  readonly #failed: Uint8Array;
  /** The node that was dialled last. */
  readonly #dialledNode: Int16Array;
  readonly #busyUntil: Float64Array;
  readonly #lastBeat: Float64Array;
  readonly #readChanges: Int32Array;
  readonly #wholeAt: Float64Array;
  /** How soon each node is answered. */
  readonly #paces: readonly NodePace[];
  #nextJoin = 0;
  #nextLeave = 0;
  #came = 0;
  #neverIn = 0;
  #loss: Loss | undefined;

  constructor(options: ClusterOptions) {
    const { nodes, population, untilMs, used, seed, beginMs, masters = 1 } = options;
    this.#options = options;
    this.random = new SeededRandom(seed);
    this.redis = new RedisModel(untilMs, masters);
    this.rooms = new RoomsOnNodes(nodes);
    const capacity = Math.ceil(population.peak / nodes / used);
    this.balancer = new Balancer(nodes, capacity, this.random);
    this.traffic = new LinkTraffic();
    this.present = new Int32Array(nodes);
    this.nodeOf = new Int16Array(population.sessions).fill(-1);
    this.state = new Uint8Array(population.sessions);
    this.isAlive = new Uint8Array(nodes).fill(1);
    this.#failed = new Uint8Array(population.sessions);
    this.#dialledNode = new Int16Array(population.sessions);
    this.#busyUntil = new Float64Array(nodes);
    this.#lastBeat = new Float64Array(nodes);
    this.#readChanges = new Int32Array(nodes);
    this.#wholeAt = new Float64Array(nodes);
    this.#paces = Array.from({ length: nodes }, () => new NodePace(masters));
    this.funerals = new Funerals(this.redis, this.rooms, (at, dead) => {
      this.#heap.push(at, EVENT.bury, dead);
    }, options.lavish === true);
    for (let node = 0; node < nodes; node++) {
      this.#heap.push(beginMs + this.random.below(BEAT_MS), EVENT.beat, node);
      // Whole readings of nodes that began at different times.
      this.#wholeAt[node] = beginMs - this.random.below(WHOLE_MS);
    }
  }

  /** Who is where. */
  census(): Census {
    const counts = new Int32Array(5);
    for (const state of this.state) counts[state]!++;
    return {
      came: this.#came,
      present: counts[STATE.in]!,
      away: counts[STATE.away]!,
      left: counts[STATE.left]!,
      gaveUp: counts[STATE.gaveUp]!,
      refused: this.#neverIn,
    };
  }

  /** Runs everything that is due before `untilMs`. */
  runUntil(untilMs: number): void {
    const { population: { joinAt, leaveAt, byLeave, sessions }, beginMs } = this.#options;
    for (;;) {
      const join = this.#nextJoin < sessions ? joinAt[this.#nextJoin]! : Infinity;
      const leaving = byLeave[this.#nextLeave];
      const leave = leaving === undefined ? Infinity : leaveAt[leaving]!;
      const other = this.#heap.nextAt;
      const at = Math.min(join, leave, other);
      if (at >= untilMs) break;
      this.now = at;
      if (at >= beginMs && !this.redis.isOn) this.#begin();
      if (at === leave) {
        this.#nextLeave++;
        this.#leave(leaving!);
      } else if (at === join) {
        this.#came++;
        this.#join(this.#nextJoin++);
      } else {
        const { kind, number } = this.#heap;
        this.#heap.drop();
        this.#happen(kind, number);
      }
    }
    this.now = untilMs;
  }

  /**
   * These nodes die now.
   *
   * @param isSilent Whether nobody is told, as when a whole site loses its power; else the sockets
   *   of their clients end at once.
   */
  kill(nodes: readonly number[], isSilent: boolean): void {
    this.redis.takeLongestWait();
    const loss = this.#loss = new Loss(this.now, nodes.length, isSilent);
    const dead = new Set(nodes);
    for (const node of nodes) {
      this.isAlive[node] = 0;
      this.funerals.died(node, this.now, this.#lastBeat[node]!, isSilent);
      this.#heap.push(this.now + HEALTH_CHECK_MS, EVENT.die, node);
    }
    for (let session = 0; session < this.#nextJoin; session++) {
      if (this.state[session] !== STATE.in || !dead.has(this.nodeOf[session]!)) continue;
      this.state[session] = STATE.away;
      this.#failed[session] = 0;
      const noticed = this.now + (isSilent ? noticedAfter(this.random) : 0);
      loss.lost(session, noticed);
      this.#heap.push(noticed + pauseBefore(0, this.random)!, EVENT.resume, session);
    }
  }

  /** What became of those who lost their node in the last loss. */
  lossFigures(): LossFigures {
    const second = Math.floor(this.#loss!.at / 1000);
    let [peakOperations, peakBytesOut] = [0, 0];
    for (let s = second; s <= this.now / 1000; s++) {
      const { operations, bytesOut } = this.redis.second(s);
      peakOperations = Math.max(peakOperations, operations);
      peakBytesOut = Math.max(peakBytesOut, bytesOut);
    }
    return {
      ...this.#loss!.figures(this.state, this.funerals),
      peakOperations,
      peakBytesOut,
      longestWaitMs: this.redis.takeLongestWait(),
    };
  }

  /** The hour begins: nodes know what was told so far. */
  #begin(): void {
    this.redis.isOn = this.traffic.isOn = true;
    this.#readChanges.fill(this.balancer.changes);
  }

  #happen(kind: number, number: number): void {
    switch (kind) {
      case EVENT.beat:
        return this.#beat(number);
      case EVENT.settle:
        return this.#settle(number);
      case EVENT.resume:
        return this.#resume(number);
      case EVENT.join:
        return this.#join(number);
      case EVENT.ask:
        return this.#ask(number);
      case EVENT.die:
        return this.balancer.forget(number);
      case EVENT.bury:
        return this.#bury(number);
      case EVENT.finish:
        if (this.rooms.nodesOf(number).length === 0) {
          this.redis.ask("close", costs.CLOSE, this.now, number);
        }
        return;
    }
  }

  /** One heartbeat of a node, and its look at the others. */
  #beat(node: number): void {
    if (!this.isAlive[node]) return;
    const { balancer, redis, now } = this;
    const trip = this.#tripOf(node);
    const hasNews = balancer.tell(node, this.present[node]!, this.rooms.roomsOf[node]!, now);
    const beaten = redis.ask("heartbeat", costs.heartbeatCost(hasNews), now);
    this.#paces[node]!.asked(now, Math.max(now, beaten) + trip, 0);
    this.#lastBeat[node] = beaten;
    // A late answer is lost, and with it whom it would have given to bury.
    if (beaten - now + trip <= ANSWER_MS) this.funerals.asked(node, beaten + trip / 2);
    const isWhole = now - this.#wholeAt[node]! >= WHOLE_MS;
    if (isWhole) this.#wholeAt[node] = now;
    const records = isWhole
      ? this.#options.nodes - this.funerals.forgotten
      : balancer.changes - this.#readChanges[node]!;
    this.#readChanges[node] = balancer.changes;
    const read = redis.ask("nodes", costs.nodesCost(records), now);
    const pause = BEAT_MS - this.random.below(BEAT_SPREAD_MS);
    this.#heap.push(Math.max(0, read) + 2 * trip + pause, EVENT.beat, node);
  }

  /** Somebody dials for the first time, or joins anew. */
  #join(session: number): void {
    if (this.state[session] === STATE.left) return;
    const node = this.#dialled(session, JOIN_MS);
    if (node === undefined) return this.#again(session, EVENT.join);
    this.#dialledNode[session] = node;
    if (!this.redis.isOn) return this.#enter(session, node, this.now);
    this.#heap.push(this.#busyUntil[node]! + this.#tripOf(node) / 2, EVENT.ask, session);
  }

  /** The directory is asked to let somebody in. */
  #ask(session: number): void {
    if (this.state[session] === STATE.left) return;
    const node = this.#dialledNode[session]!;
    // It died while somebody waited for it.
    if (!this.isAlive[node]) return this.#again(session, EVENT.join);
    const { population, lavish = false, masters = 1 } = this.#options;
    const room = population.room[session]!;
    const pace = this.#paces[node]!;
    const master = room % masters;
    if (!lavish && pace.isSlow(this.now, master)) {
      this.#loss?.toldToWait();
      return this.#again(session, EVENT.join);
    }
    const nodes = this.rooms.nodesOf(room);
    const isKnown = !lavish && nodes.includes(node);
    const cost = isKnown ? costs.ENTER_AGAIN : costs.enterCost(nodes.length === 0, nodes.length);
    const waitMs = this.redis.ask("enter", cost, this.now, room) - this.now + this.#tripOf(node);
    pace.asked(this.now, this.now + waitMs, master);
    if (waitMs <= ANSWER_MS) return this.#enter(session, node, this.now + waitMs);
    this.#loss?.answeredLate();
    this.#again(session, EVENT.join, ANSWER_MS);
  }

  #tripOf(node: number): number {
    return ROUND_TRIPS[this.balancer.regionOf[node]!]![REDIS_REGION]!;
  }

  #enter(session: number, node: number, at: number): void {
    const { room: roomOf, kindOfRoom } = this.#options.population;
    const room = roomOf[session]!;
    const wasAway = this.state[session] === STATE.away;
    if (wasAway) {
      // The newer claim takes the place of the one of the dead node.
      this.rooms.exit(room, this.nodeOf[session]!);
      this.#loss?.back(session, at);
    }
    const isNewNode = this.rooms.enter(room, node, this.now);
    const kind = kindOfRoom[room]!;
    this.traffic.joined(
      kind,
      this.rooms.nodesOf(room).length,
      this.rooms.peopleIn(room),
      isNewNode,
    );
    this.state[session] = STATE.in;
    this.nodeOf[session] = node;
    this.present[node]!++;
    if (this.redis.isOn) {
      this.redis.ask("joined", costs.JOINED, this.now, room);
      return;
    }
    // Before the hour nodes have no heartbeats: they tell as they fill.
    this.balancer.tell(node, this.present[node]!, this.rooms.roomsOf[node]!, this.now);
  }

  /** Somebody dials another node, which knows nothing of the session and says so. */
  #resume(session: number): void {
    if (this.state[session] !== STATE.away) return;
    const node = this.#dialled(session, REFUSE_MS);
    if (node === undefined) return this.#again(session, EVENT.resume);
    this.#again(session, EVENT.join);
  }

  /** Dials a node of the balancer's choice, and waits for its main thread. */
  #dialled(session: number, busyMs: number): number | undefined {
    const { population: { room, region }, together = false } = this.#options;
    const serving = together ? this.rooms.nodesOf(room[session]!) : [];
    const node = this.balancer.choose(region[session]!, serving);
    if (node === undefined) {
      this.#loss?.foundFull();
      return undefined;
    }
    if (!this.isAlive[node]) {
      this.#loss?.refused();
      return undefined;
    }
    if (!this.redis.isOn) return node;
    const far = ROUND_TRIPS[region[session]!]![this.balancer.regionOf[node]!]!;
    const arrives = this.now + DIAL_ROUND_TRIPS * (ACCESS_MS + far);
    this.#busyUntil[node] = Math.max(this.#busyUntil[node]!, arrives) + busyMs;
    return node;
  }

  #again(session: number, event: number, afterMs = DIAL_ROUND_TRIPS * ACCESS_MS): void {
    const pause = pauseBefore(++this.#failed[session]!, this.random);
    if (pause !== undefined) {
      this.#heap.push(this.now + afterMs + pause, event, session);
      return;
    }
    if (this.state[session] === STATE.absent) this.#neverIn++;
    this.state[session] = STATE.gaveUp;
  }

  #leave(session: number): void {
    const before = this.state[session];
    if (before === STATE.gaveUp) return;
    this.state[session] = STATE.left;
    // Who is away has only a claim, which ends with its node.
    if (before !== STATE.in) return;
    const node = this.nodeOf[session]!;
    const room = this.#options.population.room[session]!;
    this.present[node]!--;
    this.redis.ask("release", costs.RELEASE, this.now, room);
    this.traffic.left(this.rooms.nodesOf(room).length);
    if (this.rooms.exit(room, node) > 0) return;
    const stayMs = this.rooms.peopleIn(room) > 0 ? STAY_MS : DEPARTURE_MS;
    this.#heap.push(this.now + stayMs, EVENT.settle, room * this.#options.nodes + node);
  }

  /** A node has served nobody of a room for a while. */
  #settle(number: number): void {
    const { nodes } = this.#options;
    const room = Math.floor(number / nodes);
    const node = number % nodes;
    const serving = this.rooms.nodesOf(room);
    if (!this.isAlive[node] || !serving.includes(node)) return;
    if (this.rooms.countOf(room, node) > 0) return;
    const isLast = serving.length === 1;
    this.redis.ask("leave", isLast ? costs.LEAVE_LAST : costs.LEAVE, this.now, room);
    if (isLast) this.redis.ask("close", costs.CLOSE, this.now, room);
    this.traffic.unshared(serving.length);
    this.rooms.leave(room, node, this.now);
  }

  #bury(dead: number): void {
    const funeral: Funeral = this.funerals.get(dead);
    // Whoever buries may have died since: somebody else is asked when the lease of that is over.
    if (!this.isAlive[funeral.by]) return this.funerals.again(dead, this.now);
    const trip = this.#tripOf(funeral.by);
    for (const room of this.funerals.step(dead, this.now, trip)) {
      this.#heap.push(this.now + DEPARTURE_MS, EVENT.finish, room);
    }
  }
}

/** One loss as it goes. */
class Loss {
  readonly #noticedAt = new Map<number, number>();
  readonly #back: number[] = [];
  readonly #backAfterNotice: number[] = [];
  #late = 0;
  #told = 0;
  #refused = 0;
  #full = 0;

  constructor(readonly at: number, readonly nodes: number, readonly isSilent: boolean) {}

  lost(session: number, noticedAt: number): void {
    this.#noticedAt.set(session, noticedAt);
  }

  back(session: number, at: number): void {
    const noticedAt = this.#noticedAt.get(session);
    if (noticedAt === undefined) return;
    this.#back.push(at - this.at);
    this.#backAfterNotice.push(at - noticedAt);
  }

  toldToWait(): void {
    this.#told++;
  }

  answeredLate(): void {
    this.#late++;
  }

  refused(): void {
    this.#refused++;
  }

  foundFull(): void {
    this.#full++;
  }

  figures(state: Uint8Array, funerals: Funerals) {
    const count = (wanted: number) => {
      let sum = 0;
      for (const session of this.#noticedAt.keys()) if (state[session] === wanted) sum++;
      return sum;
    };
    return {
      nodes: this.nodes,
      clients: this.#noticedAt.size,
      backAfterMs: Float64Array.from(this.#back).sort(),
      backAfterNoticeMs: Float64Array.from(this.#backAfterNotice).sort(),
      gaveUp: count(STATE.gaveUp),
      leftMeanwhile: this.#noticedAt.size - this.#back.length - count(STATE.gaveUp) -
        count(STATE.away),
      stillAway: count(STATE.away),
      lateAnswers: this.#late,
      toldToWait: this.#told,
      refused: this.#refused,
      full: this.#full,
      ...funerals.figures(this.at),
    };
  }
}
