/**
 * One connection to Redis: to a server, to the master that sentinels name, or to a Redis Cluster.
 *
 * Contract: it is whole until `lost` is called, once, and of no use afterwards: it never connects
 * again by itself, so nothing that was asked of it is carried out much later. Commands are sent in
 * order, without waiting for answers.
 *
 * @module
 */
import { createClient, createCluster } from "redis";
import { NODES_TAG, SHARDS, tagged } from "./redis_keys.ts";
import { list, type Reply, text } from "./redis_replies.ts";

/** Certificates and names for TLS; PEM. */
export interface RedisTls {
  /** Whether any certificate is taken. */
  readonly insecure: boolean;
  /** Empty: the host's. */
  readonly serverName: string;
  /** Empty: the system's. */
  readonly ca: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Where Redis is and how it is entered. */
export interface RedisOptions {
  readonly mode:
    | { readonly kind: "single"; readonly address: string }
    | {
      readonly kind: "sentinel";
      readonly master: string;
      readonly addresses: readonly string[];
      readonly username: string;
      readonly password: string;
    }
    | {
      readonly kind: "cluster";
      readonly addresses: readonly string[];
      readonly maxRedirects: number;
    };
  readonly username: string;
  readonly password: string;
  /** Not in a cluster, which has one only. */
  readonly database: number;
  readonly tls: RedisTls | undefined;
  /** Connecting takes no longer, ms. */
  readonly dialTimeoutMs: number;
}

/** Sends commands until it is lost. */
export interface RedisConnection {
  /** Whether all commands go to one server, and are answered in order. */
  readonly isOneServer: boolean;
  /** @param key One of the command's keys: where it goes in a cluster. */
  send(key: string, command: readonly string[]): Promise<Reply>;
  close(): void;
}

/** The part of the package's clients that is used; its own types know every command there is. */
interface Client {
  on(event: "error" | "end" | "terminated", listener: (error?: unknown) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
}

/**
 * Connects, and finds out that it was to a Redis that takes writes.
 *
 * @param lost Called once the connection has ended by itself.
 * @param signal Ends the attempt.
 * @throws {Error} What was wrong, without addresses.
 */
export async function connectRedis(
  options: RedisOptions,
  prefix: string,
  lost: (cause: unknown) => void,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const { mode, username, password, database } = options;
  if (mode.kind === "cluster") return await connectCluster(options, mode, prefix, lost, signal);
  if (mode.kind === "sentinel") return await connectMaster(options, mode, lost, signal);
  const login = { username, password, database };
  return await connectServer(options, mode.address, login, lost, signal);
}

interface Login {
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

async function connectServer(
  options: RedisOptions,
  address: string,
  login: Login,
  lost: (cause: unknown) => void,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const client = createClient({
    ...clientOptions(options, login),
    socket: { ...socketOptions(options), ...hostAndPort(address) },
    database: login.database,
  });
  const open = await opened(client, lost, signal);
  const send = (command: readonly string[]) => client.sendCommand<Reply>([...command]);
  try {
    // A master that was demoted is still reached under its address, and only reads there.
    const [role] = list(await aborting(send(["ROLE"]), signal));
    if (text(role) === "slave") throw new Error("it is a replica");
  } catch (error) {
    if (!mayGoOn(error)) {
      open.close();
      throw error;
    }
  }
  return { isOneServer: true, send: (_key, command) => send(command), close: open.close };
}

/** Users may be kept from asking for the role, and sentinels have another one. */
function mayGoOn(error: unknown): boolean {
  return error instanceof Error && /^(?:NOPERM|ERR unknown command)/.test(error.message);
}

async function connectCluster(
  options: RedisOptions,
  mode: Extract<RedisOptions["mode"], { kind: "cluster" }>,
  prefix: string,
  lost: (cause: unknown) => void,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const cluster = createCluster({
    rootNodes: mode.addresses.map((address) => ({ socket: hostAndPort(address) })),
    defaults: { ...clientOptions(options, options), socket: socketOptions(options) },
    maxCommandRedirections: mode.maxRedirects,
    minimizeConnections: true,
    RESP: 2,
  });
  const open = await opened(cluster as unknown as Client, lost, signal);
  const send = (key: string, command: readonly string[]) =>
    cluster.sendCommand<Reply>(key, false, [...command]);
  try {
    // Every master is there, or else some rooms could be asked for and others not.
    const tags = [NODES_TAG, ...Array(SHARDS).keys()].map((tag) => tagged(prefix, tag));
    await aborting(Promise.all(tags.map((key) => send(key, ["EXISTS", key]))), signal);
  } catch (error) {
    open.close();
    throw error;
  }
  return { isOneServer: false, send, close: open.close };
}

/**
 * Asks all sentinels at once which server is the master, and connects to each that is named: some
 * sentinels may be gone, or hang, or not have heard yet that there is another.
 */
async function connectMaster(
  options: RedisOptions,
  mode: Extract<RedisOptions["mode"], { kind: "sentinel" }>,
  lost: (cause: unknown) => void,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const enough = new AbortController();
  const both = AbortSignal.any([signal, enough.signal]);
  const named = new Map<string, Promise<RedisConnection>>();
  const attempts = mode.addresses.map(async (address) => {
    const master = await askSentinel(options, mode, address, both);
    const connecting = named.get(master) ?? connectServer(options, master, options, lost, both);
    named.set(master, connecting);
    return await connecting;
  });
  let chosen: RedisConnection | undefined;
  try {
    chosen = await Promise.any(attempts);
    return chosen;
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    enough.abort(new Error("another one has answered"));
    for (const connecting of named.values()) {
      connecting.then((other) => other === chosen || other.close(), () => {});
    }
  }
}

async function askSentinel(
  options: RedisOptions,
  { master, username, password }: Extract<RedisOptions["mode"], { kind: "sentinel" }>,
  address: string,
  signal: AbortSignal,
): Promise<string> {
  const login = { username, password, database: 0 };
  const sentinel = await connectServer(options, address, login, () => {}, signal);
  try {
    const question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master];
    const answer = await aborting(sentinel.send("", question), signal);
    if (answer === null) throw new Error(`sentinels know no master "${master}"`);
    const [host, port] = list(answer);
    return text(host).includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  } finally {
    sentinel.close();
  }
}

/** Connects a client of the package. */
async function opened(
  client: Client,
  lost: (cause: unknown) => void,
  signal: AbortSignal,
): Promise<{ close(): void }> {
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    try {
      client.destroy();
    } catch {
      // It had ended by itself.
    }
  };
  let isConnected = false;
  const ended = (cause?: unknown) => {
    if (!isOpen || !isConnected) return;
    close();
    lost(cause);
  };
  client.on("error", ended);
  client.on("terminated", ended);
  client.on("end", ended);
  try {
    await aborting(client.connect(), signal);
    isConnected = true;
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** Rejects once the signal says so; what comes later is heard by nobody. */
function aborting<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function clientOptions(
  _options: RedisOptions,
  { username, password }: Pick<Login, "username" | "password">,
) {
  return {
    RESP: 2,
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    // What was not sent when the connection ended is asked anew, by who still waits for it.
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: "disabled",
  } as const;
}

function socketOptions({ tls, dialTimeoutMs }: RedisOptions) {
  const common = { connectTimeout: dialTimeoutMs, reconnectStrategy: false } as const;
  if (tls === undefined) return common;
  return {
    ...common,
    tls: true,
    rejectUnauthorized: !tls.insecure,
    ...(tls.serverName === "" ? {} : { servername: tls.serverName }),
    ...(tls.ca === "" ? {} : { ca: tls.ca }),
    ...(tls.clientCert === "" ? {} : { cert: tls.clientCert, key: tls.clientKey }),
  } as const;
}

const DEFAULT_PORT = 6379;

/** `host:port`, `host`, `[::1]:port`. */
function hostAndPort(address: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|(.*?))(?::(\d+))?$/.exec(address) ?? [];
  const host = bracketed ?? plain ?? "";
  return { host: host === "" ? "localhost" : host, port: Number(port ?? DEFAULT_PORT) };
}
