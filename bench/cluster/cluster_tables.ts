/**
 * The figures of the simulation as a person reads them.
 *
 * @module
 */
import type { HourFigures, LossesFigures, Traffic } from "./cluster_figures.ts";
import type { LossFigures } from "./cluster_run.ts";
import { nodesCost } from "./directory_costs.ts";
import type { Sum } from "./link_traffic.ts";
import type { MediaFigures } from "./media_relays.ts";

const SECONDS = 3_600;

/** At a share of ascending values; `NaN` if there is none. */
export function quantile(values: Float64Array, share: number): number {
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? NaN;
}

/** All kinds of traffic together. */
export function totalOf(traffic: Partial<Traffic>): Sum {
  const total = { messages: 0, bytes: 0 };
  for (const { messages, bytes } of Object.values(traffic)) {
    total.messages += messages;
    total.bytes += bytes;
  }
  return total;
}

export function printHour(hour: HourFigures): void {
  const { nodes, people, rooms, joins, steps, mean, peak, links, traffic, media } = hour;
  console.log(`${whole(nodes)} nodes, ${whole(people)} people in ${whole(rooms)} rooms`);
  console.log(`  joins in the hour ${whole(joins)}`);
  console.log("  Redis            operations/s  CPU %   kB/s in  kB/s out");
  for (const { step, operations, us, bytesIn, bytesOut } of steps) {
    if (operations === 0) continue;
    line(step, operations / SECONDS, us / SECONDS, bytesIn / SECONDS, bytesOut / SECONDS);
  }
  line("all", mean.operations, mean.us, mean.bytesIn, mean.bytesOut);
  line("busiest second", peak.operations, peak.us, peak.bytesIn, peak.bytesOut);
  console.log(`  links of a node ${whole(links)}; over them a node sends each second`);
  for (const [kind, { messages, bytes }] of Object.entries(traffic)) {
    console.log(
      `    ${kind.padEnd(14)} ${cell(messages / nodes)} messages ${kb(bytes / nodes)} kB`,
    );
  }
  printMedia(nodes, media);
}

export function printTogether(
  nodes: number,
  { links, traffic, media }: {
    readonly links: number;
    readonly traffic: Partial<Traffic>;
    readonly media: MediaFigures;
  },
): void {
  const { messages, bytes } = totalOf(traffic);
  console.log("  if people of a region were sent to nodes that serve their room:");
  console.log(
    `  links of a node ${whole(links)}, ${whole(messages / nodes)} messages and ` +
      `${kb(bytes / nodes)} kB a second`,
  );
  printMedia(nodes, media);
}

export function printLosses(name: string, { hundredth, region }: LossesFigures): void {
  console.log(`  losses, ${name}`);
  printLoss("a hundredth", hundredth);
  printLoss("a region", region);
}

/** What ten times as many nodes and people come to: what grows with each, and with both. */
export function printTenfold({ nodes, steps, mean, media }: HourFigures): void {
  const reading = steps.find(({ step }) => step === "nodes")!;
  const asked = nodesCost(0);
  const records = (reading.us - asked.us * reading.operations) / SECONDS;
  const recordBytes = (reading.bytesOut - asked.bytesOut * reading.operations) / SECONDS;
  const us = (mean.us - records) * 10 + records * 100;
  const bytesOut = (mean.bytesOut - recordBytes) * 10 + recordBytes * 100;
  const others = nodes * 10;
  const links = others * (1 - Math.exp(-media.peersPerNode / others));
  console.log(
    `  ten times as many: Redis ${percent(us / 1e6)} % of a thread, of it ` +
      `${percent(records * 100 / 1e6)} % records of nodes, ${(bytesOut / 1e6).toFixed(0)} MB/s ` +
      `out; ${whole(links)} links of a node`,
  );
}

function printMedia(nodes: number, media: MediaFigures): void {
  const gbit = (bits: number) => (bits / nodes / 1e9).toFixed(2);
  console.log(
    `  rooms on several nodes ${whole(media.sharedRooms)} of ${whole(media.rooms)}, ` +
      `${media.nodesPerRoom.toFixed(1)} nodes a room`,
  );
  console.log(
    `  a node sends ${gbit(media.deliveredBits)} Gbit/s to people, ${gbit(media.relayedBits)} to ` +
      `nodes (${percent(media.relayedBits / media.deliveredBits)} %) by ` +
      `${whole(media.relays / nodes)} relays; the busiest ` +
      `${(media.busiestSenderBits / 1e9).toFixed(2)}`,
  );
  console.log(
    `  between regions ${(media.bitsBetweenRegions / 1e9).toFixed(0)} Gbit/s in all, without ` +
      `heads ${(media.bitsBetweenRegionsWithoutHeads / 1e9).toFixed(0)}`,
  );
}

function printLoss(what: string, loss: LossFigures): void {
  const seconds = (ms: number | undefined) => ms === undefined ? "-" : (ms / 1000).toFixed(1);
  const noticed = loss.backAfterNoticeMs;
  console.log(
    `    ${what}: ${whole(loss.nodes)} nodes, ${whole(loss.clients)} clients; back ` +
      `${seconds(quantile(noticed, 0.5))} s (p99 ${seconds(quantile(noticed, 0.99))}, last ` +
      `${seconds(noticed.at(-1))}) after they noticed, the last ` +
      `${seconds(loss.backAfterMs.at(-1))} s after the loss`,
  );
  console.log(
    `      gave up ${whole(loss.gaveUp)}, told to wait ${whole(loss.toldToWait)} times, late ` +
      `answers ${whole(loss.lateAnswers)}, dials of the ` +
      `dead ${whole(loss.refused)}, no room ${whole(loss.full)}; gone for others after ` +
      `${seconds(loss.goneAfterMs)} s, all buried after ${seconds(loss.buriedAfterMs)} s ` +
      `(${whole(loss.roomsBuried)} times a room, ${whole(loss.claimsFreed)} claims)`,
  );
  console.log(
    `      Redis: ${whole(loss.peakOperations)} operations in a second, ` +
      `${(loss.peakBytesOut / 1e6).toFixed(0)} MB out, longest wait ` +
      `${whole(loss.longestWaitMs)} ms`,
  );
}

function line(name: string, operations: number, us: number, into: number, out: number): void {
  console.log(
    `    ${name.padEnd(15)} ${cell(operations)} ${percent(us / 1e6).padStart(7)} ${kb(into)} ` +
      kb(out),
  );
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function cell(value: number): string {
  return whole(value).padStart(11);
}

function kb(bytes: number): string {
  return whole(bytes / 1000).padStart(9);
}

function percent(share: number): string {
  return (share * 100).toFixed(share < 0.1 ? 2 : 1);
}
