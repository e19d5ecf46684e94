/**
 * How soon a subscriber sees something: from the wish to subscribe until the first picture is
 * presented, by Chromium on loopback that is in the room already; and what key frames that took.
 *
 * @module
 */
import { mintToken } from "../../tests/support/process/access_tokens.ts";
import type { BrowserClient } from "../../tests/support/sdk/browser_client.ts";
import { CONNECTION_MODES, type ConnectionMode } from "../../tests/support/sdk/call_fixture.ts";
import { ChromiumBrowser } from "../../tests/support/sdk/chromium.ts";
import { serveClientPage } from "../../tests/support/sdk/client_page_server.ts";
import { startPathServer } from "./path_server.ts";

const TRIES = 12;
/** Between two tries, ms: what a first picture asks for does not help the next one. */
const PAUSE_MS = 1_500;
const CAMERA = { width: 960, height: 540, fps: 15, simulcast: true, maxBitrate: 1_500_000 };

/** Who subscribes: the only one, a second one, or a second and a third at once. */
const FIRST_PICTURE_CASES = ["only", "second", "two"] as const;

/** The tries of one case. */
export interface FirstPictures {
  readonly server: string;
  readonly mode: ConnectionMode;
  readonly subscriber: (typeof FIRST_PICTURE_CASES)[number];
  readonly timesMs: readonly number[];
  /** That the publisher's encoders made meanwhile, of all layers. */
  readonly keyFrames: number;
}

/** What is measured. */
export interface FirstPicturesPlan {
  readonly server: string;
  readonly program?: string | undefined;
  readonly onRow: (row: FirstPictures) => void;
}

/** Measures all cases with one connection and with two. @throws {Error} without Chromium. */
export async function measureFirstPictures(plan: FirstPicturesPlan): Promise<void> {
  await using server = await startPathServer("127.0.0.1", plan.program);
  await using pages = serveClientPage();
  await using browser = await ChromiumBrowser.launch();
  for (const mode of CONNECTION_MODES) {
    await using clients = new AsyncDisposableStack();
    const join = async (identity: string, autoSubscribe: boolean) => {
      const client = clients.use(await browser.openClient(identity, pages.url));
      const token = await mintToken({ identity, room: `first-${mode}` });
      const connections = mode === "dual" ? { singlePeerConnection: false } : {};
      await client.connect(server.url, token, { autoSubscribe, ...connections });
      return client;
    };
    const publisher = await join("publisher", false);
    const sid = await publisher.publishVideo(CAMERA);
    const joiners = [await join("one", false), await join("two", false)];
    const keyFrames = async () =>
      (await publisher.sentLayers(sid)).reduce((sum, layer) => sum + layer.keyFramesEncoded, 0);
    for (const subscriber of FIRST_PICTURE_CASES) {
      if (subscriber === "second") await join("watcher", true);
      await new Promise((resolve) => setTimeout(resolve, 2 * PAUSE_MS));
      const subscribing = subscriber === "two" ? joiners : joiners.slice(0, 1);
      // The first time everything is new to the browser.
      await tryOnce(subscribing, sid);
      const before = await keyFrames();
      const timesMs: number[] = [];
      for (let i = 0; i < TRIES; i++) timesMs.push(...await tryOnce(subscribing, sid));
      const { server } = plan;
      plan.onRow({ server, mode, subscriber, timesMs, keyFrames: await keyFrames() - before });
    }
  }
}

/** Everybody subscribes at once, and ends that. @returns how long each waited, ms. */
async function tryOnce(clients: readonly BrowserClient[], sid: string): Promise<number[]> {
  const times = await Promise.all(clients.map((client) => client.timeToPicture(sid)));
  await Promise.all(clients.map((client) => client.setSubscribed(sid, false)));
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  return times;
}
