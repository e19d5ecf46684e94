/** LiveKit's tests of active speakers and of connection quality, on virtual time. */
import assert from "node:assert/strict";
import { ClientInfo, ClientInfo_SDK, ConnectionQuality } from "@livekit/protocol";
import type { UpTrackId } from "../../lib/base/ids.ts";
import { AudioLevel } from "../../lib/media/up/audio_level.ts";
import {
  lossWeight,
  type QualityInterval,
  QualityScore,
} from "../../lib/room/measure/quality_score.ts";
import { type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { unitScenario } from "./support.ts";

const { EXCELLENT, GOOD, POOR, LOST } = ConnectionQuality;
const WINDOW_MS = 5_000;

async function speakersOf(world: World, levels: readonly [ScriptedClient, number, boolean][]) {
  world.engine.emit({
    type: "audio_levels",
    levels: levels.map(([client, level, active]) => ({
      upTrack: client.upTrack("1") as UpTrackId,
      level,
      active,
    })),
  });
  await world.settle();
}

unitScenario("TestActiveSpeakers", async (t) => {
  await t.step("protocol 2 gets no updates", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const clientInfo = new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "0.9.0", protocol: 2 });
    const old = await world.joined("old", { clientInfo });
    await alice.publishMicrophone();
    await world.pass(300);
    await speakersOf(world, [[alice, 0.5, true]]);
    assert.deepEqual(old.all("speakersChanged"), []);
    assert.equal(alice.all("speakersChanged").length, 1);
  });
  await t.step("speakers are sorted by loudness", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const bob = await world.joined("bob");
    await alice.publishMicrophone();
    await bob.publishMicrophone();
    await world.pass(300);
    await speakersOf(world, [[alice, 0.05, true], [bob, 0.4, true]]);
    for (const client of [alice, bob]) {
      assert.deepEqual(
        client.last("speakersChanged").speakers.map(({ sid, level }) => [sid, level]),
        [[bob.participant.sid, 0.5], [alice.participant.sid, 0.125]],
      );
    }
  });
  await t.step("protocol 3 and above get a last, inactive entry", async () => {
    const world = new World();
    const clientInfo = new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "0.9.0", protocol: 3 });
    const alice = await world.joined("alice", { clientInfo });
    await alice.publishMicrophone();
    await speakersOf(world, [[alice, 0.3, true]]);
    await speakersOf(world, [[alice, 0, false]]);
    await speakersOf(world, [[alice, 0, false]]);
    const updates = alice.all("speakersChanged");
    assert.deepEqual(updates.map(({ speakers }) => speakers.map((s) => [s.level, s.active])), [
      [[0.375, true]],
      [[0, false]],
    ]);
  });
  await t.step("levels are smoothed and return to zero", () => {
    const level = new AudioLevel({
      activeLevel: 30,
      minPercentile: 10,
      updateIntervalMs: 500,
      smoothIntervals: 2,
    });
    let now = 0;
    const window = (dbov: number) => {
      for (let i = 0; i < 25; i++) level.observe(dbov, 20, now += 20);
      return level.level(now);
    };
    const loud = 10 ** (-10 / 20);
    const rises = [window(10), window(10), window(10)];
    assert.ok(Math.abs(rises[0]! - loud * 2 / 3) < 1e-9);
    assert.ok(rises[0]! < rises[1]! && rises[1]! < rises[2]! && rises[2]! < loud);
    assert.equal(window(127), 0);
  });
});

/** One score, window after window. */
class Track {
  now = 0;
  readonly score: QualityScore;

  constructor(mime: string, inbandFec = false) {
    this.score = new QualityScore(lossWeight(mime, inbandFec), 0);
  }

  window(expected: number, lost = 0, more: Partial<QualityInterval> = {}): ConnectionQuality {
    this.now += WINDOW_MS;
    const rest = { durationMs: WINDOW_MS, outOfOrder: 0, missingLayers: 0, ...more };
    this.score.update({ expected, lost, ...rest }, this.now);
    return this.score.quality;
  }

  windows(count: number, expected: number): ConnectionQuality[] {
    return Array.from({ length: count }, () => this.window(expected));
  }

  mute(muted: boolean, afterMs: number): ConnectionQuality {
    this.score.setMuted(muted, this.now + afterMs);
    return this.score.quality;
  }
}

unitScenario("TestConnectionQuality", async (t) => {
  await t.step("one track through all of it", () => {
    const track = new Track("audio/opus");
    assert.equal(track.window(250), EXCELLENT);
    assert.equal(track.window(250, 30), POOR, "12 % of loss");
    assert.deepEqual(track.windows(3, 250), [GOOD, GOOD, EXCELLENT]);
    assert.equal(track.window(250, 13), GOOD, "5 % of loss");
    assert.deepEqual(track.windows(2, 250), [GOOD, EXCELLENT]);
    assert.equal(track.window(250, 30), POOR);
    assert.equal(track.mute(true, 1_000), EXCELLENT, "muted, from POOR");
    track.mute(false, 3_000);
    assert.equal(track.window(0), EXCELLENT, "not unmuted for long enough");
    assert.equal(track.window(0), POOR, "nothing comes");
    assert.equal(track.window(0, 0, { reportAgeMs: 4_000 }), POOR, "but reports do");
    assert.equal(track.window(0, 0, { reportAgeMs: 9_000 }), LOST, "and no more");
    assert.equal(track.mute(true, 1_000), LOST, "muted, from LOST");
    track.now += WINDOW_MS;
    track.mute(false, 2_000);
    assert.equal(track.windows(4, 250).at(-1), EXCELLENT);
    assert.equal(track.window(13, 1), EXCELLENT, "8 % of few packets, as with DTX");
  });
  await t.step("loss thresholds per codec", () => {
    const percents: Record<string, readonly [number, number, number]> = {
      "audio/opus": [1, 4, 9.2],
      "audio/opus fec": [3, 4.4, 15],
      "audio/red": [4, 6, 19.5],
      "audio/red fec": [6, 10, 30],
      "video/VP8": [1, 3.5, 8],
    };
    for (const [name, losses] of Object.entries(percents)) {
      const [mime, fec] = name.split(" ");
      const track = new Track(mime!, fec === "fec");
      const seen = losses.map((percent) => track.window(200, Math.ceil(percent * 2)));
      assert.deepEqual(seen, [EXCELLENT, GOOD, POOR], name);
    }
  });
  await t.step("a paused track is POOR, and GOOD one window after it goes on", () => {
    const track = new Track("video/VP8");
    track.window(500);
    track.score.setPaused(true);
    assert.equal(track.score.quality, POOR);
    track.score.setPaused(false);
    assert.equal(track.window(500), GOOD);
  });
  await t.step("each missing layer costs one level", () => {
    const qualities = [0, 1, 2].map((missingLayers) => {
      const track = new Track("video/VP8");
      for (let i = 0; i < 5; i++) track.window(500, 0, { missingLayers });
      return track.score.quality;
    });
    assert.deepEqual(qualities, [EXCELLENT, GOOD, POOR]);
  });
});
