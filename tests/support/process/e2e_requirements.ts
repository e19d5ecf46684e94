/**
 * What an end-to-end test needs from the machine (browsers, other languages, root and
 * `ip`), and the one way to register such a test: where a need is missing the test is ignored and a
 * line says how to get it; with `CI=true` nothing is ever ignored, so a missing need fails there.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { reporting } from "./failure_report.ts";
import { forgetEndedServers, serverOutput } from "./roomwire_process.ts";

/** Things that are not on every machine. */
export type Requirement =
  | "caddy"
  | "chromium"
  | "coturn"
  | "ffmpeg"
  | "firefox"
  | "go"
  | "haproxy"
  | "network-namespaces"
  | "nginx"
  | "nftables"
  | "node"
  | "openssl"
  | "python"
  | "redis"
  | "systemd";

const CHROMIUM_PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FIREFOX_PATHS = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];
const GO_PATHS = ["/usr/local/go/bin/go", "/usr/lib/go/bin/go"];
const NFT_PATHS = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"];
const IP_PATHS = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"];

/** The Chromium executable (`CHROMIUM_PATH` wins), or `undefined`. */
export function chromiumPath(): string | undefined {
  return firstExisting(Deno.env.get("CHROMIUM_PATH"), CHROMIUM_PATHS);
}

/** The Firefox executable (`FIREFOX_PATH` wins), or `undefined`. */
export function firefoxPath(): string | undefined {
  return firstExisting(Deno.env.get("FIREFOX_PATH"), FIREFOX_PATHS);
}

/** iproute2's `ip`, or `undefined`. */
export function ipPath(): string | undefined {
  return firstExisting(undefined, IP_PATHS);
}

/** The command of nftables, or `undefined`. */
export function nftPath(): string | undefined {
  return firstExisting(undefined, NFT_PATHS);
}

/** `redis-server`, which is also the sentinel; or `undefined`. */
export function redisPath(): string | undefined {
  return onPath("redis-server");
}

/** The Go command, on the path or where Go's own packages put it; or `undefined`. */
export function goPath(): string | undefined {
  return onPath("go") ?? firstExisting(undefined, GO_PATHS);
}

/** Rust's `cargo`, on the path or where rustup puts it; or `undefined`. */
export function cargoPath(): string | undefined {
  return onPath("cargo") ?? firstExisting(undefined, [`${Deno.env.get("HOME")}/.cargo/bin/cargo`]);
}

/** A Python, which may be too old; or `undefined`. */
export function pythonPath(): string | undefined {
  return onPath("python3");
}

/** A program in one of the folders where systems put those that servers are; or `undefined`. */
export function serverProgram(name: "caddy" | "nginx" | "haproxy"): string | undefined {
  return onPath(name) ?? firstExisting(undefined, [`/usr/sbin/${name}`, `/usr/bin/${name}`]);
}

/** Whether there is a Go that builds our modules. */
function hasGo(): boolean {
  const go = goPath();
  if (go === undefined) return false;
  const { stdout } = new Deno.Command(go, { args: ["version"], stderr: "null" }).outputSync();
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  return Number(major) > 1 || Number(minor) >= 24;
}

/** Whether there is a Python with `venv` and of a version for which the packages are made. */
function hasPython(): boolean {
  const python = pythonPath();
  if (python === undefined) return false;
  const check = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))";
  return new Deno.Command(python, { args: ["-c", check], stderr: "null" }).outputSync().success;
}

/** Whether `node` and `npm` can be started. */
function hasNode(): boolean {
  return onPath("node") !== undefined && onPath("npm") !== undefined;
}

function onPath(program: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.map((folder) => `${folder}/${program}`).find((path) => existsSync(path));
}

function firstExisting(chosen: string | undefined, usual: readonly string[]): string | undefined {
  if (chosen) return chosen;
  return usual.find((path) => existsSync(path));
}

/** How to get what is missing, or `undefined` when it is there. */
function adviceFor(requirement: Requirement): string | undefined {
  switch (requirement) {
    case "chromium":
      return chromiumPath()
        ? undefined
        : "Chromium (apt-get install chromium, or set CHROMIUM_PATH)";
    case "coturn":
      return onPath("turnutils_uclient") ? undefined : "coturn's tools (apt-get install coturn)";
    case "ffmpeg":
      return onPath("ffprobe") ? undefined : "FFmpeg (apt-get install ffmpeg)";
    case "firefox":
      return firefoxPath()
        ? undefined
        : "Firefox (apt-get install firefox-esr, or set FIREFOX_PATH)";
    case "go":
      return hasGo()
        ? undefined
        : "Go 1.24 or newer (https://go.dev/dl, or apt-get install golang)";
    case "python":
      return hasPython()
        ? undefined
        : "Python 3.11 or newer with venv (https://python.org, or apt-get install python3-venv)";
    case "node":
      return hasNode()
        ? undefined
        : "Node.js with npm (https://nodejs.org, or apt-get install npm)";
    case "openssl":
      return onPath("openssl") ? undefined : "openssl (apt-get install openssl)";
    case "redis":
      return redisPath() ? undefined : "redis-server (apt-get install redis-server)";
    case "nftables":
      return nftPath() ? undefined : "nft (apt-get install nftables)";
    case "caddy":
    case "haproxy":
    case "nginx":
      return serverProgram(requirement)
        ? undefined
        : `${requirement} (apt-get install ${requirement})`;
    case "systemd":
      return onPath("systemd-analyze") ? undefined : "systemd-analyze (apt-get install systemd)";
    case "network-namespaces":
      return Deno.build.os === "linux" && Deno.uid() === 0 && ipPath()
        ? undefined
        : "root on Linux with iproute2 (apt-get install iproute2, run as root)";
  }
}

const told = new Set<string>();
/** Programs are asked for their versions once. */
const advices = new Map<Requirement, string | undefined>();

function rememberedAdvice(requirement: Requirement): string | undefined {
  if (!advices.has(requirement)) advices.set(requirement, adviceFor(requirement));
  return advices.get(requirement);
}

/**
 * True if a test with these needs has to be ignored here. Says once per need how to get it, and
 * never says so with `CI=true`.
 */
export function mustIgnore(requirements: readonly Requirement[]): boolean {
  const missing = requirements.map(rememberedAdvice).filter((advice) => advice !== undefined);
  if (missing.length === 0 || Deno.env.get("CI") === "true") return false;
  for (const advice of missing) {
    if (told.has(advice)) continue;
    told.add(advice);
    console.log(`End-to-end tests are ignored because this is missing: ${advice}`);
  }
  return true;
}

/**
 * Registers one end-to-end test. Deno's leak checks are off because the browsers and the server are
 * shared by the tests of a file and outlive each of them.
 *
 * @param body Fails the test by throwing. A failure shows the last output of the servers of this
 *   file.
 */
export function endToEndTest(
  name: string,
  requirements: readonly Requirement[],
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: mustIgnore(requirements),
    sanitizeOps: false,
    sanitizeResources: false,
    sanitizeExit: true,
    fn: (t) => {
      forgetEndedServers();
      return reporting(() => body(t), serverOutput);
    },
  });
}
