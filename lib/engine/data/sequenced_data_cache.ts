/**
 * The reliable packets of a room's last two seconds, for members whose data channels open only now.
 * Pure: `now` is monotonic ms. Bounded by time and by bytes; the oldest go first.
 *
 * Source: LiveKit's server 1.13.5, `pkg/rtc/room.go` (`dataMessageCache`).
 *
 * @module
 */
import type { RoutedData } from "./routed_data.ts";

/** How long a packet is kept, ms. */
const TTL_MS = 2_000;
/** Bytes of all packets kept. */
const MAX_BYTES = 100_000;

interface Entry {
  readonly data: RoutedData;
  readonly at: number;
}

/**
 * One room's reliable packets of the last two seconds, oldest first, bounded in bytes. `now` is
 * monotonic ms.
 */
export class SequencedDataCache {
  #entries: Entry[] = [];
  #bytes = 0;

  add(data: RoutedData, now: number): void {
    this.#entries.push({ data, at: now });
    this.#bytes += data.bytes.length;
    this.#prune(now);
  }

  /** In the order they came. */
  recent(now: number): RoutedData[] {
    this.#prune(now);
    return this.#entries.map(({ data }) => data);
  }

  clear(): void {
    if (this.#entries.length === 0) return;
    this.#entries = [];
    this.#bytes = 0;
  }

  #prune(now: number): void {
    let gone = 0;
    for (const { at, data } of this.#entries) {
      if (now - at <= TTL_MS && this.#bytes <= MAX_BYTES) break;
      this.#bytes -= data.bytes.length;
      gone++;
    }
    if (gone > 0) this.#entries = this.#entries.slice(gone);
  }
}
