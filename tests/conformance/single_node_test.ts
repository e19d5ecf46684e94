/** LiveKit's integration tests of one node: joining, publishing, subscribing. */
import assert from "node:assert/strict";
import { ClientInfo_SDK, SubscriptionError } from "@livekit/protocol";
import { UpgradeRefused } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import { ROOM, scenario } from "./support.ts";

scenario("TestClientCouldConnect", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  await alice!.remote("bob");
  await bob!.remote("alice");
  assert.deepEqual([...alice!.remotes.keys()], ["bob"]);
  assert.deepEqual([...bob!.remotes.keys()], ["alice"]);
}, { speed: 4 });

scenario("TestClientConnectDuplicate", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  const audio = await alice!.publish("audio");
  const video = await alice!.publish("video");
  for (const { sid } of [audio, video]) {
    assert.equal((await bob!.track(sid)).publisherSid, alice!.sid);
  }
  // Two connections: a publish-only session beside the first. One connection: the first is evicted.
  const beside = test.flavour === "v0";
  const again = await test.open("alice", {
    query: beside ? { publish: "duplicate_connection" } : {},
  });
  if (beside) await again.negotiate();
  await again.connected();
  assert.notEqual(again.sid, alice!.sid);
  assert.equal(again.identity, beside ? "alice#duplicate_connection" : "alice");
  const third = await again.publish("audio");
  assert.equal((await bob!.track(third.sid)).publisherSid, again.sid);
  if (beside) assert.equal(alice!.signal.closed, undefined);
  else await alice!.signal.ended();
});

scenario("TestSinglePublisher", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  const audio = await alice!.publish("audio", {
    announce: { simulcastCodecs: [{ codec: "audio/OPUS", cid: "mic" }] },
    cid: "mic",
  });
  const video = await alice!.publish("video");
  for (const { sid } of [audio, video]) {
    assert.match(sid, /^TR_/);
    await bob!.track(sid);
  }
  const info = await bob!.remote("alice", ({ tracks }) => tracks.length === 2);
  assert.equal(info.tracks.find(({ sid }) => sid === audio.sid)!.mimeType, "audio/opus");
  const late = await test.join("late");
  for (const { sid } of [audio, video]) await late.track(sid);
  const subscriptions = () => test.server.rooms.get(ROOM)!.byIdentity("late");
  assert.ok(subscriptions());
  await late.leave();
  await until("the late joiner to be gone", () => subscriptions() === undefined);
  await until("bob to hear of it", () => !bob!.remotes.has("late"));
});

scenario(
  "Test_WhenAutoSubscriptionDisabled_ClientShouldNotReceiveAnyPublishedTracks",
  async (test) => {
    const alice = await test.join("alice");
    const [manual, automatic] = await Promise.all([
      test.join("manual", { autoSubscribe: false }),
      test.join("automatic"),
    ]);
    const { sid } = await alice.publish("video");
    await automatic.track(sid);
    await manual.remote("alice", ({ tracks }) => tracks.length === 1);
    assert.equal(manual.tracks.size, 0);
    const late = await test.join("late", { autoSubscribe: false });
    assert.equal(late.tracks.size, 0);
  },
);

scenario("Test_RenegotiationWithDifferentCodecs", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  const vp8 = await alice!.publish("video");
  assert.equal((await bob!.track(vp8.sid)).mime, "video/VP8");
  const h264 = await alice!.publish("video", {
    codecs: ["video/H264"],
    announce: { simulcastCodecs: [{ codec: "h264", cid: "second" }] },
    cid: "second",
  });
  assert.equal((await bob!.track(h264.sid)).mime, "video/H264");
  assert.ok(bob!.tracks.has(vp8.sid));
});

scenario("TestPingPong", async (test) => {
  const alice = await test.join("alice");
  const sentAt = Date.now();
  alice.signal.send({ case: "ping", value: BigInt(sentAt) });
  const pong = Number(await alice.signal.message("pong"));
  // The server's own time, which here is ours.
  assert.ok(sentAt <= pong && pong <= Date.now(), `${pong - sentAt} ms after the ping was sent`);
});

scenario("TestSingleNodeJoinAfterClose", async (test) => {
  const alice = await test.join("alice");
  const { sid } = alice.join.room!;
  await test.api.deleteRoom(ROOM);
  await alice.signal.ended();
  const again = await test.join("alice");
  assert.notEqual(again.join.room!.sid, sid);
});

scenario("TestAutoCreate", async (test) => {
  await assert.rejects(test.open("alice"), UpgradeRefused);
  await assert.rejects(test.open("bob"), UpgradeRefused);
  await test.api.createRoom({ name: ROOM });
  await test.join("alice");
}, { config: { room: { auto_create: false } } });

scenario("TestSingleNodeUpdateSubscriptionPermissions", async (test) => {
  const alice = await test.join("alice");
  const { sid } = await alice.publish("audio");
  const bob = await test.open("bob", { token: { grant: { canSubscribe: false } } });
  await bob.negotiate();
  await bob.connected();
  await bob.remote("alice", ({ tracks }) => tracks.length === 1);
  assert.equal(bob.tracks.size, 0);
  await test.api.updateParticipant(ROOM, "bob", { permission: { canSubscribe: true } });
  await bob.track(sid);
});

scenario("TestSingleNodeAttributes", async (test) => {
  await test.join("bob", {
    token: { grant: { canUpdateOwnMetadata: true }, attributes: { a: "0", b: "1" } },
    attributes: { b: "2", c: "3" },
  });
  const alice = await test.join("alice");
  const { attributes } = await alice.remote("bob");
  assert.deepEqual(attributes, { a: "0", b: "2", c: "3" });
});

scenario("TestDeviceCodecOverride", async (test) => {
  const alice = await test.join("alice", {
    clientInfo: { sdk: ClientInfo_SDK.ANDROID, os: "android", deviceModel: "Xiaomi 2201117TI" },
  });
  await alice.publish("video", {
    cid: "cam",
    codecs: ["video/H264", "video/VP8"],
    announce: { simulcastCodecs: [{ codec: "h264", cid: "cam" }] },
    media: false,
  });
  const video = /m=video[^]*/.exec(alice.lastAnswer)![0];
  assert.match(video, /VP8\/90000/);
  assert.doesNotMatch(video, /H264/);
});

scenario("TestSubscribeToCodecUnsupported", async (test) => {
  const alice = await test.join("alice");
  const bob = await test.join("bob", { unsupported: ["video/H264"] });
  for (const kind of ["audio", "video"] as const) {
    const { sid } = await alice.publish(kind);
    await bob.track(sid);
  }
  assert.deepEqual(bob.signal.all("subscriptionResponse"), []);
  const { sid } = await alice.publish("video", {
    cid: "h264",
    codecs: ["video/H264"],
    announce: { simulcastCodecs: [{ codec: "h264", cid: "h264" }] },
  });
  const response = await bob.signal.message("subscriptionResponse");
  assert.deepEqual([response.trackSid, response.err], [
    sid,
    SubscriptionError.SE_CODEC_UNSUPPORTED,
  ]);
  const further = await alice.publish("video");
  await bob.track(further.sid);
  assert.equal(bob.signal.all("subscriptionResponse").length, 1);
});

scenario("TestFireTrackBySdp", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  const silent = { media: false } as const;
  const audio = await alice!.publish("audio", silent);
  const video = await alice!.publish("video", silent);
  for (const { sid } of [audio, video]) await bob!.track(sid, silent);
  const gopher = await test.join("gopher", { clientInfo: { sdk: ClientInfo_SDK.GO } });
  const spoken = await gopher.publish("audio", silent);
  await bob!.track(spoken.sid, silent);
});

scenario("TestSingleNodeCORS", async (test) => {
  const response = await fetch(`${test.httpUrl}/twirp/livekit.RoomService/ListRooms`, {
    method: "POST",
    headers: { Authorization: "bearer xyz", Origin: "testhost.com" },
  });
  await response.body?.cancel();
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("Access-Control-Allow-Origin"), "testhost.com");
});

scenario("TestConnectionStats", async (test) => {
  const clients = await test.joinAll(["ann", "bob"]);
  for (const client of clients) {
    await client.publish("audio");
    await client.publish("video");
  }
  await until("two tracks at each", () => clients.every(({ tracks }) => tracks.size === 2));
  // Everything in all.
  const counts = (tracks: readonly { readonly packets: number; readonly bytes: number }[]) =>
    tracks.length === 4 && tracks.every(({ packets, bytes }) => packets > 0 && bytes > packets);
  const totals = async () => {
    const { upTracks, downTracks } = await test.tap.stats();
    const sums = upTracks.map(({ layers }) => ({
      packets: layers.reduce((sum, { packets }) => sum + packets, 0),
      bytes: layers.reduce((sum, { bytes }) => sum + bytes, 0),
    }));
    return { upTracks: sums, downTracks };
  };
  let first = await totals();
  await until("figures of every track", async () => {
    first = await totals();
    return counts(first.upTracks) && counts(first.downTracks);
  });
  // And what each interval brought.
  await until("a report of every track", () => {
    const { reports } = test.tap;
    const ups = new Set(
      reports.flatMap(({ upTracks }) =>
        upTracks.filter(({ layers }) => layers.some(({ expected }) => expected > 0))
          .map(({ upTrack }) => upTrack)
      ),
    );
    const downs = new Set(
      reports.flatMap(({ downTracks }) =>
        downTracks.filter(({ packetsSent }) => packetsSent > 0).map(({ downTrack }) => downTrack)
      ),
    );
    return ups.size === 4 && downs.size === 4;
  }, () => test.tap.reports);
  const later = await totals();
  for (const kind of ["upTracks", "downTracks"] as const) {
    for (const [at, track] of later[kind].entries()) {
      assert.ok(track.packets > first[kind][at]!.packets && track.bytes > first[kind][at]!.bytes);
    }
  }
});
