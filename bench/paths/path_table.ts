/**
 * What was measured behind impaired paths, as lines of text.
 *
 * @module
 */
import type { FirstPictures } from "./first_pictures.ts";
import type { PathRow } from "./path_run.ts";

const COLUMNS: readonly (readonly [string, number])[] = [
  ["condition", -19],
  ["server", -9],
  ["subscriber", -10],
  ["fps", 5],
  ["height", 6],
  ["freezes", 7],
  ["frozen %", 8],
  ["dropped", 7],
  ["held ms", 7],
  ["made up %", 9],
  ["held ms", 7],
  ["kbit/s", 6],
  ["first ms", 8],
  ["back ms", 7],
  ["busy %", 6],
];

/** A negative width is of text, which stands to the left. */
function padded(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

function print(cells: readonly string[]): void {
  console.log(cells.map((cell, at) => padded(cell, COLUMNS[at]![1])).join("  ").trimEnd());
}

const fixed = (value: number | undefined, digits = 0) => value?.toFixed(digits) ?? "-";

export function printPathHead(): void {
  console.log("\nBehind impaired paths (a Chromium publishes three layers on a clean one)");
  print(COLUMNS.map(([name]) => name));
}

export function printPath(row: PathRow): void {
  const { picture, sound } = row;
  print([
    row.condition,
    row.server,
    row.subscriber,
    fixed(picture?.fps, 1),
    fixed(picture?.height),
    fixed(picture?.freezes),
    fixed(picture && 100 * picture.frozen, 1),
    fixed(picture?.dropped),
    fixed(picture?.heldMs),
    fixed(sound && 100 * sound.concealed, 2),
    fixed(sound?.heldMs),
    fixed(picture?.kbps),
    fixed(row.firstPictureMs),
    fixed(row.backMs),
    fixed(100 * row.busy),
  ]);
}

export function printFirstHead(): void {
  console.log("\nFrom subscribing to the first picture in Chromium, on loopback, ms");
  console.log("server     connections  subscriber  tries  median   p90  slowest  key frames");
}

export function printFirst(row: FirstPictures): void {
  const times = row.timesMs.toSorted((a, b) => a - b);
  const at = (part: number) => fixed(times[Math.round(part * (times.length - 1))]);
  console.log([
    row.server.padEnd(9),
    row.mode.padEnd(11),
    row.subscriber.padEnd(10),
    String(times.length).padStart(5),
    at(0.5).padStart(6),
    at(0.9).padStart(4),
    at(1).padStart(7),
    String(row.keyFrames).padStart(10),
  ].join("  "));
}
