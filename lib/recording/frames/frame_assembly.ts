/**
 * Which frames a codec's payloads are put together to, and by which name it is known where.
 *
 * @module
 */
import type { CodecParameters, MediaKind } from "../../base/media_vocabulary.ts";
import { Av1Frames } from "./av1_frames.ts";
import type { FrameAssembly, RecordedCodec } from "./encoded_frame.ts";
import { H264Frames } from "./h264_frames.ts";
import { OpusFrames } from "./opus_frames.ts";
import { Vp8Frames } from "./vp8_frames.ts";
import { Vp9Frames } from "./vp9_frames.ts";

interface Recordable {
  readonly codec: RecordedCodec;
  readonly kind: MediaKind;
  readonly parameters: CodecParameters;
  readonly assembly: () => FrameAssembly;
}

const video = (
  codec: RecordedCodec,
  mime: string,
  payloadType: number,
  assembly: () => FrameAssembly,
  fmtp = "",
): Recordable => ({
  codec,
  kind: "video",
  parameters: { mime, payloadType, clockRate: 90_000, fmtp, feedback: [] },
  assembly,
});

/** Payload types are ours: nobody else sees them. */
const RECORDABLE: readonly Recordable[] = [
  {
    codec: "opus",
    kind: "audio",
    parameters: {
      mime: "audio/opus",
      payloadType: 111,
      clockRate: 48_000,
      channels: 2,
      fmtp: "",
      feedback: [],
    },
    assembly: () => new OpusFrames(),
  },
  video("vp8", "video/VP8", 96, () => new Vp8Frames()),
  video("vp9", "video/VP9", 98, () => new Vp9Frames(), "profile-id=0"),
  video("vp9", "video/VP9", 100, () => new Vp9Frames(), "profile-id=1"),
  video("vp9", "video/VP9", 101, () => new Vp9Frames(), "profile-id=2"),
  video("av1", "video/AV1", 45, () => new Av1Frames()),
  video("h264", "video/H264", 102, () => new H264Frames()),
];

const BY_PAYLOAD_TYPE: ReadonlyMap<number, RecordedCodec> = new Map(
  RECORDABLE.map(({ codec, parameters }) => [parameters.payloadType, codec]),
);

/** What can be recorded of a kind, as sections name it. */
export function recordableCodecs(kind: MediaKind): readonly CodecParameters[] {
  return RECORDABLE.filter((entry) => entry.kind === kind).map(({ parameters }) => parameters);
}

/** The codec of that mime, which is compared without case; `undefined` if it cannot be recorded. */
export function recordedCodec(mime: string): RecordedCodec | undefined {
  const name = mime.toLowerCase();
  if (name === "audio/red") return "opus";
  return RECORDABLE.find(({ parameters }) => parameters.mime.toLowerCase() === name)?.codec;
}

/** The codec of one of {@linkcode recordableCodecs}; `undefined` for any other payload type. */
export function codecOfPayload(payloadType: number): RecordedCodec | undefined {
  return BY_PAYLOAD_TYPE.get(payloadType);
}

/** Begins to put frames of a codec together. */
export function frameAssembly(codec: RecordedCodec): FrameAssembly {
  return RECORDABLE.find((entry) => entry.codec === codec)!.assembly();
}

/** Ticks of a codec's timestamps in a second. */
export function clockRateOf(codec: RecordedCodec): number {
  return codec === "opus" ? 48_000 : 90_000;
}
