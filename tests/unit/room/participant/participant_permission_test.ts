import assert from "node:assert/strict";
import { ParticipantPermission, TrackSource, TrackType } from "@livekit/protocol";
import { canPublishSource } from "../../../../lib/room/participant/participant_permission.ts";

Deno.test("canPublishSource() takes an empty list as every source, and needs canPublish", () => {
  const { CAMERA, MICROPHONE } = TrackSource;
  const allowed = (canPublish: boolean, canPublishSources: TrackSource[]) =>
    canPublishSource(
      new ParticipantPermission({ canPublish, canPublishSources }),
      CAMERA,
      TrackType.VIDEO,
    );
  assert.equal(allowed(true, []), true);
  assert.equal(allowed(true, [MICROPHONE]), false);
  assert.equal(allowed(true, [MICROPHONE, CAMERA]), true);
  assert.equal(allowed(false, [CAMERA]), false);
});

Deno.test("canPublishSource() allows a listed source with the type that comes from it alone", () => {
  const { CAMERA, MICROPHONE, SCREEN_SHARE, SCREEN_SHARE_AUDIO, UNKNOWN } = TrackSource;
  const { AUDIO, VIDEO } = TrackType;
  const allowed = (source: TrackSource, type: TrackType, canPublishSources = [source]) =>
    canPublishSource(
      new ParticipantPermission({ canPublish: true, canPublishSources }),
      source,
      type,
    );
  for (const source of [MICROPHONE, SCREEN_SHARE_AUDIO]) {
    assert.deepEqual([allowed(source, AUDIO), allowed(source, VIDEO)], [true, false]);
  }
  for (const source of [CAMERA, SCREEN_SHARE]) {
    assert.deepEqual([allowed(source, AUDIO), allowed(source, VIDEO)], [false, true]);
  }
  assert.deepEqual([allowed(UNKNOWN, AUDIO), allowed(UNKNOWN, VIDEO)], [true, true]);
  assert.equal(allowed(MICROPHONE, VIDEO, []), true, "without a list every source has every type");
});
