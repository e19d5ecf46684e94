/**
 * Publishing with stream keys as an application would have it: keys by the server SDK, FFmpeg over
 * RTMP, a browser over WHIP, and a browser that watches.
 *
 * @module
 */
import assert from "node:assert/strict";
import { IngressState_Status as Status } from "@livekit/protocol";
import { IngressClient, IngressInput } from "livekit-server-sdk";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { silentLog } from "../../lib/base/platform.ts";
import { opusSamples } from "../../lib/recording/frames/opus_frames.ts";
import { soundTranscoders } from "../../lib/server/ffmpeg/sound_transcoders.ts";
import { type Color, isColor } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { freeTcpPort, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { PeerProcess } from "../support/peers/peer_process.ts";
import { pythonPeer } from "../support/peers/python_peers.ts";
import type { WhipClient, WhipInbound } from "../support/sdk/whip_client.ts";

const RED: Color = [200, 40, 40];
/** What programs in Python show. */
const GREEN: Color = [40, 160, 60];
const BLUE: Color = [40, 60, 200];

const fixture = CallFixture.forThisFile({
  config: { ingress: { rtmp_port: await freeTcpPort("127.0.0.1") } },
});

async function ingress(call: Call, input: IngressInput, identity: string) {
  const client = new IngressClient(call.server.httpUrl, TEST_KEY, TEST_SECRET);
  const made = await client.createIngress(input, {
    name: identity,
    roomName: call.room,
    participantIdentity: identity,
    participantName: identity,
  });
  const state = async () => {
    const [info] = await client.listIngress({ ingressId: made.ingressId });
    return info!.state!;
  };
  return { client, made, state };
}

async function picture(eye: WhipClient, what: string, color: Color): Promise<WhipInbound> {
  let before = Infinity;
  let seen: WhipInbound | undefined;
  return await eventually(what, async () => {
    seen = (await eye.inbound()).find(({ kind }) => kind === "video");
    const flows = (seen?.framesDecoded ?? 0) > before;
    before = seen?.framesDecoded ?? Infinity;
    return flows && isColor(seen!.color, color) && seen!;
  }, { seen: () => seen });
}

/** FFmpeg as somebody would run it who has read the page. */
function ffmpeg(url: string, ...codec: string[]): Deno.ChildProcess {
  const color = `color=c=0x${RED.map((part) => part.toString(16)).join("")}:s=640x360:r=30`;
  const args = ["-loglevel", "error", "-re", "-f", "lavfi", "-i", color, "-pix_fmt", "yuv420p"];
  return new Deno.Command("ffmpeg", {
    args: [...args, "-c:v", "libx264", "-g", "30", ...codec, "-f", "flv", url],
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

endToEndTest(
  "FFmpeg publishes by RTMP and a browser by WHIP with stream keys, and a browser watches",
  ["chromium", "ffmpeg"],
  () =>
    fixture.call("ingress", async (call) => {
      const eye = await call.whip("chromium", "eye");
      await eye.join({ receive: ["video"], endpoint: "/whep/v1" });
      const rtmp = await ingress(call, IngressInput.RTMP_INPUT, "encoder");
      const running = ffmpeg(
        `${rtmp.made.url}/${rtmp.made.streamKey}`,
        "-preset",
        "ultrafast",
        "-bf",
        "0",
      );
      const said = new Response(running.stderr).text();
      const { frameHeight } = await picture(eye, "what FFmpeg sends", RED);
      assert.equal(frameHeight, 360);
      const state = await rtmp.state();
      assert.equal(state.status, Status.ENDPOINT_PUBLISHING);
      assert.deepEqual([state.video?.mimeType, state.video?.height], ["video/H264", 360]);
      await rtmp.client.deleteIngress(rtmp.made.ingressId);
      assert.equal((await running.status).success, false, "its connection is ended");
      await said;

      const whip = await ingress(call, IngressInput.WHIP_INPUT, "page");
      assert.equal(whip.made.url, `${call.server.httpUrl}/w`);
      const page = await call.whip("chromium", "page");
      const outcome = await page.join({
        video: { color: BLUE },
        endpoint: `/w/${whip.made.streamKey}`,
      });
      assert.equal(outcome.status, 201, outcome.body);
      await picture(eye, "what the page sends", BLUE);
      assert.equal(await page.delete(), 200);
      await eventually("the end of the page's publishing", async () =>
        (await whip.state()).status === Status.ENDPOINT_INACTIVE);
    }),
);

for (const codec of ["h264", "av1"] as const) {
  endToEndTest(
    `FFmpeg publishes ${codec} and Opus by enhanced RTMP, and a browser sees and hears it`,
    ["chromium", "python"],
    () =>
      fixture.call(`enhanced-${codec}`, async (call) => {
        const eye = await call.whip("chromium", "eye");
        await eye.join({ receive: ["video", "audio"], endpoint: "/whep/v1" });
        const { made, state } = await ingress(call, IngressInput.RTMP_INPUT, "encoder");
        await using _encoder = new PeerProcess<{ readonly event: string }>(
          "encoder",
          await pythonPeer("ffmpeg_rtmp.py", `${made.url}/${made.streamKey}`, codec),
        );
        await picture(eye, "what FFmpeg sends", GREEN);
        await eventually("the sound", async () => {
          const audio = (await eye.inbound()).find(({ kind }) => kind === "audio");
          return (audio?.audioEnergy ?? 0) > 0;
        });
        const { error, video, audio } = await state();
        assert.deepEqual([error, video?.mimeType, audio?.mimeType, audio?.channels], [
          "",
          codec === "av1" ? "video/AV1" : "video/H264",
          "audio/opus",
          2,
        ]);
      }),
  );
}

endToEndTest(
  "FFmpeg is told in words that B-frames cannot be shown",
  ["ffmpeg"],
  () =>
    fixture.call("b-frames", async (call) => {
      const { made, state } = await ingress(call, IngressInput.RTMP_INPUT, "encoder");
      const running = ffmpeg(`${made.url}/${made.streamKey}`, "-preset", "veryfast", "-bf", "2");
      const said = new Response(running.stderr).text();
      assert.equal((await running.status).success, false);
      await said;
      const { status, error } = await state();
      assert.equal(status, Status.ENDPOINT_ERROR);
      assert.match(error, /B-frames/);
    }),
);

endToEndTest("FFmpeg turns AAC into Opus, as it comes", ["ffmpeg"], async () => {
  const made = await new Deno.Command("ffmpeg", {
    args: ["-loglevel", "error", "-f", "lavfi", "-i", "sine=sample_rate=44100:duration=3"]
      .concat(["-c:a", "aac", "-f", "adts", "pipe:1"]),
    stdout: "piped",
  }).output();
  const adts = made.stdout;
  const ended: string[] = [];
  const packets: Uint8Array[] = [];
  const create = soundTranscoders(1, denoPlatform(silentLog));
  const begin = () => create((packet) => packets.push(packet), () => ended.push("ended"));
  const transcoder = begin()!;
  assert.equal(begin(), undefined, "one at a time");
  for (let at = 0; at < adts.length;) {
    const length = (adts[at + 3]! & 3) << 11 | adts[at + 4]! << 3 | adts[at + 5]! >> 5;
    transcoder.push(adts.slice(at, at + length));
    at += length;
  }
  // FFmpeg keeps a little until it knows that there is no more.
  await eventually("most of three seconds", () => Promise.resolve(packets.length >= 130), {
    seen: () => packets.length,
  });
  assert.ok(packets.length <= 152 && packets.every((packet) => opusSamples(packet) === 960));
  transcoder.close();
  await eventually("room for another", () => {
    const next = begin();
    next?.close();
    return Promise.resolve(next !== undefined);
  });
  assert.deepEqual(ended, []);
});
