/**
 * `deno task test`: gets what the end-to-end tests need where it may, then runs every test. Further
 * arguments go to `deno test`, but for two: `--workers=2` runs servers and engines on so many workers,
 * `--native=off` (or `auto`, `require`) says whether they may use native code.
 *
 * Browsers and tools that are there are used. Missing ones are installed with apt when this runs as
 * root on Debian; elsewhere the tests that need them are ignored with a line that says how to get
 * them. With `CI=true` nothing is ignored, so what is missing fails.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { chromiumPath, firefoxPath, ipPath } from "./support/e2e_requirements.ts";

const PROJECT_ROOT = new URL("../", import.meta.url);
const APT_GET = "/usr/bin/apt-get";

/** Flags of this program, and the variables that tests read (`support/test_engine.ts`). */
const ENGINE_FLAGS: Readonly<Record<string, string>> = {
  "--workers": "ROOMWIRE_TEST_WORKERS",
  "--native": "ROOMWIRE_TEST_NATIVE",
};
const engineChoice: Record<string, string> = {};
const testArgs = Deno.args.filter((arg) => {
  const [flag, value] = arg.split("=");
  const variable = ENGINE_FLAGS[flag!];
  if (variable === undefined || value === undefined) return true;
  engineChoice[variable] = value;
  return false;
});

/** Debian package → whether what it brings is there already. */
const PACKAGES: Readonly<Record<string, () => boolean>> = {
  "chromium": () => chromiumPath() !== undefined,
  "firefox-esr": () => firefoxPath() !== undefined,
  "iproute2": () => ipPath() !== undefined,
};

async function installMissing(): Promise<void> {
  const missing = Object.keys(PACKAGES).filter((name) => !PACKAGES[name]!());
  if (missing.length === 0) return;
  if (Deno.build.os !== "linux" || Deno.uid() !== 0 || !existsSync(APT_GET)) {
    console.log(`Not installed here, tests that need it are ignored: ${missing.join(", ")}`);
    console.log(`On Debian as root, this command installs them; or apt-get install them yourself.`);
    return;
  }
  console.log(`Installing with apt: ${missing.join(", ")}`);
  await run(APT_GET, ["update", "-qq"]);
  await run(APT_GET, ["install", "-y", "-qq", "--no-install-recommends", ...missing]);
}

async function run(program: string, args: readonly string[]): Promise<boolean> {
  const { code } = await new Deno.Command(program, {
    args: [...args],
    cwd: PROJECT_ROOT,
    env: { DEBIAN_FRONTEND: "noninteractive", ...engineChoice },
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  if (code !== 0) console.log(`${program} ${args[0]} ended with status ${code}`);
  return code === 0;
}

await installMissing();
const passed = await run(Deno.execPath(), ["test", "--allow-all", ...targets()]);
Deno.exit(passed ? 0 : 1);

/** Everything, unless the caller names files or folders. */
function targets(): string[] {
  return testArgs.some((arg) => !arg.startsWith("-")) ? testArgs : ["tests", ...testArgs];
}
