/** LiveKit's tests of services and configuration. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import {
  DisconnectReason,
  JoinRequest,
  RoomUpdate,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression,
} from "@livekit/protocol";
import { type CommandLineActions, runCommandLine } from "../../lib/server/command_line.ts";
import {
  type CommandLineValues,
  type ConfigSources,
  loadConfig,
} from "../../lib/server/config/config_loading.ts";
import {
  type Config,
  parseConfig,
  parseConfigText,
} from "../../lib/server/config/config_parsing.ts";
import { decodeJoinRequest } from "../../lib/signalling/join_request.ts";
import { authenticate } from "../../routes/authentication.ts";
import { testBodies } from "../support/virtual/test_bodies.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { World } from "../support/virtual/scripted_client.ts";
import { ROOM, scenario, unitScenario } from "./support.ts";

unitScenario("TestAuthMiddleware", async (t) => {
  const keys = new Map([[TEST_KEY, TEST_SECRET]]);
  const ask = (headers: Record<string, string>) =>
    authenticate(new Headers(headers), new URLSearchParams(), keys, Date.now());
  await t.step("a valid bearer token gives its grants", async () => {
    const token = await mintToken({ identity: "alice", room: ROOM });
    const result = await ask({ Authorization: `Bearer ${token}` });
    assert.ok(result.ok);
    assert.equal(result.token!.identity, "alice");
    assert.equal(result.token!.video!.room, ROOM);
  });
  await t.step("no token gives no grants and is no error", async () => {
    assert.deepEqual(await ask({}), { ok: true, token: undefined });
  });
  await t.step("an invalid one is refused with 401", async () => {
    const result = await ask({ Authorization: "Bearer invalid" });
    assert.equal(!result.ok && result.status, 401);
  });
});

scenario("TestRequestBodyLimiter", async (test) => {
  const post = async (body: Uint8Array<ArrayBuffer>) => {
    // Any path: the limit comes before routes, tokens and decoding.
    const response = await fetch(`${test.httpUrl}/anything`, { method: "POST", body });
    return [response.status, await response.text()];
  };
  assert.deepEqual(await post(new Uint8Array(101)), [413, "request body too large"]);
  assert.equal((await post(new Uint8Array(100)))[0], 404);
  const undeclared = () =>
    new Request("http://sfu.example/", {
      method: "POST",
      body: ReadableStream.from([new Uint8Array(60), new Uint8Array(60)]),
    });
  const lengthWithin = async (limit: number) => {
    const read = await testBodies().read(undeclared(), limit, ({ length }) => length);
    return read.ok ? read.value : read.failure;
  };
  assert.equal(await lengthWithin(100), "too_large");
  assert.equal(await lengthWithin(0), 120);
}, { config: { limit: { max_api_request_body_size: 100 } } });

scenario("TestCreateRoom", (test) => {
  const { rooms } = test.server;
  const info = rooms.create({ name: "defaults" }).info();
  assert.deepEqual([info.emptyTimeout, info.departureTimeout], [300, 20]);
  assert.deepEqual(info.enabledCodecs.map(({ mime }) => mime), ["audio/opus", "video/VP8"]);
  const own = rooms.create({ name: "own", emptyTimeoutS: 7, departureTimeoutS: 8 }).info();
  assert.deepEqual([own.emptyTimeout, own.departureTimeout], [7, 8]);
  return Promise.resolve();
}, { config: { room: { enabled_codecs: [{ mime: "audio/opus" }, { mime: "video/VP8" }] } } });

scenario("TestDrainMessageSource", async (test) => {
  const alice = await test.join("alice");
  const room = test.server.rooms.get(ROOM)!;
  const metadata = "x".repeat(10_000);
  const numbered = () =>
    alice.signal.all("roomUpdate").map((update) => update.room!)
      .filter((info) => info.metadata === metadata).map(({ numPublishers }) => numPublishers);
  for (let numPublishers = 0; numPublishers < 200; numPublishers++) {
    const value = new RoomUpdate({ room: { metadata, numPublishers } });
    room.session("alice")!.send({ case: "roomUpdate", value });
  }
  await test.server.rooms.delete(ROOM);
  await alice.signal.ended();
  assert.deepEqual(numbered(), Array.from({ length: 200 }, (_, i) => i));
  assert.equal(alice.signal.received.at(-1)!.case, "leave");
});

const NO_FILES: ConfigSources = {
  env: () => undefined,
  readFile: (path) => {
    if (path !== "file") throw new Deno.errors.NotFound("gone");
    return { text: "region: from-file", mode: 0o100600 };
  },
};
const KEYS = ["--keys", "key1: secret1"];

/** What the program would serve with these arguments. */
async function load(...args: string[]): Promise<Config> {
  let values: CommandLineValues | undefined;
  const unused = () => assert.fail("not this command");
  const actions: CommandLineActions = {
    serve: (parsed) => {
      values = parsed;
      return Promise.resolve();
    },
    ports: unused,
    check: unused,
    report: unused,
    capturePackets: unused,
    generateKeys: unused,
    createJoinToken: unused,
    createAdminToken: unused,
    top: unused,
  };
  const errors: string[] = [];
  const write = { out: () => {}, err: (text: string) => errors.push(text) };
  await runCommandLine(args, actions, NO_FILES, write);
  assert.ok(values, errors.join());
  return loadConfig(values, NO_FILES);
}

unitScenario("TestConfig_UnmarshalKeys", async () => {
  assert.deepEqual((await load(...KEYS)).keys, { key1: "secret1" });
});

unitScenario("TestConfig_DefaultsKept", () => {
  const { room } = parseConfigText("room:\n  empty_timeout: 10", "test");
  assert.deepEqual([room.auto_create, room.empty_timeout], [true, 10]);
});

unitScenario("TestConfig_SignalMessageSizeLimitDefaults", () => {
  const { limit } = parseConfig({});
  const twoMiB = 2 * 1024 * 1024;
  assert.equal(limit.signal_message_size_limit, twoMiB);
  assert.equal(limit.agent_signal_message_size_limit, twoMiB);
});

unitScenario("TestConfig_SignalMessageSizeLimitOverride", () => {
  const limits = { signal_message_size_limit: 1024, agent_signal_message_size_limit: 0 };
  const { limit } = parseConfig({ limit: limits });
  assert.equal(limit.signal_message_size_limit, 1024);
  assert.equal(limit.agent_signal_message_size_limit, 0);
});

unitScenario("TestConfig_UnknownKeys", () => {
  const text = "unknown: 10\nroom:\n  empty_timeout: 10";
  assert.throws(() => parseConfigText(text, "test"), { code: "invalid_config" });
});

unitScenario("TestGeneratedFlags", async () => {
  const config = await load(
    ...KEYS,
    ...["--rtc.use_ice_lite", "true"],
    ...["--redis.address", "localhost:6379"],
    ...["--prometheus.port", "9999"],
    ...["--rtc.allow_tcp_fallback", "true"],
    ...["--rtc.reconnect_on_publication_error", "true"],
    ...["--rtc.reconnect_on_subscription_error", "false"],
  );
  assert.equal(config.rtc.use_ice_lite, true);
  assert.equal(config.redis.address, "localhost:6379");
  assert.equal(config.prometheus.port, 9999);
  assert.equal(config.rtc.allow_tcp_fallback, true);
  assert.equal(config.rtc.reconnect_on_publication_error, true);
  assert.equal(config.rtc.reconnect_on_subscription_error, false);
});

unitScenario("TestGetConfigString", async () => {
  const region = async (...args: string[]) => (await load(...KEYS, ...args)).region;
  assert.equal(await region(), "");
  assert.equal(await region("--config-body", "region: from-body"), "from-body");
  const both = ["--config", "file", "--config-body", "region: from-body"];
  assert.equal(await region(...both), "from-body");
  assert.equal(await region("--config", "file"), "from-file");
});

unitScenario("TestShouldReturnErrorIfConfigFileDoesNotExist", async () => {
  await assert.rejects(load(...KEYS, "--config", "notExistingFile"), { code: "unreadable_file" });
});

unitScenario("TestDecompressGzip", async (t) => {
  const LIMIT = 1024 * 1024;
  const TOO_LARGE = { ok: false, message: "join request too large" };
  const decoded = (compressed: Uint8Array) => {
    const { GZIP: compression } = WrappedJoinRequest_Compression;
    const wrapped = new WrappedJoinRequest({ compression, joinRequest: compressed });
    const base64 = Buffer.from(wrapped.toBinary()).toString("base64");
    return decodeJoinRequest(base64.replaceAll("+", "-").replaceAll("/", "_"));
  };
  /** A request of exactly so many bytes. */
  const request = (bytes: number) => {
    const size = (metadata: number) =>
      new JoinRequest({ metadata: "x".repeat(metadata) }).toBinary();
    return size(bytes - (size(bytes).length - bytes));
  };
  await t.step("a small payload", () => {
    const result = decoded(gzipSync(new JoinRequest({ metadata: "hello" }).toBinary()));
    assert.equal(result.ok && result.request.metadata, "hello");
  });
  await t.step("a payload of exactly the limit, and one of a byte more", () => {
    const exact = request(LIMIT);
    assert.equal(exact.length, LIMIT);
    assert.equal(decoded(gzipSync(exact)).ok, true);
    assert.deepEqual(decoded(gzipSync(request(LIMIT + 1))), TOO_LARGE);
  });
  await t.step("a bomb of 100 MiB", () => {
    const bomb = gzipSync(new Uint8Array(100 * LIMIT));
    assert.ok(bomb.length < LIMIT);
    assert.deepEqual(decoded(bomb), TOO_LARGE);
  });
  await t.step("what is not gzip", () => {
    const result = decoded(new TextEncoder().encode("not gzip data"));
    assert.match(result.ok ? "" : result.message, /cannot read decompressed/);
  });
});

scenario("TestConvertErrToTwirp", async (test) => {
  const refused = (call: Promise<unknown>) => call.then(() => undefined, (error) => error);
  const error = await refused(test.api.deleteRoom("nowhere"));
  assert.deepEqual([error.status, error.code], [404, "not_found"]);
  assert.match(error.message, /requested room does not exist$/);
});

unitScenario("TestMessageChannel_WriteMessageClosed", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { participant } = alice;
  const before = alice.received.length;
  const value = new RoomUpdate();
  alice.socket.onClose();
  for (let i = 0; i < 100; i++) participant.send({ case: "roomUpdate", value });
  participant.close(DisconnectReason.CLIENT_INITIATED, "disconnect");
  participant.send({ case: "roomUpdate", value });
  await world.settle();
  assert.equal(alice.received.length, before);
  assert.equal(world.counters.snapshot().participant_bug, undefined);
});
