/**
 * Figures in a few columns.
 *
 * @module
 */

const UNKNOWN = "-";

/** Bits per second: `260k`, `1.5M`. */
export function shortRate(bps: number | undefined): string {
  if (bps === undefined) return UNKNOWN;
  if (bps < 999_500) return `${Math.round(bps / 1000)}k`;
  const [value, unit] = bps < 999_500_000 ? [bps / 1e6, "M"] : [bps / 1e9, "G"];
  return `${value < 100 ? value.toFixed(1) : Math.round(value)}${unit}`;
}

/** A share of 0 to 1: `0.1%`. */
export function shortShare(share: number | undefined): string {
  if (share === undefined) return UNKNOWN;
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}%`;
}

/** Milliseconds. */
export function shortMs(ms: number | undefined): string {
  return ms === undefined ? UNKNOWN : `${ms}ms`;
}

/** Bytes: `86M`. */
export function shortBytes(bytes: number | undefined): string {
  if (bytes === undefined) return UNKNOWN;
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)}M` : `${(bytes / 1e9).toFixed(1)}G`;
}

/** How long something lasts: `12s`, `3m`, `2h05`, `3d`. */
export function shortTime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.floor(hours / 24)}d`;
}
