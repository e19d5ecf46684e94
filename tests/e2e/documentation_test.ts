/**
 * Runs what the documentation shows: shell commands in a folder that looks like a clone, JavaScript
 * and TypeScript against a server with people in it, in the browser where it is for one; and looks
 * at the site in Chromium.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AxeResults } from "axe-core";
import { PAGES } from "../../build/site/contents.ts";
import { siteFiles } from "../../build/site/site_files.ts";
import { parseConfigText } from "../../lib/server/config/config_parsing.ts";
import { pythonPeer } from "../support/peers/python_peers.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import {
  codeOf,
  fileNameOf,
  filledIn,
  type PageCode,
  placeOf,
} from "../support/process/page_code.ts";
import { PageShell } from "../support/process/page_shell.ts";
import { type RoomwireProcess, startRoomwire } from "../support/process/roomwire_process.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { assertPrinted } from "../support/wire/snippet_output.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
const CODE = PAGES.flatMap(({ source }) => codeOf(source, read(source)));
/** What is not a program. */
const SHOWN_ONLY = ["", "json", "yaml"];
const AXE = new URL(import.meta.resolve("axe-core"));
const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const runs = (language: string) =>
  CODE.filter((code) => code.language === language && code.notRun === undefined);
/** Blocks that were run; the last test looks for those that nobody ran. */
const executed = new Set<PageCode>();

let browser: Promise<ChromiumBrowser> | undefined;
let running: Promise<RoomwireProcess> | undefined;
const recordings = Deno.makeTempDirSync({ prefix: "roomwire_documented_" });
Deno.test.afterAll(async () => {
  await (await browser)?.[Symbol.asyncDispose]();
  await (await running)?.[Symbol.asyncDispose]();
  await Deno.remove(recordings, { recursive: true });
});
const chromium = () => browser ??= ChromiumBrowser.launch();
const server = () =>
  running ??= startRoomwire({
    flags: ["--dev"],
    writes: recordings,
    config: { recording: { directory: recordings } },
  });

const standupToken = (identity: string) => mintToken({ room: "standup", identity });

endToEndTest("shell commands of the documentation do what they say", [
  "network-namespaces",
], async () => {
  await using shell = await PageShell.open();
  const seen = new Set<string>();
  for (const code of CODE) {
    const file = fileNameOf(code);
    if (file !== undefined) await shell.write(file, code.text);
    if (code.language !== "sh" || code.notRun !== undefined) continue;
    executed.add(code);
    const key = JSON.stringify([code.text, code.serves]);
    if (!seen.has(key)) assert.equal(await shell.run(code), undefined, placeOf(code));
    seen.add(key);
  }
  for (const code of runs("ts").filter(({ serves }) => serves)) {
    executed.add(code);
    assert.equal(await shell.serve("page_example.ts", code.text), undefined, placeOf(code));
    break; // The same lines stand on two pages, which the next test compares.
  }
});

Deno.test("programs of pages that serve are the same on all of them", () => {
  const [first, ...others] = runs("ts").filter(({ serves }) => serves);
  for (const code of others) {
    executed.add(code);
    assert.equal(code.text, first!.text, placeOf(code));
  }
});

Deno.test("configurations of the documentation can be read", () => {
  const blocks = CODE.filter(({ language }) => language === "yaml");
  assert.ok(blocks.length > 10);
  for (const code of blocks) {
    const keys = /^keys:/m.test(code.text)
      ? ""
      : "keys:\n  devkey: a-secret-of-32-characters-or-more\n";
    assert.doesNotThrow(() => parseConfigText(keys + code.text, placeOf(code)), placeOf(code));
  }
});

endToEndTest("TypeScript of the documentation runs as it stands", [], async () => {
  const { url, httpUrl } = await server();
  assert.ok(httpUrl.startsWith("http:"));
  const ann = await WireParticipant.open(url, await standupToken("ann"));
  await ann.connected();
  await ann.publish("audio");
  try {
    for (const code of runs("ts").filter(({ serves }) => !serves)) {
      executed.add(code);
      const declares = /\bconst token\b/.test(code.text);
      const token = `const token = ${JSON.stringify(await standupToken("reader"))};\n`;
      const program = `${declares ? "" : token}${
        filledIn(code.text, await server())
      }\nDeno.exit(0);\n`;
      const file = await Deno.makeTempFile({
        dir: new URL("tests/", ROOT).pathname,
        suffix: ".ts",
      });
      try {
        await Deno.writeTextFile(file, program);
        const { success, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--quiet", file],
        }).output();
        assert.ok(success, `${placeOf(code)}: ${new TextDecoder().decode(stderr)}`);
      } finally {
        await Deno.remove(file);
      }
    }
  } finally {
    await ann.leave();
  }
});

endToEndTest("JavaScript of the documentation runs in a browser", ["chromium"], async () => {
  const { url, httpUrl } = await server();
  const ann = await WireParticipant.open(url, await standupToken("ann"));
  await ann.connected();
  await ann.publish("video");
  try {
    for (const code of runs("js").filter(({ inBrowser }) => inBrowser)) {
      executed.add(code);
      const { page, context } = await (await chromium()).openPage(`${httpUrl}/demo`);
      const text = filledIn(code.text, await server())
        .replace(/^import (\{.*\}) from "livekit-client";$/m, "const $1 = LivekitClient;");
      const token = JSON.stringify(await standupToken("reader"));
      // Pictures have to come: that is what both programs are for.
      await page.evaluate(`(async () => {
        document.body.replaceChildren(document.createElement("video"));
        document.querySelector("video").autoplay = true;
        document.querySelector("video").muted = true;
        const token = ${token};
        ${text}
      })()`);
      await page.waitForFunction(
        `[...document.querySelectorAll("video")].some(({ srcObject }) => srcObject?.active)`,
      );
      await context.close();
    }
  } finally {
    await ann.leave();
  }
});

endToEndTest("Python of the documentation runs as it stands", ["python"], async () => {
  const target = await server();
  for (const code of runs("python")) {
    executed.add(code);
    const { program } = await pythonPeer("");
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: ["-c", filledIn(code.text, target)],
      env: { TOKEN: await standupToken("reader") },
    }).output();
    assert.ok(success, `${placeOf(code)}: ${new TextDecoder().decode(stderr)}`);
    await assertPrinted(new TextDecoder().decode(stdout), target.url);
  }
});

endToEndTest("the documentation is accessible, searched and printed in Chromium", [
  "chromium",
], async () => {
  const site = siteFiles(read, "1.2.3");
  const types: Record<string, string> = {
    html: "text/html",
    js: "text/javascript",
    css: "text/css",
  };
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ url }) => {
    const name = new URL(url).pathname.slice(1) || "index.html";
    const found = site.has(name) ? name : `${name}.html`;
    const type = types[found.split(".").at(-1)!] ?? "image/svg+xml";
    return new Response(site.get(found) ?? null, {
      status: site.has(found) ? 200 : 404,
      headers: { "Content-Type": type },
    });
  });
  const home = `http://127.0.0.1:${http.addr.port}`;
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, context } = await (await chromium()).openPage(`${home}/`, { colorScheme });
      for (const name of ["clients", "sizing"]) {
        await page.goto(`${home}/${name}`);
        await page.evaluate(await Deno.readTextFile(AXE));
        const options = JSON.stringify({ runOnly: LEVELS, resultTypes: ["violations"] });
        const results = await page.evaluate<AxeResults>(`axe.run(document, ${options})`);
        const found = results.violations.flatMap(({ help, nodes }) =>
          nodes.map(({ target }) => `${name}, ${colorScheme}: ${help}: ${target.join(" ")}`)
        );
        assert.deepEqual(found, []);
      }
      await context.close();
    }
    await useSite(home);
  } finally {
    await http.shutdown();
  }
});

/** As a reader does. */
async function useSite(home: string): Promise<void> {
  const { page, context } = await (await chromium()).openPage(`${home}/quick_start`, {
    viewport: { width: 320, height: 640 },
  });
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  const width = await page.evaluate<number>("document.documentElement.scrollWidth");
  assert.equal(width, 320, "nothing sticks out on a phone");
  await page.keyboard.press("/");
  await page.keyboard.type("hairpin");
  await page.getByText(/sections? found/).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/addresses#roomwire-check$/);
  const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
  const before = await ground();
  await page.getByRole("button", { name: /^(?:Light|Dark)$/ }).click();
  assert.notEqual(await ground(), before);
  const chosen = await ground();
  await page.reload();
  assert.equal(await ground(), chosen, "the choice is kept");
  await page.goto(`${home}/sizing`);
  await page.getByLabel("Rooms at once").fill("1000");
  await page.getByText(/^8,000 people: \d+ cores/).waitFor();
  await page.emulateMedia({ media: "print" });
  const isShown = (selector: string) =>
    page.evaluate<boolean>(`document.querySelector("${selector}").checkVisibility()`);
  assert.deepEqual([await isShown(".top"), await isShown(".pages"), await isShown("main")], [
    false,
    false,
    true,
  ]);
  assert.deepEqual(errors, []);
  await context.close();
}

endToEndTest("every program of the documentation was run, or says why not", [], () => {
  const left = CODE.filter((code) =>
    !SHOWN_ONLY.includes(code.language) && code.notRun === undefined && !executed.has(code)
  );
  assert.deepEqual(left.map(placeOf), []);
  return Promise.resolve();
});
