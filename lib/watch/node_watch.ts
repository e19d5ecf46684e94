/**
 * This node's answers to operators, out of its rooms and its media plane.
 *
 * Contract: costs nothing while nobody asks, and forgets everything some time after the last
 * question. Whoever asks, the media plane is asked at most once a second, and so seldom that
 * looking takes no more than a twentieth of the time.
 *
 * @module
 */
import type { Cancel, Clock, Timers } from "../base/platform.ts";
import type { EngineStats } from "../engine/messages/media_messages.ts";
import type { QualityReport } from "../room/context/engine_router.ts";
import type { Member } from "../room/participant/member.ts";
import {
  MOST_SHOWN,
  type NodeAnswer,
  type NodeFigures,
  type ParticipantFigures,
  type ReceivedFigures,
  type RoomFigures,
  type WatchQuestion,
} from "./figures.ts";
import { MediaRates } from "./media_rates.ts";
import {
  participantFigures,
  receivedFigures,
  roomFigures,
  sumOf,
  type WatchedRoom,
} from "./room_look.ts";

/** How old an answer may be, ms. */
const FRESH_FOR_MS = 900;
/** What a look takes, times this, is how long there is no other. */
const PACE = 20;
/** Without a question for so long nothing is kept, ms. */
const FORGET_AFTER_MS = 15_000;
/** A media plane that does not answer by then is left out, ms. */
const STATS_TIMEOUT_MS = 1_000;

/** What a node tells of itself beside what is counted here. */
export type SelfFigures = Pick<
  NodeFigures,
  "region" | "state" | "version" | "startedAtMs" | "cpu" | "memoryBytes" | "links"
>;

/** Where figures come from. */
export interface NodeWatchSource {
  readonly clock: Pick<Clock, "now" | "nowUs">;
  readonly timers: Timers;
  readonly nodeId: string;
  readonly rooms: () => Iterable<WatchedRoom>;
  readonly room: (name: string) => WatchedRoom | undefined;
  readonly stats: () => Promise<EngineStats>;
  readonly self: () => SelfFigures;
}

/** What was seen at one look. */
interface Seen {
  readonly atMs: number;
  readonly self: SelfFigures;
  readonly rates: MediaRates;
  readonly rooms: readonly (readonly [sid: string, figures: RoomFigures])[];
}

/** Looks when it is asked; several who ask at once share one look. */
export class NodeWatch {
  readonly #source: NodeWatchSource;
  #seen: Seen | undefined;
  #rates: MediaRates | undefined;
  #looking: Promise<Seen> | undefined;
  #cancelForget: Cancel | undefined;
  /** What the last look and the answers since have taken, ms. */
  #costMs = 0;

  constructor(source: NodeWatchSource) {
    this.#source = source;
  }

  /** Whether somebody has asked lately. */
  get isWatched(): boolean {
    return this.#rates !== undefined;
  }

  /** Who asks again should wait so long, ms. */
  get paceMs(): number {
    return Math.max(FRESH_FOR_MS, PACE * this.#costMs);
  }

  /** How the tracks of a connection fared. */
  qualityReport(report: QualityReport): void {
    this.#rates?.report(report, this.#source.clock.now());
  }

  async answer(question: WatchQuestion): Promise<NodeAnswer> {
    this.#forgetLater();
    const seen = await this.#look();
    return this.#timed(() => this.#answerOf(seen, question));
  }

  /** Forgets everything; it is as if nobody had asked. */
  forget(): void {
    this.#cancelForget?.();
    this.#cancelForget = undefined;
    this.#seen = this.#rates = undefined;
    this.#costMs = 0;
  }

  #forgetLater(): void {
    this.#cancelForget?.();
    this.#cancelForget = this.#source.timers.after(FORGET_AFTER_MS, () => this.forget());
  }

  #look(): Promise<Seen> {
    const now = this.#source.clock.now();
    if (this.#seen !== undefined && now - this.#seen.atMs < this.paceMs) {
      return Promise.resolve(this.#seen);
    }
    this.#looking ??= this.#lookNow().finally(() => this.#looking = undefined);
    return this.#looking;
  }

  async #lookNow(): Promise<Seen> {
    const { clock, nodeId } = this.#source;
    const rates = this.#rates ??= new MediaRates();
    const askedUs = clock.nowUs();
    const stats = await this.#stats();
    const now = clock.now();
    // Of tens of thousands of tracks, counting and copying costs as much as looking at them.
    this.#costMs = stats === undefined ? 0 : (clock.nowUs() - askedUs) / 1000;
    return this.#timed(() => {
      if (stats !== undefined) rates.update(stats, now);
      const rooms = Array.from(
        this.#source.rooms(),
        (room) => [room.sid, roomFigures(room, nodeId, rates)] as const,
      );
      rooms.sort(([, a], [, b]) => b.participants - a.participants);
      const seen = { atMs: now, self: this.#source.self(), rates, rooms };
      // Forgotten meanwhile, it was not asked for any more.
      if (this.#rates === rates) this.#seen = seen;
      return seen;
    });
  }

  async #stats(): Promise<EngineStats | undefined> {
    const { timers, stats } = this.#source;
    const late = Promise.withResolvers<undefined>();
    const cancel = timers.after(STATS_TIMEOUT_MS, () => late.resolve(undefined));
    try {
      return await Promise.race([stats(), late.promise]);
    } finally {
      cancel();
    }
  }

  #timed<T>(work: () => T): T {
    const startedUs = this.#source.clock.nowUs();
    const result = work();
    this.#costMs += (this.#source.clock.nowUs() - startedUs) / 1000;
    return result;
  }

  #answerOf(seen: Seen, { room: name = "", ...question }: WatchQuestion): NodeAnswer {
    const { findRoom = "", participant = "", findParticipant = "" } = question;
    const fits = findRoom === ""
      ? seen.rooms
      : seen.rooms.filter(([, room]) => isIn(findRoom, room.name));
    const room = name === "" ? undefined : this.#source.room(name);
    return {
      node: nodeFigures(seen),
      rooms: Object.fromEntries(fits.slice(0, MOST_SHOWN)),
      roomCount: fits.length,
      ...(room && this.#participants(room, findParticipant, seen.rates)),
      ...(room && received(room, participant, seen.rates)),
    };
  }

  #participants(
    room: WatchedRoom,
    find: string,
    rates: MediaRates,
  ): { participants: Record<string, ParticipantFigures>; participantCount: number } {
    const shown: [string, ParticipantFigures][] = [];
    let participantCount = 0;
    for (const member of room.participants()) {
      if (member.elsewhere || !isFound(member, find)) continue;
      participantCount++;
      if (shown.length === MOST_SHOWN) continue;
      const figures = participantFigures(room, member, this.#source.nodeId, rates);
      shown.push([member.sid, figures]);
    }
    return { participants: Object.fromEntries(shown), participantCount };
  }
}

function received(
  room: WatchedRoom,
  identity: string,
  rates: MediaRates,
): { received: Record<string, ReceivedFigures> } | undefined {
  const session = identity === "" ? undefined : room.session(identity);
  return session && { received: receivedFigures(room, session, rates) };
}

function nodeFigures({ self, rooms }: Seen): NodeFigures {
  const sum = { participants: 0, tracks: 0, subscriptions: 0 };
  let inBps: number | undefined;
  let outBps: number | undefined;
  for (const [, room] of rooms) {
    sum.participants += room.participants;
    sum.tracks += room.tracks;
    sum.subscriptions += room.subscriptions;
    inBps = sumOf(inBps, room.inBps);
    outBps = sumOf(outBps, room.outBps);
  }
  return {
    ...self,
    rooms: rooms.length,
    ...sum,
    ...(inBps === undefined ? {} : { inBps }),
    ...(outBps === undefined ? {} : { outBps }),
  };
}

function isFound({ identity, profile: { name } }: Member, find: string): boolean {
  return find === "" || isIn(find, identity) || isIn(find, name);
}

function isIn(part: string, whole: string): boolean {
  return whole.toLowerCase().includes(part.toLowerCase());
}
