import assert from "node:assert/strict";
import { AddTrackRequest, TrackSource, TrackType, VideoQuality } from "@livekit/protocol";
import type { TrackSid } from "../../../../lib/base/ids.ts";
import { camera, media, microphone, section, upTrack, World } from "./track_world.ts";

const RIDS = ["q", "h", "f"];
const LAYERS = [VideoQuality.HIGH, VideoQuality.LOW, VideoQuality.MEDIUM]
  .map((quality) => ({ quality, width: 320 << quality, height: 180 << quality }));
const layer = (rid: string, ssrc: number) => ({ rid, ssrc, rtxSsrc: ssrc + 1, rids: RIDS });

Deno.test("TrackRegistry joins a layer that comes minutes later to its track and makes no second one", async () => {
  const world = new World();
  const { registry } = world;
  await registry.announce(camera("cam", { layers: LAYERS }));
  const first = await registry.claim(media("cam", "0", layer("q", 10)));
  world.wallMs += 5 * 60_000;
  for (let round = 1; round <= 5; round++) {
    await registry.announce(camera(`other${round}`));
    await registry.claim(media(`other${round}`, `${round}`, { ssrc: 100 + round }));
    await registry.closeUpTrack(upTrack(`${round}`));
  }
  await registry.announce(camera("still pending"));
  world.wallMs += 5 * 60_000;

  const late = await registry.claim(media("cam", "0", layer("f", 30)));
  assert.equal(first.type, "published");
  assert.deepEqual(late, { type: "layer_added", sid: "sid" in first ? first.sid : "" });
  assert.equal(registry.published().length, 1);
  const info = registry.published()[0]!.info;
  assert.deepEqual(
    info.layers.map(({ quality, rid, spatialLayer, ssrc, repairSsrc }) => [
      quality,
      rid,
      spatialLayer,
      ssrc,
      repairSsrc,
    ]),
    [[0, "q", 0, 10, 11], [1, "h", 1, 0, 0], [2, "f", 2, 30, 31]],
  );
  assert.equal(info.simulcast, true);
});

Deno.test("TrackRegistry publishes a track whose SDP id differs from the signalled one, and keeps both", async () => {
  const world = new World();
  await world.registry.announce(camera("signalled", { layers: LAYERS }));
  const [plan] = await world.registry.plan([section("{changed}", "0", "video", RIDS)]);
  await world.registry.claim(media("{changed}", "0", { rid: "q", ssrc: 1 }));
  const later = await world.registry.claim(media("{changed}", "0", { rid: "h", ssrc: 2 }));
  assert.equal(later.type, "layer_added");
  const [track] = world.registry.published();
  assert.equal(plan!.sid, track!.sid);
  assert.equal(track!.info.codecs[0]!.cid, "signalled");
  assert.equal(track!.info.codecs[0]!.sdpCid, "{changed}");
  assert.deepEqual(track!.info.layers.map(({ rid }) => rid), RIDS);
  assert.equal(world.counters.get("track_match_ambiguous"), 0);
});

Deno.test("TrackRegistry publishes two pending videos with changed ids, counts and logs the guess", async () => {
  for (const planned of [false, true]) {
    const world = new World();
    await world.registry.announce(camera("a"));
    await world.registry.announce(camera("b"));
    if (planned) await world.registry.plan([section("x", "0"), section("y", "1")]);
    await world.registry.claim(media("y", "1", { ssrc: 2 }));
    await world.registry.claim(media("x", "0", { ssrc: 1 }));
    const names = world.registry.published().map(({ info }) => info.name).sort();
    assert.deepEqual(names, ["a", "b"]);
    assert.equal(world.counters.get("track_match_ambiguous"), 1);
    assert.equal(world.warnings.length, 1);
  }
});

Deno.test("TrackRegistry.plan() settles exact names before it guesses by kind", async () => {
  const world = new World();
  await world.registry.announce(camera("a"));
  await world.registry.announce(camera("b"));
  const plans = await world.registry.plan([section("changed", "0"), section("a", "1")]);
  const [a, b] = world.registry.contents().pending;
  assert.deepEqual(plans.map(({ sid }) => sid), [b!.sid, a!.sid]);
  assert.equal(world.counters.get("track_match_ambiguous"), 0);
});

Deno.test("TrackRegistry.plan() releases a guess when its section ends", async () => {
  const world = new World();
  await world.registry.announce(camera("a"));
  await world.registry.plan([section("x", "0")]);
  assert.equal((await world.registry.claim(media("y", "1"))).type, "parked");
  world.said();
  await world.registry.closeUpTrack(upTrack("0"));
  assert.deepEqual(world.said(), ["published:a"]);
});

Deno.test("TrackRegistry.plan() tells the announced codec, stereo, DTX and RED", async () => {
  const world = new World();
  await world.registry.announce(
    microphone("m", { stereo: true, disableDtx: true, disableRed: true }),
  );
  await world.registry.announce(camera("v", { simulcastCodecs: [{ codec: "h264", cid: "v" }] }));
  const plans = await world.registry.plan([
    section("v", "0"),
    section("m", "1", "audio"),
    section("unknown", "2", "audio"),
  ]);
  const [m, v] = world.registry.contents().pending.map(({ sid }) => sid);
  assert.deepEqual(plans, [
    { mid: "0", sid: v, preferredMime: "video/H264", stereo: false, dtx: true, red: true },
    { mid: "1", sid: m, stereo: true, dtx: false, red: false },
    { mid: "2", stereo: false, dtx: true, red: true },
  ]);
});

Deno.test("TrackRegistry.announce() queues a cid published by signal cid or by SDP cid, with one sid", async () => {
  for (const again of ["signalled", "sdp"]) {
    const world = new World();
    await world.registry.announce(camera("signalled"));
    await world.registry.claim(media("sdp", "0", { ssrc: 1 }));
    world.said();
    for (let i = 0; i < 4; i++) await world.registry.announce(camera(again));
    assert.deepEqual(world.said(), ["QUEUED", "QUEUED", "QUEUED", "LIMIT_EXCEEDED"]);
    const [slot] = world.registry.contents().pending;
    assert.equal(slot!.queued, true);
    assert.deepEqual(new Set(slot!.entries.map(({ info }) => info.sid)), new Set([slot!.sid]));
    assert.notEqual(slot!.sid, world.registry.published()[0]!.sid);

    await world.registry.closeUpTrack(upTrack("0"));
    assert.deepEqual(world.said(), ["unpublished:signalled", `track_published:${again}`]);
    assert.equal(world.registry.contents().pending[0]!.queued, false);
  }
});

Deno.test("TrackRegistry.announce() answers a cid again that still waits for its media, whatever came before", async () => {
  const world = new World();
  const sids = () =>
    world.effects.flatMap((effect) => effect.type === "track_published" ? [effect.track.sid] : []);
  for (let i = 0; i < 4; i++) await world.registry.announce(camera("cam", { name: `n${i}` }));
  assert.equal(new Set(sids()).size, 1);
  assert.deepEqual(world.said(), Array(4).fill("track_published:cam"));
  await world.registry.claim(media("cam", "0", { ssrc: 1 }));
  assert.deepEqual(world.said(), ["published:n3"], "the last word holds");

  // Two are queued and given up by those who asked: the first is answered to nobody.
  for (const name of ["given", "up"]) await world.registry.announce(camera("cam", { name }));
  await world.registry.closeUpTrack(upTrack("0"));
  world.said();
  for (let round = 1; round <= 3; round++) {
    await world.registry.announce(camera("cam", { name: `again ${round}` }));
    await world.registry.claim(media("cam", `${round}`, { ssrc: 1 }));
    await world.registry.closeUpTrack(upTrack(`${round}`));
    const promoted = round === 1 ? ["track_published:cam"] : [];
    assert.deepEqual(world.said(), [
      "track_published:cam",
      `published:again ${round}`,
      `unpublished:again ${round}`,
      ...promoted,
    ]);
  }
});

Deno.test("TrackRegistry.announce() keeps the section of a track that is announced again, unless its kind changed", async () => {
  const world = new World();
  await world.registry.announce(camera("cam"));
  await world.registry.plan([section("changed", "0")]);
  await world.registry.announce(camera("cam", { name: "again" }));
  await world.registry.announce(camera("other"));
  await world.registry.claim(media("changed", "0", { ssrc: 1 }));
  assert.deepEqual(world.said().at(-1), "published:again");

  await world.registry.plan([section("other's", "1")]);
  await world.registry.announce(microphone("other"));
  const arrival = { kind: "audio", ssrc: 2 } as const;
  assert.equal((await world.registry.claim(media("any", "2", arrival))).type, "published");
});

Deno.test("TrackRegistry.announce() answers again at the limit of pending tracks", async () => {
  const world = new World();
  for (let i = 0; i < 20; i++) await world.registry.announce(camera(`cam${i}`));
  world.said();
  await world.registry.announce(camera("cam20"));
  await world.registry.announce(camera("cam7"));
  assert.deepEqual(world.said(), ["LIMIT_EXCEEDED", "track_published:cam7"]);
});

Deno.test("TrackRegistry gives the section of a re-publish to the queued announcement, not to the old track", async () => {
  const world = new World();
  await world.registry.announce(camera("cam", { name: "old" }));
  await world.registry.claim(media("cam", "0", { ssrc: 1 }));
  await world.registry.announce(camera("cam", { name: "new" }));
  await world.registry.announce(camera("stranger"));
  for (const mime of ["video/VP8", "video/H264"]) {
    const early = await world.registry.claim(media("cam", "1", { mime, ssrc: 2 }));
    assert.equal(early.type, "parked");
  }
  world.said();
  await world.registry.closeUpTrack(upTrack("0"));
  assert.deepEqual(world.said(), ["unpublished:old", "track_published:cam", "published:new"]);
  assert.equal(world.registry.contents().parked.length, 0);
});

Deno.test("TrackRegistry.claim() parks media that comes before its announcement, and claims it then", async () => {
  const world = new World();
  const parked = await world.registry.claim(media("cam", "0", layer("q", 1)));
  await world.registry.claim(media("cam", "0", layer("h", 2)));
  assert.deepEqual(parked, { type: "parked" });
  await world.registry.announce(camera("cam", { layers: LAYERS }));
  assert.deepEqual(world.said(), ["track_published:cam", "published:cam", "updated:cam"]);
  const info = world.registry.published()[0]!.info;
  assert.deepEqual(info.layers.map(({ ssrc }) => ssrc), [1, 2, 0]);
});

Deno.test("TrackRegistry.claim() parks at most 32 and counts the rest", async () => {
  const world = new World();
  for (let i = 0; i < 40; i++) await world.registry.claim(media(`c${i}`, `${i}`, { ssrc: i + 1 }));
  const beyond = await world.registry.claim(media("c40", "40", { ssrc: 41 }));
  assert.deepEqual(beyond, { type: "refused", reason: "too_many_parked" });
  assert.equal(world.registry.contents().parked.length, 32);
  assert.equal(world.counters.get("track_refused_too_many_parked"), 9);
});

Deno.test("TrackRegistry.closeUpTrack() forgets parked media of that section", async () => {
  const world = new World();
  await world.registry.claim(media("cam", "0", { ssrc: 1 }));
  await world.registry.closeUpTrack(upTrack("0"));
  await world.registry.announce(camera("cam"));
  assert.deepEqual(world.said(), ["track_published:cam"]);
  assert.equal(world.registry.contents().parked.length, 0);
});

Deno.test("TrackRegistry.announce() refuses by source, type, unknown sid, empty cid and number", async () => {
  const world = new World();
  world.denied.add(TrackSource.SCREEN_SHARE);
  await world.registry.announce(camera("s", { source: TrackSource.SCREEN_SHARE }));
  await world.registry.announce(new AddTrackRequest({ cid: "d", type: TrackType.DATA }));
  await world.registry.announce(camera("c", { sid: "TR_VCnothere" }));
  await world.registry.announce(camera(""));
  assert.deepEqual(world.said(), [
    "NOT_ALLOWED",
    "UNSUPPORTED_TYPE",
    "NOT_FOUND",
    "INVALID_REQUEST",
  ]);
  for (let i = 0; i < 20; i++) await world.registry.announce(camera(`c${i}`));
  world.said();
  await world.registry.announce(camera("c20"));
  const [effect] = world.effects;
  assert.ok(effect?.type === "request_response" && effect.response.request.case === "addTrack");
  assert.equal(effect.response.request.value.cid, "c20");
  assert.deepEqual(world.said(), ["LIMIT_EXCEEDED"]);
});

Deno.test("TrackRegistry.claim() takes a track away whose source was forbidden since its announcement", async () => {
  const world = new World();
  await world.registry.announce(camera("cam"));
  world.denied.add(TrackSource.CAMERA);
  world.said();
  const outcome = await world.registry.claim(media("cam", "0", { ssrc: 1 }));
  assert.deepEqual(outcome, { type: "refused", reason: "not_allowed" });
  assert.deepEqual(world.said(), ["track_unpublished"]);
  assert.deepEqual(world.registry.published(), []);
});

Deno.test("TrackRegistry.unpublishWhere() keeps the section's later layers from another track", async () => {
  const world = new World();
  await world.registry.announce(camera("cam", { layers: LAYERS }));
  await world.registry.claim(media("cam", "0", layer("q", 1)));
  await world.registry.announce(camera("screen", { source: TrackSource.SCREEN_SHARE }));
  world.said();
  await world.registry.unpublishWhere((info) => info.source === TrackSource.CAMERA);
  const late = await world.registry.claim(media("cam", "0", layer("h", 2)));
  assert.deepEqual(late, { type: "refused", reason: "up_track_ended" });
  assert.deepEqual(world.said(), ["track_unpublished", "unpublished:cam"]);
  await world.registry.closeUpTrack(upTrack("0"));
  assert.equal((await world.registry.claim(media("screen", "0", { ssrc: 3 }))).type, "published");
});

Deno.test("TrackRegistry.unpublishWhere() takes away pending and queued announcements", async () => {
  const world = new World();
  await world.registry.announce(camera("cam"));
  await world.registry.claim(media("cam", "0", { ssrc: 1 }));
  await world.registry.announce(camera("cam"));
  await world.registry.announce(camera("screen"));
  world.said();
  await world.registry.unpublishWhere(() => true);
  assert.deepEqual(world.said(), [
    "track_unpublished",
    "unpublished:cam",
    "NOT_ALLOWED",
    "track_unpublished",
  ]);
  assert.equal(world.registry.contents().pending.length, 0);
});

Deno.test("TrackRegistry.setMuted() works on pending, queued and published tracks", async () => {
  const world = new World();
  await world.registry.announce(camera("cam"));
  const pending = world.registry.contents().pending[0]!.sid;
  assert.equal(await world.registry.setMuted(pending, true, "publisher"), true);
  await world.registry.claim(media("cam", "0", { ssrc: 1 }));
  assert.equal(world.registry.published()[0]!.info.muted, true, "published muted");
  await world.registry.announce(camera("cam"));
  const queued = world.registry.contents().pending[0]!;
  await world.registry.setMuted(queued.sid, true, "publisher");
  assert.equal(queued.entries[0]!.info.muted, true);
  await world.registry.setMuted(queued.sid, false, "publisher");
  assert.equal(queued.entries[0]!.info.muted, false);
  assert.equal(world.registry.published()[0]!.info.muted, true);

  world.said();
  await world.registry.setMuted(pending, false, "admin");
  await world.registry.setMuted(pending, false, "publisher");
  assert.deepEqual(world.said(), ["mute", "updated:cam"]);
  assert.equal(await world.registry.setMuted("TR_x" as TrackSid, true, "publisher"), false);
  assert.equal(await world.registry.setMuted("TR_x" as TrackSid, true, "admin"), false);
  assert.deepEqual(world.said(), ["NOT_FOUND"]);
});

Deno.test("TrackRegistry.announce() with a sid adds a backup codec, whose media joins the track", async () => {
  for (const sdpCid of ["backup", "changed"]) {
    const world = new World();
    const simulcastCodecs = [{ codec: "vp9", cid: "cam" }, { codec: "vp8", cid: "" }];
    await world.registry.announce(camera("cam", { simulcastCodecs }));
    await world.registry.claim(media("cam", "0", { mime: "video/VP9", ssrc: 1 }));
    const early = await world.registry.claim(media(sdpCid, "1", { mime: "video/VP8", ssrc: 2 }));
    assert.equal(early.type, "parked", "not announced yet");
    world.said();

    const sid = world.registry.published()[0]!.sid;
    const codec = [{ codec: "vp8", cid: "backup" }];
    await world.registry.announce(camera("backup", { sid, simulcastCodecs: codec }));
    assert.deepEqual(world.said(), ["updated:cam", "track_published:backup", "updated:cam"]);
    const [track] = world.registry.published();
    assert.deepEqual(track!.upTracks, [
      { upTrack: "up0", mime: "video/VP9", mid: "0" },
      { upTrack: "up1", mime: "video/VP8", mid: "1" },
    ]);
    assert.deepEqual(track!.info.codecs.map(({ cid, sdpCid, mid }) => [cid, sdpCid, mid]), [
      ["cam", "cam", "0"],
      ["backup", sdpCid, "1"],
    ]);
    await world.registry.closeUpTrack(upTrack("0"));
    assert.equal(world.registry.published().length, 1, "the other codec keeps the track");
    await world.registry.closeUpTrack(upTrack("1"));
    assert.deepEqual(world.said(), ["updated:cam", "unpublished:cam"]);
  }
});

Deno.test("TrackRegistry publishes TrackInfo with mid, mime, codecs, stream, version and copies", async () => {
  const world = new World();
  await world.registry.announce(microphone("mic"));
  await world.registry.claim(media("mic", "3", { kind: "audio", mime: "audio/OPUS" }));
  const [track] = world.registry.published();
  assert.match(track!.sid, /^TR_AM[2-9A-HJ-NP-Za-km-z]{12}$/);
  assert.equal(track!.info.sid, track!.sid);
  assert.equal(track!.info.mid, "3");
  assert.equal(track!.info.mimeType, "audio/opus");
  assert.equal(track!.info.codecs[0]!.mimeType, "audio/opus");
  assert.equal(track!.info.stream, "camera");
  assert.equal(track!.info.version!.unixMicro, 1_700_000_000_000_000n);
  await world.registry.setMuted(track!.sid, true, "publisher");
  assert.equal(track!.info.muted, false, "an effect does not change afterwards");
  const newer = world.registry.published()[0]!.info.version!;
  assert.equal(newer.unixMicro, track!.info.version!.unixMicro);
  assert.equal(newer.ticks, track!.info.version!.ticks + 1);
});

Deno.test("TrackRegistry.claim() refuses an undeclared rid, another kind, and a section of another track", async () => {
  const world = new World();
  await world.registry.announce(camera("cam"));
  const refused = async (...args: Parameters<typeof media>) => {
    const outcome = await world.registry.claim(media(...args));
    return outcome.type === "refused" ? outcome.reason : outcome.type;
  };
  assert.equal(await refused("cam", "0", { ...layer("x", 1) }), "unknown_rid");
  assert.equal(await refused("cam", "0", { kind: "audio" }), "kind_mismatch");
  assert.equal(await refused("cam", "0", { ...layer("q", 1) }), "published");
  assert.equal(await refused("cam", "0", { ...layer("x", 1) }), "unknown_rid");
  assert.equal(await refused("other", "0", { ...layer("h", 1) }), "up_track_taken");
  assert.equal(await refused("cam", "5", { kind: "audio" }), "kind_mismatch");
});

Deno.test("TrackRegistry.close() unpublishes everything once and ignores what follows", async () => {
  const world = new World();
  await world.registry.announce(camera("a"));
  await world.registry.claim(media("a", "0"));
  await world.registry.announce(camera("b"));
  world.said();
  await world.registry.close();
  await world.registry.close();
  await world.registry.announce(camera("c"));
  const outcome = await world.registry.claim(media("c", "1"));
  assert.deepEqual(outcome, { type: "refused", reason: "closed" });
  assert.deepEqual(world.said(), ["unpublished:a"]);
});

Deno.test("TrackRegistry delivers nothing under the lock, even to a listener that calls back", async () => {
  let reentered = 0;
  const locked: boolean[] = [];
  const world = new World({
    onEffect(effect, self) {
      locked.push(self.mutex.locked);
      if (effect.type !== "published" || reentered++ >= 3) return;
      void self.registry.setMuted(effect.track.sid, true, "admin");
      void self.registry.announce(camera(`again${reentered}`));
    },
  });
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 6; i++) {
    calls.push(world.registry.announce(camera(`c${i}`)));
    calls.push(world.registry.claim(media(`c${i}`, `${i}`, { ssrc: i + 1 })));
  }
  await Promise.all(calls);
  await world.registry.plan([]); // after everything the listener has started
  assert.equal(locked.includes(true), false);
  const said = world.said();
  for (let i = 0; i < 6; i++) {
    assert.ok(said.indexOf(`track_published:c${i}`) < said.indexOf(`published:c${i}`));
  }
  assert.equal(said.filter((word) => word === "mute").length, 3);
  assert.ok(said.includes("track_published:again3"));
});

Deno.test("TrackRegistry keeps TrackPublished in commit order across concurrent calls", async () => {
  const world = new World();
  const cids = Array.from({ length: 20 }, (_, i) => `c${i}`);
  await Promise.all(cids.map((cid) => world.registry.announce(camera(cid))));
  assert.deepEqual(world.said(), cids.map((cid) => `track_published:${cid}`));
  await Promise.all(cids.map((cid, i) => world.registry.claim(media(cid, `${i}`))));
  assert.deepEqual(world.said(), cids.map((cid) => `published:${cid}`));
});

Deno.test("TrackRegistry loses no effect when deliver throws", async () => {
  const world = new World({
    onEffect(effect) {
      if (effect.type === "track_published") throw new Error("closed socket");
    },
  });
  await world.registry.claim(media("cam", "0"));
  await world.registry.announce(camera("cam"));
  assert.deepEqual(world.said(), ["published:cam"]);
  assert.equal(world.counters.get("track_effect_failed"), 1);
});

Deno.test("TrackRegistry.updateVideo() and updateAudio() change pending and published tracks", async () => {
  const world = new World();
  await world.registry.announce(camera("cam"));
  await world.registry.announce(microphone("mic"));
  const [cam, mic] = world.registry.contents().pending.map(({ sid }) => sid);
  await world.registry.updateVideo(cam!, 1280, 720);
  await world.registry.updateAudio(mic!, [0, 0, 1]);
  await world.registry.claim(media("cam", "0"));
  await world.registry.claim(media("mic", "1", { kind: "audio" }));
  world.said();
  await world.registry.updateVideo(cam!, 640, 360);
  await world.registry.updateAudio(mic!, [0, 1]);
  assert.equal(await world.registry.updateVideo("TR_x" as TrackSid, 1, 1), false);
  assert.deepEqual(world.said(), ["updated:cam", "NOT_FOUND"]);
  const [video, audio] = world.registry.published().map(({ info }) => info);
  assert.deepEqual([video!.width, video!.height], [640, 360]);
  assert.deepEqual([audio!.audioFeatures, audio!.stereo, audio!.disableDtx], [[0, 1], true, true]);
});
