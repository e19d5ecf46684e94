/**
 * Flows on virtual time, and what a case of the table is. Everything is drawn from a seed: the same
 * case gives the same figures on every machine.
 *
 * @module
 */
import type { Figures, Gate } from "./congestion_figures.ts";
import { Link, type LinkOptions, type RateStep } from "./link.ts";
import type { MediaFlow } from "./media_flow.ts";
import type { TcpFlow } from "./tcp_flow.ts";

/** One line of the table. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly figures: Figures;
  readonly gates: readonly Gate[];
  /** For the plot. */
  readonly flows: readonly MediaFlow[];
  readonly link: Link;
  readonly durationMs: number;
}

/** A case: `run` takes seconds, and no random numbers but the seed's. */
export interface CongestionCase {
  readonly name: string;
  readonly title: string;
  readonly run: (seed: number) => CaseResult;
}

/** What a case comes to. */
export type Outcome = Omit<CaseResult, "name" | "title">;

/** A case that says its name itself. */
export function caseOf(
  name: string,
  title: string,
  run: (seed: number) => Outcome,
): CongestionCase {
  return { name, title, run: (seed) => ({ name, title, ...run(seed) }) };
}

/** Uniform numbers in [0, 1) from a seed (a Weyl sequence, mixed). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** A schedule of rates in Mbit/s by seconds. */
export function rates(...steps: readonly (readonly [atS: number, mbps: number])[]): RateStep[] {
  return steps.map(([atS, mbps]) => ({ atMs: atS * 1000, bps: mbps * 1e6 }));
}

/** A link as RFC 8867 has it: a queue of 300 ms. */
export function link(
  steps: readonly RateStep[],
  chance: () => number,
  more: Partial<LinkOptions> = {},
): Link {
  return new Link({ rates: steps, queueMs: 300, chance, ...more });
}

/** Nothing is lost or waits on the way back. */
export function wideLink(chance: () => number): Link {
  return link(rates([0, 100]), chance);
}

/** Runs all flows, millisecond by millisecond. */
export function runFlows(
  flows: readonly MediaFlow[],
  durationMs: number,
  tcps: readonly TcpFlow[] = [],
): void {
  for (let now = 0; now < durationMs; now++) {
    // Who is first in a millisecond changes, so that nobody always is.
    for (let i = 0; i < flows.length; i++) flows[(i + now) % flows.length]!.step(now);
    for (const tcp of tcps) tcp.step(now);
  }
}
