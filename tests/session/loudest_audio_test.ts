import assert from "node:assert/strict";
import { LeaveRequest, TrackSource, TrackType, UpdateTrackSettings } from "@livekit/protocol";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const TAG = "roomwire.loudest_audio";
const LOUDEST = { loudestAudio: { tracks: 4, aboveParticipants: 3 } };

/** What the media plane was told to let pass, in order. */
const limits = (world: World) => world.engine.of("limit_audio").map(({ tracks }) => tracks);

/** The room whose loudest tracks a client is sent, for each track that it is sent. */
function rooms(client: ScriptedClient): (string | undefined)[] {
  const changes = client.world.engine.of("set_down_track_target");
  return client.forwarded().map(({ downTrack, target }) => {
    const changed = changes.findLast((change) => change.downTrack === downTrack);
    return (changed ?? { target }).target.loudestOf;
  });
}

Deno.test("Rooms forward their loudest audio while they are large, and tell that once each time", async () => {
  const world = new World(LOUDEST);
  for (const name of ["a", "b", "c"]) await world.joined(name);
  assert.deepEqual(limits(world), []);
  const fourth = await world.joined("d");
  assert.deepEqual(limits(world), [4]);
  assert.equal(world.engine.of("limit_audio")[0]!.room, fourth.participant.host.sid);
  const fifth = await world.joined("e");
  for (const client of [fifth, fourth]) {
    await client.request({ case: "leave", value: new LeaveRequest() });
  }
  await world.settle();
  assert.equal(limits(world).length, 1, "three are 3, above 0.9 of which the rule holds on");
  const third = world.clients[2]!;
  await third.request({ case: "leave", value: new LeaveRequest() });
  await world.settle();
  assert.deepEqual(limits(world), [4, 0]);
});

Deno.test("Subscriptions want audio only while it is loud, unless it was asked for by name", async () => {
  const world = new World(LOUDEST);
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishMicrophone();
  await world.pass(400);
  const room = bob.participant.host.sid;
  assert.deepEqual(rooms(bob), [room]);
  await bob.subscribe([sid]);
  await world.pass(400);
  assert.deepEqual(rooms(bob), [undefined]);
  await bob.subscribe([sid], false);
  await world.pass(400);
  assert.deepEqual(rooms(bob), []);
});

Deno.test("Subscriptions take settings of an audio track for its name, but for those that turn it off", async () => {
  const world = new World(LOUDEST);
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishMicrophone();
  await world.pass(400);
  const room = bob.participant.host.sid;
  for (const [disabled, loudestOf] of [[true, room], [false, undefined]] as const) {
    await bob.request({
      case: "trackSetting",
      value: new UpdateTrackSettings({ trackSids: [sid], disabled }),
    });
    await world.pass(400);
    assert.deepEqual(rooms(bob), [loudestOf]);
  }
});

Deno.test("Subscriptions of recorders, and those of video and of a screen's sound, are always through", async () => {
  const world = new World(LOUDEST);
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const recorder = await world.joined("egress", { grant: { ...FULL_GRANT, recorder: true } });
  await alice.publishMicrophone();
  await alice.announce({
    cid: "tab",
    type: TrackType.AUDIO,
    source: TrackSource.SCREEN_SHARE_AUDIO,
  });
  await alice.offer([
    { mid: "1", kind: "audio", cid: "mic" },
    { mid: "2", kind: "audio", cid: "tab" },
  ]);
  await world.pass(400);
  assert.deepEqual(rooms(bob), [bob.participant.host.sid, undefined]);
  assert.deepEqual(rooms(recorder), [undefined, undefined]);
  const carol = await world.joined("carol");
  await carol.publishCamera();
  await world.pass(400);
  assert.equal(rooms(bob).length, 3);
  assert.equal(rooms(bob)[2], undefined);
});

Deno.test("Rooms take the rule from their tag, also while people are there, and none without one", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishMicrophone();
  await world.pass(400);
  assert.deepEqual([rooms(bob), limits(world)], [[undefined], []]);
  const [room] = [...world.rooms.all()];
  const tag = (text: string) => room!.setTags({ [TAG]: text });
  await tag("2");
  await world.pass(400);
  assert.deepEqual([rooms(bob), limits(world)], [[room!.sid], [2]]);
  await tag("2@10");
  await world.pass(400);
  assert.deepEqual([rooms(bob), limits(world)], [[room!.sid], [2, 0]]);
  for (const nonsense of ["0", "many", "-1"]) {
    await tag(nonsense);
    await world.pass(400);
    assert.deepEqual(rooms(bob), [undefined], nonsense);
  }
});
