/**
 * What a participant's permission lets it publish. Pure.
 *
 * @module
 */
import type { ParticipantPermission, TrackSource } from "@livekit/protocol";

/** Whether tracks of `source` may be published: an empty list of sources means every source. */
export function canPublishSource(permission: ParticipantPermission, source: TrackSource): boolean {
  if (!permission.canPublish) return false;
  return permission.canPublishSources.length === 0 || permission.canPublishSources.includes(source);
}
