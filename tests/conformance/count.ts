/**
 * Runs the conformance tests and prints how many of LiveKit's scenarios have a passing one, in all
 * and by section: `deno run --allow-all tests/conformance/count.ts`. With `--missing` it also names
 * those that have none, and says why. Exits with 1 if a test fails.
 *
 * A scenario marked `③` counts once for each signalling flavour, as LiveKit runs it.
 *
 * @module
 */
import { OPEN_SCENARIOS } from "./open_scenarios.ts";
import { SCENARIOS, testNames } from "./scenarios.ts";

const FOLDER = new URL("./", import.meta.url).pathname;

/** Names of the tests that passed, and whether all did. */
async function passedTests(): Promise<
  { readonly names: ReadonlySet<string>; readonly ok: boolean }
> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "--parallel", "--reporter=tap", FOLDER],
    env: { NO_COLOR: "1" },
    stderr: "inherit",
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  const names = lines.map((line) => /^ok \d+ - (.*)$/.exec(line)?.[1]?.trim());
  return { names: new Set(names.filter((name) => name !== undefined)), ok: success };
}

if (import.meta.main) {
  const { names, ok } = await passedTests();
  const sections = Map.groupBy(SCENARIOS, ({ section }) => section);
  let done = 0;
  let all = 0;
  for (const [section, scenarios] of sections) {
    const wanted = scenarios.flatMap(testNames);
    const passed = wanted.filter((name) => names.has(name));
    console.log(`${section}: ${passed.length} of ${wanted.length}`);
    if (Deno.args.includes("--missing")) {
      for (const name of wanted) {
        if (!names.has(name)) console.log(`  ${name}: ${OPEN_SCENARIOS[name] ?? "it failed"}`);
      }
    }
    done += passed.length;
    all += wanted.length;
  }
  console.log(`${done} of ${all} scenarios`);
  if (!ok) Deno.exit(1);
}
