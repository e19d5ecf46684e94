import assert from "node:assert/strict";
import { silentLog } from "../../../../lib/base/platform.ts";
import { ADVICE, adviceFor } from "../../../../lib/server/config/config_advice.ts";
import { idleKeys, isInEffect, recordReads } from "../../../../lib/server/config/config_effects.ts";
import { parseConfig, SUCCESSORS } from "../../../../lib/server/config/config_parsing.ts";
import { configKeys } from "../../../../lib/server/config/config_schema.ts";
import { EVERYTHING_ON, keysInEffect } from "../../../../lib/server/keys_in_effect.ts";
import { serve } from "../../../../lib/server/serve.ts";
import { FakeEngine } from "../../../support/virtual/fake_engine.ts";
import { freeTcpPort } from "../../../support/process/roomwire_process.ts";

const ADDRESS = "127.0.0.1";
const PATHS = configKeys().map(({ path }) => path);

Deno.test("recordReads() remembers single keys, also absent ones, and not their groups", () => {
  const { config, read } = recordReads(parseConfig({ rtc: { tcp_port: 9 } }));
  const { rtc } = config;
  assert.deepEqual([...read], []);
  assert.equal(rtc.tcp_port, 9);
  assert.equal(rtc.udp_port, undefined);
  assert.equal(config.video.stream_tracker_manager.video.stream_tracker_type, "packet");
  assert.deepEqual([...read], [
    "rtc.tcp_port",
    "rtc.udp_port",
    "video.stream_tracker_manager.video.stream_tracker_type",
  ]);
  assert.deepEqual({ ...rtc.batch_io }, { batch_size: 0, max_flush_interval: 0 });
  assert.ok(read.has("rtc.batch_io.batch_size"), "a copy is a read of everything in it");
});

Deno.test("recordReads() gives a configuration that is equal, frozen, and recorded once", () => {
  const plain = parseConfig({ keys: { a: "b" }, rtc: { node_ip: "192.0.2.1" } });
  const recorded = recordReads(plain);
  assert.deepEqual(structuredClone(JSON.parse(JSON.stringify(recorded.config))), {
    ...JSON.parse(JSON.stringify(plain)),
  });
  assert.equal(recordReads(recorded.config), recorded);
  assert.throws(() => (recorded.config as { port: number }).port = 1, TypeError);
  assert.throws(() => delete (recorded.config.rtc as { ecn?: boolean }).ecn, TypeError);
});

Deno.test("idleKeys() names what somebody set that nobody reads, unless it asks for nothing", () => {
  const raw = {
    port: 1,
    log_level: "info",
    rtc: { use_stun_port_as_ice: true, use_mdns: false, sctp_min_cwnd: 0, packet_buffer_size: 0 },
    trace: { jaeger_url: "" },
    turn: { deny_peer_cidrs: [], ttl_seconds: 300 },
  };
  const recorded = recordReads(parseConfig(raw));
  const written = new Set([
    ...["port", "log_level", "rtc.use_stun_port_as_ice", "rtc.use_mdns", "rtc.sctp_min_cwnd"],
    ...["rtc.packet_buffer_size", "trace.jaeger_url", "turn.deny_peer_cidrs", "turn.ttl_seconds"],
  ]);
  recorded.config.port;
  const idle = () => idleKeys(recorded, written).map(({ path }) => path);
  const rest = ["rtc.use_stun_port_as_ice", "rtc.packet_buffer_size", "turn.ttl_seconds"];
  assert.deepEqual(idle(), ["log_level", ...rest]);
  recorded.config.logging.level;
  assert.deepEqual(idle(), rest, "who sets the old name is heard where the new one is read");
  assert.equal(
    idleKeys(recorded, written)[0]!.instead,
    "set rtc.udp_port and open that: media uses one UDP port for each worker",
  );
});

Deno.test("Advice is given for keys without an effect alone, and every one of them has some", () => {
  const inEffect = keysInEffect();
  const idle = PATHS.filter((path) => !inEffect.has(path));
  const isWithin = (path: string, group: string) => path === group || path.startsWith(`${group}.`);
  for (const group of Object.keys(ADVICE)) {
    assert.ok(
      idle.some((path) => isWithin(path, group)),
      `${group} works now: nobody needs advice`,
    );
  }
  for (const path of idle) assert.ok(adviceFor(path).length > 10, path);
  for (const [old, successor] of Object.entries(SUCCESSORS)) {
    assert.ok(PATHS.includes(old) && PATHS.includes(successor), old);
  }
});

Deno.test("adviceFor() names no key that does something else", () => {
  const group = "rtc.congestion_control";
  for (
    const [path, whatDoesNot] of [
      [`${group}.remote_bwe.probe_controller.settle_wait_min`, /^set /],
      [`${group}.remote_bwe.probe_controller.probe_regulator.base_interval`, /^set /],
      [`${group}.send_side_bwe.congestion_detector.probe_regulator.max_duration`, /^set /],
      [`${group}.stream_allocator.paused_min_wait`, /once a second/],
    ] as const
  ) assert.doesNotMatch(adviceFor(path), whatDoesNot);
});

Deno.test("keysInEffect() are the keys that a server reads that is really run", async () => {
  const [port, metrics] = [await freeTcpPort(ADDRESS), await freeTcpPort("127.0.0.2")];
  const recorded = recordReads(parseConfig({
    ...EVERYTHING_ON,
    port,
    bind_addresses: [ADDRESS],
    prometheus: { ...EVERYTHING_ON.prometheus, port: metrics },
  }));
  const done = new Error("seen enough");
  const serving = serve(recorded.config, silentLog, {
    onListening: async () => {
      const headers = { Upgrade: "websocket", Connection: "Upgrade" };
      for (const path of ["rtc", "rtc/v1", "agent", "whip/v1", "", "rtc/validate"]) {
        await (await fetch(`http://${ADDRESS}:${port}/${path}`, { headers })).body?.cancel();
      }
      await (await fetch(`http://${ADDRESS}:${metrics}/metrics`)).body?.cancel();
      throw done;
    },
  }, { createEngine: () => new FakeEngine() });
  await assert.rejects(serving, done);
  const read = new Set(PATHS.filter((path) => isInEffect(path, recorded.read)));
  const known = keysInEffect();
  // What the log is made of is read before a server is run.
  for (const path of known) if (/^log/.test(path)) read.add(path);
  assert.deepEqual([...read].sort(), [...known].sort());
});
