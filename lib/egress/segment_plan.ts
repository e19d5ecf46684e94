/**
 * What a request for segments asks for, and what its files are called.
 *
 * Names as of LiveKit's Egress (`output_segment.go`): a playlist without a folder stands where its
 * segments do, one without a name is called like them, and the other way round.
 *
 * @module
 */
import { type SegmentedFileOutput, SegmentedFileSuffix } from "@livekit/protocol";
import { AdminFailure } from "../admin/admin_failure.ts";
import { leadsOutside, type NameFacts, recordingPath } from "../recording/recording_name.ts";
import type { SegmentNames } from "./segmented_output.ts";

/** As LiveKit has it, s. */
const USUAL_S = 4;
/** Longer ones make live playlists useless, s. */
const MOST_S = 60;

/** Segments to be made. */
export interface SegmentPlan {
  /** Templates, see `recordingPath`; empty: none was asked for. */
  readonly prefix: string;
  readonly playlist: string;
  readonly livePlaylist: string;
  readonly isByTime: boolean;
  /** Of a segment. */
  readonly lengthMs: number;
}

/** The plan of a request, or why there is none. */
export function planSegments(request: SegmentedFileOutput): SegmentPlan | AdminFailure {
  const { filenamePrefix, playlistName, livePlaylistName, filenameSuffix, segmentDuration } =
    request;
  if ([filenamePrefix, playlistName, livePlaylistName].some(leadsOutside)) {
    const message = "names of segments and playlists must stay within the folder of recordings";
    return new AdminFailure("invalid_argument", message);
  }
  if (segmentDuration > MOST_S) {
    return new AdminFailure("invalid_argument", `segment_duration is at most ${MOST_S} s`);
  }
  return {
    prefix: filenamePrefix,
    playlist: playlistName,
    livePlaylist: livePlaylistName,
    isByTime: filenameSuffix === SegmentedFileSuffix.TIMESTAMP,
    lengthMs: (segmentDuration || USUAL_S) * 1_000,
  };
}

/** The paths of a plan, once it is known whose they are. */
export function segmentNames(
  { prefix, playlist, livePlaylist, isByTime }: SegmentPlan,
  fallback: string,
  facts: NameFacts,
): SegmentNames {
  const segments = prefix === "" ? playlist : prefix;
  const path = recordingPath(segments, fallback, facts);
  const beside = (template: string) => {
    const named = recordingPath(template, fallback, facts);
    return template.includes("/") ? named : folderOf(path) + named;
  };
  const whole = playlist === "" ? path : beside(playlist);
  return {
    prefix: path,
    playlist: whole,
    ...(livePlaylist === "" ? {} : { livePlaylist: otherThan(whole, beside(livePlaylist)) }),
    isByTime,
  };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** Both playlists of one name are one file for nobody. */
function otherThan(whole: string, live: string): string {
  return live === whole ? `${live}-live` : live;
}
