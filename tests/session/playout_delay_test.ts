import assert from "node:assert/strict";
import { ClientInfo, ClientInfo_SDK, TrackSource } from "@livekit/protocol";
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import type { RoomOptions } from "../../lib/room/context/room_options.ts";
import { World } from "../support/virtual/scripted_client.ts";

const DELAYED: Partial<RoomOptions> = { playoutDelay: { enabled: true, min: 100, max: 2_000 } };

/** Whether an offer has the extension in its sections of video alone; `undefined` if nowhere. */
function isOffered(sdp: string): boolean {
  const [, ...sections] = sdp.split("\r\nm=");
  return sections.some((section) => {
    const has = section.includes(EXTENSION_URI.playoutDelay);
    assert.ok(!has || section.startsWith("video"), "audio has no playout delay");
    return has;
  });
}

async function watched(options: Partial<RoomOptions>, asked?: { min: number; max: number }) {
  const world = new World(options);
  const { min: minPlayoutDelay = 0, max: maxPlayoutDelay = 0 } = asked ?? {};
  world.rooms.create({ name: "lobby", minPlayoutDelay, maxPlayoutDelay });
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishMicrophone();
  for (const [cid, source] of [["cam", TrackSource.CAMERA], ["tab", TrackSource.SCREEN_SHARE]]) {
    await alice.announce({ cid: cid as string, type: 1, source: source as TrackSource });
  }
  await alice.offer([
    { mid: "1", kind: "audio", cid: "mic" },
    { mid: "2", kind: "video", cid: "cam" },
    { mid: "3", kind: "video", cid: "tab" },
  ]);
  await world.pass(400);
  const delays = bob.forwarded().filter(({ section }) => section.kind === "video")
    .map(({ section }) => section.playoutDelay);
  return { world, bob, delays, sdp: bob.last("offer").sdp };
}

Deno.test("Rooms with a playout delay offer and send it with video, and a screen's follows no jitter", async () => {
  const { delays, sdp, bob } = await watched(DELAYED);
  assert.ok(isOffered(sdp));
  assert.deepEqual(delays, [
    { minMs: 100, maxMs: 2_000, followsJitter: true },
    { minMs: 100, maxMs: 2_000, followsJitter: false },
  ]);
  for (const { section } of bob.forwarded()) {
    const has = section.extensions.some(({ uri }) => uri === EXTENSION_URI.playoutDelay);
    assert.equal(has, section.kind === "video");
  }
});

Deno.test("Rooms without one say nothing of it, until a request asks for it", async () => {
  const plain = await watched({});
  assert.equal(isOffered(plain.sdp), false);
  assert.deepEqual(plain.delays, [undefined, undefined]);
  const asked = await watched({}, { min: 50, max: 0 });
  assert.ok(isOffered(asked.sdp));
  assert.deepEqual(asked.delays[0], { minMs: 50, maxMs: 0, followsJitter: true });
});

Deno.test("Rooms that say nothing of it let cameras' receivers wait for repairs, if the server is to", async () => {
  const { delays, sdp } = await watched({ waitsForRepairs: true });
  assert.ok(isOffered(sdp));
  const repairs = { minMs: 0, maxMs: 0, followsJitter: true, onlyRepairs: true };
  assert.deepEqual(delays, [repairs, undefined], "a screen is not kept waiting");
  const configured = await watched({ ...DELAYED, waitsForRepairs: true });
  assert.deepEqual(configured.delays[0], { minMs: 100, maxMs: 2_000, followsJitter: true });
});

Deno.test("Firefox in rooms that play streams in step is told no delay", async () => {
  for (const syncStreams of [true, false]) {
    const world = new World({ ...DELAYED, syncStreams });
    const alice = await world.joined("alice");
    const fox = await world.joined("fox", {
      clientInfo: new ClientInfo({
        sdk: ClientInfo_SDK.JS,
        version: "2.23.0",
        protocol: 17,
        browser: "firefox",
        os: "linux",
      }),
    });
    await alice.publishCamera();
    await world.pass(400);
    assert.equal(isOffered(fox.last("offer").sdp), !syncStreams);
  }
});
