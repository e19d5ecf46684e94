/**
 * The other engines as data sees them: what is passed on to them, and who waits because of them.
 *
 * Contract: a member here waits while there is no room on the way to an engine that its messages
 * go to, and while readers there cannot follow; a member there is told to wait for readers here.
 * Nobody waits for an engine that is gone.
 *
 * @module
 */
import type { DataWorld } from "./data_endpoint.ts";
import type { DataFlow, DataWriter } from "./data_flow.ts";
import { HOLD } from "./data_sender.ts";
import type { DataTable, DataTableEntry } from "./data_table.ts";
import type { RoutedData } from "./routed_data.ts";

/** Who waits for whom across engines. Nobody waits for an engine that is gone. */
export class DataNeighbours {
  readonly #world: DataWorld;
  readonly #table: DataTable;
  readonly #flow: DataFlow;
  /** Engine → members of ours that wait for room on the way there. */
  readonly #waiting = new Map<number, Set<DataTableEntry>>();
  /** Engine → members of ours that readers there hold. */
  readonly #held = new Map<number, Set<number>>();
  /** Members elsewhere whom readers here have held. */
  readonly #writers = new Map<number, WriterElsewhere>();

  constructor(world: DataWorld, table: DataTable, flow: DataFlow) {
    this.#world = world;
    this.#table = table;
    this.#flow = flow;
  }

  /** Passes a message of a member here on to these engines. */
  passOn(engines: readonly number[], entry: DataTableEntry, data: RoutedData): void {
    for (const engine of engines) {
      const lane = this.#world.lane(engine);
      if (lane === undefined) continue;
      if (lane.send(entry.room.id, data.from, data.kind, data.bytes)) continue;
      const waiting = this.#waiting.get(engine);
      if (waiting === undefined) this.#waiting.set(engine, new Set([entry]));
      else waiting.add(entry);
      entry.sender.hold(HOLD.lane, true);
    }
  }

  /** The member of another engine, for readers here to hold. */
  writer(engine: number, member: number): DataWriter {
    return this.#writers.get(member) ??
      new WriterElsewhere(engine, member, this.#writers, this.#world);
  }

  /** There is room again on the way to an engine. */
  laneFree(engine: number): void {
    const waiting = this.#waiting.get(engine);
    this.#waiting.delete(engine);
    for (const entry of waiting ?? []) {
      const waits = this.#waiting.values().some((entries) => entries.has(entry));
      entry.sender.hold(HOLD.lane, waits);
    }
  }

  /** Readers on an engine cannot follow a member here, or can again. */
  hold(engine: number, member: number, held: boolean): void {
    if (this.#table.get(member) === undefined) return;
    const members = this.#held.get(engine) ?? new Set();
    if (held) members.add(member);
    else members.delete(member);
    this.#held.set(engine, members);
    this.#updateHold(member);
  }

  /** The engine is gone. */
  gone(engine: number): void {
    this.laneFree(engine);
    const held = this.#held.get(engine);
    this.#held.delete(engine);
    for (const member of held ?? []) this.#updateHold(member);
    for (const writer of [...this.#writers.values()]) {
      if (writer.engine !== engine) continue;
      this.#flow.forget(writer);
      this.#writers.delete(writer.member);
    }
  }

  /** The member is no longer here. */
  forget(entry: DataTableEntry): void {
    for (const entries of this.#waiting.values()) entries.delete(entry);
    for (const members of this.#held.values()) members.delete(entry.data.member);
  }

  #updateHold(member: number): void {
    const held = this.#held.values().some((members) => members.has(member));
    this.#table.get(member)?.sender.hold(HOLD.readerAfar, held);
  }
}

/** A member whose client is on another engine, as readers here hold it. */
class WriterElsewhere implements DataWriter {
  constructor(
    readonly engine: number,
    readonly member: number,
    private readonly held: Map<number, WriterElsewhere>,
    private readonly world: DataWorld,
  ) {}

  holdForReaders(held: boolean): void {
    if (held) this.held.set(this.member, this);
    else this.held.delete(this.member);
    this.world.lane(this.engine)?.hold(this.member, held);
  }
}
