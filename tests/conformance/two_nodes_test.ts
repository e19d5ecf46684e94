/** LiveKit's integration tests of two nodes and a Redis: who is on one has to do with the other. */
import assert from "node:assert/strict";
import {
  ConnectionSettings,
  RequestResponse_Reason as Reason,
  UpdateParticipantMetadata,
  UserPacket,
} from "@livekit/protocol";
import { joinUrl } from "../support/process/join_url.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import {
  BLOB_CONTENTS,
  blobKey,
  blobRefusal,
  getBlob,
  storeBlob,
} from "../support/wire/data_blobs.ts";
import {
  openDataTrackChannel,
  OwnDataTrack,
  receivedDataTrackPackets,
  subscribedDataTracks,
} from "../support/wire/data_track_publisher.ts";
import { SignalClient } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import type { WireParticipant } from "../support/wire/wire_participant.ts";
import { type ClientOptions, clusterScenario } from "./support.ts";

const text = new TextDecoder();

/** All of these tracks come, and from whom they are. */
async function receives(
  client: WireParticipant,
  from: WireParticipant,
  sids: readonly string[],
): Promise<void> {
  for (const sid of sids) assert.equal((await client.track(sid)).publisherSid, from.sid);
}

async function publishBoth(client: WireParticipant): Promise<readonly string[]> {
  return [(await client.publish("audio")).sid, (await client.publish("video")).sid];
}

clusterScenario("TestMultiNodeRouting", async (test) => {
  await test.api(0).createRoom({ name: test.room });
  const one = await test.join(0, "one", { token: { name: "One", metadata: "of one" } });
  const two = await test.join(1, "two");
  const { sid } = await one.publish("audio");
  await receives(two, one, [sid]);
  const { name, metadata } = await two.remote("one");
  assert.deepEqual([name, metadata], ["One", "of one"]);
});

clusterScenario("TestConnectWithoutCreation", async (test) => {
  const { join } = await test.join(0, "alice");
  assert.equal(join.room!.name, test.room);
});

clusterScenario("TestMultinodePublishingUponJoining", async (test) => {
  const one = await test.join(0, "one", AUTO_DATA);
  const two = await test.join(1, "two", AUTO_DATA);
  const three = await test.join(0, "three", AUTO_DATA);
  const [ones, twos] = await Promise.all([publishBoth(one), publishBoth(two)]);
  for (const client of [one, three]) await receives(client, two, twos);
  for (const client of [two, three]) await receives(client, one, ones);
  await one.leave();
  for (const client of [two, three]) {
    await until("the first to be gone", () => !client.remotes.has("one"));
    await until("its tracks, too", () => ones.every((sid) => !client.tracks.has(sid)));
  }
  // Back at the other node.
  const again = await test.join(1, "one", AUTO_DATA);
  const republished = await publishBoth(again);
  for (const client of [two, three]) await receives(client, again, republished);
  await receives(again, two, twos);
  await data([again, two], three);
});

const settings = { autoSubscribe: true, autoSubscribeDataTrack: true };
/** Says so in each flavour's way. */
const AUTO_DATA: ClientOptions = {
  query: { auto_subscribe_data_track: "1" },
  joinRequest: { connectionSettings: new ConnectionSettings(settings) },
};

/** Packets of a data track of each of these come to another one. */
async function data(
  publishers: readonly WireParticipant[],
  client: WireParticipant,
): Promise<void> {
  await openDataTrackChannel(client);
  for (const publisher of publishers) {
    const track = await OwnDataTrack.publish(publisher, 7);
    const { sid } = track.info;
    await until(
      `a subscription of ${publisher.identity}'s`,
      () => subscribedDataTracks(client).has(sid),
    );
    const handle = subscribedDataTracks(client).get(sid);
    const came = () =>
      receivedDataTrackPackets(client).some((packet) =>
        packet.handle === handle && text.decode(packet.payload) === publisher.identity
      );
    await until(`a packet of ${publisher.identity}'s`, () => {
      // Packets may be lost, and the routes be under way.
      if (!came()) track.send(publisher.identity);
      return came();
    });
  }
}

clusterScenario("TestMultinodeReceiveBeforePublish", async (test) => {
  const one = await test.join(0, "one");
  const two = await test.join(1, "two");
  await receives(two, one, await publishBoth(one));
  await receives(one, two, await publishBoth(two));
  await two.leave();
  await until("nobody else to be there", () => one.remotes.size === 0);
});

clusterScenario("TestMultinodeDataPublishing", async (test) => {
  const one = await test.join(0, "one");
  const two = await test.join(1, "two");
  await Promise.all([one.openData(), two.openData()]);
  await Promise.all([test.known(0, "two"), test.known(1, "one")]);
  const payloads = (client: WireParticipant) =>
    client.data.map(({ value, participantIdentity }) => {
      assert.equal(value.case, "user");
      const { payload, participantSid } = value.value as UserPacket;
      return [text.decode(payload), participantSid, participantIdentity];
    });
  const packet = new UserPacket({ payload: new TextEncoder().encode("test bytes") });
  await one.sendData({ value: { case: "user", value: packet } });
  await until("the packet", () => two.data.length === 1);
  assert.deepEqual(payloads(two), [["test bytes", one.sid, "one"]]);
  const { channels } = two.publisher.client!;
  channels!.open("unlabeled", { ordered: true });
  await until("the channel", () => channels!.isOpen("unlabeled"));
  channels!.send("unlabeled", new TextEncoder().encode("raw bytes"));
  await until("what was sent without a packet", () => one.data.length === 1);
  assert.deepEqual(payloads(one), [["raw bytes", two.sid, "two"]]);
});

clusterScenario("TestMultiNodeJoinAfterClose", async (test) => {
  const alice = await test.join(0, "alice");
  const { sid } = alice.join.room!;
  await test.api(1).deleteRoom(test.room);
  await alice.signal.ended();
  const again = await test.join(1, "alice");
  assert.notEqual(again.join.room!.sid, sid);
});

clusterScenario("TestMultiNodeCloseNonRTCRoom", async (test) => {
  await test.api(0).createRoom({ name: test.room });
  await test.api(1).deleteRoom(test.room);
  for (const node of [0, 1]) assert.deepEqual(await test.api(node).listRooms([test.room]), []);
});

clusterScenario("TestMultinodeReconnectAfterNodeShutdown", async (test) => {
  const first = await test.join(1, "first");
  const { nodeId } = first.join.serverInfo!;
  await first.leave();
  const name = "pinned";
  await test.api(0).createRoom({ name, nodeId });
  const options = { token: { room: name } };
  const one = await test.join(0, "one", options);
  const two = await test.join(1, "two", options);
  for (const { join } of [one, two]) assert.equal(join.serverInfo!.nodeId, nodeId);
  await test.nodes[1]!.stop();
  await test.join(0, "three", options);
}, { isAlone: true });

interface Claims {
  readonly metadata?: string;
  readonly video: Readonly<Record<string, unknown>>;
}

function claimsOf(token: string): Claims {
  const body = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(atob(body));
}

clusterScenario("TestMultiNodeRefreshToken", async (test) => {
  const alice = await test.join(1, "alice", { token: { metadata: "before" } });
  const permission = { canPublish: false, canPublishData: false, canSubscribe: true };
  await test.api(0).updateParticipant(test.room, "alice", { metadata: "after", permission });
  const token = await until(
    "a token that says it",
    () =>
      alice.signal.all("refreshToken").map(claimsOf)
        .find(({ metadata, video }) => metadata === "after" && video["canPublish"] === false),
  );
  const { canPublish, canPublishData, canSubscribe, room } = token.video;
  assert.deepEqual({ canPublish, canPublishData, canSubscribe, room }, {
    ...permission,
    room: test.room,
  });
});

async function updateAttributes(
  client: WireParticipant,
  requestId: number,
  attributes: Record<string, string>,
): Promise<Reason> {
  const value = new UpdateParticipantMetadata({ requestId, attributes });
  client.signal.send({ case: "updateMetadata", value });
  const answer = await client.signal.message("requestResponse", (r) => r.requestId === requestId);
  return answer.reason;
}

clusterScenario("TestMultiNodeUpdateAttributes", async (test) => {
  const [alice, bob] = await Promise.all([
    test.join(0, "alice", {
      token: { attributes: { mykey: "au1" }, grant: { canUpdateOwnMetadata: false } },
    }),
    test.join(1, "bob", {
      token: { attributes: { mykey: "au2" }, grant: { canUpdateOwnMetadata: true } },
    }),
  ]);
  assert.deepEqual((await bob.remote("alice")).attributes, { mykey: "au1" });
  assert.deepEqual((await alice.remote("bob")).attributes, { mykey: "au2" });
  assert.equal(await updateAttributes(alice, 1, { mykey: "shouldnotchange" }), Reason.NOT_ALLOWED);
  assert.equal(await updateAttributes(bob, 2, { secondkey: "au2" }), Reason.OK);
  const changed = await alice.remote("bob", (info) => info.attributes["secondkey"] === "au2");
  assert.deepEqual(changed.attributes, { mykey: "au2", secondkey: "au2" });
  const attributes = { secondkey: "au1" };
  // From the node that does not serve her.
  await test.api(1).updateParticipant(test.room, "alice", { attributes });
  const updated = await bob.remote("alice", (info) => info.attributes["secondkey"] === "au1");
  assert.deepEqual(updated.attributes, { mykey: "au1", secondkey: "au1" });
});

clusterScenario("TestMultiNodeRevokePublishPermission", async (test) => {
  const [alice, bob] = await Promise.all([test.join(0, "alice"), test.join(1, "bob")]);
  const sids = await publishBoth(alice);
  await receives(bob, alice, sids);
  const permission = { canSubscribe: true, canPublishData: true, canPublish: false };
  await test.api(1).updateParticipant(test.room, "alice", { permission });
  const told = () => alice.signal.all("trackUnpublished").map(({ trackSid }) => trackSid);
  await until("alice to be told", () => told().length === 2);
  assert.deepEqual(told().toSorted(), sids.toSorted());
  const after = await bob.remote("alice", ({ tracks }) => tracks.length === 0);
  assert.equal(after.permission!.canPublish, false);
});

clusterScenario("TestCloseDisconnectedParticipantOnSignalClose", async (test) => {
  const alice = await test.join(0, "alice");
  const { flavour, room } = test;
  const token = await mintToken({ room, identity: "silent" });
  const silent = await SignalClient.open(joinUrl(test.nodes[1]!.url, token, { flavour }));
  await silent.message("join");
  await test.known(0, "silent");
  await silent.close();
  await until("alice to hear that it is gone", () => !alice.remotes.has("silent"));
  const listed = (await test.api(0).listParticipants(room)).map(({ identity }) => identity);
  assert.deepEqual(listed, ["alice"]);
});

clusterScenario("TestMultiNodeDataBlob", async (test) => {
  const [pub, sub] = await Promise.all([test.join(0, "pub"), test.join(1, "sub")]);
  await test.known(1, "pub");
  const key = blobKey("blob-1");
  storeBlob(pub, 1, key);
  await pub.signal.message("storeDataBlobResponse");
  getBlob(sub, 2, "pub", key);
  const { requestId, blob } = await sub.signal.message("getDataBlobResponse");
  assert.equal(requestId, 2);
  assert.ok(blob!.key!.equals(key));
  assert.deepEqual(blob!.contents, BLOB_CONTENTS);
  getBlob(sub, 3, "pub", blobKey("does-not-exist"));
  assert.equal(await blobRefusal(sub, 3), Reason.NOT_FOUND);
  getBlob(sub, 4, "unknown-publisher", key);
  assert.equal(await blobRefusal(sub, 4), Reason.NOT_FOUND);
});
