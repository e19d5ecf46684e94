import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { connectRedis, type RedisOptions } from "../../lib/cluster/directory/redis_connection.ts";
import { RedisDirectory } from "../../lib/cluster/directory/redis_directory.ts";
import { mustIgnore } from "../support/process/e2e_requirements.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { DIRECTORY_TESTS } from "../support/virtual/directory_table.ts";

const ignore = mustIgnore(["redis"]);

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
