/**
 * What each question of a cluster's directory costs Redis, by its own counters: CPU time of its main
 * thread, and bytes in and out. Counters do not depend on what else this machine does, as times
 * would.
 *
 * @module
 */
import type { NodeId, ParticipantSid } from "../../lib/base/ids.ts";
import type {
  Closing,
  ClusterDirectory,
  EnterAnswer,
  EnterRequest,
  NodeRecord,
} from "../../lib/cluster/directory/cluster_directory.ts";
import { redisPath } from "../../tests/support/process/e2e_requirements.ts";
import { connectedDirectory, redisOptions } from "../../tests/support/process/redis_handles.ts";
import { RedisServer } from "../../tests/support/process/redis_server.ts";
import { joining, nodeRecord, roomSeed } from "../../tests/support/virtual/directory_table.ts";

const NODES = 1_000;
const ROOMS = 5_000;
/** Questions on their way at a time. */
const AT_ONCE = 50;
/** The large room's. */
const MEMBERS = 5_000;
/** Those of nodes that have one there. */
const GUESTS = 500;
const PREFIX = "roomwire:";
const PLAN = JSON.stringify({ metadata: "", emptyTimeout: 300, departureTimeout: 20, agents: [] });

/** One line. */
export interface DirectoryCost {
  readonly question: string;
  readonly cpuMicros: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Measures all questions, or tells `undefined` where there is no Redis. */
export async function measureDirectory(
  onCost: (cost: DirectoryCost) => void,
): Promise<DirectoryCost[] | undefined> {
  if (redisPath() === undefined) return undefined;
  await using server = await RedisServer.start();
  const directory = await connectedDirectory(redisOptions(server.address), PREFIX);
  const costs: DirectoryCost[] = [];
  const measure: Measure = async (question, ask, times = ROOMS, per = times) => {
    const before = await counters(server);
    for (let from = 0; from < times; from += AT_ONCE) {
      const part = Array.from({ length: Math.min(AT_ONCE, times - from) }, (_, i) => ask(from + i));
      await Promise.all(part);
    }
    const after = await counters(server);
    const cost = {
      question,
      cpuMicros: (after.cpuMicros - before.cpuMicros) / per,
      bytesIn: (after.bytesIn - before.bytesIn) / per,
      bytesOut: (after.bytesOut - before.bytesOut) / per,
    };
    costs.push(cost);
    onCost(cost);
  };
  await measureNodes(directory, measure);
  await measureRooms(directory, measure);
  await measureLargeRoom(directory, measure);
  await directory.end();
  return costs;
}

/** As nodes ask: whoever comes is told of as there once it has joined. */
function arriving(...args: Parameters<typeof joining>): EnterRequest {
  const request = joining(...args);
  return { ...request, claim: { ...request.claim!, joinsLater: true } };
}

type Measure = (
  question: string,
  ask: (index: number) => Promise<unknown>,
  times?: number,
  per?: number,
) => Promise<void>;

const nodeId = (index: number) => `ND_${String(index % NODES).padStart(12, "n")}` as NodeId;
const sid = (kind: string, index: number) => `${kind}_${String(index).padStart(12, "s")}`;
const room = (index: number) => `room-${index}-0123456789`;
const identity = (index: number) => `person-${index}-0123456789`;

function node(index: number, cpu: number): NodeRecord {
  return nodeRecord(nodeId(index), {
    region: "eu-west-1",
    link: `wss://node${index}.example.net:7880/cluster`,
    load: { cpu, participants: 1_000, rooms: 100, tracks: 2_000, headroom: 0.4 },
    agents: [{ namespace: "", agentName: "helper", deployment: "", jobType: 1, headroom: 0.5 }],
  });
}

async function measureNodes(directory: ClusterDirectory, measure: Measure): Promise<void> {
  for (let index = 0; index < NODES; index++) await directory.heartbeat(node(index, 0.1));
  await measure("heartbeat with news, of 1000 nodes", (i) => directory.heartbeat(node(i, 0.9)));
  await measure("heartbeat as before, of 1000 nodes", () => directory.heartbeat(node(7, 0.9)));
  await measure("nodes, all of 1000", () => directory.nodes(), 1);
}

async function measureRooms(directory: ClusterDirectory, measure: Measure): Promise<void> {
  const enter = (index: number, first: number) => {
    const create = roomSeed(sid("RM", index + first), { plan: PLAN });
    const who = identity(index + first);
    return directory.enter(
      arriving(room(index), nodeId(index + first), who, sid("PA", index + first), { create }),
    ) as Promise<Extract<EnterAnswer, { ok: true }>>;
  };
  const answers: Extract<EnterAnswer, { ok: true }>[] = [];
  const closings: (Closing | undefined)[] = [];
  await measure("enter that makes the room", (i) => enter(i, 0));
  await measure("enter, the second node", async (i) => answers[i] = await enter(i, 1));
  await measure("joined", (i) => {
    const { number } = answers[i]!.claim!;
    return directory.joined({ room: room(i), number });
  });
  await measure("claim", (i) => directory.claim(room(i), identity(i)));
  await measure("find", (i) => directory.find(room(i)));
  const change = { plan: PLAN };
  await measure("update", (i) => {
    const { record } = answers[i]!;
    return directory.update({
      room: room(i),
      node: nodeId(i),
      sid: record.sid,
      version: 1,
      change,
    });
  });
  await measure("release", (i) => {
    const { number } = answers[i]!.claim!;
    return directory.release({ room: room(i), identity: identity(i + 1), number });
  });
  await measure(
    "leave, not the last",
    (i) => directory.leave({ room: room(i), node: nodeId(i + 1) }),
  );
  await measure("leave, the last", (i) => directory.leave({ room: room(i), node: nodeId(i) }));
  await measure("assert of one claim", (i) => {
    const claim = { identity: identity(i), node: nodeId(i), sid: sid("PA", i) as ParticipantSid };
    const claims = [{ ...claim, number: answers[i]!.claim!.number, counted: true }];
    return directory.assert({ node: nodeId(i), record: answers[i]!.record, claims });
  });
  await measure(`list, each of ${ROOMS} rooms`, () => directory.list(), 1, ROOMS);
  await measure("bury of one claim", async (i) => {
    const burial = await directory.bury({ room: room(i), dead: nodeId(i), by: nodeId(i + 2) });
    closings[i] = burial?.closing;
  });
  await measure("close", (i) => directory.close(room(i), closings[i]!));
}

async function measureLargeRoom(directory: ClusterDirectory, measure: Measure): Promise<void> {
  await measure(`enter, up to ${MEMBERS} in one room`, (i) => {
    const create = roomSeed("RM_large", { plan: PLAN });
    return directory.enter(arriving("large", nodeId(i % 2), identity(i), sid("PA", i), { create }));
  }, MEMBERS);
  const wide = roomSeed("RM_wide", { plan: PLAN });
  const widen = (i: number, knowsNodes = false) =>
    directory.enter({
      ...arriving("wide", nodeId(i), identity(i), sid("PA", i), { create: wide }),
      knowsNodes,
    });
  for (let index = 0; index < NODES; index++) await widen(index);
  await measure(`enter a room on ${NODES} nodes`, (i) => widen(i + NODES), NODES);
  await measure("the same by a node that knows them", (i) => widen(i + 2 * NODES, true), NODES);
  await measure("rooms of a node with 5", () => directory.roomsOf(nodeId(0)), NODES);
  const { record } = (await directory.find("large"))!;
  const claims = (await directory.claims("large")).filter(({ node }) => node === nodeId(0));
  const half = `of ${MEMBERS / 2} claims in a room of ${MEMBERS}`;
  await measure(`assert ${half}`, () => directory.assert({ node: nodeId(0), record, claims }), 1);
  const funeral = { room: "large", dead: nodeId(0), by: nodeId(1) };
  const guest = (i: number) =>
    directory.enter(arriving("large", nodeId(i + 2), `guest-${i}`, sid("PA", MEMBERS + i)));
  for (let index = 0; index < GUESTS; index++) await guest(index);
  await measure(
    `bury of one claim in a room of ${MEMBERS}`,
    (i) => directory.bury({ ...funeral, dead: nodeId(i + 2) }),
    GUESTS,
  );
  await measure(`bury ${half}`, () => directory.bury(funeral), 1);
}

/** Redis' own. Asking for them counts, too: about 1,500 bytes to what is asked only once. */
async function counters(server: RedisServer) {
  const stats = await server.ask("INFO", "stats");
  const cpu = await server.ask("INFO", "cpu");
  const value = (text: string, name: string) =>
    Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(text)?.[1]);
  const seconds = value(cpu, "used_cpu_user_main_thread") + value(cpu, "used_cpu_sys_main_thread");
  return {
    cpuMicros: seconds * 1e6,
    bytesIn: value(stats, "total_net_input_bytes"),
    bytesOut: value(stats, "total_net_output_bytes"),
  };
}
