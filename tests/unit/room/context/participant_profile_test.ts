import assert from "node:assert/strict";
import { DisconnectReason, ParticipantInfo_State as State } from "@livekit/protocol";
import { sharedInfo } from "../../../../lib/room/context/participant_facts.ts";
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
