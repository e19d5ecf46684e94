/**
 * What a subscriber asked for (`UpdateTrackSettings`) translated to what the media plane forwards.
 *
 * Pure. The quality names of the protocol are relative to the layers the publisher declared: of two
 * declared layers the lower is spatial layer 0 whatever its name, and a single one is always 0.
 *
 * @module
 */
import { TrackInfo, TrackSource, TrackType, VideoLayer, VideoQuality } from "@livekit/protocol";
import type { LayerTarget } from "../../base/media_vocabulary.ts";
import { spatialOfQuality } from "../registry/track_info.ts";

/** A request may be this much larger than a layer and still be served by it. */
const LAYER_SELECTION_TOLERANCE = 0.9;
/** Heights assumed for LOW and MEDIUM when the publisher declared none. */
const DEFAULT_HEIGHTS = [180, 360] as const;
const HIGHEST_TEMPORAL = 3;
/** Priorities behind this are all the same. */
const LAST_PRIORITY = 255;

/** One subscriber's wish for one track; the newest replaces all earlier ones. */
export interface TrackSettings {
  readonly disabled: boolean;
  readonly quality: VideoQuality;
  /** Pixels; 0 means "choose by `quality`". */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** Who gets bandwidth first: 1 is the first, 0 is unset and behind all others. */
  readonly priority: number;
}

/** What holds until the subscriber says something: LOW with adaptive stream, else everything. */
export function initialSettings(adaptiveStream: boolean): TrackSettings {
  return {
    disabled: false,
    quality: adaptiveStream ? VideoQuality.LOW : VideoQuality.HIGH,
    width: 0,
    height: 0,
    fps: 0,
    priority: 0,
  };
}

/**
 * The media plane's target for `settings`; audio has only on and off.
 *
 * @param loudestOf See {@linkcode LayerTarget.loudestOf}; what a shared screen sounds like, which
 *   nobody speaks, is not compared with voices.
 */
export function targetFor(
  settings: TrackSettings,
  track: TrackInfo,
  loudestOf?: string,
): LayerTarget {
  const enabled = !settings.disabled && settings.quality !== VideoQuality.OFF;
  if (track.type === TrackType.AUDIO) {
    const isVoice = track.source !== TrackSource.SCREEN_SHARE_AUDIO;
    return {
      enabled,
      maxSpatial: 0,
      maxTemporal: HIGHEST_TEMPORAL,
      ...(loudestOf === undefined || !isVoice ? {} : { loudestOf }),
    };
  }
  const quality = settings.width > 0
    ? qualityForDimensions(settings.width, settings.height, track)
    : settings.quality;
  return {
    enabled,
    maxSpatial: spatialOfQuality(quality, declaredLayers(track)),
    maxTemporal: HIGHEST_TEMPORAL,
    ...(settings.fps > 0 ? { maxFps: settings.fps } : {}),
    ...(settings.priority > 0 ? { priority: Math.min(settings.priority, LAST_PRIORITY) } : {}),
    ...(track.source === TrackSource.SCREEN_SHARE ? { isScreen: true } : {}),
  };
}

/** Whether nothing changes from `b`, if there is one, to `a`. */
export function sameTarget(a: LayerTarget, b: LayerTarget | undefined): boolean {
  return b !== undefined && a.enabled === b.enabled && a.maxSpatial === b.maxSpatial &&
    a.maxTemporal === b.maxTemporal && a.maxFps === b.maxFps &&
    a.priority === b.priority && a.isScreen === b.isScreen && a.loudestOf === b.loudestOf;
}

/** The lowest quality whose layer covers `width` × `height`, within the tolerance. */
export function qualityForDimensions(
  width: number,
  height: number,
  track: TrackInfo,
): VideoQuality {
  if (track.height === 0) return VideoQuality.HIGH;
  const portrait = track.width < track.height;
  const declared = declaredLayers(track).map((layer) => layer.height);
  const usable = declared.length > 0 && declared[0]! > 0;
  const sizes = usable
    ? declared.toSorted((a, b) => a - b)
    : [...DEFAULT_HEIGHTS, portrait ? track.width : track.height];
  // Declared layers are compared by height even in portrait, as the protocol's server does.
  const asked = (usable || !portrait ? height : width) * LAYER_SELECTION_TOLERANCE;
  for (let i = 0; i < sizes.length - 1; i++) {
    // Of layers with equal size the highest is meant.
    if (sizes[i]! >= asked && sizes[i] !== sizes[i + 1]) return i as VideoQuality;
  }
  return Math.min(sizes.length - 1, VideoQuality.HIGH) as VideoQuality;
}

/** Layers of the first codec, or of the whole track where its codec declares none. */
export function declaredLayers(track: TrackInfo): readonly VideoLayer[] {
  const first = track.codecs[0];
  return first !== undefined && first.layers.length > 0 ? first.layers : track.layers;
}
