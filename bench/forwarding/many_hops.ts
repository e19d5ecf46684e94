/**
 * What a turn of an engine costs by the number of hops to engines of other nodes: one of them
 * carries a small packet in each turn, the others are joined and carry nothing, or are kept known.
 * CPU time of this process, over simulated sockets; both ends are in it.
 *
 * A program of its own: `deno run --allow-all bench/forwarding/many_hops.ts`.
 *
 * @module
 */
import process from "node:process";
import { chooseMediaCrypto } from "../../lib/transport/media_crypto.ts";
import { ManyHops } from "../../tests/support/media/many_hops.ts";

const COUNTS = [1, 10, 100, 1_000];
/** Turns of a round, 10 ms apart: an engine looks so often while anything crosses. */
const TURNS = 500;
const TURN_MS = 10;
const ROUNDS = 5;
const LOOKS = 20_000;

/** CPU time of one turn of one end, µs. */
async function turnCost(world: ManyHops): Promise<number> {
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < TURNS; i++) {
      world.now += TURN_MS - 1;
      world.send(0);
      await world.run(1);
    }
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / TURNS / 2);
  }
  return costs.toSorted((a, b) => a - b)[ROUNDS >> 1]!;
}

/** What it costs to find out when there is something to do, as after each command, µs. */
function lookCost({ near }: ManyHops): number {
  const before = process.cpuUsage();
  let sum = 0;
  for (let i = 0; i < LOOKS; i++) sum += near.hops.nextWakeAt;
  const { user, system } = process.cpuUsage(before);
  return sum > 0 ? (user + system) / LOOKS : NaN;
}

const crypto = chooseMediaCrypto("auto");
console.log("µs of CPU a turn of one end; one hop carries a packet");
console.log("   hops   the others idle   the others kept known   when is the next due");
for (const count of COUNTS) {
  const world = new ManyHops(count, 1, crypto);
  world.share(0, true);
  await world.run(1_000);
  const idle = await turnCost(world);
  for (let n = 1; n < count; n++) world.share(n, true);
  await world.run(2_000);
  const known = await turnCost(world);
  const text = (value: number) => value.toFixed(1);
  console.log(
    `${String(count).padStart(7)}${text(idle).padStart(18)}${text(known).padStart(24)}` +
      lookCost(world).toFixed(2).padStart(23),
  );
}
