/**
 * Whether clients are shown addresses at which they reach this machine, as far as that can be known
 * from inside. Pure.
 *
 * @module
 */
import type { ExternalAddress } from "../../engine/messages/advertised_hosts.ts";
import { isPublicAddress } from "../../wire/ip_address.ts";
import { type Finding, ok, problem, unknown, warning } from "./finding.ts";

const TOPIC = "addresses";
const OUTSIDE = "try from another network; a router without hairpin NAT looks like a closed port";

/** What was asked, and what came of it. */
export interface AddressesToCheck {
  /** What clients are shown. */
  readonly hosts: readonly string[];
  /** `rtc.node_ip`. */
  readonly nodeIp: readonly string[];
  /** `rtc.use_external_ip`. */
  readonly usesExternal: boolean;
  readonly isDevelopment: boolean;
  /** Of the machine's own addresses how each is seen; `undefined` if nobody was asked. */
  readonly found: ReadonlyMap<string, ExternalAddress> | undefined;
  /** Media's UDP port that was asked from; absent without UDP. */
  readonly udpPort: number | undefined;
  /** Whether connections to TCP ports came back by the address outside. */
  readonly streams: readonly {
    readonly address: string;
    readonly port: number;
    readonly use: string;
    readonly isReached: boolean;
  }[];
}

/** What is shown, how it is seen from outside, and what of it leads back. */
export function addressFindings(addresses: AddressesToCheck): readonly Finding[] {
  const { hosts, found, streams } = addresses;
  return [
    shownFinding(addresses),
    ...(found === undefined ? [] : seenFindings(addresses, found)),
    ...streams.map(({ address, port, use, isReached }) =>
      isReached ? ok(TOPIC, `TCP ${port} (${use}) is reached at ${address}`) : unknown(
        TOPIC,
        `a connection to TCP ${port} (${use}) at ${address} did not get here`,
        `open or forward TCP ${port} to this machine, and ${OUTSIDE}`,
      )
    ),
    ...(hosts.length > 0 ? [] : [problem(TOPIC, "there is no address to show", "set rtc.node_ip")]),
  ];
}

function shownFinding({ hosts, isDevelopment }: AddressesToCheck): Finding {
  const what = `clients are shown ${hosts.join(", ")}`;
  if (isDevelopment || hosts.some(isPublicAddress)) return ok(TOPIC, what);
  return warning(
    TOPIC,
    `${what}: private, so only clients of the same network get here`,
    "set rtc.use_external_ip: true, or rtc.node_ip to the address that clients reach",
  );
}

function seenFindings(
  addresses: AddressesToCheck,
  found: ReadonlyMap<string, ExternalAddress>,
): Finding[] {
  const { usesExternal, nodeIp, udpPort } = addresses;
  if (found.size === 0) {
    const what = "no STUN server said how this machine is seen from outside";
    const other = nodeIp.length === 0
      ? "set rtc.node_ip"
      : "make sure that clients reach rtc.node_ip";
    const fix = `let UDP out to rtc.stun_servers, or ${other}`;
    return [usesExternal ? problem(TOPIC, what, fix) : unknown(TOPIC, what, fix)];
  }
  const seen = [...found].flatMap(([local, outside]) => [
    reachedFinding(local, outside, udpPort),
    ...portFindings(local, outside, udpPort),
  ]);
  const outside = [...found.values()].map(({ address }) => address);
  if (nodeIp.length === 0 || nodeIp.some((address) => outside.includes(address))) return seen;
  return [
    ...seen,
    warning(
      TOPIC,
      `rtc.node_ip is ${nodeIp.join(", ")}, and STUN servers see ${outside.join(", ")}`,
      "set rtc.node_ip to what they see, unless what comes in takes another way than what goes out",
    ),
  ];
}

function reachedFinding(
  local: string,
  { address, isProven }: ExternalAddress,
  udpPort: number | undefined,
): Finding {
  const at = address === local ? address : `${address} (here ${local})`;
  if (udpPort === undefined) return ok(TOPIC, `this machine is seen as ${at}`);
  if (address === local) return ok(TOPIC, `this machine is seen as ${at}, without a NAT`);
  if (isProven) return ok(TOPIC, `UDP ${udpPort} is reached at ${at}`);
  return unknown(
    TOPIC,
    `this machine is seen as ${at}, and what was sent there to UDP ${udpPort} did not get here`,
    `open or forward UDP ${udpPort} to ${local}, and ${OUTSIDE}`,
  );
}

function portFindings(
  local: string,
  { port, isProven }: ExternalAddress,
  udpPort: number | undefined,
): Finding[] {
  if (udpPort === undefined || port === udpPort || isProven) return [];
  return [warning(
    TOPIC,
    `a NAT shows UDP ${udpPort} as ${port}: it does not map one to one`,
    `forward UDP ${udpPort} outside to UDP ${udpPort} of ${local}`,
  )];
}
