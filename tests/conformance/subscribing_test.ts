/**
 * LiveKit's tests of the subscription loop, on virtual time over a media plane that only remembers.
 */
import assert from "node:assert/strict";
import {
  DisconnectReason,
  SubscriptionPermission,
  UpdateTrackSettings,
  VideoQuality,
} from "@livekit/protocol";
import { receivesFrom } from "../../lib/room/measure/room_speakers.ts";
import { cameraRequest, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { unitScenario } from "./support.ts";

const permit = (client: ScriptedClient, allParticipants: boolean) =>
  client.request({
    case: "subscriptionPermission",
    value: new SubscriptionPermission({ allParticipants }),
  });

/** A publisher with a camera, and a subscriber that asks for what it wants. */
async function pair() {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { autoSubscribe: false });
  const sid = await alice.publishCamera();
  const { subscriptions } = bob.participant;
  return { world, alice, bob, sid, subscriptions };
}

unitScenario("TestSubscribe/happy path", async () => {
  const { world, alice, bob, sid, subscriptions } = await pair();
  await bob.subscribe([sid]);
  assert.equal(subscriptions.isDesired(sid), true);
  await world.pass(400);
  assert.deepEqual(subscriptions.subscribedTracks(), [sid]);
  assert.equal(subscriptions.isAccepted(sid), true);
  const [first] = bob.forwarded();
  // The down-track ends while it is still wanted: it is made again.
  await permit(alice, false);
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  assert.equal(subscriptions.isDesired(sid), true);
  await permit(alice, true);
  await world.pass(400);
  assert.equal(subscriptions.isAccepted(sid), true);
  assert.notEqual(bob.forwarded()[0]!.downTrack, first!.downTrack);
});

unitScenario("TestSubscribe/no track permission", async () => {
  const { world, alice, bob, sid, subscriptions } = await pair();
  await permit(alice, false);
  await bob.subscribe([sid]);
  await world.pass(20_000, 500);
  assert.equal(subscriptions.isDesired(sid), true);
  assert.deepEqual(subscriptions.subscribedTracks(), []);
  assert.deepEqual(bob.all("subscriptionResponse"), []);
  await permit(alice, true);
  await world.pass(400);
  assert.equal(subscriptions.isAccepted(sid), true);
});

unitScenario("TestSubscribe/publisher left", async () => {
  const { world, alice, bob, sid, subscriptions } = await pair();
  await bob.subscribe([sid]);
  await world.pass(400);
  alice.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await world.pass(400);
  assert.equal(subscriptions.isDesired(sid), false);
  assert.deepEqual(subscriptions.subscribedTracks(), []);
});

unitScenario("TestUpdateSettingsBeforeSubscription", async () => {
  const { world, bob, sid } = await pair();
  const value = new UpdateTrackSettings({
    trackSids: [sid],
    disabled: true,
    quality: VideoQuality.MEDIUM,
  });
  await bob.request({ case: "trackSetting", value });
  await bob.subscribe([sid]);
  await world.pass(400);
  const target = () => {
    const [down] = bob.forwarded();
    const later = world.engine.of("set_down_track_target").findLast(({ downTrack }) =>
      downTrack === down!.downTrack
    );
    return (later ?? down!).target;
  };
  assert.deepEqual([target().enabled, target().maxSpatial], [false, 1]);
});

unitScenario("TestSubscriptionLimits", async () => {
  const world = new World({ subscriptionLimits: { audio: 1, video: 1 } });
  const carol = await world.joined("carol");
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { autoSubscribe: false });
  const first = await alice.publishCamera();
  const second = await carol.publishCamera();
  const { subscriptions } = bob.participant;
  await bob.subscribe([first]);
  await world.pass(400);
  await bob.subscribe([second]);
  await world.pass(20_000, 500);
  assert.deepEqual(subscriptions.subscribedTracks(), [first]);
  assert.equal(subscriptions.isDesired(second), true, "it waits");
  assert.deepEqual(bob.all("subscriptionResponse"), []);
  await bob.subscribe([first], false);
  await world.pass(4_000, 100);
  assert.deepEqual(subscriptions.subscribedTracks(), [second]);
});

unitScenario("TestUnsubscribe", async () => {
  const { world, bob, sid, subscriptions } = await pair();
  const timers = world.platform.pendingTimers;
  const settings = new UpdateTrackSettings({ trackSids: [sid], disabled: true });
  await bob.subscribe([sid]);
  await bob.request({ case: "trackSetting", value: settings });
  await world.pass(400);
  assert.equal(subscriptions.isAccepted(sid), true);
  await bob.subscribe([sid], false);
  assert.equal(subscriptions.isDesired(sid), false);
  await world.pass(15_000, 100);
  assert.deepEqual(subscriptions.subscribedTracks(), []);
  assert.deepEqual(bob.forwarded(), []);
  assert.equal(world.engine.of("remove_down_track").length, 1);
  assert.ok(world.platform.pendingTimers <= timers, "nothing waits for it any more");
  // Not even its settings are remembered.
  await bob.subscribe([sid]);
  await world.pass(400);
  assert.equal(bob.forwarded()[0]!.target.enabled, true);
});

unitScenario("TestSubscribeStatusChanged", async () => {
  const { world, alice, bob, sid: first } = await pair();
  await alice.announce(cameraRequest("screen"));
  await alice.offer([
    { mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "video", cid: "screen" },
  ]);
  const second = alice.last("trackPublished").track!.sid;
  const changes: boolean[] = [];
  const after = async (action: Promise<void>) => {
    await action;
    // Looked at every few milliseconds, so that no change between two steps is missed.
    for (let i = 0; i < 100; i++) {
      const now = receivesFrom(bob.participant, alice.participant);
      if (now !== (changes.at(-1) ?? false)) changes.push(now);
      await world.pass(5, 5);
    }
  };
  await after(bob.subscribe([first]));
  await after(bob.subscribe([second]));
  assert.deepEqual(changes, [true]);
  await after(bob.subscribe([second], false));
  assert.deepEqual(changes, [true]);
  await after(bob.subscribe([first], false));
  assert.deepEqual(changes, [true, false]);
});
