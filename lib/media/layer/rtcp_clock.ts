/**
 * The mapping between a publisher's wall clock (NTP) and a stream's RTP clock, from sender reports
 * (RFC 3550 §6.4.1), used to align layers when switching and to write our own sender reports.
 *
 * NTP times are kept as milliseconds since 1900 in one double, exact to about a microsecond.
 *
 * @module
 */

const TWO_32 = 0x1_0000_0000;

/** NTP seconds and fraction (both unsigned 32 bits) as milliseconds since 1900. */
export function ntpToMs(seconds: number, fraction: number): number {
  return seconds * 1000 + (fraction * 1000) / TWO_32;
}

/** Whole NTP seconds of `ntpMs`. */
export function ntpSeconds(ntpMs: number): number {
  return Math.floor(ntpMs / 1000) % TWO_32;
}

/** NTP fraction of `ntpMs`, unsigned 32 bits. */
export function ntpFraction(ntpMs: number): number {
  return Math.floor(((ntpMs % 1000) / 1000) * TWO_32);
}

/** The middle 32 bits of an NTP time, as LSR carries them (RFC 3550 §6.4.1). */
export function compactNtp(seconds: number, fraction: number): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0;
}

/** The newest sender report of one stream. */
export class RtcpClock {
  /** `false` until the first report; all else is meaningless before. */
  heard = false;
  /** Whether it says what time a timestamp is: `false` from {@linkcode doubt} to the next one. */
  known = false;
  ntpMs = 0;
  /** 32 bits. */
  rtpTimestamp = 0;
  /** Our monotonic ms when the report arrived. */
  arrivedAt = 0;
  /** LSR of our receiver reports. */
  lastSenderReport = 0;

  /** Stores a report; one that is older than the newest is ignored. */
  update(seconds: number, fraction: number, rtpTimestamp: number, now: number): void {
    const ntpMs = ntpToMs(seconds, fraction);
    if (this.heard && ntpMs < this.ntpMs && now - this.arrivedAt < 10_000) return;
    this.heard = this.known = true;
    this.ntpMs = ntpMs;
    this.rtpTimestamp = rtpTimestamp;
    this.arrivedAt = now;
    this.lastSenderReport = compactNtp(seconds, fraction);
  }

  reset(): void {
    this.heard = this.known = false;
  }

  /** The stream's clock has leapt, or stood still: the report says nothing of what follows. */
  doubt(): void {
    this.known = false;
  }

  /** How far a packet that arrives is ahead of where the report puts it, ms; negative: behind. */
  leadMs(timestamp: number, clockRate: number, now: number): number {
    return this.ntpMsOf(timestamp, clockRate) - this.ntpMs - (now - this.arrivedAt);
  }

  /** NTP ms of the instant whose RTP timestamp is `timestamp` (32 bits, within ±13 h at 90 kHz). */
  ntpMsOf(timestamp: number, clockRate: number): number {
    return this.ntpMs + (((timestamp - this.rtpTimestamp) | 0) * 1000) / clockRate;
  }

  /** RTP timestamp (32 bits) of an NTP instant. */
  timestampAt(ntpMs: number, clockRate: number): number {
    const ticks = Math.round(((ntpMs - this.ntpMs) * clockRate) / 1000);
    return (this.rtpTimestamp + ticks) >>> 0;
  }
}
