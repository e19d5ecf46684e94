/**
 * On how many threads the media plane runs, where it listens and what it advertises, out of the
 * configuration and the machine. Pure.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import { isWildcard, type ListenAddress } from "../engine/messages/listen_address.ts";
import type { AddressRule, InterfaceAddress } from "../transport/datagrams/local_addresses.ts";
import { parseIpAddress } from "../wire/ip_address.ts";
import { DEFAULT_UDP_PORT } from "./config/config_loading.ts";
import type { Config } from "./config/config_parsing.ts";
import type { PortRange } from "./config/config_values.ts";
import { chooseNodeAddresses, isLoopback } from "./node_address.ts";

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
  readonly advertised: readonly string[];
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
  const { rtc, development } = config;
  const addressRule = addressRuleOf(config);
  const advertised = chooseNodeAddresses(interfaces, {
    nodeIp: rtc.node_ip,
    loopback: rtc.enable_loopback_candidate || development,
    rule: addressRule,
  });
  // `::` stands for both families.
  const hostname = advertised.some((ip) => ip.includes(":")) ? "::" : "0.0.0.0";
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
    addressRule,
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

function udpRange(config: Config): PortRange {
  return config.rtc.udp_port ?? { start: DEFAULT_UDP_PORT, end: DEFAULT_UDP_PORT };
}
