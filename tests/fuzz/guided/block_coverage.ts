/**
 * Which of the project's code has run, as V8 counts it, by characters of its files: what V8 calls a
 * block is another one whenever its neighbours run as often as it does.
 *
 * @module
 */
import { Session } from "node:inspector/promises";

/** What `Profiler.takePreciseCoverage` answers, as far as it matters. */
interface CoverageReport {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      /** Outer ones first. */
      readonly ranges: readonly Range[];
    }[];
  }[];
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** Looks at files below one folder. */
export class BlockCoverage {
  readonly #session = new Session();
  readonly #folder: string;
  /** Who looks, and file → 1 where it has run. */
  readonly #seen = new Map<string, Uint8Array>();
  readonly #reached = new Map<string, number>();
  #scratch = new Uint8Array(1 << 16);

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Begins to count, for the whole process. @param folder What addresses of files begin with. */
  static async start(folder: string): Promise<BlockCoverage> {
    const coverage = new BlockCoverage(folder);
    coverage.#session.connect();
    await coverage.#session.post("Profiler.enable");
    const what = { callCount: true, detailed: true };
    await coverage.#session.post("Profiler.startPreciseCoverage", what);
    return coverage;
  }

  /** Characters of code that have run at any time while `who` looked. */
  reachedBy(who: string): number {
    return this.#reached.get(who) ?? 0;
  }

  /**
   * How much ran since anybody's last look, and never before while `who` looked.
   *
   * @param keeps Whether it is old news from now on.
   */
  async news(who: string, keeps: boolean): Promise<number> {
    const report = await this.#session.post("Profiler.takePreciseCoverage") as CoverageReport;
    let news = 0;
    for (const { url, functions } of report.result) {
      if (!url.startsWith(this.#folder)) continue;
      const ran = functions.flatMap(({ ranges }) => ranges[0]!.count > 0 ? [ranges] : []);
      if (ran.length > 0) news += this.#compare(`${who} ${url}`, ran.flat(), keeps);
    }
    if (keeps) this.#reached.set(who, this.reachedBy(who) + news);
    return news;
  }

  #compare(place: string, ranges: readonly Range[], keeps: boolean): number {
    const end = Math.max(...ranges.map(({ endOffset }) => endOffset));
    if (this.#scratch.length < end) this.#scratch = new Uint8Array(end * 2);
    const now = this.#scratch.subarray(0, end).fill(0);
    // Inner ranges come after the outer ones that they are cut out of.
    for (const { startOffset, endOffset, count } of ranges) {
      now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    }
    const seen = this.#seenOf(place, end);
    let news = 0;
    for (let at = 0; at < end; at++) {
      if (now[at] === 0 || seen[at] === 1) continue;
      news++;
      if (keeps) seen[at] = 1;
    }
    return news;
  }

  #seenOf(place: string, length: number): Uint8Array {
    const seen = this.#seen.get(place) ?? new Uint8Array();
    if (seen.length >= length) return seen;
    const longer = new Uint8Array(length);
    longer.set(seen);
    this.#seen.set(place, longer);
    return longer;
  }

  stop(): void {
    this.#session.disconnect();
  }
}
