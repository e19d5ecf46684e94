/**
 * A permission and the fields of a token's `video` claim that it governs (LiveKit's video grant),
 * both ways; names differ in one place, `canUpdateOwnMetadata`.
 *
 * @module
 */
import { ParticipantPermission } from "@livekit/protocol";
import type { VideoGrant } from "./access_token.ts";

/**
 * What may be done with `permission`, for a token to be signed. Whoever is an agent is one by its
 * token's kind: the `agent` grant lets a worker register and take jobs anywhere, and never is in a
 * token that a participant gets.
 */
export function permissionClaims(permission: ParticipantPermission) {
  return {
    canSubscribe: permission.canSubscribe,
    canPublish: permission.canPublish,
    canPublishData: permission.canPublishData,
    canPublishSources: [...permission.canPublishSources],
    hidden: permission.hidden,
    recorder: permission.recorder,
    canUpdateOwnMetadata: permission.canUpdateMetadata,
    canSubscribeMetrics: permission.canSubscribeMetrics,
    canManageAgentSession: permission.canManageAgentSession,
  } satisfies Partial<VideoGrant>;
}

/** What `grant` allows, as clients are told. */
export function grantedPermission(
  grant: Pick<VideoGrant, keyof ReturnType<typeof permissionClaims>> & { readonly agent: boolean },
): ParticipantPermission {
  return new ParticipantPermission({
    canSubscribe: grant.canSubscribe,
    canPublish: grant.canPublish,
    canPublishData: grant.canPublishData,
    canPublishSources: [...grant.canPublishSources],
    hidden: grant.hidden,
    recorder: grant.recorder,
    agent: grant.agent,
    canUpdateMetadata: grant.canUpdateOwnMetadata,
    canSubscribeMetrics: grant.canSubscribeMetrics,
    canManageAgentSession: grant.canManageAgentSession,
  });
}
