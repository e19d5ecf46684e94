/**
 * {@linkcode directoryScenario} registers a conformance test of what nodes keep together.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { RedisDirectory } from "../../lib/cluster/directory/redis_directory.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { connectedDirectory, newPrefix, redisOptions } from "../support/process/redis_handles.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { scenarioNamed } from "./scenarios.ts";

/** What nodes keep in a Redis of this test, through a handle each; ended with it. */
class TestDirectories implements AsyncDisposable {
  private constructor(readonly redis: RedisServer, readonly handles: readonly RedisDirectory[]) {}

  static async start(count: number): Promise<TestDirectories> {
    const redis = await RedisServer.start();
    const prefix = newPrefix();
    const options = redisOptions(redis.address);
    const handles = Array.from({ length: count }, () => connectedDirectory(options, prefix));
    return new TestDirectories(redis, await Promise.all(handles));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.end()));
    await this.redis.kill();
  }
}

/**
 * Registers a scenario against what two nodes keep in a Redis.
 *
 * @param body Gets the handle of each.
 */
export function directoryScenario(
  name: string,
  body: (one: RedisDirectory, two: RedisDirectory) => Promise<void>,
): void {
  assert.ok(!scenarioNamed(name).perFlavour, `${name} runs against a server, per flavour`);
  endToEndTest(name, ["redis"], async () => {
    await using test = await TestDirectories.start(2);
    await body(test.handles[0]!, test.handles[1]!);
  });
}
