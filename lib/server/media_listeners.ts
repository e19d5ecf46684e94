/**
 * Where the media plane listens and what it advertises, out of the configuration. Pure.
 *
 * @module
 */
import type { ListenAddress } from "../engine/listen_address.ts";
import { DEFAULT_UDP_PORT } from "./config_loading.ts";
import type { Config } from "./config_parsing.ts";
import { chooseNodeAddresses, type InterfaceAddress } from "./node_address.ts";

/** What the engine binds, and the addresses its candidates show. */
export interface MediaListeners {
  readonly udp: readonly ListenAddress[];
  readonly tcp: readonly ListenAddress[];
  readonly advertised: readonly string[];
}

/**
 * One UDP port for all media (the first of a range) and one TCP port, on every interface of the
 * families that are advertised. Development mode also advertises loopback, so that two tabs on one
 * machine work without a network.
 */
export function mediaListeners(
  config: Config,
  interfaces: readonly InterfaceAddress[],
): MediaListeners {
  const { rtc, development } = config;
  const advertised = chooseNodeAddresses(interfaces, {
    nodeIp: rtc.node_ip,
    loopback: rtc.enable_loopback_candidate || development,
  });
  const hostnames = ["0.0.0.0", ...(advertised.some((ip) => ip.includes(":")) ? ["::"] : [])];
  const on = (port: number) => hostnames.map((hostname) => ({ hostname, port }));
  return {
    udp: rtc.force_tcp ? [] : on(rtc.udp_port?.start ?? DEFAULT_UDP_PORT),
    tcp: rtc.tcp_port === 0 ? [] : on(rtc.tcp_port),
    advertised,
  };
}
