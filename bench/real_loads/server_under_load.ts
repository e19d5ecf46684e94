/**
 * The server that a load is put on: this project's own, started as an operator starts it, or any
 * other that speaks LiveKit's protocol and runs on this machine.
 *
 * @module
 */
import {
  freeTcpPort,
  freeUdpPorts,
  type RoomwireProcess,
  startingFlags,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../../tests/support/process/roomwire_process.ts";
import { TestAuthority } from "../../tests/support/process/certificates.ts";
import type { Reach } from "../load/client_reach.ts";
import type { ServerAccess } from "./loads_calls.ts";

const LOOPBACK = "127.0.0.1";
const TURN_DOMAIN = "turn.example.org";
const ROOT = new URL("../../", import.meta.url);
const PROFILED = "bench/real_loads/profiled_main.ts";

/** A server that is up. */
export interface ServerUnderLoad extends AsyncDisposable {
  /** `roomwire`, `portable` or `peer`, or how its media is reached if not over UDP. */
  readonly name: string;
  readonly access: ServerAccess;
  readonly pid: number;
}

/** Another server: where it is, and the process whose cost is read. */
export interface Peer extends ServerAccess {
  readonly pid: number;
}

/** Starts a server, or finds one. */
export interface ServerChoice {
  readonly name: string;
  readonly start: (flags: readonly string[]) => Promise<ServerUnderLoad>;
}

/** This project's server with the engine of its choice, or the portable one. */
export function roomwire(engine: "native" | "portable", reach: Reach = "udp"): ServerChoice {
  const plain = engine === "native" ? "roomwire" : "portable";
  if (reach === "udp") return { name: plain, start: (flags) => startOwn(plain, engine, flags) };
  const name = engine === "native" ? reach : `${plain} ${reach}`;
  return { name, start: (flags) => startReachedBy(reach, name, engine, flags) };
}

async function startReachedBy(
  reach: Reach,
  name: string,
  engine: "native" | "portable",
  flags: readonly string[],
): Promise<ServerUnderLoad> {
  await using authority = await TestAuthority.make();
  const { certFile, keyFile } = await authority.issue("turn", [`DNS:${TURN_DOMAIN}`]);
  const port = await freeTcpPort(LOOPBACK);
  const server = await startOwn(name, engine, flags, {
    turn: {
      enabled: true,
      udp_port: await freeUdpPorts(LOOPBACK, 1),
      tls_port: port,
      domain: TURN_DOMAIN,
      bind_addresses: [LOOPBACK],
      cert_file: certFile,
      key_file: keyFile,
    },
  });
  const relayTls = { port, certificate: authority.cert };
  return { ...server, access: { ...server.access, reach, relayTls } };
}

/** A server that somebody else started and will stop. */
export function peerServer({ pid, ...access }: Peer): ServerChoice {
  const server = { name: "peer", access, pid, [Symbol.asyncDispose]: async () => {} };
  return { name: server.name, start: () => Promise.resolve(server) };
}

/**
 * Starts this project's server. With a profile its program is another, which ends its workers
 * gently.
 *
 * @param extra Merged over its configuration.
 */
export async function startOwn(
  name: string,
  engine: "native" | "portable",
  flags: readonly string[],
  extra: Readonly<Record<string, unknown>> = {},
): Promise<ServerUnderLoad> {
  const runtime = await startingFlags();
  const isProfiled = flags.some((flag) => flag.startsWith("--cpu-prof"));
  const program = {
    command: [Deno.execPath(), ...runtime, ...flags, isProfiled ? PROFILED : "main.ts"],
    cwd: ROOT,
  };
  const server: RoomwireProcess = await startRoomwire({
    program,
    address: LOOPBACK,
    config: {
      workers: "auto",
      native: engine === "native" ? "auto" : "off",
      // One load is of a stream as fast as it goes.
      limit: { data_messages_per_sec: 0, data_bytes_per_sec: 0 },
      ...extra,
    },
  });
  return {
    name,
    access: { url: server.url, key: TEST_KEY, secret: TEST_SECRET },
    pid: server.pid,
    [Symbol.asyncDispose]: async () => void (await server.stop().catch(() => {})),
  };
}
