/**
 * A host with several addresses: each is asked in turn, by clients that hear no answer from
 * another.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ConnectionId } from "../../lib/base/ids.ts";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import type { MediaEngine } from "../../lib/engine/messages/media_messages.ts";
import { createLocalEngine } from "../../lib/engine/local/local_engine.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import type { AddressRule } from "../../lib/transport/datagrams/local_addresses.ts";
import type { AskedAddress } from "../support/hostile/asking_client.ts";
import { mustIgnore } from "../support/process/e2e_requirements.ts";
import { type ClientNamespace, createNamespace } from "../support/wire/network_namespace.ts";
import { freeUdpPort } from "../support/process/roomwire_process.ts";
import { WireClient } from "../support/wire/wire_client.ts";
import { openUdpSocket } from "../support/wire/wire_socket.ts";

const IPV6 = ["fd00:213::1", "fd00:213::3"] as const;
const ANYWHERE = { hostname: "::", port: 0 } as const;

type Native = "off" | "auto";

/** An engine on all addresses of this machine. */
async function openEngine(
  advertised: readonly string[],
  native: Native,
  workers: number,
  rule: Partial<AddressRule> = {},
): Promise<MediaEngine> {
  const none = { includes: [], excludes: [] };
  const addressRule = { interfaces: none, ips: none, always: [], ...rule };
  const options = {
    platform: denoPlatform(),
    tcp: [],
    advertised,
    native,
    addressRule,
    drops: new DropCounters(),
  };
  if (workers === 0) return createLocalEngine({ ...options, udp: [ANYWHERE] });
  const ports = [];
  for (let i = 0; i < workers; i++) ports.push(await freeUdpPort("127.0.0.1"));
  return createWorkerPool({
    ...options,
    udpOf: ports.map((port) => [{ hostname: "::", port }]),
  });
}

/** A connection for each advertised address. */
async function openConnections(engine: MediaEngine): Promise<AskedAddress[]> {
  const certificate = createCertificate();
  const { addresses } = await engine.start();
  const asked: AskedAddress[] = [];
  const count = new Set(addresses.map(({ hostname }) => hostname)).size;
  for (let index = 0; index < count; index++) {
    const connection = `connection-${index}` as ConnectionId;
    const remote = { ufrag: `server${index}`, pwd: "server-password-of-24-chars-or-more" };
    const local = { ufrag: `client${index}`, pwd: "client-password-of-24-chars-or-more" };
    engine.send({
      type: "open_connection",
      connection,
      local: remote,
      dataChannels: "accept",
      placement: `room ${index}`,
    });
    const { fingerprint } = certificate;
    engine.send({ type: "set_remote", connection, remote: local, fingerprints: [fingerprint] });
    asked.push({ server: engine.addressesOf(connection)[index]!, remote, local });
  }
  return asked;
}

async function withAddresses(
  body: (namespace: ClientNamespace, addresses: readonly string[]) => Promise<void>,
): Promise<void> {
  await using namespace = await createNamespace();
  const { hostAddress, guestAddress } = namespace;
  // The wire's /29 has room for one more of ours.
  const second = guestAddress.replace(/\d+$/, "3");
  await namespace.addAddress("host", `${second}/29`);
  for (const address of IPV6) await namespace.addAddress("host", `${address}/64`);
  await namespace.addAddress("guest", "fd00:213::2/64");
  await body(namespace, [hostAddress, second, ...IPV6]);
}

/** Runs the asking client inside; which addresses answered. */
async function askFromInside(
  namespace: ClientNamespace,
  asked: readonly AskedAddress[],
): Promise<string[]> {
  const script = new URL("../support/hostile/asking_client.ts", import.meta.url).pathname;
  const options = ["run", "--quiet", "--no-check", "--unstable-net", "--allow-all"];
  const [program, ...args] = namespace.command(Deno.execPath(), ...options, script);
  const output = await new Deno.Command(program!, { args: [...args, JSON.stringify(asked)] })
    .output();
  const answered = new TextDecoder().decode(output.stdout).trim().split("\n");
  return answered.map((line) => line.split(" ")[0]!);
}

for (const native of ["off", "auto"] as const) {
  for (const workers of [0, 2]) {
    Deno.test({
      name:
        `MediaEngine answers from the address that was asked, native ${native}, ${workers} workers`,
      ignore: mustIgnore(["network-namespaces"]),
      // Sockets of workers that are told to end are closed a little later.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: () =>
        withAddresses(async (namespace, addresses) => {
          const engine = await openEngine(addresses, native, workers);
          try {
            const asked = await openConnections(engine);
            assert.deepEqual(await askFromInside(namespace, asked), addresses);
          } finally {
            await engine.close();
          }
        }),
    });
  }

  Deno.test({
    name: `MediaEngine answers on loopback who asks from another address of the host, ${native}`,
    // werift's DTLS client keeps timers that cannot be stopped.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const outside = Deno.networkInterfaces().find(({ family, address }) =>
        family === "IPv4" && !address.startsWith("127.")
      );
      // What a browser does that has no candidate on loopback; any address of loopback's is like
      // it.
      const from = outside?.address ?? "127.0.0.9";
      const engine = await openEngine(["127.0.0.1"], native, 0);
      const [{ server, remote, local }] = await openConnections(engine) as [AskedAddress];
      const certificate = createCertificate();
      const openSocket = () => openUdpSocket(server, from);
      const client = await WireClient.open({ server, remote, local, certificate, openSocket });
      await client.check();
      await client.close();
      await engine.close();
    },
  });
}

Deno.test({
  name: "MediaEngine listens on no address that rtc.ips leaves out",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const ips = { includes: ["::1/128"], excludes: [] };
    const engine = await openEngine(["::1"], "auto", 0, { ips });
    const { addresses: [address] } = await engine.start();
    // The port is free on the other family.
    const { port } = address!;
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
    assert.throws(() => Deno.listenDatagram({ transport: "udp", hostname: "::1", port }));
    await engine.close();
    const nowhere = await openEngine(["192.0.2.1"], "auto", 0, {
      ips: { includes: ["203.0.113.0/24"], excludes: [] },
    });
    await assert.rejects(nowhere.start(), { code: "invalid_config", message: /rtc\.ips/ });
  },
});
