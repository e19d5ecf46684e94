import assert from "node:assert/strict";
import { ParticipantPermission, TrackSource } from "@livekit/protocol";
import {
  canPublishSource,
  grantMatchesPermission,
  grantWithPermission,
  isDependentGrant,
  permissionFromGrant,
  type PermissionGrant,
  sourceFromName,
  sourceName,
} from "../../../lib/room/participant_permission.ts";

Deno.test("permissionFromGrant() allows publishing, subscribing and data unless denied", () => {
  const permission = permissionFromGrant({ roomJoin: true, room: "r" });
  assert.deepEqual(
    permission,
    new ParticipantPermission({ canSubscribe: true, canPublish: true, canPublishData: true }),
  );
});

Deno.test("permissionFromGrant() lets data follow publishing unless it is set", () => {
  const data = (grant: PermissionGrant) => permissionFromGrant(grant).canPublishData;
  assert.equal(data({ canPublish: false }), false);
  assert.equal(data({ canPublish: false, canPublishData: true }), true);
  assert.equal(data({ canPublish: true, canPublishData: false }), false);
});

Deno.test("grantWithPermission() overwrites all that a permission governs and keeps the rest", () => {
  const grant = { room: "r", roomJoin: true, roomAdmin: true, canPublish: true, hidden: true };
  const denied = grantWithPermission(grant, new ParticipantPermission());
  assert.equal(denied.room, "r");
  assert.equal(denied.roomAdmin, true);
  assert.deepEqual(permissionFromGrant(denied), new ParticipantPermission());

  const everything = new ParticipantPermission({
    canSubscribe: true,
    canPublish: true,
    canPublishData: true,
    canPublishSources: [TrackSource.MICROPHONE, TrackSource.SCREEN_SHARE_AUDIO],
    hidden: true,
    recorder: true,
    canUpdateMetadata: true,
    agent: true,
    canSubscribeMetrics: true,
    canManageAgentSession: true,
  });
  const granted = grantWithPermission<PermissionGrant>({}, everything);
  assert.deepEqual(granted.canPublishSources, ["microphone", "screen_share_audio"]);
  assert.deepEqual(permissionFromGrant(granted), everything);
});

Deno.test("grantMatchesPermission() is true only when nothing would change", () => {
  const grant = { canPublishSources: ["camera"] };
  const same = permissionFromGrant(grant);
  assert.equal(grantMatchesPermission(grant, same), true);
  same.hidden = true;
  assert.equal(grantMatchesPermission(grant, same), false);
  assert.equal(grantMatchesPermission({}, permissionFromGrant(grant)), false);
});

Deno.test("canPublishSource() takes an empty list as every source, and needs canPublish", () => {
  const allowed = (grant: PermissionGrant, source: TrackSource) =>
    canPublishSource(permissionFromGrant(grant), source);
  assert.equal(allowed({}, TrackSource.CAMERA), true);
  assert.equal(allowed({ canPublishSources: [] }, TrackSource.CAMERA), true);
  assert.equal(allowed({ canPublishSources: ["microphone"] }, TrackSource.CAMERA), false);
  assert.equal(allowed({ canPublishSources: ["camera"] }, TrackSource.CAMERA), true);
  const denied = { canPublish: false, canPublishSources: ["camera"] };
  assert.equal(allowed(denied, TrackSource.CAMERA), false);
});

Deno.test("sourceFromName() undoes sourceName(), and an unknown name is UNKNOWN", () => {
  for (const source of [0, 1, 2, 3, 4]) assert.equal(sourceFromName(sourceName(source)), source);
  assert.equal(sourceFromName("toString"), TrackSource.UNKNOWN);
});

Deno.test("isDependentGrant() is true for agents and recorders", () => {
  assert.equal(isDependentGrant({ agent: true }), true);
  assert.equal(isDependentGrant({ recorder: true }), true);
  assert.equal(isDependentGrant({ hidden: true }), false);
});
