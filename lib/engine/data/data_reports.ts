/**
 * What the control plane is told of members that send: how far their messages came, and which
 * streams they began, together and not more often than it helps.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { DataEvent, DataStreamBegun } from "../messages/data_messages.ts";

/** How often, ms: what is not told yet is sent again by a client that resumes, and dropped. */
const INTERVAL_MS = 500;
/** Streams of one member that are told at once; more are a mistake or malice. */
const MAX_STREAMS = 64;

interface Report {
  sequence: number;
  readonly streams: DataStreamBegun[];
}

/** The reports of one engine. What is noted is told once, within half a second. */
export class DataReports {
  readonly #reports = new Map<ConnectionId, Report>();
  #at = Infinity;

  constructor(
    readonly emit: (event: DataEvent) => void,
    readonly drops: DropSink<EngineDrop>,
  ) {}

  /** When something is to be told, monotonic ms. */
  get nextWakeAt(): number {
    return this.#at;
  }

  /** A member's messages came as far as `sequence`. */
  progress(publisher: ConnectionId, sequence: number, now: number): void {
    this.#report(publisher, now).sequence = sequence;
  }

  /** @param sequence As above. */
  streamBegun(
    publisher: ConnectionId,
    sequence: number,
    stream: DataStreamBegun,
    now: number,
  ): void {
    const report = this.#report(publisher, now);
    report.sequence = sequence;
    if (report.streams.length < MAX_STREAMS) report.streams.push(stream);
    else this.drops.count("data_stream_untold");
  }

  /** Tells what there is, when it is time. */
  tick(now: number): void {
    if (now < this.#at) return;
    this.#at = Infinity;
    for (const [connection, report] of this.#reports) {
      this.emit({ type: "data_progress", connection, ...report });
    }
    this.#reports.clear();
  }

  #report(publisher: ConnectionId, now: number): Report {
    let report = this.#reports.get(publisher);
    if (report === undefined) {
      report = { sequence: 0, streams: [] };
      this.#reports.set(publisher, report);
      this.#at = Math.min(this.#at, now + INTERVAL_MS);
    }
    return report;
  }
}
