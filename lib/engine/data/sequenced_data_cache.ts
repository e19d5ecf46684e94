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
  #entries: (Entry | undefined)[] = [];
  /** The oldest that is kept. Those before it go together: of small ones there are thousands. */
  #first = 0;
  #bytes = 0;

  add(data: RoutedData, now: number): void {
    this.#entries.push({ data, at: now });
    this.#bytes += data.bytes.length;
    this.#prune(now);
  }

  /** In the order they came. */
  recent(now: number): RoutedData[] {
    this.#prune(now);
    return this.#entries.slice(this.#first).map((entry) => entry!.data);
  }

  clear(): void {
    if (this.#entries.length === 0) return;
    this.#entries = [];
    this.#first = this.#bytes = 0;
  }

  #prune(now: number): void {
    const entries = this.#entries;
    while (this.#first < entries.length) {
      const { at, data } = entries[this.#first]!;
      if (now - at <= TTL_MS && this.#bytes <= MAX_BYTES) break;
      this.#bytes -= data.bytes.length;
      entries[this.#first++] = undefined;
    }
    if (2 * this.#first <= entries.length) return;
    this.#entries = entries.slice(this.#first);
    this.#first = 0;
  }
}
