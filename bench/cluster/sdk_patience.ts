/**
 * When a client that lost its server tries again: what LiveKit's JavaScript SDK 2.23 does
 * (`DefaultReconnectPolicy`, and what its engine makes of it). Pure but for the draw.
 *
 * @module
 */
import type { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";

/** Pauses before tries, ms; each half to one and a half times as long, but for the first. */
const PAUSES_MS = [0, 300, 1200, 2700, 4800, 7000, 7000, 7000, 7000, 7000];
/** The first try comes within so long, ms. */
const FIRST_MS = 500;
/** Pings are so far apart, and without an answer for so long the server is gone, ms. */
const PING_MS = 5_000;
const PING_TIMEOUT_MS = 15_000;

/** Pause before the try that follows so many failed ones, ms; `undefined`: it gives up. */
export function pauseBefore(failed: number, random: SeededRandom): number | undefined {
  const pause = PAUSES_MS[failed];
  if (pause === undefined) return undefined;
  const unit = random.uint32() / 2 ** 32;
  return failed === 0 ? unit * FIRST_MS : Math.round(pause * (0.5 + unit));
}

/** How long after a server stopped answering it is noticed, ms: its last answer was a while ago. */
export function noticedAfter(random: SeededRandom): number {
  return PING_TIMEOUT_MS - random.uint32() / 2 ** 32 * PING_MS;
}
