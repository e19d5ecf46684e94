/**
 * Cuts a fragmented MP4 file, as it grows, into segments that begin with key frames where there are
 * some in time (HLS with CMAF: RFC 8216bis §3.1.2, ISO/IEC 23000-19). Pure.
 *
 * @module
 */
import { fragmentTimes, wholeFragments } from "./container/mended_mp4.ts";
import { TIMESCALE } from "./container/fragmented_mp4.ts";

/** A key frame that does not come is waited for so long, ms. */
export const KEY_PATIENCE_MS = 2_000;
/** Where nothing came for so long time begins anew for players, ms. */
const GAP_MS = 1_000;
const TICKS_PER_MS = TIMESCALE / 1_000;

/** A segment that is complete; times are ms from the beginning of its file. */
export interface CutSegment {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Who gets the segments. */
export interface SegmentHost {
  /**
   * A segment begins.
   *
   * @param isApart Its time does not follow on what was before.
   */
  begin(fromMs: number, isApart: boolean): void;
  /** More of it. */
  append(bytes: Uint8Array<ArrayBuffer>): void;
  /** It is complete. */
  ended(segment: CutSegment): void;
}

/** One file's segments. */
export class SegmentCutter {
  readonly #host: SegmentHost;
  readonly #lengthMs: number;
  /** Numbers of the tracks with pictures. */
  pictures: ReadonlySet<number>;
  #fromMs: number | undefined;
  #toMs = 0;
  #isFirst = true;

  /**
   * @param lengthMs Of a segment, at least; the last one may be shorter.
   * @param pictures Numbers of the tracks with pictures.
   */
  constructor(host: SegmentHost, lengthMs: number, pictures: ReadonlySet<number>) {
    this.#host = host;
    this.#lengthMs = lengthMs;
    this.pictures = pictures;
  }

  /** Takes whole fragments. */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    for (const { from, moofEnd, to } of wholeFragments(bytes)) {
      const times = fragmentTimes(bytes.subarray(from, moofEnd), this.pictures);
      if (times === undefined) continue;
      const atMs = times.at / TICKS_PER_MS;
      if (this.#isDue(atMs, times.isEntry)) this.cut(atMs);
      if (this.#fromMs === undefined) this.#begin(atMs);
      this.#toMs = Math.max(this.#toMs, times.end / TICKS_PER_MS);
      this.#host.append(bytes.slice(from, to));
    }
  }

  /** Ends the segment. @param nextMs When the next one begins, if that is known. */
  cut(nextMs?: number): void {
    const fromMs = this.#fromMs;
    if (fromMs === undefined) return;
    this.#fromMs = undefined;
    const isNext = nextMs !== undefined && nextMs - this.#toMs <= GAP_MS;
    this.#host.ended({ fromMs, toMs: isNext ? Math.max(fromMs, nextMs) : this.#toMs });
  }

  #begin(atMs: number): void {
    const isApart = !this.#isFirst && atMs - this.#toMs > GAP_MS;
    this.#isFirst = false;
    this.#fromMs = atMs;
    this.#host.begin(atMs, isApart);
  }

  #isDue(atMs: number, isEntry: boolean): boolean {
    if (this.#fromMs === undefined) return false;
    const lengthMs = atMs - this.#fromMs;
    if (atMs - this.#toMs > GAP_MS) return true;
    return lengthMs >= this.#lengthMs && isEntry || lengthMs >= this.#lengthMs + KEY_PATIENCE_MS;
  }
}
