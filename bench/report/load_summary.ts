/**
 * What the lines of loads come to: medians of the repetitions, and the figures the project has
 * targets for. Pure; names are those of the JSON.
 *
 * @module
 */
import type { LoadRow } from "../real_loads/load_measurement.ts";

/** The figures with targets, of this project's server; `null` if the line is missing. */
export interface LoadSummary {
  readonly us_per_packet_1_50: number | null;
  readonly us_per_packet_6_40: number | null;
  readonly us_per_packet_audio_10_50: number | null;
  /** CPU time of a message of 100 bytes for each receiver. */
  readonly us_per_data_message: number | null;
  /** CPU time per second of a participant that does nothing, and what RSS grows by for it. */
  readonly idle_us_per_second: number | null;
  readonly idle_bytes: number | null;
}

/** Of the server with the engine of its choice. */
const OWN = "roomwire";

/** Puts the figures with targets together. */
export function summarizeLoads(rows: readonly LoadRow[]): LoadSummary {
  const own = (scenario: string, of: (row: LoadRow) => number | undefined) =>
    medianOf(rows, scenario, OWN, of) ?? null;
  const cost = ({ us_per_packet }: LoadRow) => us_per_packet;
  return {
    us_per_packet_1_50: own("video-1-50", cost),
    us_per_packet_6_40: own("video-6-40", cost),
    us_per_packet_audio_10_50: own("audio-10-50", cost),
    us_per_data_message: own("data-1-20-100", cost),
    idle_us_per_second: own("idle-200", ({ us_per_participant_s }) => us_per_participant_s),
    idle_bytes: own("idle-200", ({ rss_bytes_per_participant }) => rss_bytes_per_participant),
  };
}

/** The middle of one column over the repetitions of a line; `undefined` if there are none. */
export function medianOf(
  rows: readonly LoadRow[],
  scenario: string,
  server: string,
  of: (row: LoadRow) => number | undefined,
): number | undefined {
  const values = rows.filter((row) => row.scenario === scenario && row.server === server)
    .map(of).filter((value) => value !== undefined).sort((a, b) => a - b);
  if (values.length === 0) return undefined;
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1]! + values[middle]!) / 2;
}

/** Cost of a packet, or of an idle participant, against a peer's. */
export interface LoadRatio {
  readonly scenario: string;
  readonly server: string;
  readonly ratio: number;
}

/** Medians of this project's servers by the peer's, for each scenario that both were under. */
export function loadRatios(rows: readonly LoadRow[]): LoadRatio[] {
  const cost = (row: LoadRow) => row.us_per_packet ?? row.us_per_participant_s;
  const names = [...new Set(rows.map(({ scenario }) => scenario))];
  const servers = [...new Set(rows.map(({ server }) => server))].filter((name) => name !== "peer");
  return names.flatMap((scenario) => {
    const peer = medianOf(rows, scenario, "peer", cost);
    return servers.flatMap((server) => {
      const own = medianOf(rows, scenario, server, cost);
      return peer === undefined || own === undefined
        ? []
        : [{ scenario, server, ratio: own / peer }];
    });
  });
}
