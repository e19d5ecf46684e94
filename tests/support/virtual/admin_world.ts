/**
 * The server API over a {@linkcode World}: the functions behind the routes, and tokens to call the
 * routes with.
 *
 * @module
 */
import { ParticipantInfo_Kind } from "@livekit/protocol";
import type { AdminLimits } from "../../../lib/admin/admin_limits.ts";
import { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import { RoomDirectory } from "../../../lib/room/room_directory.ts";
import { RoomAdmin } from "../../../lib/admin/room_admin.ts";
import type { AccessToken, VideoGrant } from "../../../lib/signalling/access_token.ts";
import { FULL_GRANT, World } from "./scripted_client.ts";

/** The configuration's defaults. */
export const ADMIN_LIMITS: AdminLimits = {
  maxRoomNameLength: 256,
  maxParticipantNameLength: 256,
  maxMetadataSize: 524_288,
  maxAttributesSize: 65_536,
};

/** A world and its API. */
export function adminWorld(
  options: ConstructorParameters<typeof World>[0] = {},
  limits: Partial<AdminLimits> = {},
): { readonly world: World; readonly admin: RoomAdmin } {
  const world = new World(options);
  const admin = new RoomAdmin(new RoomDirectory(world.rooms), {
    limits: { ...ADMIN_LIMITS, ...limits },
    autoCreateRooms: true,
  });
  return { world, admin };
}

/** A verified token with these grants and no others. */
export function tokenWith(
  video: Partial<VideoGrant>,
  sip: Partial<AccessToken["sip"]> = {},
): AccessToken {
  return {
    apiKey: "devkey",
    identity: "",
    name: "",
    kind: ParticipantInfo_Kind.STANDARD,
    kindDetails: [],
    metadata: "",
    attributes: {},
    video: { ...FULL_GRANT, roomJoin: false, room: "", ...video },
    sip: { admin: false, call: false, ...sip },
    roomPreset: "",
    sha256: "",
    expiresAt: 0,
    notBefore: 0,
  };
}

/** The outcome of a call that must have gone well. */
export function succeeded<T>(outcome: T | AdminFailure): T {
  if (outcome instanceof AdminFailure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

/** Code and text of a call that must have failed. */
export function failed(outcome: unknown): readonly [string, string] {
  if (!(outcome instanceof AdminFailure)) throw new Error("the call went well");
  return [outcome.code, outcome.message];
}
