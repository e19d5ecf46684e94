/**
 * The table of a room that spans nodes.
 *
 * @module
 */
import type { HopCost } from "../forwarding/hop_cost.ts";
import type { Wants } from "../real_loads/relay_calls.ts";
import type { RelayNodeRow, RelayRow } from "../real_loads/relay_load.ts";

/** Title, width and text of each column. */
const COLUMNS: readonly (readonly [string, number, (row: RelayNodeRow) => string])[] = [
  ["hops", 6, ({ hops }) => `${hops}`],
  ["packets/s", 10, (row) => row.received_per_s.toFixed(0)],
  ["lost", 8, ({ loss }) => `${(loss * 100).toFixed(2)}%`],
  ["voice p50 ms", 13, (row) => row.voice_p50_ms.toFixed(2)],
  ["p99", 7, (row) => row.voice_p99_ms.toFixed(2)],
  ["CPU", 6, (row) => row.cpu_share.toFixed(2)],
  ["to nodes Mbit/s", 16, (row) => row.mbit_per_s_out.toFixed(2)],
  ["datagrams/s", 12, (row) => row.datagrams_per_s_out.toFixed(0)],
  ["kB/hop", 8, hopMemory],
];

const LAYERS: Readonly<Record<Wants, string>> = {
  best: "all want the best layer",
  all: "a third wants each layer",
  few: "of ten one wants the best layer, one the middle one, the others the lowest",
};

/** Prints what the table is of. */
export function printRelaysHead(): void {
  console.log("\nOne room on three nodes in two regions: a publisher at the first, behind no hop");
}

/** Prints one step. */
export function printRelays(row: RelayRow): void {
  const { subscribers_per_node: count, wants, clients_cpu_share, unread_by_clients } = row;
  console.log(
    `  3 × ${count} subscribers, ${LAYERS[wants]}: ${
      row.mbit_per_s_to_subscribers.toFixed(0)
    } Mbit/s to them; clients' CPU ${clients_cpu_share.toFixed(2)}, unread ${unread_by_clients}`,
  );
  console.log(`  ${COLUMNS.map(([title, width]) => title.padStart(width)).join("")}`);
  for (const node of row.nodes) {
    console.log(`  ${COLUMNS.map(([, width, cell]) => cell(node).padStart(width)).join("")}`);
  }
}

/** Prints what a packet costs. */
export function printHopCost(cost: HopCost): void {
  const { us_per_relayed_packet: relayed, us_per_forwarded_packet: forwarded } = cost;
  const ratio = cost.relayed_to_forwarded.toFixed(2);
  console.log(
    `  CPU of a packet: relayed ${relayed.toFixed(2)} µs, forwarded ${
      forwarded.toFixed(2)
    } µs (× ${ratio})`,
  );
}

function hopMemory({ relay_hops, relay_memory_bytes }: RelayNodeRow): string {
  return relay_hops === 0 ? "-" : (relay_memory_bytes / relay_hops / 1000).toFixed(0);
}
