/**
 * Real clients of four stacks, each behind a bad network of its own at the same time: the picture
 * moves and the sound is whole where packets are lost, a narrow path gets a smaller picture, and
 * everybody has the whole one again after that.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";
import {
  type DistantSubscriber,
  openDistantSubscriber,
  SUBSCRIBER_KINDS,
} from "../support/sdk/distant_client.ts";
import { figuresBetween } from "../support/sdk/stream_totals.ts";
import { NOISY_CAMERA } from "../support/sdk/sdk_client.ts";
import { ImpairedPaths, lossyPath, type PathCondition } from "../support/wire/impaired_paths.ts";

const ROOM = "impaired";
const LOSSY = lossyPath(0.05);
const NARROW: PathCondition = {
  down: { delayMs: 25, rateBps: 500_000, queueMs: 300 },
  up: { delayMs: 25 },
};
const WIDE: PathCondition = { down: { delayMs: 25 }, up: { delayMs: 25 } };
const SETTLE_MS = 5_000;
/** Until layers that are too much were left, and what was sent of them meanwhile has come. */
const NARROW_SETTLE_MS = 12_000;
const STEADY_MS = 8_000;

endToEndTest(
  "Chromium, Firefox, rtc-node and pion behind 5 % of loss, then 500 kbit/s, then a wide path",
  ["chromium", "firefox", "go", "network-namespaces"],
  async () => {
    await using paths = await ImpairedPaths.create(SUBSCRIBER_KINDS.length);
    await using server = await startRoomwire({ address: paths.hostAddress });
    await using pages = serveClientPage();
    await using browser = await ChromiumBrowser.launch();
    await using publisher = await browser.openClient("publisher", pages.url);
    await publisher.connect(server.url, await mintToken({ identity: "publisher", room: ROOM }));
    const voice = await publisher.publishAudio();
    const camera = await publisher.publishVideo(NOISY_CAMERA);
    await using joined = new AsyncDisposableStack();
    const opened = SUBSCRIBER_KINDS.map((kind, path) => openDistantSubscriber(paths, path, kind));
    const all = await Promise.all(opened);
    for (const one of all) joined.use(one);
    const set = async (condition: PathCondition) => {
      for (const path of SUBSCRIBER_KINDS.keys()) await paths.set(path, condition);
    };
    await set(LOSSY);
    await Promise.all(all.map(async (one) => {
      await one.connect(
        server.url,
        await mintToken({ identity: one.kind, room: ROOM }),
        "default",
      );
      await eventually(`a picture in ${one.kind}`, async () => {
        return ((await one.totals(camera))?.frames ?? 0) > 0;
      });
    }));
    const steady = async (settleMs: number) => {
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      return Promise.all(all.map((one) => look(one, camera, voice)));
    };
    for (const { kind, picture, sound } of await steady(SETTLE_MS)) {
      const seen = `${kind}: ${JSON.stringify({ picture, sound })}`;
      assert.ok(picture.fps > NOISY_CAMERA.fps / 2, seen);
      assert.ok(picture.frozen < (kind === "pion" ? 0.5 : 0.2), seen);
      // Of 5 % that are lost what is heard is what has no copy, or was told of a moment ago.
      assert.ok(sound.concealed < 0.05, seen);
    }
    await set(NARROW);
    for (const { kind, picture, sound } of await steady(NARROW_SETTLE_MS)) {
      const seen = `${kind}: ${JSON.stringify({ picture, sound })}`;
      assert.ok(picture.height > 0 && picture.height < NOISY_CAMERA.height, seen);
      assert.ok(picture.fps > 3, seen);
      assert.ok(sound.concealed < 0.05, seen);
    }
    await set(WIDE);
    const widenedAt = performance.now();
    await Promise.all(all.map(async (one) => {
      await eventually(`the whole picture in ${one.kind}`, async () => {
        return (await one.totals(camera))?.height === NOISY_CAMERA.height;
      }, { seen: () => one.totals(camera) });
      console.log(`${one.kind}: whole after ${Math.round(performance.now() - widenedAt)} ms`);
    }));
  },
);

async function look(one: DistantSubscriber, camera: string, voice: string) {
  const read = async () => [await one.totals(camera), await one.totals(voice)] as const;
  const before = await read();
  await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
  const after = await read();
  return {
    kind: one.kind,
    picture: figuresBetween(before[0], after[0]),
    sound: figuresBetween(before[1], after[1]),
  };
}
