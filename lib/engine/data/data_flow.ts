/**
 * Who waits for whom: writers whose reliable messages a reader does not take fast enough.
 *
 * Contract: while a reader that keeps up at least somewhat has too much waiting, the writers with
 * more than their share of that are held. Nobody waits for a connection that is gone.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { DataEndpoint } from "./data_endpoint.ts";

/** Whoever writes to a reader here: a connection of this engine, or of another. */
export interface DataWriter {
  /** By which number its messages are queued. */
  readonly member: number;
  /** It is to wait for a reader here, or need not any longer. */
  holdForReaders(held: boolean): void;
}

/** One engine's readers that are waited for. A writer that waits for nobody is not held. */
export class DataFlow {
  readonly #waits = new Map<DataWriter, Set<ConnectionId>>();

  constructor(
    readonly endpoint: (id: ConnectionId) => DataEndpoint | undefined,
    readonly drops: DropSink<EngineDrop>,
  ) {}

  /** Whether somebody waits, so that {@linkcode DataFlow.tick} is needed soon. */
  get isWaiting(): boolean {
    return this.#waits.size > 0;
  }

  /** A reliable message of `writer` was queued for the reader `to.receiver`. */
  sent(
    writer: DataWriter,
    to: { readonly receiver: ConnectionId },
    reader: DataEndpoint,
    now: number,
  ): void {
    if (reader.isDataBacklogged(false, now, writer.member)) this.#wait(writer, to.receiver);
  }

  #wait(writer: DataWriter, to: ConnectionId): void {
    const waitsFor = this.#waits.get(writer);
    if (waitsFor !== undefined) return void waitsFor.add(to);
    this.#waits.set(writer, new Set([to]));
    this.drops.count("data_writer_held");
    writer.holdForReaders(true);
  }

  /** Lets those go on whose readers have caught up, or have turned out to be too slow. */
  tick(now: number): void {
    for (const [writer, waitsFor] of this.#waits) {
      for (const to of waitsFor) {
        if (!this.endpoint(to)?.isDataBacklogged(true, now, writer.member)) waitsFor.delete(to);
      }
      if (waitsFor.size > 0) continue;
      this.#waits.delete(writer);
      writer.holdForReaders(false);
    }
  }

  /** The writer is gone. */
  forget(writer: DataWriter): void {
    this.#waits.delete(writer);
  }
}
