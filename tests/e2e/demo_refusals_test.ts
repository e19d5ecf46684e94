/**
 * The demo where the configuration serves it outside development: people bring their own tokens, and
 * each refusal is told in words. And a server that goes away and comes back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AccessToken } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { DemoPage } from "../support/sdk/demo_page.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import {
  placeHere,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";

const config = { demo: true, room: { max_participants: 1 } };
const fixture = CallFixture.forThisFile({ config });

async function open(stack: AsyncDisposableStack, token: string): Promise<DemoPage> {
  const { httpUrl } = await fixture.server();
  const url = `${httpUrl}/demo#token=${token}`;
  return stack.use(await DemoPage.open(await fixture.chromium(), url));
}

/** A token whose time was up two minutes ago. */
async function expiredToken(): Promise<string> {
  const token = new AccessToken(TEST_KEY, TEST_SECRET, { identity: "ann", name: "Ann", ttl: -120 });
  token.addGrant({ roomJoin: true, room: "refused" });
  return await token.toJwt();
}

endToEndTest("expired, foreign and unreadable tokens are told apart", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const expired = await open(stack, await expiredToken());
  assert.doesNotMatch(expired.page.url(), /token/, "it is not in the address bar");
  await expired.page.locator("#join-silently").click();
  assert.match(await expired.problem(), /access token has expired/);

  const token = await mintToken({ identity: "ann", name: "Ann", room: "refused" });
  const foreign = await open(stack, `${token.slice(0, -8)}AAAAAAAA`);
  await foreign.page.locator("#join-silently").click();
  assert.match(await foreign.problem(), /did not accept this access token/);

  const unreadable = await open(stack, "not.a.token");
  assert.match(await unreadable.problem(), /is no access token/);
  await unreadable.page.getByLabel("Access token").fill(token);
  await unreadable.page.locator("#join-silently").click();
  await unreadable.inside();
});

endToEndTest("a full room, and a token without rights, are told in words", [
  "chromium",
], async () => {
  await using stack = new AsyncDisposableStack();
  const mayNot = { canPublish: false, canPublishData: false };
  const guest = await open(
    stack,
    await mintToken({ identity: "guest", name: "Guest", room: "small", grant: mayNot }),
  );
  assert.match(await guest.page.locator("#join-hint").innerText(), /does not let you send/);
  await guest.join("silently");
  // They are called disabled, and say why when they are pressed all the same.
  await guest.page.locator("#camera-button[aria-disabled=true]").click({ force: true });
  assert.match(await guest.problem(), /does not let you send a camera/);
  await guest.page.locator("#microphone-button[aria-disabled=true]").click({ force: true });
  assert.match(await guest.problem(), /does not let you send a microphone/);
  assert.equal(await guest.devicesAsked(), 0);
  await guest.press(/^Chat/);
  assert.match(await guest.page.locator("#chat-refusal").innerText(), /does not let you write/);

  const late = await open(stack, await mintToken({ identity: "late", name: "L", room: "small" }));
  await late.page.locator("#join-silently").click();
  assert.match(await late.problem(), /room is full/);
});

endToEndTest("a call comes back by itself after the server was killed", ["chromium"], async () => {
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await startRoomwire({ config: { demo: true } }));
  const open = async (identity: string) => {
    const token = await mintToken({ identity, name: identity, room: "restart" });
    const url = `${first.httpUrl}/demo#token=${token}`;
    // Two pages of one Chromium have one camera; where both open it anew at the same moment, as they
    // do here, the fake one may give no picture to anybody from then on.
    const browser = stack.use(await ChromiumBrowser.launch());
    const page = stack.use(await DemoPage.open(browser, url));
    return await page.join("with camera and microphone");
  };
  const [ann, bob] = [await open("ann"), await open("bob")];
  await Promise.all([ann.seesOther(), bob.seesOther()]);
  first.kill("SIGKILL");
  await first.status;
  const lost = /Reconnecting|Trying again/;
  for (const { page } of [ann, bob]) {
    await eventually(
      "words about the connection",
      async () => lost.test(await page.locator("#connection-banner").innerText()),
    );
  }
  const place = placeHere(first.ports);
  stack.use(await startRoomwire({ config: { demo: true }, place }));
  for (const person of [ann, bob]) {
    await eventually(
      "nothing to tell any more",
      async () => (await person.page.locator("#connection-banner").innerText()) === "",
    );
    await eventually("both tiles", async () => (await person.tiles()).length === 2);
    await person.seesOther();
  }
});
