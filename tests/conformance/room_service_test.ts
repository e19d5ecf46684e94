/** LiveKit's tests of the server API of two nodes: whichever is asked, it answers for both. */
import assert from "node:assert/strict";
import { DisconnectReason, TrackSource } from "@livekit/protocol";
import { clusterScenario, FLAVOURS } from "./support.ts";

clusterScenario("TestMultiNodeRoomList", async (test) => {
  const names = ["one", "two"].map((name) => `${test.room} ${name}`);
  for (const [node, name] of names.entries()) await test.api(node).createRoom({ name });
  for (const node of [0, 1]) {
    const listed = async (wanted?: string[]) =>
      (await test.api(node).listRooms(wanted)).map(({ name }) => name).sort();
    assert.deepEqual((await listed()).filter((name) => name.startsWith(test.room)), names);
    assert.deepEqual(await listed([names[1]!, "never-made"]), [names[1]]);
  }
});

clusterScenario("TestMultiNodeUpdateRoomMetadata", async (test) => {
  const metadata = "updated metadata";
  const empty = `${test.room} empty`;
  await test.api(0).createRoom({ name: empty });
  assert.equal((await test.api(1).updateRoomMetadata(empty, metadata)).metadata, metadata);
  assert.equal((await test.api(0).listRooms([empty]))[0]!.metadata, metadata);
  for (const flavour of FLAVOURS) {
    const room = `${test.room} with participant ${flavour}`;
    const alice = await test.join(1, "alice", { flavour, token: { room } });
    assert.equal((await test.api(0).updateRoomMetadata(room, metadata)).metadata, metadata);
    await alice.signal.message("roomUpdate", ({ room }) => room!.metadata === metadata);
  }
});

clusterScenario("TestMultiNodeRemoveParticipant", async (test) => {
  const alice = await test.join(1, "alice");
  await test.api(0).removeParticipant(test.room, "alice");
  for (const node of [0, 1]) assert.deepEqual(await test.api(node).listParticipants(test.room), []);
  const { reason } = await alice.signal.message("leave");
  assert.equal(reason, DisconnectReason.PARTICIPANT_REMOVED);
  await alice.signal.ended();
});

clusterScenario("TestMultiNodeUpdateParticipantMetadata", async (test) => {
  const bob = await test.join(0, "bob");
  await test.join(1, "alice");
  const metadata = "the new metadata";
  const updated = await test.api(0).updateParticipant(test.room, "alice", { metadata });
  assert.deepEqual([updated.identity, updated.metadata], ["alice", metadata]);
  await bob.remote("alice", (info) => info.metadata === metadata);
});

clusterScenario("TestMultiNodeMutePublishedTrack", async (test) => {
  const bob = await test.join(0, "bob");
  const alice = await test.join(1, "alice");
  const { sid } = await alice.publish("audio");
  const video = await alice.publish("video");
  for (const one of [sid, video.sid]) await bob.track(one);
  const { tracks } = await test.api(0).getParticipant(test.room, "alice");
  const sources = tracks.map(({ source }) => source).sort();
  assert.deepEqual(sources, [TrackSource.CAMERA, TrackSource.MICROPHONE]);
  const muted = await test.api(0).mutePublishedTrack(test.room, "alice", sid, true);
  assert.deepEqual([muted.sid, muted.muted], [sid, true]);
  await alice.signal.message("mute", (request) => request.sid === sid && request.muted);
  await bob.remote("alice", (info) => info.tracks.some((one) => one.sid === sid && one.muted));
});

clusterScenario("TestParticipantPersistence", async (test) => {
  const alice = await test.join(0, "alice");
  const { sid } = await alice.publish("audio");
  for (const node of [0, 1]) {
    await test.known(node, "alice");
    const found = await test.api(node).getParticipant(test.room, "alice");
    assert.deepEqual([found.identity, found.sid], ["alice", alice.sid]);
    assert.deepEqual(found.tracks.map((track) => track.sid), [sid]);
    assert.equal((await test.api(node).listParticipants(test.room)).length, 1);
  }
  await test.api(1).removeParticipant(test.room, "alice");
  for (const node of [0, 1]) {
    assert.deepEqual(await test.api(node).listParticipants(test.room), []);
    await assert.rejects(test.api(node).getParticipant(test.room, "alice"), { code: "not_found" });
  }
});
