/**
 * Looks at this machine from outside, as far as it can by itself: asks STUN servers from the media
 * port, sends to what they say, and connects to it.
 *
 * @module
 */
import { connect, createServer } from "node:net";
import { DropCounters } from "../base/drop_counters.ts";
import type { Platform } from "../base/platform.ts";
import { type AskingSocket, ExternalAddresses } from "../engine/local/external_addresses.ts";
import { type ExternalAddress, isBeyondLink } from "../engine/messages/advertised_hosts.ts";
import type { Datagrams } from "../transport/datagrams/datagrams.ts";
import type { MediaPorts } from "../transport/media_ports.ts";
import type { AddressesToCheck } from "./check/address_check.ts";
import type { PortToCheck } from "./check/port_check.ts";

/** A connection that comes back takes no longer, ms. */
const PATIENCE_MS = 3_000;

/** What is looked at. */
export interface OutsideOptions {
  /** The machine's addresses that media uses. */
  readonly locals: readonly string[];
  /** `rtc.node_ip`. */
  readonly nodeIp: readonly string[];
  /** Media's first port; absent without UDP. */
  readonly udpPort: number | undefined;
  readonly stunServers: readonly string[];
  readonly streams: readonly PortToCheck[];
  readonly ports: Pick<MediaPorts, "openDatagrams">;
  readonly platform: Platform;
}

/** What was seen. Never rejects; takes some seconds where nobody answers. */
export async function viewFromOutside(
  options: OutsideOptions,
): Promise<Pick<AddressesToCheck, "found" | "udpPort" | "streams">> {
  const { nodeIp, streams, locals } = options;
  const { found, udpPort } = await askOutside(options);
  const own = new Set(locals);
  const outside = new Set(
    [...nodeIp, ...[...found.values()].map(({ address }) => address)]
      .filter((address) => !own.has(address)),
  );
  const tried = [...outside].flatMap((address) =>
    streams.map(async ({ port, use }) => ({
      address,
      port,
      use,
      isReached: await comesBack(address, port),
    }))
  );
  return { found, udpPort, streams: await Promise.all(tried) };
}

async function askOutside(
  { locals, udpPort, stunServers, ports, platform }: OutsideOptions,
): Promise<{ found: ReadonlyMap<string, ExternalAddress>; udpPort: number | undefined }> {
  const drops = new DropCounters<string>();
  const { clock, timers } = platform;
  const open = (hostname: string, port: number) =>
    ports.openDatagrams({ hostname, port, drops, timers });
  const sockets: AskingSocket[] = [];
  let isMediaPort = udpPort !== undefined;
  for (const hostname of locals.filter(isBeyondLink)) {
    // Whoever has the port already is asked from another one, by which nothing can be proven.
    let datagrams: Datagrams | undefined = await open(hostname, udpPort ?? 0).catch(() =>
      undefined
    );
    if (datagrams === undefined) isMediaPort = false;
    datagrams ??= await open(hostname, 0).catch(() => undefined);
    if (datagrams === undefined) continue;
    const mux: AskingSocket["mux"] = { stunListener: undefined };
    datagrams.onDatagram = (bytes, length, remote) =>
      void mux.stunListener?.(bytes, length, remote, clock.now());
    sockets.push({ hostname, datagrams, mux });
  }
  const external = new ExternalAddresses({
    platform,
    drops,
    discovery: { servers: stunServers, validates: isMediaPort, only: false, internal: false },
    sockets: () => Promise.resolve(sockets),
    openBeside: (hostname) => open(hostname, 0),
    changed: () => {},
  });
  await external.ask();
  external.close();
  for (const { datagrams } of sockets) datagrams.close();
  await Promise.all(sockets.map(({ datagrams }) => datagrams.closed));
  return { found: external.found, udpPort: isMediaPort ? udpPort : undefined };
}

/** Whether a connection to the address reaches a port here; whoever has the port may be it. */
async function comesBack(address: string, port: number): Promise<boolean> {
  const server = createServer((socket) => socket.destroy());
  server.on("error", () => {});
  await new Promise<void>((resolve) => {
    server.once("error", () => resolve());
    server.listen(port, () => resolve());
  });
  try {
    return await new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port, timeout: PATIENCE_MS });
      const end = (isReached: boolean) => {
        socket.destroy();
        resolve(isReached);
      };
      socket.once("connect", () => end(true));
      socket.once("error", () => end(false));
      socket.once("timeout", () => end(false));
    });
  } finally {
    server.close();
  }
}
