/**
 * The demo as `--dev` serves it, used as people use it: from the printed links into a call, with
 * chat, screens, hosts and phones.
 *
 * @module
 */
import assert from "node:assert/strict";
import { TrackSource } from "@livekit/protocol";
import { mintToken } from "../support/process/access_tokens.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { DemoPage, type DemoPageOptions } from "../support/sdk/demo_page.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const fixture = CallFixture.forThisFile({ flags: ["--dev"] });

/** The smallest phone that WCAG 2.2 asks for (1.4.10). */
const PHONE = { size: { width: 320, height: 568 }, isPhone: true };

/** The links a development server prints for two people. */
async function printedLinks(): Promise<string[]> {
  const server = await fixture.server();
  return eventually("two printed links", () => {
    const links = server.logTail().match(/https?:\/\/\S+\/demo\/\S+#name=\w+/g) ?? [];
    const distinct = [...new Set(links)];
    return distinct.length >= 2 && distinct;
  }, { seen: () => server.logTail() });
}

/** Opens the demo in a room, before joining. */
async function open(
  stack: AsyncDisposableStack,
  room: string,
  name: string,
  options: DemoPageOptions = {},
): Promise<DemoPage> {
  const { httpUrl } = await fixture.server();
  const url = `${httpUrl}/demo/${room}#name=${name}`;
  return stack.use(await DemoPage.open(await fixture.chromium(), url, options));
}

/** People without a browser. */
async function crowd(
  stack: AsyncDisposableStack,
  room: string,
  count: number,
): Promise<WireParticipant[]> {
  const { url } = await fixture.server();
  return await Promise.all(Array.from({ length: count }, async (_, index) => {
    const token = await mintToken({ identity: `guest-${index + 1}`, room });
    return await stack.use(await WireParticipant.open(url, token)).connected();
  }));
}

async function assertNoSidewaysScroll({ page }: DemoPage): Promise<void> {
  const [content, window] = await page.evaluate<[number, number]>(
    "[document.scrollingElement.scrollWidth, innerWidth]",
  );
  assert.ok(content <= window, `page is ${content} wide in a window of ${window}`);
}

/** Keeps the ids of devices that the page opens, in its `opened`. */
const OPENED = `
  globalThis.opened = [];
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (wanted) => {
    const stream = await open(wanted);
    opened.push(...stream.getTracks().map((track) => track.getSettings().deviceId));
    return stream;
  };`;

/** Another camera and another microphone during the call, by the settings. */
async function changesDevices({ page }: DemoPage): Promise<void> {
  await page.locator("#more-button").click();
  await page.locator("#more-settings").click();
  for (const kind of ["camera", "microphone"]) {
    const choice = page.locator(`#${kind}-choice`);
    const offered = await page.evaluate<string[]>(
      `[...document.querySelectorAll("#${kind}-choice option")].map(({ value }) => value)`,
    );
    assert.ok(offered.length >= 2, `${kind}: ${offered}`);
    await choice.selectOption(offered.at(-1)!);
    await eventually(
      `the other ${kind}`,
      () => page.evaluate<boolean>(`opened.at(-1) === ${JSON.stringify(offered.at(-1))}`),
      { seen: () => page.evaluate("opened") },
    );
  }
  await page.keyboard.press("Escape");
}

/** The other's tile fills the screen, and its picture has a window of its own. */
async function showsLarge({ page }: DemoPage): Promise<void> {
  const choose = async (item: string) => {
    await page.getByRole("button", { name: /^More for alice/ }).click();
    await page.getByRole("button", { name: item, exact: true }).click();
  };
  await choose("Full screen");
  await eventually(
    "Ann's tile on the whole screen",
    () => page.evaluate("document.fullscreenElement?.matches('.tile[data-own=false]')"),
  );
  await page.evaluate("document.exitFullscreen()");
  await choose("Picture in picture");
  await eventually(
    "Ann's picture in a window of its own",
    () =>
      page.evaluate("document.pictureInPictureElement?.closest('.tile[data-own=false]') != null"),
  );
  await choose("Picture in picture");
  await eventually(
    "it to come back",
    () => page.evaluate("document.pictureInPictureElement === null"),
  );
}

endToEndTest("two printed links and two clicks bring two people together", [
  "chromium",
], async () => {
  await using stack = new AsyncDisposableStack();
  const asked: string[] = [];
  const complaints: string[] = [];
  const prepare: DemoPageOptions["prepare"] = (page) => {
    page.on("request", (request) => asked.push(request.url()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
    });
  };
  const browser = await fixture.chromium();
  const [first, second] = await printedLinks();
  const ann = stack.use(await DemoPage.open(browser, first!, { prepare, script: OPENED }));
  const bob = stack.use(await DemoPage.open(browser, second!, { prepare }));
  assert.deepEqual([await ann.devicesAsked(), await bob.devicesAsked()], [0, 0], "not yet asked");
  await ann.join("with camera and microphone");
  await bob.join("with camera and microphone");
  for (const person of [ann, bob]) {
    await person.seesOther();
    await eventually("the other's sound", async () => (await person.loudnessOfOthers()) > 0.01);
    assert.equal((await person.tiles()).length, 2);
    assert.equal(await person.page.locator("#problem-banner p").count(), 0);
    assert.match(person.page.url(), /\/demo\/standup$/, "nothing of a token or name");
  }
  const origin = new URL(first!).origin;
  const strangers = asked.filter((url) => !url.startsWith(origin) && !/^(blob|data):/.test(url));
  assert.ok(asked.length > 10);
  assert.deepEqual(strangers, []);
  assert.deepEqual(complaints, []);

  const anns = bob.page.locator('.tile[data-own="false"]');
  await ann.press("Microphone");
  await eventually("the muted mark", async () => /microphone off/.test(await anns.innerText()));
  assert.equal(await ann.page.locator("#microphone-button").getAttribute("aria-pressed"), "false");
  await ann.page.keyboard.press("m");
  await eventually("it to go", async () => !/microphone off/.test(await anns.innerText()));
  await changesDevices(ann);
  await bob.seesOther();
  await showsLarge(bob);

  await ann.press("Share screen");
  const screen = await eventually(
    "a large tile for the shared screen",
    async () => (await bob.tiles()).find(({ kind, width }) => kind === "screen" && width > 900),
  );
  assert.ok(screen.height >= 560, JSON.stringify(screen));
  await bob.page.keyboard.press("c");
  await bob.page.getByRole("textbox", { name: "Message" }).fill("see https://a.example/x.");
  await bob.page.keyboard.press("Enter");
  const chat = ann.page.locator("#chat-button");
  await eventually(
    "the unread message to be counted and named",
    async () => (await chat.getAttribute("aria-label")) === "Chat, 1 unread message",
  );
  assert.equal(await ann.page.locator("#chat-badge").innerText(), "1");
  const glance = ann.page.locator(".toast", { hasText: "writes: see" });
  assert.equal(await glance.count(), 1);
  await ann.press(/^Chat/);
  assert.equal(await ann.page.locator("#chat-badge").isVisible(), false);
  assert.equal(await glance.count(), 0, "what is read in the chat is not over it, too");
  const link = ann.page.locator("#chat-log a");
  assert.equal(await link.getAttribute("href"), "https://a.example/x");
  assert.match(await link.getAttribute("rel") ?? "", /noopener noreferrer/);
  assert.match(await ann.page.locator("#chat-log time").innerText(), /\d/);

  await bob.page.getByRole("textbox", { name: "Message" }).fill("and this");
  await bob.page.keyboard.press("Enter");
  await ann.page.locator("#chat-log li", { hasText: "and this" }).waitFor();
  assert.match(await ann.page.locator("#spoken-status").innerText(), /writes: and this/);
  assert.equal(await ann.page.locator(".toast", { hasText: "and this" }).count(), 0);

  await ann.press("Leave");
  await ann.page.getByRole("heading", { name: "You left the room" }).waitFor();
  await eventually("one tile", async () => (await bob.tiles()).length === 1);
});

endToEndTest("the first words of a newcomer have a name, though the room tells of it later", [
  "chromium",
], async () => {
  await using stack = new AsyncDisposableStack();
  const ann = await open(stack, "early", "Ann");
  await ann.join("silently");
  const bob = await open(stack, "early", "Bob");
  await bob.join("silently");
  await bob.press(/^Chat/);
  await bob.page.getByRole("textbox", { name: "Message" }).fill("hello");
  await bob.page.keyboard.press("Enter");
  const message = ann.page.locator("#chat-log li", { hasText: "hello" });
  await message.waitFor({ state: "attached" });
  assert.equal(await message.locator("b").textContent(), "Bob");
});

endToEndTest("nine people stand three by three, and beside a large screen", [
  "chromium",
], async () => {
  await using stack = new AsyncDisposableStack();
  const ann = await open(stack, "nine", "Ann");
  await ann.join("silently");
  const [presenter] = await crowd(stack, "nine", 8);
  const distinct = (numbers: readonly number[]) => new Set(numbers.map(Math.round)).size;
  // Tiles move to their places.
  await eventually("nine tiles that stand three by three and fill the window", async () => {
    const tiles = await ann.tiles();
    return tiles.length === 9 && distinct(tiles.map(({ left }) => left)) === 3 &&
      distinct(tiles.map(({ top }) => top)) === 3 &&
      tiles.every(({ width, height }) => width * height * 9 > 1280 * 800 * 0.6);
  }, { seen: () => ann.tiles() });

  await presenter!.publish("video", { announce: { source: TrackSource.SCREEN_SHARE } });
  const isScreen = ({ kind }: { kind: string }) => kind === "screen";
  await eventually("a large screen, and everybody beside it", async () => {
    const beside = await ann.tiles();
    const screen = beside.find(isScreen);
    return beside.length === 10 && screen !== undefined && screen.width >= 1000 &&
      screen.height >= 600;
  }, { seen: () => ann.tiles() });

  const large = async (identity: string, kind = "person") => {
    const all = await ann.tiles();
    return all.every((tile) =>
      tile.identity === identity && tile.kind === kind ? tile.width > 900 : tile.width < 300
    );
  };
  await ann.page.locator('.tile[data-identity="guest-3"]').hover();
  await ann.page.getByRole("button", { name: "More for guest-3" }).click();
  await ann.page.getByRole("button", { name: "Pin", exact: true }).click();
  await eventually("the pinned tile to be large", () => large("guest-3"));
  await ann.page.locator('.tile[data-identity="guest-3"]').hover();
  await ann.page.getByRole("button", { name: "More for guest-3" }).click();
  await ann.page.getByRole("button", { name: "Unpin" }).click();
  await eventually("the screen to be large again", () => large("guest-1", "screen"));
});

endToEndTest("on a small phone everything fits, and the chat covers nobody", [
  "chromium",
], async () => {
  await using stack = new AsyncDisposableStack();
  const long = "A-participant-with-a-remarkably-long-name-without-a-space";
  const ann = await open(stack, "phone", long, PHONE);
  await assertNoSidewaysScroll(ann);
  await ann.join("with camera and microphone");
  await crowd(stack, "phone", 1);
  await eventually("the other", async () => (await ann.tiles()).length === 2);
  await assertNoSidewaysScroll(ann);
  await ann.press(/^Chat/);
  await assertNoSidewaysScroll(ann);
  const chat = (await ann.page.locator("#chat").boundingBox())!;
  await eventually(
    "both to stand above the chat",
    async () =>
      (await ann.tiles()).every(({ top, height }) => height >= 60 && top + height <= chat.y + 1),
    { seen: async () => [chat, await ann.tiles()] },
  );
  await crowd(stack, "phone", 2);
  const toast = (await ann.page.locator(".toast").first().boundingBox())!;
  assert.ok(toast.y + toast.height <= chat.y, "what passes stands above the chat");
  const controls = await ann.page.locator("#controls .control:visible").evaluateAll((buttons) =>
    buttons.map((button) => {
      const { left, right, width, height } = button.getBoundingClientRect();
      return { id: button.id, left, right, width, height };
    })
  );
  assert.ok(controls.length >= 6);
  for (const { id, left, right, width, height } of controls) {
    assert.ok(left >= 0 && right <= 320 && width >= 24 && height >= 24, id);
  }
  await ann.page.getByRole("button", { name: "Close chat" }).click();
  assert.equal(await ann.page.locator("#chat").isVisible(), false);
});

for (
  const [errorName, devices, words] of [
    ["NotAllowedError", "both", /^The camera and the microphone are blocked/],
    ["NotFoundError", "camera", /^No camera was found/],
    ["NotReadableError", "camera", /^The camera is busy/],
  ] as const
) {
  const name = `${errorName} of ${devices} is told in words that name the device`;
  endToEndTest(name, ["chromium"], async () => {
    await using stack = new AsyncDisposableStack();
    const isRefused = devices === "both" ? "true" : "Boolean(wanted.video)";
    const ann = await open(stack, `devices-${errorName}`, "Ann", {
      script: `{
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (wanted) =>
          ${isRefused}
            ? Promise.reject(new DOMException("refused by the test", "${errorName}"))
            : open(wanted);
      }`,
    });
    await ann.join("with camera and microphone");
    assert.match(await ann.problem(), words);
    const pressed = (id: string) => ann.page.locator(id).getAttribute("aria-pressed");
    assert.equal(await pressed("#camera-button"), "false");
    const others = devices === "both" ? "false" : "true";
    await eventually(
      "the rest to work",
      async () => await pressed("#microphone-button") === others,
    );
  });
}

endToEndTest("the tile of somebody whose tab has died says so", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const ann = await open(stack, "crash", "Ann");
  const bob = await open(stack, "crash", "Bob");
  await ann.join("silently");
  await bob.join("with camera and microphone");
  await ann.seesOther();
  bob.page.goto("chrome://crash").catch(() => {});
  // One look at both: what it says may be another thing a moment later.
  const state = ann.page.locator('.tile[data-own="false"] .tile-state:not([hidden])', {
    hasText: /Reconnecting|No picture is coming|Has left/,
  });
  await state.waitFor({ state: "attached" });
});

endToEndTest("a host mutes and removes; whoever is removed is told", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const ann = await open(stack, "moderated", "Ann");
  await ann.join("silently");
  const bob = await open(stack, "moderated", "Bob");
  await bob.join("with camera and microphone");
  await bob.press(/^People/);
  assert.equal(await bob.page.getByRole("button", { name: "Remove Ann" }).count(), 0, "no host");
  await ann.press(/^People/);
  await ann.page.getByRole("button", { name: "Mute Bob" }).click();
  const microphone = bob.page.locator("#microphone-button");
  await eventually(
    "Bob to be muted",
    async () => (await microphone.getAttribute("aria-pressed")) === "false",
  );
  await bob.page.getByText("A host muted your microphone").first().waitFor({ state: "attached" });
  await ann.page.getByRole("button", { name: "Remove Bob" }).click();
  await ann.page.getByRole("button", { name: "Remove", exact: true }).click();
  await bob.page.getByRole("heading", { name: "The call ended" }).waitFor();
  assert.match(await bob.problem(), /removed from the room/);
});

endToEndTest("a reload is the same person, and an invitation holds no token", [
  "chromium",
], async () => {
  await using stack = new AsyncDisposableStack();
  const ann = await open(stack, "again", "Ann");
  await ann.join("silently");
  const [before] = await ann.tiles();
  await ann.page.getByRole("button", { name: "Invite somebody" }).click();
  const link = await ann.page.getByLabel("Link to this room").inputValue();
  assert.match(link, /^http:\/\/[\d.:]+\/demo\/again$/);
  await ann.page.reload();
  await ann.page.locator('body[data-view="join"]').waitFor();
  await ann.join("silently");
  assert.deepEqual((await ann.tiles()).map(({ identity }) => identity), [before!.identity]);
});
