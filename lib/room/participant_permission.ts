/**
 * What a participant may do: the video grant of its token, and the `ParticipantPermission` message
 * that mirrors it to clients and lets the server API change it. Pure.
 *
 * A grant's absent fields have defaults (publishing and subscribing are allowed unless denied); a
 * permission message has none, so its unset booleans deny.
 *
 * @module
 */
import { ParticipantPermission, TrackSource } from "@livekit/protocol";

/** The fields of a token's `video` claim that concern a participant, as they are spelled there. */
export interface PermissionGrant {
  readonly roomJoin?: boolean | undefined;
  readonly room?: string | undefined;
  /** Absent: allowed. */
  readonly canPublish?: boolean | undefined;
  /** Lower-case source names. Absent or empty: every source. */
  readonly canPublishSources?: readonly string[] | undefined;
  /** Absent: allowed. */
  readonly canSubscribe?: boolean | undefined;
  /** Absent: as `canPublish`. */
  readonly canPublishData?: boolean | undefined;
  readonly hidden?: boolean | undefined;
  readonly recorder?: boolean | undefined;
  readonly agent?: boolean | undefined;
  readonly canUpdateOwnMetadata?: boolean | undefined;
  readonly canSubscribeMetrics?: boolean | undefined;
  readonly canManageAgentSession?: boolean | undefined;
}

const SOURCE_NAMES: Readonly<Record<number, string>> = {
  [TrackSource.UNKNOWN]: "unknown",
  [TrackSource.CAMERA]: "camera",
  [TrackSource.MICROPHONE]: "microphone",
  [TrackSource.SCREEN_SHARE]: "screen_share",
  [TrackSource.SCREEN_SHARE_AUDIO]: "screen_share_audio",
};

/** The name of a source in a grant's `canPublishSources`. */
export function sourceName(source: TrackSource): string {
  return SOURCE_NAMES[source] ?? "unknown";
}

/** The source of that name; a name this server does not know is `UNKNOWN`. */
export function sourceFromName(name: string): TrackSource {
  for (const [source, known] of Object.entries(SOURCE_NAMES)) {
    if (known === name) return Number(source) as TrackSource;
  }
  return TrackSource.UNKNOWN;
}

/** The permission message of a grant, with the grant's defaults filled in. */
export function permissionFromGrant(grant: PermissionGrant): ParticipantPermission {
  const canPublish = grant.canPublish ?? true;
  return new ParticipantPermission({
    canSubscribe: grant.canSubscribe ?? true,
    canPublish,
    canPublishData: grant.canPublishData ?? canPublish,
    canPublishSources: (grant.canPublishSources ?? []).map(sourceFromName),
    hidden: grant.hidden ?? false,
    recorder: grant.recorder ?? false,
    canUpdateMetadata: grant.canUpdateOwnMetadata ?? false,
    agent: grant.agent ?? false,
    canSubscribeMetrics: grant.canSubscribeMetrics ?? false,
    canManageAgentSession: grant.canManageAgentSession ?? false,
  });
}

/**
 * `grant` with everything a permission governs replaced, for `UpdateParticipant` and for the next
 * refreshed token; what a permission does not govern (`room`, `roomJoin`, admin rights) is kept.
 */
export function grantWithPermission<Grant extends PermissionGrant>(
  grant: Grant,
  permission: ParticipantPermission,
): Grant {
  return {
    ...grant,
    canSubscribe: permission.canSubscribe,
    canPublish: permission.canPublish,
    canPublishData: permission.canPublishData,
    canPublishSources: permission.canPublishSources.map(sourceName),
    hidden: permission.hidden,
    recorder: permission.recorder,
    canUpdateOwnMetadata: permission.canUpdateMetadata,
    agent: permission.agent,
    canSubscribeMetrics: permission.canSubscribeMetrics,
    canManageAgentSession: permission.canManageAgentSession,
  };
}

/** Whether applying `permission` to `grant` would change nothing. */
export function grantMatchesPermission(
  grant: PermissionGrant,
  permission: ParticipantPermission,
): boolean {
  return permissionFromGrant(grant).equals(permission);
}

/** Whether tracks of `source` may be published: an empty list of sources means every source. */
export function canPublishSource(permission: ParticipantPermission, source: TrackSource): boolean {
  if (!permission.canPublish) return false;
  return permission.canPublishSources.length === 0 || permission.canPublishSources.includes(source);
}

/** A participant that neither keeps its room open nor counts as a member, by its grant. */
export function isDependentGrant(grant: PermissionGrant): boolean {
  return grant.agent === true || grant.recorder === true;
}
