/** What a report shows of a configuration: of each new key somebody has to say whether it may. */
import assert from "node:assert/strict";
import { parseConfig } from "../../../../lib/server/config/config_parsing.ts";
import { reportedConfig, withoutSecrets } from "../../../../lib/server/config/config_redaction.ts";
import { configKeys } from "../../../../lib/server/config/config_schema.ts";

const CANARY = "canary-0123456789";

/** Keys whose texts may be seen by strangers: names, places and words that open nothing. */
const SHOWN: ReadonlySet<string> = new Set([
  "bind_addresses",
  "cluster.client_address",
  "cluster.link_address",
  "cluster.prefix",
  "cluster.room_regions",
  "ingress.file",
  "ingress.rtmp_base_url",
  "ingress.whip_base_url",
  "key_file",
  "logging.component_levels",
  "logging.pion_level",
  "prometheus.username",
  "recording.directory",
  "recording.storage.prefix",
  "recording.storage.request_hosts",
  "recording.storage.s3.bucket",
  "recording.storage.s3.endpoint",
  "recording.storage.s3.region",
  "redis.address",
  "redis.cluster_addresses",
  "redis.sentinel_addresses",
  "redis.sentinel_master_name",
  "redis.sentinel_username",
  "redis.tls.ca_cert_file",
  "redis.tls.client_cert_file",
  "redis.tls.client_key_file",
  "redis.tls.server_name",
  "redis.username",
  "region",
  "room.enabled_codecs",
  "rtc.interfaces.excludes",
  "rtc.interfaces.includes",
  "rtc.stun_servers",
  "rtc.turn_servers",
  "tls.cert_file",
  "tls.key_file",
  "trace.jaeger_url",
  "turn.allow_restricted_peer_cidrs",
  "turn.bind_addresses",
  "turn.cert_file",
  "turn.deny_peer_cidrs",
  "turn.domain",
  "turn.key_file",
  "webhook.api_key",
  "webhook.filter_params.exclude_events",
  "webhook.filter_params.include_events",
  "webhook.urls",
]);

/** The values to try of a key, one of which may be valid. */
const TRIED: readonly unknown[] = [CANARY, [CANARY], { name: CANARY }, [{ mime: CANARY }]];

function nested(path: string, value: unknown): Record<string, unknown> {
  return path.split(".").reduceRight<unknown>(
    (inner, name) => ({ [name]: inner }),
    value,
  ) as Record<string, unknown>;
}

function reportOf(path: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(reportedConfig(parseConfig(nested(path, value))));
  } catch {
    return undefined;
  }
}

Deno.test("a report shows no text of the configuration but of keys that are named here", () => {
  const shown = new Set<string>();
  let tried = 0;
  for (const { path } of configKeys()) {
    for (const value of TRIED) {
      const text = reportOf(path, value);
      if (text === undefined) continue;
      tried++;
      if (text.includes(CANARY)) shown.add(path);
    }
  }
  assert.deepEqual([...shown].filter((path) => !SHOWN.has(path)), []);
  assert.ok(tried > 40, `${tried} keys take a text`);
});

Deno.test("a report shows neither keys nor passwords, wherever in the configuration they are", () => {
  const config = parseConfig({
    keys: { devkey: `${CANARY}-key` },
    redis: { address: "r:6379", password: `${CANARY}-redis`, sentinel_password: `${CANARY}-s` },
    cluster: { secret: `${CANARY}-cluster` },
    prometheus: { port: 1, username: "u", password: `${CANARY}-prometheus` },
    rtc: {
      turn_servers: [{
        host: "t",
        username: "u",
        credential: `${CANARY}-t`,
        secret: `${CANARY}-u`,
      }],
    },
    webhook: {
      urls: [`https://u:${CANARY}@hooks.example/${CANARY}?t=${CANARY}`],
      api_key: "devkey",
    },
    room: {
      room_configurations: {
        a: { egress: { room: { fileOutputs: [{ s3: { accessKey: CANARY, secret: CANARY } }] } } },
      },
    },
  });
  const shown = JSON.stringify(reportedConfig(config));
  assert.ok(!shown.includes(CANARY), shown);
  assert.ok(shown.includes("https://<secret>@hooks.example/…"));
  // Also where a log line, or an error of somebody else's, has one.
  const line = JSON.stringify({ log: [`refused: ${CANARY}-redis`, `${CANARY}-key.`, "devkey"] });
  assert.deepEqual(JSON.parse(withoutSecrets(line, config)), {
    log: ["refused: <secret>", "<secret>.", "devkey"],
  });
});
