/**
 * The compile task, with a stand-in for the runtime that it would download: it must come to its
 * end, and what it embeds must be enough to hold a call. Needs no browser.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mintToken } from "../support/process/access_tokens.ts";
import { embeddedPackages, layOut, readEmbeddedFiles } from "../support/process/embedded_files.ts";
import { projectTask, startRoomwire } from "../support/process/roomwire_process.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
/** Any executable of the system will do: what is made of it is looked at and not run. */
const STAND_IN = "/bin/true";
/** Written into the project by the task; the test's goes elsewhere. */
const OUTPUT = "--output=roomwire";
const WORKER = "lib/engine/worker/worker_main.ts";
const ENGINE = "lib/engine/local/local_engine.ts";
const CLIENT_SDK = "livekit-client/dist/livekit-client.umd.js";
/** What an executable keeps of the flags it was made with. */
const PERMISSION = /^--(?:allow-|no-prompt|v8-flags)/;

/** Runs the compile task. @returns Its status and all it said. */
async function compile(runtime: string, output: string) {
  const task = await projectTask("compile");
  assert.ok(task.includes(OUTPUT));
  const command = task.replace(OUTPUT, `--output=${output}`);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--eval", command],
    cwd: PROJECT,
    env: { DENORT_BIN: runtime, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  return { code, said: `${text.decode(stdout)}\n${text.decode(stderr)}` };
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}

/** The files below `folder`, with their sizes. */
function listing(folder: string, at = ""): string[] {
  return [...Deno.readDirSync(join(folder, at))].flatMap(({ name, isDirectory }) => {
    const path = join(at, name);
    return isDirectory
      ? listing(folder, path)
      : [`${path} ${Deno.statSync(join(folder, path)).size}`];
  }).sort();
}

const ignore = Deno.build.os !== "linux";
if (ignore) console.log(`What compiling embeds is tested on Linux only: it needs ${STAND_IN}`);

Deno.test({
  name: "deno task compile embeds all that a call needs, and nothing of tests",
  ignore,
  // werift's DTLS client, which the test clients use, has timers that cannot be stopped.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "roomwire_compiled_" });
    try {
      const output = join(folder, "roomwire");
      const { code, said } = await compile(STAND_IN, output);
      assert.equal(code, 0, said);
      assert.ok(Deno.statSync(output).size > Deno.statSync(STAND_IN).size);
      const files = readEmbeddedFiles(said);
      const embeds = (path: string) =>
        files.some((file) =>
          file.path === path || (file.isFolder && path.startsWith(`${file.path}/`))
        );
      assert.ok(embeds(WORKER), "the worker");
      assert.ok(embeds(ENGINE), "what a server without workers loads when it starts");
      assert.ok(embeds("web/index.html"), "the demo page");
      assert.ok(embeds("build_stamp.json"), "the commit");
      assert.ok(files.some(({ path }) => path.endsWith(CLIENT_SDK)), "the client library");
      const packages = embeddedPackages(files);
      assert.ok(packages.has("@livekit/protocol") && packages.has("redis"), "packages");
      for (const unused of ["fast-check", "playwright-core", "@livekit/rtc-node", "werift"]) {
        assert.ok(!packages.has(unused), `${unused} is for tests`);
      }
      const program = join(folder, "program");
      const denoDir = join(folder, "cache");
      layOut(files, { project: PROJECT, npmCache: await npmCache(), program, denoDir });
      await holdCall(program, denoDir);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** Runs the program out of its folder with two media workers, and lets two people meet. */
async function holdCall(program: string, denoDir: string): Promise<void> {
  const [, flags = ""] = (await projectTask("compile")).split("deno compile ");
  const permissions = flags.split(" ").filter((word) => PERMISSION.test(word));
  const packages = join(denoDir, "npm");
  const before = listing(packages);
  const cached = ["--cached-only", "--frozen", "--node-modules-dir=none"];
  // An executable holds only what it imports; what else the lock file names is not looked for.
  const lazily = "--unstable-npm-lazy-caching";
  await using server = await startRoomwire({
    program: {
      command: [Deno.execPath(), "run", ...permissions, ...cached, lazily, "main.ts"],
      cwd: program,
      env: { DENO_DIR: denoDir },
    },
    config: { workers: 1, demo: true, docs: true },
  });
  for (const path of ["/demo", "/demo/assets/livekit-client.js", "/docs/quick_start"]) {
    const response = await fetch(`${server.httpUrl}${path}`);
    assert.equal(response.status, 200, path);
    assert.ok((await response.text()).length > 1_000, path);
  }
  const token = (identity: string) => mintToken({ room: "compiled", identity });
  await using ann = await WireParticipant.open(server.url, await token("ann"));
  await using bob = await WireParticipant.open(server.url, await token("bob"));
  await Promise.all([ann.connected(), bob.connected()]);
  const { sid } = await ann.publish("audio");
  const { ssrc } = await bob.track(sid);
  await until("media", () => bob.subscriber.packets(ssrc).length > 10);
  assert.match(server.logTail(), /"version":"\d+\.\d+\.\d+[^"]*","commit":"[0-9a-f]{12}/);
  assert.match(server.logTail(), /"workers":1/);
  assert.deepEqual(listing(packages), before, "nothing was missing and fetched");
}

Deno.test({
  name: "deno task compile refuses Deno's command line as a runtime, in words",
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "roomwire_compiled_" });
    try {
      const output = join(folder, "roomwire");
      const { code, said } = await compile(Deno.execPath(), output);
      assert.notEqual(code, 0);
      assert.match(said, /DENORT_BIN names Deno's command line/);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
