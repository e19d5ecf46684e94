/** `roomwire check` as an operator runs it: the program, with what is really wrong. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import type { Finding } from "../../lib/server/check/finding.ts";
import { TestAuthority } from "../support/process/certificates.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import {
  freeTcpPort,
  freeUdpPort,
  projectTask,
  startRoomwire,
} from "../support/process/roomwire_process.ts";
import { NatNetwork } from "../support/wire/nat_network.ts";
import { startStunServer } from "../support/wire/stun_server.ts";

const ROOT = new URL("../../", import.meta.url);
const SECRET = "s".repeat(40);
/** What a check may take, ms. */
const A_MINUTE = 60_000;
type Place = (program: string, ...args: string[]) => string[];

/** Runs `check` under the rights that the start task has. */
async function check(
  config: Readonly<Record<string, unknown>>,
  flags: readonly string[] = ["--json"],
  place: Place = (...command) => command,
): Promise<{ code: number; text: string }> {
  const words = (await projectTask("check-server")).split(/\s+/);
  const [program, ...args] = place(Deno.execPath(), ...words.slice(1));
  const child = new Deno.Command(program!, {
    args: [...args, ...flags, "--config-body", stringify(config)],
    cwd: ROOT,
    signal: AbortSignal.timeout(A_MINUTE),
  });
  const { code, stdout, stderr } = await child.output();
  assert.equal(new TextDecoder().decode(stderr), "");
  return { code, text: new TextDecoder().decode(stdout) };
}

function findingsIn(text: string): Finding[] {
  return JSON.parse(text).findings;
}

/** States of one topic. */
function about(findings: readonly Finding[], topic: string): string[] {
  return findings.filter((one) => one.topic === topic).map(({ state, what }) =>
    `${state}: ${what}`
  );
}

/** A configuration in which nothing is wrong, on this machine alone. */
async function soundConfig(): Promise<Record<string, unknown> & { rtc: Record<string, unknown> }> {
  return {
    port: await freeTcpPort("127.0.0.1"),
    bind_addresses: ["127.0.0.1"],
    keys: { APIown: SECRET },
    development: true,
    rtc: {
      udp_port: await freeUdpPort("127.0.0.1"),
      tcp_port: await freeTcpPort("127.0.0.1"),
      ips: { includes: ["127.0.0.0/8"] },
    },
  };
}

endToEndTest("roomwire check finds nothing where nothing is wrong", [], async () => {
  const config = await soundConfig();
  const { code, text } = await check(config);
  const findings = findingsIn(text);
  assert.deepEqual(findings.filter(({ state }) => state === "problem"), []);
  assert.equal(code, 0);
  assert.ok(about(findings, "ports").every((line) => line.startsWith("ok")));
  assert.ok(about(findings, "engine").length > 0);
  const people = await check(config, []);
  assert.match(people.text, /^ok +configuration +every key that is set has an effect\n/);
  assert.match(people.text, /\n0 problems, /);
});

endToEndTest(
  "roomwire check names ports that are taken, short secrets and keys without effect",
  [],
  async () => {
    const sound = await soundConfig();
    const { udp_port: port, tcp_port: tcp } = sound.rtc as { udp_port: number; tcp_port: number };
    const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port });
    using _tcp = Deno.listen({ hostname: "127.0.0.1", port: tcp });
    try {
      const rtc = { ...sound.rtc, use_mdns: true };
      const { code, text } = await check({ ...sound, rtc, keys: { APIshort: "abc" } });
      const findings = findingsIn(text);
      assert.equal(code, 1);
      assert.match(
        about(findings, "ports")[0]!,
        new RegExp(`^problem: UDP ${port} .*in use by another`),
      );
      assert.match(
        about(findings, "ports")[1]!,
        new RegExp(`^problem: TCP ${tcp} .*in use by another`),
      );
      assert.deepEqual(about(findings, "keys").map((line) => line.split(":")[0]), ["problem"]);
      assert.deepEqual(about(findings, "configuration"), [
        "warning: rtc.use_mdns is set and has no effect",
      ]);
      assert.ok(!text.includes("abc"));
    } finally {
      udp.close();
    }
  },
);

endToEndTest(
  "roomwire check knows the server that runs already, and a configuration that cannot",
  [],
  async () => {
    await using server = await startRoomwire();
    const { http, tcp, udp } = server.ports;
    const sound = await soundConfig();
    const running = { ...sound, port: http, rtc: { ...sound.rtc, tcp_port: tcp, udp_port: udp } };
    const lines = about(findingsIn((await check(running)).text), "ports");
    assert.ok(
      lines.every((line) => /^unknown: .*by the server that runs already/.test(line)),
      lines.join("\n"),
    );
    const unusable = await check({ ...sound, turn: { enabled: true } });
    assert.equal(unusable.code, 1);
    assert.match(
      about(findingsIn(unusable.text), "configuration").join(),
      /problem: turn: set udp_port, tls_port or both/,
    );
    const bad = await check({ ...sound, rtc: { udp_port: "many" } });
    assert.equal(bad.code, 1);
    assert.match(about(findingsIn(bad.text), "configuration")[0]!, /^problem: .*rtc\.udp_port/);
  },
);

endToEndTest(
  "roomwire check asks Redis, webhooks and certificates",
  ["redis", "openssl"],
  async () => {
    await using redis = await RedisServer.start();
    await using authority = await TestAuthority.make();
    const { certFile, keyFile } = await authority.issue("turn", ["DNS:turn.example.org"]);
    await using receiver = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () =>
        new Response(null, { headers: { date: new Date(Date.now() - 3_600_000).toUTCString() } }),
    );
    const url = `http://127.0.0.1:${receiver.addr.port}/hook`;
    const nobody = `http://127.0.0.1:${await freeTcpPort("127.0.0.1")}/hook`;
    const { code, text } = await check({
      ...await soundConfig(),
      redis: { address: redis.address },
      webhook: { urls: [url, nobody], api_key: "APIown" },
      turn: {
        enabled: true,
        domain: "other.example.org",
        tls_port: await freeTcpPort("127.0.0.1"),
        bind_addresses: ["127.0.0.1"],
        cert_file: certFile,
        key_file: keyFile,
      },
    });
    const findings = findingsIn(text);
    assert.equal(code, 1);
    assert.match(about(findings, "redis")[0]!, /^ok: it answers, and is \d/);
    assert.match(about(findings, "redis")[1]!, /^ok: /);
    assert.match(about(findings, "webhooks")[0]!, /^ok: /);
    assert.match(about(findings, "webhooks")[1]!, /^problem: .*does not answer/);
    assert.match(about(findings, "certificates").join(), /problem: .*clients ask for other/);
    const clock = about(findings, "clock");
    assert.match(clock[0]!, /^ok: as that of Redis/);
    assert.match(clock[1]!, /^problem: this machine is 3\d{3}\.\d s ahead of 127\.0\.0\.1/);
  },
);

for (const hasHairpin of [true, false]) {
  endToEndTest(
    `roomwire check behind a router ${
      hasHairpin ? "with" : "without"
    } hairpin NAT says what is reached`,
    ["network-namespaces", "nftables"],
    async () => {
      await using network = await NatNetwork.create({ hasHairpin });
      await using stun = await startStunServer(network.clientAddress);
      const { ports: { udp, tcp, http }, command } = network.place;
      const { code, text } = await check(
        {
          port: http,
          keys: { APIown: SECRET },
          rtc: {
            udp_port: udp,
            tcp_port: tcp,
            use_external_ip: true,
            stun_servers: [`${network.clientAddress}:${stun.port}`],
          },
        },
        ["--json"],
        command,
      );
      const lines = about(findingsIn(text), "addresses");
      assert.equal(code, 0);
      assert.equal(lines[0], `ok: clients are shown ${network.outside[0]}`);
      const state = hasHairpin ? "ok" : "unknown";
      assert.ok(lines.length >= 3);
      assert.ok(lines.slice(1).every((line) => line.startsWith(state)), lines.join("\n"));
      assert.ok(lines.slice(1).every((line) => line.includes(network.outside[0]!)));
    },
  );
}
