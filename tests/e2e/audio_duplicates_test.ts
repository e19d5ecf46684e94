/**
 * Sound to clients that take no copies inside of packets (Firefox, pion), each behind a path that
 * loses a tenth: packets that are sent again leave next to nothing to be made up, and are not sent
 * where nothing is lost.
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
import { openDistantSubscriber } from "../support/sdk/distant_client.ts";
import { figuresBetween, MACHINE_CONCEALS, totalsOf } from "../support/sdk/stream_totals.ts";
import { ImpairedPaths, lossyPath } from "../support/wire/impaired_paths.ts";

const ROOM = "audio-duplicates";
const LOSSY = lossyPath(0.1);
/** Reports of the first losses come from Firefox each 2.5 to 7.5 s. */
const TOLD_MS = 12_000;
const LOOK_MS = 20_000;
/** Without copies it is what is lost, or asked for again too late: 3 % at Firefox, 10 % at pion. */
const MADE_UP = 0.015;

endToEndTest(
  "Firefox and pion behind 10 % of loss hear what was sent, by packets that are sent again",
  ["chromium", "firefox", "go", "network-namespaces"],
  async () => {
    await using paths = await ImpairedPaths.create(2);
    await using server = await startRoomwire({ address: paths.hostAddress });
    await using pages = serveClientPage();
    await using browser = await ChromiumBrowser.launch();
    await using publisher = await browser.openClient("publisher", pages.url);
    await using near = await browser.openClient("near", pages.url);
    const token = (identity: string) => mintToken({ identity, room: ROOM });
    await publisher.connect(server.url, await token("publisher"));
    const voice = await publisher.publishAudio();
    await near.connect(server.url, await token("near"));
    await using joined = new AsyncDisposableStack();
    const kinds = ["firefox", "pion"] as const;
    const all = await Promise.all(kinds.map((kind, path) => {
      return openDistantSubscriber(paths, path, kind);
    }));
    for (const one of all) joined.use(one);
    for (const path of kinds.keys()) await paths.set(path, LOSSY);
    for (const one of all) await one.connect(server.url, await token(one.kind), "default");
    for (const one of all) {
      await eventually(`sound in ${one.kind}`, async () => {
        return ((await one.totals(voice))?.samples ?? 0) > 0;
      });
    }
    await eventually("sound nearby", async () => totalsOf(await near.inbound(voice)).samples > 0);
    await new Promise((resolve) => setTimeout(resolve, TOLD_MS));
    const read = () =>
      Promise.all([near.inbound(voice).then(totalsOf), ...all.map((one) => one.totals(voice))]);
    const [nearBefore, ...before] = await read();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const [nearAfter, ...after] = await read();
    // What a late machine does to anybody's sound.
    const machine = figuresBetween(nearBefore, nearAfter).concealed;
    assert.ok(machine < MACHINE_CONCEALS, `${machine} at who loses nothing`);
    for (const [i, kind] of kinds.entries()) {
      const { concealed, kbps } = figuresBetween(before[i], after[i]);
      console.log(`${kind}: ${(100 * concealed).toFixed(2)} % made up, ${Math.round(kbps)} kbit/s`);
      assert.ok(concealed - machine <= MADE_UP, `${kind}: ${concealed}, nearby ${machine}`);
    }
  },
);
