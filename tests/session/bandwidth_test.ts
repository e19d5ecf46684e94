import assert from "node:assert/strict";
import {
  SimulateScenario,
  StreamState,
  TrackSource,
  UpdateTrackSettings,
  VideoQuality,
} from "@livekit/protocol";
import { World } from "../support/virtual/scripted_client.ts";

/** `sid state` of every stream that the client was told of. */
const told = (client: Awaited<ReturnType<World["joined"]>>) =>
  client.all("streamStateUpdate").flatMap(({ streamStates }) =>
    streamStates.map(({ participantSid, trackSid, state }) =>
      `${participantSid} ${trackSid} ${StreamState[state]}`
    )
  );

Deno.test("Subscriptions tell a client that a video is paused for want of bandwidth, and that it goes on", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const carol = await world.joined("carol");
  const sid = await alice.publishCamera();
  await world.pass(400);
  const { connection: _, downTrack } = bob.forwarded()[0]!;
  world.engine.emit({ type: "down_track_paused", downTrack, paused: true });
  await world.settle();
  world.engine.emit({ type: "down_track_paused", downTrack, paused: false });
  await world.settle();
  const stream = `${alice.participant.sid} ${sid}`;
  assert.deepEqual(told(bob), [`${stream} PAUSED`, `${stream} ACTIVE`]);
  assert.deepEqual(told(carol), []);
  await bob.subscribe([sid], false);
  await world.pass(400);
  world.engine.emit({ type: "down_track_paused", downTrack, paused: true });
  await world.settle();
  assert.equal(told(bob).length, 2, "what has ended is not told of");
});

Deno.test("Subscriptions pass a client's priorities on, and that a screen is one", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(400);
  assert.deepEqual(bob.forwarded()[0]!.target.priority, undefined);
  for (const [priority, passedOn] of [[3, 3], [70_000, 255], [0, undefined]] as const) {
    await bob.request({
      case: "trackSetting",
      value: new UpdateTrackSettings({ trackSids: [sid], quality: VideoQuality.HIGH, priority }),
    });
    await world.pass(400);
    assert.equal(world.engine.of("set_down_track_target").at(-1)!.target.priority, passedOn);
  }
  assert.equal(bob.forwarded()[0]!.target.isScreen, undefined);
  await alice.announce({ cid: "screen", type: 1, source: TrackSource.SCREEN_SHARE });
  await alice.offer([
    { mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "video", cid: "screen" },
  ]);
  await world.pass(400);
  assert.deepEqual(bob.forwarded().map(({ target }) => target.isScreen), [undefined, true]);
});

Deno.test("Sessions cap what their client is sent as it asks in a test", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  for (const bps of [150_000, 0]) {
    await alice.request({
      case: "simulate",
      value: new SimulateScenario({
        scenario: { case: "subscriberBandwidth", value: BigInt(bps) },
      }),
    });
  }
  const { id: connection } = alice.participant.subscriber;
  assert.deepEqual(
    world.engine.of("cap_bandwidth").map(({ connection, bps }) => [connection, bps]),
    [[connection, 150_000], [connection, 0]],
  );
});

Deno.test("Sessions open connections with what their client said of pauses, or leave it open", async () => {
  for (const allowPause of [true, false, undefined]) {
    const world = new World();
    const init = allowPause === undefined ? {} : { subscriberAllowPause: allowPause };
    await world.joined("alice", init);
    const opened = world.engine.of("open_connection");
    assert.ok(opened.length > 0);
    for (const command of opened) assert.equal(command.allowPause, allowPause);
  }
});
