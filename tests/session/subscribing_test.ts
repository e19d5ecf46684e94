import assert from "node:assert/strict";
import {
  ParticipantTracks,
  SubscriptionError,
  SubscriptionPermission,
  TrackPermission,
  UpdateSubscription,
  UpdateTrackSettings,
  VideoQuality,
} from "@livekit/protocol";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const settings = (client: ScriptedClient, value: Partial<UpdateTrackSettings>) =>
  client.request({ case: "trackSetting", value: new UpdateTrackSettings(value) });

Deno.test("Subscriptions make exactly one down-track per published track, however late the joiner", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.announce({ cid: "mic", type: 0 });
  await alice.publishCamera();
  await alice.offer([
    { mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "audio", cid: "mic" },
  ]);
  await world.pass(400);
  const carol = await world.joined("carol");
  await world.pass(400);
  for (const client of [bob, carol]) {
    assert.equal(client.forwarded().length, 2, client.identity);
    assert.deepEqual(world.doubled(client), [], client.identity);
    assert.equal(client.participant.subscriber.sectionCount, 3, client.identity);
  }
  // Being asked for again changes nothing.
  await bob.subscribe(alice.participant.tracks.map(({ sid }) => sid));
  await world.pass(4_000, 500);
  assert.equal(bob.forwarded().length, 2);
});

Deno.test("Subscriptions name the publisher and the track in the subscriber's description", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(200);
  const offer = bob.last("offer");
  assert.ok(offer.sdp.includes(`a=msid:${alice.participant.sid}|${sid} ${sid}`));
  assert.deepEqual(offer.midToTrackId, { 1: sid });
});

Deno.test("Subscriptions are made for ACTIVE participants only when a track is published", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.open("bob");
  const sid = await alice.publishCamera();
  await world.pass(200);
  assert.equal(bob.participant.subscriptions.isDesired(sid), false);
  await bob.connect();
  await world.pass(200);
  assert.equal(bob.forwarded().length, 1);
});

Deno.test("Subscriptions without auto-subscribe begin and end as the client asks, before publishing, too", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { autoSubscribe: false });
  const sid = await alice.publishCamera();
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  const participantTracks = [new ParticipantTracks({ participantSid: "PA_x", trackSids: [sid] })];
  await bob.request({
    case: "subscription",
    value: new UpdateSubscription({ subscribe: true, participantTracks }),
  });
  await world.pass(400);
  assert.equal(bob.forwarded().length, 1);
  assert.deepEqual(alice.all("trackSubscribed").map(({ trackSid }) => trackSid), [sid]);
  await bob.subscribe([sid], false);
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  assert.match(bob.last("offer").sdp, /a=recvonly/);
});

Deno.test("Subscriptions tell a publisher once per track that it is received, and never of hidden ones", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await world.joined("ghost", { grant: { ...FULL_GRANT, hidden: true } });
  const sid = await alice.publishCamera();
  await world.pass(400);
  assert.equal(alice.all("trackSubscribed").length, 0);
  await world.joined("bob");
  await world.joined("carol");
  await world.pass(400);
  assert.deepEqual(alice.all("trackSubscribed").map(({ trackSid }) => trackSid), [sid]);
});

Deno.test("Subscriptions that a client ended stay ended when its connection changes path", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  await bob.subscribe([sid], false);
  await bob.connect();
  await world.pass(4_000, 500);
  assert.deepEqual(bob.forwarded(), []);
});

Deno.test("Subscriptions to a track that never appears end with SE_TRACK_NOTFOUND after a minute", async () => {
  const world = new World();
  const bob = await world.joined("bob");
  await bob.subscribe(["TR_none"]);
  await world.pass(59_000, 1_000);
  assert.equal(bob.all("subscriptionResponse").length, 0);
  await world.pass(6_000, 1_000);
  const { trackSid, err } = bob.last("subscriptionResponse");
  assert.deepEqual([trackSid, err], ["TR_none", SubscriptionError.SE_TRACK_NOTFOUND]);
  await world.pass(60_000, 1_000);
  assert.equal(bob.all("subscriptionResponse").length, 1);
});

Deno.test("Subscriptions to a codec the client refuses end with SE_CODEC_UNSUPPORTED and leave the rest alone", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  bob.unsupported = ["video/VP8"];
  const sid = await alice.publishCamera();
  await world.pass(400);
  const { trackSid, err } = bob.last("subscriptionResponse");
  assert.deepEqual([trackSid, err], [sid, SubscriptionError.SE_CODEC_UNSUPPORTED]);
  await alice.announce({ cid: "mic", type: 0 });
  await alice.offer([
    { mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "audio", cid: "mic" },
  ]);
  await world.pass(4_000);
  assert.deepEqual(bob.forwarded().map(({ section }) => section.kind), ["audio"]);
  assert.equal(bob.all("subscriptionResponse").length, 1);
});

Deno.test("Subscriptions apply settings that were sent before the subscription", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { autoSubscribe: false });
  const sid = await alice.publishCamera();
  await settings(bob, { trackSids: [sid], quality: VideoQuality.MEDIUM });
  await bob.subscribe([sid]);
  await world.pass(400);
  assert.equal(bob.forwarded()[0]!.target.maxSpatial, 1);
});

Deno.test("Subscriptions turn dimensions into layers and gather changes, but enable at once", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  const targets = () => world.engine.of("set_down_track_target").map(({ target }) => target);
  await settings(bob, { trackSids: [sid], quality: VideoQuality.HIGH, width: 300, height: 170 });
  await settings(bob, { trackSids: [sid], quality: VideoQuality.HIGH, width: 600, height: 360 });
  assert.deepEqual(targets(), []);
  await world.pass(100);
  assert.deepEqual(targets().map(({ maxSpatial }) => maxSpatial), [1]);
  await settings(bob, { trackSids: [sid], disabled: true });
  await world.pass(100);
  assert.equal(targets().at(-1)!.enabled, false);
  await settings(bob, { trackSids: [sid], quality: VideoQuality.LOW });
  assert.deepEqual([targets().at(-1)!.enabled, targets().at(-1)!.maxSpatial], [true, 0]);
});

Deno.test("Subscriptions over the limit of a kind wait until a place is free", async () => {
  const world = new World({ subscriptionLimits: { audio: 0, video: 1 } });
  const alice = await world.joined("alice");
  const carol = await world.joined("carol");
  const bob = await world.joined("bob");
  const first = await alice.publishCamera();
  await carol.publishCamera();
  await world.pass(4_000);
  assert.equal(bob.forwarded().length, 1);
  await bob.subscribe([first], false);
  await world.pass(4_000);
  assert.deepEqual(bob.forwarded().map(({ upTrack }) => upTrack), [carol.upTrack("1")]);
});

Deno.test("Subscriptions follow the publisher's permissions both ways", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  const permit = (value: Partial<SubscriptionPermission>) =>
    alice.request({ case: "subscriptionPermission", value: new SubscriptionPermission(value) });
  await permit({});
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  const refused = bob.last("subscriptionPermissionUpdate");
  assert.deepEqual([refused.trackSid, refused.allowed], [sid, false]);
  assert.equal(refused.participantSid, alice.participant.sid);
  await world.pass(60_000, 1_000);
  assert.equal(bob.all("subscriptionResponse").length, 0, "being refused is no error");
  const entry = new TrackPermission({ participantIdentity: "bob", trackSids: [sid] });
  await permit({ trackPermissions: [entry] });
  await world.pass(400);
  assert.equal(bob.last("subscriptionPermissionUpdate").allowed, true);
  assert.equal(bob.forwarded().length, 1);
  await permit({ trackPermissions: [new TrackPermission({ allTracks: true })] });
  assert.equal(bob.forwarded().length, 1, "an entry that names nobody is refused");
});

Deno.test("Subscriptions that a publisher allowed by sid are allowed to the same identity's next session", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.publishCamera();
  const bob = await world.joined("bob");
  const carol = await world.joined("carol");
  await world.pass(300);
  const entry = new TrackPermission({ participantSid: bob.participant.sid, allTracks: true });
  await alice.request({
    case: "subscriptionPermission",
    value: new SubscriptionPermission({ trackPermissions: [entry] }),
  });
  await world.pass(300);
  assert.deepEqual([bob, carol].map((client) => client.forwarded().length), [1, 0]);
  const again = await world.joined("bob");
  await world.pass(300);
  assert.equal(again.forwarded().length, 1);
});

Deno.test("Subscriptions begin when canSubscribe is granted later, over the connections of the join", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.publishCamera();
  const bob = await world.joined("bob", { grant: { ...FULL_GRANT, canSubscribe: false } });
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  const permission = bob.participant.profile.permission.clone();
  permission.canSubscribe = true;
  await bob.participant.setPermission(permission);
  await world.pass(400);
  assert.equal(bob.forwarded().length, 1);
  assert.equal(bob.participant.subscriberPrimary, false);
});

Deno.test("Subscriptions end when their publisher leaves, and nothing of them is left", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishCamera();
  await world.pass(400);
  alice.participant.close(1, "none");
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  assert.deepEqual(bob.participant.subscriptions.subscribedTracks(), []);
  assert.match(bob.last("offer").sdp, /a=recvonly/);
});

Deno.test("SubscriberConnection makes a client that does not answer in 15 s join anew", async () => {
  const world = new World();
  const bob = await world.joined("bob");
  const alice = await world.joined("alice");
  bob.autoAnswer = false;
  await alice.publishCamera();
  await world.pass(14_900);
  assert.equal(bob.closeCode, undefined);
  await world.pass(500);
  assert.equal(bob.closeCode, 1000);
  assert.equal(bob.all("leave").length, 1);
  assert.equal(alice.closeCode, undefined);
});

Deno.test("SubscriberConnection keeps one offer outstanding and sends what came meanwhile after the answer", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const carol = await world.joined("carol");
  const bob = await world.joined("bob");
  bob.autoAnswer = false;
  const before = bob.all("offer").length;
  await alice.publishCamera();
  await world.pass(400);
  await carol.publishCamera();
  await world.pass(400);
  assert.equal(bob.all("offer").length, before + 1);
  bob.answer(bob.last("offer"));
  await world.pass(50);
  assert.equal(bob.all("offer").length, before + 2);
  bob.answer(bob.last("offer"));
  await world.pass(50);
  assert.equal(bob.forwarded().length, 2);
});
