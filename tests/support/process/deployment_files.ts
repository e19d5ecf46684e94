/**
 * What stands in `deploy/`: the server's configuration that each file has or asks for, and the files
 * themselves with what differs on every machine replaced.
 *
 * @module
 */
import { parse, parseAllDocuments } from "yaml";

const FOLDER = new URL("../../../deploy/", import.meta.url);

export type RawConfig = Readonly<Record<string, unknown>>;

/** A file of `deploy/`, as it is. */
export function deploymentFile(path: string): string {
  return Deno.readTextFileSync(new URL(path, FOLDER));
}

/** Every file there, but for other folders' scripts. */
export const DEPLOYMENTS: readonly string[] = [
  "caddy/Caddyfile",
  "nginx/roomwire.conf",
  "haproxy/haproxy.cfg",
  "systemd/roomwire.service",
  "single/compose.yaml",
  "kubernetes/roomwire.yaml",
  "fly/fly.toml",
];

/** What the server is given there, or is to be given by what the comment says. */
export function deployedConfig(path: string): RawConfig {
  const text = deploymentFile(path);
  switch (path) {
    case "systemd/roomwire.service":
      return parse(deploymentFile("systemd/roomwire.yaml"));
    case "single/compose.yaml":
      return parse(parse(text).services.roomwire.environment.LIVEKIT_CONFIG);
    case "kubernetes/roomwire.yaml": {
      const [map] = parseAllDocuments(text).map((document) => document.toJS());
      return parse(map.data["roomwire.yaml"]);
    }
    case "fly/fly.toml":
      return parse(/LIVEKIT_CONFIG = """\n([^]*?)"""/.exec(text)![1]!);
    default:
      return parse(commentedConfig(text));
  }
}

/** The indented lines of the comment that follow on its "needs this". */
function commentedConfig(text: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.includes("needs this beside its keys"));
  const indented: string[] = [];
  for (const line of lines.slice(start + 1)) {
    if (line.startsWith("#   ")) indented.push(line.slice(4));
    else if (indented.length > 0) break;
  }
  return indented.join("\n");
}

/** `text` with each of the first replaced by the second; all of them must be there. */
export function replaced(text: string, pairs: Readonly<Record<string, string>>): string {
  let made = text;
  for (const [from, to] of Object.entries(pairs)) {
    if (!made.includes(from)) throw new Error(`There is no "${from}" in the file`);
    made = made.replaceAll(from, to);
  }
  return made;
}
