import assert from "node:assert/strict";
import {
  ConfigError,
  parseConfig,
  parseConfigText,
} from "../../../../lib/server/config/config_parsing.ts";
import { configKeys, configSchema, unwrap } from "../../../../lib/server/config/config_schema.ts";

function problems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return [];
}

function problemsOf(yaml: string): readonly string[] {
  return problems(() => parseConfigText(yaml, "lk.yaml"));
}

Deno.test("parseConfig() gives LiveKit's defaults for nothing", () => {
  const config = parseConfig({});
  assert.equal(config.port, 7880);
  assert.equal(config.rtc.tcp_port, 7881);
  assert.equal(config.rtc.udp_port, undefined);
  assert.equal(config.rtc.congestion_control.enabled, true);
  assert.equal(config.rtc.congestion_control.allow_pause, false);
  assert.equal(config.room.auto_create, true);
  assert.equal(config.room.empty_timeout, 300);
  assert.equal(config.room.departure_timeout, 20);
  assert.equal(config.audio.active_level, 35);
  assert.equal(config.signal_relay.retry_timeout, 7500);
  assert.equal(config.video.dynacast_pause_delay, 5000);
  assert.equal(config.limit.max_room_name_length, 256);
  assert.equal(config.limit.max_api_request_body_size, 10 * 1024 * 1024);
  assert.equal(config.logging.level, "info");
  assert.equal(config.room.enabled_codecs[2]?.mime, "audio/opus");
  const { packet_tracker } = config.video.stream_tracker_manager.video;
  assert.deepEqual(packet_tracker["0"], {
    samples_required: 1,
    cycles_required: 4,
    cycle_duration: 500,
  });
});

Deno.test("parseConfig() freezes what it returns, all the way down", () => {
  const config = parseConfig({ keys: { a: "b" } });
  assert.ok(Object.isFrozen(config));
  assert.ok(Object.isFrozen(config.rtc.congestion_control.stream_allocator));
  assert.ok(Object.isFrozen(config.room.enabled_codecs));
  assert.ok(Object.isFrozen(config.keys));
});

Deno.test("parseConfig() leaves the caller's object alone", () => {
  const raw = { room: { max_room_name_length: 9 }, redis: null };
  const before = structuredClone(raw);
  assert.equal(parseConfig(raw).limit.max_room_name_length, 9);
  assert.deepEqual(raw, before);
});

Deno.test("parseConfigText() reads a LiveKit file with every kind of value", () => {
  const config = parseConfigText(
    `
port: 7_000
bind_addresses: ["127.0.0.1", "::1"]
keys: { API1: s1, API2: "2" }
redis:
rtc:
  udp_port: 7882-7892
  node_ip: 192.0.2.1,2001:db8::1
  allow_tcp_fallback: false
  pli_throttle: { low_quality: 1m30s, mid_quality: 1.5s, high_quality: 0 }
  turn_servers:
    - { host: turn.example, port: 3478, protocol: udp, username: u, credential: c }
room:
  room_configurations:
    small: { max_participants: 2, emptyTimeout: 5 }
node_stats: { stats_rate_measurement_intervals: [1s, 10s] }
`,
    "lk.yaml",
  );
  assert.equal(config.port, 7000);
  assert.deepEqual(config.bind_addresses, ["127.0.0.1", "::1"]);
  assert.deepEqual(config.keys, { API1: "s1", API2: "2" });
  assert.deepEqual(config.rtc.udp_port, { start: 7882, end: 7892 });
  assert.deepEqual(config.rtc.node_ip, ["192.0.2.1", "2001:db8::1"]);
  assert.equal(config.rtc.allow_tcp_fallback, false);
  assert.deepEqual(config.rtc.pli_throttle, {
    low_quality: 90_000,
    mid_quality: 1500,
    high_quality: 0,
  });
  assert.equal(config.rtc.turn_servers[0]?.host, "turn.example");
  assert.equal(config.room.room_configurations["small"]?.maxParticipants, 2);
  assert.equal(config.room.room_configurations["small"]?.emptyTimeout, 5);
  assert.deepEqual(config.node_stats.stats_rate_measurement_intervals, [1000, 10_000]);
  assert.equal(config.redis.address, "");
});

Deno.test("parseConfigText() names the line, the key and what was expected", () => {
  const rows: [string, string][] = [
    ["port: abc", 'lk.yaml:1: port: expected a port, 0 to 65535, got "abc"'],
    ["\n\nport: 65536", "lk.yaml:3: port: expected a port, 0 to 65535, got 65536"],
    ["rtc:\n  tcp_port: 1.5", "lk.yaml:2: rtc.tcp_port: expected a port, 0 to 65535, got 1.5"],
    ["rtc:\n  dscp: 64", "lk.yaml:2: rtc.dscp: expected a whole number, 0 to 63, got 64"],
    ["audio: [1]", "lk.yaml:1: audio: expected a group of keys, got a list"],
    ["development: yep", 'lk.yaml:1: development: expected true or false, got "yep"'],
    ["region: [5]", "lk.yaml:1: region: expected text, got a list"],
    [
      "logging:\n\n  level: loud",
      'lk.yaml:3: logging.level: expected one of debug, info, warn, error, got "loud"',
    ],
    [
      "api:\n  check_interval: 5",
      'lk.yaml:2: api.check_interval: expected a duration such as "500ms", "7.5s" or "2m", got 5',
    ],
    [
      "rtc: { udp_port: 9-2 }",
      'lk.yaml:1: rtc.udp_port: expected a port, or a range such as "7882-7892", got "9-2"',
    ],
    [
      "rtc: { node_ip: example.org }",
      "lk.yaml:1: rtc.node_ip: expected an IPv4 address, an IPv6 address, " +
      'or both as "v4,v6", got "example.org"',
    ],
    [
      "rtc:\n  turn_servers:\n    - host: a\n      username: u",
      "lk.yaml:3: rtc.turn_servers.0: expected a secret, a secret_file, " +
      "or both username and credential, got a group of keys",
    ],
    [
      "bind_addresses:\n  - a\n  - { b: 5 }",
      "lk.yaml:3: bind_addresses.1: expected text, got a group of keys",
    ],
    ["- a", "lk.yaml: (document): expected a map of keys, got a list"],
    ["prometheus: { username: u }", "prometheus: expected both username and password, or neither"],
    [
      "rtc: { force_tcp: true, tcp_port: 0 }",
      "rtc.force_tcp: expected rtc.tcp_port to be set, too",
    ],
    [
      "port: 9000\nrtc:\n  tcp_port: 9000",
      "lk.yaml:3: rtc.tcp_port: expected another TCP port than port has, 9000",
    ],
    [
      "prometheus_port: 7880",
      "lk.yaml:1: prometheus_port: expected another TCP port than port has, 7880",
    ],
    [
      "prometheus: { port: 7881 }",
      "lk.yaml:1: prometheus.port: expected another TCP port than rtc.tcp_port has, 7881",
    ],
    ["webhook: { urls: [http://x] }", "webhook.urls: expected webhook.api_key to be set, too"],
  ];
  for (const [yaml, expected] of rows) {
    const found = problemsOf(yaml);
    assert.equal(found.length, 1, `${yaml}: ${found.join(" | ")}`);
    assert.ok(found[0]!.includes(expected), `${yaml}: ${found[0]}`);
  }
});

Deno.test("parseConfigText() refuses unknown keys and guesses what was meant", () => {
  assert.deepEqual(problemsOf("prot: 1"), ['lk.yaml:1: prot: unknown key, did you mean "port"?']);
  assert.deepEqual(problemsOf("rtc:\n  udpport: 1"), [
    'lk.yaml:2: rtc.udpport: unknown key, did you mean "udp_port"?',
  ]);
  assert.deepEqual(problemsOf("tcp_port: 1"), [
    'lk.yaml:1: tcp_port: unknown key, did you mean "rtc.tcp_port"?',
  ]);
  assert.deepEqual(problemsOf("xyzzy: 1"), ["lk.yaml:1: xyzzy: unknown key"]);
  assert.deepEqual(problemsOf("rtc:\n  turn_servers:\n    - { secret: s, prtocol: tls }"), [
    'lk.yaml:3: rtc.turn_servers.0.prtocol: unknown key, did you mean "protocol"?',
  ]);
});

Deno.test("parseConfigText() reports all problems at once, in the order of the lines", () => {
  const found = problemsOf(
    "zzzzz: 1\nport: x\nrtc:\n  tcp_port: y\n  nope_at_all: 1\nregion: []\n",
  );
  assert.deepEqual(found.map((problem) => problem.split(": ").slice(0, 2).join(" ")), [
    "lk.yaml:1 zzzzz",
    "lk.yaml:2 port",
    "lk.yaml:4 rtc.tcp_port",
    "lk.yaml:5 rtc.nope_at_all",
    "lk.yaml:6 region",
  ]);
});

Deno.test("parseConfigText() never repeats a secret in a problem", () => {
  const text =
    "keys: { a: [31415] }\nredis: { password: [hunter2] }\nturn: { key_file: {b: 27182} }";
  const shown = problemsOf(text).join("\n");
  assert.equal(shown.split("\n").length, 3);
  for (const secret of ["31415", "hunter2", "27182"]) assert.ok(!shown.includes(secret), shown);
});

Deno.test("parseConfigText() reports broken YAML by line and does not follow endless aliases", () => {
  assert.match(problemsOf("port: 1\nport: 2")[0]!, /^lk\.yaml:2: Map keys must be unique/);
  assert.match(problemsOf("a: [")[0]!, /^lk\.yaml:1: /);
  assert.match(problemsOf("port: 1\n---\nport: 2")[0]!, /multiple documents/);
  assert.match(problemsOf("rtc: &x\n  ips: *x")[0]!, /nested more than/);
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 9; i++) {
    const previous = "abcdefghi"[i - 1];
    bomb.push(`${"abcdefghi"[i]}: &${"abcdefghi"[i]} [${`*${previous},`.repeat(9)}]`);
  }
  assert.equal(problemsOf(bomb.join("\n")).length, 1);
});

Deno.test("parseConfigText() puts overrides over the file and names them in problems", () => {
  const config = parseConfigText("port: 1\n", "lk.yaml", [
    { path: "port", value: 2, origin: "--port" },
    { path: "rtc.node_ip", value: "192.0.2.7", origin: "NODE_IP" },
  ]);
  assert.equal(config.port, 2);
  assert.deepEqual(config.rtc.node_ip, ["192.0.2.7"]);
  const wrong = [{ path: "rtc.tcp_port", value: "x", origin: "--tcp-port" }];
  assert.deepEqual(problems(() => parseConfigText("", "lk.yaml", wrong)), [
    '--tcp-port: rtc.tcp_port: expected a port, 0 to 65535, got "x"',
  ]);
});

Deno.test("parseConfig() lets deprecated keys set their successors", () => {
  const config = parseConfig({
    log_level: "warn",
    prometheus_port: 6789,
    room: { max_metadata_size: 5, max_participant_identity_length: 6 },
  });
  assert.equal(config.logging.level, "warn");
  assert.equal(config.prometheus.port, 6789);
  assert.equal(config.limit.max_metadata_size, 5);
  assert.equal(config.limit.max_participant_identity_length, 6);
  assert.equal(parseConfig({ development: true }).logging.level, "debug");
});

Deno.test("parseConfig() takes only addresses for rtc.node_ip that a client could send to", () => {
  const accepted = ["192.0.2.7", "2001:db8::7", "192.0.2.7,2001:db8::7", "127.0.0.1", "::1", ""];
  for (const node_ip of accepted) parseConfig({ rtc: { node_ip } });
  const refused = [
    ...["999.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "0.0.0.0", "::", "224.0.0.1", "ff02::1"],
    ...["2001:db8:::1", "1:2:3:4:5:6:7:8:9", ":", "g::1", "192.0.2.7,192.0.2.8", "::1,::2", "a"],
  ];
  for (const node_ip of refused) {
    assert.throws(() => parseConfig({ rtc: { node_ip } }), /rtc\.node_ip: expected/, node_ip);
  }
});

Deno.test("configKeys() reaches every key that has a default", () => {
  const seen = new Set(configKeys().map((key) => key.path));
  const walk = (value: unknown, path: string): void => {
    const known = seen.has(path) || typeof value !== "object" || value === null;
    if (known) return assert.ok(seen.has(path), path);
    for (const [name, member] of Object.entries(value)) {
      walk(member, path ? `${path}.${name}` : name);
    }
  };
  const schema = configSchema();
  walk(schema.parse({}), "");
  assert.ok(unwrap(schema) === schema);
});
