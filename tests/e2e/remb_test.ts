/**
 * A viewer that says how much it could take and not when packets came: aiortc, behind a path of
 * its own. It is sent the whole picture where there is room, one that fits where there is not, and
 * the whole one again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";
import { PeerProcess } from "../support/peers/peer_process.ts";
import { pythonPeer } from "../support/peers/python_peers.ts";
import { NOISY_CAMERA } from "../support/sdk/sdk_client.ts";
import { ImpairedPaths, type PathCondition } from "../support/wire/impaired_paths.ts";
import { pause } from "../support/wire/until.ts";

const ROOM = "remb";
const path = (rateBps: number): PathCondition => ({
  down: { delayMs: 25, rateBps, queueMs: 300 },
  up: { delayMs: 25 },
});
const WIDE = path(10_000_000);
const NARROW = path(500_000);
/** Its first words are of what came in the first seconds. */
const SETTLE_MS = 10_000;
/**
 * A step up is tried after a pause. Besides, aiortc asks for what is missing once, and is shown
 * nothing behind it until 128 packets more have come.
 */
const PATIENCE_MS = 90_000;

/** What the program says. */
type Event =
  | { readonly event: "answered" | "left"; readonly status: number }
  | { readonly event: "connection"; readonly state: string }
  | { readonly event: "seen"; readonly height: number };

endToEndTest(
  "aiortc, whose word is REMB: all where there is room, what fits behind 500 kbit/s, and all again",
  ["chromium", "python", "network-namespaces"],
  async () => {
    await using paths = await ImpairedPaths.create(1);
    await using server = await startRoomwire({ address: paths.hostAddress });
    await using pages = serveClientPage();
    await using browser = await ChromiumBrowser.launch();
    await using publisher = await browser.openClient("publisher", pages.url);
    await publisher.connect(server.url, await mintToken({ identity: "publisher", room: ROOM }));
    await publisher.publishAudio();
    await publisher.publishVideo(NOISY_CAMERA);
    await paths.set(0, WIDE);
    const token = await mintToken({ identity: "eye", room: ROOM });
    const viewer = await pythonPeer("aiortc_whep.py", server.httpUrl, token);
    const [program, ...args] = paths.command(0, viewer.program, ...(viewer.args ?? []));
    await using eye = new PeerProcess<Event>("eye", { program: program!, args });
    /** Waits for a picture of such a height. */
    const shown = async (what: string, isSuch: (height: number) => boolean) => {
      const from = eye.all("seen").length;
      const startedAt = performance.now();
      const seen = () => eye.all("seen").slice(from);
      while (!seen().some(({ height }) => isSuch(height))) {
        assert.ok(
          performance.now() - startedAt < PATIENCE_MS,
          `${what}: ${JSON.stringify(seen())}`,
        );
        await pause(500);
      }
      console.log(`${what} after ${Math.round(performance.now() - startedAt)} ms`);
    };
    const whole = (what: string) => shown(what, (height) => height === NOISY_CAMERA.height);
    await eye.event("connection", ({ state }) => state === "connected");
    await whole("the whole picture on a wide path");
    await pause(SETTLE_MS);
    await whole("the whole picture still");
    await paths.set(0, NARROW);
    await shown("a smaller picture behind 500 kbit/s", (height) => height < NOISY_CAMERA.height);
    await paths.set(0, WIDE);
    await whole("the whole picture again");
  },
);
