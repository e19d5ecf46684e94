/**
 * Listens in between a server and its media plane, for tests of what is measured.
 *
 * @module
 */
import type {
  EngineStats,
  MediaEngine,
  MediaEvent,
} from "../../../lib/engine/messages/media_messages.ts";

/** How the tracks of one connection fared in one interval. */
export type QualityReport = Extract<MediaEvent, { readonly type: "quality_report" }>;

/** A wrapped engine with the reports it made. What passes is not changed. */
export class EngineTap {
  /** Every report so far, oldest first. */
  readonly reports: QualityReport[] = [];
  readonly #waiting = new Map<number, (stats: EngineStats) => void>();
  #engine: MediaEngine | undefined;
  #lastRequest = 0;

  /** Wraps `engine`; the wrapper is used in its place. */
  wrap(engine: MediaEngine): MediaEngine {
    this.#engine = engine;
    const wrapper: MediaEngine = {
      onEvent: () => {},
      start: () => engine.start(),
      send: (command) => engine.send(command),
      addressesOf: (connection) => engine.addressesOf(connection),
      close: () => engine.close(),
    };
    engine.onEvent = (event) => {
      if (event.type === "quality_report") this.reports.push(event);
      if (event.type === "stats") this.#waiting.get(event.request)?.(event.stats);
      wrapper.onEvent(event);
    };
    return wrapper;
  }

  /** Asks the media plane for its totals; the server hears of the answer, too, and ignores it. */
  stats(): Promise<EngineStats> {
    const request = --this.#lastRequest;
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve);
      this.#engine?.send({ type: "request_stats", request });
    });
  }
}
