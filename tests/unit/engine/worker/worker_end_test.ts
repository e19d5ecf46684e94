import assert from "node:assert/strict";
import type { EngineLoad } from "../../../../lib/engine/pool/placement.ts";
import { QUIET_GRAIN_MS } from "../../../../lib/engine/local/engine_connections.ts";
import { WorkerEnd } from "../../../../lib/engine/worker/worker_end.ts";
import { REPORT_INTERVAL_MS } from "../../../../lib/engine/worker/worker_messages.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

Deno.test("WorkerEnd tells of all the time that a look at its load was late", async () => {
  const platform = new VirtualPlatform();
  const { clock } = platform;
  // Looks are at multiples of the grain: the first comes sooner than the others.
  platform.advance(QUIET_GRAIN_MS - 1 - clock.now() % QUIET_GRAIN_MS);
  const loads: EngineLoad[] = [];
  const started = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const end = new WorkerEnd({
    post: (batch) => {
      for (const message of batch) {
        if (message.type === "started") started.resolve();
        if (message.type === "closed") closed.resolve();
        if (message.type === "load") loads.push(message.load);
      }
    },
    platform: () => platform,
  });
  const udp = [{ hostname: "127.0.0.1", port: 0 }];
  end.receive([{ type: "start", setup: { udp, advertised: ["127.0.0.1"] } }]);
  await started.promise;
  const dueMs = REPORT_INTERVAL_MS - (QUIET_GRAIN_MS - 1);
  const lateMs = 40;
  platform.stall(dueMs + lateMs);
  platform.advance(0);
  await settle();
  assert.deepEqual(loads.map(({ busy }) => busy), [lateMs / (dueMs + lateMs)]);
  end.receive([{ type: "close" }]);
  platform.advance(0);
  await closed.promise;
});
