/**
 * Copies of earlier frames in audio, to clients of three stacks that take them: left out while
 * nothing is lost, there soon after loss begins, and left out again when it has ended. What is heard
 * is whole meanwhile.
 *
 * @module
 */
import assert from "node:assert/strict";
import { PionPeer } from "../support/peers/pion_peer.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";
import { DistantClient } from "../support/sdk/distant_client.ts";
import {
  figuresBetween,
  MACHINE_CONCEALS,
  type StreamTotals,
  totalsOf,
} from "../support/sdk/stream_totals.ts";
import { ImpairedPaths, lossyPath, type PathCondition } from "../support/wire/impaired_paths.ts";

const ROOM = "audio-copies";
const WHOLE: PathCondition = { down: { delayMs: 25 }, up: { delayMs: 25 } };
const LOSSY = lossyPath(0.05);
const LOOK_MS = 10_000;
/** Less than this is made up, beside what a late machine does to the sound of anybody. */
const WHOLE_SOUND = 0.02;
/** libwebrtc reports on audio each 2.5 to 7.5 s. */
const TOLD_MS = 8_000;
/** Copies stay for 20 s behind the last loss. */
const HELD_MS = 20_000;

/** What one client has received of one track so far. */
interface Listened {
  readonly name: string;
  totals(): Promise<StreamTotals | undefined>;
  /** The same of somebody without a path of its own. */
  near(): Promise<StreamTotals>;
}

async function look(heard: Listened) {
  const read = () => Promise.all([heard.totals(), heard.near()]);
  const before = await read();
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const after = await read();
  const figures = figuresBetween(before[0], after[0]);
  const near = figuresBetween(before[1], after[1]).concealed;
  const seen = `${heard.name}: ${JSON.stringify({ ...figures, near })}`;
  assert.ok(near < MACHINE_CONCEALS, seen);
  return { ...figures, concealed: figures.concealed - near, seen };
}

/** Waits until a track takes less, or more, than so much of what it did. */
async function until(heard: Listened, what: string, holds: (kbps: number) => boolean, ms: number) {
  let before = await heard.totals();
  let kbps = 0;
  await eventually(`${heard.name}: ${what}`, async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const after = await heard.totals();
    ({ kbps } = figuresBetween(before, after));
    before = after;
    return holds(kbps);
  }, { deadlineMs: ms, seen: () => kbps });
}

endToEndTest(
  "Chromium, rtc-node and pion get copies of sound while packets are lost, and at no other time",
  ["chromium", "go", "network-namespaces"],
  async () => {
    await using paths = await ImpairedPaths.create(3);
    await using server = await startRoomwire({ address: paths.hostAddress });
    await using pages = serveClientPage();
    await using browser = await ChromiumBrowser.launch();
    await using ann = await browser.openClient("ann", pages.url);
    const token = (identity: string) => mintToken({ identity, room: ROOM });
    await ann.connect(server.url, await token("ann"));
    await using gus = await PionPeer.start("gus");
    await gus.connect(server.url, await token("gus"), { single: true });
    // The one sends redundant frames, the other bare ones.
    const sids = [await ann.publishAudio(), await gus.publish({ kind: "audio" })];
    await using near = await browser.openClient("near", pages.url);
    await near.connect(server.url, await token("near"));

    await using joined = new AsyncDisposableStack();
    const inside = (path: number) => (program: string, ...args: string[]) =>
      paths.command(path, program, ...args);
    const setAll = async (condition: PathCondition) => {
      for (const path of [0, 1, 2]) await paths.set(path, condition);
    };
    await setAll(WHOLE);
    const heard: Listened[] = [];
    for (const [path, kind] of (["chromium", "rtc-node"] as const).entries()) {
      const client = joined.use(await DistantClient.start(kind, inside(path)));
      await client.connect(server.url, await token(kind));
      for (const sid of sids) {
        const totals = () =>
          client.call<Record<string, number>>("inbound", sid).then(totalsOf, () => undefined);
        const name = `${kind}, ${sid === sids[0] ? "redundant" : "bare"}`;
        heard.push({ name, totals, near: () => near.inbound(sid).then(totalsOf) });
      }
    }
    const pat = joined.use(await PionPeer.start("pat", inside(2)));
    await pat.connect(server.url, await token("pat"), { single: true, red: true });
    const [, bare] = sids;
    const copied = () => pat.counts(bare!)?.redundant ?? 0;

    await Promise.all(heard.map((one) =>
      eventually(`sound in ${one.name}`, async () => {
        return ((await one.totals())?.samples ?? 0) > 0 && (await one.near()).samples > 0;
      })
    ));
    await eventually("copies at pion", () => copied() > 0);
    const begun = await Promise.all(heard.map(async (one) => {
      const before = await one.totals();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      return figuresBetween(before, await one.totals()).kbps;
    }));
    const isCopied = (i: number) => (kbps: number) => kbps > 0.8 * begun[i]!;
    const isBare = (i: number) => (kbps: number) => kbps < 0.7 * begun[i]!;

    const settles = heard.map((one, i) => until(one, "no copies", isBare(i), 3 * TOLD_MS));
    for (const { concealed, seen } of await Promise.all(heard.map(look))) {
      assert.ok(concealed < WHOLE_SOUND, `while copies go: ${seen}`);
    }
    await Promise.all(settles);
    const before = copied();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.equal(copied(), before, "none at pion");

    await setAll(LOSSY);
    await Promise.all(heard.map((one, i) => until(one, "copies", isCopied(i), 2 * TOLD_MS)));
    await eventually("copies at pion", () => copied() > before);
    for (const { concealed, seen } of await Promise.all(heard.map(look))) {
      assert.ok(concealed < WHOLE_SOUND, `5 % lost: ${seen}`);
    }

    await setAll(WHOLE);
    await new Promise((resolve) => setTimeout(resolve, HELD_MS - LOOK_MS));
    for (const [i, { kbps, concealed, seen }] of (await Promise.all(heard.map(look))).entries()) {
      assert.ok(isCopied(i)(kbps) && concealed < WHOLE_SOUND, `kept for a while: ${seen}`);
    }
    await Promise.all(heard.map((one, i) => until(one, "none again", isBare(i), 3 * TOLD_MS)));
    for (const { concealed, seen } of await Promise.all(heard.map(look))) {
      assert.ok(concealed < WHOLE_SOUND, `none again: ${seen}`);
    }
  },
);
