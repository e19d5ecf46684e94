/**
 * Where clients are told to go: the addresses of nodes that take newcomers, nearest first, as
 * LiveKit's clients read them (`/settings/regions`, and `LeaveRequest.regions`). Pure.
 *
 * @module
 */
import { RegionInfo, RegionSettings } from "@livekit/protocol";
import type { NodeRecord } from "./directory/cluster_directory.ts";

/** Addresses of one region that are named: who cannot reach these will hardly reach a fourth. */
const MAX_OF_REGION = 3;
/** Of all: a message that every client may be sent. */
const MAX_REGIONS = 32;
const EARTH_RADIUS_KM = 6_371;
/** Half around the earth: a region of which nobody has said where it is comes last. */
const UNKNOWN_KM = 20_037;

/** Where a region is, degrees. */
export interface RegionPlace {
  readonly name: string;
  readonly lat: number;
  readonly lon: number;
}

/**
 * The list, as seen from a region.
 *
 * @param nodes Of all regions; those that do not take newcomers, or have no address for clients,
 *   are passed over.
 */
export function regionList(
  nodes: readonly NodeRecord[],
  region: string,
  places: readonly RegionPlace[],
): RegionSettings {
  const open = nodes.filter((node) =>
    node.state === "serving" && node.clientAddress !== "" && node.load.headroom > 0
  );
  const byRegion = [...Map.groupBy(open, (node) => node.region)]
    .map(([name, members]) => ({ name, members, km: distanceKm(region, name, places) }))
    .sort((a, b) => a.km - b.km || (a.name < b.name ? -1 : 1));
  const named = new Set<string>();
  const regions = byRegion.flatMap(({ name, members, km }) => {
    const freest = members.toSorted((a, b) => b.load.headroom - a.load.headroom);
    const urls = new Set(freest.map(({ clientAddress }) => clientAddress));
    return [...urls].filter((url) => !named.has(url)).slice(0, MAX_OF_REGION).map((url) => {
      named.add(url);
      return new RegionInfo({ region: name, url, distance: BigInt(Math.round(km)) });
    });
  });
  return new RegionSettings({ regions: regions.slice(0, MAX_REGIONS) });
}

/**
 * From one region to another along a great circle, km; where nobody has said where one of them is,
 * as far as it can be.
 */
export function distanceKm(from: string, to: string, places: readonly RegionPlace[]): number {
  if (from === to) return 0;
  const a = places.find(({ name }) => name === from);
  const b = places.find(({ name }) => name === to);
  if (a === undefined || b === undefined) return UNKNOWN_KM;
  const [latA, latB, lon] = [a.lat, b.lat, b.lon - a.lon].map((degrees) => degrees * Math.PI / 180);
  // The haversine formula.
  const half = Math.sin((latB! - latA!) / 2) ** 2 +
    Math.cos(latA!) * Math.cos(latB!) * Math.sin(lon! / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(half)));
}
