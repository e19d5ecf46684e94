/**
 * Where an engine listens, what wildcards stand for there, and what of that its clients are told.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import {
  type AddressRule,
  allowedAddresses,
  ANY_ADDRESS,
  type InterfaceAddress,
  isFilter,
  readInterfaces,
} from "../../transport/datagrams/local_addresses.ts";

/** Sockets for one listen address; a machine with many containers has that many bridges. */
const MAX_ADDRESSES = 64;

/** A local address to bind. */
export interface ListenAddress {
  readonly hostname: string;
  /** 0 takes any. */
  readonly port: number;
}

/** Which addresses the wildcards `0.0.0.0` and `::` stand for. */
export interface AddressChoice {
  /** All of them if absent. */
  readonly addressRule?: AddressRule;
  /** The machine's addresses; `undefined` if they cannot be known. The real ones if absent. */
  readonly networkInterfaces?: () => readonly InterfaceAddress[] | undefined;
}

/** Whether it stands for every address of this machine, of IPv4 or of both families. */
export function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

/**
 * Every advertised address with the ports of its family, in the order of the first. What listens on
 * `::` is there for both.
 *
 * @param advertised Literal addresses, in order of preference.
 * @param bound As bound: the ports are the real ones.
 */
export function advertisedAddresses(
  advertised: readonly string[],
  protocol: "udp" | "tcp",
  bound: readonly ListenAddress[],
): MediaAddress[] {
  const serves = (bound: string, hostname: string) =>
    bound === "::" || bound.includes(":") === hostname.includes(":");
  return advertised.flatMap((hostname) => {
    const ports = bound.filter((address) => serves(address.hostname, hostname))
      .map(({ port }) => port);
    return [...new Set(ports)].map((port) => ({ protocol, hostname, port }));
  });
}

/** @throws {SfuError} `invalid_config` if there is nothing to listen on. */
export function requireAddress(addresses: readonly ListenAddress[]): void {
  if (addresses.length > 0) return;
  throw new SfuError("invalid_config", "Cannot start media: neither a UDP nor a TCP port is set");
}

/**
 * For TCP, whose answers always leave from where they were asked: wildcards stay, unless a filter
 * leaves addresses out.
 *
 * @throws {SfuError} if it leaves none.
 */
export function withoutWildcards(
  listen: readonly ListenAddress[],
  choice: AddressChoice,
): readonly ListenAddress[] {
  return isFilter(choice.addressRule ?? ANY_ADDRESS) ? everyAddress(listen, choice) : listen;
}

/**
 * For UDP: a socket for each address, so that answers leave from the one that was asked.
 *
 * @throws {SfuError} if a filter leaves none.
 */
export function everyAddress(
  listen: readonly ListenAddress[],
  choice: AddressChoice,
): readonly ListenAddress[] {
  return listen.flatMap((address) =>
    (addressesOf(address, choice) ?? [address.hostname])
      .map((hostname) => ({ hostname, port: address.port }))
  );
}

/**
 * What a wildcard stands for now; `undefined` for any other address, and if nobody knows.
 *
 * @throws {SfuError} if a filter leaves none.
 */
export function addressesOf(
  { hostname }: ListenAddress,
  { addressRule = ANY_ADDRESS, networkInterfaces = readInterfaces }: AddressChoice,
): readonly string[] | undefined {
  if (!isWildcard(hostname)) return undefined;
  const interfaces = networkInterfaces();
  const allowed = allowedAddresses(interfaces ?? [], addressRule)
    .filter((address) => hostname === "::" || !address.includes(":"));
  if (allowed.length > 0) return allowed.slice(0, MAX_ADDRESSES);
  // Without a filter the system's own wildcard is better than nothing.
  if (!isFilter(addressRule)) return undefined;
  throw new SfuError(
    "invalid_config",
    "Cannot start media: rtc.ips and rtc.interfaces leave none of this machine's addresses",
  );
}
