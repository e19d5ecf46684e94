/**
 * Clients move to TCP and the call goes on: by the SDK's own `force-tcp`, and because they must.
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { assertVideoFlows, remote } from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";
import { chromiumPath, endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { createNamespace } from "../support/wire/network_namespace.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";

const fixture = CallFixture.forThisFile();

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `force-tcp moves a Chromium to TCP (${mode} connections)`,
    ["chromium"],
    () =>
      fixture.call("force-tcp", async (call) => {
        const bob = await call.join("chromium", "bob");
        const ann = await call.join("chromium", "ann");
        const color = [40, 160, 60] as const;
        await ann.publishVideo({ color });
        assert.equal((await ann.transport("publisher"))?.protocol, "udp");
        const { sid: before } = await remote(bob, "ann");
        await ann.simulate("force-tcp");
        await eventually("Ann's publisher connection over TCP", async () => {
          return (await ann.transport("publisher"))?.protocol === "tcp";
        }, { deadlineMs: 30_000, seen: () => ann.snapshot() });
        const track = await eventually("Ann's track after she came back", async () => {
          const { sid, tracks } = await remote(bob, "ann");
          return sid !== before && tracks[0];
        });
        await assertVideoFlows(bob, { sid: track.sid, kind: "video", source: "camera", color });
        assert.equal((await bob.transport("publisher"))?.protocol ?? "udp", "udp");
      }, mode),
  );
}

endToEndTest(
  "Chromium whose datagrams are lost for good goes on over TCP",
  ["chromium", "network-namespaces"],
  async () => {
    await using inside = await createNamespace();
    await using server = await startRoomwire({ address: inside.hostAddress });
    await using pages = serveClientPage(inside.hostAddress);
    const flags = [`--unsafely-treat-insecure-origin-as-secure=${pages.url.slice(0, -1)}`];
    await using browser = await ChromiumBrowser.launch({
      executablePath: await inside.wrapperFor(chromiumPath() ?? "chromium"),
      extraFlags: flags,
    });
    await using outside = await ChromiumBrowser.launch({ extraFlags: flags });
    const join = async (identity: string, where: ChromiumBrowser) => {
      const client = await where.openClient(identity, pages.url);
      const token = await mintToken({ identity, room: "lost" });
      await client.connect(server.url, token);
      return client;
    };
    try {
      await using ann = await join("ann", browser);
      const color = [200, 40, 40] as const;
      const video = await ann.publishVideo({ color });
      await using bob = await join("bob", outside);
      await assertVideoFlows(bob, { sid: video, kind: "video", source: "camera", color });
      assert.equal((await ann.transport("publisher"))?.protocol, "udp");
      await inside.blockUdp();
      await eventually("ann's connection over TCP", async () => {
        return (await ann.transport("publisher"))?.protocol === "tcp";
      }, { deadlineMs: 60_000, seen: () => ann.transport("publisher") });
      const sid = await eventually("ann's video at bob", async () => {
        const { tracks } = await remote(bob, "ann");
        return tracks[0]?.sid;
      });
      await assertVideoFlows(bob, { sid, kind: "video", source: "camera", color });
    } catch (error) {
      console.error(`--- server output ---\n${server.logTail()}`);
      throw error;
    }
  },
);
