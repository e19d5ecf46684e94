import assert from "node:assert/strict";
import type { BrowserContext, Page } from "playwright-core";
import { mintToken } from "../support/process/access_tokens.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";

const fixture = CallFixture.forThisFile({ flags: ["--dev"] });

const PHONE = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };

/** The links a development server prints for two people. */
async function printedLinks(): Promise<string[]> {
  const server = await fixture.server();
  return eventually("two printed links", () => {
    const links = server.logTail().match(/https?:\/\/\S+\/demo[#?]\S*token=[\w.-]+\S*/g) ?? [];
    const distinct = [...new Set(links)];
    return distinct.length >= 2 && distinct;
  }, { seen: () => server.logTail() });
}

async function demoLink(identity: string, room: string, name?: string): Promise<string> {
  const { httpUrl } = await fixture.server();
  const token = await mintToken({ identity, room, ...(name === undefined ? {} : { name }) });
  return `${httpUrl}/demo#token=${token}`;
}

/** Opens a page, calls `prepare` on its context before it loads, and closes it with the stack. */
async function open(
  stack: AsyncDisposableStack,
  url: string,
  options: { phone?: boolean; prepare?: (page: Page) => Promise<unknown> } = {},
): Promise<Page> {
  const browser = await fixture.chromium();
  const opened: { page: Page; context: BrowserContext } = await browser.openPage(
    "about:blank",
    options.phone ? PHONE : {},
  );
  stack.defer(() => opened.context.close());
  await options.prepare?.(opened.page);
  await opened.page.goto(url);
  return opened.page;
}

/** Frames shown by the tile of somebody else so far; 0 without one. */
function framesOfOther(page: Page): Promise<number> {
  return page.evaluate(`
    document.querySelector('.tile[data-kind="person"]:not([aria-label*="(you)"]) video')
      ?.getVideoPlaybackQuality().totalVideoFrames ?? 0`);
}

/** Loudest sample heard from the others during a tenth of a second, 0..1. */
function loudnessOfOthers(page: Page): Promise<number> {
  return page.evaluate(`(async () => {
    const player = document.querySelector("#sounds audio");
    if (!player?.srcObject) return 0;
    globalThis.testContext ??= new AudioContext();
    const analyser = testContext.createAnalyser();
    analyser.fftSize = 8192;
    const source = testContext.createMediaStreamSource(player.srcObject);
    source.connect(analyser);
    await new Promise((resolve) => setTimeout(resolve, 170));
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    source.disconnect();
    return Math.max(...samples.map(Math.abs));
  })()`);
}

function tileLabels(page: Page): Promise<string[]> {
  return page.locator(".tile").evaluateAll((tiles) => tiles.map((tile) => tile.ariaLabel ?? ""));
}

async function assertNoSidewaysScroll(page: Page): Promise<void> {
  const [content, window] = await page.evaluate<[number, number]>(
    "[document.scrollingElement.scrollWidth, innerWidth]",
  );
  assert.ok(content <= window, `page is ${content} wide in a window of ${window}`);
}

endToEndTest("the printed links bring two tabs together", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const [first, second] = await printedLinks();
  const ann = await open(stack, first!);
  const bob = await open(stack, second!);
  for (const page of [ann, bob]) {
    await eventually("a picture of the other", async () => (await framesOfOther(page)) > 15);
    await eventually("the other's sound", async () => (await loudnessOfOthers(page)) > 0.01);
    assert.equal(await page.locator(".tile").count(), 2);
    assert.equal(await page.locator("#problem-banner").isVisible(), false);
  }

  const othersMuted = async () =>
    (await tileLabels(bob)).some((label) => !label.includes("(you)") && label.includes(", muted"));
  await ann.getByRole("button", { name: "Microphone" }).click();
  await eventually("the muted mark", othersMuted);
  assert.equal(await ann.locator("#microphone-button").getAttribute("aria-pressed"), "false");
  await ann.getByRole("button", { name: "Microphone" }).click();
  await eventually("the muted mark to go", async () => !(await othersMuted()));

  await ann.getByRole("button", { name: "Share" }).click();
  await eventually(
    "a tile for the shared screen",
    async () => (await bob.locator('.tile[data-kind="screen"]').count()) === 1,
  );
  await ann.getByRole("button", { name: "Chat" }).click();
  await ann.getByRole("textbox", { name: "Message" }).fill("hello <b>bob</b>");
  await ann.keyboard.press("Enter");
  await eventually(
    "the chat message",
    async () => (await bob.locator("#chat-log").textContent())?.includes("hello <b>bob</b>"),
  );

  await ann.getByRole("button", { name: "Leave" }).click();
  await ann.getByRole("heading", { name: "You left the room" }).waitFor();
  await eventually("one tile", async () => (await bob.locator(".tile").count()) === 1);
});

endToEndTest("the demo page fits a phone", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const { httpUrl } = await fixture.server();
  const form = await open(stack, `${httpUrl}/demo`, { phone: true });
  await form.getByRole("textbox", { name: "Access token" }).waitFor();
  await assertNoSidewaysScroll(form);

  const long = "A-participant-with-a-remarkably-long-name-without-a-single-space-in-it";
  const ann = await open(stack, await demoLink("ann", "phone", long), { phone: true });
  await open(stack, await demoLink("bob", "phone"));
  await eventually("a picture of the other", async () => (await framesOfOther(ann)) > 0);
  await assertNoSidewaysScroll(ann);
  await ann.getByRole("button", { name: "Chat" }).click();
  await assertNoSidewaysScroll(ann);
  const narrow = await ann.locator(".control").evaluateAll((buttons) =>
    buttons.filter((button) => button.scrollWidth > button.clientWidth).map(({ id }) => id)
  );
  assert.deepEqual(narrow, [], "controls whose text does not fit");
});

for (
  const [errorName, words] of [
    ["NotFoundError", "No camera was found"],
    ["NotAllowedError", "The camera is blocked"],
    ["NotReadableError", "The camera is busy"],
  ] as const
) {
  endToEndTest(`a camera that fails with ${errorName} is told in words`, ["chromium"], async () => {
    await using stack = new AsyncDisposableStack();
    const page = await open(stack, await demoLink("ann", `camera-${errorName}`), {
      prepare: (page) =>
        page.addInitScript(`{
          const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          navigator.mediaDevices.getUserMedia = (wanted) =>
            wanted.video
              ? Promise.reject(new DOMException("refused by the test", "${errorName}"))
              : open(wanted);
        }`),
    });
    const problem = page.getByRole("alert");
    await problem.waitFor();
    assert.ok((await problem.textContent())?.includes(words), await problem.textContent() ?? "");
    assert.equal(await page.locator("#camera-button").getAttribute("aria-pressed"), "false");
    await eventually(
      "the microphone to work all the same",
      async () =>
        (await page.locator("#microphone-button").getAttribute("aria-pressed")) === "true",
    );
  });
}

endToEndTest("a token the server refuses is told in words", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const { httpUrl } = await fixture.server();
  const page = await open(stack, `${httpUrl}/demo#token=not.a.token`);
  const problem = page.getByRole("alert");
  await problem.waitFor();
  assert.match(await problem.textContent() ?? "", /did not accept this token/);
  assert.equal(await page.getByRole("button", { name: "Join" }).isEnabled(), true);
});

endToEndTest("the demo page asks nobody but its own server", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const { httpUrl } = await fixture.server();
  const asked: string[] = [];
  const complaints: string[] = [];
  const page = await open(stack, await demoLink("ann", "no-strangers"), {
    prepare: (page) => {
      page.on("request", (request) => asked.push(request.url()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
      });
      return Promise.resolve();
    },
  });
  await eventually("the own tile", async () => (await page.locator(".tile").count()) === 1);
  const strangers = asked.filter((url) => !url.startsWith(httpUrl) && !/^(blob|data):/.test(url));
  assert.ok(asked.length > 0);
  assert.deepEqual(strangers, []);
  assert.deepEqual(complaints, []);
});
