/**
 * The tracks of other nodes that this node wants: for each, who is asked and who sends it.
 *
 * Contract: as long as a track is wanted and nobody sends it, somebody is asked, no more often than
 * the retry allows; whoever sends what is not wanted any more is told.
 *
 * @module
 */
import type { NodeId, RelayedTrackId } from "../../base/ids.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { DistantEngine } from "../../engine/messages/node_messages.ts";
import type { TrackAnswer, TrackWant } from "./exchange_messages.ts";

/** First and last wait before somebody is asked again, ms. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;

/** What is done about wants. */
export interface WantsHost {
  readonly timers: Timers;
  /** Where a track is published. */
  originOf(upTrack: RelayedTrackId): NodeId;
  /** Asks a node for a track; never rejects. */
  ask(node: NodeId, want: TrackWant, direct: boolean): Promise<TrackAnswer>;
  /** Tells a node that an engine here does not want it any more. */
  stop(node: NodeId, want: TrackWant): void;
  /** The track comes from there. */
  from(upTrack: RelayedTrackId, source: DistantEngine): void;
}

interface Want {
  readonly engine: number;
  /** Who sends it. */
  source: DistantEngine | undefined;
  /** Whose answer is waited for. */
  asked: NodeId | undefined;
  /** Told apart from earlier questions about the same track. */
  question: number;
  tries: number;
  cancelRetry: Cancel | undefined;
}

/** This node's wants. */
export class TrackWants {
  readonly #host: WantsHost;
  readonly #wants = new Map<RelayedTrackId, Want>();

  constructor(host: WantsHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#wants.size;
  }

  /** What is wanted of a node, or asked of it. */
  of(node: NodeId): TrackWant[] {
    return [...this.#wants].filter(([, want]) => (want.source?.node ?? want.asked) === node)
      .map(([upTrack, { engine }]) => ({ upTrack, engine }));
  }

  /** An engine here wants a track; again: from anew, or by another engine. */
  wanted(upTrack: RelayedTrackId, engine: number): void {
    this.unwanted(upTrack);
    const want: Want = {
      engine,
      source: undefined,
      asked: undefined,
      question: 0,
      tries: 0,
      cancelRetry: undefined,
    };
    this.#wants.set(upTrack, want);
    this.#ask(upTrack, want, this.#host.originOf(upTrack), false);
  }

  unwanted(upTrack: RelayedTrackId): void {
    const want = this.#wants.get(upTrack);
    if (want === undefined) return;
    this.#wants.delete(upTrack);
    want.cancelRetry?.();
    const node = want.source?.node ?? want.asked;
    if (node !== undefined) this.#host.stop(node, { upTrack, engine: want.engine });
  }

  /** What came from a node, or from one engine of it, comes no more: others are asked. */
  lost(node: NodeId, engine?: number): void {
    for (const [upTrack, want] of this.#wants) {
      const { source, asked } = want;
      const isSource = source?.node === node && (engine === undefined || source.engine === engine);
      if (!isSource && (asked !== node || engine !== undefined)) continue;
      want.source = undefined;
      want.question++;
      this.#askOrigin(upTrack, want, true);
    }
  }

  /** One track comes no more from a node that passed it on. */
  ended(upTrack: RelayedTrackId, node: NodeId): void {
    const want = this.#wants.get(upTrack);
    if (want?.source?.node !== node) return;
    want.source = undefined;
    want.question++;
    this.#askOrigin(upTrack, want, false);
  }

  /** A node can be asked again. */
  reachable(node: NodeId): void {
    for (const [upTrack, want] of this.#wants) {
      if (want.source !== undefined || this.#host.originOf(upTrack) !== node) continue;
      want.question++;
      want.tries = 0;
      this.#askOrigin(upTrack, want, false);
    }
  }

  close(): void {
    for (const { cancelRetry } of this.#wants.values()) cancelRetry?.();
    this.#wants.clear();
  }

  #askOrigin(upTrack: RelayedTrackId, want: Want, direct: boolean): void {
    want.cancelRetry?.();
    want.cancelRetry = undefined;
    this.#ask(upTrack, want, this.#host.originOf(upTrack), direct);
  }

  #ask(upTrack: RelayedTrackId, want: Want, node: NodeId, direct: boolean): void {
    const question = ++want.question;
    want.asked = node;
    this.#host.ask(node, { upTrack, engine: want.engine }, direct).then((answer) => {
      if (want.question !== question || this.#wants.get(upTrack) !== want) return;
      want.asked = undefined;
      if (answer.type === "sending") {
        want.tries = 0;
        want.source = { node, engine: answer.engine };
        return this.#host.from(upTrack, want.source);
      }
      const origin = this.#host.originOf(upTrack);
      if (answer.type === "ask" && node === origin && answer.node !== origin) {
        return this.#ask(upTrack, want, answer.node, false);
      }
      // A region's head that cannot: the origin itself.
      if (node !== origin) return this.#ask(upTrack, want, origin, true);
      this.#retry(upTrack, want, direct);
    });
  }

  #retry(upTrack: RelayedTrackId, want: Want, direct: boolean): void {
    const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(want.tries++, 10));
    want.cancelRetry = this.#host.timers.after(delay, () => {
      want.cancelRetry = undefined;
      this.#ask(upTrack, want, this.#host.originOf(upTrack), direct);
    });
  }
}
