/**
 * What `roomwire top` lists: columns and rows of each page, out of the server's stream.
 *
 * Pure.
 *
 * @module
 */
import type {
  ClusterFigures,
  NodeFigures,
  ParticipantFigures,
  QualityWord,
  ReceivedFigures,
  RoomFigures,
  TrackFigures,
} from "../../watch/figures.ts";
import { shortBytes, shortMs, shortRate, shortShare, shortTime } from "./short_figures.ts";

/** One column. */
export interface TopColumn<T> {
  readonly title: string;
  /** Columns of the terminal; the first column of a table takes what is left. */
  readonly width: number;
  readonly text: (row: T) => string;
  /** Unknown comes last. */
  readonly sort: (row: T) => number | string | undefined;
  /** Stands at the right, and is sorted from the largest on at first. */
  readonly isNumber?: boolean;
  /** Something is wrong there. */
  readonly isBad?: (row: T) => boolean;
}

/** A table with its rows. */
export interface TopTable<T = unknown> {
  readonly columns: readonly TopColumn<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
}

/** Which table is shown. */
export type TopPage = "rooms" | "room" | "participant" | "nodes";

/** A room with its sid. */
export type RoomRow = RoomFigures & { readonly key: string; readonly nowMs: number };
/** Somebody with its sid. */
export type ParticipantRow = ParticipantFigures & { readonly key: string };
type NodeRow = NodeFigures & { readonly key: string; readonly nowMs: number };
type TrackRow = {
  readonly key: string;
  readonly title: string;
  readonly way: "sends" | "receives";
  readonly codec: string;
  readonly size: string;
  readonly bps: number | undefined;
  readonly loss: number | undefined;
  readonly state: string;
};

const QUALITIES: readonly (QualityWord | undefined)[] = ["lost", "poor", "good", "excellent"];

/** The table of a page. */
export function topTable(
  state: ClusterFigures,
  page: TopPage,
  identity: string | undefined,
): TopTable {
  const { atMs: nowMs } = state;
  // A table's own columns read its own rows.
  const table = <T extends { readonly key: string }>(
    columns: readonly TopColumn<T>[],
    rows: readonly T[],
  ) => ({ columns, rows, keyOf: ({ key }: T) => key }) as unknown as TopTable;
  switch (page) {
    case "rooms":
      return table(ROOMS, entries(state.rooms).map((row) => ({ ...row, nowMs })));
    case "nodes":
      return table(NODES, entries(state.nodes).map((row) => ({ ...row, nowMs })));
    case "room":
      return table(PARTICIPANTS, entries(state.participants ?? {}));
    case "participant":
      return table(TRACKS, trackRows(state, identity));
  }
}

function entries<T extends object>(map: Readonly<Record<string, T>>): (T & { key: string })[] {
  return Object.entries(map).map(([key, value]) => ({ ...value, key }));
}

const ROOMS: readonly TopColumn<RoomRow>[] = [
  { title: "ROOM", width: 12, text: ({ name }) => name, sort: ({ name }) => name },
  count("PEOPLE", ({ participants }) => participants),
  quality(),
  rate("IN", ({ inBps }) => inBps),
  rate("OUT", ({ outBps }) => outBps),
  count("TRACKS", ({ tracks }) => tracks),
  count("SUBS", ({ subscriptions }) => subscriptions),
  age(({ createdAtMs }) => createdAtMs),
  {
    title: "STATE",
    width: 15,
    text: ({ isLocked, isRecorded }) =>
      [isLocked ? "locked" : "", isRecorded ? "recorded" : ""].filter((word) => word !== "").join(),
    sort: ({ isLocked, isRecorded }) => Number(isLocked) + 2 * Number(isRecorded),
  },
  count("NODES", ({ nodes }) => Object.keys(nodes).length),
];

const PARTICIPANTS: readonly TopColumn<ParticipantRow>[] = [
  {
    title: "PARTICIPANT",
    width: 12,
    text: ({ identity, name }) =>
      name === "" || name === identity ? identity : `${name} ${identity}`,
    sort: ({ identity, name }) => name || identity,
  },
  quality(),
  {
    title: "RTT",
    width: 7,
    text: ({ rttMs }) => shortMs(rttMs),
    sort: ({ rttMs }) => rttMs,
    isNumber: true,
  },
  share("LOSS<", ({ inLoss }) => inLoss),
  share("LOSS>", ({ outLoss }) => outLoss),
  rate("IN", ({ inBps }) => inBps),
  rate("OUT", ({ outBps }) => outBps),
  rate("ESTIM", ({ estimateBps }) => estimateBps),
  count("TRACKS", ({ tracks }) => Object.keys(tracks).length),
  count("SUBS", ({ subscriptions }) => subscriptions),
  {
    title: "STATE",
    width: 12,
    text: ({ state, kind }) => kind === "standard" ? state : `${state} ${kind}`,
    sort: ({ state }) => state,
  },
  { title: "PATH", width: 6, text: ({ path = "" }) => path, sort: ({ path = "" }) => path },
  { title: "NODE", width: 15, text: ({ node }) => node, sort: ({ node }) => node },
];

const NODES: readonly TopColumn<NodeRow>[] = [
  {
    title: "NODE",
    width: 15,
    text: ({ key, region }) => region === "" ? key : `${key} ${region}`,
    sort: ({ key }) => key,
  },
  {
    title: "STATE",
    width: 9,
    text: ({ state }) => state,
    sort: ({ state }) => state,
    isBad: ({ state }) => state === "silent",
  },
  share("CPU", ({ cpu }) => cpu),
  {
    title: "MEMORY",
    width: 7,
    text: ({ memoryBytes }) => shortBytes(memoryBytes),
    sort: ({ memoryBytes }) => memoryBytes,
    isNumber: true,
  },
  count("ROOMS", ({ rooms }) => rooms),
  count("PEOPLE", ({ participants }) => participants),
  rate("IN", ({ inBps }) => inBps),
  rate("OUT", ({ outBps }) => outBps),
  {
    title: "LINKS",
    width: 7,
    text: ({ links = {} }) => {
      const all = Object.values(links);
      return `${all.filter(({ isUp }) => isUp).length}/${all.length}`;
    },
    sort: ({ links = {} }) => Object.keys(links).length,
    isNumber: true,
    isBad: ({ links = {} }) => Object.values(links).some(({ isUp }) => !isUp),
  },
  age(({ startedAtMs }) => startedAtMs),
  {
    title: "VERSION",
    width: 9,
    text: ({ version = "" }) => version,
    sort: ({ version }) => version,
  },
];

const TRACKS: readonly TopColumn<TrackRow>[] = [
  { title: "TRACK", width: 20, text: ({ title }) => title, sort: ({ key }) => key },
  { title: "WAY", width: 9, text: ({ way }) => way, sort: ({ way }) => way },
  rate("RATE", ({ bps }) => bps),
  share("LOSS", ({ loss }) => loss),
  { title: "CODEC", width: 6, text: ({ codec }) => codec, sort: ({ codec }) => codec },
  { title: "SIZE", width: 10, text: ({ size }) => size, sort: ({ size }) => size },
  { title: "STATE", width: 12, text: ({ state }) => state, sort: ({ state }) => state },
];

/** What somebody sends, each track followed by its layers, and what it receives. */
function trackRows(state: ClusterFigures, identity: string | undefined): TrackRow[] {
  const all = Object.values(state.participants ?? {});
  const person = all.find((candidate) => candidate.identity === identity);
  return [
    ...Object.entries(person?.tracks ?? {}).flatMap(([sid, track]) => sentRows(sid, track)),
    ...Object.entries(state.received ?? {}).map(([sid, track]) => receivedRow(sid, track)),
  ];
}

function sentRows(sid: string, track: TrackFigures): TrackRow[] {
  const { source, name, codec, width, height, inBps, inLoss, isMuted, layers } = track;
  const title = name === "" ? source : `${source} ${name}`;
  const base = { way: "sends" as const, codec, size: "", state: "" };
  const size = width === undefined ? "" : `${width}x${height}`;
  const muted = isMuted ? "muted" : "";
  const below = Object.entries(layers);
  return [
    { ...base, key: `0 ${sid}`, title, bps: inBps, loss: inLoss, size, state: muted },
    ...(below.length < 2 ? [] : below.map(([layer, figures]) => ({
      ...base,
      key: `0 ${sid} ${layer}`,
      title: `  layer ${layer}`,
      bps: figures.inBps,
      loss: figures.inLoss,
    }))),
  ];
}

function receivedRow(
  sid: string,
  { identity, source, kind, layer, outBps }: ReceivedFigures,
): TrackRow {
  return {
    key: `1 ${sid}`,
    title: `${source} of ${identity}`,
    way: "receives",
    codec: "",
    size: "",
    bps: outBps,
    loss: undefined,
    state: layer === undefined ? "nothing" : kind === "audio" ? "" : `layer ${layer}`,
  };
}

function count<T>(title: string, of: (row: T) => number): TopColumn<T> {
  return { title, width: 7, text: (row) => String(of(row)), sort: of, isNumber: true };
}

function rate<T>(title: string, of: (row: T) => number | undefined): TopColumn<T> {
  return { title, width: 7, text: (row) => shortRate(of(row)), sort: of, isNumber: true };
}

function share<T>(title: string, of: (row: T) => number | undefined): TopColumn<T> {
  return { title, width: 7, text: (row) => shortShare(of(row)), sort: of, isNumber: true };
}

function age<T extends { readonly nowMs: number }>(of: (row: T) => number): TopColumn<T> {
  return {
    title: "AGE",
    width: 6,
    text: (row) => shortTime(row.nowMs - of(row)),
    sort: (row) => row.nowMs - of(row),
    isNumber: true,
  };
}

function quality<T extends { readonly quality?: QualityWord }>(): TopColumn<T> {
  return {
    title: "QUALITY",
    width: 9,
    text: ({ quality = "" }) => quality,
    sort: ({ quality }) => quality === undefined ? undefined : QUALITIES.indexOf(quality),
    isBad: ({ quality }) => quality === "poor" || quality === "lost",
  };
}
