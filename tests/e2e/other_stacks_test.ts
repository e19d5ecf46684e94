/**
 * Clients whose WebRTC is neither a browser's nor pion: aiortc, FFmpeg's own and libdatachannel
 * over WHIP, each as it comes; and LiveKit's Python SDK in both versions of signalling. Who watches
 * is rtc-node, which costs less than a browser.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { assertSoundFlows, assertVideoFlows, remote } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest, type Requirement } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { installNodePackages } from "../support/process/node_packages.ts";
import { type PeerCommand, PeerProcess } from "../support/peers/peer_process.ts";
import { pythonPeer } from "../support/peers/python_peers.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile();

/** What the programs say. */
type Event =
  | { readonly event: "joined" | "answered" | "left" }
  | { readonly event: "connection"; readonly state: string }
  | { readonly event: "published"; readonly video: string; readonly audio: string }
  | { readonly event: "frames"; readonly tracks: Readonly<Record<string, number>> }
  | { readonly event: "packets"; readonly video: number; readonly audio: number }
  | { readonly event: "trouble" | "disconnected" };

/** Frames, or packets, that must arrive where nobody looks at the picture. */
const WANTED = 30;

async function datachannel(...args: string[]): Promise<PeerCommand> {
  const cwd = await installNodePackages("node", new URL("../peers/node/", import.meta.url));
  return { program: "node", args: ["datachannel.mjs", ...args], cwd };
}

/** A program that publishes over WHIP, and what it sends. */
interface Publisher {
  readonly name: string;
  readonly needs: Requirement;
  readonly command: (server: string, token: string) => Promise<PeerCommand>;
  readonly color: readonly [number, number, number];
  readonly hz: number;
}

const PYTHON_LOOK = { needs: "python", color: [40, 160, 60], hz: 600 } as const;
const PUBLISHERS: readonly Publisher[] = [
  {
    name: "aiortc",
    command: (server, token) => pythonPeer("aiortc_whip.py", server, token),
    ...PYTHON_LOOK,
  },
  {
    name: "FFmpeg",
    command: (server, token) => pythonPeer("ffmpeg_whip.py", server, token),
    ...PYTHON_LOOK,
  },
  {
    name: "libdatachannel",
    needs: "node",
    command: (server, token) => datachannel("publish", server, token),
    color: [150, 60, 170],
    hz: 700,
  },
];

async function start(
  call: Call,
  identity: string,
  command: (server: string, token: string) => Promise<PeerCommand>,
): Promise<PeerProcess<Event>> {
  const token = await mintToken({ identity, room: call.room });
  return new PeerProcess<Event>(identity, await command(call.server.httpUrl, token));
}

/** Sees and hears both tracks; returns when both flow. */
async function assertPublished(viewer: SdkClient, publisher: Publisher): Promise<void> {
  const { color, hz } = publisher;
  const [video, audio] = await eventually(`both tracks of ${publisher.name}`, async () => {
    const { tracks } = await remote(viewer, publisher.name);
    const video = tracks.find(({ kind }) => kind === "video");
    const audio = tracks.find(({ kind }) => kind === "audio");
    return video !== undefined && audio !== undefined && [video.sid, audio.sid] as const;
  });
  await assertVideoFlows(viewer, { sid: video, kind: "video", source: "camera", color });
  await assertSoundFlows(viewer, { sid: audio, kind: "audio", source: "microphone", hz });
}

for (const publisher of PUBLISHERS) {
  endToEndTest(
    `${publisher.name} publishes over WHIP with its defaults, and leaves`,
    [publisher.needs],
    () =>
      fixture.call(`stack-${publisher.name}`, async (call) => {
        const viewer = await call.join("rtc-node", "viewer");
        const peer = await start(call, publisher.name, publisher.command);
        try {
          await peer.event("answered");
          await assertPublished(viewer, publisher);
        } catch (error) {
          throw new Error(`${publisher.name}: ${JSON.stringify(peer.story())}`, { cause: error });
        } finally {
          await peer[Symbol.asyncDispose]();
        }
        await eventually(`${publisher.name} to be gone`, async () => {
          return (await viewer.snapshot()).departed.includes(publisher.name);
        });
      }),
  );
}

endToEndTest(
  "libdatachannel receives over WHIP what another one publishes",
  ["node"],
  () =>
    fixture.call("stack-datachannels", async (call) => {
      const send = (server: string, token: string) => datachannel("publish", server, token);
      await using ann = await start(call, "ann", send);
      await ann.event("connection", ({ state }) => state === "connected");
      const wanted = { ann: ["synthesized-camera", "synthesized-microphone"] };
      const info = JSON.stringify({ subscribedParticipantTrackNames: wanted });
      await using bob = await start(
        call,
        "bob",
        (server, token) => datachannel("receive", server, token, info),
      );
      await bob.event("packets", ({ video, audio }) => video >= WANTED && audio >= WANTED);
    }),
);

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `LiveKit's Python SDK as second and third publisher beside rtc-node (${mode})`,
    ["python"],
    () =>
      fixture.call("stack-python", async (call) => {
        const ann = await call.join("rtc-node", "ann");
        const video = await ann.publishVideo({ sdkDefaults: true });
        const audio = await ann.publishAudio();
        const tracks = [[video, audio]];
        await using all = new AsyncDisposableStack();
        const peers: PeerProcess<Event>[] = [];
        for (const identity of ["bob", "cyd"]) {
          const path = mode === "default" ? "single" : "dual";
          const peer = all.use(
            await start(call, identity, (_, token) =>
              pythonPeer("livekit_client.py", call.server.url, token, path)),
          );
          peers.push(peer);
          const published = await peer.event("published");
          tracks.push([published.video, published.audio]);
          await assertPublished(ann, { ...PUBLISHERS[0]!, name: identity });
        }
        for (const [index, peer] of peers.entries()) {
          const others = tracks.filter((_, owner) =>
            owner !== index + 1
          ).flat();
          await peer.event("frames", (frames) =>
            others.every((sid) =>
              (frames.tracks[sid] ?? 0) >= WANTED
            ));
          assert.deepEqual([...peer.all("trouble"), ...peer.all("disconnected")], []);
        }
        assert.equal((await ann.snapshot()).reconnects, 0);
      }, mode),
  );
}
