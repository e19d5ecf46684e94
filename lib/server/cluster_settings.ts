/**
 * What the configuration says of a cluster: where its directory is, and how nodes reach each other
 * and prove that they belong together.
 *
 * Contract: every key is read whether or not there is a cluster, so that all of them count as known
 * (`config_effects.ts`). Nothing is connected here, and nothing of the cluster loaded.
 *
 * @module
 */
import { hkdfSync } from "node:crypto";
import { SfuError } from "../base/errors.ts";
import type { RedisOptions, RedisTls } from "../cluster/directory/redis_connection.ts";
import { type ConfigSources, processSources, readOrExplain } from "./config/config_loading.ts";
import type { Config } from "./config/config_parsing.ts";
import { keyMaterial } from "./config/key_material.ts";
import { tlsPlan } from "./tls_settings.ts";

/** An attempt to connect takes no longer unless `redis.dial_timeout` says so, ms. */
const DIAL_TIMEOUT_MS = 2_000;
/** Leases have to outlast a heartbeat that is late, and one that is lost, ms. */
const MIN_LEASE_MS = 1_000;
const SECRET_BYTES = 32;
/** Whoever has overheard a token could guess a shorter secret: strangers reach the same port. */
const MIN_SECRET_CHARACTERS = 32;

/** What nodes need of each other, but for the directory. */
export interface ClusterSettings {
  /** Known to nodes alone. */
  readonly secret: Uint8Array;
  /** At which other nodes reach this one's `/cluster`. */
  readonly linkAddress: string;
  /** The same at another of its addresses; absent if somebody has said where. */
  readonly linkAt?: (host: string) => string;
  readonly leaseMs: number;
  /** At which clients reach this node; empty if nobody has said. */
  readonly clientAddress: string;
  /** Newcomers are carried to a node of the region that serves their room already. */
  readonly gathersRooms: boolean;
  /** Where regions are, as far as somebody has said. */
  readonly places: readonly { readonly name: string; readonly lat: number; readonly lon: number }[];
}

/**
 * How nodes reach each other. Without `cluster.secret` it is made of all API keys, so that nodes
 * with the same keys have the same one.
 *
 * @param addresses What this node advertises, the first one first.
 * @throws {SfuError} `invalid_config`.
 */
export function clusterSettings(config: Config, addresses: readonly string[]): ClusterSettings {
  const { secret, link_address, client_address, lease, gather_rooms } = config.cluster;
  const { port, node_selector: { regions } } = config;
  if (lease < MIN_LEASE_MS) {
    throw new SfuError("invalid_config", "cluster.lease: expected 1s or more");
  }
  if (secret !== "" && secret.length < MIN_SECRET_CHARACTERS) {
    throw new SfuError(
      "invalid_config",
      `cluster.secret: expected ${MIN_SECRET_CHARACTERS} characters or more`,
    );
  }
  const linkAt = (host: string) => linkAddress(host, port);
  return {
    secret: secret === "" ? derivedSecret(config.keys) : new TextEncoder().encode(secret),
    ...(link_address === ""
      ? { linkAddress: linkAt(addresses[0] ?? "127.0.0.1"), linkAt }
      : { linkAddress: checked("link_address", link_address) }),
    leaseMs: lease,
    clientAddress: client_address === "" ? "" : withoutSlash(
      checked("client_address", client_address),
    ),
    gathersRooms: gather_rooms,
    places: regions.map(({ name, lat, lon }) => ({ name, lat, lon })),
  };
}

/** What a directory in Redis is opened with. */
export interface DirectorySettings {
  readonly redis: RedisOptions;
  /** Before every name. */
  readonly prefix: string;
  readonly leaseMs: number;
}

/**
 * Whether a directory is named: else this node is alone.
 *
 * @throws {SfuError} `invalid_config`.
 */
export function namesDirectory({ redis }: Pick<Config, "redis">): boolean {
  return redisMode(redis) !== undefined;
}

/**
 * The directory that `redis` names; absent without one, for a node that is alone.
 *
 * @throws {SfuError} `invalid_config`, `unreadable_file`.
 */
export function directorySettings(
  config: Config,
  sources: Pick<ConfigSources, "readFile"> = processSources,
): DirectorySettings | undefined {
  const options = redisOptions(config.redis, sources);
  const { prefix, lease } = config.cluster;
  if (/[{}]/.test(prefix)) {
    throw new SfuError("invalid_config", 'cluster.prefix: expected text without "{" and "}"');
  }
  const isNamed = config.cluster.link_address !== "";
  if (options === undefined) return undefined;
  // Other nodes dial by a name that is in the certificate.
  if (!isNamed && tlsPlan(config)?.port === 0) {
    throw new SfuError(
      "invalid_config",
      "cluster.link_address: expected the wss:// address of this node, as port speaks TLS; " +
        "or set tls.port, and it does not",
    );
  }
  return { redis: options, prefix, leaseMs: lease };
}

/**
 * How the Redis that the configuration names is reached; absent without one.
 *
 * @throws {SfuError} `invalid_config`, `unreadable_file`.
 */
export function redisOptions(
  redis: Config["redis"],
  sources: Pick<ConfigSources, "readFile">,
): RedisOptions | undefined {
  const mode = redisMode(redis);
  const { username, password, db, use_tls, dial_timeout } = redis;
  const tls = redisTls(redis, mode !== undefined, sources);
  if (mode === undefined) return undefined;
  return {
    mode,
    username,
    password,
    database: db,
    tls: tls ?? (use_tls ? PLAIN_TLS : undefined),
    dialTimeoutMs: dial_timeout === 0 ? DIAL_TIMEOUT_MS : dial_timeout,
  };
}

/** Sentinels win over a cluster, and that over an address, as in LiveKit's server. */
function redisMode(redis: Config["redis"]): RedisOptions["mode"] | undefined {
  const { address, sentinel_master_name, sentinel_addresses, cluster_addresses } = redis;
  const { sentinel_username, sentinel_password, max_redirects } = redis;
  const addresses = [...sentinel_addresses];
  const nodes = [...cluster_addresses];
  if (addresses.length > 0) {
    if (sentinel_master_name === "") {
      throw new SfuError("invalid_config", "redis.sentinel_master_name: expected a name");
    }
    return {
      kind: "sentinel",
      master: sentinel_master_name,
      addresses,
      username: sentinel_username,
      password: sentinel_password,
    };
  }
  if (nodes.length > 0) return { kind: "cluster", addresses: nodes, maxRedirects: max_redirects };
  return address === "" ? undefined : { kind: "single", address };
}

/** With the system's certificates, as `redis.use_tls` asked for before there was `redis.tls`. */
const PLAIN_TLS: RedisTls = {
  insecure: false,
  serverName: "",
  ca: "",
  clientCert: "",
  clientKey: "",
};

function redisTls(
  redis: Config["redis"],
  isUsed: boolean,
  sources: Pick<ConfigSources, "readFile">,
): RedisTls | undefined {
  const { enabled, insecure, server_name } = redis.tls;
  const { ca_cert_file, client_cert_file, client_key_file } = redis.tls;
  if ((client_cert_file === "") !== (client_key_file === "")) {
    throw new SfuError(
      "invalid_config",
      "redis.tls: expected both client_cert_file and client_key_file, or neither",
    );
  }
  if (!enabled || !isUsed) return undefined;
  const read = (path: string) => path === "" ? "" : readOrExplain(path, sources).text;
  return {
    insecure,
    serverName: server_name,
    ca: read(ca_cert_file),
    clientCert: read(client_cert_file),
    clientKey: read(client_key_file),
  };
}

/** The same for all nodes that have the same keys. */
function derivedSecret(keys: Readonly<Record<string, string>>): Uint8Array {
  const made = hkdfSync("sha256", keyMaterial(keys), "", "roomwire cluster", SECRET_BYTES);
  return new Uint8Array(made);
}

function linkAddress(address: string, port: number): string {
  return `ws://${address.includes(":") ? `[${address}]` : address}:${port}/cluster`;
}

function withoutSlash(address: string): string {
  return address.endsWith("/") ? address.slice(0, -1) : address;
}

function checked(key: string, address: string): string {
  const url = URL.parse(address);
  if (url === null || !["ws:", "wss:"].includes(url.protocol)) {
    throw new SfuError(
      "invalid_config",
      `cluster.${key}: expected a ws:// or wss:// address, got "${address}"`,
    );
  }
  return url.href;
}
