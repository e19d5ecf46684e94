/** LiveKit's tests of the subscription loop, on virtual time over a media plane that only remembers. */
import assert from "node:assert/strict";
import {
  DisconnectReason,
  SubscriptionPermission,
  UpdateSubscription,
  UpdateTrackSettings,
  VideoQuality,
} from "@livekit/protocol";
import { type ScriptedClient, World } from "../support/scripted_client.ts";
import { unitScenario } from "./support.ts";

const subscribe = (client: ScriptedClient, trackSids: string[], on = true) =>
  client.request({
    case: "subscription",
    value: new UpdateSubscription({ trackSids, subscribe: on }),
  });
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
  await subscribe(bob, [sid]);
  assert.equal(subscriptions.isDesired(sid), true);
  await world.pass(400);
  assert.deepEqual(subscriptions.subscribedTracks(), [sid]);
  assert.equal(subscriptions.isBound(sid), true);
  const [first] = bob.forwarded();
  // The down-track ends while it is still wanted: it is made again.
  await permit(alice, false);
  await world.pass(400);
  assert.deepEqual(bob.forwarded(), []);
  assert.equal(subscriptions.isDesired(sid), true);
  await permit(alice, true);
  await world.pass(400);
  assert.equal(subscriptions.isBound(sid), true);
  assert.notEqual(bob.forwarded()[0]!.downTrack, first!.downTrack);
});

unitScenario("TestSubscribe/no track permission", async () => {
  const { world, alice, bob, sid, subscriptions } = await pair();
  await permit(alice, false);
  await subscribe(bob, [sid]);
  await world.pass(20_000, 500);
  assert.equal(subscriptions.isDesired(sid), true);
  assert.deepEqual(subscriptions.subscribedTracks(), []);
  assert.deepEqual(bob.all("subscriptionResponse"), []);
  await permit(alice, true);
  await world.pass(400);
  assert.equal(subscriptions.isBound(sid), true);
});

unitScenario("TestSubscribe/publisher left", async () => {
  const { world, alice, bob, sid, subscriptions } = await pair();
  await subscribe(bob, [sid]);
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
  await subscribe(bob, [sid]);
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
  await subscribe(bob, [first]);
  await world.pass(400);
  await subscribe(bob, [second]);
  await world.pass(20_000, 500);
  assert.deepEqual(subscriptions.subscribedTracks(), [first]);
  assert.equal(subscriptions.isDesired(second), true, "it waits");
  assert.deepEqual(bob.all("subscriptionResponse"), []);
  await subscribe(bob, [first], false);
  await world.pass(4_000, 100);
  assert.deepEqual(subscriptions.subscribedTracks(), [second]);
});
