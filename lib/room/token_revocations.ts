/**
 * Which access tokens no longer let anybody in, although their signature is good: those issued
 * before their bearer was removed from a room.
 *
 * One entry per room and identity: tokens whose `nbf` (else `iat`) is before a moment are refused.
 * An entry is kept as long as a token it refuses may be valid: the usual longest life of a token,
 * or longer where a longer-lived one is known of. Memory is bounded; entries that would expire
 * first go first, counted.
 *
 * @module
 */
import type { DropSink } from "../base/drop_counters.ts";
import type { Clock } from "../base/platform.ts";
import type { TokenBan } from "./context/node_ports.ts";
import type { RoomDrop } from "./drop_reasons.ts";

/** Clocks that issue tokens may be this far ahead of ours, ms: what verification allows, too. */
export const REVOCATION_LEEWAY_MS = 60_000;
/** A token is taken to live at most this long unless one is seen that says otherwise, ms. */
const LONGEST_TOKEN_LIFE_MS = 24 * 3_600_000;
/** Entries kept, some tens of megabytes at most. */
const MAX_ENTRIES = 100_000;

interface Entry {
  readonly room: string;
  readonly identity: string;
  readonly beforeMs: number;
  readonly keepUntilMs: number;
}

/** What must be known of a token to judge it; Unix milliseconds. */
export interface DatedToken {
  /** `nbf`, else `iat`; 0 if the token says neither, which counts as issued long ago. */
  readonly notBeforeMs: number;
  readonly expiresAtMs: number;
}

/**
 * The tokens that are refused although signed. An entry is kept as long as a token it refuses is
 * known, or likely, to be valid, unless memory runs out, which is counted.
 */
export class TokenRevocations {
  readonly #entries = new Map<string, Entry>();
  /** Keys of those of each room: asked for with each node that comes to share it. */
  readonly #ofRoom = new Map<string, Set<string>>();
  #sweepAtMs = 0;

  constructor(
    readonly clock: Pick<Clock, "wallMs">,
    readonly counters: DropSink<RoomDrop>,
    readonly maxEntries = MAX_ENTRIES,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Refuses the tokens of `identity` for `room` that were issued before `beforeMs`. A later call
   * may move that moment in both directions.
   *
   * @param knownExpiryMs When the last token known of expires; 0 if none is.
   * @returns How long it is kept, ms.
   */
  revoke(room: string, identity: string, beforeMs: number, knownExpiryMs: number): number {
    const now = this.clock.wallMs();
    const key = keyOf(room, identity);
    this.#delete(key);
    const life = Math.max(now, beforeMs) + LONGEST_TOKEN_LIFE_MS;
    const keepUntilMs = Math.max(life, knownExpiryMs + REVOCATION_LEEWAY_MS);
    this.#makeRoom(now);
    this.#entries.set(key, { room, identity, beforeMs, keepUntilMs });
    const ofRoom = this.#ofRoom.get(room) ?? new Set();
    this.#ofRoom.set(room, ofRoom.add(key));
    return keepUntilMs - now;
  }

  /** All that are in force for a room. */
  of(room: string): TokenBan[] {
    const now = this.clock.wallMs();
    const bans: TokenBan[] = [];
    for (const key of this.#ofRoom.get(room) ?? []) {
      const { identity, beforeMs, keepUntilMs } = this.#entries.get(key)!;
      if (keepUntilMs <= now) continue;
      const knownExpiryMs = Math.max(0, keepUntilMs - REVOCATION_LEEWAY_MS);
      bans.push({ identity, beforeMs, knownExpiryMs });
    }
    return bans;
  }

  /** Whether `token` was issued too early. */
  refuses(room: string, identity: string, token: DatedToken): boolean {
    const key = keyOf(room, identity);
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    if (this.clock.wallMs() >= entry.keepUntilMs) {
      this.#delete(key);
      return false;
    }
    if (token.notBeforeMs >= entry.beforeMs) return false;
    // Whoever holds a token that lives longer than usual must not outwait the entry.
    const keepUntilMs = Math.max(entry.keepUntilMs, token.expiresAtMs + REVOCATION_LEEWAY_MS);
    if (keepUntilMs > entry.keepUntilMs) this.#entries.set(key, { ...entry, keepUntilMs });
    return true;
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const ofRoom = this.#ofRoom.get(entry.room);
    ofRoom?.delete(key);
    if (ofRoom?.size === 0) this.#ofRoom.delete(entry.room);
  }

  /** Drops what has expired, and if that is not enough what expires first. */
  #makeRoom(now: number): void {
    if (this.#entries.size < this.maxEntries && now < this.#sweepAtMs) return;
    this.#sweepAtMs = now + REVOCATION_LEEWAY_MS;
    for (const [key, { keepUntilMs }] of this.#entries) {
      if (keepUntilMs <= now) this.#delete(key);
    }
    if (this.#entries.size < this.maxEntries) return;
    const oldestFirst = [...this.#entries].sort(([, a], [, b]) => a.keepUntilMs - b.keepUntilMs);
    // A tenth at once, so that sorting is rare under a flood.
    for (const [key] of oldestFirst.slice(0, Math.ceil(this.maxEntries / 10))) {
      this.#delete(key);
      this.counters.count("token_revocation_evicted");
    }
  }
}

/** Identities and room names may hold any character, so their lengths keep them apart. */
function keyOf(room: string, identity: string): string {
  return `${room.length}:${room}${identity}`;
}
