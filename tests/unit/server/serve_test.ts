import assert from "node:assert/strict";
import { createLog } from "../../../lib/server/logging.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { serve } from "../../../lib/server/serve.ts";
import { FakeEngine } from "../../support/virtual/fake_engine.ts";
import { TestAuthority } from "../../support/process/certificates.ts";
import { mustIgnore } from "../../support/process/e2e_requirements.ts";
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
    rtc: { use_stun_port_as_ice: true, node_ip: "192.0.2.1" },
    trace: { jaeger_url: "http://192.0.2.9/" },
  });
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  const written = new Set(["port", "keys", "rtc.use_stun_port_as_ice", "trace.jaeger_url"]);
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
      "rtc.use_stun_port_as_ice is set and has no effect",
      "set rtc.udp_port and open that: media uses one UDP port for each worker",
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

const ignoreTls = mustIgnore(["openssl"]);

for (const isApart of [false, true]) {
  Deno.test({
    name: isApart
      ? "serve() speaks TLS at tls.port alone, and leads there from the port in the clear"
      : "serve() speaks TLS at every HTTP port if there is a certificate and no tls.port",
    ignore: ignoreTls,
    fn: async () => {
      await using authority = await TestAuthority.make();
      const { certFile, keyFile } = await authority.issue("server");
      const ports = { port: 0, tlsPort: 0, redirect: 0, metrics: 0 };
      for (const name of Object.keys(ports) as (keyof typeof ports)[]) {
        ports[name] = await freeTcpPort(ADDRESS);
      }
      const config = parseConfig({
        port: ports.port,
        bind_addresses: [ADDRESS],
        keys: { devkey: "s".repeat(32) },
        prometheus: { port: ports.metrics },
        rtc: { node_ip: ADDRESS },
        tls: {
          cert_file: certFile,
          key_file: keyFile,
          redirect_port: ports.redirect,
          ...(isApart ? { port: ports.tlsPort } : {}),
        },
      });
      const log = createLog({ level: "error", format: "json", write: () => {} });
      const done = new Error("seen enough");
      using client = Deno.createHttpClient({ caCerts: [authority.cert], poolMaxIdlePerHost: 0 });
      const status = async (url: string) => {
        const response = await fetch(url, { client, redirect: "manual" });
        await response.body?.cancel();
        return response.status === 308 ? response.headers.get("Location") : response.status;
      };
      const onListening = async () => {
        const clear = isApart ? "http" : "https";
        const secure = isApart ? ports.tlsPort : ports.port;
        assert.equal(await status(`${clear}://localhost:${ports.port}/`), 200);
        assert.equal(await status(`${clear}://localhost:${ports.metrics}/metrics`), 200);
        assert.equal(await status(`https://localhost:${secure}/`), 200);
        assert.equal(
          await status(`http://localhost:${ports.redirect}/rtc?a=b`),
          `https://localhost:${secure}/rtc?a=b`,
        );
        throw done;
      };
      await assert.rejects(
        serve(config, log, { onListening }, { createEngine: () => new FakeEngine(), cores: 1 }),
        done,
      );
    },
  });
}

Deno.test("serve() does not begin with a certificate that is none, or half of one", async () => {
  const log = createLog({ level: "error", format: "json", write: () => {} });
  const begin = (tls: Record<string, unknown>) =>
    serve(parseConfig({ keys: { k: "s".repeat(32) }, tls }), log, {
      onListening: () => assert.fail("It is listening"),
    }, { createEngine: () => new FakeEngine() });
  for (const tls of [{ cert_file: "c" }, { key_file: "k" }, { port: 443 }, { redirect_port: 80 }]) {
    await assert.rejects(begin(tls), { code: "invalid_config", message: /needed, both of them/ });
  }
  const nowhere = { cert_file: "/nowhere/c", key_file: "/nowhere/k" };
  await assert.rejects(begin(nowhere), { code: "invalid_config", message: /^tls\.cert_file/ });
});
