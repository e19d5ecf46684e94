/**
 * Servers with addresses of all kinds, each in a network of its own: browsers and others find their
 * way there, and pictures and sound flow both ways.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { meetAtOnce, type MemberKind } from "../support/sdk/call_matrix.ts";
import { endToEndTest, type Requirement } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { type RoomwireProcess, startRoomwire } from "../support/process/roomwire_process.ts";
import { NatNetwork, type NatNetworkOptions } from "../support/wire/nat_network.ts";
import { createServerNamespace } from "../support/wire/server_namespace.ts";

import { startStunServer, type StunServer } from "../support/wire/stun_server.ts";

const fixture = CallFixture.forThisFile();
const NEEDS: readonly Requirement[] = ["chromium", "go", "network-namespaces", "nftables"];
const KINDS: readonly MemberKind[] = ["chromium", "rtc-node", "pion"];

/** What the server says that it shows, when it listens. */
function advertised(server: RoomwireProcess): string[] {
  const line = server.logTail().split("\n").find((line) => line.includes('"listening"'));
  return JSON.parse(line!).advertised;
}

/** A server behind a router, which asks a STUN server beyond it. */
async function behindRouter(
  options: NatNetworkOptions,
  rtc: Readonly<Record<string, unknown>>,
  test: (server: RoomwireProcess, network: NatNetwork, stun: StunServer) => Promise<void>,
): Promise<void> {
  await using network = await NatNetwork.create(options);
  await using stun = await startStunServer(network.clientAddress);
  await using server = await startRoomwire({
    address: network.outside[0]!,
    place: network.place,
    config: {
      bind_addresses: ["0.0.0.0"],
      logging: { json: true, level: "info" },
      rtc: {
        node_ip: "",
        use_external_ip: true,
        stun_servers: [`${network.clientAddress}:${stun.port}`],
        enable_loopback_candidate: false,
        ...rtc,
      },
    },
  });
  await test(server, network, stun);
}

endToEndTest(
  "Chromium, rtc-node and pion meet at a server that finds its address outside by STUN",
  NEEDS,
  () =>
    behindRouter({}, {}, async (server, network) => {
      assert.deepEqual(advertised(server), network.outside);
      await fixture.callAt(server, "nat", (call) => meetAtOnce(call, KINDS));
    }),
);

endToEndTest(
  "Chromium, rtc-node and pion meet over a path of 1,280 bytes that says nothing of it",
  NEEDS,
  () =>
    behindRouter(
      { mtu: 1280 },
      {},
      (server) => fixture.callAt(server, "narrow", (call) => meetAtOnce(call, KINDS)),
    ),
);

endToEndTest(
  "A server with two addresses shows both as they are seen outside, and follows when one goes",
  NEEDS,
  () =>
    behindRouter({ addresses: 2 }, {}, async (server, network) => {
      assert.deepEqual(advertised(server), network.outside);
      await fixture.callAt(server, "several", (call) => meetAtOnce(call, ["chromium", "pion"]));
      await network.change("delete", network.inside[1]!);
      await eventually("the server to show one address less", () => {
        const line = server.logTail().split("\n").findLast((line) =>
          line.includes("addresses changed")
        );
        return Promise.resolve(
          line !== undefined && JSON.parse(line).advertised.join() === network.outside[0],
        );
      });
    }),
);

endToEndTest(
  "A server behind a router without hairpin NAT shows its address outside, and says what it doubts",
  ["network-namespaces", "nftables"],
  () =>
    behindRouter({ hasHairpin: false }, { advertise_internal_ip: true }, (server, network) => {
      assert.deepEqual(advertised(server), [network.outside[0]!, network.inside[0]!]);
      assert.match(server.logTail(), /nothing sent to the address .* came back/);
      return Promise.resolve();
    }),
);

endToEndTest(
  "A server that no STUN server answers shows its own address, and says so",
  ["network-namespaces", "nftables"],
  () =>
    behindRouter({}, { stun_servers: ["198.51.100.254:9"] }, (server, network) => {
      assert.deepEqual(advertised(server), network.inside);
      assert.match(server.logTail(), /no STUN server said/);
      return Promise.resolve();
    }),
);

for (const families of [["IPv6"], ["IPv4", "IPv6"]] as const) {
  const kinds: readonly MemberKind[] = families.length === 1 ? KINDS : ["chromium", "pion"];
  endToEndTest(
    `${kinds.join(", ")} meet at a server that has ${
      families.join(" and ")
    }, of which it shows all`,
    ["chromium", "go", "network-namespaces"],
    async () => {
      await using inside = await createServerNamespace(families);
      const [first] = inside.addresses;
      await using server = await startRoomwire({
        address: first!.includes(":") ? `[${first}]` : first!,
        place: inside.place,
        config: {
          bind_addresses: ["::", "0.0.0.0"],
          logging: { json: true, level: "info" },
          rtc: { node_ip: "", enable_loopback_candidate: false },
        },
      });
      assert.deepEqual(advertised(server), inside.addresses);
      await fixture.callAt(server, families.join(""), (call) => meetAtOnce(call, kinds));
    },
  );
}
