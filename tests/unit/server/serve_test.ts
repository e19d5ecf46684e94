import assert from "node:assert/strict";
import { createLog } from "../../../lib/server/logging.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { serve } from "../../../lib/server/serve.ts";
import { FakeEngine } from "../../support/virtual/fake_engine.ts";
import { freeTcpPort } from "../../support/process/roomwire_process.ts";

const ADDRESS = "127.0.0.1";

Deno.test("serve() does not listen for HTTP until media does, so nobody healthy is refused", async () => {
  const port = await freeTcpPort(ADDRESS);
  const config = parseConfig({
    port,
    bind_addresses: [ADDRESS],
    keys: { devkey: "s".repeat(32) },
    rtc: { node_ip: ADDRESS },
  });
  const log = createLog({ level: "error", format: "json", write: () => {} });
  let refused = false;
  // Looks at the HTTP port while media opens, and then fails, which ends the server.
  class FailingEngine extends FakeEngine {
    override async start(): Promise<never> {
      try {
        (await Deno.connect({ hostname: ADDRESS, port })).close();
      } catch (error) {
        refused = error instanceof Deno.errors.ConnectionRefused;
      }
      throw new Error("no sockets today");
    }
  }
  const serving = serve(config, log, { onListening: () => assert.fail("It is not listening") }, {
    createEngine: () => new FailingEngine(),
  });
  await assert.rejects(serving, /no sockets today/);
  assert.ok(refused);
});

Deno.test("serve() warns once of each key without an effect, and shows what it advertises", async () => {
  const config = parseConfig({
    port: await freeTcpPort(ADDRESS),
    bind_addresses: [ADDRESS],
    keys: { devkey: "s".repeat(32) },
    rtc: { use_external_ip: true, node_ip: "192.0.2.1" },
    trace: { jaeger_url: "http://192.0.2.9/" },
  });
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  const written = new Set(["port", "keys", "rtc.use_external_ip", "trace.jaeger_url"]);
  const done = new Error("seen enough");
  const serving = serve(config, log, { written, onListening: () => Promise.reject(done) }, {
    createEngine: () => new FakeEngine(),
    cores: 1,
  });
  await assert.rejects(serving, done);
  const records = lines.map((line) => JSON.parse(line));
  const warnings = records.filter(({ level }) => /^warn/i.test(level));
  assert.deepEqual(warnings.map(({ message, instead }) => [message, instead]), [
    [
      "rtc.use_external_ip is set and has no effect",
      "set rtc.node_ip to the address that clients reach",
    ],
    [
      "trace.jaeger_url is set and has no effect",
      "remove it, there are no traces; set prometheus.port for metrics",
    ],
  ]);
  const { advertised } = records.find(({ message }) => message === "listening");
  assert.deepEqual(advertised, ["192.0.2.1"], "of the engine, each once");
  assert.ok(!lines.join("").includes("192.0.2.9"));
});
