/**
 * A subscriber whose path carries little: it is sent what fits, sound comes through whole, and it
 * gets the whole picture again when the path is wide.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { MACHINE_CONCEALS, watchInbound } from "../support/sdk/stream_totals.ts";
import { RelayedFrames } from "../support/wire/relayed_frames.ts";

const fixture = CallFixture.forThisFile();

const SEED = 11;
const NARROW_BPS = 500_000;
const DELAY_MS = 20;
/** 190, 375 and 1,500 kbit/s: the middle layer and voice are what 500 kbit/s have room for. */
const CAMERA = { width: 960, height: 540, simulcast: true, noise: true, maxBitrate: 1_500_000 };
/** What is looked at in a steady state, ms. */
const STEADY_MS = 10_000;
/**
 * Part of the pictures of a layer that is sent at least. Of the lowest layer more than half, which
 * one temporal layer less would be; a larger picture may come at half of its frames. A publisher
 * without a processor has fewer than 15 a second.
 */
const SENT = { lowest: 0.57, larger: 0.48 };
/** Part of what is sent that is shown at least. */
const SHOWN = 0.94;
const LOWEST_HEIGHT = CAMERA.height / 4;
const LEAST_FPS = 3;

/** What one received stream did in a while. */
async function during(client: BrowserClient, sid: string, ms: number) {
  const { after, grown } = await watchInbound(client, sid, ms);
  return {
    height: after["frameHeight"] ?? 0,
    frames: grown("framesDecoded"),
    freezes: grown("freezeCount"),
    frozenMs: Math.round(grown("totalFreezesDuration") * 1_000),
    keyFrames: grown("keyFramesDecoded"),
    concealed: grown("concealedSamples") / Math.max(1, grown("totalSamplesReceived")),
    kbps: Math.round(grown("bytesReceived") * 8 / ms),
  };
}

/** A publisher and who sees it, each behind a relay that counts frames. */
interface Watched {
  readonly publisher: BrowserClient;
  readonly viewer: BrowserClient;
  readonly camera: string;
  readonly published: RelayedFrames;
  readonly sent: RelayedFrames;
}

/**
 * The camera, which is to be smaller than it is, and of which most pictures are sent, and shown.
 * What is published and what is sent of that are counted at one moment, on the way.
 */
async function seesLess({ publisher, viewer, camera, published, sent }: Watched) {
  const first = await viewer.inbound(camera);
  const layers = await publisher.outbound(camera);
  const counts = () => ({
    given: new Map(layers.map((layer) => [layer["frameHeight"]!, published.of(layer["ssrc"]!)])),
    sent: sent.of(first["ssrc"]!),
  });
  const before = counts();
  await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
  const after = counts();
  const height = (await viewer.inbound(camera))["frameHeight"] ?? 0;
  const given = (after.given.get(height) ?? 0) - (before.given.get(height) ?? 0);
  const frames = after.sent - before.sent;
  const seen = JSON.stringify({ height, given, frames });
  assert.ok(height > 0 && height < CAMERA.height, seen);
  // The camera itself has to have gone on, or there would be nothing to show.
  assert.ok(given > STEADY_MS / 1_000 * LEAST_FPS, seen);
  assert.ok(frames > given * (height > LOWEST_HEIGHT ? SENT.larger : SENT.lowest), seen);
  // How late a busy browser is matters the less the longer it is looked at.
  const shown = await eventually("what is sent to be shown", async () => {
    const last = await viewer.inbound(camera);
    const grown = (name: string) => (last[name] ?? 0) - (first[name] ?? 0);
    // Without time it leaves some out. What cannot be decoded it leaves out as well, and asks for
    // a key frame.
    const part = (grown("framesDecoded") + (grown("pliCount") === 0 ? grown("framesDropped") : 0)) /
      (counts().sent - before.sent);
    return part >= SHOWN && part;
  }, { seen: () => viewer.inbound(camera) });
  return { height, given, frames, shown };
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `Chromium behind 500 kbit/s sees a smaller picture and hears all, and the whole picture after that (${mode})`,
    ["chromium"],
    () =>
      fixture.call("narrow", async (call) => {
        await using proxy = new LossyProxy(SEED);
        const published = new RelayedFrames();
        await using open = new LossyProxy(SEED);
        open.onRelayed = published.note;
        const ann = await call.joinBehind(open, "chromium", "ann");
        const camera = await ann.publishVideo(CAMERA);
        const voice = await ann.publishAudio();
        // Hears what the machine does to the sound, and to the process that relays it, without the
        // narrow path.
        await using wide = new LossyProxy(SEED);
        wide.down.delayMs = wide.up.delayMs = DELAY_MS;
        const carl = await call.joinBehind(wide, "chromium", "carl");
        await carl.setSubscribed(camera, false);
        proxy.down.rateBps = NARROW_BPS;
        proxy.down.delayMs = proxy.up.delayMs = DELAY_MS;
        const sent = new RelayedFrames();
        proxy.onAnswered = sent.note;
        const bob = await call.joinBehind(proxy, "chromium", "bob");
        const watched = { publisher: ann, viewer: bob, camera, published, sent };
        await eventually("the first picture", async () => {
          return ((await bob.inbound(camera))["framesDecoded"] ?? 0) > 0;
        });
        await new Promise((resolve) => setTimeout(resolve, 10_000));
        const [picture, sound, near] = await Promise.all([
          seesLess(watched),
          during(bob, voice, STEADY_MS),
          during(carl, voice, STEADY_MS),
        ]);
        console.log(JSON.stringify({ mode, picture, sound, near, lost: proxy.down.lost }));
        assert.ok(near.concealed < MACHINE_CONCEALS, Deno.inspect({ sound, near }));
        assert.ok(sound.concealed - near.concealed < 0.02, Deno.inspect({ sound, near }));
        proxy.down.rateBps = 10_000_000;
        const widenedAt = performance.now();
        await eventually("the whole picture", async () => {
          return (await bob.inbound(camera))["frameHeight"] === CAMERA.height;
        }, { seen: () => bob.inbound(camera) });
        console.log(JSON.stringify({ mode, wholeAfterMs: performance.now() - widenedAt }));
        proxy.down.rateBps = NARROW_BPS;
        await new Promise((resolve) => setTimeout(resolve, 5_000));
        const again = await seesLess(watched);
        console.log(JSON.stringify({ mode, again, lost: proxy.down.lost }));
      }, mode),
  );
}
