/**
 * What a crowd's arrival, a signalling message and an idle participant cost a whole
 * server, measured at the server's process alone.
 *
 * @module
 */
import { runtimeFlags } from "../runtime_flags.ts";
import { BenchChild } from "../bench_child.ts";
import type { ServerAccess } from "../real_loads/loads_calls.ts";
import type { ParticipantCalls, RequestKind, ServerCalls } from "./control_calls.ts";

/** Participants that arrive at once. */
const CROWD = 50;
/** A newcomer without media after this long counts as failed, ms. */
const ARRIVAL_LIMIT_MS = 20_000;
/** Idle participants: {@linkcode ROOMS} rooms of {@linkcode ROOM_SIZE}. */
const ROOMS = 20;
const ROOM_SIZE = 10;
/** Length of each window in which requests are sent, ms. */
const WINDOW_MS = 3_000;
/** For what goes on after everybody has joined or left, ms. */
const SETTLE_MS = 1_500;
/**
 * How long nobody shows that it is there, ms: less than what the server takes for an interruption.
 */
const SILENCE_MS = 7_000;
/** The next keepalives come within this, ms. */
const HEARD_AGAIN_MS = 2_500;
/** Everything here, ms. */
const LIMIT_MS = 80_000;

/**
 * Requests per second: enough to show beside an idle server's timers, and no more than half a core.
 */
const REQUESTS: Readonly<Record<RequestKind, number>> = { ping: 2_000, metadata: 200, mute: 400 };

/** What is told of it. */
export interface ControlFigures {
  readonly crowd: {
    readonly size: number;
    readonly failures: readonly string[];
    /** Of those who got media. */
    readonly medianMs: number;
    readonly slowestMs: number;
    /** Joins to first media per second, from the start to the slowest. */
    readonly joinsPerSecond: number;
    /** CPU time of the server for each of them. */
    readonly cpuMicrosPerJoin: number;
  };
  readonly requests: readonly {
    readonly kind: RequestKind;
    readonly sent: number;
    /** Above what the server uses without requests. */
    readonly cpuMicros: number;
  }[];
  readonly idle: {
    readonly participants: number;
    readonly rssBytes: number;
    readonly heapBytes: number;
    /** CPU time per participant and second. */
    readonly cpuMicros: number;
    /** The same while nobody shows that it is there: what is beside keepalives. */
    readonly silentCpuMicros: number;
  };
}

type Server = BenchChild<ServerCalls>;
type Participants = BenchChild<ParticipantCalls>;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Measures all of it with one server.
 *
 * @throws {Error} if it takes longer than its limit, or nobody of the crowd gets media.
 */
export async function measureControlPlane(): Promise<ControlFigures> {
  await using server = new BenchChild<ServerCalls>(
    "control/server_process.ts",
    await runtimeFlags(),
  );
  await using participants = new BenchChild<ParticipantCalls>("control/participants_process.ts");
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    server.kill();
    participants.kill();
  }, LIMIT_MS);
  try {
    const access = await server.call("listen", {});
    const crowd = await measureCrowd(server, participants, access);
    return { crowd, ...await measureIdleAndRequests(server, participants, access.url) };
  } catch (error) {
    throw isLate ? new Error(`not done after ${LIMIT_MS / 1000} s`) : error;
  } finally {
    clearTimeout(limit);
  }
}

async function measureCrowd(
  server: Server,
  participants: Participants,
  access: ServerAccess,
): Promise<ControlFigures["crowd"]> {
  // One small crowd first: V8 compiles the way in.
  for (const [room, size] of [["warm-up", CROWD / 5], ["crowd", CROWD]] as const) {
    await participants.call("publish", { server: access, room, every: 1 });
    const before = await server.call("usage", { collect: false });
    const { firstMediaMs, failures, wallMs } = await participants.call("arrive", {
      server: access,
      rooms: [room],
      count: size,
      atOnce: size,
      limitMs: ARRIVAL_LIMIT_MS,
    });
    const after = await server.call("usage", { collect: false });
    await participants.call("leave", {});
    if (size < CROWD) continue;
    const times = firstMediaMs.toSorted((a, b) => a - b);
    if (times.length === 0) throw new Error(`nobody of ${CROWD} got media: ${failures[0]}`);
    const slowestMs = times.at(-1)!;
    return {
      size: CROWD,
      failures,
      medianMs: times[times.length >> 1]!,
      slowestMs,
      joinsPerSecond: times.length / wallMs * 1000,
      cpuMicrosPerJoin: (after.cpuMicros - before.cpuMicros) / times.length,
    };
  }
  throw new Error("unreachable");
}

async function measureIdleAndRequests(
  server: Server,
  participants: Participants,
  url: string,
): Promise<Pick<ControlFigures, "idle" | "requests">> {
  await pause(SETTLE_MS);
  const empty = await server.call("usage", { collect: true });
  const alone = await cpuOf(server, () => pause(WINDOW_MS)) / WINDOW_MS;
  const { connected } = await participants.call("gather", {
    url,
    rooms: ROOMS,
    perRoom: ROOM_SIZE,
  });
  await pause(SETTLE_MS);
  const full = await server.call("usage", { collect: true });
  const quiet = await cpuOf(server, () => pause(WINDOW_MS));
  await participants.call("keepAlive", { on: false });
  const silent = await cpuOf(server, () => pause(SILENCE_MS)) / SILENCE_MS;
  await participants.call("keepAlive", { on: true });
  await pause(HEARD_AGAIN_MS);
  const idle = {
    participants: connected,
    rssBytes: (full.rssBytes - empty.rssBytes) / connected,
    heapBytes: (full.heapBytes - empty.heapBytes) / connected,
    cpuMicros: quiet / WINDOW_MS * 1000 / connected,
    // Of its own a server has some timers, too.
    silentCpuMicros: Math.max(0, silent - alone) * 1000 / connected,
  };
  const requests = [
    await measureRequest(server, participants, "ping", quiet),
    await measureRequest(server, participants, "metadata", quiet),
  ];
  await participants.call("publishAudio", {});
  await pause(SETTLE_MS);
  const withAudio = await cpuOf(server, () => pause(WINDOW_MS));
  requests.push(await measureRequest(server, participants, "mute", withAudio));
  return { idle, requests };
}

async function measureRequest(
  server: Server,
  participants: Participants,
  kind: RequestKind,
  quietMicros: number,
): Promise<ControlFigures["requests"][number]> {
  const options = { kind, perSecond: REQUESTS[kind], ms: WINDOW_MS };
  let sent = 0;
  const busyMicros = await cpuOf(server, async () => {
    sent = (await participants.call("request", options)).sent;
  });
  return { kind, sent, cpuMicros: (busyMicros - quietMicros) / sent };
}

/** CPU time of the server while `work` goes on. */
async function cpuOf(server: Server, work: () => Promise<unknown>): Promise<number> {
  const before = await server.call("usage", { collect: false });
  await work();
  return (await server.call("usage", { collect: false })).cpuMicros - before.cpuMicros;
}
