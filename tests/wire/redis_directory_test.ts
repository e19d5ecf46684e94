import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/platform.ts";
import { NODES_TAG, shardOf, tagged } from "../../lib/cluster/directory/redis_keys.ts";
import { mustIgnore } from "../support/process/e2e_requirements.ts";
import { connectedDirectory, newPrefix, redisOptions } from "../support/process/redis_handles.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { DirectoryHistory, violations } from "../support/virtual/directory_history.ts";
import { DirectorySteps } from "../support/virtual/directory_steps.ts";
import {
  A,
  B,
  DIRECTORY_TESTS,
  entered,
  joining,
  nodeRecord,
  roomSeed,
} from "../support/virtual/directory_table.ts";
import { MemoryDirectory } from "../support/virtual/memory_directory.ts";
import { scaledPlatform } from "../support/virtual/scaled_platform.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";

const ignore = mustIgnore(["redis"]);

/** Histories that both twins live through. */
const SEEDS = 30;
const STEPS = 60;
const ROOMS = 20_000;
/** A page has no more. */
const PAGE_ROOMS = 200;
/** Questions on their way at a time. */
const AT_ONCE = 100;
/** Characters of names; and bytes of what is said of a room: LiveKit's limit of metadata. */
const LONG_NAME = 10_000;
const LARGE_PLAN = 524_288;
/**
 * What the directory calls 0.7 s is ten times that, and does not pass while this process has no
 * processor: where much is asked at once, questions wait for the machine. How long Redis itself is
 * busy with one is looked at for itself.
 */
const PATIENT = 0.1;
/** Redis answers nobody else meanwhile, ms of CPU time. */
const BUSY_MS = 10;

/** What Redis has done so far: its main thread's CPU time, ms, and scripts that it ran. */
async function workOf(server: RedisServer): Promise<{ cpuMs: number; scripts: number }> {
  const cpu = await server.ask("INFO", "cpu");
  const commands = await server.ask("INFO", "commandstats");
  const seconds = [...cpu.matchAll(/used_cpu_(?:user|sys)_main_thread:([\d.]+)/g)];
  assert.equal(seconds.length, 2, cpu);
  return {
    cpuMs: 1_000 * seconds.reduce((sum, [, text]) => sum + Number(text), 0),
    scripts: Number(/cmdstat_evalsha:calls=(\d+)/.exec(commands)![1]),
  };
}

/** Into how many pages these rooms go at least: a plan that is large ends one. */
function pagesOf(names: readonly string[], large: readonly string[]): number {
  const inShards = Map.groupBy(names, shardOf).values();
  const full = [...inShards].map(({ length }) => Math.floor(length / PAGE_ROOMS));
  return full.reduce((sum, pages) => sum + pages + 1, large.length);
}

/** Whether what each node owns in each room is its claims, held or replaced, and nothing else. */
const OWN_CLAIMS = `
local function fail(...) return redis.status_reply(table.concat({...}, ' ')) end
local expected, count = {}, 0
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*:who:*')) do
  local base, room = string.match(key, '^(.*:)who:(.*)$')
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local number, node = string.match(all[i + 1], '^(%d+)\\n([^\\n]*)')
    expected[base .. 'own:' .. node .. ':' .. room .. ' ' .. number .. ' ' .. all[i]] = true
    count = count + 1
  end
end
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*:was:*')) do
  local base, room = string.match(key, '^(.*:)was:(.*)$')
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local node, sid, identity = string.match(all[i + 1], '^([^\\n]*)\\n([^\\n]*)\\n(.*)$')
    expected[base .. 'own:' .. node .. ':' .. room .. ' ' .. all[i] .. ' ' .. identity] = true
  end
end
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*:own:*')) do
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local name = key .. ' ' .. all[i] .. ' ' .. all[i + 1]
    if not expected[name] then return fail('nobody claims', name) end
    expected[name] = nil
  end
  local base, node, room = string.match(key, '^(.*:)own:([^:]*):(.*)$')
  if redis.call('EXISTS', base .. 'room:' .. room) == 0 then return fail('left of a room', key) end
  if redis.call('SISMEMBER', base .. 'by:' .. room, node) == 0 then return fail('not found', key) end
end
for name in pairs(expected) do return fail('not owned', name) end
return redis.status_reply(count .. ' claims')
`;

Deno.test({
  name: "RedisDirectory",
  ignore,
  fn: async (t) => {
    await using server = await RedisServer.start();
    for (const [name, run] of Object.entries(DIRECTORY_TESTS)) {
      await t.step(name, async () => {
        const directory = await connectedDirectory(redisOptions(server.address));
        try {
          await run(directory);
        } finally {
          await directory.end();
        }
      });
    }
  },
});

Deno.test({
  name: "RedisDirectory: it answers random histories exactly as the twin in memory does",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { clock } = new VirtualPlatform(seed);
      const memory = new MemoryDirectory(new DirectorySteps(clock, 5_000), clock);
      const redis = await connectedDirectory(redisOptions(server.address));
      const expected = new DirectoryHistory(memory, seed);
      const actual = new DirectoryHistory(redis, seed);
      for (let step = 0; step < STEPS; step++) {
        assert.deepEqual(await actual.step(), await expected.step(), `seed ${seed}, step ${step}`);
      }
      assert.deepEqual(await violations(redis), [], `seed ${seed}`);
      await redis.end();
    }
  },
});

Deno.test({
  name: "RedisDirectory: what several nodes ask at a time leaves nothing that contradicts itself",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    const prefix = newPrefix();
    const nodes = await Promise.all(
      [1, 2, 3, 4].map(() => connectedDirectory(redisOptions(server.address), prefix)),
    );
    let claims = 0;
    for (let round = 0; round < 10; round++) {
      await Promise.all(nodes.map(async (node, index) => {
        const history = new DirectoryHistory(node, 100 * round + index);
        for (let step = 0; step < STEPS; step++) await history.step();
      }));
      assert.deepEqual(await violations(nodes[0]!), [], `round ${round}`);
      // Simple strings, so that the answer is one line.
      const answer = await server.ask("EVAL", OWN_CLAIMS, "0", prefix);
      assert.match(answer, /^\+\d+ claims$/, `round ${round}: ${answer}`);
      claims += parseInt(answer.slice(1));
    }
    // A round may end when everybody has just left; not each of them does.
    assert.ok(claims > 0);
    for (const node of nodes) await node.end();
  },
});

Deno.test({
  name: "RedisDirectory: tens of thousands of rooms are listed in pages, whatever their size",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    const platform = scaledPlatform(PATIENT, silentLog);
    const directory = await connectedDirectory(redisOptions(server.address), undefined, platform);
    const names = Array.from({ length: ROOMS }, (_, index) => `room ${index}`);
    for (let from = 0; from < names.length; from += AT_ONCE) {
      await Promise.all(
        names.slice(from, from + AT_ONCE).map((name) =>
          entered(directory.enter(joining(name, A, "ann", "PA_1")))
        ),
      );
    }
    const large = Array.from({ length: 40 }, (_, index) => `${"é".repeat(LONG_NAME)}${index}`);
    const create = roomSeed("RM_l", { plan: "x".repeat(LARGE_PLAN) });
    for (const name of large) {
      await entered(directory.enter(joining(name, A, "i".repeat(LONG_NAME), "PA_1", { create })));
    }
    const before = await workOf(server);
    const listed = await directory.list();
    const after = await workOf(server);
    const [cpuMs, scripts] = [after.cpuMs - before.cpuMs, after.scripts - before.scripts];
    assert.ok(cpuMs / scripts <= BUSY_MS, `${cpuMs} ms for ${scripts} questions`);
    const pages = pagesOf(names, large);
    assert.ok(scripts >= pages, `${scripts} questions for ${pages} pages`);
    assert.deepEqual(listed.map(({ record }) => record.name), [...names, ...large].sort());
    assert.ok(listed.every(({ claims, counted }) => claims === 1 && counted === 1));
    assert.deepEqual(await directory.roomsOf(A), [...names, ...large].sort());
    const some = [...names.slice(0, 500), ...large];
    assert.equal((await directory.list(some)).length, some.length);
    const used = await server.ask("INFO", "commandstats");
    assert.match(used, /cmdstat_evalsha/);
    assert.doesNotMatch(used, /cmdstat_keys/);
    await directory.end();
  },
});

Deno.test({
  name: "RedisDirectory: a room of thousands",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    const platform = scaledPlatform(PATIENT, silentLog);
    const directory = await connectedDirectory(redisOptions(server.address), undefined, platform);
    const people = Array.from({ length: 5_000 }, (_, index) => `person ${index}`);
    const join = (identity: string, index: number) =>
      entered(directory.enter(joining("r", index % 2 === 0 ? A : B, identity, `PA_${index}`)));
    const answers = [];
    for (let from = 0; from < people.length; from += AT_ONCE) {
      const part = people.slice(from, from + AT_ONCE);
      answers.push(...await Promise.all(part.map((person, index) => join(person, from + index))));
    }
    assert.equal(new Set(answers.map(({ claim }) => claim!.number)).size, people.length);
    const claims = await directory.claims("r");
    assert.deepEqual(claims.map(({ identity }) => identity), [...people].sort());
    const { record } = answers[0]!;
    const own = claims.filter(({ node }) => node === A);
    assert.ok((await directory.assert({ node: A, record, claims: own })).ok);
    assert.deepEqual(await directory.claims("r"), claims);
    const burial = await directory.bury({ room: "r", dead: A, by: B });
    assert.equal(burial!.freed.length, people.length / 2);
    assert.equal((await directory.find("r"))!.counted, people.length / 2);
    await directory.end();
  },
});

Deno.test({
  name: "RedisDirectory: what a newer node has written beside is read over, and stays",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    const prefix = newPrefix();
    const directory = await connectedDirectory(redisOptions(server.address), prefix);
    const nodes = tagged(prefix, NODES_TAG);
    const room = `${tagged(prefix, shardOf("r"))}room:r`;
    await directory.heartbeat(nodeRecord(A));
    await directory.heartbeat(nodeRecord(B));
    const newer = JSON.stringify({
      ...nodeRecord(B),
      protocol: { min: 1, max: 2, words: ["x"] },
      load: { ...nodeRecord(B).load, gpu: 0.5 },
      agents: [],
      mood: { is: "good" },
    });
    await server.ask("HSET", `${nodes}record`, B, newer);
    await server.ask("ZADD", `${nodes}changed`, "1000", B);
    await server.ask("SET", `${nodes}change`, "1000");
    await directory.withdraw(A);
    const read = (await directory.nodes()).find(({ nodeId }) => nodeId === B);
    assert.deepEqual(read, nodeRecord(B, { protocol: { min: 1, max: 2 } }));

    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await server.ask("HSET", room, "mood", "good", "theme", "violet");
    const { sid, version } = record;
    const asked = { room: "r", node: A, sid, version, change: { locked: true } };
    assert.equal((await directory.update(asked)).ok, true);
    const { record: now } = (await directory.find("r"))!;
    assert.equal(now.locked, true);
    const claims = await directory.claims("r");
    const again = { ...now, version: now.version + 1 };
    assert.equal((await directory.assert({ node: A, record: again, claims })).ok, true);
    await directory.bury({ room: "r", dead: A, by: B });
    assert.match(await server.ask("HGET", room, "mood"), /good/);
    assert.match(await server.ask("HGET", room, "theme"), /violet/);
    assert.ok((await server.ask("HGET", `${nodes}record`, B)).endsWith(newer));
    await directory.end();
  },
});
