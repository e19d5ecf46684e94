/** What `roomwire check` makes of what it saw: each finding, and what to do about it. */
import assert from "node:assert/strict";
import {
  type AddressesToCheck,
  addressFindings,
} from "../../../../lib/server/check/address_check.ts";
import { clockFindings, type TimeSample } from "../../../../lib/server/check/clock_check.ts";
import {
  type Finding,
  findingsJson,
  findingsText,
  hasProblem,
  ok,
  problem,
  unknown,
} from "../../../../lib/server/check/finding.ts";
import { keyFindings } from "../../../../lib/server/check/key_check.ts";
import {
  bufferFinding,
  descriptorFinding,
  engineFindings,
} from "../../../../lib/server/check/machine_check.ts";
import { type Bound, portFindings } from "../../../../lib/server/check/port_check.ts";
import { redisFindings } from "../../../../lib/server/check/redis_check.ts";
import { askWebhooks } from "../../../../lib/server/check/webhook_check.ts";

/** States in order, and that whatever is not in order says what to do. */
function states(findings: readonly Finding[]): string[] {
  for (const { state, what, fix } of findings) {
    assert.equal(state === "ok", fix === undefined, what);
  }
  return findings.map(({ state }) => state);
}

const LONG = "s".repeat(32);

Deno.test("keyFindings() names keys whose secret can be guessed, and never shows one", () => {
  assert.deepEqual(states(keyFindings({ a: LONG, b: LONG }, false)), ["ok"]);
  const found = keyFindings({ APIa: "swordfish", APIb: LONG }, false);
  assert.deepEqual(states(found), ["problem"]);
  assert.match(found[0]!.what, /"APIa" has 9 characters/);
  assert.ok(!JSON.stringify(found).includes("swordfish"));
  assert.deepEqual(states(keyFindings({ devkey: "secret" }, false)), ["problem"]);
  assert.deepEqual(states(keyFindings({ devkey: "secret" }, true)), ["warning"]);
});

const NOW = Date.UTC(2026, 5, 1);
const sample = (ahead: number, other: Partial<TimeSample> = {}): TimeSample => ({
  source: "Redis",
  theirsMs: NOW + ahead,
  askedMs: NOW - 20,
  answeredMs: NOW + 20,
  grainMs: 1,
  ...other,
});

Deno.test("clockFindings() says how far this clock is off, as far as asking lets it be known", () => {
  const stateOf = (...samples: TimeSample[]) => states(clockFindings(samples, NOW));
  assert.deepEqual(stateOf(sample(0)), ["ok"]);
  assert.deepEqual(stateOf(sample(1_900)), ["ok"]);
  assert.deepEqual(stateOf(sample(5_000), sample(-5_000)), ["warning", "warning"]);
  assert.deepEqual(stateOf(sample(60_000), sample(-60_000)), ["problem", "problem"]);
  const [behind] = clockFindings([sample(60_020)], NOW);
  assert.match(behind!.what, /60\.0 s behind Redis/);
  assert.match(clockFindings([sample(-60_020)], NOW)[0]!.what, /60\.0 s ahead of Redis/);
  // HTTP cuts the time to seconds, and a slow answer says little.
  assert.deepEqual(stateOf(sample(-2_900, { grainMs: 1_000 })), ["ok"]);
  assert.deepEqual(stateOf(sample(4_000, { answeredMs: NOW + 3_000 })), ["ok"]);
});

Deno.test("clockFindings() knows nothing without anybody to ask, but that it is not 1970", () => {
  assert.deepEqual(states(clockFindings([], NOW)), ["unknown"]);
  assert.deepEqual(states(clockFindings([sample(0)], 0)), ["problem"]);
});

Deno.test("descriptorFinding() wants enough for many clients", () => {
  const stateOf = (limit: number) => states([descriptorFinding(limit)])[0];
  assert.deepEqual([256, 1_024, 65_536].map(stateOf), ["problem", "warning", "ok"]);
});

const PROBE = {
  receiveBuffer: 16_777_216,
  sendBuffer: 16_777_216,
  wanted: 16_777_216,
  hasGso: true,
  hasAes: true,
};

Deno.test("bufferFinding() warns of small buffers, of either direction", () => {
  assert.deepEqual(states([bufferFinding(PROBE)]), ["ok"]);
  const small = bufferFinding({ ...PROBE, receiveBuffer: 212_992 });
  assert.deepEqual(states([small]), ["warning"]);
  assert.match(small.what, /0\.2 MB to receive/);
  assert.match(small.fix!, /rmem_max/);
  assert.deepEqual(states([bufferFinding({ ...PROBE, sendBuffer: 212_992 })]), ["warning"]);
  assert.deepEqual(states([bufferFinding({ reason: "not on windows" })]), ["unknown"]);
});

Deno.test("engineFindings() says what runs, and what kernel and processor do not do for it", () => {
  const native = { description: "native sockets", isNative: true, native: "auto" } as const;
  assert.deepEqual(states(engineFindings(native, PROBE)), ["ok", "ok", "ok"]);
  const poor = engineFindings(native, { ...PROBE, hasGso: false, hasAes: false });
  assert.deepEqual(states(poor), ["ok", "warning", "warning"]);
  const silent = engineFindings(native, { ...PROBE, hasAes: undefined });
  assert.deepEqual(states(silent), ["ok", "ok", "unknown"]);
  const portable = { description: "portable sockets (no permission)", isNative: false } as const;
  const reason = { reason: "no permission" };
  for (const [wish, state] of [["auto", "warning"], ["require", "problem"]] as const) {
    assert.deepEqual(states(engineFindings({ ...portable, native: wish }, reason)), [state]);
  }
  assert.match(engineFindings({ ...portable, native: "off" }, reason)[0]!.fix!, /remove native/);
});

Deno.test("portFindings() tells whose fault it is that a port cannot be had", () => {
  const media = { protocol: "udp", port: 443, use: "media", key: "rtc.udp_port" } as const;
  const find = (bound: Bound, isRunning = false) =>
    portFindings(
      [{ ...media, hostnames: ["192.0.2.1", "192.0.2.2"] }],
      isRunning,
      (_, hostname) => hostname === "192.0.2.2" ? bound : "ok",
    );
  assert.deepEqual(states(find("ok")), ["ok"]);
  const bad: readonly (readonly [Bound, RegExp, RegExp])[] = [
    ["taken", /UDP 443 \(media\) is in use/, /ss -lunp/],
    ["forbidden", /may not/, /CAP_NET_BIND_SERVICE/],
    ["no_address", /192\.0\.2\.2/, /ip address/],
  ];
  for (const [bound, what, fix] of bad) {
    const found = find(bound);
    assert.deepEqual(states(found), ["problem"]);
    assert.match(found[0]!.what, what);
    assert.match(found[0]!.fix!, fix);
  }
  assert.deepEqual(states(find("taken", true)), ["unknown"]);
});

const PUBLIC = "203.0.113.7";
const SEEN: AddressesToCheck = {
  hosts: [PUBLIC],
  nodeIp: [],
  usesExternal: true,
  isDevelopment: false,
  found: new Map([["10.0.0.5", { address: PUBLIC, port: 7882, isProven: true }]]),
  udpPort: 7882,
  streams: [],
};

function seen(change: Partial<AddressesToCheck>): readonly Finding[] {
  return addressFindings({ ...SEEN, ...change });
}

function foundAs(address: string, port: number, isProven: boolean) {
  return { found: new Map([["10.0.0.5", { address, port, isProven }]]) };
}

Deno.test("addressFindings() says what is reached, and what cannot be known from inside", () => {
  assert.deepEqual(states(seen({})), ["ok", "ok"]);
  const unproven = seen(foundAs(PUBLIC, 7882, false));
  assert.deepEqual(states(unproven), ["ok", "unknown"]);
  assert.match(unproven[1]!.fix!, /open or forward UDP 7882 to 10\.0\.0\.5.*another network/);
  const renumbered = seen(foundAs(PUBLIC, 40_123, false));
  assert.deepEqual(states(renumbered), ["ok", "unknown", "warning"]);
  assert.match(renumbered[2]!.what, /40123/);
  const open = seen({ hosts: ["192.0.2.5"], ...foundAs("10.0.0.5", 7882, true) });
  assert.match(open[1]!.what, /without a NAT/);
  const streams = [
    { address: PUBLIC, port: 7881, use: "media over TCP", isReached: true },
    { address: PUBLIC, port: 443, use: "TURN over TLS", isReached: false },
  ];
  assert.deepEqual(states(seen({ streams })), ["ok", "ok", "ok", "unknown"]);
});

Deno.test("addressFindings() warns of private addresses, and of a node_ip that nobody sees", () => {
  const inside = { hosts: ["10.0.0.5"], usesExternal: false, found: undefined };
  assert.deepEqual(states(seen(inside)), ["warning"]);
  assert.deepEqual(states(seen({ ...inside, isDevelopment: true })), ["ok"]);
  const other = seen({ nodeIp: ["198.51.100.1"], usesExternal: false });
  assert.deepEqual(states(other), ["ok", "ok", "warning"]);
  assert.match(other[2]!.what, /198\.51\.100\.1, and STUN servers see 203\.0\.113\.7/);
  assert.deepEqual(states(seen({ nodeIp: [PUBLIC] })), ["ok", "ok"]);
  assert.deepEqual(states(seen({ found: new Map() })), ["ok", "problem"]);
  const unseen = { found: new Map(), usesExternal: false };
  assert.deepEqual(states(seen(unseen)), ["ok", "unknown"]);
  assert.match(seen(unseen)[1]!.fix!, /or set rtc\.node_ip/);
  // Who has set it is not told to set it.
  assert.match(seen({ ...unseen, nodeIp: [PUBLIC] })[1]!.fix!, /or make sure that .*rtc\.node_ip/);
});

Deno.test("redisFindings() wants a version that is kept up, and nothing to be evicted", () => {
  const info = (version: string, policy: string, limit: number) =>
    `redis_version:${version}\r\nmaxmemory:${limit}\r\nmaxmemory_policy:${policy}\r\n`;
  assert.deepEqual(states(redisFindings(info("7.0.15", "noeviction", 100))), ["ok", "ok"]);
  assert.deepEqual(states(redisFindings(info("7.0.15", "allkeys-lru", 0))), ["ok", "ok"]);
  const forgetful = redisFindings(info("7.0.15", "allkeys-lru", 1_000));
  assert.deepEqual(states(forgetful), ["ok", "problem"]);
  assert.match(forgetful[1]!.fix!, /noeviction/);
  assert.deepEqual(states(redisFindings(info("6.0.16", "noeviction", 0))), ["warning", "ok"]);
  assert.deepEqual(states(redisFindings("")), ["unknown"]);
});

Deno.test("askWebhooks() asks for the head alone, and takes the time from the answer", async () => {
  const asked: (string | undefined)[] = [];
  const date = new Date(NOW).toUTCString();
  const ask = (url: string, init: RequestInit): Promise<Response> => {
    asked.push(init.method);
    if (url.includes("gone")) return Promise.reject(new TypeError("connection refused"));
    const status = url.includes("ill") ? 502 : 405;
    return Promise.resolve(new Response(null, { status, headers: { date } }));
  };
  const urls = [
    "https://a.example/hook",
    "https://ill.example/",
    "https://gone.example/",
    "nothing",
  ];
  const { findings, samples } = await askWebhooks(urls, ask, { wallMs: () => NOW });
  assert.deepEqual(states(findings), ["ok", "warning", "problem", "problem"]);
  assert.match(findings[2]!.what, /gone\.example does not answer: connection refused/);
  assert.deepEqual(new Set(asked), new Set(["HEAD"]));
  assert.deepEqual(samples.map(({ source, theirsMs }) => [source, theirsMs]), [
    ["a.example", NOW],
    ["ill.example", NOW],
  ]);
});

Deno.test("findingsText() and findingsJson() show every finding, what to do, and the sum", () => {
  const findings = [
    ok("keys", "the secret is long enough"),
    problem("ports", "UDP 7882 is in use", "stop it"),
    unknown("clock", "nobody tells the time", "see timedatectl"),
  ];
  const text = findingsText(findings);
  assert.match(
    text,
    /^ok +keys +the secret is long enough\nproblem +ports +UDP 7882 is in use\n +→ stop it\n/,
  );
  assert.match(text, /\n1 problem, 0 warnings, 1 that cannot be known from here, 1 in order\n$/);
  assert.deepEqual(JSON.parse(findingsJson(findings)), { ok: false, findings });
  assert.ok(hasProblem(findings));
  assert.ok(!hasProblem([findings[0]!, findings[2]!]));
});
