/**
 * On how many threads the media plane runs, where it listens and what it advertises, out of the
 * configuration and the machine. Pure.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import { isWildcard, type ListenAddress } from "../engine/messages/listen_address.ts";
import {
  type AddressDiscovery,
  advertisedHosts,
  isLoopback,
} from "../engine/messages/advertised_hosts.ts";
import {
  type AddressRule,
  allowedAddresses,
  type InterfaceAddress,
} from "../transport/datagrams/local_addresses.ts";
import { parseIpAddress } from "../wire/ip_address.ts";
import { DEFAULT_UDP_PORT } from "./config/config_loading.ts";
import type { Config } from "./config/config_parsing.ts";
import type { PortRange } from "./config/config_values.ts";

/** What carries media, for people. */
export interface MediaSummary {
  /** Threads; 0 for the main one. */
  readonly workers: number;
  /** Which sockets and ciphers run, in words. */
  readonly ports: string;
  /** Cores stay idle because the configured range has fewer UDP ports. */
  readonly lacksPorts: boolean;
}

const LOOPBACK: InterfaceAddress = { family: "IPv4", address: "127.0.0.1" };
/** Asked where `rtc.stun_servers` names none: LiveKit's list (1.13.5). */
const PUBLIC_STUN_SERVERS: readonly string[] = [
  "global.stun.twilio.com:3478",
  "stun.l.google.com:19302",
  "stun1.l.google.com:19302",
];

/** What engines bind, and the addresses their candidates show. */
export interface MediaListeners {
  /** Threads of their own; 0 is the main thread. */
  readonly workers: number;
  /** For each worker what it binds for UDP; one entry without workers. */
  readonly udpOf: readonly (readonly ListenAddress[])[];
  /** The rest of the range, for workers whose port is not free when they are started anew. */
  readonly spareUdp: readonly (readonly ListenAddress[])[];
  /** For all of them. */
  readonly tcp: readonly ListenAddress[];
  /** What is advertised before the engines have looked. */
  readonly advertised: readonly string[];
  /** How they find out what to advertise. */
  readonly discovery: AddressDiscovery;
  /** Which of the machine's addresses the wildcards among them stand for. */
  readonly addressRule: AddressRule;
}

/**
 * One UDP port for each worker, from the first of the range on, and one TCP port, on every address
 * that `rtc.interfaces` and `rtc.ips` allow, of the families that are advertised. Development mode
 * also advertises loopback, so that two tabs on one machine work without a network.
 *
 * @param cores Of this machine, as far as the process may use them.
 * @throws {SfuError} `invalid_config` if more workers are asked for than there are ports.
 */
export function mediaListeners(
  config: Config,
  interfaces: readonly InterfaceAddress[],
  cores: number,
): MediaListeners {
  const { rtc } = config;
  const addressRule = addressRuleOf(config);
  const discovery = discoveryOf(config, interfaces, addressRule);
  const advertised = advertisedHosts(allowedAddresses(interfaces, addressRule), discovery);
  // `::` stands for both families. Addresses that are followed may become those of the other one,
  // if this system has it at all.
  const isFollowed = rtc.node_ip.length === 0 || discovery.external !== undefined;
  const shown = isFollowed ? interfaces.map(({ address }) => address) : advertised;
  const hostname = shown.some((ip) => ip.includes(":")) ? "::" : "0.0.0.0";
  const on = (port: number) => [{ hostname, port }];
  const workers = workerCount(config, cores);
  const ports = udpPorts(config, cores);
  const spare = rtc.force_tcp ? [] : portsOf(udpRange(config)).slice(ports.length);
  return {
    workers,
    udpOf: rtc.force_tcp ? Array.from({ length: Math.max(1, workers) }, () => []) : ports.map(on),
    spareUdp: spare.map(on),
    tcp: rtc.tcp_port === 0 ? [] : on(rtc.tcp_port),
    advertised,
    discovery,
    addressRule,
  };
}

/** Who is asked how this node is seen from outside. */
export function stunServers({ stun_servers }: Pick<Config["rtc"], "stun_servers">) {
  return stun_servers.length === 0 ? PUBLIC_STUN_SERVERS : [...stun_servers];
}

/** Plain data for workers. */
function discoveryOf(
  { rtc, development }: Config,
  interfaces: readonly InterfaceAddress[],
  rule: AddressRule,
): AddressDiscovery {
  const { external_ip_only, advertise_internal_ip, skip_external_ip_validation } = rtc;
  const { node_ip, use_external_ip, enable_loopback_candidate } = rtc;
  // By the name of its interface a filter may leave it out.
  const loopback = interfaces.find(({ address }) => address === LOOPBACK.address) ?? LOOPBACK;
  const isLoopbackLetIn = allowedAddresses([loopback], rule).length > 0;
  return {
    nodeIp: [...node_ip],
    loopback: (enable_loopback_candidate || development) && isLoopbackLetIn,
    ...(use_external_ip
      ? {
        external: {
          servers: stunServers(rtc),
          validates: !skip_external_ip_validation,
          only: external_ip_only,
          internal: advertise_internal_ip,
        },
      }
      : {}),
  };
}

/**
 * What `rtc.interfaces` and `rtc.ips` say. `bind_addresses` is about HTTP, which often is bound to
 * where a proxy asks. Only in development, and where `rtc.ips` says nothing, media keeps to the
 * networks of the addresses that were asked for; it never gets more than the filters allow.
 */
function addressRuleOf({ rtc, development, bind_addresses }: Config): AddressRule {
  const { node_ip: always } = rtc;
  // Plain data for workers.
  const interfaces = { includes: rtc.interfaces.includes, excludes: rtc.interfaces.excludes };
  const ips = { includes: rtc.ips.includes, excludes: rtc.ips.excludes };
  const isSilent = ips.includes.length + ips.excludes.length === 0;
  const includes = bind_addresses.filter((bound) => parseIpAddress(bound) !== undefined)
    .filter((bound) => !isWildcard(bound) && !isLoopback(bound))
    .map((bound) => bound.includes(":") ? `${bound}/64` : `${bound}/24`);
  const narrows = development && isSilent && !bind_addresses.some(isEverywhere) &&
    includes.length > 0;
  return { interfaces, ips: narrows ? { includes, excludes: [] } : ips, always };
}

function isEverywhere(bound: string): boolean {
  return bound === "" || isWildcard(bound);
}

/** The UDP ports that are used, one for each thread; none if media goes over TCP only. */
export function udpPorts(config: Config, cores: number): readonly number[] {
  if (config.rtc.force_tcp) return [];
  const threads = Math.max(1, workerCount(config, cores));
  return portsOf(udpRange(config)).slice(0, threads);
}

/** Whether more cores could be used if `rtc.udp_port` had more ports. */
export function lacksPorts(config: Config, cores: number): boolean {
  return config.workers === "auto" && portCount(config) < cores;
}

function workerCount(config: Config, cores: number): number {
  const { workers } = config;
  const ports = portCount(config);
  if (workers === "auto") return cores === 1 ? 0 : Math.min(cores, ports);
  if (workers <= Math.max(1, ports)) return workers;
  throw new SfuError(
    "invalid_config",
    `workers: expected at most ${ports}, the number of ports in rtc.udp_port; got ${workers}`,
  );
}

function portCount(config: Config): number {
  if (config.rtc.force_tcp) return Infinity;
  const { start, end } = udpRange(config);
  return end - start + 1;
}

function portsOf({ start, end }: PortRange): number[] {
  return Array.from({ length: end - start + 1 }, (_, index) => start + index);
}

/**
 * Who comes from LiveKit's server with a range of ports for connections has it open in the
 * firewall: the first of them serve all connections here.
 */
function udpRange({ rtc }: Config): PortRange {
  const { udp_port, port_range_start: start, port_range_end: end } = rtc;
  if (udp_port !== undefined) return udp_port;
  return start > 0 && end >= start
    ? { start, end }
    : { start: DEFAULT_UDP_PORT, end: DEFAULT_UDP_PORT };
}
