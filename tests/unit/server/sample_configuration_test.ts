/**
 * The keys that LiveKit's sample configuration shows, in words of our own, every line switched on:
 * each one starts, or says exactly why not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { SfuError } from "../../../lib/base/errors.ts";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { idleKeys, recordReads } from "../../../lib/server/config/config_effects.ts";
import { loadWrittenConfig } from "../../../lib/server/config/config_loading.ts";
import { createServer } from "../../../lib/server/whole_server.ts";
import { FakeEngine } from "../../support/virtual/fake_engine.ts";

const KEYS = "keys:\n  key1: secret1\n  key2: secret2\n";
const NO_FILES = {
  env: () => undefined,
  readFile: () => assert.fail("no file is needed"),
};

/** Takes effect, or asks for nothing. */
const WORKS = [
  "node_selector: { regions: [{ name: us-west-2, lat: 44.19434095976287, lon: -123.0674908379146 }] }",
  "port: 7880",
  "prometheus_port: 6789",
  "rtc: { tcp_port: 7881 }",
  "rtc: { udp_port: 7882-7892 }",
  "rtc: { stun_servers: [server1] }",
  "rtc: { allow_tcp_fallback: true }",
  "rtc: { tcp_fallback_rtt_threshold: 0 }",
  "rtc: { allow_udp_unstable_fallback: false }",
  "rtc: { enable_loopback_candidate: true }",
  "rtc: { data_channel_max_buffered_amount: 0 }",
  "rtc: { datachannel_data_track_target_latency: 100ms }",
  "logging: { level: info }",
  "logging: { json: false }",
  "logging: { sample: false }",
  "room: { auto_create: false }",
  "room: { empty_timeout: 300 }",
  "rtc: { port_range_start: 50000, port_range_end: 60000 }",
  "rtc: { use_external_ip: true }",
  "rtc: { advertise_internal_ip: true }",
  "rtc: { skip_external_ip_validation: true }",
  "room: { departure_timeout: 20 }",
  "room: { max_participants: 0 }",
  "room: { enabled_codecs: [{ mime: audio/opus }, { mime: video/vp8 }] }",
  "room: { enable_remote_unmute: true }",
  "room: { playout_delay: { enabled: true, min: 100, max: 2000 } }",
  "room: { sync_streams: true }",
  "webhook: { api_key: key1, urls: [https://your-host.com/handler] }",
  "audio: { active_level: 30 }",
  "audio: { min_percentile: 40 }",
  "audio: { update_interval: 500 }",
  "audio: { smooth_intervals: 4 }",
  "turn: { enabled: false }",
  "region: us-west-2",
  "limit: { num_tracks: -1 }",
  "limit: { subscription_limit_video: 0 }",
  "limit: { subscription_limit_audio: 0 }",
  "limit: { max_metadata_size: 0 }",
  "limit: { max_attributes_size: 0 }",
  "limit: { max_room_name_length: 0 }",
  "limit: { max_participant_identity_length: 0 }",
  "limit: { signal_message_size_limit: 2097152 }",
  "limit: { agent_signal_message_size_limit: 2097152 }",
  "limit: { max_api_request_body_size: 10485760 }",
  "rtc: { turn_servers: [{ host: myhost.com, port: 443, protocol: tls, secret: s, ttl: 14400 }] }",
  "turn: { enabled: true, udp_port: 3478, deny_peer_cidrs: [10.0.0.0/8] }",
];

/** Starts and warns: each line names the keys it sets. */
const WARNS: readonly (readonly [yaml: string, ...keys: string[]])[] = [
  ["rtc: { use_stun_port_as_ice: true }", "use_stun_port_as_ice"],
  ["rtc: { use_ice_lite: true }", "use_ice_lite"],
  ["rtc: { use_mdns: true }", "use_mdns"],
  ["rtc: { strict_acks: true }", "strict_acks"],
  [
    "rtc: { batch_io: { batch_size: 128, max_flush_interval: 2ms } }",
    "batch_size",
    "max_flush_interval",
  ],
  ["logging: { pion_level: error }", "pion_level"],
  ["signal_relay: { retry_timeout: 30s }", "retry_timeout"],
  ["signal_relay: { min_retry_interval: 500ms }", "min_retry_interval"],
  ["signal_relay: { max_retry_interval: 5s }", "max_retry_interval"],
  ["signal_relay: { stream_buffer_size: 1000 }", "stream_buffer_size"],
  ["psrpc: { max_attempts: 3 }", "max_attempts"],
  ["psrpc: { timeout: 500ms }", "timeout"],
  ["psrpc: { backoff: 500ms }", "backoff"],
  ["psrpc: { buffer_size: 1000 }", "buffer_size"],
  ["node_selector: { kind: sysload, sort_by: sysload }", "kind", "sort_by"],
  ["node_selector: { algorithm: lowest, sysload_limit: 0.7 }", "algorithm", "sysload_limit"],
];

/** These may be given an effect by others: they start, with a warning or without. */
const STARTS = [
  "ingress: { rtmp_base_url: 'rtmp://my.domain.com/live' }",
  "ingress: { whip_base_url: 'http://my.domain.com/whip' }",
  "redis: { address: 'redis.invalid:6379', db: 0, username: u, password: p }",
  "redis: { sentinel_master_name: livekit, sentinel_addresses: ['redis-0.invalid:26379'] }",
  "redis: { cluster_addresses: ['redis-0.invalid:6379', 'redis-1.invalid:6380'] }",
  "rtc: { interfaces: { includes: [en0], excludes: [docker0] } }",
  "rtc: { ips: { includes: [10.0.0.0/16], excludes: [192.168.1.0/24] } }",
  "rtc: { congestion_control: { enabled: true, allow_pause: true } }",
  "rtc: { packet_buffer_size_video: 500, packet_buffer_size_audio: 200 }",
  "rtc: { pli_throttle: { low_quality: 500ms, mid_quality: 1s, high_quality: 1s } }",
  "audio: { active_red_encoding: true }",
  "limit: { bytes_per_sec: 1_000_000_000 }",
  "turn:\n  enabled: false\n  udp_port: 3478\n  tls_port: 5349\n  relay_range_start: 1024\n" +
  "  relay_range_end: 30000\n  per_user_relay_allocation_limit: 12\n  external_tls: true\n" +
  "  domain: turn.myhost.com\n  cert_file: /path/to/cert.pem\n  key_file: /path/to/key.pem\n" +
  "  ttl_seconds: 300\n  allow_restricted_peer_cidrs: [10.0.0.0/8, 192.168.0.0/16]\n" +
  "  deny_peer_cidrs: [10.0.0.0/8, 192.168.0.0/16]",
];

/** Does not start. */
const REFUSED: readonly (readonly [yaml: string, why: string])[] = [
  ["turn: { enabled: true }", "turn: set udp_port, tls_port or both"],
  [
    "rtc: { node_ip: <external-ip-of-node> }",
    "sample.yaml:4: rtc.node_ip: expected an IPv4 address, an IPv6 address, or both " +
    'as "v4,v6", got "<external-ip-of-node>"',
  ],
  [
    "rtc: { turn_servers: [{ host: h, port: 443, protocol: tls, secret: '', username: '' }] }",
    "sample.yaml:4: rtc.turn_servers.0: expected a secret, a secret_file, " +
    "or both username and credential, got a group of keys",
  ],
  [
    "debug_handler_port: { port: 7070 }",
    'sample.yaml:4: debug_handler_port: unknown key, did you mean "debug_handler"?',
  ],
  [
    "webhook: { api_key: <api_key>, urls: [https://your-host.com/handler] }",
    "webhook.api_key: expected one of the configured keys",
  ],
];

/** Starts a server with the text, as far as it goes without sockets, and gives what it warns of. */
async function warnings(yaml: string): Promise<string[]> {
  const values = { config: "sample.yaml", overrides: [] };
  const readFile = () => ({ text: `${KEYS}${yaml}\n`, mode: null });
  const { config, written } = loadWrittenConfig(values, { ...NO_FILES, readFile });
  const recorded = recordReads(config);
  await using server = createServer(recorded.config, denoPlatform(), {
    createEngine: () => new FakeEngine(),
    networkInterfaces: () => [],
    cores: 2,
  });
  await server.listenMedia();
  // A process logs, too, and listens for HTTP.
  recorded.config.logging.json;
  recorded.config.logging.level;
  recorded.config.port;
  return idleKeys(recorded, written).map(({ path, instead }) => {
    assert.ok(instead.length > 0);
    return path.split(".").at(-1)!;
  });
}

Deno.test("A key of LiveKit's sample configuration works, or asks for nothing", async () => {
  for (const yaml of WORKS) assert.deepEqual(await warnings(yaml), [], yaml);
});

Deno.test("A key of LiveKit's sample configuration without an effect starts with a warning", async () => {
  for (const [yaml, ...keys] of WARNS) assert.deepEqual(await warnings(yaml), keys, yaml);
});

Deno.test("Every other key of LiveKit's sample configuration starts or says why not", async () => {
  for (const yaml of STARTS) await warnings(yaml);
  for (const [yaml, why] of REFUSED) {
    await assert.rejects(() => warnings(yaml), (error) => {
      assert.ok(error instanceof SfuError && error.message.startsWith(why), `${yaml}: ${error}`);
      return true;
    });
  }
});

Deno.test("LiveKit's other spellings of levels, limits and switches are read as it reads them", () => {
  const load = (yaml: string) =>
    loadWrittenConfig({ configBody: KEYS + yaml, overrides: [] }, NO_FILES).config;
  for (const word of ["warning", "WARN", "Warning", "warn"]) {
    assert.equal(load(`logging: { level: ${word} }`).logging.level, "warn");
    assert.equal(load(`log_level: ${word}`).logging.level, "warn");
  }
  assert.equal(load("logging: { level: FATAL }").logging.level, "error");
  const { limit, room } = load(
    "room: { max_participants: -1 }\n" +
      "limit: { num_tracks: -1, subscription_limit_video: -1, subscription_limit_audio: -5," +
      " max_room_name_length: -1, max_metadata_size: -1 }",
  );
  assert.deepEqual(
    [limit.num_tracks, limit.subscription_limit_video, limit.subscription_limit_audio],
    [0, 0, 0],
  );
  assert.deepEqual([limit.max_room_name_length, limit.max_metadata_size], [0, 0]);
  assert.equal(room.max_participants, 0);
  for (const word of ["yes", "Yes", "YES", "y", "on", "ON", "true", "True", "'yes'"]) {
    assert.equal(load(`development: ${word}`).development, true, word);
  }
  for (const word of ["no", "NO", "n", "off", "Off", "false", "FALSE"]) {
    assert.equal(load(`room: { auto_create: ${word} }`).room.auto_create, false, word);
  }
  for (const word of ["yep", "1", "oN", "tRue", "[yes]"]) {
    assert.throws(() => load(`development: ${word}`), /expected true or false/, word);
  }
  assert.equal(load("region: no").region, "no", "where text is expected, words stay words");
  assert.equal(load("region: 0017").region, "0017");
});
