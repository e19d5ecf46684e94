import assert from "node:assert/strict";
import { SfuError } from "../../../lib/base/errors.ts";
import type {
  EngineReady,
  MediaCommand,
  MediaEngine,
} from "../../../lib/engine/messages/media_messages.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import type { ServerParts } from "../../../lib/server/sfu_server.ts";
import { createServer } from "../../../lib/server/whole_server.ts";
import { signAccessToken } from "../../../lib/signalling/access_token.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const CONFIG = parseConfig({ keys: { devkey: "secret" }, rtc: { node_ip: "192.0.2.1" } });
const READY: EngineReady = {
  fingerprint: { algorithm: "sha-256", value: "00" },
  addresses: [{ protocol: "udp", hostname: "192.0.2.1", port: 7882 }],
  hosts: ["192.0.2.1"],
  ports: "none",
  relays: [],
};

/** An engine without sockets. */
class FakeEngine implements MediaEngine {
  onEvent: MediaEngine["onEvent"] = () => {};
  starts = 0;
  closes = 0;
  readonly commands: MediaCommand[] = [];
  failure: Error | undefined;

  start(): Promise<EngineReady> {
    this.starts++;
    return this.failure === undefined ? Promise.resolve(READY) : Promise.reject(this.failure);
  }

  send(command: MediaCommand): void {
    this.commands.push(command);
  }

  addressesOf(): EngineReady["addresses"] {
    return READY.addresses;
  }

  close(): Promise<void> {
    this.closes++;
    return Promise.resolve();
  }
}

function world(config = CONFIG) {
  const engine = new FakeEngine();
  const platform = new VirtualPlatform();
  const given: Parameters<NonNullable<ServerParts["createEngine"]>>[0][] = [];
  const server = createServer(config, platform, {
    createEngine: (options) => {
      given.push(options);
      return engine;
    },
    networkInterfaces: () => [],
  });
  const validate = async () => {
    const token = await signAccessToken(
      { apiKey: "devkey", secret: "secret" },
      { identity: "ann", video: { roomJoin: true, room: "r" } },
      platform.clock.wallMs(),
      60_000,
    );
    const url = `http://sfu.example/rtc/validate?access_token=${token}`;
    const response = await server.handler(new Request(url));
    return [response.status, await response.text()];
  };
  return { engine, platform, server, given, validate };
}

Deno.test("createServer() has packets marked only if the configuration says how", () => {
  assert.equal(world().given[0]!.marks, undefined);
  const marked = world(parseConfig({ keys: { devkey: "secret" }, rtc: { dscp: 46, ecn: true } }));
  assert.deepEqual(marked.given[0]!.marks, { dscp: 46, ecn: true });
});

Deno.test("createServer() binds nothing, and its handler answers without a port", async () => {
  const { engine, server, given } = world();
  const response = await server.handler(new Request("http://sfu.example/"));
  assert.equal(await response.text(), "OK");
  assert.equal(engine.starts, 0);
  assert.deepEqual(given[0]?.advertised, ["192.0.2.1"]);
  await server.close();
});

Deno.test("createServer() demands a key", () => {
  assert.throws(() => createServer(parseConfig({}), new VirtualPlatform()), {
    code: "missing_keys",
  });
});

Deno.test("SfuServer refuses joins with 503 until media listens and again once it closes", async () => {
  const { server, validate } = world();
  assert.deepEqual(await validate(), [503, "media is not listening"]);
  await server.listenMedia();
  assert.deepEqual(await validate(), [200, "success"]);
  await server.close();
  assert.deepEqual(await validate(), [503, "server is shutting down"]);
});

Deno.test("SfuServer.listenMedia() is idempotent and fails after close()", async () => {
  const { engine, server } = world();
  const [first, second] = await Promise.all([server.listenMedia(), server.listenMedia()]);
  assert.deepEqual(first, READY.addresses);
  assert.equal(first, second);
  assert.equal(engine.starts, 1);
  await server.close();
  await assert.rejects(server.listenMedia(), { code: "closed" });
});

Deno.test("SfuServer.listenMedia() hands on the engine's failure, and close() still works", async () => {
  const { engine, server } = world();
  engine.failure = new SfuError("address_in_use", "busy");
  await assert.rejects(server.listenMedia(), { code: "address_in_use" });
  await server.close();
  assert.equal(engine.closes, 1);
});

Deno.test("SfuServer.close() is idempotent and leaves no timer behind", async () => {
  const { engine, platform, server } = world();
  await server.listenMedia();
  assert.ok(platform.pendingTimers > 0);
  await Promise.all([server.close(), server.close()]);
  await server[Symbol.asyncDispose]();
  assert.equal(engine.closes, 1);
  assert.equal(platform.pendingTimers, 0);
});

Deno.test("SfuServer is healthy as long as its timers run", async () => {
  const { platform, server } = world();
  await server.listenMedia();
  platform.advance(3_600_000);
  const response = await server.handler(new Request("http://sfu.example/"));
  assert.equal(response.status, 200);
  await server.close();
});

Deno.test("SfuServer.drain() closes at once when nobody is there", async () => {
  const { engine, server, validate } = world();
  await server.listenMedia();
  await server.drain({ timeoutMs: 60_000 });
  assert.equal(engine.closes, 1);
  assert.deepEqual(await validate(), [503, "server is shutting down"]);
});

Deno.test("SfuServer that drains is not ready on / and takes no worker, though it is alive", async () => {
  const { platform, server, validate } = world();
  await server.listenMedia();
  const hurry = new AbortController();
  const agent = async () => {
    const token = await signAccessToken(
      { apiKey: "devkey", secret: "secret" },
      { identity: "w", video: { agent: true } },
      platform.clock.wallMs(),
      60_000,
    );
    const headers = {
      Upgrade: "websocket",
      Connection: "Upgrade",
      Authorization: `Bearer ${token}`,
    };
    return await server.handler(new Request("http://sfu.example/agent", { headers }));
  };
  await server.quiesce({ hurry: hurry.signal });
  const health = await server.handler(new Request("http://sfu.example/"));
  assert.deepEqual([health.status, await health.text()], [406, "Not Ready\nShutting Down"]);
  assert.equal((await agent()).status, 503);
  assert.deepEqual(await validate(), [503, "server is shutting down"]);
  assert.ok(platform.pendingTimers > 0, "the heartbeat goes on");
  await server.close();
  assert.equal(platform.pendingTimers, 0);
});
