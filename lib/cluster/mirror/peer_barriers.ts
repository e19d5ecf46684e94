/**
 * Waits until other nodes' words have come, once for all who wait at the same time.
 *
 * Contract: whoever waits hears of everything that was said before it asked. So it cannot share a
 * question that was asked earlier, but all who come meanwhile share the next.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";

interface Question {
  readonly answered: Promise<void>;
  /** Of those who came since it was asked. */
  next: Promise<void> | undefined;
}

/** The questions of one node to others: one under way to each at most, and one that waits. */
export class PeerBarriers {
  readonly #ask: (node: NodeId) => Promise<void>;
  readonly #questions = new Map<NodeId, Question>();

  /** @param ask Resolves when everything said before is known; rejects if that takes too long. */
  constructor(ask: (node: NodeId) => Promise<void>) {
    this.#ask = ask;
  }

  /** Resolves when the words of all of `nodes` have come, or it takes too long. */
  async pass(nodes: Iterable<NodeId>): Promise<void> {
    await Promise.all(Array.from(nodes, (node) => this.#passOne(node)));
  }

  #passOne(node: NodeId): Promise<void> {
    const current = this.#questions.get(node);
    if (current === undefined) return this.#begin(node);
    return current.next ??= current.answered.then(() => this.#begin(node));
  }

  #begin(node: NodeId): Promise<void> {
    const answered = this.#ask(node).catch(() => {}).then(() => {
      if (this.#questions.get(node)?.answered === answered) this.#questions.delete(node);
    });
    this.#questions.set(node, { answered, next: undefined });
    return answered;
  }
}
