/**
 * Where small texts are kept by name: for a node that is alone in memory, with or without a file,
 * and for nodes of a cluster in their directory.
 *
 * Contract: what was put is there for everybody who asks afterwards; nothing expires. Promises
 * reject with `SfuError` where what keeps it cannot be reached.
 *
 * @module
 */

/**
 * What is kept: definitions of ingresses, which of them has a stream key, and who publishes; and
 * recordings that nodes are making.
 */
export type Shelf = "ingress" | "ingress-key" | "ingress-state" | "egress";

/** Texts on one shelf; more are refused. */
export const MOST_TEXTS = 10_000;

/** The port. */
export interface TextShelf {
  /** All of a shelf, by name. */
  all(shelf: Shelf): Promise<ReadonlyMap<string, string>>;
  get(shelf: Shelf, name: string): Promise<string | undefined>;
  /**
   * Puts a text in place of the one there was.
   *
   * @param over Only if that one begins so.
   * @returns Whether it was put: false as well if the shelf is full.
   */
  put(shelf: Shelf, name: string, text: string, over?: string): Promise<boolean>;
  /** Whether there was one. */
  remove(shelf: Shelf, name: string): Promise<boolean>;
}

/** The port in memory, for a node that is alone. */
export class MemoryShelf implements TextShelf {
  readonly #texts: Record<Shelf, Map<string, string>> = {
    "ingress": new Map(),
    "ingress-key": new Map(),
    "ingress-state": new Map(),
    "egress": new Map(),
  };

  /** @param changed Called after each change that has to outlive the process; awaited. */
  constructor(readonly changed: (shelf: Shelf) => Promise<void> = () => Promise.resolve()) {}

  /** What was there before. */
  fill(shelf: Shelf, name: string, text: string): void {
    this.#texts[shelf].set(name, text);
  }

  async all(shelf: Shelf): Promise<ReadonlyMap<string, string>> {
    return new Map(this.#texts[shelf]);
  }

  async get(shelf: Shelf, name: string): Promise<string | undefined> {
    return this.#texts[shelf].get(name);
  }

  async put(shelf: Shelf, name: string, text: string, over?: string): Promise<boolean> {
    const texts = this.#texts[shelf];
    const before = texts.get(name);
    if (over !== undefined && !before?.startsWith(over)) return false;
    if (before === undefined && texts.size >= MOST_TEXTS) return false;
    texts.set(name, text);
    await this.changed(shelf);
    return true;
  }

  async remove(shelf: Shelf, name: string): Promise<boolean> {
    if (!this.#texts[shelf].delete(name)) return false;
    await this.changed(shelf);
    return true;
  }
}
