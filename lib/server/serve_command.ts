/**
 * The program without a command: a server with its log, its console and what it says when it is up.
 *
 * @module
 */
import { adminEntry, adminLink } from "./admin_settings.ts";
import { recordReads } from "./config/config_effects.ts";
import type { Config } from "./config/config_parsing.ts";
import {
  type CommandLineValues,
  type ConfigSources,
  loadWrittenConfig,
} from "./config/config_loading.ts";
import { demoLinks, servesDemo } from "./demo_links.ts";
import { hasDocs } from "./docs_site.ts";
import { RecentLines } from "./log/recent_lines.ts";
import { createLog, logOptions } from "./logging.ts";
import { servesReplay } from "./replay_links.ts";
import { serve } from "./serve.ts";
import type { ServerParts } from "./sfu_server.ts";
import { publicEntry } from "./tls_settings.ts";
import { VERSION } from "./version.ts";

/** The console as the commands see it. */
export interface Console {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** What is no text. */
  readonly outBytes: (bytes: Uint8Array) => void;
  readonly outIsTerminal: boolean;
  /** Whether a person reads the log. */
  readonly errIsTerminal: boolean;
}

/** Serves until a signal comes. Throws what loading the configuration and `serve` do. */
export async function serveAsConfigured(
  values: CommandLineValues,
  sources: ConfigSources,
  console: Console,
  parts: ServerParts,
): Promise<void> {
  const { config: loaded, written } = loadWrittenConfig(values, sources);
  const { config } = recordReads(loaded);
  const recent = new RecentLines();
  const log = createLog({
    ...logOptions(config, {
      isTerminal: console.errIsTerminal,
      noColour: Boolean(sources.env("NO_COLOR")),
    }),
    write: (line) => {
      recent.push(line);
      console.err(line);
    },
  });
  await serve(config, log, {
    written,
    env: sources.env,
    onListening: () => console.out(greeting(config)),
  }, { ...parts, recentLog: () => recent.all() });
}

/** Where to go in development; nothing else. */
function greeting(config: Config): string {
  if (!config.development) return "";
  const { scheme, port } = publicEntry(config);
  const here = `${scheme}://localhost:${port}`;
  const links = servesDemo(config) ? demoLinks(config) : [];
  const places: readonly (readonly [string, string])[] = [
    ...(adminEntry(config) === undefined
      ? []
      : [["What the server does", adminLink(config)] as const]),
    ...(servesReplay(config) ? [["Recordings", `${here}/replay`] as const] : []),
    ...(hasDocs(config) ? [["Documentation", `${here}/docs/`] as const] : []),
  ];
  const call = links.length === 0
    ? ""
    : " Open these two links in two browser tabs, and join in each:";
  return `Roomwire ${VERSION} is up.${call}\n\n` +
    links.map((link) => `  ${link}\n\n`).join("") +
    places.map(([what, where]) => `${what}:\n\n  ${where}\n\n`).join("");
}
