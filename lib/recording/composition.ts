/**
 * One picture and one sound out of the files of a room's recording: everybody in a grid, each at
 * the right time, as arguments of FFmpeg. Pure.
 *
 * @module
 */
import type { MediaKind } from "../base/media_vocabulary.ts";
import type { ContainerFormat } from "./container/container.ts";

/** A grid of more is for nobody's eyes, and each costs memory. */
export const MOST_PICTURES = 25;
const MOST_SOUNDS = 100;
/**
 * Of one picture: screens have fewer. A few bytes may claim fifteen times as many, and each decoder
 * takes memory for several of them.
 */
const MOST_PIXELS = 4_096 * 4_096;
/** Of the composed file. */
const FRAME_RATE = 25;
const SOUND_RATE = 48_000;

/** A file with one track, and when it is. */
export interface ComposedTrack {
  /** Below the folder of recordings. */
  readonly name: string;
  readonly kind: MediaKind;
  readonly format: ContainerFormat;
  /** From the beginning of the recording. */
  readonly offsetMs: number;
  readonly durationMs: number;
}

/** What is to be composed. */
export interface CompositionJob {
  /** Below the folder of recordings, without an ending. */
  readonly path: string;
  readonly tracks: readonly ComposedTrack[];
  /** Pixels, even. */
  readonly width: number;
  readonly height: number;
}

/** What came of it. */
export type Composition =
  | { readonly ok: true; readonly name: string; readonly location: string; readonly bytes: number }
  | { readonly ok: false; readonly why: string };

/** Composes, where the operator lets it. */
export interface Composer {
  /** Empty if it can; else why not, in words. */
  readonly obstacle: string;
  compose(job: CompositionJob): Promise<Composition>;
}

/** How long the whole is, ms. */
export function composedLength({ tracks }: Pick<CompositionJob, "tracks">): number {
  return Math.max(0, ...tracks.map(({ offsetMs, durationMs }) => offsetMs + durationMs));
}

/** Why a job is not taken; empty if it is. */
export function whyNotComposed({ tracks }: Pick<CompositionJob, "tracks">): string {
  const pictures = tracks.filter(({ kind }) => kind === "video").length;
  if (tracks.length === 0) return "there is nothing in it";
  if (pictures > MOST_PICTURES) return `more than ${MOST_PICTURES} files of pictures`;
  if (tracks.length - pictures > MOST_SOUNDS) return `more than ${MOST_SOUNDS} files of sound`;
  return "";
}

/**
 * Arguments that write the whole into `output`.
 *
 * @param pathOf Where a file is.
 * @param output A path.
 */
export function compositionArguments(
  job: CompositionJob,
  pathOf: (name: string) => string,
  output: string,
): string[] {
  const lengthMs = composedLength(job);
  const pictures = inputsOf(job, "video");
  const sounds = inputsOf(job, "audio");
  const graph = [...pictureGraph(job, pictures, lengthMs), ...soundGraph(sounds)].join(";");
  return [
    ...["-nostdin", "-hide_banner", "-v", "error", "-y", "-protocol_whitelist", "file"],
    ...job.tracks.flatMap(({ name, kind, format }) => [
      ...(kind === "video" ? ["-max_pixels", String(MOST_PIXELS)] : []),
      // Nothing else is guessed out of what others have sent.
      ...["-f", DEMUXER[format], "-i", `file:${pathOf(name)}`],
    ]),
    ...["-filter_complex_threads", "1", "-filter_complex", graph],
    ...(pictures.length === 0 ? [] : [
      ...["-map", "[picture]", "-c:v", "libx264", "-preset", "veryfast", "-crf", "25"],
      ...["-pix_fmt", "yuv420p", "-threads:v", "1", "-g", String(4 * FRAME_RATE)],
    ]),
    ...(sounds.length === 0 ? [] : ["-map", "[sound]", "-c:a", "aac", "-b:a", "128k"]),
    ...["-t", seconds(lengthMs), "-movflags", "+faststart", "-f", "mp4", `file:${output}`],
  ];
}

const DEMUXER: Readonly<Record<ContainerFormat, string>> = {
  webm: "matroska",
  mkv: "matroska",
  mp4: "mov",
  ogg: "ogg",
};

interface Input {
  readonly index: number;
  readonly track: ComposedTrack;
}

function inputsOf({ tracks }: CompositionJob, kind: MediaKind): Input[] {
  return tracks.map((track, index) => ({ index, track })).filter(({ track }) =>
    track.kind === kind
  );
}

/** Each in its place of the grid, black before it came and after it went. */
function pictureGraph(
  { width, height }: CompositionJob,
  inputs: readonly Input[],
  lengthMs: number,
): string[] {
  if (inputs.length === 0) return [];
  const columns = Math.ceil(Math.sqrt(inputs.length));
  const rows = Math.ceil(inputs.length / columns);
  const cell = { width: even(width / columns), height: even(height / rows) };
  const size = `${cell.width}:${cell.height}`;
  const tiles = inputs.map(({ index, track: { offsetMs, durationMs } }, i) =>
    `[${index}:v]fps=${FRAME_RATE},scale=${size}:force_original_aspect_ratio=decrease,` +
    `pad=${size}:(ow-iw)/2:(oh-ih)/2,setsar=1,` +
    `tpad=start_duration=${seconds(offsetMs)}:start_mode=add:stop_mode=add:` +
    `stop_duration=${seconds(Math.max(0, lengthMs - offsetMs - durationMs))}:color=black[p${i}]`
  );
  const labels = inputs.map((_, i) => `[p${i}]`).join("");
  const places = inputs.map((_, i) =>
    `${(i % columns) * cell.width}_${Math.floor(i / columns) * cell.height}`
  );
  const stack = inputs.length === 1
    ? "[p0]null"
    : `${labels}xstack=inputs=${inputs.length}:layout=${places.join("|")}:fill=black`;
  return [...tiles, `${stack},pad=${even(width)}:${even(height)}:(ow-iw)/2:(oh-ih)/2[picture]`];
}

/** Everybody at the right time, none quieter for the others. */
function soundGraph(inputs: readonly Input[]): string[] {
  if (inputs.length === 0) return [];
  const voices = inputs.map(({ index, track: { offsetMs } }, i) =>
    `[${index}:a]aresample=${SOUND_RATE}:async=1:first_pts=0,aformat=channel_layouts=stereo,` +
    `adelay=${Math.round(offsetMs)}:all=1[s${i}]`
  );
  const labels = inputs.map((_, i) => `[s${i}]`).join("");
  const mix = `amix=inputs=${inputs.length}:duration=longest:normalize=0,alimiter=limit=0.95`;
  return [...voices, `${labels}${mix}[sound]`];
}

function even(pixels: number): number {
  return 2 * Math.floor(pixels / 2);
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}
