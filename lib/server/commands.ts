/**
 * What each command of the command line does in a real process.
 *
 * @module
 */
import { denoPlatform } from "../base/deno_platform.ts";
import { signAccessToken } from "../signalling/access_token.ts";
import type { CommandLineActions } from "./command_line.ts";
import { recordReads } from "./config/config_effects.ts";
import { type ConfigSources, loadConfig, loadWrittenConfig } from "./config/config_loading.ts";
import { demoLink, demoLinks } from "./demo_links.ts";
import { joinTokenClaims } from "./join_token.ts";
import { generateKeyPair } from "./key_generation.ts";
import { createLog, logOptions } from "./logging.ts";
import { udpPorts } from "./media_listeners.ts";
import { serve } from "./serve.ts";
import type { ServerParts } from "./server.ts";
import { VERSION } from "./version.ts";

/** The console as the commands see it. */
export interface Console {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether a person reads the log. */
  readonly errIsTerminal: boolean;
}

/** Binds the commands to files, environment and console. */
export function processCommands(
  sources: ConfigSources,
  console: Console,
  parts: ServerParts,
): CommandLineActions {
  return {
    async serve(values) {
      const { config: loaded, written } = loadWrittenConfig(values, sources);
      const { config } = recordReads(loaded);
      const log = createLog({
        ...logOptions(config, {
          isTerminal: console.errIsTerminal,
          noColour: Boolean(sources.env("NO_COLOR")),
        }),
        write: console.err,
      });
      await serve(config, log, {
        written,
        onListening: async () => {
          if (!config.development) return;
          const links = await demoLinks(config, Date.now());
          console.out(
            `Roomwire ${VERSION} is up. Open these two links in two browser tabs:\n\n` +
              links.map((link) => `  ${link}\n\n`).join(""),
          );
        },
      }, parts);
    },
    ports(values) {
      console.out(portList(values, sources));
    },
    generateKeys() {
      const { apiKey, secret } = generateKeyPair(denoPlatform().random);
      console.out(`API Key:  ${apiKey}\nAPI Secret:  ${secret}\n`);
    },
    async createJoinToken(values, request) {
      const { claims, validForMs } = joinTokenClaims(request);
      const config = loadConfig(values, sources);
      const [apiKey, secret] = Object.entries(config.keys)[0]!;
      const token = await signAccessToken({ apiKey, secret }, claims, Date.now(), validForMs);
      console.out(`Token: ${token}\n`);
      if (claims.video?.roomJoin !== true) return;
      console.out(`Demo: ${demoLink(config.port, token, claims.name ?? claims.identity)}\n`);
    },
  };
}

function portList(values: Parameters<CommandLineActions["ports"]>[0], sources: ConfigSources) {
  const config = loadConfig(values, sources);
  const { rtc, prometheus } = config;
  const tcp = [
    `${config.port} - HTTP service`,
    ...(rtc.tcp_port === 0 ? [] : [`${rtc.tcp_port} - ICE/TCP`]),
    ...(prometheus.port === 0 ? [] : [`${prometheus.port} - Prometheus`]),
  ];
  const udp = udpPorts(config, navigator.hardwareConcurrency).map((port) => `${port} - ICE/UDP`);
  return `TCP Ports\n${tcp.join("\n")}\n${
    udp.length === 0 ? "" : `UDP Ports\n${udp.join("\n")}\n`
  }`;
}
