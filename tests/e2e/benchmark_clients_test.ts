/**
 * The clients that the benchmark puts loads on servers with: they find their way by the protocol
 * alone, in both signalling flavours, get everything that is published, and say what the library
 * they stand for says. What it costs is not looked at here.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BenchChild } from "../../bench/bench_child.ts";
import { PROFILE_NAMES } from "../../bench/real_loads/client_profiles.ts";
import {
  loadScenarioOf,
  participantsOf,
  streamsOf,
} from "../../bench/real_loads/load_scenarios.ts";
import { type LoadsCalls, SIGNALLINGS } from "../../bench/real_loads/loads_calls.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { pause } from "../support/wire/until.ts";

/** Three who speak and show themselves in layers, and one who listens. */
const MEETING = (() => {
  const { publishers, ...rest } = loadScenarioOf("speakers-8")!;
  return { ...rest, publishers: publishers.slice(0, 3), audience: 1 };
})();
const MESSAGES = { ...loadScenarioOf("data-1-20-100")!, audience: 2 };
/** Every check and report is due once in this time, and the voices take turns. */
const WATCHED_MS = 4_000;

Deno.test("The benchmark's clients meet, as each library and in each flavour", async (t) => {
  await using roomwire = await startRoomwire({ address: "127.0.0.1" });
  const server = { url: roomwire.url, key: TEST_KEY, secret: TEST_SECRET };
  for (const [i, profile] of PROFILE_NAMES.entries()) {
    const signalling = SIGNALLINGS[i]!;
    await t.step(`${profile}, ${signalling}`, async () => {
      await using clients = new BenchChild<LoadsCalls>("real_loads/loads_process.ts");
      const gathered = await clients.call("gather", {
        server,
        scenario: MEETING,
        profile,
        signalling,
      });
      assert.equal(gathered.participants, participantsOf(MEETING));
      assert.equal(gathered.streams, streamsOf(MEETING));
      await clients.call("mark", {});
      await pause(WATCHED_MS);
      const seen = await clients.call("mark", {});
      assert.ok(seen.received > 0 && seen.expected > 0);
      assert.ok(seen.latency.count > 0, "voices are timed");
      const connections = participantsOf(MEETING) * (signalling === "v0" ? 2 : 1);
      assert.ok(seen.checks >= connections, `${seen.checks} checks of ${connections} connections`);
      assert.ok(seen.reports > 0);
      await clients.call("leave", {});
    });
  }
  await t.step("data messages", async () => {
    await using clients = new BenchChild<LoadsCalls>("real_loads/loads_process.ts");
    const who = { server, scenario: MESSAGES, profile: "pion", signalling: "v0" } as const;
    await clients.call("gather", who);
    await pause(WATCHED_MS);
    const { received, latency } = await clients.call("mark", {});
    assert.ok(received > 0);
    assert.equal(latency.count, received);
    await clients.call("leave", {});
  });
  await t.step("a server that refuses them is told of", async () => {
    await using clients = new BenchChild<LoadsCalls>("real_loads/loads_process.ts");
    const who = { server: { ...server, secret: "another" }, scenario: MESSAGES } as const;
    await assert.rejects(
      clients.call("gather", { ...who, profile: "pion", signalling: "v0" }),
      /Cannot open/,
    );
  });
});
