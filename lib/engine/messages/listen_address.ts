/**
 * Where an engine listens, and what of that its clients are told.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";

/** A local address to bind. */
export interface ListenAddress {
  readonly hostname: string;
  /** 0 takes any. */
  readonly port: number;
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
