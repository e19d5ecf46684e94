/**
 * What a run of the benchmark comes to: its lines with every column, and the few figures the
 * project has targets for. Pure; names are those of the JSON.
 *
 * @module
 */
import type { CongestionRow } from "../congestion/congestion_bench.ts";
import type { RoomCost } from "../control/control_calls.ts";
import type { DirectoryCost } from "../control/directory_cost.ts";
import type { ControlFigures } from "../control/control_cost.ts";
import type { JoinTimes } from "../control/join_to_frame.ts";
import type { JoinCostRow } from "../control/join_cost.ts";
import type { DataFloodFigures } from "../control/data_flood.ts";
import type { StormFigures } from "../control/storm.ts";
import type { HopCost } from "../forwarding/hop_cost.ts";
import type { RelayRow } from "../real_loads/relay_load.ts";
import type { SoakFigures } from "../forwarding/soak_verdict.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { LoadRow } from "../real_loads/load_measurement.ts";
import { summarizeLoads } from "./load_summary.ts";

/** One measured line. Columns that could not be measured are absent. */
export interface Run {
  readonly scenario: string;
  readonly title: string;
  /** `native`, `portable`, `werift`; `c` and `c_gso` are the limit. */
  readonly engine: string;
  /** In the SFU's own words. */
  readonly engine_detail: string;
  readonly workers: number;
  readonly subscribers: number;
  readonly streams: number;
  /** At 70 % load: packets to all subscribers, and what they cost. */
  readonly packets_per_s: number;
  readonly cpu_us_per_packet: number;
  /** 1 is one busy core. */
  readonly cpu_share: number;
  readonly packets_per_s_per_core: number;
  /** Share of packets no subscriber read, 0–1. */
  readonly loss: number;
  readonly saturation_packets_per_s?: number;
  readonly half_load_packets_per_s?: number;
  /** At half load, above what a datagram takes over loopback. */
  readonly latency_p50_ms?: number;
  readonly latency_p99_ms?: number;
  readonly latency_p999_ms?: number;
  readonly latency_max_ms?: number;
  readonly loss_half_load?: number;
  readonly rss_bytes_per_subscriber?: number;
  readonly heap_bytes_per_packet?: number;
  readonly gc_longest_pause_ms?: number;
  readonly gc_paused_share?: number;
  readonly connect_ms?: number;
  readonly load_cpu_share?: number;
  readonly load_longest_gap_ms?: number;
  /** Packets whose time is not known. */
  readonly unmatched?: number;
  /** Datagrams that came faster than they were read: whose fault a loss was. */
  readonly unread_by_sfu?: number;
  readonly unread_by_clients?: number;
  readonly drops?: Readonly<Record<string, number>>;
}

/** What two workers do against one. */
export interface WorkersFigures {
  /** The result: see the benchmark's README for how it is got on few cores. */
  readonly speedup: number;
  /** Packets per second carried, as it is. */
  readonly carried_by_one: number;
  readonly carried_by_two: number;
  readonly cpu_us_per_packet_one: number;
  readonly cpu_us_per_packet_two: number;
  /** 1 if both do the same, 0.5 if one does all. */
  readonly balance: number;
}

/** The figures with targets; `null` if one of the lines is missing. */
export interface Summary {
  /** Native engine by C loop, 1 → 100; at most 1.4. */
  readonly ratio_to_c_at_100: number | null;
  /** werift by native engine, 1 → 100; at least 8. */
  readonly ratio_to_werift_at_100: number | null;
  /** werift by portable engine, 1 → 100; at least 2.5. */
  readonly portable_ratio_to_werift_at_100: number | null;
  /** Native engine with whole frames by C loop without segmentation; at most 0.7. */
  readonly gso_ratio_to_c: number | null;
  /** At least 1.8. */
  readonly workers_speedup: number | null;
  /** Native engine, 1 → 100; less than 3, and 0 packets lost. */
  readonly p99_ms_half_load: number | null;
  readonly loss_half_load: number | null;
}

const HUNDRED = "video-100";
const WHOLE_FRAMES = "frames-100";

/** Puts the figures with targets together. */
export function summarize(runs: readonly Run[], workers: WorkersFigures | undefined): Summary {
  const find = (scenario: string, engine: string) =>
    runs.find((run) => run.scenario === scenario && run.engine === engine && run.workers === 0);
  const native = find(HUNDRED, "native");
  const werift = find(HUNDRED, "werift");
  return {
    ratio_to_c_at_100: costRatio(native, find(HUNDRED, "c")),
    ratio_to_werift_at_100: costRatio(werift, native),
    portable_ratio_to_werift_at_100: costRatio(werift, find(HUNDRED, "portable")),
    gso_ratio_to_c: costRatio(find(WHOLE_FRAMES, "native"), find(WHOLE_FRAMES, "c")),
    workers_speedup: workers?.speedup ?? null,
    p99_ms_half_load: native?.latency_p99_ms ?? null,
    loss_half_load: native?.loss_half_load ?? null,
  };
}

/** How many times the CPU time of `other` a packet of `run` takes. */
function costRatio(run: Run | undefined, other: Run | undefined): number | null {
  if (run === undefined || other === undefined) return null;
  return run.cpu_us_per_packet / other.cpu_us_per_packet;
}

/** Everything measured so far. */
export interface Report {
  readonly runs: Run[];
  /** Lines of the table of loads. */
  readonly loads: LoadRow[];
  /** What could not be measured and why. */
  readonly missing: string[];
  readonly machine: {
    readonly os: string;
    readonly arch: string;
    readonly cores: number;
    readonly memory: number;
    readonly deno: string;
  };
  /** What the clients read with. */
  sockets?: string;
  /** A datagram over loopback, ms. */
  baseline?: Percentiles;
  workers?: WorkersFigures;
  storm?: StormFigures;
  flood?: DataFloodFigures;
  joins?: JoinCostRow[];
  control?: ControlFigures;
  rooms?: readonly RoomCost[];
  directory?: readonly DirectoryCost[];
  relays?: readonly RelayRow[];
  hop?: HopCost;
  congestion?: readonly Omit<CongestionRow, "lines">[];
  join?: JoinTimes;
  soak?: SoakFigures;
}

/** The report as `--json` prints it: `runs`, the figures with targets, and the other parts. */
export function reportJson(report: Report): Record<string, unknown> {
  const { runs, workers, ...rest } = report;
  return {
    ...summarize(runs, workers),
    ...summarizeLoads(report.loads),
    ...rest,
    ...(workers === undefined ? {} : { workers }),
    runs,
  };
}
