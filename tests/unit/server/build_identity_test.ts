import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { buildIdentity, identityText } from "../../../lib/server/build_identity.ts";
import { VERSION } from "../../../lib/server/version.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const OTHER = "f".repeat(40);

/** What is known in a folder with these files; names ending in `/` are empty folders. */
function identityIn(files: Readonly<Record<string, string>>) {
  const folder = Deno.makeTempDirSync({ prefix: "roomwire_identity_" });
  const root = pathToFileURL(`${folder}/clone/`);
  try {
    Deno.mkdirSync(root);
    for (const [name, text] of Object.entries(files)) {
      const file = new URL(name, root);
      Deno.mkdirSync(new URL(".", file), { recursive: true });
      Deno.writeTextFileSync(file, text);
    }
    return buildIdentity(root);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("buildIdentity() reads the commit of a clone out of its files", () => {
  const main = "refs/heads/main";
  const packed =
    `# pack-refs with: peeled\n${OTHER} refs/heads/main2\n${COMMIT} ${main}\n^${OTHER}\n`;
  const clones: Record<string, Record<string, string>> = {
    "a branch": { ".git/HEAD": `ref: ${main}\n`, [`.git/${main}`]: `${COMMIT}\n` },
    "no branch": { ".git/HEAD": `${COMMIT}\n` },
    "packed references": { ".git/HEAD": `ref: ${main}\n`, ".git/packed-refs": packed },
    "a loose reference before a packed one": {
      ".git/HEAD": `ref: ${main}\n`,
      [`.git/${main}`]: COMMIT,
      ".git/packed-refs": `${OTHER} ${main}\n`,
    },
    "a branch with a folder in its name": {
      ".git/HEAD": "ref: refs/heads/fix/it-1.0\n",
      ".git/refs/heads/fix/it-1.0": COMMIT,
    },
    "one more work tree": {
      ".git": "gitdir: ../whole/.git/worktrees/clone\n",
      "../whole/.git/worktrees/clone/HEAD": `ref: ${main}\n`,
      "../whole/.git/worktrees/clone/commondir": "../..\n",
      [`../whole/.git/${main}`]: COMMIT,
    },
  };
  for (const [name, files] of Object.entries(clones)) {
    assert.deepEqual(identityIn(files), { version: VERSION, commit: COMMIT }, name);
  }
});

Deno.test("buildIdentity() believes a stamp where there is no clone, and the clone where there is", () => {
  const stamp = JSON.stringify({ version: "9.9.9+3", commit: OTHER });
  assert.deepEqual(identityIn({ "build_stamp.json": stamp }), {
    version: "9.9.9+3",
    commit: OTHER,
  });
  assert.deepEqual(
    identityIn({ "build_stamp.json": stamp, ".git/HEAD": COMMIT }),
    { version: VERSION, commit: COMMIT },
  );
  const dirty = JSON.stringify({ version: "9.9.9", commit: `${OTHER}-dirty` });
  assert.equal(identityIn({ "build_stamp.json": dirty }).commit, `${OTHER}-dirty`);
});

Deno.test("buildIdentity() knows the version alone where files say nothing that can be true", () => {
  const nothing: readonly Record<string, string>[] = [
    {},
    { ".git/HEAD": "" },
    { ".git/HEAD": "ref: refs/heads/unborn\n" },
    { ".git/HEAD": "ref: refs/heads/../../../secret\n", "../secret": COMMIT },
    { ".git/HEAD": "ref: /etc/hostname\n" },
    { ".git/HEAD": "ref: refs/heads/x\n", ".git/refs/heads/x": "<html>" },
    { ".git": "gitdir: ../nowhere\n" },
    { "build_stamp.json": "{" },
    { "build_stamp.json": "[1]" },
    { "build_stamp.json": '{"version":1,"commit":"x"}' },
  ];
  for (const files of nothing) {
    assert.deepEqual(identityIn(files), { version: VERSION }, JSON.stringify(files));
  }
  const stamp = JSON.stringify({ version: "1.0.0", commit: "\u001b[31mred" });
  assert.deepEqual(identityIn({ "build_stamp.json": stamp }), { version: "1.0.0" });
});

Deno.test("identityText() shows twelve digits of the commit, and whether files differed from it", () => {
  assert.equal(identityText({ version: "1.2.3" }), "1.2.3");
  assert.equal(identityText({ version: "1.2.3", commit: COMMIT }), "1.2.3 (commit 0123456789ab)");
  assert.equal(
    identityText({ version: "1.2.3", commit: `${COMMIT}-dirty` }),
    "1.2.3 (commit 0123456789ab-dirty)",
  );
});
