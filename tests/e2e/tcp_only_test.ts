import assert from "node:assert/strict";
import { mintToken } from "../support/access_tokens.ts";
import {
  assertCleanLeave,
  assertReceives,
  publishCameraAndMicrophone,
} from "../support/call_assertions.ts";
import { ChromiumBrowser } from "../support/chromium.ts";
import { serveClientPage } from "../support/client_page_server.ts";
import { chromiumPath, endToEndTest } from "../support/e2e_requirements.ts";
import { createTcpOnlyNamespace, type TcpOnlyNamespace } from "../support/network_namespace.ts";
import { startRoomwire } from "../support/roomwire_process.ts";

/** Sends one datagram from inside to `port` and one back-up line if that was refused. */
async function sendDatagramFromInside(inside: TcpOnlyNamespace, port: number): Promise<boolean> {
  const script = `const socket = require("node:dgram").createSocket("udp4");` +
    `socket.send("x", ${port}, "${inside.hostAddress}", (e) => process.exit(e ? 1 : 0));`;
  const [program, ...args] = inside.command(Deno.execPath(), "eval", "--ext=cjs", script);
  const { success } = await new Deno.Command(program!, { args, stderr: "null" }).output();
  return success;
}

endToEndTest("Chromium without UDP sees and hears over TCP", [
  "chromium",
  "network-namespaces",
], async () => {
  await using inside = await createTcpOnlyNamespace();
  await using server = await startRoomwire({ address: inside.hostAddress });
  assert.equal(await sendDatagramFromInside(inside, server.ports.udp), false, "UDP is unreachable");
  await using pages = serveClientPage(inside.hostAddress);
  const flags = [`--unsafely-treat-insecure-origin-as-secure=${pages.url.slice(0, -1)}`];
  await using browser = await ChromiumBrowser.launch({
    executablePath: await inside.wrapperFor(chromiumPath() ?? "chromium"),
    extraFlags: flags,
  });
  await using outside = await ChromiumBrowser.launch({ extraFlags: flags });

  const join = async (identity: string, where: ChromiumBrowser) => {
    const client = await where.openClient(identity, pages.url);
    const token = await mintToken({ identity, room: "tcp-only" });
    await client.connect(server.url, token, { singlePeerConnection: false });
    return client;
  };
  try {
    await using ann = await join("ann", browser);
    const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
    await using bob = await join("bob", outside);
    const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
    await assertReceives(bob, ann, fromAnn);
    await assertReceives(ann, bob, fromBob);
    assert.equal((await ann.transport("publisher"))?.protocol, "tcp");
    assert.equal((await ann.transport("subscriber"))?.protocol, "tcp");
    assert.equal((await bob.transport("publisher"))?.protocol, "udp");
    await assertCleanLeave(ann, bob);
  } catch (error) {
    console.error(`--- server output ---\n${server.logTail()}`);
    throw error;
  }
});
