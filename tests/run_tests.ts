/**
 * `deno task test`: gets what the end-to-end tests need where it may, then runs every test.
 * Arguments go to `deno test`, but for two: `--workers=2` runs servers and engines on so many
 * workers, `--native=off` (or `auto`, `require`) says whether they may use native code.
 *
 * Browsers and tools that are there are used. Missing ones are installed with apt when this runs as
 * root on Debian; elsewhere the tests that need them are ignored with a line that says how to get
 * them. With `CI=true` nothing is ignored, so what is missing fails.
 *
 * Without arguments there are several runs of `deno test` side by side: most end-to-end tests wait
 * for browsers and for time to pass. Each of their files has a run of its own, and so have all small
 * tests but LiveKit's scenarios, and these. Those that hold calls in real time (`tests/wire`) come
 * two files at a time when nothing else runs. What failed is run once more, alone, and told in any
 * case.
 *
 * @module
 */
import { existsSync } from "node:fs";
import {
  chromiumPath,
  firefoxPath,
  ipPath,
  nftPath,
  redisPath,
  serverProgram,
} from "./support/process/e2e_requirements.ts";
import { type Load, type Room, runTogether } from "./support/process/runs_together.ts";
import { loadOf } from "./support/process/test_loads.ts";
import {
  afterRunAlone,
  closingReport,
  FileByFile,
  type RunSummary,
  summarize,
} from "./support/process/test_report.ts";

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
  "caddy": () => serverProgram("caddy") !== undefined,
  "chromium": () => chromiumPath() !== undefined,
  "coturn": () => existsSync("/usr/bin/turnutils_uclient"),
  "ffmpeg": () => existsSync("/usr/bin/ffprobe"),
  "firefox-esr": () => firefoxPath() !== undefined,
  "haproxy": () => serverProgram("haproxy") !== undefined,
  "iproute2": () => ipPath() !== undefined,
  "nftables": () => nftPath() !== undefined,
  "nginx": () => serverProgram("nginx") !== undefined,
  "openssl": () => existsSync("/usr/bin/openssl"),
  "redis-server": () => redisPath() !== undefined,
  "systemd": () => existsSync("/usr/bin/systemd-analyze"),
};

const NICE = "/usr/bin/nice";
const END_TO_END = "tests/e2e";
/** Calls in real time over real sockets, which look at who waited for how long. */
const REAL_TIME = "tests/wire";
/** LiveKit's scenarios, which wait for most of their time: the other small tests do not. */
const SCENARIOS = "tests/conformance";
const TEST_FILE = "_test.ts";
/**
 * End-to-end tests that run among those of `tests/wire`, beside one other at most: what they look at
 * is what a browser or a reader does within a time of its own, of which an outage has left little,
 * or whether a picture stands still for a moment.
 * All of these wait for most of their time: two of them keep less than one core busy.
 */
const IN_PAIRS = ["no_retransmission", "remb", "udp_outage", "data_readers"];
/**
 * End-to-end tests that run when nothing else does, one after the other: what they look at is how
 * much of a path is used, and a processor that has no time for it looks like a path that is full; or
 * how long bystanders of an attack stand still.
 */
const ALONE = [
  "audio_copies",
  "audio_duplicates",
  "data_flood",
  "impaired_clients",
  "narrow_path",
  "signalling_weight",
];
/**
 * For the small tests and the other end-to-end tests. Two cores bear so many: where more browsers are
 * busy at once, pictures stand still.
 */
const BESIDE_EACH_OTHER: Room = { any: 3, waiting: 1 };
/** For those that need a processor the moment they have something to do. */
const TWO_AT_ONCE: Room = { any: 2, waiting: 0 };
const ONE_AT_A_TIME: Room = { any: 1, waiting: 0 };
/**
 * Failed files that are run a second time, alone, after all others: a browser that had no processor
 * for seconds looks like a server that did not answer. What failed at first is told in the report
 * all the same. Where more have failed, it was not for want of time.
 */
const MAX_RUN_ALONE = 6;
/**
 * Everything together must have ended by then, ms. A run that hangs is killed, and what it said
 * last is printed, before a CI server loses patience; people may have slower machines.
 */
const DEADLINE_MS = (Deno.env.get("CI") === "true" ? 45 : 60) * 60_000;

/** One run of `deno test`. */
interface Job extends Load {
  readonly name: string;
  readonly args: readonly string[];
  /** Whether the others have the processor first: they hold calls in real time. */
  readonly yields: boolean;
}

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

/** One `deno test`, its output passed on file by file. */
async function runTests({ name, args, yields }: Job, deadline: AbortSignal): Promise<RunSummary> {
  const deno = [Deno.execPath(), "test", "--allow-all", "--no-check", ...args];
  const [program, ...rest] = yields && existsSync(NICE) ? [NICE, "-n", "10", ...deno] : deno;
  const child = new Deno.Command(program!, {
    args: rest,
    cwd: PROJECT_ROOT,
    env: engineChoice,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const files = new FileByFile((text) => Deno.stdout.writeSync(new TextEncoder().encode(text)));
  const read = async (stream: ReadableStream<Uint8Array>) => {
    let all = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      all += text;
      files.push(text);
    }
    return all;
  };
  let late = "";
  const kill = () => {
    late = `${name} was stopped because it had not ended in time\n`;
    child.kill("SIGKILL");
  };
  deadline.addEventListener("abort", kill);
  if (deadline.aborted) kill();
  const [{ success }, out, err] = await Promise.all([
    child.status,
    read(child.stdout),
    read(child.stderr),
  ]);
  deadline.removeEventListener("abort", kill);
  files.end();
  return summarize(name, `${out}\n${err}\n${late}`, success);
}

/** Checks all types, once for all runs, then runs every test; `true` if all passed. */
async function runAll(): Promise<boolean> {
  const startedAt = performance.now();
  if (!await run(Deno.execPath(), ["task", "check"])) return false;
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const runsIn = (room: Room, jobs: readonly Job[]) =>
    runTogether(jobs, room, (job) => runTests(job, deadline));
  const isOneOf = (names: readonly string[]) => (path: string) => names.includes(nameOf(path));
  const [isInPairs, isAlone] = [isOneOf(IN_PAIRS), isOneOf(ALONE)];
  const files = testFiles(END_TO_END);
  const others = files.filter((file) => !isInPairs(file) && !isAlone(file));
  const inPairs = [...files.filter(isInPairs), ...testFiles(REAL_TIME)];
  const summaries = [
    ...await runsIn(BESIDE_EACH_OTHER, [...smallJobs(), ...others.map(jobOf)]),
    ...await runsIn(TWO_AT_ONCE, inPairs.map(jobOf)),
    ...await runsIn(ONE_AT_A_TIME, files.filter(isAlone).map(jobOf)),
  ];
  const doubtful = summaries.filter(({ failed }) => failed > 0);
  if (doubtful.flatMap(({ failedFiles }) => failedFiles).length <= MAX_RUN_ALONE) {
    for (const first of doubtful.filter(({ failedFiles }) => failedFiles.length > 0)) {
      const name = `again, alone: ${first.failedFiles.join(", ")}`;
      console.log(name);
      const job = { ...jobOf(name), args: first.failedFiles };
      const alone = await runTests(job, deadline);
      summaries[summaries.indexOf(first)] = afterRunAlone(first, alone);
    }
  }
  console.log(closingReport(summaries, (performance.now() - startedAt) / 1_000));
  return summaries.every(({ failed }) => failed === 0);
}

/** As the others leave them little, they take longest. */
function smallJobs(): Job[] {
  const notTheirs = [END_TO_END, REAL_TIME, SCENARIOS].join();
  const load = { seconds: Infinity, yields: true };
  return [
    { name: "all other tests", args: ["tests", `--ignore=${notTheirs}`], waits: false, ...load },
    { name: SCENARIOS, args: [SCENARIOS], waits: true, ...load },
  ];
}

function jobOf(path: string): Job {
  return { name: path, args: [path], yields: false, ...loadOf(path) };
}

/** `tests/e2e/pion_test.ts` is `pion`. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1, -TEST_FILE.length);
}

function testFiles(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, PROJECT_ROOT))].map(({ name }) => name)
    .filter((name) => name.endsWith(TEST_FILE)).sort().map((name) => `${folder}/${name}`);
}

await installMissing();
const passed = testArgs.length === 0
  ? await runAll()
  : await run(Deno.execPath(), ["test", "--allow-all", ...targets()]);
Deno.exit(passed ? 0 : 1);

/** Everything, unless the caller names files or folders. */
function targets(): string[] {
  return testArgs.some((arg) => !arg.startsWith("-")) ? testArgs : ["tests", ...testArgs];
}
