/**
 * One published track and the media sections that carry it: which codec entry a section belongs to,
 * and what each arriving layer adds to the track's `TrackInfo`.
 *
 * Invariant: a codec entry is bound to at most one section, and `sdpCid` of an entry is non-empty
 * exactly while it is bound. Pure; the functions change only the track they are given.
 *
 * @module
 */
import {
  type SimulcastCodec,
  SimulcastCodecInfo,
  type TrackInfo,
  type VideoLayer,
} from "@livekit/protocol";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import type { MediaKind, SpatialLayer } from "../../base/media_vocabulary.ts";
import type { LayerSizes, MediaArrival, PublishedTrack } from "./registry_messages.ts";
import { assignLayerIds, isSvcMime, normalizeMime, sortedLayers } from "./track_info.ts";

/** A published track, as the registry keeps it. */
export interface LiveTrack {
  readonly sid: TrackSid;
  readonly signalCid: string;
  readonly kind: MediaKind;
  readonly info: TrackInfo;
  readonly bindings: Map<UpTrackId, Binding>;
  /** What others see; made anew at each commit. */
  snapshot: PublishedTrack;
}

/** A section of the publisher's description that carries one codec of a track. */
export interface Binding {
  readonly mid: string;
  readonly sdpCid: string;
  readonly codec: SimulcastCodecInfo;
  /** Simulcast ids, lowest layer first; empty without simulcast. */
  rids: readonly string[];
  readonly spatialsSeen: Set<SpatialLayer>;
  mime: string;
}

/** A new live track of `info` (kept, not copied) without any media yet. */
export function liveTrack(
  sid: TrackSid,
  signalCid: string,
  kind: MediaKind,
  info: TrackInfo,
): LiveTrack {
  const bindings = new Map<UpTrackId, Binding>();
  return { sid, signalCid, kind, info, bindings, snapshot: snapshotOf(sid, kind, info, bindings) };
}

/** Makes the track's changes visible to others. */
export function commitTrack(track: LiveTrack): PublishedTrack {
  track.snapshot = snapshotOf(track.sid, track.kind, track.info, track.bindings);
  return track.snapshot;
}

function snapshotOf(
  sid: TrackSid,
  kind: MediaKind,
  info: TrackInfo,
  bindings: ReadonlyMap<UpTrackId, Binding>,
): PublishedTrack {
  const upTracks = [...bindings].map(([upTrack, { mime, mid }]) => ({ upTrack, mime, mid }));
  return Object.freeze({ sid, info: info.clone(), kind, source: info.source, upTracks });
}

/** Whether a section or announcement called `name` means this track: by any signal or SDP cid. */
export function hasName(track: LiveTrack, name: string): boolean {
  return track.signalCid === name ||
    track.info.codecs.some((codec) => codec.cid === name || codec.sdpCid === name);
}

/** Whether any of `tracks` goes by `name`. */
export function isNameTaken(tracks: ReadonlyMap<TrackSid, LiveTrack>, name: string): boolean {
  for (const track of tracks.values()) if (hasName(track, name)) return true;
  return false;
}

/** Whether media that really came goes by `sdpCid`. */
export function hasSdpCid(track: LiveTrack, sdpCid: string): boolean {
  for (const binding of track.bindings.values()) if (binding.sdpCid === sdpCid) return true;
  return false;
}

/** The codec entry announced under `cid` whose media has not come. */
export function awaitedByCid(track: LiveTrack, cid: string): SimulcastCodecInfo | undefined {
  return track.info.codecs.find((codec) => codec.sdpCid === "" && codec.cid === cid);
}

/**
 * The first codec entry of one of `mimes` whose media has not come.
 *
 * @param announced Only entries the client has said it is about to send (their `cid` is known).
 */
export function awaitedByMime(
  track: LiveTrack,
  mimes: readonly string[],
  announced: boolean,
): SimulcastCodecInfo | undefined {
  return track.info.codecs.find((codec) =>
    codec.sdpCid === "" && (!announced || codec.cid !== "") && mimes.includes(codec.mimeType)
  );
}

/** The entry the first media of a track belongs to: by mime, else by cid, else the primary. */
export function codecForFirstMedia(info: TrackInfo, media: MediaArrival): SimulcastCodecInfo {
  const byMime = info.codecs.find((codec) => codec.mimeType === media.mime);
  const found = byMime ?? info.codecs.find((codec) => codec.cid === media.sdpCid) ?? info.codecs[0];
  return found ?? addCodec(info, media.mime);
}

/**
 * Writes down how large layers are, and which id is which; the track is as large as its widest one.
 *
 * @returns Whether that is news of this track.
 */
export function recordSizes(track: LiveTrack, upTrack: UpTrackId, found: LayerSizes): boolean {
  const { info, bindings } = track;
  const binding = bindings.get(upTrack);
  if (binding === undefined) return false;
  let changed = found.rids !== undefined && reorder(track, binding, found.rids);
  const { codec } = binding;
  for (const { spatial, width, height } of found.sizes) {
    const layer = codec.layers.find(({ spatialLayer }) => spatialLayer === spatial);
    if (layer === undefined || layer.width === width && layer.height === height) continue;
    changed = true;
    for (const known of layerLists(track, binding).flat()) {
      if (known.spatialLayer !== spatial) continue;
      known.width = width;
      known.height = height;
    }
  }
  if (!changed || codec.layers.length === 0) return changed;
  const widest = codec.layers.reduce((a, b) => b.width > a.width ? b : a);
  info.width = widest.width;
  info.height = widest.height;
  return true;
}

/** The ids turned out to be other layers; what is known of each id's streams goes with it. */
function reorder(track: LiveTrack, binding: Binding, rids: readonly string[]): boolean {
  if (rids.every((rid, at) => rid === binding.rids[at])) return false;
  binding.rids = rids;
  for (const layers of layerLists(track, binding)) {
    const before = new Map(layers.map(({ rid, ssrc, repairSsrc }) => [rid, { ssrc, repairSsrc }]));
    assignLayerIds(layers, rids);
    for (const layer of layers) {
      const { ssrc, repairSsrc } = before.get(layer.rid) ?? { ssrc: 0, repairSsrc: 0 };
      layer.ssrc = ssrc;
      layer.repairSsrc = repairSsrc;
    }
  }
  return true;
}

/** Appends an entry for a codec that was not announced. */
export function addCodec(info: TrackInfo, mimeType: string): SimulcastCodecInfo {
  const codec = new SimulcastCodecInfo({ mimeType, layers: info.layers.map((l) => l.clone()) });
  info.codecs.push(codec);
  return codec;
}

/** Notes under which cid, and in which layers, the client will send codecs of a published track. */
export function announceCodecs(track: LiveTrack, wishes: readonly SimulcastCodec[]): void {
  for (const wish of wishes) {
    const mime = normalizeMime(wish.codec, track.kind);
    const codec = track.info.codecs.find((known) => known.mimeType === mime && mime !== "");
    if (codec === undefined) continue;
    codec.cid = wish.cid;
    if (wish.layers.length > 0) codec.layers = sortedLayers(wish.layers);
  }
}

/** Whether `rid` is one the section declared; a section without simulcast ids accepts any. */
export function ridFits(rid: string | undefined, rids: readonly string[]): boolean {
  return rid === undefined || rids.length === 0 || rids.includes(rid);
}

/** Ties a section to a codec entry of the track, and records the layer that came. */
export function bindMedia(
  track: LiveTrack,
  codec: SimulcastCodecInfo,
  media: MediaArrival,
  rids: readonly string[],
): void {
  codec.sdpCid = media.sdpCid;
  codec.mid = media.mid;
  const first = track.bindings.size === 0;
  const binding: Binding = {
    mid: media.mid,
    sdpCid: media.sdpCid,
    codec,
    rids,
    spatialsSeen: new Set(),
    mime: media.mime,
  };
  track.bindings.set(media.upTrack, binding);
  assignLayerIds(codec.layers, rids);
  if (first) {
    track.info.mid = media.mid;
    assignLayerIds(track.info.layers, rids);
  }
  nameMime(track, binding, media.mime, first);
  recordLayer(track, binding, media);
}

/**
 * Records a layer of a section that is already bound.
 *
 * @returns Whether the track's `TrackInfo` or mime changed.
 */
export function recordLayer(track: LiveTrack, binding: Binding, media: MediaArrival): boolean {
  let changed = false;
  if (media.ssrc !== undefined && media.mime !== binding.mime) {
    // The offer said what might be sent; packets say what is.
    nameMime(track, binding, media.mime, track.info.mimeType === binding.mime);
    changed = true;
  }
  if (media.ssrc === undefined) return changed;
  const spatial = spatialOf(media, binding.rids);
  const svc = isSvcMime(binding.mime) && media.rid === undefined;
  binding.spatialsSeen.add(spatial);
  if (binding.spatialsSeen.size > 1 && !svc && !track.info.simulcast) {
    track.info.simulcast = true;
    changed = true;
  }
  for (const layer of layerLists(track, binding).flat()) {
    if (!svc && layer.spatialLayer !== spatial) continue;
    changed = fillLayer(layer, media, svc) || changed;
  }
  return changed;
}

/** The layers that a section stands for: its codec's, and the track's if it was the first. */
function layerLists({ info }: LiveTrack, { codec, mid }: Binding): VideoLayer[][] {
  return info.mid === mid ? [codec.layers, info.layers] : [codec.layers];
}

/** Ends what a section contributed; its codec entry waits for media again. */
export function unbindMedia(track: LiveTrack, upTrack: UpTrackId): void {
  const binding = track.bindings.get(upTrack);
  if (binding === undefined) return;
  track.bindings.delete(upTrack);
  binding.codec.sdpCid = "";
  binding.codec.mid = "";
  for (const layer of binding.codec.layers) {
    layer.ssrc = 0;
    layer.repairSsrc = 0;
  }
}

function nameMime(track: LiveTrack, binding: Binding, mime: string, primary: boolean): void {
  binding.mime = mime;
  if (primary) track.info.mimeType = mime;
  if (!track.info.codecs.some((codec) => codec.mimeType === mime)) binding.codec.mimeType = mime;
}

function spatialOf(media: MediaArrival, rids: readonly string[]): SpatialLayer {
  const index = media.rid === undefined ? -1 : rids.indexOf(media.rid);
  return index >= 0 ? Math.min(index, 2) as SpatialLayer : media.spatial ?? 0;
}

function fillLayer(layer: VideoLayer, media: MediaArrival, svc: boolean): boolean {
  const ssrc = media.ssrc ?? 0;
  const repairSsrc = media.rtxSsrc ?? layer.repairSsrc;
  const rid = svc ? layer.rid : media.rid ?? layer.rid;
  if (layer.ssrc === ssrc && layer.repairSsrc === repairSsrc && layer.rid === rid) return false;
  layer.ssrc = ssrc;
  layer.repairSsrc = repairSsrc;
  layer.rid = rid;
  return true;
}
