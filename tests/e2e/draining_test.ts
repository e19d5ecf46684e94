/**
 * Servers that are told to stop while a client of LiveKit's own is in a call on them.
 */
import assert from "node:assert/strict";
import { RoomServiceClient } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";
import {
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";
import { TcpProxy } from "../support/process/tcp_proxy.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";

const fixture = CallFixture.forThisFile();
const ROOM = "draining";

Deno.test.afterAll(() => disposeRtcNode());

function participantsOf({ httpUrl }: RoomwireProcess) {
  return new RoomServiceClient(httpUrl, TEST_KEY, TEST_SECRET).listParticipants(ROOM);
}

/** Ann, who has a camera on, through the proxy. @returns Her camera's sid. */
async function join(ann: SdkClient, proxy: TcpProxy): Promise<string> {
  const url = `ws://127.0.0.1:${proxy.port}`;
  await ann.connect(url, await mintToken({ identity: "ann", room: ROOM }));
  return await ann.publishVideo({ width: 320, height: 180 });
}

/** Her camera's sid on the server. */
async function cameraOn(server: RoomwireProcess): Promise<string | undefined> {
  const [ann] = await participantsOf(server);
  return ann?.tracks[0]?.sid;
}

/** Ann's server drains for a second; meanwhile whoever comes is sent to another. */
async function outlasts(ann: SdkClient): Promise<void> {
  await using first = await startRoomwire({ config: { drain_timeout: "1s" } });
  await using second = await startRoomwire();
  await using proxy = await TcpProxy.open(first.ports.http);
  const camera = await join(ann, proxy);
  assert.equal(await eventually("her camera", () => cameraOn(first)), camera);
  first.kill("SIGTERM");
  // As a load balancer does.
  await eventually("not ready", async () => {
    const response = await fetch(first.httpUrl);
    await response.body?.cancel();
    return response.status === 406;
  });
  proxy.target = second.ports.http;
  assert.equal((await first.status).code, 0, first.logTail());
  await eventually("her camera on the other server", () => cameraOn(second));
  await eventually("her to be back", async () => (await ann.snapshot()).state === "connected");
  assert.deepEqual((await participantsOf(second)).map(({ identity }) => identity), ["ann"]);
}

endToEndTest(
  "rtc-node goes on with its call elsewhere when its server has drained",
  [],
  async () => {
    await using ann = new RtcNodeClient("ann");
    await outlasts(ann);
  },
);

endToEndTest(
  "livekit-client goes on with its call elsewhere when its server has drained",
  ["chromium"],
  async () => {
    const browser = await fixture.chromium();
    await using pages = serveClientPage();
    await using ann = await browser.openClient("ann", pages.url);
    await outlasts(ann);
  },
);

endToEndTest(
  "a draining server keeps its call, through a lost socket, and ends with it",
  [],
  async () => {
    await using server = await startRoomwire({ config: { drain_timeout: undefined } });
    await using proxy = await TcpProxy.open(server.ports.http);
    await using ann = new RtcNodeClient("ann");
    const camera = await join(ann, proxy);
    await eventually("her camera", () => cameraOn(server));
    const [before] = await participantsOf(server);
    server.kill("SIGTERM");
    const token = await mintToken({ identity: "bob", room: ROOM });
    await eventually("a newcomer to be refused", async () => {
      const response = await fetch(`${server.httpUrl}/rtc/validate?access_token=${token}`);
      await response.body?.cancel();
      return response.status === 503;
    });
    const { reconnects } = await ann.snapshot();
    proxy.cut();
    proxy.restore();
    await eventually("her to be back", async () => {
      const snapshot = await ann.snapshot();
      return snapshot.state === "connected" && snapshot.reconnects > reconnects;
    });
    const [after] = await participantsOf(server);
    assert.equal(after?.sid, before?.sid, "it is the same session");
    assert.equal(after?.tracks[0]?.sid, camera);
    await ann.disconnect();
    assert.equal((await server.status).code, 0, server.logTail());
  },
);
