import assert from "node:assert/strict";
import {
  type ArchivedFile,
  packArchive,
  unpackArchive,
} from "../../../build/release/tar_archive.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const text = (words: string) => new TextEncoder().encode(words);
const LONG = `${"folder/".repeat(20)}${"n".repeat(90)}.txt`;
const FILES: readonly ArchivedFile[] = [
  { path: "b/program", bytes: text("run"), isExecutable: true },
  { path: "a.txt", bytes: text("a"), isExecutable: false },
  { path: "empty", bytes: new Uint8Array(), isExecutable: false },
  { path: LONG, bytes: Uint8Array.from(new SeededRandom(1).bytes(1_537)), isExecutable: false },
];
const sorted = FILES.toSorted((a, b) => a.path < b.path ? -1 : 1);

Deno.test("unpackArchive() gives what packArchive() was given, in the order of names", async () => {
  assert.deepEqual(await unpackArchive(await packArchive(FILES)), sorted);
});

Deno.test("packArchive() makes the same bytes of the same files, in whatever order", async () => {
  assert.deepEqual(await packArchive(FILES), await packArchive(FILES.toReversed()));
});

Deno.test({
  name: "tar reads what packArchive() writes",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "roomwire_tar_" });
    try {
      await Deno.writeFile(`${folder}/x.tgz`, await packArchive(FILES));
      const tar = new Deno.Command("tar", { args: ["-xzf", "x.tgz"], cwd: folder });
      assert.ok((await tar.output()).success);
      for (const { path, bytes, isExecutable } of FILES) {
        assert.deepEqual(await Deno.readFile(`${folder}/${path}`), bytes);
        const { mode } = await Deno.stat(`${folder}/${path}`);
        assert.equal((mode! & 0o111) !== 0, isExecutable, path);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("packArchive() refuses a name that no header holds", async () => {
  const path = `${"n".repeat(101)}`;
  await assert.rejects(packArchive([{ path, bytes: text("") }]), /its name is too long/);
});

Deno.test("unpackArchive() refuses what ends early", async () => {
  const whole = await new Response(
    new Blob([await packArchive([{ path: "a", bytes: new Uint8Array(2_000) }])]).stream()
      .pipeThrough(new DecompressionStream("gzip")),
  ).arrayBuffer();
  const cut = new Blob([whole.slice(0, 1_024)]).stream().pipeThrough(new CompressionStream("gzip"));
  const archive = new Uint8Array(await new Response(cut).arrayBuffer());
  await assert.rejects(unpackArchive(archive), /no tar archive/);
});
