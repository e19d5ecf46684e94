import assert from "node:assert/strict";

const ROOT = new URL("../../../", import.meta.url);

interface Dependency {
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
}

interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly Dependency[];
  }[];
}

/** Everything that is loaded with `entry` before anything asks for more, as the runtime sees it. */
async function loadedWith(entry: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: ROOT,
    stderr: "null",
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as ModuleGraph;
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const loaded = new Set([new URL(entry, ROOT).href]);
  for (const name of loaded) {
    for (const { isDynamic, code } of byName.get(name)?.dependencies ?? []) {
      if (isDynamic !== true && code?.specifier !== undefined) loaded.add(code.specifier);
    }
  }
  return [...loaded].map((name) => name.replace(ROOT.href, ""));
}

const under = (names: readonly string[], parts: readonly string[]) =>
  names.filter((name) => parts.some((part) => name.includes(part)));

Deno.test("the main thread does not load the media plane, which runs on workers", async () => {
  const loaded = await loadedWith("main.ts");
  assert.ok(loaded.includes("lib/engine/worker/worker_pool.ts"), "the scan sees the program");
  const mediaPlane = ["lib/media/", "lib/engine/local/local_engine.ts", "lib/transport/srtp/"];
  assert.deepEqual(under(loaded, [...mediaPlane, "lib/transport/peer_transport.ts"]), []);
});

Deno.test("what only some configurations need is not loaded with the program", async () => {
  const loaded = await loadedWith("main.ts");
  assert.ok(loaded.includes("lib/server/composed_server.ts"), "the scan sees the program");
  const optional = ["lib/cluster/", "lib/server/metrics/metrics.ts", "prom-client", "npm:redis"];
  assert.deepEqual(under(loaded, [...optional, "msgpack"]), []);
});

Deno.test("a worker loads nothing of the control plane, and no packages", async () => {
  const loaded = await loadedWith("lib/engine/worker/worker_main.ts");
  assert.ok(loaded.includes("lib/media/down/down_track.ts"), "the scan sees the media plane");
  const controlPlane = [
    "lib/room/",
    "lib/signalling/",
    "lib/server/",
    "lib/negotiation/",
    "routes/",
  ];
  assert.deepEqual(under(loaded, [...controlPlane, "npm:", "node_modules/"]), []);
});

Deno.test("neither loads what is for tests and benchmarks alone", async () => {
  const loaded = [
    ...await loadedWith("main.ts"),
    ...await loadedWith("lib/engine/worker/worker_main.ts"),
  ];
  assert.deepEqual(
    under(loaded, ["werift", "tweetnacl", "livekit-client", "fast-check", "jose"]),
    [],
  );
});

Deno.test("every task and script that runs or makes a server has V8 collect alike", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const flagsOf = (task: string) => /--v8-flags=(\S+)/.exec(task)?.[1];
  const flags = flagsOf(tasks.start)?.split(",") ?? [];
  assert.ok(flags.includes("--expose-gc"), "the server looks for it when it has started");
  assert.ok(flags.some((flag) => flag.startsWith("--max-semi-space-size=")));
  assert.ok(flags.some((flag) => flag.startsWith("--initial-old-space-size=")));
  const compile = tasks.compile.slice(tasks.compile.indexOf("deno compile "));
  const others = ["examples/token_app/deno.json", "deploy/three_nodes.sh"]
    .map((path) => Deno.readTextFileSync(new URL(path, ROOT)));
  for (const text of [tasks.dev, compile, ...others]) {
    assert.equal(flagsOf(text), flagsOf(tasks.start));
  }
});
