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
import { ImpairedPaths, type PathCondition } from "../support/wire/impaired_paths.ts";

const ROOM = "remb";
/** 190, 375 and 1,500 kbit/s. */
const CAMERA = {
  width: 960,
  height: 540,
  fps: 15,
  simulcast: true,
  noise: 0.06,
  maxBitrate: 1_500_000,
};
const path = (rateBps: number): PathCondition => ({
  down: { delayMs: 25, rateBps, queueMs: 300 },
  up: { delayMs: 25 },
});
const WIDE = path(10_000_000);
const NARROW = path(500_000);
/** Until what is too much was left. */
const SETTLE_MS = 10_000;
const STEADY_MS = 15_000;
/** A step up is tried after a pause, and what one pause showed to be too much after a longer one. */
const WHOLE_MS = 60_000;

/** What the program says. */
type Event =
  | { readonly event: "answered" | "left"; readonly status: number }
  | { readonly event: "connection"; readonly state: string }
  | { readonly event: "seen"; readonly height: number; readonly frames: number };

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

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
    await publisher.publishVideo(CAMERA);
    await paths.set(0, WIDE);
    const token = await mintToken({ identity: "eye", room: ROOM });
    const viewer = await pythonPeer("aiortc_whep.py", server.httpUrl, token);
    const [program, ...args] = paths.command(0, viewer.program, ...(viewer.args ?? []));
    await using eye = new PeerProcess<Event>("eye", { program: program!, args });
    const seen = () => eye.all("seen");
    /** Waits until it has been shown the whole picture. */
    const whole = async (what: string) => {
      const from = seen().length;
      const startedAt = performance.now();
      const isWhole = () => seen().slice(from).some(({ height }) => height === CAMERA.height);
      while (!isWhole()) {
        const waited = performance.now() - startedAt;
        assert.ok(waited < WHOLE_MS, `${what}: ${JSON.stringify(seen().slice(from))}`);
        await pause(500);
      }
      console.log(`${what}: whole after ${Math.round(performance.now() - startedAt)} ms`);
    };
    await eye.event("connection", ({ state }) => state === "connected");
    await whole("wide");
    await pause(SETTLE_MS);
    await whole("still wide");
    await paths.set(0, NARROW);
    await pause(SETTLE_MS);
    const before = seen().at(-1)!;
    await pause(STEADY_MS);
    const after = seen().at(-1)!;
    const fps = (after.frames - before.frames) * 1_000 / STEADY_MS;
    console.log(`narrow: ${after.height} lines, ${fps.toFixed(1)} frames a second`);
    assert.ok(after.height < CAMERA.height, JSON.stringify(after));
    assert.ok(fps > CAMERA.fps / 2, JSON.stringify({ before, after }));
    await paths.set(0, WIDE);
    await whole("wide again");
  },
);
