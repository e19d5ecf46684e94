import assert from "node:assert/strict";
import {
  DisconnectReason,
  ParticipantInfo_State as State,
  ParticipantPermission,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import { sharedInfo } from "../../../../lib/room/context/participant_facts.ts";
import { canPublishSource } from "../../../../lib/room/context/participant_profile.ts";
import { World } from "../../../support/virtual/scripted_client.ts";

Deno.test("ParticipantProfile.sharedInfo() gives one object a version, equal to a fresh one", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { participant } = alice;
  const first = sharedInfo(participant);
  assert.equal(sharedInfo(participant), first);
  assert.deepEqual(participant.info(), first);
  assert.equal(sharedInfo(participant), first, "a fresh one is no new version");

  const seen = new Set([first]);
  const changes = [
    () => alice.publishCamera(),
    () => participant.updateProfile({ name: "Al", metadata: "", attributes: {} }),
    () => participant.setPermission(participant.profile.permission.clone()),
    () => alice.publishMicrophone("mic", "2"),
  ];
  for (const [index, change] of changes.entries()) {
    await change();
    await world.settle();
    const shared = sharedInfo(participant);
    assert.deepEqual(shared, participant.info(), `change ${index}`);
    seen.add(shared);
  }
  // Setting the permission it had is no change.
  assert.equal(seen.size, changes.length);
  assert.ok(first.tracks.length === 0 && first.name === "", "what was told stays as it was");
});

Deno.test("Room never shows a departed participant's end in what was told before", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const told = sharedInfo(alice.participant);
  const { participant } = alice;
  participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
  await world.settle();
  assert.equal(told.state, State.ACTIVE);
  assert.equal(sharedInfo(participant).state, State.DISCONNECTED);
});

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
