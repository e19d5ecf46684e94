/** What one client's requests may weigh: bytes kept, messages fanned out, time taken. */
import assert from "node:assert/strict";
import {
  AddTrackRequest,
  DisconnectReason,
  MuteTrackRequest,
  ParticipantInfo_State as State,
  PublishDataTrackRequest,
  RequestResponse_Reason as Reason,
  SignalRequest,
  SignalResponse,
  TrackSource,
  TrackType,
  TrickleRequest,
  UpdateDataSubscription,
  UpdateLocalAudioTrack,
  UpdateSubscription,
  VideoLayer,
} from "@livekit/protocol";
import { cameraRequest, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const { AUDIO } = TrackType;
const { MICROPHONE } = TrackSource;

const frameOf = (message: SignalRequest["message"]) => new SignalRequest({ message }).toBinary();

/** An announcement of `bytes` under a name of its own. */
const heavy = (cid: string, bytes: number) =>
  frameOf({
    case: "addTrack",
    value: new AddTrackRequest({ cid, name: "x".repeat(bytes), type: AUDIO, source: MICROPHONE }),
  });

async function send(client: ScriptedClient, frame: Uint8Array | string): Promise<void> {
  client.socket.onMessage(frame);
  await client.world.pass(1_000, 1_000);
}

Deno.test("an announcement too large to keep is refused and not said back", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  for (let i = 0; i < 10; i++) await send(alice, heavy(`cid${i}`, 2_000_000));
  assert.deepEqual(alice.all("requestResponse").map(({ reason }) => reason), [
    ...Array(10).fill(Reason.LIMIT_EXCEEDED),
  ]);
  const { request } = alice.last("requestResponse");
  assert.ok(request.case === "addTrack" && request.value.cid === "cid9");
  assert.ok(alice.socket.frames.every((frame) => frame.length < 20_000));
  assert.equal(alice.all("trackPublished").length, 0);
  assert.ok(alice.participant.link.keptBytes < 10_000);
  await alice.publishMicrophone();
});

Deno.test("a request of a million empty parts is not decoded, in either form", async () => {
  for (const json of [false, true]) {
    const world = new World();
    const alice = await world.joined("alice");
    const layers = Array.from({ length: 100_000 }, () => new VideoLayer());
    const value = new AddTrackRequest({ ...cameraRequest("cam"), layers });
    const request = new SignalRequest({ message: { case: "addTrack", value } });
    alice.socket.onMessage(json ? request.toJsonString() : request.toBinary());
    assert.equal(alice.closeCode, 1007);
  }
});

Deno.test("fields that no request has are not kept with those it has", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const value = new AddTrackRequest({ cid: "mic", type: AUDIO, source: MICROPHONE });
  const unknown = { no: 1_000, wireType: 2, data: new Uint8Array([100, ...Array(100).fill(7)]) };
  value.getType().runtime.bin.onUnknownField(value, unknown.no, 2, unknown.data);
  await send(alice, frameOf({ case: "addTrack", value }));
  const [slot] = alice.participant.registry.contents().pending;
  assert.deepEqual(
    slot!.entries[0]!.request.toBinary(),
    new AddTrackRequest({
      cid: "mic",
      type: AUDIO,
      source: MICROPHONE,
    }).toBinary(),
  );
});

Deno.test("features that do not exist are neither kept nor told", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const trackSid = await alice.publishMicrophone();
  const features = Array.from({ length: 10_000 }, (_, i) => i);
  const value = new UpdateLocalAudioTrack({ trackSid, features });
  await alice.request({ case: "updateAudioTrack", value });
  const [{ info }] = alice.participant.tracks as [typeof alice.participant.tracks[number]];
  assert.ok(info.audioFeatures.length < 20);
});

Deno.test("what is kept for a client that comes back is bounded in bytes", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  alice.socket.onClose();
  const name = "n".repeat(1_000);
  for (let i = 0; i < 20; i++) {
    await alice.participant.registry.announce(
      new AddTrackRequest({ cid: `cid${i}`, name, type: AUDIO, source: MICROPHONE }),
    );
  }
  assert.ok(alice.participant.link.keptBytes > 20_000);
  for (let i = 0; i < 2_000; i++) {
    await alice.participant.registry.announce(
      new AddTrackRequest({ cid: "cid0", name, type: AUDIO, source: MICROPHONE }),
    );
  }
  assert.ok(alice.participant.link.keptBytes <= 256 * 1024);
});

/** How many updates, and of how many bytes, `client` was sent. */
function updates(client: ScriptedClient): { readonly count: number; readonly bytes: number } {
  const frames = client.socket.frames.filter((frame) =>
    SignalResponse.fromBinary(frame as Uint8Array).message.case === "update"
  );
  return { count: frames.length, bytes: frames.reduce((sum, { length }) => sum + length, 0) };
}

Deno.test("two hundred mutes in a row are a few updates, of which the last says how it is", async () => {
  const world = new World();
  const alice = await world.joined("alice", { metadata: "m".repeat(60_000) });
  const sid = await alice.publishMicrophone();
  const others: ScriptedClient[] = [];
  for (let i = 0; i < 5; i++) others.push(await world.joined(`other${i}`));
  await world.pass(10_000, 500);
  const before = others.map(updates);
  for (let i = 1; i <= 200; i++) {
    const value = new MuteTrackRequest({ sid, muted: i % 2 === 1 });
    alice.socket.onMessage(frameOf({ case: "mute", value }));
  }
  for (let i = 0; i < 200; i++) await world.settle();
  await world.pass(3_000, 100);
  for (const [i, other] of others.entries()) {
    const { count } = updates(other);
    assert.ok(count - before[i]!.count <= 10, `${count - before[i]!.count} updates`);
    const told = other.last("update").participants.find(({ identity }) => identity === "alice");
    assert.deepEqual(told!.tracks.map(({ muted }) => muted), [false]);
  }
  const own = alice.last("update").participants.find(({ identity }) => identity === "alice");
  assert.equal(own!.tracks[0]!.muted, false);
});

Deno.test("a departure is told at once, and nothing of the one who left after it", async () => {
  const world = new World();
  const alice = await world.joined("alice", { metadata: "m".repeat(60_000) });
  await alice.publishMicrophone();
  const bob = await world.joined("bob");
  for (let i = 0; i < 40; i++) {
    alice.participant.updateProfile({ name: `alice ${i}`, metadata: "", attributes: {} });
  }
  alice.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await world.settle();
  const told = () =>
    bob.all("update").flatMap(({ participants }) => participants)
      .filter(({ identity }) => identity === "alice");
  assert.equal(told().at(-1)!.state, State.DISCONNECTED);
  const count = told().length;
  await world.pass(5_000, 500);
  assert.equal(told().length, count);
});

Deno.test("a client over its budget waits, and is answered when it has some again", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  for (let i = 0; i < 3; i++) alice.socket.onMessage(heavy(`cid${i}`, 1_200_000));
  alice.socket.onMessage(frameOf({ case: "ping", value: 1n }));
  await world.settle();
  assert.equal(alice.all("pong").length, 0);
  assert.ok(world.counters.get("signal_request_postponed") > 0);
  await bob.request({ case: "ping", value: 1n });
  assert.equal(bob.all("pong").length, 1);
  await world.pass(2_000, 50);
  assert.deepEqual(
    alice.cases.filter((name) => name === "pong" || name === "requestResponse"),
    ["requestResponse", "requestResponse", "requestResponse", "pong"],
    "in the order they were asked",
  );
});

Deno.test("a client with more waiting than may wait is told so, and in the end let go", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  for (let i = 0; i < 6; i++) alice.socket.onMessage(heavy(`cid${i}`, 2_000_000));
  await world.settle();
  assert.equal(alice.last("requestResponse").reason, Reason.LIMIT_EXCEEDED);
  assert.equal(alice.closeCode, undefined);
  for (let i = 0; i < 100; i++) alice.socket.onMessage(heavy(`cid${i}`, 2_000_000));
  assert.equal(alice.closeCode, 1008);
  assert.ok(world.rooms.get("lobby")!.byIdentity("alice"), "it may come back");
});

Deno.test("wishes about what no sid can be are not kept, nor is a candidate that is none read", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const long = "x".repeat(65);
  const trackSids = ["TR_x", long];
  const { subscriptions, data } = alice.participant;
  await send(
    alice,
    frameOf({
      case: "subscription",
      value: new UpdateSubscription({ trackSids, subscribe: true }),
    }),
  );
  assert.deepEqual(trackSids.map((sid) => subscriptions.isDesired(sid)), [true, false]);
  const updates = trackSids.map((trackSid) => ({ trackSid, subscribe: true }));
  await send(
    alice,
    frameOf({
      case: "updateDataSubscription",
      value: new UpdateDataSubscription({ updates }),
    }),
  );
  assert.equal(data.subscriptions.handleOf(long), undefined);
  const trickle = (candidateInit: string) =>
    frameOf({ case: "trickle", value: new TrickleRequest({ candidateInit }) });
  await send(alice, trickle("{}"));
  assert.equal(alice.all("requestResponse").length, 0);
  await send(alice, trickle(`{"x":[${"1,".repeat(10_000)}1]}`));
  assert.equal(alice.last("requestResponse").reason, Reason.UNCLASSIFIED_ERROR);
});

Deno.test("data tracks that come and go in hundreds are told in few messages, the last of them true", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", { autoSubscribeDataTrack: true });
  const publish = (pubHandle: number) =>
    alice.participant.host.dataTracks.publish(
      alice.participant,
      new PublishDataTrackRequest({ pubHandle, name: `${pubHandle}` }),
    );
  for (let handle = 1; handle <= 250; handle++) assert.ok(publish(handle).ok);
  for (let i = 0; i < 500; i++) {
    alice.participant.host.dataTracks.unpublish(alice.participant, 1);
    assert.ok(publish(1).ok);
  }
  const now = bob.socket.frames.reduce((sum, { length }) => sum + length, 0);
  assert.ok(now < 4 * 1024 * 1024, `${now} bytes`);
  await world.pass(2_000, 100);
  const { subHandles } = bob.last("dataTrackSubscriberHandles");
  assert.equal(Object.keys(subHandles).length, 250);
  const told = new Set(Object.values(subHandles).map(({ trackSid }) => trackSid));
  assert.ok(alice.participant.data.tracks.infos().every(({ sid }) => told.has(sid)));
  assert.equal(world.counters.get("signal_slow_reader"), 0);
});
