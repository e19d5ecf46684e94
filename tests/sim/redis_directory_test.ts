import assert from "node:assert/strict";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { connectRedis, type RedisOptions } from "../../lib/cluster/directory/redis_connection.ts";
import { RedisDirectory } from "../../lib/cluster/directory/redis_directory.ts";
import { mustIgnore } from "../support/process/e2e_requirements.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { DirectoryHistory, violations } from "../support/virtual/directory_history.ts";
import { DirectoryMemory } from "../support/virtual/directory_memory.ts";
import { DIRECTORY_TESTS } from "../support/virtual/directory_table.ts";
import { MemoryDirectory } from "../support/virtual/memory_directory.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";

const ignore = mustIgnore(["redis"]);

/** Histories that both twins live through. */
const SEEDS = 30;
const STEPS = 60;

let last = 0;
function open(server: RedisServer): RedisDirectory {
  const prefix = `test${++last}:`;
  const options: RedisOptions = {
    mode: { kind: "single", address: server.address },
    username: "",
    password: "",
    database: 0,
    tls: undefined,
    dialTimeoutMs: 1_000,
  };
  return new RedisDirectory(
    denoPlatform(),
    { prefix, leaseMs: 60_000 },
    (lost, signal) => connectRedis(options, prefix, lost, signal),
    1_000,
  );
}

Deno.test({
  name: "RedisDirectory",
  ignore,
  fn: async (t) => {
    await using server = await RedisServer.start();
    for (const [name, run] of Object.entries(DIRECTORY_TESTS)) {
      await t.step(name, async () => {
        const directory = open(server);
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
      const memory = new MemoryDirectory(new DirectoryMemory(clock, 5_000), clock);
      const redis = open(server);
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
