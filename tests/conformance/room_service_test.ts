/**
 * What LiveKit's tests of two nodes say about the server API: a call changes the room and its
 * participants wherever they are. They run on one node until several are built.
 */
import assert from "node:assert/strict";
import { DisconnectReason, TrackSource } from "@livekit/protocol";
import { until } from "../support/wire/until.ts";
import { FLAVOURS, ROOM, scenario } from "./support.ts";

scenario("TestMultiNodeRoomList", async ({ api }) => {
  for (const name of ["one", "two"]) await api.createRoom({ name });
  const listed = async (names?: string[]) =>
    (await api.listRooms(names)).map(({ name }) => name).sort();
  assert.deepEqual(await listed(), ["one", "two"]);
  assert.deepEqual(await listed(["two", "never-made"]), ["two"]);
});

scenario("TestMultiNodeUpdateRoomMetadata", async (test) => {
  const metadata = "updated metadata";
  await test.api.createRoom({ name: "empty" });
  assert.equal((await test.api.updateRoomMetadata("empty", metadata)).metadata, metadata);
  assert.equal((await test.api.listRooms(["empty"]))[0]!.metadata, metadata);
  for (const flavour of FLAVOURS) {
    const room = `with-participant-${flavour}`;
    const alice = await test.join("alice", { flavour, token: { room } });
    assert.equal((await test.api.updateRoomMetadata(room, metadata)).metadata, metadata);
    await alice.signal.message("roomUpdate", ({ room }) => room!.metadata === metadata);
  }
});

scenario("TestMultiNodeRemoveParticipant", async (test) => {
  const alice = await test.join("alice");
  await test.api.removeParticipant(ROOM, "alice");
  assert.deepEqual(await test.api.listParticipants(ROOM), []);
  const { reason } = await alice.signal.message("leave");
  assert.equal(reason, DisconnectReason.PARTICIPANT_REMOVED);
  await alice.signal.ended();
});

scenario("TestMultiNodeUpdateParticipantMetadata", async (test) => {
  const [, bob] = await test.joinAll(["alice", "bob"]);
  const metadata = "the new metadata";
  const updated = await test.api.updateParticipant(ROOM, "alice", { metadata });
  assert.deepEqual([updated.identity, updated.metadata], ["alice", metadata]);
  await bob!.remote("alice", (info) => info.metadata === metadata);
});

scenario("TestMultiNodeMutePublishedTrack", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  const { sid } = await alice!.publish("audio");
  await alice!.publish("video");
  const { tracks } = await until("both tracks to be published", async () => {
    const info = await test.api.getParticipant(ROOM, "alice");
    return info.tracks.length === 2 && info;
  });
  const sources = tracks.map(({ source }) => source).sort();
  assert.deepEqual(sources, [TrackSource.CAMERA, TrackSource.MICROPHONE]);
  const muted = await test.api.mutePublishedTrack(ROOM, "alice", sid, true);
  assert.deepEqual([muted.sid, muted.muted], [sid, true]);
  await alice!.signal.message("mute", (request) => request.sid === sid && request.muted);
  await bob!.remote("alice", (info) => info.tracks.some((one) => one.sid === sid && one.muted));
});
