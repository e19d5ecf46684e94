/**
 * The server that a load is put on: this project's own, started as an operator starts it, or any
 * other that speaks LiveKit's protocol and runs on this machine.
 *
 * @module
 */
import {
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../../tests/support/process/roomwire_process.ts";
import type { ServerAccess } from "./loads_calls.ts";

const LOOPBACK = "127.0.0.1";
const ROOT = new URL("../../", import.meta.url);
const PROFILED = "bench/real_loads/profiled_main.ts";

/** A server that is up. */
export interface ServerUnderLoad extends AsyncDisposable {
  /** `roomwire`, `portable` or `peer`. */
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
export function roomwire(engine: "native" | "portable"): ServerChoice {
  const name = engine === "native" ? "roomwire" : "portable";
  return { name, start: (flags) => startOwn(name, engine, flags) };
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
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const words = String(tasks.start).split(/\s+/);
  const [runtime, main] = [words.slice(1, words.indexOf("main.ts")), "main.ts"];
  const isProfiled = flags.some((flag) => flag.startsWith("--cpu-prof"));
  const program = {
    command: [Deno.execPath(), ...runtime, ...flags, isProfiled ? PROFILED : main],
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
