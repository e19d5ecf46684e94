/**
 * What is kept of an `AddTrack`: the fields that matter, in lengths that matter. Pure.
 *
 * A request may be as large as a frame, and what is announced is kept, told to everybody, and told
 * again with every change.
 *
 * @module
 */
import {
  AddTrackRequest,
  AudioTrackFeature,
  PacketTrailerFeature,
  SimulcastCodec,
  VideoLayer,
} from "@livekit/protocol";

/** Longest track name, characters; applications put small JSON texts in there. */
const MAX_NAME = 1_024;
/** Longest cid, sid and stream, characters. */
const MAX_ID = 256;
/** Longest codec and rid, characters. */
const MAX_WORD = 64;
/** Codec entries kept of one announcement; more cannot be distinct codecs we know. */
const MAX_CODECS = 8;
/** Layers kept of one announcement: one for each `VideoQuality` with room for sloppy clients. */
const MAX_LAYERS = 8;

/** A request as it may be kept, or what is wrong with it. */
export type KeptRequest =
  | { readonly ok: true; readonly request: AddTrackRequest }
  | { readonly ok: false; readonly message: string };

/** Copies `request`, which is not changed and not referred to by the result. */
export function keptRequest(request: AddTrackRequest): KeptRequest {
  const { layers, simulcastCodecs, audioFeatures, packetTrailerFeatures, ...rest } = request;
  const codecs = simulcastCodecs.slice(0, MAX_CODECS);
  const tooLong = longField(request, codecs);
  if (tooLong !== undefined) {
    return { ok: false, message: `Cannot add track: ${tooLong} is too long` };
  }
  const kept = new AddTrackRequest({
    ...rest,
    layers: keptLayers(layers),
    simulcastCodecs: codecs.map((codec) =>
      new SimulcastCodec({ ...codec, layers: keptLayers(codec.layers) })
    ),
    audioFeatures: knownAudioFeatures(audioFeatures),
    packetTrailerFeatures: knownValues(PacketTrailerFeature, packetTrailerFeatures),
  });
  return { ok: true, request: kept };
}

/** Each known feature once. */
export function knownAudioFeatures(features: readonly AudioTrackFeature[]): AudioTrackFeature[] {
  return knownValues(AudioTrackFeature, features);
}

function longField(
  { cid, sid, stream, name }: AddTrackRequest,
  codecs: readonly SimulcastCodec[],
): string | undefined {
  if (name.length > MAX_NAME) return "name";
  if ([cid, ...codecs.map((codec) => codec.cid)].some(isLongId)) return "cid";
  if (isLongId(sid)) return "sid";
  if (isLongId(stream)) return "stream";
  return codecs.some(({ codec }) => codec.length > MAX_WORD) ? "codec" : undefined;
}

function isLongId(text: string): boolean {
  return text.length > MAX_ID;
}

function keptLayers(layers: readonly VideoLayer[]): VideoLayer[] {
  return layers.slice(0, MAX_LAYERS)
    .map((layer) => new VideoLayer({ ...layer, rid: layer.rid.slice(0, MAX_WORD) }));
}

function knownValues<T extends number>(
  names: Readonly<Record<string, string | number>>,
  values: readonly T[],
): T[] {
  return [...new Set(values)].filter((value) => names[value] !== undefined);
}
