/**
 * The data channels of one connection by stream and by label.
 *
 * The one that was asked for last is found without a look-up: most connections use one, and what a
 * look-up touches is in no cache when a connection's turn comes.
 *
 * @module
 */
import type { DrainRate } from "./drain_rate.ts";

/** One channel, whoever opened it. */
export interface Channel {
  readonly label: string;
  readonly streamId: number;
  readonly ordered: boolean;
  /** `UNLIMITED` for as often as needed. */
  readonly maxRetransmits: number;
  /** How long a message is worth something; `Infinity`. */
  readonly maxAgeMs: number;
  readonly lossy: boolean;
  readonly rate: DrainRate;
  open: boolean;
  waitingMessages: number;
}

/** Channels by stream, and by label the one that was opened last under it. */
export class ChannelTable {
  readonly #byStream = new Map<number, Channel>();
  readonly #byLabel = new Map<string, Channel>();
  /** Found last; invariant: both maps have it. */
  #recent: Channel | undefined;

  get size(): number {
    return this.#byStream.size;
  }

  /** All of them, in the order they were opened. */
  all(): Channel[] {
    return [...this.#byStream.values()];
  }

  /** Those that are found by their labels. */
  labelled(): Iterable<Channel> {
    return this.#byLabel.values();
  }

  ofStream(streamId: number): Channel | undefined {
    const recent = this.#recent;
    if (recent?.streamId === streamId) return recent;
    return this.#found(this.#byStream.get(streamId));
  }

  ofLabel(label: string): Channel | undefined {
    const recent = this.#recent;
    if (recent?.label === label) return recent;
    return this.#found(this.#byLabel.get(label));
  }

  /** Adds one whose stream has none, and which its label stands for from now on. */
  add(channel: Channel): void {
    this.#byStream.set(channel.streamId, channel);
    this.#byLabel.set(channel.label, channel);
    this.#recent = undefined;
  }

  /** Takes one out. An older one under its label stays without it. */
  delete(channel: Channel): void {
    this.#byStream.delete(channel.streamId);
    if (this.#byLabel.get(channel.label) === channel) this.#byLabel.delete(channel.label);
    this.#recent = undefined;
  }

  clear(): void {
    this.#byStream.clear();
    this.#byLabel.clear();
    this.#recent = undefined;
  }

  #found(channel: Channel | undefined): Channel | undefined {
    if (channel !== undefined && this.#byLabel.get(channel.label) === channel) {
      this.#recent = channel;
    }
    return channel;
  }
}
