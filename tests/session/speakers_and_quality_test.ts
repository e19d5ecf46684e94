/** Speakers and connection quality, from what the media plane measures to what clients are told. */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  ConnectionQuality,
  LeaveRequest,
  MuteTrackRequest,
} from "@livekit/protocol";
import type { UpTrackId } from "../../lib/base/ids.ts";
import type { UpTrackInterval } from "../../lib/engine/messages/media_messages.ts";
import { cameraRequest, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const { EXCELLENT, GOOD, POOR, LOST } = ConnectionQuality;

/** A client that speaks an older protocol. */
function ofProtocol(protocol: number) {
  return { clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "2.23.0", protocol }) };
}

/** The media plane heard `client`'s microphone on `mid`. */
async function hear(client: ScriptedClient, level: number, active: boolean, mid = "1") {
  const levels = [{ upTrack: client.upTrack(mid), level, active }];
  client.world.engine.emit({ type: "audio_levels", levels });
  await client.world.settle();
}

/** Entries of every `SpeakersChanged` of `client`, with identities. */
function speakersOf(client: ScriptedClient, ...others: ScriptedClient[]) {
  const names = new Map([client, ...others].map((c) => [c.participant.sid as string, c.identity]));
  return client.all("speakersChanged").map(({ speakers }) =>
    speakers.map(({ sid, level, active }) => [names.get(sid), level, active])
  );
}

/** The media plane measured `client`'s publisher connection. */
async function measure(client: ScriptedClient, lost: number, more: Partial<UpTrackInterval> = {}) {
  const layer = { spatial: 0, expected: 250, lost, outOfOrder: 0, jitterMs: 1 } as const;
  const upTrack = client.participant.tracks[0]?.upTracks[0]?.upTrack;
  const base = { mime: "audio/opus", inbandFec: false, muted: false, layers: [layer], topLayer: 0 };
  client.world.platform.advance(5000);
  client.world.engine.emit({
    type: "quality_report",
    connection: client.participant.publisher.id,
    intervalMs: 5000,
    upTracks: upTrack === undefined ? [] : [{ upTrack: upTrack as UpTrackId, ...base, ...more }],
    downTracks: [],
  });
  await client.world.settle();
}

/** What `client` was told of `of`, in order. */
function qualitiesOf(client: ScriptedClient, of: ScriptedClient): ConnectionQuality[] {
  return client.all("connectionQuality").flatMap(({ updates }) => updates)
    .filter(({ participantSid }) => participantSid === of.participant.sid)
    .map(({ quality }) => quality);
}

async function roomOf(...identities: string[]) {
  const world = new World();
  const clients = [];
  for (const identity of identities) clients.push(await world.joined(identity));
  return { world, clients: clients as [ScriptedClient, ScriptedClient, ScriptedClient] };
}

Deno.test("Room tells a speaker, and those who receive it, that it speaks and that it stops", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob");
  await alice.publishMicrophone();
  await world.pass(300);
  await hear(alice, 0.3, true);
  await hear(alice, 0.31, true);
  await hear(alice, 0, false);
  for (const client of [alice, bob]) {
    assert.deepEqual(speakersOf(client, alice), [
      [["alice", 0.375, true]],
      [["alice", 0, false]],
    ]);
  }
});

Deno.test("Room tells nobody of speakers whom they do not receive", async () => {
  const { world, clients: [alice] } = await roomOf("alice", "bob");
  const carol = await world.joined("carol", { autoSubscribe: false });
  await alice.publishMicrophone();
  await world.pass(300);
  await hear(alice, 0.3, true);
  assert.deepEqual(speakersOf(carol, alice), []);
});

Deno.test("Room tells of a speaker when the subscription begins, and of its end when it ends", async () => {
  const { world, clients: [alice] } = await roomOf("alice");
  const carol = await world.joined("carol", { autoSubscribe: false });
  const sid = await alice.publishMicrophone();
  await hear(alice, 0.3, true);
  await carol.subscribe([sid]);
  await world.pass(300);
  await hear(alice, 0.3, true);
  await carol.subscribe([sid], false);
  await world.pass(300);
  await hear(alice, 0.3, true);
  assert.deepEqual(speakersOf(carol, alice), [
    [["alice", 0.375, true]],
    [["alice", 0, false]],
  ]);
});

Deno.test("Room ends a speaker at once when it mutes, and ignores levels that were under way", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob");
  const sid = await alice.publishMicrophone();
  await world.pass(300);
  await hear(alice, 0.3, true);
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  assert.deepEqual(speakersOf(bob, alice).at(-1), [["alice", 0, false]]);
  await hear(alice, 0.3, true);
  assert.equal(speakersOf(bob, alice).length, 2);
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: false }) });
  await hear(alice, 0.3, true);
  assert.deepEqual(speakersOf(bob, alice).at(-1), [["alice", 0.375, true]]);
});

Deno.test("Room ends a speaker whose track is unpublished", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob");
  await alice.publishMicrophone();
  await world.pass(300);
  await hear(alice, 0.3, true);
  await alice.offer([{ mid: "1", kind: "audio", cid: "mic", direction: "inactive" }]);
  assert.deepEqual(speakersOf(bob, alice).at(-1), [["alice", 0, false]]);
});

Deno.test("Room ends speakers of whom the media plane says nothing more", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob");
  await alice.publishMicrophone();
  await world.pass(300);
  await hear(alice, 0.3, true);
  await world.pass(750);
  assert.equal(speakersOf(bob, alice).length, 1);
  await world.pass(100);
  assert.deepEqual(speakersOf(bob, alice).at(-1), [["alice", 0, false]]);
});

Deno.test("Room takes microphones only for speakers", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob");
  await alice.publishCamera();
  await world.pass(300);
  await hear(alice, 0.3, true);
  assert.deepEqual(speakersOf(bob, alice), []);
});

Deno.test("Room tells everybody their own quality first, and then changes only", async () => {
  const { world, clients: [alice] } = await roomOf("alice");
  await measure(alice, 0);
  await measure(alice, 0);
  await alice.publishMicrophone();
  await world.pass(300);
  await measure(alice, 30);
  await measure(alice, 30);
  await measure(alice, 0);
  assert.deepEqual(qualitiesOf(alice, alice), [EXCELLENT, POOR, GOOD]);
});

Deno.test("Room tells a participant's quality to those who receive it, from the beginning", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob");
  const carol = await world.joined("carol", { autoSubscribe: false });
  await alice.publishMicrophone();
  await world.pass(300);
  await measure(alice, 30);
  assert.deepEqual(qualitiesOf(bob, alice), [POOR]);
  assert.deepEqual(qualitiesOf(carol, alice), []);
  const dave = await world.joined("dave");
  await world.pass(300);
  assert.deepEqual(qualitiesOf(dave, alice), [POOR], "as soon as it receives her");
});

Deno.test("Room says POOR for LOST to protocol 10 and nothing of quality to protocol 4", async () => {
  const { world, clients: [alice] } = await roomOf("alice");
  const [old, older, current] = [
    await world.joined("old", ofProtocol(10)),
    await world.joined("older", ofProtocol(4)),
    await world.joined("current", ofProtocol(11)),
  ];
  await alice.publishMicrophone();
  await world.pass(300);
  await measure(alice, 0, { layers: [], topLayer: -1, senderReportAgeMs: 60_000 });
  assert.deepEqual(qualitiesOf(current, alice), [LOST]);
  assert.deepEqual(qualitiesOf(old, alice), [POOR]);
  assert.deepEqual(older.all("connectionQuality"), []);
});

Deno.test("Room leaves no timer and no watcher behind when it closes", async () => {
  const { world, clients: [alice] } = await roomOf("alice", "bob");
  await alice.publishMicrophone();
  await world.pass(300);
  await hear(alice, 0.3, true);
  const frames = alice.socket.frames.length;
  const upTrack = alice.upTrack("1");
  world.rooms.get("lobby")!.close(0);
  const after = alice.socket.frames.length;
  assert.ok(after > frames);
  world.engine.emit({ type: "audio_levels", levels: [{ upTrack, level: 1, active: true }] });
  await world.pass(2000);
  assert.equal(alice.socket.frames.length, after);
});

Deno.test("Rooms tell the media plane whose video shows somebody who speaks, at most each 5 s, and of its end", async () => {
  const { world, clients: [alice, bob] } = await roomOf("alice", "bob", "carol");
  for (const client of [alice!, bob!]) {
    await client.publishMicrophone();
    await client.announce(cameraRequest("cam"));
    await client.offer([
      { mid: "1", kind: "audio", cid: "mic" },
      { mid: "2", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    ]);
  }
  const told = () =>
    world.engine.of("set_speaker").map(({ upTrack, speaks }) =>
      `${upTrack === alice!.upTrack("2") ? "alice" : "bob"} ${speaks}`
    );
  const speak = async (client: ScriptedClient, ms: number) => {
    for (let i = 0; i < ms; i += 400) {
      await hear(client, 0.3, true);
      await world.pass(400, 400);
    }
    await hear(client, 0, false);
  };
  await speak(alice!, 400);
  assert.deepEqual(told(), [], "a word is not yet a speech");
  await speak(alice!, 1_200);
  assert.deepEqual(told(), ["alice true"]);
  await speak(bob!, 2_000);
  assert.deepEqual(told(), ["alice true"], "not before five seconds have passed");
  await speak(bob!, 10_000);
  assert.deepEqual(told().sort(), ["alice false", "alice true", "bob true"]);
  await bob!.request({ case: "leave", value: new LeaveRequest() });
  await world.settle();
  assert.equal(told().at(-1), "bob false");
});
