/**
 * A cluster that is broken on purpose, by a schedule that a seed draws: nodes are killed, frozen
 * and restarted, Redis is killed with all it knew and stopped, and where nodes can have a network of
 * their own it is cut between two of them, loses, is closed for UDP, or cuts a node off from
 * everything; while people are in calls. After each fault all have to agree again, and at the end
 * what the world was told has to be right.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { WebhookEvent } from "@livekit/protocol";
import { RoomServiceClient } from "livekit-server-sdk";
import { SeededRandom } from "../virtual/seeded_random.ts";
import { RoamingParticipant } from "../wire/roaming_participant.ts";
import { eventually } from "./eventually.ts";
import { RoomwireCluster } from "./roomwire_cluster.ts";
import { TEST_KEY, TEST_SECRET } from "./roomwire_process.ts";
import { pause } from "../wire/until.ts";

/** All agree again within this time of a fault's end, ms: a lease, and turns that rooms take. */
const AGREED_WITHIN_MS = 40_000;
/** What is there is to be there for a while before the next fault, ms. */
const CALM_MS = 1_500;
/** Media flows if a packet of each track comes within this time, ms. */
const MEDIA_WITHIN_MS = 10_000;
const DEPARTURE_TIMEOUT_S = 2;

/** What is done to a cluster. */
export type Fault =
  | "kill a node"
  | "rolling restart"
  | "freeze a node"
  | "kill Redis"
  | "stop Redis"
  | NetworkFault;

/** What is done to the network between nodes. */
type NetworkFault =
  | "cut a pair"
  | "block UDP of a pair"
  | "lose packets of a pair"
  | "cut a node off";

const FAULTS: readonly Fault[] = [
  "kill a node",
  "kill Redis",
  "rolling restart",
  "freeze a node",
  "stop Redis",
];
const NETWORK_FAULTS: readonly Fault[] = [
  "cut a pair",
  "block UDP of a pair",
  "cut a node off",
  "lose packets of a pair",
];
/** Between the regions, where nodes have a network of their own. */
const DISTANCE = { delayMs: 20, loss: 0.001 } as const;
const MUCH_LOSS = 0.1;

/** What may be chosen of a run. */
export interface ChaosOptions {
  readonly seed: number;
  readonly rooms: number;
  readonly peopleOfRoom: number;
  /** Nodes have a network of their own, which this process has to be allowed to make. */
  readonly hasNetwork?: boolean;
  /** Told of each step. */
  readonly log?: (line: string) => void;
}

/** One run. Dispose it to end all. */
export class ChaosRun implements AsyncDisposable {
  /** Resident memory of node processes each time that all agreed, kB, by process id. */
  readonly memory = new Map<number, number[]>();
  readonly #random: SeededRandom;
  readonly #schedule: readonly Fault[];
  #faults = 0;

  private constructor(
    readonly cluster: RoomwireCluster,
    readonly people: readonly RoamingParticipant[],
    readonly options: ChaosOptions,
  ) {
    this.#random = new SeededRandom(options.seed);
    this.#schedule = cluster.network === undefined ? FAULTS : merged(FAULTS, NETWORK_FAULTS);
  }

  static async start(options: ChaosOptions): Promise<ChaosRun> {
    const cluster = await RoomwireCluster.start({
      regions: ["here", "here", "there"],
      config: {
        room: { departure_timeout: DEPARTURE_TIMEOUT_S },
        ...(options.hasNetwork === true ? { rtc: { enable_loopback_candidate: false } } : {}),
      },
      ...(options.hasNetwork === true ? { distance: DISTANCE } : {}),
    });
    if (options.hasNetwork === true && cluster.network === undefined) {
      await cluster[Symbol.asyncDispose]();
      throw new Error("Networks between nodes need root and iproute2");
    }
    const urls = () => cluster.nodes.map(({ url }) => url);
    const { rooms, peopleOfRoom } = options;
    const people = Array.from({ length: rooms * peopleOfRoom }, (_, index) => {
      const room = `room${index % rooms}`;
      return new RoamingParticipant(`p${index}`, room, urls, Math.floor(index / rooms));
    });
    return new ChaosRun(cluster, people, options);
  }

  /** The next fault of the schedule: all in turn, each with what the seed draws. */
  async next(): Promise<Fault> {
    const fault = this.#schedule[this.#faults++ % this.#schedule.length]!;
    await this.inflict(fault);
    return fault;
  }

  /** Resolves when the fault is over, which is not yet when its effects are. */
  async inflict(fault: Fault): Promise<void> {
    const { cluster } = this;
    const index = this.#random.below(cluster.nodes.length);
    const node = cluster.nodes[index]!;
    const drawnMs = this.#random.below(4_000);
    this.options.log?.(`${fault}, ${index}, ${drawnMs} ms`);
    switch (fault) {
      case "kill a node":
        await cluster.kill(index);
        await pause(drawnMs);
        await cluster.restart(index);
        return;
      case "rolling restart":
        for (let offset = 0; offset < cluster.nodes.length; offset++) {
          await this.#drain((index + offset) % cluster.nodes.length);
        }
        return;
      case "freeze a node":
        // For less than a lease: longer is a death for the others.
        node.kill("SIGSTOP");
        await pause(drawnMs / 2 + 1_000);
        node.kill("SIGCONT");
        return;
      case "kill Redis":
        await cluster.redis.kill();
        await pause(2 * drawnMs);
        await cluster.startRedis();
        return;
      case "stop Redis":
        cluster.redis.signal("SIGSTOP");
        await pause(drawnMs);
        cluster.redis.signal("SIGCONT");
        return;
      default:
        return await this.#inflictOnNetwork(fault, index, drawnMs);
    }
  }

  /** Between the node of that index and the next one, or all. */
  async #inflictOnNetwork(fault: NetworkFault, index: number, drawnMs: number): Promise<void> {
    const { network, nodes } = this.cluster;
    if (network === undefined) throw new Error("The nodes have no network of their own");
    const other = (index + 1) % nodes.length;
    switch (fault) {
      case "cut a pair":
        // For longer than a lease as well: each still hears of the other by Redis.
        await network.setWire(index, other, { isCut: true });
        await pause(2 * drawnMs + 1_000);
        return await network.setWire(index, other, { isCut: false });
      case "block UDP of a pair":
        await network.setWire(index, other, { blocks: "udp" });
        await pause(drawnMs + 4_000);
        return await network.setWire(index, other, { blocks: undefined });
      case "lose packets of a pair": {
        const loss = network.lossBetween(index, other);
        await network.setWire(index, other, { loss: MUCH_LOSS });
        await pause(drawnMs + 4_000);
        return await network.setWire(index, other, { loss });
      }
      case "cut a node off":
        // For less than a lease: longer is a death for the others.
        await network.setReachable(index, false);
        await pause(drawnMs / 2 + 1_000);
        return await network.setReachable(index, true);
    }
  }

  /** Everybody is in, once and with one track, for everybody, on every node and in Redis. */
  async agreed(): Promise<void> {
    let seen: unknown;
    await eventually("all to agree", async () => {
      seen = await this.#disagreement();
      return seen === undefined;
    }, { deadlineMs: AGREED_WITHIN_MS, seen: () => seen });
    await this.#mediaFlows();
    await pause(CALM_MS);
    assert.equal(await this.#disagreement(), undefined, "they still agree");
    for (const { pid } of this.cluster.nodes) {
      this.memory.set(pid, [...this.memory.get(pid) ?? [], await residentKb(pid)]);
    }
  }

  /** Everybody leaves; what the world was told is complete, and nothing is left. */
  async end(): Promise<void> {
    const { people, options: { rooms } } = this;
    await Promise.all(people.map((person) => person.leave()));
    const told = () => countBy(this.events.map(({ event }) => event));
    await eventually("rooms to end", async () => {
      const keys = await Promise.all(
        ["room", "who", "was", "serve"].map((kind) => this.#keys(kind)),
      );
      return keys.flat().length === 0 && told().get("room_finished") === rooms;
    }, { deadlineMs: AGREED_WITHIN_MS, seen: () => [...told()] });
    // A room is ended by the last node that has it; the others' webhooks may still be on their way.
    const lacking = () => this.untrue().filter((what) => what.endsWith("was not told"));
    await eventually("everything to be told", () => lacking().length === 0, {
      deadlineMs: AGREED_WITHIN_MS,
      seen: () => this.#toldOf(lacking()),
    });
    assert.deepEqual(this.untrue(), []);
  }

  /** All that was told of those of whom something is lacking. */
  #toldOf(lacking: readonly string[]): string[] {
    const sids = new Set(lacking.map((what) => what.split(" ")[1]));
    const told = this.events.filter(({ participant }) => sids.has(participant?.sid ?? ""));
    return [...lacking, ...told.map(({ event, participant }) => `${event} ${participant!.sid}`)];
  }

  /**
   * Events as a receiver has them that knows each by its id: a delivery whose answer was lost on its
   * way, as when its node froze, is made again under the same id.
   */
  get events(): readonly WebhookEvent[] {
    return [...new Map(this.cluster.webhooks.events.map((event) => [event.id, event])).values()];
  }

  /** What was told twice, or not at all. */
  untrue(): string[] {
    const { events } = this;
    const counts = countBy(events.map((event) => {
      const subject = event.track?.sid ?? event.participant?.sid ?? event.room?.sid ?? "";
      return `${event.event} ${subject}`;
    }));
    const wrong = [...counts].filter(([, count]) => count !== 1).map(([name, count]) =>
      `${name} was told ${count} times, under ids of its own`
    );
    const lacks = (name: string) => counts.has(name) ? [] : [`${name} was not told`];
    for (const { sids, published } of this.people) {
      wrong.push(...sids.flatMap((sid) => lacks(`participant_joined ${sid}`)));
      wrong.push(...sids.flatMap((sid) => lacks(`participant_left ${sid}`)));
      wrong.push(...published.flatMap((sid) => lacks(`track_published ${sid}`)));
    }
    for (const name of counts.keys()) {
      const [event, sid] = name.split(" ");
      if (event === "room_started") wrong.push(...lacks(`room_finished ${sid}`));
      if (event === "participant_joined") wrong.push(...lacks(`participant_left ${sid}`));
    }
    return wrong;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.people.map((person) => person[Symbol.asyncDispose]()));
    await this.cluster[Symbol.asyncDispose]();
  }

  /** A node tells its clients to join elsewhere, ends, and is started again. */
  async #drain(index: number): Promise<void> {
    const node = this.cluster.nodes[index]!;
    node.kill("SIGTERM");
    await node.status;
    await node.stop();
    await this.cluster.restart(index);
  }

  /** The first thing that is not as it should be. */
  async #disagreement(): Promise<unknown> {
    const { people, cluster } = this;
    const out = people.filter(({ present }) => present === undefined);
    if (out.length > 0) return `${out.map(({ identity }) => identity)} not in`;
    for (const [room, members] of Map.groupBy(people, (person) => person.room)) {
      const wanted = members.map(({ identity, present }) =>
        `${identity} ${present!.sid} ${present!.track}`
      ).toSorted();
      for (const { httpUrl } of cluster.nodes) {
        const api = new RoomServiceClient(httpUrl, TEST_KEY, TEST_SECRET);
        const listed = await api.listParticipants(room);
        const seen = listed.map(({ identity, sid, tracks }) =>
          [identity, sid, ...tracks.map((track) => track.sid)].join(" ")
        ).toSorted();
        if (seen.join() !== wanted.join()) return { httpUrl, room, seen, wanted };
      }
      for (const { identity, client } of members) {
        const others = members.filter((other) => other.identity !== identity);
        const seen = [...client!.remotes.values()].map(({ sid }) => sid).toSorted().join();
        if (seen !== others.map(({ present }) => present!.sid).toSorted().join()) {
          return `${identity} sees ${seen}`;
        }
        const tracks = [...client!.tracks.keys()].toSorted().join();
        if (tracks !== others.map(({ present }) => present!.track).toSorted().join()) {
          return `${identity} receives ${tracks}`;
        }
      }
      const claims = await this.#claims(room);
      const held = wanted.map((line) => line.split(" ").slice(0, 2).join(" "));
      if (claims.join() !== held.join()) return { room, claims, held };
    }
    // Who is dead is buried, or it could not be told of once Redis has lost it as well.
    const known = await cluster.redis.ask("ZCARD", "roomwire:2:{nodes}:beat");
    return known === `:${cluster.nodes.length}` ? undefined : `${known} nodes are known`;
  }

  async #mediaFlows(): Promise<void> {
    for (const members of Map.groupBy(this.people, ({ room }) => room).values()) {
      for (const one of members) {
        for (const { present, identity } of members.filter((other) => other !== one)) {
          const before = one.received(present!.track);
          await eventually(
            `media of ${identity} at ${one.identity}`,
            () => one.received(present!.track) > before,
            { deadlineMs: MEDIA_WITHIN_MS },
          );
        }
      }
    }
  }

  /** `identity sid` of each claim of a room. */
  async #claims(room: string): Promise<string[]> {
    const script = `local found = {}
for _, key in ipairs(redis.call('KEYS', '*}:who:' .. ARGV[1])) do
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    found[#found + 1] = all[i] .. ' ' .. string.match(all[i + 1], '^%d+\\n[^\\n]*\\n([^\\n]*)')
  end
end
return cjson.encode(found)`;
    return (await this.#evaluate<string[]>(script, room)).toSorted();
  }

  #keys(kind: string): Promise<string[]> {
    return this.#evaluate("return cjson.encode(redis.call('KEYS', ARGV[1]))", `*}:${kind}:*`);
  }

  async #evaluate<T>(script: string, arg: string): Promise<T> {
    const answer = await this.cluster.redis.ask("EVAL", script, "0", arg);
    const json = answer.slice(answer.indexOf("\r\n") + 2);
    // An empty table is an object in Lua's JSON.
    return JSON.parse(json === "{}" ? "[]" : json);
  }
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Resident memory, kB. */
async function residentKb(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}

/** One of each in turn, until both are through. */
function merged(some: readonly Fault[], others: readonly Fault[]): Fault[] {
  const longest = Math.max(some.length, others.length);
  return Array.from({ length: longest }, (_, i) => [some[i], others[i]]).flat()
    .filter((fault) => fault !== undefined);
}
