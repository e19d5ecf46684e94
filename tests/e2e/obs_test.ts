/**
 * OBS over WHIP: what it offers, reads of the answer and sends, by a program on the same stack
 * (`tests/peers/node/obs_whip.mjs.txt`).
 *
 * @module
 */
import assert from "node:assert/strict";
import { IngressClient, IngressInput } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { assertSoundFlows, assertVideoFlows, remote } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { installNodePackages } from "../support/process/node_packages.ts";
import { PeerProcess } from "../support/peers/peer_process.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";

const TURN = { host: "turn.example", port: 3478, protocol: "udp" };
const ACCOUNT = { username: "user", credential: "pa+ss/w=" };

const fixture = CallFixture.forThisFile({
  config: { rtc: { turn_servers: [{ ...TURN, ...ACCOUNT }] } },
});

/** What the program says. */
type Event =
  | { readonly event: "connection"; readonly state: string }
  | {
    readonly event: "answered";
    readonly status: number;
    readonly resource: string;
    readonly iceServers: readonly Readonly<Record<"url" | "username" | "password", string>>[];
    readonly layers: number;
  }
  | { readonly event: "left"; readonly status: number; readonly requests: number };

const COLOR = [150, 60, 170] as const;
const HZ = 700;
/** Heights of its layers, the best one first. */
const HEIGHTS = [180, 90] as const;

async function obs(endpoint: string, token: string, layers: number): Promise<PeerProcess<Event>> {
  const cwd = await installNodePackages("node", new URL("../peers/node/", import.meta.url));
  const args = ["obs_whip.mjs", endpoint, token, `${layers}`];
  return new PeerProcess<Event>("OBS", { program: "node", args, cwd });
}

/** A server elsewhere that sends every POST on, as a node of a cluster does. */
function redirecting(to: string) {
  const seen: string[] = [];
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const token = request.headers.get("Authorization")?.replace(/^Bearer /, "") ?? "";
    seen.push(`${request.method} ${new URL(request.url).pathname}`);
    const location = `${to}?access_token=${token}`;
    return new Response(null, { status: 307, headers: { "Location": location } });
  });
  return { seen, http, endpoint: `http://127.0.0.1:${http.addr.port}/whip/v1` };
}

/** Its video as `viewer` knows it, once it is there. */
function videoOf(viewer: SdkClient): Promise<string> {
  return eventually("OBS's video", async () => {
    const { tracks } = await remote(viewer, "obs");
    return tracks.find(({ kind }) => kind === "video")?.sid;
  });
}

async function assertPublished(viewer: SdkClient): Promise<void> {
  const sid = await videoOf(viewer);
  await assertVideoFlows(viewer, { sid, kind: "video", source: "camera", color: COLOR });
  const { tracks } = await remote(viewer, "obs");
  const heard = tracks.find(({ kind }) => kind === "audio")!.sid;
  await assertSoundFlows(viewer, { sid: heard, kind: "audio", source: "microphone", hz: HZ });
}

/** Ends OBS; returns what it was told at last. */
async function leave(peer: PeerProcess<Event>, viewer: SdkClient) {
  await peer[Symbol.asyncDispose]();
  await eventually("OBS to be gone", async () => {
    return (await viewer.snapshot()).departed.includes("obs");
  });
  const [left] = peer.all("left");
  assert.ok(left, JSON.stringify(peer.story()));
  // It closes its connection first, which ends the session, too.
  assert.ok([200, 404].includes(left.status), `${left.status}`);
  return left;
}

endToEndTest(
  "OBS publishes over WHIP by a redirect, is seen by who comes between key frames, and leaves",
  ["node"],
  () =>
    fixture.call("obs", async (call) => {
      const { httpUrl } = call.server;
      const viewer = await call.join("rtc-node", "viewer");
      const elsewhere = redirecting(`${httpUrl}/whip/v1`);
      const token = await mintToken({ identity: "obs", room: call.room });
      const peer = await obs(elsewhere.endpoint, token, 1);
      try {
        const { status, resource, iceServers, layers } = await peer.event("answered");
        assert.deepEqual([status, layers], [201, 0]);
        assert.deepEqual(elsewhere.seen, ["POST /whip/v1"]);
        const { sid } = await remote(viewer, "obs");
        assert.equal(resource, `${httpUrl}/whip/v1/${sid}`);
        assert.deepEqual(iceServers.filter(({ url }) => url.startsWith("turn:")), [{
          url: `turn:${TURN.host}:${TURN.port}?transport=udp`,
          username: ACCOUNT.username,
          password: ACCOUNT.credential,
        }]);
        await assertPublished(viewer);
        // Nobody can ask for a key frame: the next one comes within two seconds.
        await assertPublished(await call.join("rtc-node", "late"));
      } finally {
        await elsewhere.http.shutdown();
        const { requests } = await leave(peer, viewer);
        assert.ok(requests > 0, "it was asked for key frames");
      }
    }),
);

endToEndTest(
  "OBS publishes two layers with a stream key in the address, and a viewer gets the one it asks for",
  ["chromium", "node"],
  () =>
    fixture.call("obs-layers", async (call) => {
      const { httpUrl } = call.server;
      const client = new IngressClient(httpUrl, TEST_KEY, TEST_SECRET);
      const { url, streamKey } = await client.createIngress(IngressInput.WHIP_INPUT, {
        name: "obs",
        roomName: call.room,
        participantIdentity: "obs",
        participantName: "OBS",
      });
      const viewer = await call.join("chromium", "viewer");
      const peer = await obs(`${url}/${streamKey}`, "", HEIGHTS.length);
      try {
        const { status, resource, layers } = await peer.event("answered");
        assert.deepEqual([status, layers], [201, HEIGHTS.length]);
        const { sid } = await remote(viewer, "obs");
        assert.equal(resource, `${httpUrl}/w/${streamKey}/${sid}`);
        const video = await videoOf(viewer);
        const height = (wanted: number) =>
          eventually(`pictures ${wanted} high`, async () => {
            return (await viewer.media(video)).frameHeight === wanted;
          }, { seen: () => viewer.media(video) });
        await height(HEIGHTS[0]);
        await viewer.setQuality(video, "low");
        await height(HEIGHTS[1]);
        await viewer.setQuality(video, "high");
        await height(HEIGHTS[0]);
        await assertVideoFlows(viewer, {
          sid: video,
          kind: "video",
          source: "camera",
          color: COLOR,
        });
      } finally {
        await leave(peer, viewer);
      }
    }),
);
