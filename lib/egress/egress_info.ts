/**
 * What applications are told of an egress (`EgressInfo`), times in nanoseconds.
 *
 * @module
 */
import {
  EgressInfo,
  EgressSourceType,
  EgressStatus,
  FileInfo,
  SegmentsInfo,
} from "@livekit/protocol";
import type { EgressState } from "./egress_state.ts";
import { type OutputPart, type SegmentsState, wholeSpan } from "./egress_output.ts";

const NS_PER_MS = 1_000_000n;

/** Whole milliseconds as nanoseconds. */
function ns(ms: number): bigint {
  return BigInt(Math.round(ms)) * NS_PER_MS;
}

/** How it is now, in values of its own. */
export function egressInfo(egress: EgressState): EgressInfo {
  const { id, plan, room, status, error, startedAtMs, endedAtMs, updatedAtMs, manifest } = egress;
  const files = [...composedInfo(egress), ...egress.parts.map(fileInfo)];
  const segments = egress.segments.map(segmentsInfo);
  return new EgressInfo({
    egressId: id,
    roomId: room.sid,
    roomName: plan.roomName,
    sourceType: EgressSourceType.SDK,
    status,
    startedAt: ns(startedAtMs),
    endedAt: ns(endedAtMs),
    updatedAt: ns(updatedAtMs),
    request: plan.request,
    fileResults: files,
    // Older SDKs know of one file.
    ...(files.length === 1 || egress.composition?.ok === true
      ? { result: { case: "file", value: files[0]!.clone() } }
      : {}),
    segmentResults: segments,
    ...(segments.length === 1 ? { result: { case: "segments", value: segments[0]!.clone() } } : {}),
    error,
    errorCode: status === EgressStatus.EGRESS_FAILED ? 500 : 0,
    details: [
      compositionNote(egress),
      plan.details,
      egress.tracks.notes,
      egress.continues === "" ? "" : continuesNote(egress.continues),
      journalNote(egress),
      egress.endNote,
    ]
      .filter((note) => note !== "").join("; "),
    manifestLocation: manifest,
  });
}

/** What a recording says of the one that it goes on with. */
export function continuesNote(egressId: string): string {
  return `goes on with ${egressId}, whose node is gone`;
}

/** The recording that this one goes on with, by its {@linkcode continuesNote}; empty if none. */
export function continuedBy({ details }: Pick<EgressInfo, "details">): string {
  return /(?:^|; )goes on with (EG_\w+), whose node is gone(?:$|; )/.exec(details)?.[1] ?? "";
}

function segmentsInfo(state: SegmentsState): SegmentsInfo {
  const { playlist, livePlaylist, count, durationMs, bytes, startedAtMs, endedAtMs } = state;
  return new SegmentsInfo({
    playlistName: playlist.name,
    playlistLocation: playlist.location,
    livePlaylistName: livePlaylist?.name ?? "",
    livePlaylistLocation: livePlaylist?.location ?? "",
    duration: ns(durationMs),
    size: BigInt(bytes),
    segmentCount: BigInt(count),
    startedAt: ns(startedAtMs),
    endedAt: ns(endedAtMs),
  });
}

/** What a room is made into beside the files of its tracks. */
function compositionNote({ plan, composition, obstacle }: EgressState): string {
  if (plan.selector.type !== "room") return "";
  const each = "each track is a file, and the manifest says when it is";
  if (composition?.ok === true) return `composed; ${each}, too`;
  const why = composition?.why ?? obstacle;
  if (plan.composed === undefined || why !== "") {
    return `nothing is composed${why === "" ? "" : ` (${why})`}: ${each}`;
  }
  return "it is composed when it has ended";
}

function composedInfo({ composition, parts }: EgressState): FileInfo[] {
  if (composition?.ok !== true) return [];
  const { name, location, bytes } = composition;
  const { startedAtMs, durationMs } = wholeSpan(parts);
  return [
    new FileInfo({
      filename: name,
      location,
      startedAt: ns(startedAtMs),
      endedAt: ns(startedAtMs + durationMs),
      duration: ns(durationMs),
      size: BigInt(bytes),
    }),
  ];
}

function journalNote({ journalFailure }: EgressState): string {
  return journalFailure === "" ? "" : `the journal of events ends early: ${journalFailure}`;
}

function fileInfo({ file, stored, startedAtMs }: OutputPart): FileInfo {
  const { durationMs, bytes } = file;
  return new FileInfo({
    filename: stored!.name,
    location: stored!.location,
    startedAt: ns(startedAtMs),
    endedAt: ns(startedAtMs + durationMs),
    duration: ns(durationMs),
    size: BigInt(bytes),
  });
}
