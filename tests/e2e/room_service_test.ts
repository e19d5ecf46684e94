/**
 * `RoomServiceClient` of the real server SDK against a real server process, with real SDK clients
 * in the rooms.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DataPacket_Kind, RoomServiceClient, TrackSource } from "livekit-server-sdk";
import { assertReceives, publishCameraAndMicrophone } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile({
  config: { room: { enable_remote_unmute: true } },
});

async function api(): Promise<RoomServiceClient> {
  const { httpUrl } = await fixture.server();
  return new RoomServiceClient(httpUrl, TEST_KEY, TEST_SECRET);
}

/** Polls what `client` knows of `identity` until it `matches`. */
function seen(
  client: SdkClient,
  identity: string,
  matches: (one: Awaited<ReturnType<SdkClient["snapshot"]>>["remotes"][number]) => boolean,
) {
  return eventually(`${client.identity} to see ${identity} so`, async () => {
    const { remotes } = await client.snapshot();
    return remotes.find((one) => one.identity === identity && matches(one));
  }, { seen: () => client.snapshot() });
}

endToEndTest("RoomServiceClient makes, lists, changes and deletes rooms", [], async () => {
  const rooms = await api();
  const made = await rooms.createRoom({
    name: "api-one",
    emptyTimeout: 77,
    maxParticipants: 5,
    metadata: "first",
  });
  assert.match(made.sid, /^RM_/);
  assert.deepEqual([made.emptyTimeout, made.departureTimeout, made.maxParticipants], [77, 20, 5]);
  assert.ok(Math.abs(Number(made.creationTimeMs) - Date.now()) < 60_000);
  await rooms.createRoom({ name: "api-two" });
  const names = (await rooms.listRooms()).map(({ name }) => name);
  assert.ok(names.includes("api-one") && names.includes("api-two"));
  assert.deepEqual(
    (await rooms.listRooms(["api-two", "api-none"])).map(({ name }) => name),
    ["api-two"],
  );
  const again = await rooms.createRoom({ name: "api-one", maxParticipants: 6 });
  assert.deepEqual([again.sid, again.maxParticipants, again.metadata], [made.sid, 5, "first"]);
  assert.equal((await rooms.updateRoomMetadata("api-one", "second")).metadata, "second");
  for (const name of ["api-one", "api-two"]) await rooms.deleteRoom(name);
  assert.deepEqual(await rooms.listRooms(["api-one", "api-two"]), []);
  await assert.rejects(rooms.deleteRoom("api-one"), { status: 404, code: "not_found" });
});

endToEndTest(
  "RoomServiceClient acts on participants as they do themselves",
  ["chromium"],
  () =>
    fixture.call("api-participants", async (call) => {
      const rooms = await api();
      const ann = await call.join("rtc-node", "ann", { name: "Ann" });
      const bob = await call.join("chromium", "bob");
      const published = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
      await assertReceives(bob, ann, published);

      const infos = await rooms.listParticipants(call.room);
      assert.deepEqual(infos.map(({ identity }) => identity).sort(), ["ann", "bob"]);
      const { tracks } = await rooms.getParticipant(call.room, "ann");
      const microphone = tracks.find(({ source }) => source === TrackSource.MICROPHONE)!;
      for (const muted of [true, false]) {
        const track = await rooms.mutePublishedTrack(call.room, "ann", microphone.sid, muted);
        assert.equal(track.muted, muted);
        await seen(
          bob,
          "ann",
          (one) => one.tracks.some(({ sid, muted: m }) => sid === microphone.sid && m === muted),
        );
      }

      await rooms.updateParticipant(call.room, "ann", {
        name: "Dr. Ann",
        metadata: "m",
        attributes: { role: "host" },
      });
      const changed = await seen(bob, "ann", ({ name }) => name === "Dr. Ann");
      assert.deepEqual([changed.metadata, changed.attributes.role], ["m", "host"]);

      const isSubscribed = (subscribed: boolean) =>
        seen(
          bob,
          "ann",
          (one) => one.tracks.some((t) => t.sid === microphone.sid && t.subscribed === subscribed),
        );
      for (const subscribe of [false, true]) {
        await rooms.updateSubscriptions(call.room, "bob", [microphone.sid], subscribe);
        await isSubscribed(subscribe);
      }

      const payload = new TextEncoder().encode("from the server");
      await rooms.sendData(call.room, payload, DataPacket_Kind.RELIABLE, {
        destinationIdentities: ["bob"],
        topic: "news",
      });
      const data = await eventually("the data", async () => (await bob.receivedData())[0]);
      assert.deepEqual([data.text, data.topic, data.from, data.reliable], [
        "from the server",
        "news",
        "",
        true,
      ]);
      assert.deepEqual(await ann.receivedData(), []);

      await rooms.updateParticipant(call.room, "ann", {
        permission: { canSubscribe: true, canPublish: false, canPublishData: true },
      });
      await seen(bob, "ann", (one) => one.tracks.length === 0);

      await rooms.removeParticipant(call.room, "ann");
      await eventually("ann to be out", async () => {
        const { state, disconnectReason } = await ann.snapshot();
        return state === "disconnected" && disconnectReason === "PARTICIPANT_REMOVED";
      }, { seen: () => ann.snapshot() });
      await assert.rejects(rooms.removeParticipant(call.room, "ann"), { code: "not_found" });
      await assert.rejects(call.join("rtc-node", "ann"), "her tokens are revoked");
      await rooms.deleteRoom(call.room);
      await eventually(
        "bob to be out",
        async () => (await bob.snapshot()).state === "disconnected",
      );
    }),
);

for (const connections of [2, 1]) {
  endToEndTest(
    `RoomServiceClient moves a participant with its media, ${connections} connection(s)`,
    ["chromium"],
    () =>
      fixture.call(`api-move-${connections}`, async (call) => {
        const rooms = await api();
        const ann = await call.join("chromium", "ann", {
          connect: { singlePeerConnection: connections === 1 },
        });
        const bob = await call.join("rtc-node", "bob");
        const carol = await call.join("rtc-node", "carol", {
          grant: { room: `api-moved-${connections}` },
        });
        const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
        const fromCarol = await publishCameraAndMicrophone(carol, {
          color: [40, 160, 60],
          hz: 880,
        });
        await assertReceives(bob, ann, fromAnn);

        await rooms.moveParticipant(call.room, "ann", `api-moved-${connections}`);
        await assertReceives(carol, ann, fromAnn);
        await assertReceives(ann, carol, fromCarol);
        const { state, reconnects, remotes } = await ann.snapshot();
        assert.deepEqual([state, reconnects], ["connected", 0]);
        assert.deepEqual(remotes.map(({ identity }) => identity), ["carol"]);
        await eventually(
          "bob to be alone",
          async () => (await bob.snapshot()).remotes.length === 0,
        );
        assert.deepEqual(await rooms.listParticipants(call.room).then((l) => l.length), 1);
      }),
  );
}

endToEndTest(
  "RoomServiceClient forwards a participant to a second room",
  [],
  () =>
    fixture.call("api-forward", async (call) => {
      const rooms = await api();
      const ann = await call.join("rtc-node", "ann");
      const carol = await call.join("rtc-node", "carol", { grant: { room: "api-overflow" } });
      const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
      await rooms.forwardParticipant(call.room, "ann", "api-overflow");
      await assertReceives(carol, ann, fromAnn);
      await ann.disconnect();
      await eventually("ann to be gone", async () => (await carol.snapshot()).remotes.length === 0);
    }),
);

endToEndTest("Twirp answers a bad token in plain text, as every path does", [], async () => {
  const { httpUrl } = await fixture.server();
  const response = await fetch(`${httpUrl}/twirp/livekit.RoomService/ListRooms`, {
    method: "POST",
    headers: { "Authorization": "Bearer nonsense", "Content-Type": "application/json" },
    body: "{}",
  });
  assert.deepEqual([response.status, await response.text()], [401, "invalid authorization token"]);
  assert.match(response.headers.get("Content-Type")!, /^text\/plain/);
});
