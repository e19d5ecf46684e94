import assert from "node:assert/strict";
import { SfuError } from "../../../../lib/base/errors.ts";
import {
  type CapturePacketsRequest,
  type CommandLineActions,
  runCommandLine,
} from "../../../../lib/server/command_line.ts";
import type { JoinTokenRequest } from "../../../../lib/server/join_token.ts";
import type { TopRequest } from "../../../../lib/server/top/top_command.ts";
import {
  type CommandLineValues,
  type ConfigSources,
  generatedFlags,
  loadConfig,
  parseKeys,
} from "../../../../lib/server/config/config_loading.ts";
import type { Config } from "../../../../lib/server/config/config_parsing.ts";

interface Files {
  readonly [path: string]: { readonly text: string; readonly mode?: number };
}

function sources(files: Files = {}, env: Record<string, string> = {}): ConfigSources {
  return {
    env: (name) => env[name],
    readFile: (path) => {
      const file = files[path];
      if (file === undefined) throw new Deno.errors.NotFound("gone");
      return { text: file.text, mode: file.mode ?? 0o100600 };
    },
  };
}

/** Parses a command line and loads the configuration it asks for. */
async function load(args: string[], from = sources()): Promise<Config> {
  let values: CommandLineValues | undefined;
  const status = await runCommandLine(args, actions({ serve: (v) => values = v }), from, SILENT);
  assert.equal(status, undefined);
  return loadConfig(values!, from);
}

const SILENT = { out: () => {}, err: () => {} };

function actions(on: {
  serve?: (values: CommandLineValues) => void;
  ports?: (values: CommandLineValues) => void;
  check?: (values: CommandLineValues, options: { readonly json: boolean }) => number;
  generateKeys?: () => void;
  token?: (values: CommandLineValues, request: JoinTokenRequest) => void;
  adminToken?: (values: CommandLineValues, validFor: string | undefined) => void;
  top?: (request: TopRequest) => void;
  report?: (values: CommandLineValues, url: string | undefined) => void;
  capture?: (values: CommandLineValues, request: CapturePacketsRequest) => void;
}): CommandLineActions {
  return {
    serve: (values) => Promise.resolve(on.serve?.(values)),
    ports: (values) => on.ports?.(values),
    check: (values, options) => Promise.resolve(on.check?.(values, options) ?? 0),
    report: (values, url) => Promise.resolve(on.report?.(values, url)),
    capturePackets: (values, request) => Promise.resolve(on.capture?.(values, request)),
    generateKeys: () => on.generateKeys?.(),
    createJoinToken: (values, request) => Promise.resolve(on.token?.(values, request)),
    createAdminToken: (values, validFor) => Promise.resolve(on.adminToken?.(values, validFor)),
    top: (request) => Promise.resolve(on.top?.(request)),
  };
}

async function failure(run: () => Promise<unknown>): Promise<[string, string]> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof SfuError, String(error));
    return [error.code, error.message];
  }
  return ["none", ""];
}

Deno.test("loadConfig() prefers config text to a config file and reads either", async () => {
  const files = { "a.yaml": { text: "port: 1\nkeys: {k: s}" } };
  assert.equal((await load(["--config", "a.yaml"], sources(files))).port, 1);
  const env = { LIVEKIT_CONFIG: "port: 2\nkeys: {k: s}" };
  assert.equal((await load(["--config", "a.yaml"], sources(files, env))).port, 2);
  const body = ["--config-body", "port: 3\nkeys: {k: s}"];
  assert.equal((await load(body, sources(files, env))).port, 3);
});

Deno.test("loadConfig() puts flags over variables over the file over defaults", async () => {
  const keys = ["--keys", "k: s"];
  const env = { LIVEKIT_RTC_TCP_PORT: "2", LIVEKIT_RTC_NODE_IP: "192.0.2.2", NODE_IP: "192.0.2.3" };
  const body = ["--config-body", "rtc: {tcp_port: 1, node_ip: 192.0.2.1}", ...keys];
  assert.equal((await load(keys)).rtc.tcp_port, 7881);
  assert.equal((await load(body)).rtc.tcp_port, 1);
  assert.equal((await load(body, sources({}, env))).rtc.tcp_port, 2);
  assert.equal((await load([...body, "--rtc.tcp_port", "3"], sources({}, env))).rtc.tcp_port, 3);
  const both = [...body, "--rtc.tcp_port", "3", "--tcp-port", "4"];
  assert.equal((await load(both, sources({}, env))).rtc.tcp_port, 4);
  assert.deepEqual((await load(body, sources({}, env))).rtc.node_ip, ["192.0.2.3"]);
});

Deno.test("loadConfig() reads every named flag", async () => {
  const config = await load([
    ...["--keys", "k: s", "--port", "1", "--udp-port", "5-9", "--tcp-port", "0"],
    ...["--node-ip", "192.0.2.1", "--region", "eu", "--bind", "127.0.0.1", "--bind", "::1"],
    ...["--redis-host", "r:6379", "--redis-password", "123", "--turn-cert", "c", "--turn-key", "t"],
    ...["--room.auto_create", "false", "--api.execution_timeout", "5s"],
  ]);
  assert.equal(config.port, 1);
  assert.deepEqual(config.rtc.udp_port, { start: 5, end: 9 });
  assert.equal(config.rtc.tcp_port, 0);
  assert.equal(config.region, "eu");
  assert.deepEqual(config.bind_addresses, ["127.0.0.1", "::1"]);
  assert.equal(config.redis.address, "r:6379");
  assert.equal(config.redis.password, "123");
  assert.deepEqual([config.turn.cert_file, config.turn.key_file], ["c", "t"]);
  assert.equal(config.room.auto_create, false);
  assert.equal(config.api.execution_timeout, 5000);
});

Deno.test("loadConfig() names the flag or variable whose value is wrong", async () => {
  const [code, message] = await failure(() =>
    load(["--keys", "k: s", "--tcp-port", "many"], sources({}, { LIVEKIT_PORT: "x" }))
  );
  assert.equal(code, "invalid_config");
  assert.match(message, /^LIVEKIT_PORT: port: expected a port/m);
  assert.match(message, /^--tcp-port: rtc\.tcp_port: expected a port, 0 to 65535, got "many"$/m);
});

Deno.test("loadConfig() demands a key outside development and installs one inside", async () => {
  assert.deepEqual(await failure(() => load([])), [
    "missing_keys",
    "one of key-file or keys must be provided",
  ]);
  const dev = await load(["--dev"]);
  assert.deepEqual(dev.keys, { devkey: "secret" });
  assert.deepEqual(dev.bind_addresses, ["127.0.0.1", "::1"]);
  assert.equal(dev.logging.level, "debug");
  const bound = await load(["--dev", "--bind", "0.0.0.0"]);
  assert.deepEqual(bound.bind_addresses, ["0.0.0.0"]);
  const own = await load(["--dev", "--keys", "mine: x"]);
  assert.deepEqual(own.keys, { mine: "x" });
  assert.deepEqual(own.bind_addresses, [], "only the placeholder key is confined to this machine");
});

Deno.test("loadConfig() takes keys from LIVEKIT_KEYS, and a key file replaces all others", async () => {
  const env = { LIVEKIT_KEYS: "a: 1x\nb: 2x", HOME: "/home/me", DIR: "sub" };
  assert.deepEqual((await load([], sources({}, env))).keys, { a: "1x", b: "2x" });
  const files = { "/home/me/sub/keys.yaml": { text: "c: 3x" } };
  const config = await load(["--key-file", "~/${DIR}/keys.yaml"], sources(files, env));
  assert.deepEqual(config.keys, { c: "3x" });
});

Deno.test("loadConfig() refuses a key file that others may read, one that is gone, one of a wrong form", async () => {
  const files = {
    "open": { text: "c: x", mode: 0o100604 },
    "list": { text: "- c" },
  };
  assert.deepEqual(await failure(() => load(["--key-file", "open"], sources(files))), [
    "unreadable_file",
    "key file others permissions must be set to 0",
  ]);
  assert.deepEqual(await failure(() => load(["--key-file", "gone"], sources(files))), [
    "unreadable_file",
    'Cannot read "gone": no such file',
  ]);
  assert.match((await failure(() => load(["--key-file", "list"], sources(files))))[1], /exactly/);
  assert.deepEqual(await failure(() => load(["--config", "gone.yaml"])), [
    "unreadable_file",
    'Cannot read "gone.yaml": no such file',
  ]);
});

Deno.test("loadConfig() ignores unknown keys only with --disable-strict-config", async () => {
  const body = ["--config-body", "prot: 1\nrtc: {zzz: 1}\nkeys: {k: s}"];
  assert.equal((await failure(() => load(body)))[0], "invalid_config");
  assert.equal((await load([...body, "--disable-strict-config"])).port, 7880);
  const wrongType = ["--config-body", "prot: 1\nport: x", "--disable-strict-config"];
  assert.match((await failure(() => load(wrongType)))[1], /^config|--config-body:2: port/);
});

Deno.test("loadConfig() wants webhook.api_key to be one of the keys", async () => {
  const body = "webhook: {urls: [http://x], api_key: other}\nkeys: {k: s}";
  const [, message] = await failure(() => load(["--config-body", body]));
  assert.match(message, /^webhook\.api_key: /);
});

Deno.test("parseKeys() takes every key and secret as it is written and refuses what is no map", () => {
  assert.deepEqual(parseKeys("a: x\nb: 0123456\n007: 1e3\ntrue: no\nc: 12345678901234567890"), {
    "007": "1e3",
    a: "x",
    b: "0123456",
    true: "no",
    c: "12345678901234567890",
  });
  for (
    const text of ["a:x", "- a", "5", "a: [", '"text"', "a: [1]", "a: { b: c }", "a:", "a: x\nb:"]
  ) {
    assert.throws(() => parseKeys(text), {
      message: 'Could not parse keys, it needs to be exactly, "key: secret", including the space',
    }, text);
  }
});

Deno.test("loadConfig() keeps secrets of digits, wherever they are written", async () => {
  const files = { "k.yaml": { text: "a: 0123456" } };
  const expected = { a: "0123456" };
  assert.deepEqual((await load(["--keys", "a: 0123456"])).keys, expected);
  assert.deepEqual((await load(["--config-body", "keys: {a: 0123456}"])).keys, expected);
  assert.deepEqual((await load(["--key-file", "k.yaml"], sources(files))).keys, expected);
  const env = sources({}, { LIVEKIT_KEYS: "a: 0123456" });
  assert.deepEqual((await load([], env)).keys, expected);
  const body = "keys: {a: 0123456}\nrtc: {turn_servers: [{username: 007, credential: 1_0}]}";
  const [server] = (await load(["--config-body", body])).rtc.turn_servers;
  assert.deepEqual([server?.username, server?.credential], ["007", "1_0"]);
});

Deno.test("loadConfig() reads switches of variables and flags as Go does, and ignores empty ones", async () => {
  const on = (text: string) => load(["--dev"], sources({}, { LIVEKIT_RTC_ECN: text }));
  for (const text of ["1", "t", "T", "true", "TRUE", "True"]) {
    assert.equal((await on(text)).rtc.ecn, true, text);
  }
  for (const text of ["0", "f", "false", "FALSE", ""]) {
    assert.equal((await on(text)).rtc.ecn, false, text);
  }
  assert.match((await failure(() => on("yes")))[1], /LIVEKIT_RTC_ECN: rtc\.ecn: expected true or/);
  const empty = sources({}, { LIVEKIT_PORT: "", LIVEKIT_RTC_TCP_PORT: "" });
  assert.equal((await load(["--dev"], empty)).port, 7880);
});

Deno.test("loadConfig() takes a switch without a value for on, wherever it stands", async () => {
  const [last, before, off, text] = await Promise.all([
    load(["--dev", "--rtc.ecn"]),
    load(["--rtc.ecn", "--dev", "--rtc.force_tcp", "--port", "9"]),
    load(["--dev", "--enable_data_tracks", "false", "--room.auto_create=false"]),
    load(["--dev", "--rtc.ecn", "true", "--rtc.allow_tcp_fallback"]),
  ]);
  assert.equal(last.rtc.ecn, true);
  assert.deepEqual([before.rtc.ecn, before.rtc.force_tcp, before.port], [true, true, 9]);
  assert.deepEqual([off.enable_data_tracks, off.room.auto_create], [false, false]);
  assert.deepEqual([text.rtc.ecn, text.rtc.allow_tcp_fallback], [true, true]);
});

Deno.test("generatedFlags() names each flag as the key and each variable after it", () => {
  const flag = generatedFlags().find(({ path }) => path === "rtc.tcp_port");
  assert.equal(flag?.name, "LIVEKIT_RTC_TCP_PORT");
  assert.ok(!generatedFlags().some(({ path }) => path === "bind_addresses" || path === "keys"));
});

Deno.test("runCommandLine() calls the subcommand with its own and the server's flags", async () => {
  const seen: unknown[] = [];
  const on = actions({
    generateKeys: () => seen.push("keys"),
    ports: (values) => seen.push(values.config),
    check: (values, options) => seen.push(values.config, options),
    token: (values, request) => seen.push(values.keys, request),
  });
  const run = (args: string[]) => runCommandLine(args, on, sources(), SILENT);
  await run(["generate-keys"]);
  await run(["ports", "--config", "x.yaml"]);
  assert.equal(await run(["check", "--config", "y.yaml", "--json"]), 4);
  assert.equal(await run(["check"]), 6);
  const token = ["create-join-token", "--keys", "k: s", "--room", "r", "--identity", "i"];
  await run(token);
  await run([...token, "--name", "Ann", "--valid-for", "2h", "--grant", "{}", "--recorder"]);
  assert.deepEqual(seen, [
    "keys",
    "x.yaml",
    "y.yaml",
    { json: true },
    "",
    { json: false },
    "k: s",
    { room: "r", identity: "i", recorder: false },
    "k: s",
    { room: "r", identity: "i", recorder: true, name: "Ann", validFor: "2h", grant: "{}" },
  ]);
});

Deno.test("runCommandLine() gives operators their own flags", async () => {
  const seen: unknown[] = [];
  const on = actions({
    top: (request) => seen.push(request),
    adminToken: ({ keys }, validFor) => seen.push(keys, validFor),
  });
  const write = { out: () => {}, err: (text: string) => assert.fail(text) };
  const run = (...args: string[]) => runCommandLine(args, on, sources(), write);
  await run("top");
  await run("top", "--url", "wss://a.example", "--api-key", "k", "--api-secret", "s", "--json");
  await run("top", "--dev", "--room", "r", "--sort", "in", "--token", "t");
  await run("create-admin-token", "--keys", "k: s", "--valid-for", "2h");
  assert.deepEqual(seen, [
    { dev: false, json: false },
    { url: "wss://a.example", apiKey: "k", apiSecret: "s", dev: false, json: true },
    { room: "r", sort: "in", token: "t", dev: true, json: false },
    "k: s",
    "2h",
  ]);
});

Deno.test("runCommandLine() answers usage errors, help and version with text and a status", async () => {
  const run = async (args: string[]) => {
    const written: string[] = [];
    const write = { out: (t: string) => written.push(t), err: (t: string) => written.push(t) };
    const status = await runCommandLine(args, actions({}), sources(), write);
    return [status, written.join("")] as const;
  };
  const [unknown, text] = await run(["--nonsense"]);
  assert.equal(unknown, 1);
  assert.match(text, /^error: unknown option '--nonsense'\n$/);
  assert.equal((await run(["create-join-token", "--room", "r"]))[0], 1);
  assert.equal((await run(["--help"]))[0], 0);
  const [version, number] = await run(["--version"]);
  assert.equal(version, 0);
  assert.match(number, /^\d+\.\d+\.\d+ \(commit [0-9a-f]{12}\)\n$/);
  const [, verbose] = await run(["help-verbose"]);
  assert.match(verbose, /--rtc\.tcp_port {2}\[LIVEKIT_RTC_TCP_PORT\]\n/);
  assert.match(verbose, /--rtc\.use_mdns .*\(no effect yet\)/);
});

Deno.test("runCommandLine() says which command or flag was probably meant", async () => {
  const rows: [args: string[], expected: string][] = [
    [["generate-kyes"], `unknown command 'generate-kyes', did you mean "generate-keys"?`],
    [["prots"], `unknown command 'prots', did you mean "ports"?`],
    [["create-jointoken"], `unknown command 'create-jointoken', did you mean "create-join-token"?`],
    [["list-nodes", "--dev"], "unknown command 'list-nodes'"],
    [["--dev", "xyzzy"], "unknown command 'xyzzy'"],
    [["--conifg", "x"], `unknown option '--conifg', did you mean "--config"?`],
    [["-config", "x"], `unknown option '-config', did you mean "--config"?`],
    [["--rtc.tcp_prt=1"], `unknown option '--rtc.tcp_prt', did you mean "--rtc.tcp_port"?`],
    [["--force-tcp", "1"], `unknown option '--force-tcp', did you mean "--rtc.force_tcp"?`],
    [["ports", "--prot", "1"], `unknown option '--prot', did you mean "--port"?`],
    [["create-join-token", "--idenity", "a"], `option '--idenity', did you mean "--identity"?`],
    [["generate-keys", "--port", "1"], "unknown option '--port'\n"],
  ];
  for (const [args, expected] of rows) {
    const errors: string[] = [];
    const write = { out: () => {}, err: (text: string) => errors.push(text) };
    const status = await runCommandLine(args, actions({}), sources(), write);
    assert.equal(status, 1, args.join(" "));
    assert.ok(errors.join("").includes(expected), errors.join(""));
    assert.equal(errors.join("").trimEnd().split("\n").length, 1);
    if (!expected.includes("mean")) assert.ok(!errors.join("").includes("mean"), errors.join(""));
  }
});
