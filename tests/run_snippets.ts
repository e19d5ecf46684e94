/**
 * `deno task snippets [go] [rust]`: builds the documentation's programs in Go and Rust, which say of
 * themselves that this task runs them, and runs them against a server of this tree with bob in the
 * room. `deno task test` does not, because LiveKit's packages take minutes to build;
 * `tests/e2e/documentation_test.ts` runs what is in other languages.
 *
 * Go and cargo fetch packages from where they always do. What is built stands in a temporary
 * folder, which is removed at the end. Whatever could not be run is told, and the exit status is
 * then 1.
 *
 * @module
 */
import assert from "node:assert/strict";
import { PAGES } from "../build/site/contents.ts";
import { mintToken } from "./support/process/access_tokens.ts";
import { cargoPath, goPath } from "./support/process/e2e_requirements.ts";
import { codeOf, filledIn, type PageCode, placeOf } from "./support/process/page_code.ts";
import { type RoomwireProcess, startRoomwire } from "./support/process/roomwire_process.ts";
import { assertToken } from "./support/wire/snippet_output.ts";
import { WireParticipant } from "./support/wire/wire_participant.ts";

const ROOT = new URL("../", import.meta.url);
/** What a block that this task runs says behind its fence. */
const MARK = /^deno task snippets runs it\b/;
/** What programs import: the versions with which they were run last. */
const GO_MODULES = ["github.com/livekit/server-sdk-go/v2@v2.19.0"];
const CRATES = [
  ["livekit-api@=0.10.0", "--features=rustls-tls-native-roots"],
  ["tokio@1", "--features=full"],
];
/** Fetching and building everything of a language, and one program's run, at most; ms. */
const BUILD_DEADLINE_MS = 20 * 60_000;
const RUN_DEADLINE_MS = 60_000;
/** That a program has seen bob in the room: how many others there are, or his name. */
const HAS_SEEN_BOB = /^(?:standup 1|bob)$/;

/** What makes executables of a language's programs. */
interface Toolchain {
  readonly name: string;
  readonly program: string | undefined;
  /**
   * Builds them in an empty folder.
   *
   * @param texts By name.
   * @returns the folder of the executables, which have the same names.
   */
  build(program: string, folder: string, texts: ReadonlyMap<string, string>): Promise<string>;
}

const TOOLCHAINS: Readonly<Record<string, Toolchain>> = {
  go: { name: "Go", program: goPath(), build: buildGo },
  rust: { name: "cargo", program: cargoPath(), build: buildRust },
};

async function output(
  program: string,
  args: readonly string[],
  options: Deno.CommandOptions,
  deadlineMs: number,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    signal: AbortSignal.timeout(deadlineMs),
    ...options,
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.ok(success, `"${program} ${args.join(" ")}" failed: ${said}`);
  return new TextDecoder().decode(stdout);
}

async function buildGo(go: string, folder: string, texts: ReadonlyMap<string, string>) {
  await Deno.writeTextFile(`${folder}/go.mod`, "module snippets\n\ngo 1.24.0\n");
  for (const [name, text] of texts) {
    await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/${name}/main.go`, text);
  }
  const options = { cwd: folder, env: { GOWORK: "off" } };
  await output(go, ["get", ...GO_MODULES], options, BUILD_DEADLINE_MS);
  await output(go, ["build", "-o", `${folder}/built/`, "./..."], options, BUILD_DEADLINE_MS);
  return `${folder}/built`;
}

async function buildRust(cargo: string, folder: string, texts: ReadonlyMap<string, string>) {
  await Deno.mkdir(`${folder}/src/bin`, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/Cargo.toml`,
    '[package]\nname = "snippets"\nversion = "0.0.0"\nedition = "2021"\n',
  );
  for (const [name, text] of texts) await Deno.writeTextFile(`${folder}/src/bin/${name}.rs`, text);
  const env = { CARGO_TARGET_DIR: `${folder}/target`, CARGO_PROFILE_DEV_DEBUG: "0" };
  const options = { cwd: folder, env };
  for (const crate of CRATES) {
    await output(cargo, ["add", "--quiet", ...crate], options, BUILD_DEADLINE_MS);
  }
  await output(cargo, ["build", "--quiet"], options, BUILD_DEADLINE_MS);
  return `${folder}/target/debug`;
}

const nameOf = (code: PageCode) => placeOf(code).replaceAll(/\W+/g, "_");

/** Calls `use` with a folder of its own. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "roomwire_snippets_" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Builds and runs all of a language. */
async function runAll(codes: readonly PageCode[], server: RoomwireProcess): Promise<void> {
  const toolchain = TOOLCHAINS[codes[0]!.language];
  assert.ok(toolchain?.program !== undefined, `no ${toolchain?.name ?? "toolchain"} here`);
  const { name, program } = toolchain;
  await inFolder(async (folder) => {
    const startedAt = performance.now();
    const texts = new Map(codes.map((code) => [nameOf(code), filledIn(code.text, server)]));
    const built = await toolchain.build(program, folder, texts);
    console.log(`${name}: ${codes.length} built in ${secondsSince(startedAt)} s`);
    for (const code of codes) {
      const env = { TOKEN: await mintToken({ room: "standup", identity: "reader" }) };
      const printed = await output(`${built}/${nameOf(code)}`, [], { env }, RUN_DEADLINE_MS);
      if (!HAS_SEEN_BOB.test(printed.trim())) await assertToken(printed, server.url);
      console.log(`${placeOf(code)}: runs`);
    }
  });
}

const secondsSince = (startedAt: number) => Math.round((performance.now() - startedAt) / 1_000);

const all = PAGES
  .flatMap(({ source }) => codeOf(source, Deno.readTextFileSync(new URL(source, ROOT))));
const isWanted = (language: string) => Deno.args.length === 0 || Deno.args.includes(language);
const marked = all.filter(({ language, notRun }) => isWanted(language) && MARK.test(notRun ?? ""));
const running = Map.groupBy(marked, ({ language }) => language);
let failed = running.size === 0;

async function attempt(codes: readonly PageCode[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    failed = true;
    console.error(`Not run: ${codes.map(placeOf).join(", ")}: ${(error as Error).message}`);
  }
}

{
  await using server = await startRoomwire({ flags: ["--dev"] });
  const token = await mintToken({ room: "standup", identity: "bob" });
  const bob = await WireParticipant.open(server.url, token);
  await bob.connected();
  for (const codes of running.values()) await attempt(codes, () => runAll(codes, server));
  await bob.leave();
}
Deno.exit(failed ? 1 : 0);
