/**
 * Recordings of nodes that died: each node keeps what it records on a shelf that all nodes have,
 * and whoever takes something from there whose node is gone tells the world, once, that it has
 * ended.
 *
 * @module
 */
import { EgressInfo, EgressStatus } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";

/** Others are looked at so often, ms. */
const LOOK_MS = 5_000;
/** A node that has not been there so long is gone, ms: one that is slow has time to come back. */
const GONE_MS = 10_000;
/** What was left is looked for so often though nobody is missed, ms: all may have died at once. */
const SWEEP_MS = 300_000;
/** A request that is larger is not told back of a recording that was lost, bytes. */
const MOST_INFO = 64 * 1024;

/** Texts that all nodes have. Rejects while it cannot be reached. */
export interface EgressShelf {
  all(): Promise<ReadonlyMap<string, string>>;
  put(id: string, text: string): Promise<unknown>;
  /** Whether it was there, which it is for one of all who ask. */
  remove(id: string): Promise<boolean>;
}

/** What this works with. */
export interface LostEgressesOptions {
  readonly platform: Pick<Platform, "clock" | "timers" | "log">;
  readonly shelf: EgressShelf;
  readonly self: NodeId;
  /** Nodes that live, but for this one. */
  readonly others: () => readonly NodeId[];
  /** A recording was lost: how it has ended. */
  readonly lost: (info: EgressInfo) => void;
}

/** One node's part. */
export class LostEgresses {
  readonly #options: LostEgressesOptions;
  /** Since when nodes with recordings are missed, ms. */
  readonly #missed = new Map<string, number>();
  /** What is to be written of each recording, in order. */
  readonly #writing = new Map<string, Promise<unknown>>();
  /** Recordings that have ended, of which the others could not be told. */
  readonly #unremoved = new Set<string>();
  #others = new Set<string>();
  #sweepAt = 0;
  #cancel: Cancel = () => {};
  #isClosed = false;

  constructor(options: LostEgressesOptions) {
    this.#options = options;
    this.#later();
  }

  /** How a recording of this node is now. */
  note(info: EgressInfo): void {
    const { shelf, self } = this.#options;
    const { egressId: id } = info;
    const hasEnded = info.status >= EgressStatus.EGRESS_COMPLETE;
    const step = () => hasEnded ? this.#remove(id) : shelf.put(id, packed(self, info));
    // What cannot be kept for others is not told of by others, and nothing worse.
    const written = (this.#writing.get(id) ?? Promise.resolve()).then(step).catch(() => {});
    this.#writing.set(id, written);
    written.then(() => {
      if (this.#writing.get(id) === written) this.#writing.delete(id);
    });
  }

  /** What stays there would be told of as lost once this node is gone. */
  async #remove(id: string): Promise<void> {
    this.#unremoved.add(id);
    await this.#options.shelf.remove(id);
    this.#unremoved.delete(id);
  }

  /** Resolves when everything that was noted is known to the others. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await Promise.all(this.#writing.values());
  }

  #later(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.platform.timers.after(LOOK_MS, () => {
      this.#look().catch(() => {
        // It is away, and so are those who could be missed.
      }).then(() => this.#later());
    });
  }

  async #look(): Promise<void> {
    const { platform: { clock } } = this.#options;
    const now = clock.now();
    for (const id of this.#unremoved) {
      if (!this.#writing.has(id)) await this.#remove(id).catch(() => {});
    }
    const before = this.#others;
    this.#others = new Set(this.#options.others());
    const isMissing = [...before].some((node) => !this.#others.has(node));
    if (!isMissing && this.#missed.size === 0 && now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_MS;
    await this.#sweep(now);
  }

  async #sweep(now: number): Promise<void> {
    const { shelf, self } = this.#options;
    const missing = new Set<string>();
    for (const [id, text] of await shelf.all()) {
      const { node, info } = unpacked(id, text);
      if (node === self || this.#others.has(node)) continue;
      missing.add(node);
      const since = this.#missed.get(node) ?? now;
      this.#missed.set(node, since);
      if (now - since < GONE_MS || !await shelf.remove(id)) continue;
      this.#tell(info);
    }
    for (const node of this.#missed.keys()) if (!missing.has(node)) this.#missed.delete(node);
  }

  #tell(info: EgressInfo): void {
    const { platform: { clock, log }, lost } = this.#options;
    const now = BigInt(clock.wallMs()) * 1_000_000n;
    info.status = EgressStatus.EGRESS_FAILED;
    info.error =
      "the node that recorded it is gone; what it had written is where that node left it";
    info.errorCode = 500;
    info.endedAt = info.updatedAt = now;
    log.warn("a recording was lost with its node", { egress: info.egressId });
    lost(info);
  }
}

function packed(node: NodeId, info: EgressInfo): string {
  let bytes = info.toBinary();
  if (bytes.length > MOST_INFO) {
    const less = info.clone();
    less.request = { case: undefined };
    bytes = less.toBinary();
  }
  return `${node} ${bytes.toBase64()}`;
}

/** What another version wrote is told of by its name alone. */
function unpacked(id: string, text: string): { readonly node: string; readonly info: EgressInfo } {
  const [node = "", bytes = ""] = text.split(" ");
  try {
    return { node, info: EgressInfo.fromBinary(Uint8Array.fromBase64(bytes)) };
  } catch {
    return { node, info: new EgressInfo({ egressId: id }) };
  }
}
