import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import {
  assertCleanLeave,
  assertReceives,
  publishCameraAndMicrophone,
} from "../support/sdk/call_assertions.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { type ClientNamespace, createTcpOnlyNamespace } from "../support/wire/network_namespace.ts";
import { withSplitCall } from "../support/sdk/split_call.ts";

/**
 * Sends datagrams from inside and then opens a TCP connection, both to the host.
 *
 * @returns How many datagrams had arrived by the time the connection did.
 */
async function datagramsFromInside(inside: ClientNamespace): Promise<number> {
  let arrived = 0;
  const udp = createSocket("udp4", () => arrived++);
  await new Promise<void>((resolve) => udp.bind(0, inside.hostAddress, resolve));
  using tcp = Deno.listen({ hostname: inside.hostAddress, port: 0 });
  const script = `const udp = require("node:dgram").createSocket("udp4");` +
    `const send = (left) => left === 0 ? connect() : ` +
    `udp.send("x", ${udp.address().port}, "${inside.hostAddress}", () => send(left - 1));` +
    `const connect = () => require("node:net")` +
    `.connect(${tcp.addr.port}, "${inside.hostAddress}", () => process.exit(0));` +
    `send(5);`;
  const [program, ...args] = inside.command(Deno.execPath(), "eval", "--ext=cjs", script);
  const child = new Deno.Command(program!, { args, stderr: "null" }).spawn();
  (await tcp.accept()).close();
  await child.status;
  udp.close();
  return arrived;
}

endToEndTest("Chromium without UDP sees and hears over TCP", [
  "chromium",
  "network-namespaces",
], async () => {
  await using inside = await createTcpOnlyNamespace();
  await withSplitCall(inside, { singlePeerConnection: false }, async ({ join }) => {
    assert.equal(await datagramsFromInside(inside), 0, "datagrams that left the namespace");
    await using ann = await join("inside", "ann");
    const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
    await using bob = await join("outside", "bob");
    const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
    await assertReceives(bob, ann, fromAnn);
    await assertReceives(ann, bob, fromBob);
    assert.equal((await ann.transport("publisher"))?.protocol, "tcp");
    assert.equal((await ann.transport("subscriber"))?.protocol, "tcp");
    assert.equal((await bob.transport("publisher"))?.protocol, "udp");
    await assertCleanLeave(ann, bob);
  });
});
