/**
 * Two ends of a hop over a simulated network, on virtual time with a seed: loss, delay, jitter,
 * duplicates, an outage, and a second way for when UDP is blocked. The two clocks have different
 * zeros.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { EngineDrop } from "../../../lib/engine/drop_reasons.ts";
import type { HopCrypto } from "../../../lib/engine/relay/hop_keys.ts";
import { HopLink } from "../../../lib/engine/relay/hop_link.ts";
import type { HopOutlet } from "../../../lib/engine/relay/hop_ports.ts";
import { PACKET_HEAD_WORDS, RELAY } from "../../../lib/engine/relay/relay_records.ts";
import { PORTABLE_CRYPTO } from "../../../lib/transport/media_crypto.ts";
import { NarrowLink } from "../virtual/narrow_link.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

/** The second end's clock is ahead by so much, ms: 32 bits of it turn over soon. */
export const AHEAD_MS = 2 ** 32 - 20_000;
const SLOT_BYTES = 1536;

export interface HopNetwork {
  /** Of each datagram, 0 to 1. */
  loss: number;
  duplicates: number;
  delayMs: number;
  /** Up to so much more, which reorders. */
  jitterMs: number;
  /** Nothing crosses by UDP. */
  isDown: boolean;
  /** The second way is there. */
  hasFallback: boolean;
}

/** A record that was read. */
export interface ReadRecord {
  readonly kind: number;
  readonly words: readonly number[];
  readonly at: number;
}

interface Flight {
  readonly at: number;
  readonly to: HopEnd;
  readonly bytes: Uint8Array;
  readonly byUdp: boolean;
}

/** One end. */
export class HopEnd {
  readonly drops = new DropCounters<EngineDrop>();
  readonly records: ReadRecord[] = [];
  readonly events: string[] = [];
  link: HopLink;
  other!: HopEnd;

  constructor(
    readonly world: HopWorld,
    readonly aheadMs: number,
    readonly ids: readonly [ours: number, theirs: number],
  ) {
    this.link = this.makeLink();
  }

  get now(): number {
    return this.world.now + this.aheadMs;
  }

  makeLink(): HopLink {
    const { crypto, secret, random, epochDatagrams } = this.world;
    return new HopLink({
      crypto,
      secret,
      nonce: random.bytes(16),
      ourId: this.ids[0],
      theirId: this.ids[1],
      clock: { now: () => this.now, nowUs: () => this.now * 1000, wallMs: () => this.now },
      drops: this.drops,
      udp: this.#outlet(true),
      fallback: this.#outlet(false),
      listener: {
        onBlocked: (blocked) => this.#told(blocked ? "blocked" : "free"),
        onRestarted: () => this.#told("restarted"),
      },
      ...(epochDatagrams === undefined ? {} : { epochDatagrams }),
    });
  }

  /** Writes a record; returns whether there was room. */
  write(kind: number, payload: readonly number[]): boolean {
    const { writer } = this.link.channel;
    const at = writer.reserve(kind, payload.length);
    if (at < 0) return false;
    for (const [i, word] of payload.entries()) writer.words[at + i] = word;
    writer.commit();
    return true;
  }

  /** A packet's record: its number in the second word, and `bytes` bytes. */
  packet(number: number, bytes = 1200): boolean {
    const payload = new Array(PACKET_HEAD_WORDS + ((bytes + 3) >> 2)).fill(number);
    return this.write(RELAY.packet, payload);
  }

  /** Reads all records; to be replaced where something else reads them. */
  read = (): void => {
    const { reader } = this.link.channel;
    while (reader.next()) {
      const words = [...reader.words.subarray(reader.at, reader.at + reader.length)];
      this.records.push({ kind: reader.kind, words, at: this.world.now });
    }
    reader.release();
  };

  /** After each event. */
  onEvent: (event: string) => void = () => {};

  /** What was read of a kind. */
  of(kind: number): ReadRecord[] {
    return this.records.filter((record) => record.kind === kind);
  }

  #told(event: string): void {
    this.events.push(event);
    this.onEvent(event);
  }

  #outlet(byUdp: boolean): HopOutlet {
    const slot = new Uint8Array(SLOT_BYTES);
    return {
      reserve: () => slot,
      commit: (length) => this.world.send(slot.slice(0, length), this.other, byUdp),
    };
  }
}

export interface HopWorldOptions {
  readonly seed: number;
  readonly network?: Partial<HopNetwork>;
  readonly crypto?: HopCrypto;
  readonly epochDatagrams?: number;
  /** The first end's clock is ahead by so much, ms. */
  readonly nearAheadMs?: number;
}

/** Both ends and what is under way. Time moves in `run` alone. */
export class HopWorld {
  readonly random: SeededRandom;
  readonly network: HopNetwork;
  readonly crypto: HopCrypto;
  readonly secret: Uint8Array;
  readonly epochDatagrams: number | undefined;
  /** Bottlenecks of UDP, in front of what `network` does. */
  readonly toNear: NarrowLink;
  readonly toFar: NarrowLink;
  readonly near: HopEnd;
  readonly far: HopEnd;
  now = 1_000;
  /** What the second way carries in each direction: nothing is lost there, all waits. */
  otherBps = Infinity;
  readonly #otherFreeAt = new Map<HopEnd, number>();
  /** Datagrams that were sent by UDP, and by the second way. */
  sent = 0;
  sentByFallback = 0;
  /** Sees, and may keep or change, each datagram that is sent by UDP. */
  tap: (bytes: Uint8Array, to: HopEnd) => void = () => {};
  /** Says of an end that nothing reaches it by UDP. */
  block: (to: HopEnd) => boolean = () => false;
  #flights: Flight[] = [];

  constructor(options: HopWorldOptions) {
    const { seed, network, crypto = PORTABLE_CRYPTO, epochDatagrams, nearAheadMs = 0 } = options;
    this.random = new SeededRandom(seed);
    const narrow = () => new NarrowLink(new SeededRandom(seed));
    this.toNear = narrow();
    this.toFar = narrow();
    this.network = {
      loss: 0,
      duplicates: 0,
      delayMs: 25,
      jitterMs: 0,
      isDown: false,
      hasFallback: false,
      ...network,
    };
    this.crypto = crypto;
    this.secret = this.random.bytes(32);
    this.epochDatagrams = epochDatagrams;
    this.near = new HopEnd(this, nearAheadMs, [11, 22]);
    this.far = new HopEnd(this, AHEAD_MS, [22, 11]);
    this.near.other = this.far;
    this.far.other = this.near;
  }

  /** Both ends want the hop, and have it. */
  connect(): void {
    this.near.link.setActive(true);
    this.far.link.setActive(true);
    this.run(500);
  }

  send(bytes: Uint8Array, to: HopEnd, byUdp: boolean): void {
    const { loss, duplicates, delayMs, jitterMs, isDown, hasFallback } = this.network;
    const arrive = (leftAt = this.now) => {
      const at = leftAt + delayMs + (jitterMs > 0 && byUdp ? this.random.below(jitterMs + 1) : 0);
      this.#flights.push({ at, to, bytes: bytes.slice(), byUdp });
    };
    if (!byUdp) {
      this.sentByFallback++;
      if (hasFallback) arrive(this.#byOther(bytes.length, to));
      return;
    }
    this.sent++;
    this.tap(bytes, to);
    if (isDown || this.block(to) || this.random.chance(loss)) return;
    const leftAt = (to === this.far ? this.toFar : this.toNear).arrival(bytes.length, this.now);
    if (leftAt === undefined) return;
    arrive(leftAt);
    if (this.random.chance(duplicates)) arrive(leftAt);
  }

  /** Bytes that wait to leave to an end by the second way. */
  waiting(to: HopEnd): number {
    const ms = Math.max(0, (this.#otherFreeAt.get(to) ?? 0) - this.now);
    return ms === 0 ? 0 : ms * this.otherBps / 8_000;
  }

  /** @returns When it leaves. */
  #byOther(bytes: number, to: HopEnd): number {
    const from = Math.max(this.now, this.#otherFreeAt.get(to) ?? 0);
    const leftAt = from + bytes * 8_000 / this.otherBps;
    this.#otherFreeAt.set(to, leftAt);
    return leftAt;
  }

  /** Lets `ms` pass; `each` is called in every one of them, before the ends have their turns. */
  run(ms: number, each: (i: number) => void = () => {}): void {
    for (let i = 0; i < ms; i++) {
      this.now++;
      each(i);
      const due = this.#flights.filter((flight) => flight.at <= this.now);
      this.#flights = this.#flights.filter((flight) => flight.at > this.now);
      for (const { to, bytes, byUdp } of due.sort((a, b) => a.at - b.at)) {
        to.link.receive(bytes, bytes.length, to.now, byUdp);
      }
      for (const end of [this.near, this.far]) {
        end.link.endBatch(end.now);
        end.read();
        end.link.channel.writer.wake();
        if (end.now >= end.link.nextWakeAt()) end.link.tick(end.now);
      }
    }
  }
}
