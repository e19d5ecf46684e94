import assert from "node:assert/strict";
import { ParticipantPermission, TrackSource } from "@livekit/protocol";
import { canPublishSource } from "../../../lib/room/participant_permission.ts";

Deno.test("canPublishSource() takes an empty list as every source, and needs canPublish", () => {
  const { CAMERA, MICROPHONE } = TrackSource;
  const allowed = (canPublish: boolean, canPublishSources: TrackSource[]) =>
    canPublishSource(new ParticipantPermission({ canPublish, canPublishSources }), CAMERA);
  assert.equal(allowed(true, []), true);
  assert.equal(allowed(true, [MICROPHONE]), false);
  assert.equal(allowed(true, [MICROPHONE, CAMERA]), true);
  assert.equal(allowed(false, [CAMERA]), false);
});
