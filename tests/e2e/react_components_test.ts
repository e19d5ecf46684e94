/** LiveKit's React components, which most applications are made of, in Chromium. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { mintToken } from "../support/process/access_tokens.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { installNodePackages } from "../support/process/node_packages.ts";

const fixture = CallFixture.forThisFile();

const SOURCES = new URL("../peers/node/", import.meta.url);
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Conference</title>
<link rel="icon" href="data:,"><body><script src="/conference.js"></script></body></html>`;
/** How much of a video must be played, s, before it counts as shown. */
const PLAYED = 1;

/** The page and its components as one script. */
async function bundle(): Promise<string> {
  const folder = await installNodePackages("node", SOURCES);
  const { success, stdout, stderr } = await new Deno.Command("node", {
    args: [
      "node_modules/esbuild/bin/esbuild",
      "conference.mjs",
      "--bundle",
      '--define:process.env.NODE_ENV="production"',
    ],
    cwd: folder,
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Names of the participants whose camera is shown, as the page's tiles have them. */
async function shownCameras(page: Page): Promise<string[]> {
  const shown = await page.evaluate(`
    [...document.querySelectorAll(".lk-participant-tile")].filter((tile) => {
      const video = tile.querySelector("video");
      return video !== null && video.videoWidth > 0 && video.currentTime > ${PLAYED};
    }).map((tile) => tile.querySelector(".lk-participant-name").textContent)
  `) as string[];
  return shown.sort();
}

endToEndTest(
  "VideoConference shows both cameras to both, and nobody is thrown out",
  ["chromium", "node"],
  async () => {
    const script = await bundle();
    await using pages = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        const [body, type] = new URL(request.url).pathname === "/"
          ? [PAGE, "text/html; charset=utf-8"]
          : [script, "text/javascript; charset=utf-8"];
        return new Response(body, { headers: { "content-type": type } });
      },
    );
    const server = await fixture.server();
    const browser = await fixture.chromium();
    const open = async (identity: string) => {
      const token = await mintToken({ identity, room: "conference" });
      const query = new URLSearchParams({ url: server.url, token });
      return await browser.openPage(`http://127.0.0.1:${pages.addr.port}/?${query}`);
    };
    await using clients = new AsyncDisposableStack();
    const all: Page[] = [];
    for (const identity of ["ann", "bob"]) {
      const { page, context } = await open(identity);
      clients.defer(() => context.close());
      all.push(page);
      await eventually(`${identity}'s own camera`, async () => {
        return (await shownCameras(page)).includes(identity);
      }, { seen: () => page.evaluate("conference.troubles") });
    }
    for (const page of all) {
      await eventually("both cameras", async () => {
        return (await shownCameras(page)).join() === "ann,bob";
      }, { seen: async () => [await shownCameras(page), await page.evaluate("conference")] });
    }
    for (const page of all) assert.deepEqual(await page.evaluate("conference.troubles"), []);
  },
);
