import assert from "node:assert/strict";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import { createLocalEngine } from "../../../../lib/engine/local/local_engine.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { isBeyondLink } from "../../../../lib/engine/messages/advertised_hosts.ts";
import { eventually } from "../../../support/process/eventually.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** How often changes are looked for, ms. */
const LOOK_MS = 2_000;
const OUTSIDE = Deno.networkInterfaces()
  .find(({ family, address }) => family === "IPv4" && isBeyondLink(address))?.address;

/** A turn of the event loop: a look ends after it has told what it saw. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test({
  name: "LocalEngine describes connections with the addresses that the machine has now",
  // A machine without a network has none to lose.
  ignore: OUTSIDE === undefined,
  fn: async () => {
    const platform = new VirtualPlatform();
    const own = (address: string) => ({ family: "IPv4" as const, address });
    let interfaces = [own("127.0.0.1"), own(OUTSIDE!)];
    const engine = createLocalEngine({
      platform,
      udp: [{ hostname: "0.0.0.0", port: 0 }],
      tcp: [{ hostname: "127.0.0.1", port: 0 }],
      advertised: ["192.0.2.1"],
      discovery: { nodeIp: [], loopback: false },
      networkInterfaces: () => interfaces,
    });
    const told: Extract<MediaEvent, { type: "addresses_changed" }>[] = [];
    engine.onEvent = (event) => {
      if (event.type === "addresses_changed") told.push(event);
    };
    const ready = await engine.start();
    assert.deepEqual(ready.hosts, [OUTSIDE]);
    const hostsNow = () =>
      engine.addressesOf("any" as ConnectionId).map(({ protocol, hostname }) =>
        `${protocol} ${hostname}`
      );
    assert.deepEqual(hostsNow(), [`udp ${OUTSIDE}`, `tcp ${OUTSIDE}`]);
    for (
      const [next, shown] of [[[own("127.0.0.1")], "127.0.0.1"], [interfaces, OUTSIDE!]] as const
    ) {
      interfaces = [...next];
      const before = told.length;
      await turn();
      platform.advance(LOOK_MS);
      await eventually("the news", () => told.length > before);
      assert.deepEqual(told.at(-1)?.hosts, [shown]);
      assert.deepEqual(
        told.at(-1)?.relays.map(({ addresses }) => addresses.map(({ hostname }) => hostname)),
        [[shown]],
      );
      assert.deepEqual(hostsNow(), [`udp ${shown}`, `tcp ${shown}`]);
    }
    // Nothing is told where nothing has changed.
    await turn();
    platform.advance(LOOK_MS);
    await turn();
    assert.equal(told.length, 2);
    const closed = engine.close();
    platform.advance(0);
    await closed;
  },
});
