/** LiveKit's tests of the server API on one node, through its own SDK. */
import assert from "node:assert/strict";
import { AccessToken, type VideoGrant } from "livekit-server-sdk";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { ROOM, scenario, type TestServer } from "./support.ts";

const names = (rooms: readonly { readonly name: string }[]) => rooms.map(({ name }) => name).sort();

/** Calls a method with just this grant; gives status and body. */
async function call(
  { httpUrl }: TestServer,
  grant: VideoGrant,
  method: string,
  request: unknown,
  slashes = "/",
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const token = new AccessToken(TEST_KEY, TEST_SECRET, { identity: "api" });
  token.addGrant(grant);
  const response = await fetch(`${httpUrl}${slashes}twirp/livekit.RoomService/${method}`, {
    method: "POST",
    redirect: "error",
    headers: {
      "Authorization": `Bearer ${await token.toJwt()}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify(request),
  });
  return { status: response.status, body: await response.json() };
}

scenario("TestSingleNodeRoomList", async ({ api }) => {
  for (const name of ["one", "two"]) await api.createRoom({ name });
  assert.deepEqual(names(await api.listRooms()), ["one", "two"]);
  assert.deepEqual(names(await api.listRooms(["two"])), ["two"]);
});

scenario("TestSingleNodeUpdateParticipant", async ({ api }) => {
  await api.createRoom({ name: ROOM });
  const update = api.updateParticipant(ROOM, "nonexistent", {
    permission: { canPublish: false },
  });
  await assert.rejects(update, { code: "not_found" });
});

scenario("TestSingleNodeDoubleSlash", async (test) => {
  await test.api.createRoom({ name: ROOM });
  const { status, body } = await call(test, { roomList: true }, "ListRooms", {}, "//");
  assert.equal(status, 200);
  assert.deepEqual(names(body.rooms as { name: string }[]), [ROOM]);
});

scenario("TestSingleNodeCloseNonRTCRoom", async ({ api }) => {
  await api.createRoom({ name: ROOM });
  await api.deleteRoom(ROOM);
  assert.deepEqual(await api.listRooms(), []);
});

scenario("TestDeleteRoom", async (test) => {
  await test.api.createRoom({ name: ROOM });
  const { status, body } = await call(test, {}, "DeleteRoom", { room: ROOM });
  assert.deepEqual([status, body.code], [401, "unauthenticated"]);
  assert.equal((await test.api.listRooms()).length, 1);
});

scenario("TestMetaDataLimits", async (test) => {
  const { api } = test;
  await test.join("alice");
  const long = "x".repeat(21);
  const refused = { code: "invalid_argument" };
  await assert.rejects(api.updateParticipant(ROOM, "alice", { metadata: long }), refused);
  const attributes = { key: long };
  await assert.rejects(api.updateParticipant(ROOM, "alice", { attributes }), refused);
  await assert.rejects(api.updateRoomMetadata(ROOM, long), refused);
  await assert.rejects(api.createRoom({ name: "other", metadata: long }), refused);
  const fits = "x".repeat(20);
  assert.equal((await api.updateParticipant(ROOM, "alice", { metadata: fits })).metadata, fits);
  assert.equal((await api.updateRoomMetadata(ROOM, fits)).metadata, fits);
}, { config: { limit: { max_metadata_size: 20, max_attributes_size: 20 } } });
