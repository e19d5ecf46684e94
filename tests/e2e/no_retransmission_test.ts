/**
 * Subscribers that take no retransmission, behind a path that is too narrow for any video: the
 * picture is paused, and is back soon after the path is wide.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { watchInbound } from "../support/sdk/stream_totals.ts";
import { pause } from "../support/wire/until.ts";

const fixture = CallFixture.forThisFile({
  config: { rtc: { congestion_control: { allow_pause: true } } },
});

const SEED = 5;
/** One layer, none of whose frames can be left out. */
const CAMERA = { width: 480, height: 270, fps: 15, noise: true, maxBitrate: 400_000 };
const NARROW_BPS = 60_000;
const WIDE_BPS = 10_000_000;
/** No picture comes for so long, after what was on its way has come. */
const PAUSED_MS = 8_000;
const SETTLE_MS = 2_000;
/** Most of it is patience for a busy machine. */
const BACK_WITHIN_MS = 10_000;
const LOOK_MS = 5_000;

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `a pion peer without RTX whose only video was paused sees it again once its path is wide (${mode})`,
    ["chromium", "go"],
    () =>
      fixture.call("bare-pion", async (call) => {
        await using proxy = new LossyProxy(SEED);
        proxy.down.delayMs = proxy.up.delayMs = 20;
        const ann = await call.join("chromium", "ann");
        const camera = await ann.publishVideo(CAMERA);
        const { udp } = call.server.ports;
        const reroute = { [udp]: await proxy.portFor("127.0.0.1", udp) };
        const bob = await call.joinPion("bob", { bare: true, reroute });
        const counts = () => bob.counts(camera)!;
        const states = () => bob.all("stream_state").map(({ state }) => state);
        await eventually("a picture", () => (bob.counts(camera)?.shown ?? 0) > CAMERA.fps, {
          seen: () => bob.story(),
        });

        proxy.down.rateBps = NARROW_BPS;
        await eventually("the pause", () => states().length > 0, { seen: () => bob.story() });
        await pause(SETTLE_MS);
        const before = counts();
        await pause(PAUSED_MS);
        const paused = counts();
        const seen = JSON.stringify({ before, paused, states: states() });
        assert.deepEqual(states(), ["PAUSED"], seen);
        assert.equal(paused.frames, before.frames, seen);
        assert.ok(paused.padding > before.padding, `${seen}: the path is looked at`);

        proxy.down.rateBps = WIDE_BPS;
        const widenedAt = performance.now();
        await eventually("a picture again", () => counts().shown > paused.shown, {
          seen: () => bob.story(),
        });
        const backMs = performance.now() - widenedAt;
        console.log(JSON.stringify({ mode, backMs }));
        assert.ok(backMs < BACK_WITHIN_MS, `${backMs}`);
        assert.deepEqual(states().slice(0, 2), ["PAUSED", "ACTIVE"]);
        const { shown } = counts();
        await eventually("it to move", () => counts().shown > shown + 2 * CAMERA.fps, {
          seen: () => bob.story(),
        });
        assert.deepEqual(bob.errors(), []);
      }, mode),
  );
}

// VP8 goes on by its pictures' own numbers, H.264 by those of packets alone.
for (const [codec, mode] of [["vp8", "default"], ["h264", "dual"]] as const) {
  endToEndTest(
    `Chromium without RTX whose only video (${codec}) was paused sees it again, and bears padding (${mode})`,
    ["chromium"],
    () =>
      fixture.call("bare-chromium", async (call) => {
        await using proxy = new LossyProxy(SEED);
        proxy.down.delayMs = proxy.up.delayMs = 20;
        const ann = await call.join("chromium", "ann");
        const camera = await ann.publishVideo({ ...CAMERA, codec });
        const bob = await call.joinBehind(proxy, "chromium", "bob", mode, { hasRtx: false });
        const untilMore = (frames: number) =>
          eventually("a picture", async () => {
            return ((await bob.inbound(camera))["framesDecoded"] ?? 0) > frames;
          }, { seen: () => bob.inbound(camera) });
        await untilMore(0);
        proxy.down.rateBps = NARROW_BPS;
        await eventually("the pause", async () => (await bob.streamStates()).length > 0, {
          seen: () => bob.inbound(camera),
        });
        await pause(SETTLE_MS);
        const paused = await watchInbound(bob, camera, PAUSED_MS);
        const seen = Deno.inspect(paused);
        assert.equal(paused.grown("framesDecoded"), 0, seen);
        assert.ok(paused.grown("packetsReceived") > 0, `${seen}: the path is looked at`);
        assert.equal(paused.after["retransmittedPacketsReceived"] ?? 0, 0, seen);

        proxy.down.rateBps = WIDE_BPS;
        const widenedAt = performance.now();
        await untilMore(paused.after["framesDecoded"]!);
        const backMs = performance.now() - widenedAt;
        console.log(JSON.stringify({ codec, mode, backMs }));
        assert.ok(backMs < BACK_WITHIN_MS, `${backMs}`);
        await pause(SETTLE_MS);
        const back = await watchInbound(bob, camera, LOOK_MS);
        const moving = Deno.inspect(back);
        assert.ok(back.grown("framesDecoded") > LOOK_MS / 1_000 * CAMERA.fps / 2, moving);
        assert.equal(back.grown("freezeCount"), 0, moving);
        assert.equal(back.grown("pliCount"), 0, moving);
      }, mode),
  );
}
