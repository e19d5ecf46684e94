/**
 * WHEP from browsers' own peer connections and from aiortc: nobody of them is asked for anything
 * after the answer, whoever publishes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { type Color, isColor } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { PeerProcess } from "../support/peers/peer_process.ts";
import { pythonPeer } from "../support/peers/python_peers.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import type { WhipClient, WhipInbound } from "../support/sdk/whip_client.ts";

const fixture = CallFixture.forThisFile();

const RED: Color = [200, 40, 40];
const GREEN: Color = [40, 160, 60];
const BLUE: Color = [40, 60, 200];
/** The lowest and the highest of the layers of a picture of this size. */
const SIMULCAST = { width: 960, height: 540, simulcast: true } as const;
const [LOWEST, HIGHEST] = [135, 540];

/** The viewer's picture once `holds` is true of it, while pictures and sound go on. */
async function picture(
  eye: WhipClient,
  what: string,
  holds: (video: WhipInbound) => boolean,
): Promise<WhipInbound> {
  let last: readonly WhipInbound[] = [];
  return await eventually(what, async () => {
    const before = last;
    last = await eye.inbound();
    const [video, audio] = [inboundOf(last, "video"), inboundOf(last, "audio")];
    const [pictures, sound] = [inboundOf(before, "video"), inboundOf(before, "audio")];
    return video !== undefined && holds(video) &&
      video.framesDecoded > (pictures?.framesDecoded ?? Infinity) &&
      (audio?.packetsReceived ?? 0) > (sound?.packetsReceived ?? Infinity) && video;
  }, { seen: () => last });
}

function inboundOf(all: readonly WhipInbound[], kind: "audio" | "video") {
  return all.find((one) => one.kind === kind);
}

async function publish(call: Call, identity: string, color: Color, simulcast = false) {
  const client: BrowserClient = await call.join("chromium", identity);
  const size = simulcast ? SIMULCAST : {};
  const sid = await client.publishVideo({ color, ...size });
  await client.publishAudio({ hz: 440 });
  return { client, sid };
}

for (const browser of ["chromium", "firefox"] as const) {
  endToEndTest(
    `${browser} watches over WHEP from before anybody publishes, and whoever comes after`,
    ["chromium", browser],
    () =>
      fixture.call(`whep-${browser}`, async (call) => {
        const eye = await call.whip(browser, "eye");
        const outcome = await eye.join({
          receive: ["video", "audio"],
          endpoint: "/whep/v1?quality=low",
        });
        assert.equal(outcome.status, 201, outcome.body);
        assert.match(outcome.link, /rel="urn:ietf:params:whep:ext:core:layer"/);
        assert.equal(await eye.trickle(), 204);

        const ann = await publish(call, "ann", RED, true);
        const { ssrc } = await picture(
          eye,
          "the lowest layer of ann",
          ({ color, frameHeight }) => isColor(color, RED) && frameHeight === LOWEST,
        );
        assert.equal(await eye.layer({ encodingId: "high" }), 200);
        await picture(eye, "the highest", ({ frameHeight }) => frameHeight === HIGHEST);
        assert.ok(outcome.body.includes(`a=ssrc:${ssrc} `), "as it was answered");

        assert.notEqual(await eye.restart(), outcome.etag);
        await ann.client.unpublish(ann.sid);
        await ann.client.publishVideo({ color: GREEN });
        const again = await picture(eye, "ann again", ({ color }) => isColor(color, GREEN));

        const { remotes } = await ann.client.snapshot();
        assert.deepEqual(remotes, [], "who watches is not seen");
        const bob = await publish(call, "bob", BLUE);
        await ann.client.disconnect();
        const last = await picture(eye, "bob", ({ color }) => isColor(color, BLUE));
        assert.deepEqual([again.ssrc, last.ssrc], [ssrc, ssrc], "one stream for all of them");
        assert.ok((inboundOf(await eye.inbound(), "audio")?.audioEnergy ?? 0) > 0);
        assert.equal((await eye.state()).connection, "connected");

        assert.equal(await eye.delete(), 200);
        assert.equal(await eye.delete(), 404);
        await bob.client.disconnect();
      }),
  );
}

endToEndTest(
  "aiortc watches over WHEP what is published after it came, and what comes in its place",
  ["chromium", "python"],
  () =>
    fixture.call("whep-aiortc", async (call) => {
      const token = await mintToken({ identity: "eye", room: call.room });
      const { httpUrl } = call.server;
      await using eye = new PeerProcess<Event>(
        "eye",
        await pythonPeer("aiortc_whep.py", httpUrl, token),
      );
      await eye.event("answered", ({ status }) => status === 201);
      await eye.event("connection", ({ state }) => state === "connected");
      const ann = await publish(call, "ann", RED);
      const shows = (wanted: Color) =>
        eye.event("seen", ({ color, sound }) => isColor(color, wanted) && sound > 0);
      await shows(RED);
      await ann.client.unpublish(ann.sid);
      await ann.client.publishVideo({ color: BLUE });
      await shows(BLUE);
    }),
);

/** What the program says. */
type Event =
  | { readonly event: "answered" | "left"; readonly status: number }
  | { readonly event: "connection"; readonly state: string }
  | { readonly event: "seen"; readonly color: Color; readonly sound: number };
