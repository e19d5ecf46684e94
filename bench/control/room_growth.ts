/**
 * What one participant more, and one track more, cost rooms of different sizes, in which everybody
 * publishes and receives everybody: the signalling alone, without sockets or media.
 *
 * @module
 */
import { BenchChild } from "../bench_child.ts";
import type { GrowthCalls, RoomCost } from "./control_calls.ts";

/** Sizes of the rooms. The largest has a million subscriptions. */
const MEMBERS = [50, 200, 1_000];
/** Everything here, ms. */
const LIMIT_MS = 240_000;

/** @throws {Error} if it takes longer than its limit. */
export async function measureRoomGrowth(onRoom: (cost: RoomCost) => void): Promise<RoomCost[]> {
  await using child = new BenchChild<GrowthCalls>("control/room_growth_process.ts", [
    "--v8-flags=--max-old-space-size=6144",
  ]);
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    child.kill();
  }, LIMIT_MS);
  const costs: RoomCost[] = [];
  try {
    for (const members of MEMBERS) {
      const cost = await child.call("measure", { members });
      costs.push(cost);
      onRoom(cost);
    }
    return costs;
  } catch (error) {
    throw isLate ? new Error(`not done after ${LIMIT_MS / 1000} s`) : error;
  } finally {
    clearTimeout(limit);
    // Letting go of a million subscriptions takes a while.
    child.kill();
  }
}
