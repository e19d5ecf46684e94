/**
 * A recorded room is watched again: two people's tracks together, in the layout a viewer chooses,
 * also after the server was killed while it recorded.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { EgressClient, EgressStatus, EncodedFileOutput } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import {
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { DemoPage } from "../support/sdk/demo_page.ts";

const fixture = CallFixture.forThisFile();
const AXE = new URL(import.meta.resolve("axe-core"));
const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** What people do not notice between two tracks, ms. */
const TOGETHER_MS = 80;
/** A browser without a processor shows pictures late: the same seconds are watched again then. */
const WATCHES = 4;

/** As many as are written in a quarter of an hour. */
const LINES = 10_000;
/** Whether the last line that was written by now is in what one sees of the chat. */
const LAST_LINE_IS_SEEN = `(() => {
  const scroll = document.getElementById("chat-scroll").getBoundingClientRect();
  const last = document.getElementById("chat-log").lastElementChild.getBoundingClientRect();
  return last.bottom <= scroll.bottom + 1 && last.top >= scroll.top;
})()`;

const start = (folder: string): Promise<RoomwireProcess> =>
  startRoomwire({
    writes: folder,
    config: { recording: { directory: folder, replay: true }, demo: true },
  });

/** For two seconds: when pictures and sound were, on the recording's time against the wall clock. */
const WATCH = `new Promise((resolve) => {
  const seen = [];
  const { player } = replay;
  const due = replay.journal.files.filter((file) => player.isDue(file) && player.elementOf(file));
  for (const file of due) {
    const element = player.elementOf(file);
    const note = (time, now) => seen.push({
      kind: file.kind, identity: file.identity, shift: file.offset + time * 1000 - now,
    });
    if (file.kind === "video") {
      const next = (_, { mediaTime, expectedDisplayTime }) => {
        note(mediaTime, expectedDisplayTime);
        element.requestVideoFrameCallback(next);
      };
      element.requestVideoFrameCallback(next);
    } else {
      setInterval(() => note(element.currentTime, performance.now()), 50);
    }
  }
  // What is off at the start is made up within a second.
  setTimeout(() => seen.length = 0, 500);
  setTimeout(() => resolve(seen), 2000);
})`;
/** Where tiles stand, and whose picture moves. */
const TILES = `[...document.querySelectorAll(".tile")].map((tile) => ({
  key: tile.dataset.key,
  large: tile.dataset.large === "true",
  width: tile.getBoundingClientRect().width,
  name: tile.querySelector(".who").textContent,
  picture: (tile.querySelector("video")?.videoWidth ?? 0) > 0,
}))`;

/** How far the tracks are apart while they play, ms: by the middle of what was seen of each. */
async function watchApart(page: Page): Promise<{ apart: number; middles: readonly number[] }> {
  await page.evaluate("replay.player.seek(1000)");
  await eventually(
    "time goes on",
    async () => await page.evaluate("replay.player.position > 2000"),
  );
  const seen = await page.evaluate<Seen[]>(WATCH);
  const tracks = Map.groupBy(seen, ({ kind, identity }) => `${kind} ${identity}`);
  assert.equal(tracks.size, 4, [...tracks.keys()].join());
  const middles = [...tracks.values()].map((list) =>
    list.map(({ shift }) => shift).sort((a, b) => a - b)[list.length >> 1]!
  );
  return { apart: Math.max(...middles) - Math.min(...middles), middles };
}

interface Seen {
  readonly kind: "audio" | "video";
  readonly identity: string;
  readonly shift: number;
}

/** Records ann and bob for some seconds, and kills the server meanwhile. */
async function recordAndKill(folder: string): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await start(folder));
  const browser = await fixture.chromium();
  const people: DemoPage[] = [];
  for (const identity of ["ann", "bob"]) {
    const token = await mintToken({ identity, name: identity.toUpperCase(), room: "standup" });
    const page = stack.use(await DemoPage.open(browser, `${server.httpUrl}/demo#token=${token}`));
    people.push(await page.join("with camera and microphone"));
  }
  const egress = new EgressClient(server.httpUrl, TEST_KEY, TEST_SECRET);
  const { egressId } = await egress.startRoomCompositeEgress("standup", {
    file: new EncodedFileOutput({ filepath: "calls/{room_name}" }),
  });
  await eventually("four files", async () => {
    const [info] = await egress.listEgress({ egressId });
    return info!.status === EgressStatus.EGRESS_ACTIVE && info!.fileResults.length === 4;
  });
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const [ann] = people;
  await ann!.press(/^Chat/);
  await ann!.page.getByRole("textbox", { name: "Message" }).fill("see https://a.example");
  await ann!.page.keyboard.press("Enter");
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  server.kill("SIGKILL");
  await server.status;
  return egressId;
}

endToEndTest(
  "a room that was recorded plays again in time, in the layout one chooses, after a crash as well",
  ["chromium"],
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "replayed" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const egressId = await recordAndKill(folder);
    const server = stack.use(await start(folder));
    const host = await mintToken({
      identity: "host",
      room: "standup",
      grant: { roomJoin: false, roomAdmin: true },
    });
    const other = await mintToken({
      identity: "host",
      room: "other",
      grant: { roomJoin: false, roomAdmin: true },
    });
    const browser = await fixture.chromium();
    const { page, context } = await browser.openPage(
      `${server.httpUrl}/replay/${egressId}#token=${other}`,
      { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" },
    );
    stack.defer(() => context.close());
    await page.getByRole("alert").getByText("no such recording").waitFor();
    await page.getByRole("textbox", { name: "Access token" }).fill(host);
    await page.getByRole("button", { name: "Open" }).click();
    await page.locator('body[data-view="call"]').waitFor();
    assert.ok(!page.url().includes("token"), "nobody reads it off the address bar");
    const problems = async () => {
      if (!await page.evaluate("'axe' in globalThis")) {
        await page.evaluate(await Deno.readTextFile(AXE));
      }
      const options = JSON.stringify({ runOnly: LEVELS, resultTypes: ["violations"] });
      const { violations, passes } = await page.evaluate<AxeResults>(
        `axe.run(document, ${options})`,
      );
      assert.ok(passes.length > 10, "it has looked");
      return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
    };
    assert.equal(
      await page.locator("#connection-banner p").textContent().then(String),
      [
        "This recording was not ended properly.",
        "It is here up to its last seconds.",
      ].join(" "),
    );
    await page.getByRole("button", { name: "Play" }).click();
    const tiles = () =>
      page.evaluate<
        { key: string; large: boolean; width: number; name: string; picture: boolean }[]
      >(
        TILES,
      );
    await eventually("two pictures", async () => {
      const shown = await tiles();
      return shown.length === 2 && shown.every(({ picture }) => picture);
    }, { seen: tiles });
    const watched: Awaited<ReturnType<typeof watchApart>>[] = [];
    const areTogether = () => watched.some(({ apart }) => apart <= TOGETHER_MS);
    while (!areTogether() && watched.length < WATCHES) watched.push(await watchApart(page));
    assert.ok(areTogether(), `ms apart: ${JSON.stringify(watched)}`);
    await page.getByRole("button", { name: "Pause" }).click();

    await page.getByRole("button", { name: "Grid" }).click();
    const grid = await tiles();
    assert.ok(grid.every(({ large }) => !large));
    assert.deepEqual(grid.map(({ name }) => name).sort(), ["ANN", "BOB"]);
    assert.ok(Math.abs(grid[0]!.width - grid[1]!.width) < 2);
    await page.keyboard.press("p");
    const large = (await tiles()).filter((tile) => tile.large);
    assert.equal(large.length, 1);
    const small = (await tiles()).find((tile) => !tile.large)!;
    assert.ok(large[0]!.width > 3 * small.width, "big, and a strip");
    await page.getByRole("button", { name: `Show ${small.name} large` }).click();
    assert.equal((await tiles()).find((tile) => tile.large)!.key, small.key);

    const length = await page.evaluate<number>("replay.player.length");
    assert.ok(length > 4_000 && length < 30_000, `${length} ms`);
    await page.evaluate(`replay.player.seek(${length - 1_000})`);
    await page.locator("#chat-log a").waitFor();
    const whole = await page.evaluate<boolean>(
      "[...document.querySelectorAll('video')].every(({ duration }) => Number.isFinite(duration))",
    );
    assert.ok(whole, "the length of what was cut off is known");
    assert.deepEqual(await problems(), []);
    await page.locator(".chat-time").first().click();
    const at = await page.evaluate<number>("replay.player.position");
    assert.ok(at < length - 1_500, "a message leads to its time");
    await page.goto(`${server.httpUrl}/replay`);
    await page.getByRole("link", { name: "standup" }).waitFor();
    assert.deepEqual(await problems(), []);
  },
);

/** A recording in which nothing happened but that so many lines were written, ten a second. */
async function writeChat(folder: string, egressId: string, lines: number): Promise<void> {
  const began = Date.UTC(2026, 10, 29, 11);
  const entry = (offset: number, type: string, more: object) =>
    JSON.stringify({
      ...{ at: new Date(began + offset).toISOString(), offset_ms: offset, type },
      ...more,
    });
  const text = [
    entry(0, "began", { version: 1, egress_id: egressId, room_id: "RM_1", room_name: "webinar" }),
    ...Array.from({ length: lines }, (_, n) => {
      const identity = `p${n % 50}`;
      const said = { identity, name: identity.toUpperCase(), id: `m${n}`, text: `line ${n}` };
      return entry(100 * n, "chat", said);
    }),
    entry(100 * lines, "ended", { status: "EGRESS_COMPLETE" }),
  ];
  await Deno.writeTextFile(`${folder}/${egressId}.jsonl`, `${text.join("\n")}\n`);
  await Deno.writeTextFile(`${folder}/.roomwire-recordings`, `${egressId}.jsonl\n`);
}

endToEndTest(
  "ten thousand lines of chat are replayed, from any of them on",
  ["chromium"],
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "replayed-chat" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    await writeChat(folder, "EG_chat", LINES);
    const server = stack.use(await start(folder));
    const host = await mintToken({
      identity: "host",
      room: "",
      grant: { roomJoin: false, roomRecord: true },
    });
    const browser = await fixture.chromium();
    const { page, context } = await browser.openPage(
      `${server.httpUrl}/replay/EG_chat#token=${host}`,
    );
    stack.defer(() => context.close());
    await page.locator('body[data-view="call"]').waitFor();
    for (const lines of [LINES, 3, LINES / 2]) {
      await page.evaluate(`replay.player.seek(${100 * (lines - 1) + 50})`);
      await page.getByText(`line ${lines - 1}`, { exact: true }).waitFor();
      assert.equal(await page.locator("#chat-log > li").count(), lines);
      const isSeen = await page.evaluate<boolean>(LAST_LINE_IS_SEEN);
      assert.ok(isSeen, `the last of ${lines} lines`);
    }
  },
);
