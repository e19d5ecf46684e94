/**
 * Puts the figures of a pool's engines together: one answer to each request, when every engine that
 * was asked has answered or is gone.
 *
 * @module
 */
import type { EngineStats } from "../messages/media_messages.ts";

interface PendingRequest {
  readonly waitingFor: Set<number>;
  readonly parts: EngineStats[];
}

/**
 * The requests that wait: each is answered once, when every engine that was asked has answered or
 * is gone.
 */
export class PoolStats {
  readonly #pending = new Map<number, PendingRequest>();
  readonly #answer: (request: number, parts: readonly EngineStats[]) => void;

  /** @param answer Called once for each request. */
  constructor(answer: (request: number, parts: readonly EngineStats[]) => void) {
    this.#answer = answer;
  }

  /** `engines` are being asked. */
  requested(request: number, engines: readonly number[]): void {
    if (engines.length === 0) return this.#answer(request, []);
    this.#pending.set(request, { waitingFor: new Set(engines), parts: [] });
  }

  answered(engine: number, request: number, stats: EngineStats): void {
    const pending = this.#pending.get(request);
    if (pending === undefined || !pending.waitingFor.delete(engine)) return;
    pending.parts.push(stats);
    if (pending.waitingFor.size === 0) this.#complete(request, pending);
  }

  /** It will not answer any more. */
  engineLost(engine: number): void {
    for (const [request, pending] of [...this.#pending]) {
      if (!pending.waitingFor.delete(engine) || pending.waitingFor.size > 0) continue;
      this.#complete(request, pending);
    }
  }

  #complete(request: number, { parts }: PendingRequest): void {
    this.#pending.delete(request);
    this.#answer(request, parts);
  }
}

/** One engine's figures out of those of several. */
export function mergeStats(
  parts: readonly EngineStats[],
  ownDrops: Readonly<Record<string, number>>,
): EngineStats {
  const drops = { ...ownDrops };
  for (const part of parts) {
    for (const [reason, count] of Object.entries(part.drops)) {
      drops[reason] = (drops[reason] ?? 0) + count;
    }
  }
  return {
    connections: sum(parts, ({ connections }) => connections),
    sockets: sum(parts, ({ sockets }) => sockets),
    datagramsSent: sum(parts, ({ datagramsSent }) => datagramsSent),
    messagesSent: sum(parts, ({ messagesSent }) => messagesSent),
    forwardLatencyUs: parts.flatMap(({ forwardLatencyUs }) => forwardLatencyUs),
    upTracks: parts.flatMap(({ upTracks }) => upTracks),
    downTracks: parts.flatMap(({ downTracks }) => downTracks),
    sendPaths: parts.flatMap(({ sendPaths }) => sendPaths),
    relays: parts.flatMap(({ relays }) => relays),
    drops,
  };
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}
