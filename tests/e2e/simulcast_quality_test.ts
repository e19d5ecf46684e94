import assert from "node:assert/strict";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { assertNoExtraMediaSections } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { Quality, ReceivedMedia, VideoOptions } from "../support/sdk/sdk_client.ts";
import { watchInbound } from "../support/sdk/stream_totals.ts";

const fixture = CallFixture.forThisFile();

/** Three layers: 960 × 540 is the smallest picture libwebrtc sends as three. */
const THREE_LAYERS = {
  width: 960,
  height: 540,
  fps: 10,
  simulcast: true,
  maxBitrate: 300_000,
} satisfies VideoOptions;
const WIDTHS: Readonly<Record<Quality, number>> = { low: 240, medium: 480, high: 960 };
/** The encoder starts its upper layers once the send estimate allows them. */
const LAYERS_DEADLINE_MS = 60_000;

async function untilAllLayersAreSent(publisher: BrowserClient, sid: string): Promise<void> {
  let last: unknown;
  await eventually(`three layers of ${sid} to be sent`, async () => {
    const layers = await publisher.sentLayers(sid);
    last = layers;
    const sent = layers.filter(({ framesEncoded }) => framesEncoded > 5).map(({ rid }) => rid);
    return ["q", "h", "f"].every((rid) => sent.includes(rid));
  }, {
    deadlineMs: LAYERS_DEADLINE_MS,
    seen: async () => ({ last, transport: await publisher.transport("publisher") }),
  });
}

/** Waits for frames of the wanted width that keep coming. */
async function untilWidth(
  { publisher, receiver }: { publisher: BrowserClient; receiver: BrowserClient },
  sid: string,
  width: number,
): Promise<void> {
  let last: ReceivedMedia | undefined;
  let framesAtFirst: number | undefined;
  await eventually(`${sid} to be ${width} pixels wide at ${receiver.identity}`, async () => {
    last = await receiver.media(sid);
    if (last.frameWidth !== width) framesAtFirst = undefined;
    else framesAtFirst ??= last.framesDecoded;
    return framesAtFirst !== undefined && last.framesDecoded >= framesAtFirst + 10;
  }, {
    deadlineMs: LAYERS_DEADLINE_MS,
    seen: async () => ({ last, sent: await publisher.sentLayers(sid) }),
  });
}

endToEndTest("camera and screen with three layers each follow the wanted quality", [
  "chromium",
], () =>
  fixture.call("simulcast", async (call) => {
    const ann = await call.join("chromium", "ann");
    const bob = await call.join("chromium", "bob");
    const pair = { publisher: ann, receiver: bob };
    const camera = await ann.publishVideo({ ...THREE_LAYERS, source: "camera" });
    const screen = await ann.publishVideo({ ...THREE_LAYERS, source: "screen_share" });
    await untilAllLayersAreSent(ann, camera);
    await untilAllLayersAreSent(ann, screen);

    await untilWidth(pair, camera, WIDTHS.high);
    await untilWidth(pair, screen, WIDTHS.high);
    await bob.setQuality(camera, "low");
    await untilWidth(pair, camera, WIDTHS.low);
    await untilWidth(pair, screen, WIDTHS.high);
    await bob.setQuality(screen, "medium");
    await bob.setQuality(camera, "medium");
    await untilWidth(pair, camera, WIDTHS.medium);
    await untilWidth(pair, screen, WIDTHS.medium);
    await bob.setDimensions(camera, 960, 540);
    await untilWidth(pair, camera, WIDTHS.high);

    const { remotes, subscribedEvents } = await bob.snapshot();
    const tracks = remotes[0]?.tracks ?? [];
    assert.deepEqual(tracks.map(({ sid }) => sid).sort(), [camera, screen].sort());
    assert.ok(tracks.every(({ simulcasted }) => simulcasted));
    assert.deepEqual(subscribedEvents, { [camera]: 1, [screen]: 1 });
    await assertNoExtraMediaSections(ann, { sent: 2, received: 0 });
    await assertNoExtraMediaSections(bob, { sent: 0, received: 2 });
  }));

/** Of its three temporal layers the lowest has a quarter of the frames. */
const SMOOTH = { width: 640, height: 360, fps: 20, simulcast: true, maxBitrate: 400_000 } as const;
const SLOW_FPS = 5;
const LOOK_MS = 1_500;
/** A receiver takes for a freeze what is three times as long as the last 30 frames were apart. */
const FREEZE_FRAMES = 30;

/** Looks until the video comes at a rate that fits, and says what became of it meanwhile. */
async function untilRate(
  receiver: BrowserClient,
  sid: string,
  fits: (fps: number) => boolean,
): Promise<(name: string) => number> {
  let fps = NaN;
  let last: ((name: string) => number) | undefined;
  await eventually(`a fitting frame rate of ${sid} at ${receiver.identity}`, async () => {
    last = await watchInbound(receiver, sid, LOOK_MS).then(({ grown }) => grown, () => undefined);
    fps = (last?.("framesDecoded") ?? NaN) * 1_000 / LOOK_MS;
    return fits(fps);
  }, { deadlineMs: LAYERS_DEADLINE_MS, seen: () => Promise.resolve({ fps }) });
  return last!;
}

/** Waits until the receiver knows no other frame rate than the one it has. */
async function untilUsedTo(receiver: BrowserClient, sid: string): Promise<void> {
  const frames = async () => (await receiver.inbound(sid))["framesDecoded"] ?? 0;
  const before = await frames();
  await eventually(`${FREEZE_FRAMES} frames more of ${sid} at ${receiver.identity}`, async () => {
    return await frames() >= before + FREEZE_FRAMES;
  }, { deadlineMs: LAYERS_DEADLINE_MS, seen: frames });
}

endToEndTest("a lower frame rate of Chromium's VP8 is decoded by Chromium and Firefox", [
  "chromium",
  "firefox",
], () =>
  fixture.call("frame-rate", async (call) => {
    const ann = await call.join("chromium", "ann");
    const receivers = [await call.join("chromium", "bob"), await call.join("firefox", "eve")];
    const sid = await ann.publishVideo(SMOOTH);
    const isSmooth = (fps: number) => fps > 0.6 * SMOOTH.fps;
    const isSlow = (fps: number) => fps > 0.4 * SLOW_FPS && fps < 1.6 * SLOW_FPS;
    await Promise.all(receivers.map((receiver) => untilRate(receiver, sid, isSmooth)));
    for (const receiver of receivers) await receiver.setFps(sid, SLOW_FPS);
    await Promise.all(receivers.map((receiver) => untilRate(receiver, sid, isSlow)));
    await Promise.all(receivers.map((receiver) => untilUsedTo(receiver, sid)));
    for (const grown of await Promise.all(receivers.map((r) => untilRate(r, sid, isSlow)))) {
      const told = ["freezeCount", "pliCount", "keyFramesDecoded"].map((name) => grown(name) || 0);
      assert.deepEqual(told, [0, 0, 0], "freezes, requests, key frames");
    }
    for (const receiver of receivers) await receiver.setFps(sid, SMOOTH.fps);
    for (const grown of await Promise.all(receivers.map((r) => untilRate(r, sid, isSmooth)))) {
      assert.ok((grown("pliCount") || 0) <= 1, "the other layers begin without key frames");
    }
    for (const client of [ann, ...receivers]) assert.deepEqual(await client.errors(), []);
  }));
