/**
 * Recordings of nodes that died: each node keeps what it records on a shelf that all nodes have,
 * and whoever takes over something from there whose node is gone has the recording gone on with, if
 * that can be, and tells the world, once, that it has ended.
 *
 * Contract: one node takes it over, and another does if that one dies meanwhile. A node that was
 * only out of reach finds a mark in the place of its recording, and gives that up.
 *
 * @module
 */
import { EgressInfo, EgressStatus } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import { continuedBy } from "./egress_info.ts";

/** Others are looked at so often, ms. */
const LOOK_MS = 1_000;
/** A node that has not been there so long is gone, ms: one that is slow has time to come back. */
const GONE_MS = 5_000;
/** One's own are looked after so often, ms: whoever was out of reach is not told of that. */
const CHECK_MS = 5_000;
/** What was left is looked for so often though nobody is missed, ms: all may have died at once. */
const SWEEP_MS = 300_000;
/** Whoever comes back within this finds that it was taken for gone, ms. */
const MARK_MS = 3_600_000;
/** Stands in the place of a node where a recording was taken over, before the time of that. */
const MARK = "-";
/** A request that is larger is not told back of a recording that was lost, bytes. */
const MOST_INFO = 64 * 1024;

/** Texts that all nodes have. Rejects while it cannot be reached. */
export interface EgressShelf {
  all(): Promise<ReadonlyMap<string, string>>;
  /** Absent where nobody takes anything from those who live. */
  get?(id: string): Promise<string | undefined>;
  /**
   * Puts a text in place of the one there was.
   *
   * @param over Only if that one begins so.
   * @returns Whether it was put, which it is for one of all who ask over the same.
   */
  put(id: string, text: string, over?: string): Promise<boolean>;
  remove(id: string): Promise<unknown>;
}

/** What this works with. */
export interface LostEgressesOptions {
  readonly platform: Pick<Platform, "clock" | "timers" | "log">;
  readonly shelf: EgressShelf;
  readonly self: NodeId;
  /** Others that live; absent for a node that is alone, to which none comes back. */
  readonly others?: () => readonly NodeId[];
  /** Goes on with a recording, as it was last. @returns The id of the new one; empty without. */
  readonly goOn: (info: EgressInfo) => Promise<string>;
  /** A recording was lost: how it has ended. */
  readonly lost: (info: EgressInfo) => void;
  /** A recording of this node was taken over by others. */
  readonly takenOver: (egressId: string) => void;
}

/** One node's part. */
export class LostEgresses {
  readonly #options: LostEgressesOptions;
  /** What this node records, as it is on the shelf. */
  readonly #own = new Map<string, string>();
  /** Since when nodes with recordings are missed, ms. */
  readonly #missed = new Map<string, number>();
  /** What is to be written of each recording, in order. */
  readonly #writing = new Map<string, Promise<unknown>>();
  /** Recordings that have ended, of which the others could not be told. */
  readonly #unremoved = new Set<string>();
  /** Texts of what was taken over, of which the others could not be told. */
  readonly #unmarked = new Map<string, string>();
  /** What is being taken over. */
  readonly #taking = new Set<Promise<void>>();
  #others = new Set<string>();
  #sweepAt = 0;
  #checkAt = 0;
  #lookedAt: number;
  /** Whether others may have taken over what is recorded here, or nobody know of it. */
  #isUnsure = false;
  #cancel: Cancel = () => {};
  #isClosed = false;

  constructor(options: LostEgressesOptions) {
    this.#options = options;
    this.#lookedAt = options.platform.clock.now();
    this.#later();
  }

  /** How a recording of this node is now. */
  note(info: EgressInfo): void {
    const { shelf, self, platform: { log } } = this.#options;
    const { egressId: id } = info;
    const hasEnded = info.status >= EgressStatus.EGRESS_COMPLETE;
    const text = packed(self, info);
    const over = this.#own.has(id) ? `${self} ` : undefined;
    if (hasEnded) this.#own.delete(id);
    else this.#own.set(id, text);
    const put = async () => {
      if (await shelf.put(id, text, over)) return;
      this.#isUnsure = true;
      if (over !== undefined) return;
      log.warn("there are too many recordings for others to know of this one if its node dies", {
        id,
      });
    };
    this.#write(id, hasEnded ? () => this.#remove(id) : put);
  }

  /** Resolves when everything that was noted is known to the others. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await Promise.all([...this.#writing.values(), ...this.#taking]);
  }

  #write(id: string, step: () => Promise<unknown>): void {
    const written = (this.#writing.get(id) ?? Promise.resolve()).then(step).catch(() => {
      // What cannot be kept for others now is looked after later.
      this.#isUnsure = true;
    });
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

  /** What stays in this node's name would be taken over once more when this one is gone. */
  async #mark(id: string, text: string): Promise<void> {
    const { shelf, self, others } = this.#options;
    this.#unmarked.set(id, text);
    if (others === undefined) await shelf.remove(id);
    else await shelf.put(id, text, `${self} `);
    this.#unmarked.delete(id);
  }

  #later(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.platform.timers.after(LOOK_MS, () => {
      this.#look().catch(() => {
        // It is away, and so are those who could be missed: they are given time anew.
        this.#isUnsure = true;
        this.#missed.clear();
      }).then(() => this.#later());
    });
  }

  async #look(): Promise<void> {
    const now = this.#options.platform.clock.now();
    // A process that stood still was out of reach.
    if (now - this.#lookedAt > GONE_MS) {
      this.#isUnsure = true;
      this.#missed.clear();
    }
    this.#lookedAt = now;
    for (const id of this.#unremoved) {
      if (!this.#writing.has(id)) await this.#remove(id).catch(() => {});
    }
    for (const [id, text] of this.#unmarked) {
      if (!this.#writing.has(id)) await this.#mark(id, text).catch(() => {});
    }
    await this.#lookAfter(now);
    const before = this.#others;
    this.#others = new Set(this.#options.others?.());
    const isMissing = [...before].some((node) => !this.#others.has(node));
    if (!isMissing && !this.#isUnsure && this.#missed.size === 0 && now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_MS;
    await this.#sweep(now);
  }

  /** One of this node's stands for all: others take them together. */
  async #lookAfter(now: number): Promise<void> {
    const { shelf, self } = this.#options;
    const [id] = this.#own.keys();
    if (id === undefined || shelf.get === undefined || now < this.#checkAt) return;
    this.#checkAt = now + CHECK_MS;
    const found = await shelf.get(id);
    if (found === undefined || ownerOf(found).node !== self) this.#isUnsure = true;
  }

  async #sweep(now: number): Promise<void> {
    const { shelf, self, platform: { clock } } = this.#options;
    this.#isUnsure = false;
    const own = new Map(this.#own);
    const texts = await shelf.all();
    for (const [id, text] of own) this.#check(id, text, texts.get(id));
    const missing = new Set<string>();
    let heirs: ReadonlyMap<string, string> | undefined;
    for (const [id, text] of texts) {
      const { node, markedAt } = ownerOf(text);
      if (node === MARK && clock.wallMs() - markedAt > MARK_MS) await shelf.remove(id);
      if (node === MARK || node === self || this.#others.has(node)) continue;
      missing.add(node);
      const since = this.#missed.get(node) ?? now;
      this.#missed.set(node, since);
      if (now - since < GONE_MS) continue;
      const info = unpacked(id, text);
      if (!await shelf.put(id, packed(self, info), `${node} `)) continue;
      heirs ??= heirsIn(texts);
      const taking: Promise<void> = this.#takeOver(info, heirs.get(id))
        .finally(() => this.#taking.delete(taking));
      this.#taking.add(taking);
    }
    for (const node of this.#missed.keys()) if (!missing.has(node)) this.#missed.delete(node);
  }

  /** @param found What the shelf has of a recording that was this node's before it was asked. */
  #check(id: string, text: string, found: string | undefined): void {
    if (this.#own.get(id) !== text || this.#writing.has(id)) return;
    const { shelf, self } = this.#options;
    if (found === undefined) return this.#write(id, () => shelf.put(id, text));
    if (ownerOf(found).node === self) return;
    this.#own.delete(id);
    this.#options.takenOver(id);
  }

  /** @param heir What goes on with it already, or did until its node was gone as well. */
  async #takeOver(info: EgressInfo, heir: string | undefined): Promise<void> {
    const { platform: { clock, log }, goOn, lost } = this.#options;
    const { egressId: id } = info;
    const next = heir ?? await goOn(info.clone()).catch(() => "");
    const wallMs = clock.wallMs();
    info.status = EgressStatus.EGRESS_FAILED;
    info.error =
      "the node that recorded it is gone; what it had written is where that node left it";
    info.errorCode = 500;
    info.endedAt = info.updatedAt = BigInt(wallMs) * 1_000_000n;
    const note = next === "" ? "nothing goes on with it" : `${next} goes on with it`;
    info.details = info.details === "" ? note : `${info.details}; ${note}`;
    log.warn("a recording was lost with its node", { egress: id, next });
    lost(info);
    this.#write(id, () => this.#mark(id, `${MARK} ${wallMs}`));
    await this.#writing.get(id);
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

/** Whose a text is, and since when it is nobody's, Unix ms. */
function ownerOf(text: string): { readonly node: string; readonly markedAt: number } {
  const [node = "", at = ""] = text.split(" ", 2);
  return { node, markedAt: Number(at) || 0 };
}

/** Which recordings go on with others, by those: some node had begun them, and told nobody yet. */
function heirsIn(texts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const heirs = new Map<string, string>();
  for (const [id, text] of texts) {
    if (ownerOf(text).node === MARK) continue;
    const lost = continuedBy(unpacked(id, text));
    if (lost !== "") heirs.set(lost, id);
  }
  return heirs;
}

/** What another version wrote, or is not of that recording, is told of by its name alone. */
function unpacked(id: string, text: string): EgressInfo {
  try {
    const info = EgressInfo.fromBinary(Uint8Array.fromBase64(text.slice(text.indexOf(" ") + 1)));
    if (info.egressId === id) return info;
  } catch {
    // As if it said nothing.
  }
  return new EgressInfo({ egressId: id });
}
