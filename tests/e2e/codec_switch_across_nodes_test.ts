/**
 * A camera is watched in Chromium and in Firefox, on its publisher's node and on another one, while
 * it goes over to its second codec, because somebody came who cannot decode the first.
 *
 * Judged by packets as the servers capture them, and by what decoders count: how long a picture
 * stands still in a browser is also a matter of how busy the machine is.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  assertOneStream,
  capturedVideo,
  codecsSent,
  codecSwitches,
  picturesMissed,
} from "../support/media/captured_switch.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { startCapture } from "../support/process/asked_captures.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { isColor } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

// On loopback, as Firefox finds no way to nodes in namespaces.
const fixture = CallFixture.forThisFileOnCluster({
  regions: ["east", "west"],
  // A room of five would go on with both codecs.
  config: { packet_capture: { enabled: true }, video: { codec_regression_threshold: 0 } },
});
/** Where the publisher is, and the other one. */
const [NEAR, FAR] = [0, 1] as const;

const COLOR = [40, 160, 60] as const;
const FPS = 15;
/** Pictures that must come in the codec. */
const FRAMES = 30;
const DEADLINE_MS = 60_000;
/** Of a second: it takes half of one at most where the machine is busy, and a fault three. */
const MOST_MISSED = FPS;

interface Watcher {
  readonly client: BrowserClient;
  readonly file: Promise<Uint8Array>;
}

/** Decodes so many pictures in a codec. @returns What it counts then. */
async function decodes(
  { client }: Watcher,
  sid: string,
  mime: string,
): Promise<Readonly<Record<string, number>>> {
  let first: number | undefined;
  return await eventually(`${client.identity} to see ${FRAMES} pictures`, async () => {
    const { codec, color } = await client.media(sid);
    const now = await client.inbound(sid);
    const { framesDecoded = 0 } = now;
    if (codec !== mime || !isColor(color, COLOR)) first = undefined;
    else first ??= framesDecoded;
    return first !== undefined && framesDecoded >= first + FRAMES && now;
  }, { deadlineMs: DEADLINE_MS, seen: () => client.inbound(sid) });
}

async function watch(call: Call, kind: "chromium" | "firefox", identity: string): Promise<Watcher> {
  const client = await call.join(kind, identity);
  return { client, ...await captureOf(call, identity) };
}

const captureOf = ({ server: { httpUrl }, room }: Call, identity: string) =>
  startCapture({ httpUrl, room, identity });

/** It was one stream that went over to VP8, with a key frame and soon. */
async function assertGoesOn(file: Uint8Array, published: Uint8Array): Promise<void> {
  const sent = capturedVideo(file, true);
  assert.deepEqual(codecsSent(sent), ["video/VP9", "video/VP8"]);
  assertOneStream(sent);
  const [change] = codecSwitches(sent);
  const missed = picturesMissed(change!, capturedVideo(published, false));
  const ms = change!.first.at - change!.last.at;
  assert.ok(missed <= MOST_MISSED, `${missed} pictures missed, ${ms} ms without one`);
}

endToEndTest(
  "somebody comes who cannot decode vp9: who watches in any browser on any node goes on with vp8",
  ["chromium", "firefox", "redis"],
  () =>
    fixture.spread("codec-switch", async (calls) => {
      const [near, far] = [calls[NEAR]!, calls[FAR]!];
      const ann = await near.join("chromium", "ann");
      const anns = await captureOf(near, "ann");
      const watchers = await Promise.all([
        watch(near, "firefox", "near-firefox"),
        watch(far, "firefox", "far-firefox"),
        watch(far, "chromium", "far-chromium"),
      ]);
      const sid = await ann.publishVideo({ codec: "vp9", color: COLOR, fps: FPS });
      const before = await Promise.all(
        watchers.map((watcher) => decodes(watcher, sid, "video/VP9")),
      );

      const token = await mintToken({ identity: "old", room: far.room });
      await using old = await WireParticipant.open(far.server.url, token, {
        unsupported: ["video/VP9"],
      });
      assert.equal((await old.track(sid)).mime, "video/VP8");
      await Promise.all(watchers.map((watcher) => decodes(watcher, sid, "video/VP8")));

      for (const [i, { client }] of watchers.entries()) {
        const after = await client.inbound(sid);
        const grown = (name: string) => (after[name] ?? 0) - (before[i]![name] ?? 0);
        const told = `${client.identity}: ${JSON.stringify([before[i], after])}`;
        assert.ok(grown("pliCount") + grown("firCount") <= 1, told);
        assert.ok(grown("framesDropped") <= grown("framesDecoded") / 4, told);
        assert.deepEqual(await client.errors(), []);
        await client.disconnect();
      }
      assert.deepEqual(await ann.errors(), []);
      await ann.disconnect();
      for (const { file } of watchers) await assertGoesOn(await file, await anns.file);
    }),
);
