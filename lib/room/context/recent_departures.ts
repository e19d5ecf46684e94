/**
 * Who has left a room a while ago, so that somebody who leaves before being removed is kept out
 * like those who are removed in time. Rooms come and go meanwhile. Memory is bounded, oldest first.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import type { ParticipantInit } from "./participant_profile.ts";
import { isSessionOf } from "./session_names.ts";

/** How long a departure is remembered, ms. */
export const DEPARTURE_MEMORY_MS = 3_600_000;
/** Departures remembered, a few megabytes at most. */
const MAX_ENTRIES = 10_000;

/** Of somebody who may come back with its token. */
export type Departure = Pick<ParticipantInit, "identity" | "userIdentity" | "tokenExpiresAt">;

interface Entry extends Departure {
  readonly room: string;
  readonly at: number;
}

/**
 * Who left lately, by room and identity, for a bounded time and in bounded memory; the oldest go
 * first.
 */
export class RecentDepartures {
  /** In the order in which they left. */
  #entries: Entry[] = [];

  constructor(readonly clock: Pick<Clock, "now">, readonly maxEntries = MAX_ENTRIES) {}

  note(room: string, departure: Departure): void {
    const { identity, userIdentity = identity, tokenExpiresAt = 0 } = departure;
    this.#entries.push({ room, identity, userIdentity, tokenExpiresAt, at: this.clock.now() });
    // Trimmed by a tenth at once, so that a crowd of departures costs nothing.
    if (this.#entries.length > this.maxEntries * 1.1) {
      this.#entries = this.#entries.slice(-this.maxEntries);
    }
  }

  /** They have been kept out. */
  forget(room: string, identity: string): void {
    this.#entries = this.#entries.filter((entry) =>
      entry.room !== room || !isSessionOf(entry, identity)
    );
  }

  /** Sessions of that name that have ended in the room of that name; `ann` names `ann#cam`, too. */
  of(room: string, identity: string): Departure[] {
    const since = this.clock.now() - DEPARTURE_MEMORY_MS;
    return this.#entries.filter((entry) =>
      entry.room === room && entry.at > since &&
      isSessionOf(entry, identity)
    );
  }
}
