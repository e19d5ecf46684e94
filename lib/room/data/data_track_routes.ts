/**
 * Where one publisher's data tracks go: to receivers in its own room, and in those it is forwarded
 * to. Each room sets its part, under the sid the publisher has there; the media plane is told the
 * whole.
 *
 * @module
 */
import type { DataTrackRoute } from "../../engine/messages/media_messages.ts";

/**
 * The routes of one publisher: each room sets its part, and the media plane is told the sum of all
 * parts.
 */
export class DataTrackRoutes {
  readonly #parts = new Map<string, readonly DataTrackRoute[]>();

  /** @param send Replaces all routes of the publisher in the media plane. */
  constructor(readonly send: (routes: readonly DataTrackRoute[]) => void) {}

  /** Replaces the part of the room in which the publisher goes by `sid`; none ends it. */
  set(sid: string, routes: readonly DataTrackRoute[]): void {
    if (routes.length === 0) this.#parts.delete(sid);
    else this.#parts.set(sid, routes);
    this.send(this.#whole());
  }

  #whole(): DataTrackRoute[] {
    const receivers = new Map<number, DataTrackRoute["receivers"][number][]>();
    for (const part of this.#parts.values()) {
      for (const route of part) {
        const known = receivers.get(route.handle);
        if (known === undefined) receivers.set(route.handle, [...route.receivers]);
        else known.push(...route.receivers);
      }
    }
    return [...receivers].map(([handle, receivers]) => ({ handle, receivers }));
  }
}
