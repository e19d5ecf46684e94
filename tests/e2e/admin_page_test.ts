/**
 * The operators' page in a browser: what it shows of a call, what it does, and what a program can
 * find of WCAG 2.2 AA in every view, light and dark, wide and narrow.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import {
  EgressClient,
  EgressStatus,
  EncodedFileOutput,
  RoomServiceClient,
} from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { violations } from "../support/sdk/accessibility.ts";
import type { ParticipantFigures } from "../../lib/watch/figures.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { loadWhole } from "../support/sdk/chromium.ts";
import { DemoPage } from "../support/sdk/demo_page.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const fixture = CallFixture.forThisFile({ flags: ["--dev"] });
/** What somebody calls itself who means harm. */
const HOSTILE = '<img src=x onerror="globalThis.wasRun = true">';

/** Ann is seen by bob, whose name is hostile. */
async function call(stack: AsyncDisposableStack, room: string) {
  const { url, httpUrl } = await fixture.server();
  const join = async (identity: string, name = "") =>
    await stack.use(
      await WireParticipant.open(url, await mintToken({ identity, room, name })),
    ).connected();
  const ann = await join("ann", "Ann");
  const bob = await join("bob", HOSTILE);
  await ann.publish("video");
  return { ann, bob, url, httpUrl };
}

/** What a table says, row by row. */
function cells(page: Page, table: string): Promise<string[][]> {
  return page.evaluate(`[...document.querySelectorAll("#${table} tbody tr")]
    .map((row) => [...row.children].map(({ textContent }) => textContent))`);
}

/** What `roomwire top --json` says, and how it ends. */
async function top(env: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--node-modules-dir=manual", "main.ts", "top", ...args],
    env: { NO_COLOR: "1", ...env },
    cwd: new URL("../../", import.meta.url),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr).trim() };
}

endToEndTest("roomwire top says what operators see, to whoever has the key", [], async () => {
  await using stack = new AsyncDisposableStack();
  const { url } = await call(stack, "topped");
  const env = {
    LIVEKIT_URL: url,
    LIVEKIT_API_KEY: TEST_KEY,
    LIVEKIT_API_SECRET: TEST_SECRET,
  };
  const [json, text, stranger] = await Promise.all([
    top(env, "--json", "--room", "topped"),
    top(env, "--room", "topped"),
    top({ ...env, LIVEKIT_API_SECRET: "another secret" }),
  ]);
  assert.equal(json.code, 0, json.err);
  const { participants } = JSON.parse(json.out);
  const ann = Object.values<ParticipantFigures>(participants)
    .find(({ identity }) => identity === "ann")!;
  assert.ok(ann.inBps! > 0 && ann.path === "udp", JSON.stringify(ann));
  assert.match(text.out, /Ann ann .* active /);
  assert.deepEqual([stranger.code, stranger.out], [1, ""]);
  assert.match(stranger.err, /refuses \(401\): invalid authorization token/);
});

endToEndTest("operators see a call live, and end it", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const { ann, bob, httpUrl } = await call(stack, "watched");
  const chromium = await fixture.chromium();
  const { page, context } = await chromium.openPage(`${httpUrl}/admin`, { colorScheme: "light" });
  stack.defer(() => context.close());
  const thrown: string[] = [];
  page.on("pageerror", (error) => thrown.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") thrown.push(message.text());
  });
  const found: string[] = [];
  const look = async (view: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const wrong = await violations(page);
      found.push(...wrong.map((violation) => `${view}, ${colorScheme}: ${violation}`));
    }
  };
  const press = (name: string | RegExp) => page.getByRole("button", { name }).click();

  await page.getByRole("heading", { name: "Operators" }).waitFor();
  await look("entrance");
  await press("Open");
  await page.getByRole("link", { name: "watched" }).waitFor();
  await eventually(
    "a bit rate",
    async () => /bit\/s/.test((await cells(page, "rooms-table")).join()),
  );
  await look("rooms");
  await page.getByRole("link", { name: "watched" }).click();
  await eventually(
    "both of them",
    async () => (await cells(page, "participants-table")).length === 2,
  );
  const names = (await cells(page, "participants-table")).map(([name]) => name);
  assert.deepEqual(names.toSorted(), [HOSTILE, "Ann"]);
  await page.getByRole("link", { name: "Ann" }).click();
  await eventually(
    "what Ann sends",
    async () => /Camera.*vp8.*bit\/s/.test((await cells(page, "sends-table")).join()),
    {
      seen: () => cells(page, "sends-table"),
    },
  );
  await look("participant");
  await press("Mute Camera: cam");
  await ann.signal.message("mute", ({ muted }) => muted);
  await press("Remove…");
  await page.getByRole("heading", { name: "Remove Ann (ann)?" }).waitFor();
  await look("confirmation");
  await press("Cancel");
  assert.equal(ann.signal.received.some(({ case: name }) => name === "leave"), false);
  await press("Remove…");
  await page.locator("#confirmation-confirm").click();
  await ann.signal.message("leave");
  await press("Lock");
  await page.getByRole("button", { name: "Open to newcomers" }).waitFor();
  for (const name of ["Nodes", "Recordings", "Configuration"]) {
    await page.getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { name, exact: true }).waitFor();
    await eventually(
      `something of ${name}`,
      () =>
        page.evaluate(`document.querySelector("main section:not([hidden])").innerText.length > 40`),
    );
    await look(name);
  }
  const configuration = (await cells(page, "configuration-table")).flat().join(" ");
  assert.match(configuration, /<secret>/);
  assert.ok(!configuration.includes("secret-of-the-end-to-end-tests"), configuration);
  await page.setViewportSize({ width: 320, height: 640 });
  await page.goBack();
  await loadWhole(page, `${httpUrl}/admin#/room/watched/bob`);
  await page.getByRole("heading", { name: HOSTILE }).waitFor();
  await look("narrow");
  const width = await page.evaluate<number>("document.documentElement.scrollWidth");
  assert.ok(width <= 320, `${width} pixels wide`);
  assert.equal(bob.signal.received.some(({ case: name }) => name === "leave"), false);
  await press("Sign out");
  await page.getByRole("heading", { name: "Operators" }).waitFor();
  assert.equal(await page.evaluate("globalThis.wasRun"), undefined);
  assert.deepEqual(found, []);
  assert.deepEqual(thrown, []);
});

endToEndTest("operators end a recording of a room, and watch it", ["chromium"], async () => {
  const folder = await Deno.makeTempDir({ prefix: "operated" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const { httpUrl } = stack.use(
    await startRoomwire({
      flags: ["--dev"],
      writes: folder,
      config: { recording: { directory: folder } },
    }),
  );
  const chromium = await fixture.chromium();
  const token = await mintToken({ identity: "ann", name: "Ann", room: "kept" });
  const demo = stack.use(await DemoPage.open(chromium, `${httpUrl}/demo#token=${token}`));
  await demo.join("with camera and microphone");
  const egress = new EgressClient(httpUrl, TEST_KEY, TEST_SECRET);
  const { egressId } = await egress.startRoomCompositeEgress("kept", {
    file: new EncodedFileOutput({ filepath: "{room_name}" }),
  });
  const status = async () => (await egress.listEgress({ egressId }))[0]!;
  await eventually("both files", async () => {
    const { status: state, fileResults } = await status();
    return state === EgressStatus.EGRESS_ACTIVE && fileResults.length === 2;
  }, { seen: status });
  const { page, context } = await chromium.openPage(`${httpUrl}/admin#/recordings`);
  stack.defer(() => context.close());
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("button", { name: "Stop recording kept" }).waitFor();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await page.getByRole("button", { name: "Stop recording kept" }).click();
  await page.locator("#confirmation-confirm").click();
  await page.getByRole("button", { name: "Watch the recording of kept" }).click();
  await page.locator('body[data-view="call"]').waitFor();
  assert.equal(new URL(page.url()).pathname, `/replay/${egressId}`);
  assert.ok(!page.url().includes("link="), "nobody reads it off the address bar");
  await page.getByRole("button", { name: "Play" }).click();
  await eventually(
    "her picture, and that time goes on",
    () =>
      page.evaluate(`replay.player.position > 1000 &&
      [...document.querySelectorAll(".tile video")].some(({ videoWidth }) => videoWidth > 0)`),
  );
});

endToEndTest("a long list is shown a part at a time", ["chromium"], async () => {
  const { httpUrl } = await fixture.server();
  const rooms = new RoomServiceClient(httpUrl, TEST_KEY, TEST_SECRET);
  const names = Array.from({ length: 120 }, (_, index) => `many-${index}`);
  await Promise.all(names.map((name) => rooms.createRoom({ name })));
  const { page, context } = await (await fixture.chromium()).openPage(`${httpUrl}/admin`);
  try {
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByLabel("Find a room").fill("many-");
    const more = page.getByRole("button", { name: "Show 20 more of 120" });
    await more.waitFor();
    const shown = async () => (await cells(page, "rooms-table")).map(([name]) => name);
    assert.equal((await shown()).length, 100);
    await more.press("Enter");
    assert.deepEqual((await shown()).toSorted(), names.toSorted());
    const focused = "document.activeElement.closest('tr').rowIndex";
    assert.equal(await page.evaluate(focused), 101, "who has pressed it goes on there");
    assert.deepEqual(await violations(page), []);
    // What is found is all there is, so that nothing is behind a button.
    await page.getByLabel("Find a room").fill("many-119");
    await eventually("the one", async () => (await shown()).join() === "many-119");
    assert.equal(await page.locator("button.more:visible").count(), 0);
  } finally {
    await context.close();
  }
});
