/**
 * What each command of the command line does in a real process.
 *
 * @module
 */
import { denoPlatform } from "../base/deno_platform.ts";
import { SfuError } from "../base/errors.ts";
import { signAccessToken } from "../signalling/access_token.ts";
import { adminEntry, adminLink } from "./admin_settings.ts";
import { type Finding, findingsJson, findingsText, hasProblem, problem } from "./check/finding.ts";
import type { CommandLineActions } from "./command_line.ts";
import { type ConfigSources, loadConfig, loadWrittenConfig } from "./config/config_loading.ts";
import { demoLink, servesDemo } from "./demo_links.ts";
import { adminTokenClaims, joinTokenClaims } from "./join_token.ts";
import { generateKeyPair } from "./key_generation.ts";
import { udpPorts } from "./media_listeners.ts";
import { askRunningServer, capturedPackets } from "./server_question.ts";
import { type Console, serveAsConfigured } from "./serve_command.ts";
import type { ServerParts } from "./sfu_server.ts";
import { publicEntry } from "./tls_settings.ts";
import { PROGRAM, VERSION } from "./version.ts";

const NO_TEXT = "This is no text: add > call.pcapng";

/** Binds the commands to files, environment and console. */
export function processCommands(
  sources: ConfigSources,
  console: Console,
  parts: ServerParts,
): CommandLineActions {
  return {
    serve: (values) => serveAsConfigured(values, sources, console, parts),
    ports(values) {
      console.out(portList(values, sources));
    },
    async check(values, { json }) {
      const findings = await findingsOf(values, sources, parts);
      console.out(json ? findingsJson(findings) : findingsText(findings));
      return hasProblem(findings) ? 1 : 0;
    },
    async report(values, url) {
      console.out(await reportText(values, url, sources, parts));
    },
    async capturePackets(values, request) {
      if (console.outIsTerminal) throw new SfuError("invalid_config", NO_TEXT);
      const file = await capturedPackets(loadConfig(values, sources), request, Date.now());
      for await (const bytes of file) console.outBytes(bytes);
    },
    generateKeys() {
      const { apiKey, secret } = generateKeyPair(denoPlatform().random);
      console.out(`API Key:  ${apiKey}\nAPI Secret:  ${secret}\n`);
    },
    async createAdminToken(values, validFor) {
      const config = loadConfig(values, sources);
      const { claims, validForMs } = adminTokenClaims(validFor);
      const [apiKey, secret] = Object.entries(config.keys)[0]!;
      const token = await signAccessToken({ apiKey, secret }, claims, Date.now(), validForMs);
      console.out(`Token: ${token}\n`);
      if (adminEntry(config) !== undefined) console.out(`Page: ${adminLink(config, token)}\n`);
    },
    async top(request) {
      // Of no use to whoever serves.
      const { showTop } = await import("./top/process_top.ts");
      await showTop(request, { ...console, env: sources.env });
    },
    async createJoinToken(values, request) {
      const { claims, validForMs } = joinTokenClaims(request);
      const config = loadConfig(values, sources);
      const [apiKey, secret] = Object.entries(config.keys)[0]!;
      const token = await signAccessToken({ apiKey, secret }, claims, Date.now(), validForMs);
      console.out(`Token: ${token}\n`);
      if (claims.video?.roomJoin !== true || !servesDemo(config)) return;
      console.out(
        `Demo: ${demoLink(publicEntry(config), token, claims.name ?? claims.identity)}\n`,
      );
    },
  };
}

/** What can be seen from here, and what the server says, if one answers. */
async function reportText(
  values: Parameters<CommandLineActions["report"]>[0],
  url: string | undefined,
  sources: ConfigSources,
  parts: ServerParts,
): Promise<string> {
  const check = await findingsOf(values, sources, parts);
  const config = loadConfig(values, sources);
  const { reportedConfig, withoutSecrets } = await import("./config/config_redaction.ts");
  const { harmlessJson } = await import("./top/terminal_text.ts");
  const question = { path: "/operations/report", method: "GET", url, nowMs: Date.now() } as const;
  const answer = await askRunningServer(config, question).then(
    async (response) => ({ server: await response.json() }),
    (error) => {
      if (!(error instanceof SfuError)) throw error;
      return { server: null, why: error.message, configuration: reportedConfig(config) };
    },
  );
  const report = { program: PROGRAM, version: VERSION, check, ...answer };
  return `${harmlessJson(withoutSecrets(JSON.stringify(report, null, 1), config))}\n`;
}

/** Of a configuration that cannot be read, what is wrong with it. */
async function findingsOf(
  values: Parameters<CommandLineActions["check"]>[0],
  sources: ConfigSources,
  parts: ServerParts,
): Promise<readonly Finding[]> {
  try {
    const { config, written } = loadWrittenConfig(values, sources);
    // Of no use to whoever serves.
    const { checkNode } = await import("./node_check.ts");
    return await checkNode(config, { ...parts, platform: denoPlatform(), written });
  } catch (error) {
    if (!(error instanceof SfuError)) throw error;
    return [problem("configuration", error.message, "see docs/configuration.md")];
  }
}

/** As LiveKit prints them, with what only this program listens on. */
function portList(values: Parameters<CommandLineActions["ports"]>[0], sources: ConfigSources) {
  const config = loadConfig(values, sources);
  const { rtc, prometheus, tls, turn, ingress } = config;
  const on = (port: number, use: string) => port === 0 ? [] : [`${port} - ${use}`];
  const turnOn = (port: number, use: string) => turn.enabled ? on(port, use) : [];
  const tcp = [
    `${config.port} - HTTP service`,
    ...on(tls.port, "HTTPS service"),
    ...on(tls.redirect_port, "redirect to HTTPS"),
    ...on(rtc.tcp_port, "ICE/TCP"),
    ...turnOn(turn.tls_port, "TURN/TLS"),
    ...on(ingress.rtmp_port, "RTMP"),
    ...on(prometheus.port, "Prometheus"),
  ];
  const udp = [
    ...udpPorts(config, navigator.hardwareConcurrency).flatMap((port) => on(port, "ICE/UDP")),
    ...turnOn(turn.udp_port, "TURN/UDP"),
  ];
  return `TCP Ports\n${tcp.join("\n")}\n${
    udp.length === 0 ? "" : `UDP Ports\n${udp.join("\n")}\n`
  }`;
}
