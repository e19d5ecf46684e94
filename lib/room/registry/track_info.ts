/**
 * From what a client announces (`AddTrackRequest`) to what everybody is told (`TrackInfo`).
 *
 * Pure: ids are drawn from the `Random` passed in, the caller's request is never changed, and every
 * nested message of a result is a fresh copy, so a later change of one cannot show through another.
 *
 * @module
 */
import {
  type AddTrackRequest,
  AudioTrackFeature,
  BackupCodecPolicy,
  SimulcastCodecInfo,
  TrackInfo,
  TrackSource,
  TrackType,
  type VideoLayer,
  VideoLayer_Mode,
  VideoQuality,
} from "@livekit/protocol";
import { randomId, type TrackSid } from "../../base/ids.ts";
import { FLEXFEC_MIME, type MediaKind, type SpatialLayer } from "../../base/media_vocabulary.ts";
import type { Random } from "../../base/platform.ts";

/** Codec names in lower case, and how LiveKit spells them. */
const CODEC_SPELLING: ReadonlyMap<string, string> = new Map(
  ["VP8", "VP9", "H264", "H265", "AV1", "opus", "red", "PCMU", "PCMA", "rtx"]
    .map((name) => [name.toLowerCase(), name]),
);
const SVC_MIMES: ReadonlySet<string> = new Set(["video/VP9", "video/AV1"]);

/** Audio or video; `undefined` for `DATA` and for numbers this protocol version does not have. */
export function mediaKindOf(type: TrackType): MediaKind | undefined {
  if (type === TrackType.AUDIO) return "audio";
  return type === TrackType.VIDEO ? "video" : undefined;
}

/**
 * One spelling for one codec: `OPUS`, `audio/OPUS` → `audio/opus`, `vp8` → `video/VP8`.
 *
 * @returns The empty string for an empty name; an unknown codec keeps its own spelling.
 */
export function normalizeMime(name: string, kind: MediaKind): string {
  const slash = name.indexOf("/");
  const codec = slash < 0 ? name : name.slice(slash + 1);
  if (codec === "") return "";
  return `${kind}/${CODEC_SPELLING.get(codec.toLowerCase()) ?? codec}`;
}

/** `TR_`, a letter for the kind, one for the source, and 12 random characters. */
export function newTrackSid(random: Random, type: TrackType, source: TrackSource): TrackSid {
  const kind = type === TrackType.VIDEO ? "V" : type === TrackType.AUDIO ? "A" : "";
  return randomId<TrackSid>(random, `TR_${kind}${SOURCE_LETTER[source] ?? ""}`);
}

const SOURCE_LETTER: Readonly<Record<number, string>> = {
  [TrackSource.CAMERA]: "C",
  [TrackSource.MICROPHONE]: "M",
  [TrackSource.SCREEN_SHARE]: "S",
  [TrackSource.SCREEN_SHARE_AUDIO]: "s",
};

/** The `stream` of a track whose client names none: tracks of one stream are played in sync. */
function defaultStream(source: TrackSource): string {
  switch (source) {
    case TrackSource.CAMERA:
    case TrackSource.MICROPHONE:
      return "camera";
    case TrackSource.SCREEN_SHARE:
    case TrackSource.SCREEN_SHARE_AUDIO:
      return "screen";
    default:
      return "unknown";
  }
}

/** What decides about codecs when a track is announced. */
export interface TrackInfoOptions {
  /** Codecs this publisher may send, any spelling, in order of preference. */
  readonly enabledCodecs: readonly string[];
  /** OBS sends no RTCP reports for its upper layers, which subscribers are told by layer mode. */
  readonly incompleteSenderReports?: boolean;
}

/** The `TrackInfo` of an announcement. `mid`, SSRCs, SDP names and version come with the media. */
export function trackInfoFromRequest(
  request: AddTrackRequest,
  sid: TrackSid,
  options: TrackInfoOptions,
): TrackInfo {
  const info = new TrackInfo({
    sid,
    type: request.type,
    name: request.name,
    width: request.width,
    height: request.height,
    muted: request.muted,
    disableDtx: request.disableDtx,
    source: request.source,
    layers: sortedLayers(request.layers),
    disableRed: request.disableRed,
    stereo: request.stereo,
    encryption: request.encryption,
    stream: request.stream === "" ? defaultStream(request.source) : request.stream,
    backupCodecPolicy: backupPolicy(request),
    audioFeatures: audioFeatures(request),
    packetTrailerFeatures: [...new Set(request.packetTrailerFeatures)],
    codecs: codecsOf(request, options),
  });
  const primary = info.codecs[0];
  // Only clients that list codecs promise their layers up front; the rest show them by sending.
  info.simulcast = request.simulcastCodecs.length > 0 && primary !== undefined &&
    primary.videoLayerMode !== VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM &&
    primary.layers.length > 1;
  return info;
}

/** Copies of `layers` from low to high quality. */
export function sortedLayers(layers: readonly VideoLayer[]): VideoLayer[] {
  return layers.map((layer) => layer.clone())
    .sort((a, b) => a.quality - b.quality);
}

function backupPolicy(request: AddTrackRequest): BackupCodecPolicy {
  return request.type === TrackType.AUDIO &&
      request.backupCodecPolicy !== BackupCodecPolicy.REGRESSION
    ? BackupCodecPolicy.SIMULCAST
    : request.backupCodecPolicy;
}

function audioFeatures(request: AddTrackRequest): AudioTrackFeature[] {
  const features = new Set(request.audioFeatures);
  if (request.stereo) features.add(AudioTrackFeature.TF_STEREO);
  if (request.disableDtx) features.add(AudioTrackFeature.TF_NO_DTX);
  return [...features];
}

/** Replaces an audio track's features and the booleans they stand for. @returns Whether new. */
export function setAudioFeatures(info: TrackInfo, wanted: readonly AudioTrackFeature[]): boolean {
  const changed = wanted.length !== info.audioFeatures.length ||
    wanted.some((feature) => !info.audioFeatures.includes(feature));
  info.audioFeatures = [...wanted];
  info.stereo = wanted.includes(AudioTrackFeature.TF_STEREO);
  info.disableDtx = wanted.includes(AudioTrackFeature.TF_NO_DTX);
  return changed;
}

function codecsOf(request: AddTrackRequest, options: TrackInfoOptions): SimulcastCodecInfo[] {
  const kind = mediaKindOf(request.type) ?? "video";
  const onePerStream = options.incompleteSenderReports
    ? VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR
    : VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM;
  const unnamed = () =>
    new SimulcastCodecInfo({
      cid: request.cid,
      layers: sortedLayers(request.layers),
      videoLayerMode: onePerStream,
    });
  const codecs: SimulcastCodecInfo[] = [];
  const seen = new Set<string>();
  for (const wish of request.simulcastCodecs) {
    const mimeType = enabledMime(wish.codec, kind, options.enabledCodecs);
    if (mimeType === "" || seen.has(mimeType)) continue;
    seen.add(mimeType);
    let videoLayerMode = wish.videoLayerMode;
    if (kind === "video" && videoLayerMode === VideoLayer_Mode.MODE_UNUSED) {
      videoLayerMode = isSvcMime(mimeType)
        ? VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM
        : onePerStream;
    }
    // A codec that replaced a disabled one has no layers of its own in the announcement.
    const own = normalizeMime(wish.codec, kind) === mimeType && wish.layers.length > 0;
    codecs.push(
      new SimulcastCodecInfo({
        mimeType,
        cid: wish.cid,
        layers: sortedLayers(own ? wish.layers : request.layers),
        videoLayerMode,
      }),
    );
  }
  return codecs.length > 0 ? codecs : [unnamed()];
}

/** What only comes beside another codec. */
const NO_TRACKS_OWN: readonly string[] = ["video/rtx", "audio/red", FLEXFEC_MIME];

/** `name` if the publisher may send it, else the first codec of that kind it may send. */
function enabledMime(name: string, kind: MediaKind, enabledCodecs: readonly string[]): string {
  const wanted = normalizeMime(name, kind);
  const enabled = enabledCodecs.filter((mime) => mime.toLowerCase().startsWith(`${kind}/`))
    .map((mime) => normalizeMime(mime, kind));
  if (wanted === "" || enabled.includes(wanted)) return wanted;
  const usable = enabled.find((mime) => !NO_TRACKS_OWN.includes(mime));
  return usable ?? (kind === "video" ? "video/VP8" : "audio/opus");
}

/** Codecs whose spatial layers share one stream of packets. */
export function isSvcMime(mime: string): boolean {
  return SVC_MIMES.has(mime);
}

/**
 * Spatial layer of a quality, given the qualities the codec declares: they are numbered from 0
 * without gaps, so of {MEDIUM, HIGH} MEDIUM is layer 0. An undeclared quality takes the next
 * declared one above it, or the highest. Without declared layers LOW, MEDIUM, HIGH are 0, 1, 2.
 */
export function spatialOfQuality(
  quality: VideoQuality,
  declared: readonly { readonly quality: VideoQuality }[],
): SpatialLayer {
  const qualities = declaredQualities(declared);
  if (qualities.length === 0) return Math.min(quality, 2) as SpatialLayer;
  const below = qualities.filter((other) => other < quality).length;
  return Math.min(below, qualities.length - 1) as SpatialLayer;
}

/** The quality a spatial layer stands for; `OFF` for a layer above all declared ones. */
export function qualityOfSpatial(
  spatial: SpatialLayer,
  declared: readonly { readonly quality: VideoQuality }[],
): VideoQuality {
  const qualities = declaredQualities(declared);
  if (qualities.length === 0) return spatial as number as VideoQuality;
  return qualities[spatial] ?? VideoQuality.OFF;
}

function declaredQualities(
  declared: readonly { readonly quality: VideoQuality }[],
): VideoQuality[] {
  const qualities = declared.map((layer) => layer.quality)
    .filter((quality) => quality >= VideoQuality.LOW && quality <= VideoQuality.HIGH);
  return [...new Set(qualities)].sort((a, b) => a - b);
}

/**
 * Writes spatial layer and rid into `layers`, in place.
 *
 * @param rids The section's simulcast ids, lowest first; empty without simulcast.
 */
export function assignLayerIds(layers: readonly VideoLayer[], rids: readonly string[]): void {
  for (const layer of layers) {
    layer.spatialLayer = spatialOfQuality(layer.quality, layers);
    layer.rid = rids[layer.spatialLayer] ?? "";
  }
}
