/**
 * What a program can find of WCAG 2.2 AA in every view of the demo, in light and dark; and the demo
 * in Firefox.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { violations } from "../support/sdk/accessibility.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { DemoPage } from "../support/sdk/demo_page.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { FirefoxBrowser } from "../support/sdk/firefox.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const fixture = CallFixture.forThisFile({ flags: ["--dev"] });
/** Whether two pictures of somebody else come within two seconds. */
const TWO_FRAMES = `new Promise((resolve) => {
  const player = document.querySelector('.tile[data-own="false"] video');
  setTimeout(() => resolve(false), 2000);
  player?.requestVideoFrameCallback(() =>
    player.requestVideoFrameCallback(() => resolve(true)));
})`;
/** What tiles say is the matter. */
const STATES = `[...document.querySelectorAll(".tile-state:not([hidden])")]
  .map(({ textContent }) => textContent).join()`;

for (const colorScheme of ["light", "dark"] as const) {
  endToEndTest(`every view is accessible in ${colorScheme}`, ["chromium"], async () => {
    await using stack = new AsyncDisposableStack();
    const { httpUrl, url } = await fixture.server();
    const room = `axe-${colorScheme}`;
    const link = `${httpUrl}/demo/${room}#name=Ann`;
    const options = { colorScheme };
    const ann = stack.use(await DemoPage.open(await fixture.chromium(), link, options));
    const found: string[] = [];
    const look = async (view: string) => {
      found.push(...(await violations(ann.page)).map((violation) => `${view}: ${violation}`));
    };
    await look("entrance");
    await ann.join("with camera and microphone");
    await look("alone");
    const token = await mintToken({ identity: "bob", room });
    await stack.use(await WireParticipant.open(url, token)).connected();
    await eventually("two tiles", async () => (await ann.tiles()).length === 2);
    await ann.press(/^Chat/);
    await ann.page.getByRole("textbox", { name: "Message" }).fill("https://a.example");
    await ann.page.keyboard.press("Enter");
    await ann.page.locator("#chat-log a").waitFor();
    await look("chat");
    await ann.press(/^People/);
    await look("people");
    await ann.press("More");
    await look("menu");
    await ann.page.locator("#more-settings").click();
    await look("settings");
    await ann.page.keyboard.press("Escape");
    await ann.press("Leave");
    await ann.page.getByRole("heading", { name: "You left the room" }).waitFor();
    await look("left");
    assert.deepEqual(found, []);
  });
}

endToEndTest("the keyboard alone leads into a call, through it and out", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const { httpUrl } = await fixture.server();
  const link = `${httpUrl}/demo/keyboard#name=Ann`;
  const { page } = stack.use(await DemoPage.open(await fixture.chromium(), link));
  await page.locator("#name-field").focus();
  await page.keyboard.press("Enter");
  await page.locator('body[data-view="call"]').waitFor();
  const focused = () => page.evaluate<string>("document.activeElement.id");
  assert.equal(await focused(), "call-title");
  await page.keyboard.press("c");
  assert.equal(await focused(), "chat-field");
  await page.keyboard.type("mvc");
  assert.equal(await page.locator("#chat-field").inputValue(), "mvc", "no shortcuts while writing");
  await page.keyboard.press("Escape");
  assert.equal(await focused(), "chat-button");
  assert.equal(await page.locator("#chat").isVisible(), false);
  await page.locator("#more-button").focus();
  await page.keyboard.press("Enter");
  await eventually("the menu's first item", async () => await focused() === "more-view");
  await page.keyboard.press("Escape");
  await page.locator("#leave-button").focus();
  await page.keyboard.press("Enter");
  await eventually("the heading", async () => await focused() === "join-title");
});

endToEndTest("Firefox joins and sees Chromium", ["chromium", "firefox"], async () => {
  await using stack = new AsyncDisposableStack();
  const { httpUrl } = await fixture.server();
  const link = (name: string) => `${httpUrl}/demo/firefox#name=${name}`;
  const ann = stack.use(await DemoPage.open(await fixture.chromium(), link("Ann")));
  await ann.join("with camera and microphone");
  const firefox = stack.use(await FirefoxBrowser.launch());
  const bob = await firefox.openPage(link("Bob"));
  const isIn = (view: string) => bob.evaluate(`document.body.dataset.view === "${view}"`);
  await eventually("the entrance", () => isIn("join"));
  await bob.evaluate('document.getElementById("join-button").click()');
  await eventually("the call", () => isIn("call"));
  await ann.seesOther();
  await eventually("a moving picture of Chromium", () => bob.evaluate(TWO_FRAMES));
  // Whether pictures come is looked at from time to time.
  await eventually("nothing to be the matter", async () => (await bob.evaluate(STATES)) === "", {
    seen: () => bob.evaluate(STATES),
  });
});
