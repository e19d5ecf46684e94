/** The files of `deploy/` say what the server does. */
import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import { configKeys } from "../../../lib/server/config/config_schema.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { keysInEffect } from "../../../lib/server/keys_in_effect.ts";
import {
  deployedConfig,
  deploymentFile,
  DEPLOYMENTS,
  type RawConfig,
} from "../../support/process/deployment_files.ts";

/** Of `compose.yaml`. */
const NODES = ["node0", "node1", "node2"] as const;
const KEYS = { keys: { key: "s".repeat(32) } };

/** Dotted keys that somebody has written. */
function written(raw: RawConfig, prefix = ""): string[] {
  const leaves = new Set(configKeys().map(({ path }) => path));
  return Object.entries(raw).flatMap(([name, value]) => {
    const path = prefix + name;
    return leaves.has(path) ? [path] : written(value as RawConfig, `${path}.`);
  });
}

/** Ports that the table of the comment opens, `udp 7882-7889` as it is. */
function opened(text: string): Set<string> {
  const rows = text.split("\n").filter((line) => /^# \| (?:TCP|UDP) /.test(line));
  return new Set(rows.flatMap((row) => {
    const [, protocol, ports] = /^# \| (TCP|UDP) ([^|]*)/.exec(row)!;
    return ports!.trim().replaceAll(" to ", "-").split(", ")
      .map((port) => `${protocol!.toLowerCase()} ${port}`);
  }));
}

for (const path of DEPLOYMENTS) {
  Deno.test(`deploy/${path} sets keys that have an effect, and opens media's ports`, () => {
    const raw = deployedConfig(path);
    const config = parseConfig({ ...KEYS, ...raw });
    const keys = written(raw);
    assert.ok(keys.length > 0);
    const inEffect = keysInEffect();
    assert.deepEqual(keys.filter((key) => !inEffect.has(key)), []);
    const table = opened(deploymentFile(path));
    const { rtc, turn } = config;
    assert.ok(table.has(`tcp ${rtc.tcp_port}`), "ICE over TCP");
    const { start, end } = rtc.udp_port!;
    assert.ok(table.has(`udp ${start === end ? start : `${start}-${end}`}`), [...table].join());
    if (turn.udp_port !== 0) assert.ok(table.has(`udp ${turn.udp_port}`));
    // What is for this machine alone is not opened.
    if (config.bind_addresses.includes("127.0.0.1")) assert.ok(!table.has(`tcp ${config.port}`));
  });
}

Deno.test("deploy/ waits for a drain longer than it takes", () => {
  const drainMs = (path: string) =>
    parseConfig({ ...KEYS, ...deployedConfig(path) }).drain_timeout!;
  const minutes = (text: string, pattern: RegExp) => Number(pattern.exec(text)![1]) * 60_000;
  const unit = deploymentFile("systemd/roomwire.service");
  assert.ok(minutes(unit, /TimeoutStopSec=(\d+)min/) > drainMs("systemd/roomwire.service"));
  const compose = deploymentFile("single/compose.yaml");
  assert.ok(minutes(compose, /stop_grace_period: (\d+)m/) > drainMs("single/compose.yaml"));
  const fly = deploymentFile("fly/fly.toml");
  assert.ok(minutes(fly, /kill_timeout = "(\d+)m"/) > drainMs("fly/fly.toml"));
  const [, daemons] = parseAllDocuments(deploymentFile("kubernetes/roomwire.yaml"))
    .map((document) => document.toJS());
  const { terminationGracePeriodSeconds: seconds } = daemons.spec.template.spec;
  assert.ok(seconds * 1_000 > drainMs("kubernetes/roomwire.yaml"));
  // Without a limit of its own a drain ends with the last who is there, or is cut off.
  const { services } = parse(deploymentFile("compose.yaml"), { merge: true });
  for (const name of NODES) {
    const { stop_grace_period, environment } = services[name];
    const { drain_timeout } = parseConfig(parse(environment.LIVEKIT_CONFIG));
    assert.ok(
      drain_timeout !== undefined && minutes(stop_grace_period, /^(\d+)m$/) > drain_timeout,
    );
  }
});

Deno.test("deploy/kubernetes has documents that fit together", () => {
  const documents = parseAllDocuments(deploymentFile("kubernetes/roomwire.yaml"))
    .map((document) => document.toJS());
  assert.deepEqual(documents.map(({ kind }) => kind), [
    "ConfigMap",
    "DaemonSet",
    "Service",
    "PodDisruptionBudget",
    "Ingress",
  ]);
  const [map, daemons, service, budget, ingress] = documents;
  const pod = daemons.spec.template;
  assert.deepEqual(daemons.spec.selector.matchLabels, pod.metadata.labels);
  assert.deepEqual(service.spec.selector, pod.metadata.labels);
  assert.deepEqual(budget.spec.selector.matchLabels, pod.metadata.labels);
  assert.equal(pod.spec.hostNetwork, true);
  assert.equal(pod.spec.volumes[0].configMap.name, map.metadata.name);
  const [container] = pod.spec.containers;
  const [http, mediaTcp] = container.ports;
  const config = parseConfig({ ...KEYS, ...parse(map.data["roomwire.yaml"]) });
  assert.equal(http.containerPort, config.port);
  assert.equal(mediaTcp.containerPort, config.rtc.tcp_port);
  const [mount] = container.volumeMounts;
  assert.deepEqual(container.args, ["--config", `${mount.mountPath}/roomwire.yaml`]);
  assert.equal(mount.name, pod.spec.volumes[0].name);
  for (const probe of ["readinessProbe", "livenessProbe", "startupProbe"]) {
    const { path, port } = container[probe].httpGet;
    assert.equal(port, http.name);
    assert.match(path, /^\/(?:livez|readyz)$/);
  }
  const [rule] = ingress.spec.rules;
  assert.equal(rule.http.paths[0].backend.service.name, service.metadata.name);
  assert.deepEqual(ingress.spec.tls[0].hosts, [rule.host]);
});

Deno.test("deploy/compose.yaml has three nodes with keys that have an effect, and ports of their own", () => {
  const { services } = parse(deploymentFile("compose.yaml"));
  const configs: RawConfig[] = NODES
    .map((name) => parse(services[name].environment.LIVEKIT_CONFIG));
  const inEffect = keysInEffect();
  const ports = configs.flatMap((raw) => {
    assert.deepEqual(written(raw).filter((key) => !inEffect.has(key)), []);
    const { port, rtc } = parseConfig(raw);
    return [port, rtc.tcp_port, rtc.udp_port!.start];
  });
  assert.equal(new Set(ports).size, 9);
});

Deno.test("deploy/fly sends each port of the outside to the one that the server has", () => {
  const text = deploymentFile("fly/fly.toml");
  const { port, prometheus, rtc } = parseConfig({ ...KEYS, ...deployedConfig("fly/fly.toml") });
  const sections = text.split(/^\[\[services\]\]$/m).slice(1);
  const inside = sections.map((section) => [
    /^protocol = "(\w+)"$/m.exec(section)![1],
    Number(/^internal_port = (\d+)$/m.exec(section)![1]),
  ]);
  const udp = ["udp", rtc.udp_port!.start];
  assert.deepEqual(inside, [["tcp", port], ["tcp", rtc.tcp_port], udp]);
  // Clients are told of media's ports, so nothing may lead there from others.
  for (const [at, media] of [[1, rtc.tcp_port], [2, rtc.udp_port!.start]] as const) {
    assert.equal(Number(/^port = (\d+)$/m.exec(sections[at]!)![1]), media);
  }
  const watched = [
    ...text.matchAll(/^\[(?:checks\.alive|metrics)\]\n(?:type.*\n)?port = (\d+)$/gm),
  ];
  assert.deepEqual(watched.map(([, number]) => Number(number)), [prometheus.port, prometheus.port]);
  assert.equal(prometheus.port === port, false);
});

Deno.test("The image has the program where deploy/ starts it, and tells of the ports it has", () => {
  const image = Deno.readTextFileSync(new URL("../../../Dockerfile", import.meta.url));
  const [, program] = /^ENTRYPOINT \["([^"]+)"\]$/m.exec(image)!;
  assert.match(image, new RegExp(`^COPY .* ${program}$`, "m"));
  assert.match(
    deploymentFile("systemd/roomwire.service"),
    new RegExp(`^ExecStart=${program} `, "m"),
  );
  const { port, rtc } = parseConfig({ ...KEYS, rtc: { udp_port: 7882 } });
  const [, exposed] = /^EXPOSE (.*)$/m.exec(image)!;
  assert.equal(exposed, `${port}/tcp ${rtc.tcp_port}/tcp ${rtc.udp_port!.start}/udp`);
});

Deno.test("deploy/single has Caddy lead to where the server listens", () => {
  const { services } = parse(deploymentFile("single/compose.yaml"));
  const config = parseConfig({ ...KEYS, ...deployedConfig("single/compose.yaml") });
  const [, to] = / --to (\S+)$/.exec(services.caddy.command)!;
  assert.equal(to, `${config.bind_addresses[0]}:${config.port}`);
});
