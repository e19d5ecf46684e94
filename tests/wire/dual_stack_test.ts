/**
 * One socket for both families of addresses: clients of either reach the engine.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ConnectionId } from "../../lib/base/ids.ts";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { createLocalEngine } from "../../lib/engine/local/local_engine.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { eventually } from "../support/process/eventually.ts";
import { WireClient } from "../support/wire/wire_client.ts";

const ADVERTISED = ["127.0.0.1", "::1"] as const;

for (const native of ["off", "auto"] as const) {
  Deno.test({
    name: `MediaEngine on :: is reached over IPv4 and IPv6 (native: ${native})`,
    // werift's DTLS client keeps timers that cannot be stopped.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const drops = new DropCounters();
      const engine = createLocalEngine({
        platform: denoPlatform(),
        udp: [{ hostname: "::", port: 0 }],
        tcp: [{ hostname: "::", port: 0 }],
        advertised: ADVERTISED,
        drops,
        native,
      });
      const connected: string[] = [];
      engine.onEvent = (event) => {
        if (event.type === "connection_connected") connected.push(event.connection);
      };
      const { addresses } = await engine.start();
      const certificate = createCertificate();
      assert.deepEqual(
        addresses.map(({ protocol, hostname }) => `${protocol} ${hostname}`),
        ["udp 127.0.0.1", "udp ::1", "tcp 127.0.0.1", "tcp ::1"],
      );
      const clients: WireClient[] = [];
      for (const [index, server] of addresses.entries()) {
        const connection = `connection-${index}` as ConnectionId;
        const remote = { ufrag: `server${index}`, pwd: "server-password-of-24-chars-or-more" };
        const local = { ufrag: `client${index}`, pwd: "client-password-of-24-chars-or-more" };
        engine.send({
          type: "open_connection",
          connection,
          local: remote,
          dataChannels: "accept",
          placement: "room",
        });
        engine.send({
          type: "set_remote",
          connection,
          remote: local,
          fingerprints: [certificate.fingerprint],
        });
        const client = await WireClient.open({ server, remote, local, certificate });
        clients.push(client);
        await client.connect();
        await eventually(`client ${index}`, () => connected.includes(connection));
      }
      for (const client of clients) await client.close();
      await engine.close();
      assert.equal(drops.get("udp_send_failed"), 0);
    },
  });
}
