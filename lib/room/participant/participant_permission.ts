/**
 * What a participant's permission lets it publish. Pure.
 *
 * @module
 */
import { type ParticipantPermission, TrackSource, TrackType } from "@livekit/protocol";

/** What comes from a source; where sources are listed, a picture is no microphone. */
const TYPE_OF: ReadonlyMap<TrackSource, TrackType> = new Map([
  [TrackSource.CAMERA, TrackType.VIDEO],
  [TrackSource.MICROPHONE, TrackType.AUDIO],
  [TrackSource.SCREEN_SHARE, TrackType.VIDEO],
  [TrackSource.SCREEN_SHARE_AUDIO, TrackType.AUDIO],
]);

/**
 * Whether tracks of `source` and `type` may be published: an empty list of sources means every
 * source with every type, else a source listed allows the type of track that comes from it.
 */
export function canPublishSource(
  { canPublish, canPublishSources }: ParticipantPermission,
  source: TrackSource,
  type: TrackType,
): boolean {
  if (!canPublish || canPublishSources.length === 0) return canPublish;
  return canPublishSources.includes(source) && (TYPE_OF.get(source) ?? type) === type;
}
