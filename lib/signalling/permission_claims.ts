/**
 * A permission as the fields of a token's `video` claim that it governs (LiveKit's video
 * grant); names differ in one place, `canUpdateOwnMetadata`.
 *
 * @module
 */
import type { ParticipantPermission } from "@livekit/protocol";
import type { VideoGrant } from "./access_token.ts";

/** What may be done with `permission`, for a token to be signed. */
export function permissionClaims(permission: ParticipantPermission) {
  return {
    canSubscribe: permission.canSubscribe,
    canPublish: permission.canPublish,
    canPublishData: permission.canPublishData,
    canPublishSources: [...permission.canPublishSources],
    hidden: permission.hidden,
    recorder: permission.recorder,
    agent: permission.agent,
    canUpdateOwnMetadata: permission.canUpdateMetadata,
    canSubscribeMetrics: permission.canSubscribeMetrics,
    canManageAgentSession: permission.canManageAgentSession,
  } satisfies Partial<VideoGrant>;
}
