/**
 * What a receiver makes of sender reports: which instant of the sender's wall clock a timestamp is.
 *
 * Source: libwebrtc's `RtpToNtpEstimator` (`system_wrappers/source/rtp_to_ntp_estimator.cc`): a line
 * through the last 20 reports; a report that goes back is passed over, and the third in a row
 * begins anew.
 *
 * @module
 */

const REPORTS = 20;
const MOST_INVALID = 3;
/** The next report is at most so far behind the last, ms. */
const MOST_APART_MS = 3_600_000;

/** One stream's. */
export class NtpEstimate {
  #reports: { readonly ntpMs: number; readonly rtp: number }[] = [];
  #invalid = 0;
  #last: number | undefined;

  /** @param rtp 32 bits. */
  report(ntpMs: number, rtp: number): void {
    const before = this.#reports.at(-1);
    const extended = this.#extend(rtp);
    if (before !== undefined) {
      const apart = ntpMs - before.ntpMs;
      const ticks = extended - before.rtp;
      if (apart <= 0 || apart > MOST_APART_MS || ticks <= 0 || ticks > 2 ** 25) {
        if (++this.#invalid < MOST_INVALID) return;
        this.#reports = [];
      }
    }
    this.#invalid = 0;
    this.#last = extended;
    this.#reports.push({ ntpMs, rtp: extended });
    if (this.#reports.length > REPORTS) this.#reports.shift();
  }

  /** Whether there is an estimate: two reports make a line. */
  get isKnown(): boolean {
    return this.#reports.length > 1;
  }

  /** NTP ms of a timestamp (32 bits). */
  ntpMsOf(rtp: number): number {
    const at = this.#extend(rtp);
    const { rtp: rtp0, ntpMs: ntp0 } = this.#reports[0]!;
    let [x, y, xx, xy] = [0, 0, 0, 0];
    for (const { ntpMs, rtp } of this.#reports) {
      x += rtp - rtp0;
      y += ntpMs - ntp0;
    }
    const n = this.#reports.length;
    [x, y] = [x / n, y / n];
    for (const { ntpMs, rtp } of this.#reports) {
      xx += (rtp - rtp0 - x) ** 2;
      xy += (rtp - rtp0 - x) * (ntpMs - ntp0 - y);
    }
    return ntp0 + y + (at - rtp0 - x) * (xy / xx);
  }

  #extend(rtp: number): number {
    const last = this.#last ?? rtp;
    return last + ((rtp - last) | 0);
  }
}
