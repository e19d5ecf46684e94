import assert from "node:assert/strict";
import { ParticipantPermission, TrackSource } from "@livekit/protocol";
import { grantedPermission, permissionClaims } from "../../../lib/signalling/permission_claims.ts";

const FLAGS = [
  "canSubscribe",
  "canPublish",
  "canPublishData",
  "hidden",
  "recorder",
  "canUpdateMetadata",
  "canSubscribeMetrics",
  "canManageAgentSession",
] as const;

Deno.test("grantedPermission() undoes permissionClaims(), one right at a time", () => {
  for (const flag of FLAGS) {
    const permission = new ParticipantPermission({ [flag]: true });
    const claims = permissionClaims(permission);
    assert.equal(Object.values(claims).filter((value) => value === true).length, 1, flag);
    assert.deepEqual(grantedPermission({ ...claims, agent: false }), permission, flag);
  }
});

Deno.test("permissionClaims() never makes a worker's token of an agent's permission", () => {
  const permission = new ParticipantPermission({ agent: true });
  const claims = permissionClaims(permission);
  assert.ok(!Object.values(claims).includes(true));
  assert.deepEqual(grantedPermission({ ...claims, agent: true }), permission);
});

Deno.test("grantedPermission() keeps the sources, and they are nobody else's", () => {
  const canPublishSources = [TrackSource.MICROPHONE, TrackSource.SCREEN_SHARE_AUDIO];
  const permission = new ParticipantPermission({ canPublish: true, canPublishSources });
  const granted = grantedPermission({ ...permissionClaims(permission), agent: false });
  assert.deepEqual(granted, permission);
  granted.canPublishSources.push(TrackSource.CAMERA);
  assert.equal(permission.canPublishSources.length, 2);
});
