import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { RedisDirectory } from "../../../../lib/cluster/directory/redis_directory.ts";
import type { Reply } from "../../../../lib/cluster/directory/redis_replies.ts";
import * as scripts from "../../../../lib/cluster/directory/redis_scripts.ts";
import { A, joining } from "../../../support/virtual/directory_table.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const digestOf = ({ source }: scripts.Script) => createHash("sha1").update(source).digest("hex");

Deno.test("RedisDirectory: a claim whose answer is late is undone although Redis never was away", async () => {
  const platform = new VirtualPlatform();
  const asked: string[] = [];
  const late = new Set([digestOf(scripts.ENTER)]);
  const directory = new RedisDirectory(
    platform,
    { prefix: "t:", leaseMs: 5_000 },
    () =>
      Promise.resolve({
        isOneServer: true,
        send: (_key: string, command: readonly string[]) => {
          const digest = command[1]!;
          asked.push(digest);
          if (!late.has(digest)) return Promise.resolve([]);
          return new Promise<Reply>((resolve) => {
            platform.timers.after(1_200, () => resolve(["not_found"]));
          });
        },
        close() {},
      }),
    1_000,
  );
  await platform.advanceAsync(1);
  assert.equal(directory.status, "up");
  const entering = assert.rejects(directory.enter(joining("r", A, "ann", "PA_1")), {
    code: "directory_down",
  });
  // Others are answered meanwhile: it is only slow.
  for (let passed = 0; passed < 1_000; passed += 100) {
    await directory.find("r");
    await platform.advanceAsync(100);
  }
  await entering;
  assert.equal(directory.status, "up");
  await platform.advanceAsync(3_000, 50);
  const undone = asked.filter((digest) => digest === digestOf(scripts.UNDO)).length;
  assert.equal(undone, 1, "and only once");
  await directory.end();
});
