/**
 * What a client is and how its media reaches us, in a few words for the log.
 *
 * @module
 */
import { type ClientInfo, ClientInfo_SDK } from "@livekit/protocol";
import { parseIpAddress } from "../../wire/ip_address.ts";
import { type IceCandidate, parseCandidate } from "../../wire/ice_candidate.ts";

/** The words are the client's own, so they are cut. */
const MAX_CHARS = 48;
/** Relayed candidates of a client that are remembered; real clients have a few for each network. */
const MAX_RELAYED = 32;
/** How a candidate begins in a description, and how long one is at most, characters. */
const CANDIDATE = "a=candidate:";
const MAX_LINE = 1_024;

/** SDK, its version and protocol, and what it runs on. */
export interface ClientSummary {
  readonly sdk: string;
  readonly version: string;
  readonly protocol: number;
  /** `macos 14.2, safari 17.1`; parts that the client does not say are left out. */
  readonly platform: string;
}

/** `udp` and `tcp` come straight, `relay` by a TURN server of the client's choice. */
export type MediaPath = "udp" | "tcp" | "relay";

export function clientSummary(info: ClientInfo): ClientSummary {
  const { os, osVersion, browser, browserVersion, deviceModel } = info;
  const parts = [[os, mainVersion(osVersion)], [browser, mainVersion(browserVersion)], [
    deviceModel,
  ]];
  const platform = parts.map((words) => words.filter((word) => word !== "").join(" "))
    .filter((part) => part !== "").join(", ");
  return {
    sdk: (ClientInfo_SDK[info.sdk] ?? "unknown").toLowerCase(),
    version: info.version.slice(0, MAX_CHARS),
    protocol: info.protocol,
    platform: platform.slice(0, 2 * MAX_CHARS),
  };
}

/** `120.0` of `120.0.6099.71`, which reads like an address. */
function mainVersion(version: string): string {
  return /^\d{1,9}(?:\.\d{1,9})?/.exec(version)?.[0] ?? version.slice(0, MAX_CHARS);
}

/** The addresses at which TURN servers relay for one client, as far as it has told. */
export class RelayedAddresses {
  readonly #known = new Set<string>();

  /** Takes note of a trickled candidate. */
  note({ type, address, port }: IceCandidate): void {
    if (type === "relay" && this.#known.size < MAX_RELAYED) this.#known.add(key(address, port));
  }

  /** Takes note of the candidates of a description. */
  noteDescription(sdp: string): void {
    // No pattern, which would try each place in a line for each place before it.
    for (let at = sdp.indexOf(CANDIDATE); at >= 0; at = sdp.indexOf(CANDIDATE, at + 1)) {
      if (this.#known.size >= MAX_RELAYED) return;
      if (at > 0 && sdp[at - 1] !== "\n") continue;
      const [line = ""] = sdp.slice(at, at + MAX_LINE).split("\n", 1);
      const candidate = line.includes(" typ relay") ? parseCandidate(line) : undefined;
      if (candidate !== undefined) this.note(candidate);
    }
  }

  /** @param remote Where the client's packets come from. */
  pathOf(
    protocol: "udp" | "tcp",
    remote: { readonly hostname: string; readonly port: number } | undefined,
  ): MediaPath {
    if (remote === undefined) return protocol;
    return this.#known.has(key(remote.hostname, remote.port)) ? "relay" : protocol;
  }
}

/** Equal for the two ways to write an IPv4 address, and for all of an IPv6 address. */
function key(address: string, port: number): string {
  return `${parseIpAddress(address)?.join(".") ?? address} ${port}`;
}
