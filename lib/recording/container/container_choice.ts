/**
 * Which format takes which codecs, and which one a recording gets that asks for none.
 *
 * @module
 */
import type { RecordedCodec } from "../frames/encoded_frame.ts";
import type { Container, ContainerFormat } from "./container.ts";
import { FragmentedMp4 } from "./fragmented_mp4.ts";
import { Matroska } from "./matroska.ts";
import { Ogg } from "./ogg.ts";

const TAKES: Readonly<Record<ContainerFormat, readonly RecordedCodec[]>> = {
  ogg: ["opus"],
  webm: ["opus", "vp8", "vp9", "av1"],
  mp4: ["opus", "h264", "av1", "vp9"],
  mkv: ["opus", "vp8", "vp9", "av1", "h264"],
};

/** Whether a file of `format` can hold a track of `codec`. */
export function takesCodec(format: ContainerFormat, codec: RecordedCodec): boolean {
  return TAKES[format].includes(codec);
}

/**
 * The format of a file with these codecs: the one asked for if it takes them all, else what players
 * know best.
 */
export function chooseFormat(
  codecs: readonly RecordedCodec[],
  wanted: ContainerFormat | undefined,
): ContainerFormat {
  const takes = (format: ContainerFormat) => codecs.every((codec) => takesCodec(format, codec));
  if (wanted !== undefined && takes(wanted)) return wanted;
  if (codecs.every((codec) => codec === "opus")) return "ogg";
  return (["webm", "mp4", "mkv"] as const).find(takes)!;
}

export function createContainer(format: ContainerFormat): Container {
  if (format === "ogg") return new Ogg();
  if (format === "mp4") return new FragmentedMp4();
  return new Matroska(format === "webm" ? "webm" : "matroska");
}
