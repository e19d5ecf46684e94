/**
 * Announcements for the tracks of an offer whose client announces nothing (WHIP).
 *
 * Pure.
 *
 * @module
 */
import {
  AddTrackRequest,
  TrackSource,
  TrackType,
  VideoLayer,
  type VideoQuality,
} from "@livekit/protocol";
import type { RemoteDescription, RemoteSection } from "../wire/session_description.ts";

/** One announcement for each section in which the client sends, in their order. */
export function synthesizedTracks(offer: RemoteDescription): AddTrackRequest[] {
  return offer.sections.flatMap((section) => {
    const { kind, rejected, direction } = section;
    const sends = direction === "sendonly" || direction === "sendrecv";
    if (rejected || !sends || kind === "application") return [];
    const audio = kind === "audio";
    return new AddTrackRequest({
      cid: section.msid?.track || `mid:${section.mid}`,
      name: audio ? "synthesized-microphone" : "synthesized-camera",
      source: audio ? TrackSource.MICROPHONE : TrackSource.CAMERA,
      type: audio ? TrackType.AUDIO : TrackType.VIDEO,
      // A client that was not asked for it is not trusted to signal its pauses.
      disableDtx: true,
      stream: "camera",
      layers: audio ? [] : layersOf(section),
    });
  });
}

/** Nobody says how large they are; without simulcast there is one. */
function layersOf({ rids }: RemoteSection): VideoLayer[] {
  const count = Math.max(1, rids.length);
  return Array.from({ length: count }, (_, at) => new VideoLayer({ quality: at as VideoQuality }));
}
