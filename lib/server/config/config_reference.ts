/**
 * The configuration reference as Markdown, made from the schema, so that it cannot go stale: a test
 * compares it with `docs/configuration.md`.
 *
 * @module
 */
import { z } from "zod";
import { adviceFor } from "./config_advice.ts";
import { type ConfigKey, configKeys, configSchema, unwrap } from "./config_schema.ts";

const ABOUT_CLUSTERS: readonly string[] = [
  "`cluster.link_address` is the `ws://` or `wss://` URL at which other nodes reach `/cluster` of this",
  "one, `cluster.client_address` the one at which clients do, which others are told (without it they are",
  "not). `cluster.room_regions` names the region that a new room is pinned to, by its name, or by the",
  "beginning of it with a `*` behind; `cluster.gather_rooms` carries newcomers to a node of the region",
  "that serves their room already. See [cluster.md](cluster.md).",
  "",
];

/**
 * The whole page.
 *
 * @param inEffect Keys that are read, from `keysInEffect()`.
 */
export function configReference(inEffect: ReadonlySet<string>): string {
  const defaults = configSchema().parse({});
  const rows = configKeys().filter(({ path }) => inEffect.has(path)).map((key) =>
    `| \`${key.path}\` | ${kindOf(key)} | ${show(valueAt(defaults, key.path))} |`
  );
  return [
    "# Configuration",
    "",
    "One YAML file with LiveKit's keys (`--config`, `--config-body` or `LIVEKIT_CONFIG`). An unknown key",
    "or a wrong type is refused with its line. Every key with a single value is also a flag of the same",
    "name (`--rtc.tcp_port`) and an environment variable (`LIVEKIT_RTC_TCP_PORT`). Defaults are weaker",
    "than the file, the file is weaker than variables, and those are weaker than flags.",
    "",
    "Durations are written like `500ms`, `7.5s` or `2m` and shown here in milliseconds.",
    "",
    "## Keys with an effect",
    "",
    "| key | type | default |",
    "| --- | --- | --- |",
    ...rows,
    "",
    "`bind_addresses` without any address, or with an empty one, is every interface of both address",
    "families. `logging.json` unset is JSON unless a person reads at a terminal, [`demo`](demo.md), [`recording.replay`](recording.md) and `docs` (these pages at `/docs`) unset what `development` is.",
    "",
    "`admin.enabled` unset is what `development` is, or true where there is an `admin.password`, which has",
    "12 characters or more. See [admin.md](admin.md).",
    "",
    "Each media worker has a UDP port of its own, from the first of the range `rtc.udp_port` on (without",
    "it of `rtc.port_range_start` to `rtc.port_range_end`, and without those 7882 alone). `workers: auto`",
    "is one for each core, as far as the range has ports, and none on a single core: `0` runs media in",
    "the main thread, on one port.",
    "`native: auto` uses the system's sockets and ciphers directly where it can, `require` does not start",
    "without. Only native sockets can mark packets with `rtc.dscp` (0 to 63, 0 for none) and `rtc.ecn`.",
    "",
    "The first stop signal drains: nobody new comes in, and who is here stays until the end. After",
    "`drain_timeout` (`0` is at once, unset is never) they are told to join elsewhere. SIGUSR2 drains a",
    "process that stays; the next SIGUSR2, also one while it waits for its end, lets it serve again.",
    "",
    "`limit.max_http_connections` is never more than half of the descriptors the process may have, which",
    "0 stands for; `limit.max_http_connections_per_address` counts no WebSockets, and 0 stands for 512.",
    "`limit.max_sessions_per_identity` counts a user's publish-only sessions beside the first.",
    "`limit.max_sessions_per_address` is for an IPv4 address or an IPv6 /64; unset it is 1000 for public",
    "addresses, and none for private ones, where a proxy may stand for everybody. `limit.signal_buffer_limit`",
    "is what one client, or agent worker, may leave unread on its socket, in bytes.",
    "",
    ...ABOUT_CLUSTERS,
    "## Accepted, no effect yet",
    "",
    "These are checked like the others, so that a LiveKit configuration works as it is. Whoever sets one",
    "of them is warned at start, unless it is a switch that is off.",
    "",
    "| key | instead |",
    "| --- | --- |",
    ...configKeys().map(({ path }) => path).filter((path) => !inEffect.has(path))
      .map((path) => `| \`${path}\` | ${adviceFor(path)} |`),
    "",
  ].join("\n");
}

function kindOf({ kind, schema }: ConfigKey): string {
  if (kind !== "scalar") return kind;
  if (schema.description !== undefined) return schema.description;
  const inner = unwrap(schema);
  if (inner instanceof z.ZodBoolean) return "true or false";
  if (inner instanceof z.ZodNumber) return "number";
  if (inner instanceof z.ZodEnum) return inner.options.filter((word) => word !== "").join(", ");
  if (inner instanceof z.ZodUnion) {
    return schema instanceof z.ZodOptional ? "port or range" : "duration";
  }
  return "text";
}

function show(value: unknown): string {
  if (value === undefined || value === "") return "";
  if (Array.isArray(value)) {
    return value.map((item) => typeof item === "object" ? (item as { mime: string }).mime : item)
      .join(", ");
  }
  if (typeof value === "object" && value !== null && Object.keys(value).length === 0) return "";
  return `\`${JSON.stringify(value)}\``;
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const name of path.split(".")) {
    value = (value as Record<string, unknown> | undefined)?.[name];
  }
  return value;
}
