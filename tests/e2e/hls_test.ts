/**
 * Segments that a recording makes are played by a browser's own player: the last few while they are
 * made, and all of them afterwards.
 *
 * @module
 */
import assert from "node:assert/strict";
import { EgressClient, EgressStatus, SegmentedFileOutput } from "livekit-server-sdk";
import type { Page } from "playwright-core";
import { byteRange } from "../../routes/byte_range.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { type Color, isColor } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile();
const COLOR: Color = [40, 60, 200];
const SEGMENT_S = 1;
/** As `docs/recording.md` tells whoever gives such a folder out. */
const TYPES: Readonly<Record<string, string>> = {
  m3u8: "application/vnd.apple.mpegurl",
  mp4: "video/mp4",
  m4s: "video/mp4",
};
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>HLS</title>
<link rel="icon" href="data:,"><body><video id="all"></video><video id="live"></video>`;
/** What a player has shown. */
const SHOWN = (id: string) =>
  `(() => {
  const video = document.getElementById("${id}");
  const canvas = new OffscreenCanvas(16, 16).getContext("2d");
  canvas.drawImage(video, 0, 0, 16, 16);
  return {
    at: video.currentTime,
    duration: video.duration,
    ended: video.ended,
    error: video.error?.message ?? "",
    width: video.videoWidth,
    pictures: video.getVideoPlaybackQuality().totalVideoFrames,
    soundBytes: video.webkitAudioDecodedByteCount,
    color: [...canvas.getImageData(8, 8, 1, 1).data].slice(0, 3),
  };
})()`;

interface Shown {
  readonly at: number;
  /** Infinite as long as more may come; JSON knows no such number. */
  readonly duration: number | null;
  readonly ended: boolean;
  readonly error: string;
  readonly width: number;
  readonly pictures: number;
  readonly soundBytes: number;
  readonly color: Color;
}

/** Gives a folder out as a web server does, and a page to play it on. */
function giveOut(folder: string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const name = new URL(request.url).pathname.slice(1);
    if (name === "") return new Response(PAGE, { headers: { "Content-Type": "text/html" } });
    const bytes = await Deno.readFile(`${folder}/${name}`).catch(() => undefined);
    if (bytes === undefined) return new Response(null, { status: 404 });
    const headers = {
      "Content-Type": TYPES[name.slice(name.lastIndexOf(".") + 1)]!,
      "Cache-Control": "no-cache",
      "Accept-Ranges": "bytes",
    };
    const range = byteRange(request.headers.get("Range"), bytes.length);
    if (range === undefined) return new Response(bytes, { headers });
    if (range === "unsatisfiable") return new Response(null, { status: 416 });
    const { from, to } = range;
    return new Response(bytes.slice(from, to), {
      status: 206,
      headers: { ...headers, "Content-Range": `bytes ${from}-${to - 1}/${bytes.length}` },
    });
  });
}

/** Begins to play. */
function play(page: Page, id: string): Promise<void> {
  return page.evaluate(`(() => {
    const video = document.getElementById("${id}");
    video.src = "/hls/${id}.m3u8";
    return video.play();
  })()`);
}

/** Waits until pictures and sound go on in a player. */
async function plays(page: Page, id: string): Promise<Shown> {
  const look = () => page.evaluate<Shown>(SHOWN(id));
  let before: Shown | undefined;
  return await eventually(`${id} to play`, async () => {
    const now = await look();
    assert.equal(now.error, "");
    before ??= now;
    const goesOn = now.pictures > before.pictures + 10 && now.at > before.at + 0.5 &&
      now.soundBytes > before.soundBytes;
    return goesOn && isColor(now.color, COLOR) && now;
  }, { seen: look });
}

endToEndTest(
  "Chromium plays a recording's segments while they are made, and to the end afterwards",
  ["chromium"],
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "hls" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const server = stack.use(
      await startRoomwire({ writes: folder, config: { recording: { directory: folder } } }),
    );
    const web = giveOut(folder);
    stack.defer(() => web.shutdown());
    await fixture.callAt(server, "hls", async (call) => {
      const ann = await call.join("chromium", "ann");
      await ann.publishVideo({ codec: "h264", color: COLOR });
      await ann.publishAudio({ hz: 440 });
      const egress = new EgressClient(server.httpUrl, TEST_KEY, TEST_SECRET);
      const { egressId } = await egress.startParticipantEgress(call.room, "ann", {
        segments: new SegmentedFileOutput({
          filenamePrefix: "hls/ann",
          playlistName: "all.m3u8",
          livePlaylistName: "live.m3u8",
          segmentDuration: SEGMENT_S,
        }),
      });
      const status = async () => (await egress.listEgress({ egressId }))[0]!;
      await eventually(
        "three segments",
        async () => (await status()).segmentResults[0]!.segmentCount >= 3n,
        { seen: status },
      );
      const { page, context } = await (await fixture.chromium()).openPage(
        `http://127.0.0.1:${web.addr.port}/`,
      );
      stack.defer(() => context.close());
      await play(page, "live");
      await plays(page, "live");
      await egress.stopEgress(egressId);
      const done = await eventually("its end", async () => {
        const info = await status();
        return info.status === EgressStatus.EGRESS_COMPLETE && info;
      }, { seen: status });
      const lengthS = Number(done.segmentResults[0]!.duration) / 1e9;

      await play(page, "all");
      await plays(page, "all");
      const { duration } = await page.evaluate<Shown>(SHOWN("all"));
      assert.ok(Math.abs(duration! - lengthS) < 0.5, `${duration} s of ${lengthS} s`);
      await page.evaluate(`document.getElementById("all").currentTime = ${lengthS - 1}`);
      const shown = () => Promise.all(["all", "live"].map((id) => page.evaluate<Shown>(SHOWN(id))));
      await eventually("both to reach the end", async () => {
        const players = await shown();
        assert.deepEqual(players.map(({ error }) => error), ["", ""]);
        return players.every(({ ended }) => ended);
      }, { seen: shown });
    });
  },
);
