/**
 * Clients that reach a node which does not serve them: full, draining, not the one of their room or
 * of their session. Real ones, on two nodes of one cluster.
 */
import assert from "node:assert/strict";
import { SignalResponse } from "@livekit/protocol";
import { RoomServiceClient } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { joinUrl } from "../support/process/join_url.ts";
import { RoomwireCluster } from "../support/process/roomwire_cluster.ts";
import {
  type RoomwireProcess,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { TcpProxy } from "../support/process/tcp_proxy.ts";
import { assertReceives, publishCameraAndMicrophone } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";

/** The first node takes one track and is full then; it is drained at the end. */
const fixture = CallFixture.forThisFileOnCluster({
  regions: ["eu", "eu"],
  config: (index) => ({
    ...(index === 0 ? { limit: { num_tracks: 1 }, drain_timeout: "60s" } : {}),
  }),
});

/** The node that serves who joins a room there, and lets them leave again. */
async function servingNode(server: RoomwireProcess, room: string): Promise<string> {
  const token = await mintToken({ identity: "probe", room });
  const socket = new WebSocket(joinUrl(server.url, token));
  socket.binaryType = "arraybuffer";
  try {
    const { message } = await new Promise<SignalResponse>((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(SignalResponse.fromBinary(new Uint8Array(data)));
      socket.onclose = socket.onerror = () => reject(new Error("no session"));
    });
    assert.ok(message.case === "join");
    return message.value.serverInfo!.nodeId;
  } finally {
    socket.onclose = socket.onerror = null;
    socket.close();
  }
}

endToEndTest(
  "Chromium, pion and rtc-node join at a full node and call through another",
  ["chromium", "go", "redis"],
  () =>
    fixture.spread("full", async ([full, free]) => {
      const [own, other] = [
        await servingNode(full!.server, "probe"),
        await servingNode(free!.server, "probe"),
      ];
      assert.notEqual(own, other);
      const ann = await full!.join("rtc-node", "ann");
      const fromAnn = await ann.publishAudio({ hz: 440, name: "mic" });
      await eventually(
        "the first node to be full",
        async () => await servingNode(full!.server, "probe") === other,
      );
      const bob = await full!.join("chromium", "bob");
      const pion = await full!.joinPion("pion");
      await pion.publish({ kind: "video" });
      const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
      await assertReceives(ann, bob, fromBob);
      const mic = {
        sid: fromAnn,
        kind: "audio",
        source: "microphone",
        name: "mic",
        hz: 440,
      } as const;
      await assertReceives(bob, ann, [mic]);
      await eventually("bob to see pion", async () => {
        const { remotes } = await bob.snapshot();
        const [track] = remotes.find(({ identity }) => identity === "pion")?.tracks ?? [];
        return track !== undefined && (await bob.media(track.sid)).framesDecoded > 10;
      }, { seen: () => bob.snapshot() });
      assert.equal((await bob.snapshot()).reconnects, 0);
    }),
);

endToEndTest(
  "Chromium publishes over WHIP through a full node",
  ["chromium", "redis"],
  () =>
    fixture.spread("whip", async ([full]) => {
      const ann = await full!.join("rtc-node", "ann");
      await ann.publishAudio({ hz: 440 });
      await eventually("the first node to be full", async () => {
        const token = await mintToken({ identity: "x", room: full!.room });
        const answer = await fetch(`${full!.server.httpUrl}/whip/v1`, {
          method: "POST",
          headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/sdp" },
          body: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\n",
        });
        await answer.body?.cancel();
        return answer.status !== 503;
      });
      const whip = await full!.whip("chromium", "whip");
      const outcome = await whip.join({ video: { color: [200, 40, 40] }, gather: true });
      assert.equal(outcome.status, 201, outcome.body);
      assert.match(outcome.location, /^\.\.\/whip\/v1\/PA_\w+\.ND_\w+$/);
      await eventually("ann to see pictures", async () => {
        const { remotes } = await ann.snapshot();
        const [track] = remotes.find(({ identity }) => identity === "whip")?.tracks ?? [];
        return track !== undefined && (await ann.media(track.sid)).framesDecoded > 10;
      });
      assert.notEqual(await whip.restart(), outcome.etag, "PATCH finds its node");
      assert.equal(await whip.delete(), 200, "and so does DELETE");
      await eventually(
        "ann to see it leave",
        async () => (await ann.snapshot()).departed.includes("whip"),
      );
    }),
);

endToEndTest(
  "Chromium joins a room that is pinned elsewhere, and resumes at a node that has not its session",
  ["chromium", "redis"],
  async () => {
    const { nodes: [here, pinned] } = await fixture.cluster();
    const nodeId = await servingNode(pinned!, "probe");
    const api = new RoomServiceClient(here!.httpUrl, TEST_KEY, TEST_SECRET);
    await api.createRoom({ name: "pinned", nodeId });
    assert.equal(await servingNode(here!, "pinned"), nodeId);
    const browser = await fixture.chromium();
    await using pages = serveClientPage();
    await using proxy = await TcpProxy.open(pinned!.ports.http);
    const join = async (identity: string, url: string) => {
      const client = await browser.openClient(identity, pages.url);
      await client.connect(url, await mintToken({ identity, room: "pinned" }));
      return client;
    };
    await using ann = await join("ann", here!.url);
    await using bob = await join("bob", `ws://127.0.0.1:${proxy.port}`);
    const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
    await assertReceives(bob, ann, fromAnn);
    const before = await bob.snapshot();
    proxy.target = here!.ports.http;
    proxy.cut();
    proxy.restore();
    await eventually("bob to resume", async () => {
      const { state, reconnects } = await bob.snapshot();
      return state === "connected" && reconnects > 0;
    }, { seen: () => bob.snapshot() });
    const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
    await assertReceives(ann, bob, fromBob);
    await assertReceives(bob, ann, fromAnn);
    assert.equal((await bob.snapshot()).local.sid, before.local.sid, "the session is the same");
    assert.ok(!(await ann.snapshot()).departed.includes("bob"));
  },
);

endToEndTest(
  "Chromium reads where else to go, and goes there when its node cannot take it",
  ["chromium", "redis"],
  async () => {
    // The SDK asks for regions at hosts of LiveKit Cloud alone.
    const host = "roomwire.livekit.cloud";
    const addresses = ["", ""];
    await using cluster = await RoomwireCluster.start({
      regions: ["eu", "us"],
      config: (index) => ({
        drain_timeout: "60s",
        cluster: {
          ...(addresses[index] === "" ? {} : { client_address: addresses[index] }),
          // Nobody is carried to the second node.
          ...(index === 1 ? { link_address: "ws://127.0.0.1:9/cluster" } : {}),
        },
      }),
    });
    addresses[1] = `ws://other.livekit.cloud:${cluster.nodes[1]!.ports.http}`;
    await cluster.nodes[1]!.stop();
    const [draining, other] = [cluster.nodes[0]!, await cluster.restart(1)];
    await using browser = await ChromiumBrowser.launch({
      extraFlags: ["--host-resolver-rules=MAP *.livekit.cloud 127.0.0.1"],
    });
    await using pages = serveClientPage();
    const open = async (identity: string) => {
      const client = await browser.openClient(identity, pages.url);
      const token = await mintToken({ identity, room: "regions" });
      return { client, token };
    };
    // Who is here keeps the node draining.
    const ann = await open("ann");
    await using stays = ann.client;
    await stays.connect(`ws://${host}:${draining.ports.http}`, ann.token);
    draining.kill("SIGTERM");
    const list = await eventually("only the other one to be named", async () => {
      const answer = await fetch(`${draining.httpUrl}/settings/regions`, {
        headers: { "Authorization": `Bearer ${ann.token}` },
      });
      assert.equal(answer.headers.get("Cache-Control"), "private, max-age=30");
      const { regions } = await answer.json();
      return regions.length === 1 && regions;
    });
    assert.deepEqual(
      list.map(({ region, url }: { region: string; url: string }) => [region, url]),
      [
        ["us", addresses[1]],
      ],
    );
    const bob = await open("bob");
    await using goes = bob.client;
    await goes.connect(`ws://${host}:${draining.ports.http}`, bob.token);
    assert.equal((await goes.snapshot()).state, "connected");
    const api = new RoomServiceClient(other.httpUrl, TEST_KEY, TEST_SECRET);
    const there = await api.listParticipants("regions");
    assert.ok(there.some(({ identity }) => identity === "bob"), "it is served by the other one");
  },
);

endToEndTest(
  "A draining node carries newcomers, leads carried clients on, and ends without waiting for them",
  ["chromium", "redis"],
  () =>
    fixture.spread("drain", async ([draining, other], { nodes }) => {
      const room = "drain-pinned";
      const nodeId = await servingNode(other!.server, "probe");
      const api = new RoomServiceClient(other!.server.httpUrl, TEST_KEY, TEST_SECRET);
      await api.createRoom({ name: room, nodeId });
      await using pages = serveClientPage();
      const browser = await fixture.chromium();
      await using bob = await browser.openClient("bob", pages.url);
      await bob.connect(nodes[0]!.url, await mintToken({ identity: "bob", room }));
      const { local: { sid } } = await bob.snapshot();
      const ann = await draining!.join("rtc-node", "ann");
      nodes[0]!.kill("SIGTERM");
      await eventually("bob to be led on, and to come back to its session", async () => {
        const { state, reconnects } = await bob.snapshot();
        return state === "connected" && reconnects > 0;
      }, { seen: () => bob.snapshot() });
      assert.equal((await bob.snapshot()).local.sid, sid);
      const cid = await draining!.join("rtc-node", "cid");
      await eventually("ann to see cid", async () => {
        const { remotes } = await ann.snapshot();
        return remotes.some(({ identity }) => identity === "cid");
      });
      await ann.disconnect();
      const { code } = await nodes[0]!.status;
      assert.equal(code, 0, "nothing was hurried");
      await cid.disconnect();
    }),
);
