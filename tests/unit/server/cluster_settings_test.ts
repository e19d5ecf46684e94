import assert from "node:assert/strict";
import { clusterSettings, directorySettings } from "../../../lib/server/cluster_settings.ts";
import { recordReads } from "../../../lib/server/config/config_effects.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { configKeys } from "../../../lib/server/config/config_schema.ts";

const KEYS = { a: "secret-a", b: "secret-b" };

function settings(cluster: Record<string, string>, addresses = ["192.0.2.1", "192.0.2.2"]) {
  return clusterSettings(parseConfig({ keys: KEYS, cluster }), addresses);
}

Deno.test("clusterSettings() makes the secret of the API keys unless there is one", () => {
  const { secret } = settings({});
  assert.equal(secret.length, 32);
  const turned = parseConfig({ keys: { b: KEYS.b, a: KEYS.a } });
  assert.deepEqual(clusterSettings(turned, []).secret, secret);
  for (
    const keys of [{ a: KEYS.a }, { a: KEYS.b, b: KEYS.a }, { a: "secret-abb", b: "secret-b" }]
  ) {
    assert.notDeepEqual(clusterSettings(parseConfig({ keys }), []).secret, secret);
  }
  const mine = "m".repeat(32);
  assert.deepEqual(settings({ secret: mine }).secret, new TextEncoder().encode(mine));
  assert.throws(() => settings({ secret: "m".repeat(31) }), /cluster\.secret: expected 32 char/);
});

Deno.test("clusterSettings() says where /cluster is reached, and for how long leases hold", () => {
  assert.equal(settings({}).linkAddress, "ws://192.0.2.1:7880/cluster");
  assert.equal(settings({}, ["2001:db8::1"]).linkAddress, "ws://[2001:db8::1]:7880/cluster");
  assert.equal(
    settings({ link_address: "wss://n1.test/cluster" }).linkAddress,
    "wss://n1.test/cluster",
  );
  assert.equal(settings({}).linkAt?.("192.0.2.2"), "ws://192.0.2.2:7880/cluster");
  assert.equal(settings({ link_address: "wss://n1.test/cluster" }).linkAt, undefined);
  assert.equal(settings({}).leaseMs, 5_000);
  assert.throws(() => settings({ link_address: "n1.test:7880" }), /ws:\/\/ or wss:\/\/ address/);
  assert.throws(() => settings({ lease: "999ms" }), /cluster\.lease: expected 1s or more/);
});

Deno.test("clusterSettings() says where clients reach the node, and where regions are", () => {
  assert.equal(settings({}).clientAddress, "");
  const at = (address: string) => settings({ client_address: address }).clientAddress;
  assert.equal(at("wss://eu.example.com/"), "wss://eu.example.com");
  assert.equal(at("ws://192.0.2.1:7880/livekit"), "ws://192.0.2.1:7880/livekit");
  assert.throws(() => at("https://eu.example.com"), /cluster\.client_address: expected a ws:/);
  assert.equal(settings({}).gathersRooms, false);
  const regions = [{ name: "eu", lat: 48.86, lon: 2.35 }];
  const config = parseConfig({ keys: KEYS, node_selector: { regions } });
  assert.deepEqual(clusterSettings(config, []).places, regions);
});

Deno.test("directorySettings() is absent without redis, and reads every key that counts", () => {
  const recorded = recordReads(parseConfig({ keys: KEYS }));
  assert.equal(directorySettings(recorded.config), undefined);
  clusterSettings(recorded.config, []);
  const unread = configKeys().map(({ path }) => path)
    .filter((path) => /^(?:redis|cluster)\./.test(path) && !recorded.read.has(path));
  assert.deepEqual(unread, [
    "redis.read_timeout",
    "redis.write_timeout",
    "redis.pool_timeout",
    "redis.pool_size",
    // Rooms read it.
    "cluster.room_regions",
  ]);
});

Deno.test("directorySettings() refuses what cannot be meant", () => {
  const open = (redis: object, cluster = {}) =>
    directorySettings(parseConfig({ keys: KEYS, redis, cluster }), {
      readFile: () => {
        throw new Error("there is none");
      },
    });
  assert.throws(() => open({ sentinel_addresses: ["s:1"] }), /sentinel_master_name: expected/);
  assert.throws(() => open({ address: "r:1" }, { prefix: "a{b}" }), /cluster\.prefix: expected/);
  assert.throws(() => open({ tls: { client_cert_file: "c" } }), /both client_cert_file and/);
  assert.throws(() => open({ address: "r:1", tls: { enabled: true, ca_cert_file: "/no/ca" } }), {
    code: "unreadable_file",
    message: 'Cannot read "/no/ca": there is none',
  });
  // Nodes dial by a name in the certificate, which nobody has said.
  const tls = { cert_file: "c", key_file: "k" };
  const parsed = parseConfig({ keys: KEYS, redis: { address: "r:1" }, tls });
  assert.throws(() => directorySettings(parsed), {
    code: "invalid_config",
    message: /^cluster\.link_address: expected the wss:/,
  });
  // Nothing is read for what is not used.
  assert.equal(open({ tls: { enabled: true, ca_cert_file: "/no/ca" } }), undefined);
});
