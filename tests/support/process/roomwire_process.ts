/**
 * One Roomwire server as a child process on free loopback ports, started the way an operator does:
 * the `start` task's own permission flags and a YAML configuration. `ROOMWIRE_EXECUTABLE` names a
 * compiled executable to test instead.
 *
 * @module
 */
import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import { stringify } from "yaml";
import type { SrtpProfile } from "../../../lib/transport/srtp/srtp_keys.ts";
import { eventually } from "./eventually.ts";
import { TEST_NATIVE, TEST_WORKERS } from "../wire/test_engine.ts";

/** The only API key of a test server. */
export const TEST_KEY = "devkey";
/** Its secret; long enough for every server's strength check. */
export const TEST_SECRET = "secret-of-the-end-to-end-tests-0123456789";

const PROJECT_ROOT = new URL("../../../", import.meta.url);
const LOOPBACK = "127.0.0.1";
/** `main.ts` with a message border that clones, as two threads would. */
const PROGRAM = "tests/support/process/cloned_main.ts";
/** The same for one that shares rooms with others. */
const NODE_PROGRAM = "tests/support/process/cloned_node_main.ts";
/** The same with native SRTP and one profile, its first argument. */
const NATIVE_SRTP_PROGRAM = "tests/support/process/native_srtp_main.ts";
/** Output lines kept for a failing test. */
const LOG_LINES_KEPT = 80;
/** Process start to a healthy answer; a cold start compiles every module. */
const READY_DEADLINE_MS = 45_000;
/** What the server promises between a signal and its exit. */
const EXIT_DEADLINE_MS = 5_000;
/** A port that is free when it is drawn may be taken when the server comes to it. */
const START_ATTEMPTS = 3;
const PORT_TAKEN = "Cannot listen on";

export interface RoomwireOptions {
  /** More command line flags, for instance `--dev`. */
  readonly flags?: readonly string[];
  /**
   * Address for HTTP and media, and the only one advertised to clients. By default HTTP listens on
   * 127.0.0.1 and media is advertised there and on the machine's first other address.
   */
  readonly address?: string;
  /** A folder that the server may write to; by itself it may write nowhere. */
  readonly writes?: string;
  /** A program that the server may run; by itself it may run none. */
  readonly runs?: string;
  /**
   * V8 collects its old heap as early as it does by itself, and not as the start task has it: where
   * a heap is looked at for what stays in it, garbage is to go soon.
   */
  readonly collectsEarly?: boolean;
  /** Merged over the test configuration, LiveKit's YAML key names. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Native SRTP with this profile as the only one; by default what the program chooses. */
  readonly nativeSrtpProfile?: SrtpProfile;
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another program instead, with its first arguments. */
  readonly program?: ProgramToRun;
  /** Where to run it, for instance in a network namespace of its own. */
  readonly place?: ServerPlace;
}

/** A place with ports of its own. */
export interface ServerPlace {
  /** Free there. */
  readonly ports: RoomwireProcess["ports"];
  /** Argument list that runs a program there. */
  command(program: string, ...args: readonly string[]): string[];
}

/** Ports of one's own in this network namespace. */
export function placeHere(ports: ServerPlace["ports"]): ServerPlace {
  return { ports, command: (...words) => words };
}

/** A server program that is not this project's own `main.ts`. */
export interface ProgramToRun {
  /** The program itself and its first arguments. */
  readonly command: readonly string[];
  readonly cwd: string | URL;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running server. Dispose it to stop it. */
export interface RoomwireProcess extends AsyncDisposable {
  /** `ws://…`, for SDKs. */
  readonly url: string;
  /** `http://…`, without a trailing slash. */
  readonly httpUrl: string;
  /** `udp` is the first of as many as there are workers. */
  readonly ports: { readonly http: number; readonly tcp: number; readonly udp: number };
  readonly pid: number;
  /** The last lines of its output. */
  logTail(): string;
  /** Its exit, whenever it comes. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Sends a signal. */
  kill(signal: Deno.Signal): void;
  /**
   * Sends SIGTERM, unless it has ended, and waits; rejects when it does not exit within 5 s (then
   * it is killed).
   */
  stop(): Promise<Deno.CommandStatus>;
}

/** Servers of this process, also those that have ended since {@linkcode forgetEndedServers}. */
const servers = new Map<RoomwireProcess, { ended: boolean }>();

/** Their last lines, for the message of a failing test. */
export function serverOutput(): Record<string, string[]> {
  return Object.fromEntries(
    [...servers].map(([{ ports, logTail }, { ended }]) => [
      `the server on port ${ports.http}${ended ? ", which has ended" : ""}`,
      logTail().split("\n"),
    ]),
  );
}

/** The output of servers that have ended is of no interest any more. */
export function forgetEndedServers(): void {
  for (const [server, { ended }] of servers) if (ended) servers.delete(server);
}

/**
 * Starts a server and resolves when it answers on `/`. If somebody else has taken a port meanwhile,
 * says so and draws others.
 *
 * @throws {Error} with the server's output when it exits early or does not become healthy.
 */
export async function startRoomwire(options: RoomwireOptions = {}): Promise<RoomwireProcess> {
  for (let attempt = 1;; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      const taken = error instanceof Error && error.message.includes(PORT_TAKEN);
      if (!taken || attempt === START_ATTEMPTS) throw error;
      console.log(`A port was taken meanwhile (attempt ${attempt}); starting on others`);
    }
  }
}

async function start(options: RoomwireOptions): Promise<RoomwireProcess> {
  const address = options.address ?? LOOPBACK;
  const ports = options.place?.ports ?? await freePorts(address);
  const config = configFor(options.address, ports, options.config ?? {});
  const { command, cwd, env = {} } = options.program ?? {
    command: await serverCommand(options, "redis" in config),
    cwd: PROJECT_ROOT,
  };
  const [first, ...others] = command;
  const [program, ...programArgs] = options.place?.command(first!, ...others) ?? command;
  const child = new Deno.Command(program!, {
    args: [...programArgs, "--config-body", stringify(config), ...(options.flags ?? [])],
    cwd,
    env: { ...options.env, ...env },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const drained = Promise.all([keepLines(child.stdout, lines), keepLines(child.stderr, lines)]);
  let status: Deno.CommandStatus | undefined;
  child.status.then((exited) => status = exited);

  const httpUrl = `http://${address}:${ports.http}`;
  const server: RoomwireProcess = {
    url: `ws://${address}:${ports.http}`,
    httpUrl,
    ports,
    pid: child.pid,
    logTail: () => lines.join("\n"),
    status: child.status,
    kill: (signal) => child.kill(signal),
    async stop() {
      if (!status) child.kill("SIGTERM");
      const exited = await within(child.status, EXIT_DEADLINE_MS);
      if (!exited) {
        child.kill("SIGKILL");
        await child.status;
      }
      await drained;
      standing.ended = true;
      if (!exited) throw new Error("The server did not exit within 5 s of SIGTERM");
      return exited;
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
    },
  };
  const standing = { ended: false };
  servers.set(server, standing);
  try {
    await untilHealthy(httpUrl, () => status);
  } catch (error) {
    await server.stop().catch(() => {});
    throw new Error(`The server did not start; its output:\n${lines.join("\n")}`, { cause: error });
  }
  return server;
}

async function freePorts(address: string): Promise<RoomwireProcess["ports"]> {
  const http = await freeTcpPort(address);
  return {
    http,
    tcp: await freeTcpPort(address, http),
    udp: await freeUdpPorts(address, Math.max(1, TEST_WORKERS)),
  };
}

async function untilHealthy(
  httpUrl: string,
  status: () => Deno.CommandStatus | undefined,
): Promise<void> {
  await eventually("the server's health answer or its exit", async () => {
    if (status()) return true;
    const response = await fetch(`${httpUrl}/`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  }, { deadlineMs: READY_DEADLINE_MS });
  const exited = status();
  if (exited) throw new Error(`It exited with status ${exited.code}`);
}

function configFor(
  address: string | undefined,
  ports: RoomwireProcess["ports"],
  extra: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { rtc, ...rest } = extra;
  return {
    port: ports.http,
    bind_addresses: [address ?? LOOPBACK],
    keys: { [TEST_KEY]: TEST_SECRET },
    workers: TEST_WORKERS,
    // A test that ends has clients that do not leave.
    drain_timeout: "0s",
    ...(TEST_NATIVE === undefined ? {} : { native: TEST_NATIVE }),
    rtc: {
      udp_port: TEST_WORKERS < 2 ? ports.udp : `${ports.udp}-${ports.udp + TEST_WORKERS - 1}`,
      tcp_port: ports.tcp,
      // Without an address of its own the server advertises the machine's first one beside
      // loopback: Firefox gathers no loopback candidates, so it never pairs with 127.0.0.1. Not all
      // of them: other tests make some, and take them away.
      node_ip: address ?? firstAddress(),
      // Told of the loopback alone, it would advertise all of them beside it.
      ...(address === LOOPBACK
        ? { ips: { includes: [LOOPBACK, firstAddress()].filter(Boolean) } }
        : {}),
      enable_loopback_candidate: true,
      ...(rtc as Record<string, unknown> | undefined),
    },
    ...rest,
  };
}

/** The first of this machine's IPv4 addresses that are no loopback; empty if there is none. */
function firstAddress(): string {
  const outside = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.") && !address.startsWith("169.254.")
  );
  return outside?.address ?? "";
}

/** The chosen executable, or the program under the start task's own permission flags. */
async function serverCommand(
  { nativeSrtpProfile, writes, runs, collectsEarly = false }: RoomwireOptions,
  isNode: boolean,
): Promise<string[]> {
  const executable = Deno.env.get("ROOMWIRE_EXECUTABLE");
  if (executable && nativeSrtpProfile === undefined) return [executable];
  const folder = [
    ...(writes === undefined ? [] : [`--allow-write=${writes}`]),
    ...(runs === undefined ? [] : [`--allow-run=${runs}`]),
  ];
  const flags = (await startingFlags())
    .map((flag) => collectsEarly ? flag.replace(/--initial-old-space-size=\d+,/, "") : flag);
  const command = [Deno.execPath(), ...flags, ...folder];
  if (nativeSrtpProfile === undefined) return [...command, isNode ? NODE_PROGRAM : PROGRAM];
  return [...command, "--allow-ffi", NATIVE_SRTP_PROGRAM, String(nativeSrtpProfile)];
}

/** What `deno` is given by the start task before `main.ts`; installing comes before that. */
export async function startingFlags(): Promise<string[]> {
  const words = (await projectTask("start")).split("&& ").at(-1)!.trim().split(/\s+/);
  const script = words.indexOf("main.ts");
  if (words[0] !== "deno" || script < 0) throw new Error("The start task does not run main.ts");
  return words.slice(1, script);
}

/** The command line of one of the project's tasks. */
export async function projectTask(name: string): Promise<string> {
  const project = JSON.parse(await Deno.readTextFile(new URL("deno.json", PROJECT_ROOT)));
  return String(project.tasks[name]);
}

async function keepLines(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    for (const line of text.split("\n")) if (line !== "") lines.push(line);
    if (lines.length > LOG_LINES_KEPT) lines.splice(0, lines.length - LOG_LINES_KEPT);
  }
}

/** The promise's value, or `undefined` after `ms`. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const timeout = AbortSignal.timeout(ms);
  const late = new Promise<undefined>((resolve) => {
    timeout.addEventListener("abort", () => resolve(undefined));
  });
  return await Promise.race([promise, late]);
}

/**
 * Ports are drawn from below the range that systems give to outgoing connections (from 32768 on),
 * or a connection could take one between the probe and the server's start.
 */
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;
const PORT_ATTEMPTS = 50;

/** A TCP port nobody listened on a moment ago, and not `taken`. */
export function freeTcpPort(address: string, taken?: number): Promise<number> {
  return freePort((port) =>
    new Promise((resolve, reject) => {
      if (port === taken) return reject(new Error("taken"));
      const probe = createServer();
      probe.once("error", reject);
      probe.listen(port, address, () => probe.close(() => resolve()));
    })
  );
}

/** A UDP port nobody was bound to a moment ago. */
export function freeUdpPort(address: string): Promise<number> {
  return freeUdpPorts(address, 1);
}

/** The first of `count` UDP ports in a row that nobody was bound to a moment ago. */
export function freeUdpPorts(address: string, count: number): Promise<number> {
  const probeOne = (port: number) =>
    new Promise<void>((resolve, reject) => {
      const probe = createSocket("udp4");
      probe.once("error", reject);
      probe.bind(port, address, () => probe.close(() => resolve()));
    });
  return freePort(async (port) => {
    for (let index = 0; index < count; index++) await probeOne(port + index);
  });
}

async function freePort(tryPort: (port: number) => Promise<void>): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    try {
      await tryPort(port);
      return port;
    } catch {
      // Somebody has it; another one will be free.
    }
  }
  throw new Error(`Found no free port in ${PORT_ATTEMPTS} attempts`);
}
