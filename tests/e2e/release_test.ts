/**
 * `deno task release` with one stand-in for a runtime and none for the others: what it makes, and
 * what it says of the rest.
 *
 * @module
 */
import assert from "node:assert/strict";
import { unpackArchive } from "../../build/release/tar_archive.ts";
import { VERSION } from "../../lib/server/version.ts";

const ROOT = new URL("../../", import.meta.url);
/** Any executable of the system will do: what is made of it is looked at and not run. */
const STAND_IN = "/bin/true";
const TARGET = "x86_64-unknown-linux-gnu";
const NAME = `roomwire-${VERSION}`;
const INCOMPLETE_STATUS = 3;

Deno.test({
  name: "deno task release makes what it can, with sums, and names what it cannot, with reasons",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "roomwire_release_test_" });
    try {
      await Deno.copyFile(STAND_IN, `${folder}/denort-${TARGET}`);
      const out = `${folder}/out`;
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "release", `--out=${out}`, `--runtimes=${folder}`, "--no-images"],
        cwd: ROOT,
        env: { NO_COLOR: "1" },
        stdin: "null",
      }).output();
      const text = new TextDecoder();
      const said = text.decode(stdout);
      assert.equal(code, INCOMPLETE_STATUS, said + text.decode(stderr));
      const made = [`${NAME}-${TARGET}.tar.gz`, `${NAME}.cdx.json`, `${NAME}.tgz`];
      assert.deepEqual([...Deno.readDirSync(out)].map(({ name }) => name).sort(), [
        "SHA256SUMS",
        ...made,
      ]);
      for (const name of made) assert.match(said, new RegExp(`^made +${name}$`, "m"));
      for (const other of ["aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "image-arm64"]) {
        assert.match(said, new RegExp(`^not made +${NAME}-${other}\\..*\\n +\\S.{8}`, "m"), other);
      }
      const check = new Deno.Command("sha256sum", { args: ["--check", "SHA256SUMS"], cwd: out });
      assert.equal(text.decode((await check.output()).stdout).match(/: OK$/gm)?.length, 3);
      const archive = await unpackArchive(await Deno.readFile(`${out}/${made[0]}`));
      assert.deepEqual(archive.map(({ path, isExecutable }) => [path, isExecutable]), [
        [`${NAME}/CHANGELOG.md`, false],
        [`${NAME}/LICENSE`, false],
        [`${NAME}/README.md`, false],
        [`${NAME}/roomwire`, true],
      ]);
      const program = archive.at(-1)!.bytes;
      assert.ok(program.length > Deno.statSync(STAND_IN).size + 1_000_000);
      const bill = JSON.parse(await Deno.readTextFile(`${out}/${made[1]}`));
      assert.match(bill.metadata.component.properties[0].value, /^[0-9a-f]{40}$/);
      // Nothing of where it was made may be in what is published.
      const files = await unpackArchive(await Deno.readFile(`${out}/${made[2]}`));
      const place = ROOT.pathname;
      assert.deepEqual(
        files.filter(({ bytes }) => text.decode(bytes).includes(place)).map(({ path }) => path),
        [],
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
