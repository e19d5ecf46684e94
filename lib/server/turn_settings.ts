/**
 * The TURN server that the configuration asks for, and what clients are told of it and of others.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { SfuError } from "../base/errors.ts";
import type { Platform } from "../base/platform.ts";
import { everyAddress, withoutWildcards } from "../engine/messages/listen_address.ts";
import type { IceServerInfo } from "../room/context/ice_preference.ts";
import type { TurnOffer } from "../room/context/turn_offer.ts";
import type { TurnSetup } from "../transport/turn/turn_listeners.ts";
import { turnCredentials } from "../transport/turn/turn_credentials.ts";
import { formatIpAddress, parseIpAddress } from "../wire/ip_address.ts";
import { type IpNetwork, isInNetwork, parseIpNetwork } from "../wire/ip_network.ts";
import type { Config } from "./config/config_parsing.ts";
import { proxyRules } from "./proxy_rules.ts";
import type { MediaListeners } from "./media_listeners.ts";
import { MACHINE_FILES, type NamedFiles, WatchedCertificate } from "./watched_certificate.ts";

/** Seconds; LiveKit's defaults, that of other servers for a key that is not set, and limit. */
const DEFAULT_TTL = 300;
const OTHERS_TTL = 14_400;
const MAX_TTL = 86_400;
/** Where clients look for TURN over TLS, whatever port it is here. */
const PUBLIC_TLS_PORT = 443;
/** Addresses of this node that are remembered; it has few at a time. */
const MAX_KNOWN_ADDRESSES = 64;
const DOMAIN = /^(?=.{1,253}$)(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z][a-z\d-]{0,61}[a-z\d]$/i;

/**
 * The TURN server of this node; `undefined` if none is enabled.
 *
 * @param hosts The literal addresses that clients are shown now.
 * @throws {SfuError} `invalid_config` for what cannot work.
 */
export function turnSetup(
  config: Config,
  listeners: Pick<MediaListeners, "addressRule" | "udpOf" | "spareUdp">,
  hosts: () => readonly string[],
  platform: Platform,
  files: NamedFiles = MACHINE_FILES,
): TurnSetup | undefined {
  const { keys } = config;
  const turn = turnKeys(config);
  if (!turn.enabled) return undefined;
  refuseUnusable(turn);
  const { addressRule, udpOf, spareUdp } = listeners;
  const denied = turn.deny_peer_cidrs.map(networkOf);
  // Nobody needs them: the only peer is this node itself. A typing error is still one.
  turn.allow_restricted_peer_cidrs.forEach(networkOf);
  // Who relays to an address that clients were shown before goes on: nothing is ever sent there.
  const known = new Set<string>();
  const own = onChange(hosts, (advertised) => {
    const allowed = advertised.flatMap((text) => parseIpAddress(text) ?? [])
      .filter((address) => !denied.some((network) => isInNetwork(network, address)));
    for (const address of allowed.map(formatIpAddress)) {
      known.delete(address);
      known.add(address);
    }
    for (const oldest of known) if (known.size > MAX_KNOWN_ADDRESSES) known.delete(oldest);
    return known;
  });
  const ports = new Set([...udpOf, ...spareUdp].flat().map(({ port }) => port));
  const on = (port: number) =>
    port === 0 ? [] : turn.bind_addresses.map((hostname) => ({ hostname, port }));
  const secrets = new Map(Object.entries(keys));
  return {
    listen: {
      udp: everyAddress(on(turn.udp_port), { addressRule }),
      streams: withoutWildcards(on(turn.tls_port), { addressRule }),
    },
    relayed: hosts,
    allocationsPerParticipant: Math.max(0, turn.per_user_relay_allocation_limit),
    secretOf: (apiKey) => secrets.get(apiKey),
    proxies: proxyRules(config).turn,
    isOwn: (address, port) => own().has(address) && (port === 0 || ports.has(port)),
    ...(turn.tls_port === 0 || turn.external_tls
      ? {}
      : { certificate: new WatchedCertificate("turn", turn, platform, files) }),
  };
}

/** What follows from a list that is replaced when it changes. */
function onChange<T>(list: () => readonly string[], make: (list: readonly string[]) => T): () => T {
  let of = list();
  let made = make(of);
  return () => {
    if (list() === of) return made;
    of = list();
    return made = make(of);
  };
}

/**
 * What a client is told; `undefined` if there is nothing that depends on who it is.
 *
 * @param hosts The literal addresses that clients are shown now.
 */
export function turnOffer(
  config: Config,
  hosts: () => readonly string[],
  platform: Pick<Platform, "clock">,
  files: NamedFiles = MACHINE_FILES,
): TurnOffer | undefined {
  const { keys, rtc: { turn_servers } } = config;
  const turn = turnKeys(config);
  const others = turn_servers.map((server) => ({ server, secret: secretOf(server, files) }));
  const [apiKey, secret] = Object.entries(keys)[0] ?? [];
  const ownOf = onChange(hosts, (advertised) => turn.enabled ? ownUrls(turn, advertised) : []);
  const urls = ownOf();
  if (urls.length === 0 && turn_servers.length === 0) return undefined;
  const ttl = ttlOf(turn.ttl_seconds);
  return {
    offersTls: urls.some((url) => url.startsWith("turns:")) ||
      turn_servers.some(({ protocol }) => protocol === "tls"),
    serversFor(sid) {
      const now = Math.floor(platform.clock.wallMs() / 1000);
      const urls = ownOf();
      const own = urls.length === 0 || apiKey === undefined
        ? []
        : [{ urls, ...turnCredentials({ apiKey, sid, expiresAt: now + ttl }, secret!) }];
      return [
        ...own,
        ...others.map(({ server, secret }) => othersServer(server, secret, sid, now)),
      ];
    },
  };
}

/** All of them, so that it is known which are read. */
function turnKeys({ turn }: Config) {
  return {
    enabled: turn.enabled,
    domain: turn.domain,
    tls_port: turn.tls_port,
    udp_port: turn.udp_port,
    external_tls: turn.external_tls,
    cert_file: turn.cert_file,
    key_file: turn.key_file,
    bind_addresses: turn.bind_addresses,
    per_user_relay_allocation_limit: turn.per_user_relay_allocation_limit,
    ttl_seconds: turn.ttl_seconds,
    allow_restricted_peer_cidrs: turn.allow_restricted_peer_cidrs,
    deny_peer_cidrs: turn.deny_peer_cidrs,
  };
}

type TurnKeys = ReturnType<typeof turnKeys>;
type OtherServer = Config["rtc"]["turn_servers"][number];

/**
 * What `rtc.turn_servers` says of a secret; empty if there is none.
 *
 * @throws {SfuError} `invalid_config` if its file is empty, cannot be read, or can be by everybody.
 */
function secretOf({ secret, secret_file }: OtherServer, files: NamedFiles): string {
  if (secret.trim() !== "" || secret_file === "") return secret.trim();
  let text: string;
  let mode: number | null | undefined;
  try {
    mode = files.modeOf?.(secret_file);
    text = files.read(secret_file).trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SfuError("invalid_config", `rtc.turn_servers: secret_file: ${reason}`);
  }
  const fault = ((mode ?? 0) & 0o007) !== 0
    ? "others permissions must be set to 0"
    : text === ""
    ? `"${secret_file}" is empty`
    : undefined;
  if (fault === undefined) return text;
  throw new SfuError("invalid_config", `rtc.turn_servers: secret_file: ${fault}`);
}

function ownUrls(turn: TurnKeys, advertised: readonly string[]): string[] {
  const host = (address: string) => address.includes(":") ? `[${address}]` : address;
  return [
    ...(turn.udp_port === 0
      ? []
      : advertised.map((address) => `turn:${host(address)}:${turn.udp_port}?transport=udp`)),
    ...(turn.tls_port === 0 ? [] : [`turns:${turn.domain}:${PUBLIC_TLS_PORT}?transport=tcp`]),
  ];
}

/** One of `rtc.turn_servers`; those with a secret get credentials as coturn checks them. */
function othersServer(
  server: OtherServer,
  secret: string,
  sid: string,
  now: number,
): IceServerInfo {
  const { host, port, protocol } = server;
  const scheme = protocol === "tls" ? "turns" : "turn";
  const transport = protocol === "udp" ? "udp" : "tcp";
  const urls = [`${scheme}:${host}:${port}?transport=${transport}`];
  if (secret === "") return { urls, username: server.username, credential: server.credential };
  const username = `${now + ttlOf(server.ttl === 0 ? OTHERS_TTL : server.ttl)}:${sid}`;
  return {
    urls,
    username,
    credential: createHmac("sha1", secret).update(username).digest("base64"),
  };
}

/** For how long credentials are made that were to last so long, seconds. */
function ttlOf(seconds: number): number {
  return seconds <= 0 ? DEFAULT_TTL : Math.min(MAX_TTL, seconds);
}

function refuseUnusable(turn: TurnKeys): void {
  const problems = [
    turn.udp_port === 0 && turn.tls_port === 0 && "turn: set udp_port, tls_port or both",
    turn.tls_port !== 0 && !DOMAIN.test(turn.domain) &&
    `turn.domain: expected the name that turn.tls_port is reached by; got "${turn.domain}"`,
    turn.tls_port !== 0 && !turn.external_tls && (turn.cert_file === "" || turn.key_file === "") &&
    "turn.cert_file and turn.key_file: needed for turn.tls_port without turn.external_tls",
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new SfuError("invalid_config", problems.join("\n"));
}

function networkOf(text: string): IpNetwork {
  const network = parseIpNetwork(text);
  if (network === undefined) {
    throw new SfuError("invalid_config", `turn: expected a network like 10.0.0.0/8; got "${text}"`);
  }
  return network;
}
