/**
 * Three nodes as processes, with people in a call over all of them, when one of them is killed, and
 * when Redis is, or its master.
 */
import assert from "node:assert/strict";
import { RoomServiceClient } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { RoomwireCluster } from "../support/process/roomwire_cluster.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { RoamingParticipant } from "../support/wire/roaming_participant.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";
import { pause } from "../support/wire/until.ts";

const ROOM = "meeting";
const REGIONS = ["here", "here", "there"];
const CONFIG = { room: { departure_timeout: 1 } };
/** Less than what any node is waited for, and long beside a packet each 100 ms, ms. */
const LONGEST_GAP_MS = 2_500;

/** One person on each node, all of whom hear each other. */
async function meeting(cluster: RoomwireCluster): Promise<RoamingParticipant[]> {
  const urls = () => cluster.nodes.map(({ url }) => url);
  const people = REGIONS.map((_, index) => new RoamingParticipant(`p${index}`, ROOM, urls, index));
  await eventually("everybody to hear everybody", () => hear(people));
  return people;
}

function hear(people: readonly RoamingParticipant[]): boolean {
  return people.every((one) =>
    people.every((other) => {
      const track = other.present?.track;
      return one === other || track !== undefined && one.received(track) > 0;
    })
  );
}

/** Who is in, by what a node says. */
async function listed(cluster: RoomwireCluster, node: number): Promise<string[]> {
  const api = new RoomServiceClient(cluster.nodes[node]!.httpUrl, TEST_KEY, TEST_SECRET);
  return (await api.listParticipants(ROOM)).map(({ identity }) => identity).toSorted();
}

/** Status of `/`, `/livez` and `/readyz`. */
function health(cluster: RoomwireCluster, node: number): Promise<number[]> {
  return Promise.all(["/", "/livez", "/readyz"].map(async (path) => {
    const response = await fetch(cluster.nodes[node]!.httpUrl + path);
    await response.body?.cancel();
    return response.status;
  }));
}

/** The longest time without a packet from one to the other, ms. */
class Gap {
  longestMs = 0;
  readonly #timer;
  #count = 0;
  #since = performance.now();

  constructor(by: RoamingParticipant, of: RoamingParticipant) {
    const { track } = of.present!;
    this.#timer = setInterval(() => {
      const count = by.received(track);
      const now = performance.now();
      if (count > this.#count) this.#since = now;
      this.#count = count;
      this.longestMs = Math.max(this.longestMs, now - this.#since);
    }, 50);
  }

  end(): number {
    clearInterval(this.#timer);
    return this.longestMs;
  }
}

function gapsBetween(people: readonly RoamingParticipant[]): Gap[] {
  return people.flatMap((by) => people.filter((of) => of !== by).map((of) => new Gap(by, of)));
}

function checkGaps(gaps: readonly Gap[]): void {
  const longest = Math.max(...gaps.map((gap) => gap.end()));
  assert.ok(longest < LONGEST_GAP_MS, `nothing came for ${Math.round(longest)} ms`);
}

/** Everybody leaves, and each event was told once. */
async function part(
  cluster: RoomwireCluster,
  people: readonly RoamingParticipant[],
  alsoLeft: readonly string[] = [],
): Promise<void> {
  await Promise.all(people.map((person) => person.leave()));
  await cluster.webhooks.event("room_finished", ({ room }) => room?.name === ROOM);
  const counts = new Map<string, number>();
  for (const { event, participant, track, room } of cluster.webhooks.events) {
    const name = `${event} ${track?.sid ?? participant?.sid ?? room?.sid}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  assert.deepEqual([...counts].filter(([, count]) => count > 1), []);
  for (const sid of [...people.flatMap(({ sids }) => sids), ...alsoLeft]) {
    for (const event of ["participant_joined", "participant_left"]) {
      assert.ok(counts.has(`${event} ${sid}`), `${event} ${sid}`);
    }
  }
}

endToEndTest(
  "a node is killed: its clients are back elsewhere, others notice nothing, its dead are gone",
  ["redis"],
  async () => {
    await using cluster = await RoomwireCluster.start({ regions: REGIONS, config: CONFIG });
    const people = await meeting(cluster);
    const [, bob, cid] = people;
    const eve = await WireParticipant.open(
      cluster.nodes[0]!.url,
      await mintToken({ identity: "eve", room: ROOM }),
      { flavour: "v1", isQuick: true },
    );
    await eve.publish("audio", { every: 5 });
    await eve.connected();
    await eventually("eve at the others", async () => (await listed(cluster, 2)).includes("eve"));
    await cluster.webhooks.event(
      "participant_joined",
      ({ participant }) => participant?.sid === eve.sid,
    );
    const gaps = gapsBetween([bob!, cid!]);
    await eve.vanish();
    await cluster.kill(0);
    await eventually("her back", () => people[0]!.sids.length === 2);
    const tookMs = people[0]!.returnsMs[0]!;
    console.log(`back ${Math.round(tookMs)} ms after the first try`);
    await eventually("everybody to hear everybody", () => hear(people));
    assert.ok((await listed(cluster, 1)).includes("eve"), "her node may still come back");
    await eventually("eve to be gone", async () => {
      const lists = await Promise.all([listed(cluster, 1), listed(cluster, 2)]);
      return lists.every((list) => list.join() === "p0,p1,p2");
    });
    await cluster.webhooks.event(
      "participant_left",
      ({ participant }) => participant?.sid === eve.sid,
    );
    checkGaps(gaps);
    assert.deepEqual(people.map(({ sids }) => sids.length), [2, 1, 1]);
    await part(cluster, people, [eve.sid]);
  },
);

endToEndTest(
  "Redis is gone for 20 s and comes back with nothing: calls and joins to known rooms go on",
  ["redis"],
  async () => {
    await using cluster = await RoomwireCluster.start({ regions: REGIONS, config: CONFIG });
    const people = await meeting(cluster);
    const gaps = gapsBetween(people);
    await cluster.redis.kill();
    const until = performance.now() + 20_000;
    const urls = () => [cluster.nodes[1]!.url];
    await pause(1_000);
    people.push(new RoamingParticipant("p3", ROOM, urls, 0));
    await eventually("a join to a room that is known here", () => hear(people));
    for (const node of [0, 1, 2]) {
      assert.deepEqual(await health(cluster, node), [200, 200, 503], "alive, but not ready");
    }
    const token = await mintToken({ identity: "p4", room: "unknown" });
    await assert.rejects(WireParticipant.open(cluster.nodes[0]!.url, token));
    await pause(until - performance.now());
    await cluster.startRedis();
    await eventually("Redis to know all", async () => {
      const script = "return tostring(redis.call('HLEN', redis.call('KEYS', '*:who:*')[1]))";
      return await cluster.redis.ask("EVAL", script, "0") === "$1\r\n4";
    });
    for (const node of [0, 1, 2]) {
      assert.deepEqual(await listed(cluster, node), ["p0", "p1", "p2", "p3"]);
    }
    checkGaps(gaps);
    assert.deepEqual(people.map(({ sids }) => sids.length), [1, 1, 1, 1]);
    await part(cluster, people);
  },
);

endToEndTest(
  "Redis' master dies and sentinels name another one: nobody in a call notices",
  ["redis"],
  async () => {
    await using master = await RedisServer.start();
    await using _replica = await RedisServer.start(["--replicaof", "127.0.0.1", `${master.port}`]);
    await using sentinel = await RedisServer.start(["--sentinel"], {
      lines: [
        `sentinel monitor rooms 127.0.0.1 ${master.port} 1`,
        "sentinel down-after-milliseconds rooms 500",
        "sentinel failover-timeout rooms 3000",
      ],
    });
    await eventually(
      "a replica that the sentinel knows",
      async () => (await sentinel.ask("INFO", "sentinel")).includes("slaves=1"),
    );
    const redis = { sentinel_master_name: "rooms", sentinel_addresses: [sentinel.address] };
    await using cluster = await RoomwireCluster.start({
      regions: REGIONS,
      config: { ...CONFIG, redis },
    });
    const people = await meeting(cluster);
    const gaps = gapsBetween(people);
    await master.kill();
    const late = new RoamingParticipant("p3", "another", () => [cluster.nodes[0]!.url], 0);
    await eventually("a room that is made with the new master", () => late.present);
    await pause(3_000);
    for (const node of [0, 1, 2]) assert.deepEqual(await listed(cluster, node), ["p0", "p1", "p2"]);
    checkGaps(gaps);
    assert.deepEqual(people.map(({ sids }) => sids.length), [1, 1, 1]);
    await late.leave();
    await part(cluster, people);
  },
);

endToEndTest(
  "a node drains by a signal, leads its clients away at the deadline, and serves again by another",
  ["redis"],
  async () => {
    const config = { ...CONFIG, drain_timeout: "1s" };
    await using cluster = await RoomwireCluster.start({ regions: REGIONS, config });
    const people = await meeting(cluster);
    assert.deepEqual(await health(cluster, 0), [200, 200, 200]);
    const alone = new RoamingParticipant("p3", "alone", () => [cluster.nodes[0]!.url], 0);
    await eventually("a room of its own", () => alone.present);
    await alone.leave();
    cluster.nodes[0]!.kill("SIGUSR2");
    await eventually("not ready", async () => (await health(cluster, 0)).join() === "406,200,503");
    await eventually("its client elsewhere", () => people[0]!.sids.length === 2 && hear(people));
    await cluster.webhooks.event("room_finished", ({ room }) => room?.name === "alone");
    assert.equal(
      await cluster.redis.ask("EVAL", "return #redis.call('KEYS', '*:room:*')", "0"),
      ":1",
    );
    cluster.nodes[0]!.kill("SIGUSR2");
    await eventually("ready", async () => (await health(cluster, 0)).join() === "200,200,200");
    people.push(new RoamingParticipant("p4", ROOM, () => [cluster.nodes[0]!.url], 0));
    await eventually("everybody to hear everybody", () => hear(people));
    // A signal to stop is taken back as well.
    cluster.nodes[0]!.kill("SIGTERM");
    await eventually("not ready", async () => (await health(cluster, 0))[0] === 406);
    cluster.nodes[0]!.kill("SIGUSR2");
    await eventually("ready", async () => (await health(cluster, 0))[0] === 200);
    await pause(1_500);
    assert.deepEqual(people.slice(1).map(({ sids }) => sids.length), [1, 1, 1]);
    await part(cluster, people, alone.sids);
  },
);
