/** LiveKit's tests of the helpers of publishing. */
import assert from "node:assert/strict";
import {
  AddTrackRequest,
  Encryption_Type,
  SubscriptionPermission,
  TrackInfo,
  TrackPermission,
  TrackSource,
  TrackType,
  VideoLayer,
  VideoQuality,
} from "@livekit/protocol";
import { WantedCodecs } from "../../lib/room/subscription/wanted_codecs.ts";
import { readSubscriptionRule } from "../../lib/room/subscription/subscription_permission.ts";
import { WantedQuality } from "../../lib/room/subscription/wanted_quality.ts";
import { qualityForDimensions } from "../../lib/room/subscription/track_settings.ts";
import { World } from "../support/virtual/scripted_client.ts";
import { unitScenario } from "./support.ts";

const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;

// LiveKit orders updates that come through several nodes by versions. Here they come from one
// client, in its order, and the last one holds.
unitScenario("TestUpdateSubscriptionPermission", async (t) => {
  const everyTrack = (fields: ConstructorParameters<typeof TrackPermission>[0]) =>
    new TrackPermission({ allTracks: true, ...fields });
  await t.step("the last message of a publisher holds, by sid or by identity", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const audiences = [await world.joined("p1"), await world.joined("p2")];
    const track = await alice.publishCamera();
    const allowed = async (fields: ConstructorParameters<typeof SubscriptionPermission>[0]) => {
      const value = new SubscriptionPermission(fields);
      await alice.request({ case: "subscriptionPermission", value });
      await world.pass(500);
      return audiences.filter((client) => client.forwarded().length === 1)
        .map(({ identity }) => identity);
    };
    const [p1, p2] = audiences.map(({ participant }) => participant.sid);
    assert.deepEqual(await allowed({ allParticipants: true }), ["p1", "p2"]);
    assert.deepEqual(await allowed({}), []);
    const bySid = [everyTrack({ participantSid: p1! }), everyTrack({ participantSid: p2! })];
    assert.deepEqual(await allowed({ trackPermissions: bySid }), ["p1", "p2"]);
    const mixed = [
      everyTrack({ participantIdentity: "p1" }),
      new TrackPermission({ participantIdentity: "p2", trackSids: ["another"] }),
    ];
    assert.deepEqual(await allowed({ trackPermissions: mixed }), ["p1"]);
    const listed = [new TrackPermission({ participantIdentity: "p2", trackSids: [track] })];
    assert.deepEqual(await allowed({ trackPermissions: listed }), ["p2"]);
    assert.deepEqual(await allowed({ allParticipants: true }), ["p1", "p2"]);
  });
  await t.step("an entry that names two participants means the one it names by identity", () => {
    const trackPermissions = [
      everyTrack({ participantSid: "PA_p1", participantIdentity: "p1" }),
      everyTrack({ participantSid: "PA_p2", participantIdentity: "p2" }),
    ];
    const message = new SubscriptionPermission({ trackPermissions });
    for (const resolve of [(sid: string) => sid.slice(3), () => "p3", () => undefined]) {
      const rule = readSubscriptionRule(message, resolve)!;
      const asked = ["p1", "p2", "p3"].filter((identity) =>
        rule.allows({ identity, exempt: false }, "any")
      );
      assert.deepEqual(asked, ["p1", "p2"]);
    }
  });
  await t.step("an entry that names nobody spoils the whole message", () => {
    const trackPermissions = [everyTrack({ participantIdentity: "p1" }), everyTrack({})];
    const message = new SubscriptionPermission({ trackPermissions });
    assert.equal(readSubscriptionRule(message, () => undefined), undefined);
  });
});

unitScenario("TestSubscriptionPermission", () => {
  const allowed = (message: SubscriptionPermission, identity: string, track: string) =>
    readSubscriptionRule(message, (sid) => sid.replace("PA_", ""))!.allows(
      { identity, exempt: false },
      track,
    );
  const everybody = new SubscriptionPermission({ allParticipants: true });
  const nobody = new SubscriptionPermission();
  for (const identity of ["p1", "p2"]) {
    assert.equal(allowed(everybody, identity, "audio"), true);
    assert.equal(allowed(nobody, identity, "audio"), false);
  }
  const some = new SubscriptionPermission({
    trackPermissions: [
      new TrackPermission({ participantIdentity: "p1", allTracks: true }),
      new TrackPermission({ participantIdentity: "p2", trackSids: ["audio"] }),
      new TrackPermission({ participantSid: "PA_p3", trackSids: ["video"] }),
    ],
  });
  // "screen" was published after the rule was set.
  const expected: Record<string, string[]> = {
    p1: ["audio", "video", "screen"],
    p2: ["audio"],
    p3: ["video"],
    p4: [],
  };
  for (const [identity, tracks] of Object.entries(expected)) {
    const found = ["audio", "video", "screen"].filter((track) => allowed(some, identity, track));
    assert.deepEqual(found, tracks, identity);
  }
});

unitScenario("TestTrackInfo", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const request = {
    cid: "cid",
    name: "testtrack",
    source: TrackSource.SCREEN_SHARE,
    type: TrackType.VIDEO,
    width: 100,
    height: 80,
    muted: true,
    disableDtx: true,
    disableRed: true,
    encryption: Encryption_Type.GCM,
    stream: "stream",
    layers: [new VideoLayer({ quality: HIGH, width: 100, height: 80 })],
  };
  await alice.announce(new AddTrackRequest(request));
  const info = alice.last("trackPublished").track!;
  const { cid: _, layers: __, ...same } = request;
  for (const [name, value] of Object.entries(same)) {
    assert.deepEqual(info[name as keyof TrackInfo], value, name);
  }
  assert.deepEqual(info.layers.map(({ quality, width, height }) => [quality, width, height]), [
    [HIGH, 100, 80],
  ]);
});

unitScenario("TestGetQualityForDimension", async (t) => {
  const video = (width: number, height: number, heights: number[] = []) =>
    new TrackInfo({
      type: TrackType.VIDEO,
      width,
      height,
      layers: heights.map((h, quality) => new VideoLayer({ quality, height: h })),
    });
  const cases: Record<string, [TrackInfo, [number, number, VideoQuality][]]> = {
    landscape: [video(1080, 720), [
      [1080, 720, HIGH],
      [500, 360, MEDIUM],
      [540, 398, MEDIUM],
      [640, 410, HIGH],
      [200, 100, LOW],
    ]],
    portrait: [video(540, 960), [[700, 1200, HIGH], [220, 100, MEDIUM], [190, 900, LOW]]],
    "declared layers": [video(700, 1259, [270, 481, 1259]), [
      [300, 300, LOW],
      [400, 500, MEDIUM],
      [600, 700, HIGH],
    ]],
    "layers of one size": [video(1280, 720, [720, 720, 720]), [[100, 100, HIGH]]],
  };
  for (const [name, [track, sizes]] of Object.entries(cases)) {
    await t.step(name, () => {
      for (const [width, height, quality] of sizes) {
        assert.equal(qualityForDimensions(width, height, track), quality, `${width} × ${height}`);
      }
    });
  }
});

unitScenario("TestSubscribedMaxQuality", async (t) => {
  await t.step("nobody wants anything: everything is off", () => {
    const tracker = new WantedQuality(0, false, 0);
    tracker.wish("s1", HIGH);
    assert.equal(tracker.collect(0), HIGH);
    tracker.wish("s1", OFF);
    assert.equal(tracker.collect(1), OFF);
  });
  await t.step("the highest wish counts, also when it goes", () => {
    const tracker = new WantedQuality(0, false, 0);
    tracker.wish("s1", HIGH);
    tracker.wish("s2", MEDIUM);
    assert.equal(tracker.collect(0), HIGH);
    tracker.wish("s1", undefined);
    assert.equal(tracker.collect(1), MEDIUM);
    // As a node does on behalf of its own subscribers.
    tracker.wish("ND_other", HIGH);
    assert.equal(tracker.collect(2), HIGH);
  });
  await t.step("unmute tells it again", () => {
    const tracker = new WantedQuality(0, false, 0);
    tracker.wish("s1", LOW);
    assert.equal(tracker.collect(0), LOW);
    tracker.setMuted(true);
    tracker.wish("s1", MEDIUM);
    assert.equal(tracker.collect(1), undefined);
    tracker.setMuted(false);
    assert.equal(tracker.collect(2), MEDIUM);
  });
});

unitScenario("TestCodecRegression", async (t) => {
  /** What was last told, by codec. */
  const told = (codecs: WantedCodecs, now: number) =>
    Object.fromEntries(codecs.collect(now)!.map(({ mime, quality }) => [mime, quality]));
  await t.step("video: wishes for the first codec become wishes for its backup", () => {
    const [from, to] = ["video/AV1", "video/VP8"] as const;
    const codecs = new WantedCodecs(false, 0);
    codecs.wish("s1", { mime: from, quality: HIGH }, 0);
    assert.deepEqual(told(codecs, 0), { [from]: HIGH });
    codecs.setRegression({ from, to }, 1);
    assert.deepEqual(told(codecs, 1), { [from]: OFF, [to]: HIGH });
    codecs.wish("s1", { mime: from, quality: MEDIUM }, 2);
    assert.deepEqual(told(codecs, 2), { [from]: OFF, [to]: MEDIUM });
  });
  await t.step("audio", () => {
    const [from, to] = ["audio/red", "audio/opus"] as const;
    const codecs = new WantedCodecs(false, 0);
    codecs.wish("s1", { mime: from, quality: HIGH }, 0);
    assert.deepEqual(told(codecs, 0), { [from]: HIGH });
    codecs.setRegression({ from, to }, 1);
    assert.deepEqual(told(codecs, 1), { [from]: OFF, [to]: HIGH });
    codecs.wish("s1", undefined, 2);
    assert.deepEqual(told(codecs, 2), { [from]: OFF, [to]: OFF });
    // As a node does on behalf of its own subscribers.
    codecs.wish("ND_other", { mime: to, quality: HIGH }, 3);
    assert.deepEqual(told(codecs, 3), { [from]: OFF, [to]: HIGH });
  });
});
