/**
 * A camera is watched while its publisher begins to send it in a second codec, because somebody came
 * who cannot decode the first: everybody sees pictures, and gets nothing that cannot be decoded.
 *
 * @module
 */
import assert from "node:assert/strict";
import { capturedVideo, codecsSent } from "../support/media/captured_switch.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { startCapture } from "../support/process/asked_captures.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { isColor } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile({ config: { packet_capture: { enabled: true } } });

const COLOR = [40, 160, 60] as const;
/** Pictures that must come in the codec. */
const FRAMES = 45;
const DEADLINE_MS = 60_000;
/**
 * Chromium stands still for three seconds, and drops what comes, where it takes what follows for
 * older than what it has seen. The machine may stop for some of that, too.
 */
const MOST_STILL_MS = 2_000;
/** One is enough; more may be asked for until the first of the wanted size has come. */
const MAX_KEY_FRAMES = 4;

/** Decodes so many pictures in a codec. */
async function decodes(client: BrowserClient, sid: string, mime: string): Promise<void> {
  let first: number | undefined;
  await eventually(`${client.identity} to see ${FRAMES} pictures in ${mime}`, async () => {
    const { codec, framesDecoded, color } = await client.media(sid);
    if (codec !== mime || !isColor(color, COLOR)) first = undefined;
    else first ??= framesDecoded;
    return first !== undefined && framesDecoded >= first + FRAMES;
  }, { deadlineMs: DEADLINE_MS, seen: () => client.inbound(sid) });
}

/** The longest time for which no picture was shown, ms. */
async function stoodStill(client: BrowserClient, sid: string): Promise<number> {
  const shown = await client.shownPictures(sid);
  assert.ok(shown.length > FRAMES, `${shown.length} pictures`);
  return Math.max(...shown.slice(1).map((at, i) => at - shown[i]!));
}

for (
  const { first, bothCodecs, mode } of [
    { first: "vp9", bothCodecs: false, mode: "default" },
    { first: "vp9", bothCodecs: false, mode: "dual" },
    { first: "av1", bothCodecs: true, mode: "default" },
  ] as const
) {
  const firstMime = `video/${first.toUpperCase()}`;
  const outcome = bothCodecs ? "whoever can stays with it" : "everybody goes over to VP8";
  endToEndTest(
    `somebody comes who cannot decode ${first}: ${outcome}, and no picture stands still (${mode})`,
    ["chromium"],
    () =>
      fixture.call(`codec-switch-${first}`, async (call) => {
        const { server: { httpUrl }, room } = call;
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob");
        const sid = await ann.publishVideo({ codec: first, color: COLOR, bothCodecs });
        await decodes(bob, sid, firstMime);
        const bobs = await startCapture({ httpUrl, room, identity: "bob" });
        await bob.watchPictures(sid);
        const before = await bob.inbound(sid);

        const cyd = await call.join("chromium", "cyd", { connect: { refusedCodec: firstMime } });
        const cyds = await startCapture({ httpUrl, room, identity: "cyd" });
        await decodes(cyd, sid, "video/VP8");
        await decodes(bob, sid, bothCodecs ? firstMime : "video/VP8");
        const after = await bob.inbound(sid);
        const told = JSON.stringify([before, after]);
        const stillMs = await stoodStill(bob, sid);
        assert.ok(stillMs <= MOST_STILL_MS, `${stillMs} ms without a picture; ${told}`);
        const grown = (name: string) => after[name]! - (before[name] ?? 0);
        assert.ok(grown("framesDropped") <= grown("framesDecoded") / 4, told);
        assert.ok(grown("keyFramesDecoded") <= MAX_KEY_FRAMES, told);
        assert.ok(grown("pliCount") <= 1, told);
        const late = await cyd.inbound(sid);
        assert.ok(late.keyFramesDecoded! <= MAX_KEY_FRAMES, JSON.stringify(late));

        for (const client of [cyd, bob]) await client.disconnect();
        const expected = bothCodecs ? [firstMime] : [firstMime, "video/VP8"];
        assert.deepEqual(codecsSent(capturedVideo(await bobs.file, true)), expected);
        assert.deepEqual(codecsSent(capturedVideo(await cyds.file, true)), ["video/VP8"]);
        for (const client of [ann, bob, cyd]) assert.deepEqual(await client.errors(), []);
      }, mode),
  );
}
