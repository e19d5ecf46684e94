/**
 * Where people and nodes of the simulation are, and how far apart. Assumptions: shares of a service
 * with users everywhere, and round trips between data centres of public clouds, rounded.
 *
 * @module
 */

/** One region. */
export interface Region {
  readonly name: string;
  /** Of all people, and of all nodes. */
  readonly share: number;
}

export const REGIONS: readonly Region[] = [
  { name: "eu-central", share: 0.25 },
  { name: "eu-west", share: 0.12 },
  { name: "us-east", share: 0.23 },
  { name: "us-west", share: 0.13 },
  { name: "ap-south", share: 0.13 },
  { name: "ap-southeast", share: 0.09 },
  { name: "sa-east", share: 0.05 },
];

/** Where Redis is. */
export const REDIS_REGION = 0;

/** Round trips in ms, from each region to each. */
export const ROUND_TRIPS: readonly (readonly number[])[] = [
  [1, 25, 90, 150, 115, 165, 205],
  [25, 1, 75, 135, 125, 180, 185],
  [90, 75, 1, 65, 190, 215, 115],
  [150, 135, 65, 1, 220, 170, 175],
  [115, 125, 190, 220, 1, 60, 300],
  [165, 180, 215, 170, 60, 1, 330],
  [205, 185, 115, 175, 300, 330, 1],
];

/** Regions by their distance from one, that one first. */
export function regionsFrom(region: number): number[] {
  const times = ROUND_TRIPS[region]!;
  return [...REGIONS.keys()].sort((a, b) => times[a]! - times[b]!);
}

/** Splits `total` things over regions by their shares, at least one each. */
export function splitByShare(total: number): number[] {
  const counts = REGIONS.map(({ share }) => Math.max(1, Math.floor(total * share)));
  const sum = counts.reduce((a, b) => a + b, 0);
  counts[0]! += Math.max(0, total - sum);
  return counts;
}
