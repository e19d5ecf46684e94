import assert from "node:assert/strict";
import { configKeys } from "../../../../lib/server/config/config_schema.ts";
import { parseConfig } from "../../../../lib/server/config/config_parsing.ts";
import { recordReads } from "../../../../lib/server/config/config_effects.ts";
import { shownConfig } from "../../../../lib/server/config/config_redaction.ts";

const SECRET = "canary-0123456789";

function show(raw: Record<string, unknown>) {
  const keys = shownConfig(parseConfig({ keys: { devkey: SECRET }, ...raw }));
  return {
    text: JSON.stringify(keys),
    of: (path: string) => keys.find((key) => key.path === path),
  };
}

Deno.test("no secret of a configuration is shown, and whether there is one is", () => {
  const { text, of } = show({
    redis: { address: "redis:6379", username: "us", password: SECRET, sentinel_password: SECRET },
    cluster: { secret: SECRET },
    admin: { password: SECRET },
    prometheus: { port: 6789, username: "prom", password: SECRET },
    rtc: {
      turn_servers: [{ host: "turn.example", username: "us", credential: SECRET, secret: SECRET }],
    },
    webhook: { urls: [`https://us:${SECRET}@hooks.example/path`], api_key: "devkey" },
    room: {
      room_configurations: {
        kept: {
          egress: {
            room: {
              fileOutputs: [{
                filepath: "a.mp4",
                s3: { accessKey: SECRET, secret: SECRET, sessionToken: SECRET, bucket: "tapes" },
              }],
            },
          },
        },
      },
    },
  });
  assert.ok(!text.includes(SECRET), text);
  assert.deepEqual(of("keys")!.value, { devkey: "<secret>" });
  assert.equal(of("redis.password")!.value, "<secret>");
  assert.equal(of("cluster.secret")!.value, "<secret>");
  assert.equal(of("turn.secret")?.value ?? "", "");
  assert.deepEqual(of("webhook.urls")!.value, ["https://<secret>@hooks.example/path"]);
  assert.equal(of("redis.address")!.value, "redis:6379");
  assert.equal(of("webhook.api_key")!.value, "devkey", "the name of a key is none");
  assert.ok(text.includes("tapes") && text.includes("turn.example"));
});

Deno.test("every key whose name sounds of a secret hides what it has", () => {
  const sounding = configKeys().map(({ path }) => path)
    .filter((path) => /pass|secret|credential|token/i.test(path) && !/_per_token$/.test(path));
  assert.ok(sounding.length >= 5, sounding.join());
  for (const path of sounding) {
    const [group, ...names] = path.split(".");
    const others = group === "prometheus" ? { username: "user" } : {};
    const named = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), SECRET);
    const { text } = show({ [group!]: { ...others, ...named as object } });
    assert.ok(!text.includes(SECRET), path);
  }
});

Deno.test("what is set is told from what is the default, and what is read from what is not", () => {
  const recorded = recordReads(parseConfig({ keys: { a: SECRET }, port: 7000, region: "eu" }));
  assert.equal(recorded.config.port, 7000);
  const keys = shownConfig(recorded.config);
  const of = (path: string) => keys.find((key) => key.path === path)!;
  assert.deepEqual(of("port"), { path: "port", value: 7000, isDefault: false, hasEffect: true });
  assert.equal(of("region").hasEffect, false, "nobody has read it");
  assert.equal(of("rtc.tcp_port").isDefault, true);
  assert.equal(keys.length, configKeys().length);
});
