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
 * Part of the pictures of a layer that is shown at least. Of the lowest layer more than half, which
 * one temporal layer less would be; a larger picture may come at half of its frames. A publisher
 * without a processor has fewer than 15 a second.
 */
const SHOWN = { lowest: 8 / 15, larger: 0.45 };
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

async function seesLess({ publisher, viewer, camera, published, sent }: Watched) {
  const { ssrc = 0 } = await viewer.inbound(camera);
  const layers = await publisher.outbound(camera);
  const counts = () => ({
    at: performance.now(),
    given: new Map(layers.map((layer) => [layer["frameHeight"]!, published.of(layer["ssrc"]!)])),
    sent: sent.of(ssrc),
  });
  const encoded = async () =>
    new Map((await publisher.outbound(camera)).map((layer) => [layer["frameHeight"], layer]));
  const beforeE = await encoded();
  const a0 = await viewer.inbound(camera);
  const before = counts();
  await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
  const after = counts();
  const a1 = await viewer.inbound(camera);
  const afterE = await encoded();
  const h = a1["frameHeight"]!;
  const g = (n: string) => (a1[n] ?? 0) - (a0[n] ?? 0);
  const given = after.given.get(h)! - before.given.get(h)!;
  const seen = {
    h,
    given,
    sent: after.sent - before.sent,
    ms: after.at - before.at,
    oldGiven: (afterE.get(h)?.["framesEncoded"] ?? 0) - (beforeE.get(h)?.["framesEncoded"] ?? 0),
    oldGivenMs: (afterE.get(h)?.["timestamp"] ?? 0) - (beforeE.get(h)?.["timestamp"] ?? 0),
    ms2: g("timestamp"),
    decoded: g("framesDecoded"),
    received: g("framesReceived"),
    dropped: g("framesDropped"),
    key: g("keyFramesDecoded"),
    allSent: sent.of(ssrc),
    allReceived: a1["framesReceived"],
    allDecoded: a1["framesDecoded"],
    allDropped: a1["framesDropped"],
    pli: g("pliCount"),
    nack: g("nackCount"),
    lost: g("packetsLost"),
  };
  console.log("SEEN", JSON.stringify(seen), JSON.stringify([...after.given]), [
    ...before.given,
  ]);
  return seen;
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
