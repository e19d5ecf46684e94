/** Recordings in a real folder. */
import assert from "node:assert/strict";
import { eventually } from "../../../support/process/eventually.ts";
import { RecordingDirectory } from "../../../../lib/server/storage/recording_directory.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const NO_RULES = { maxAgeMs: 0, maxBytes: 0 };

async function inFolder(
  body: (folder: string, platform: VirtualPlatform) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder, new VirtualPlatform());
  } finally {
    // What waited for a disk may write its line while the folder goes.
    const remove = () => Deno.remove(folder, { recursive: true }).then(() => true, () => false);
    await eventually("the folder to be gone", remove);
  }
}

const never = (why: string) => assert.fail(why);

Deno.test("RecordingDirectory keeps what is appended, and heads that are written anew", () =>
  inFolder(async (folder, platform) => {
    const storage = new RecordingDirectory(`${folder}/new/place`, NO_RULES, platform);
    storage.prepare();
    const file = storage.open("a/b.webm", never);
    file.append(bytes("head"));
    file.append(bytes(" body"));
    file.rewriteHead(bytes("HEAD"));
    file.append(bytes(" more"));
    assert.equal(await file.close(), 14);
    assert.equal(file.name, "a/b.webm");
    assert.equal(await Deno.readTextFile(file.location), "HEAD body more");
    await storage.close();
  }));

Deno.test("RecordingDirectory gives a name that is taken a number, and overwrites nothing", () =>
  inFolder(async (folder, platform) => {
    const storage = new RecordingDirectory(folder, NO_RULES, platform);
    storage.prepare();
    const names: string[] = [];
    for (const text of ["one", "two", "three"]) {
      const file = storage.open("x.ogg", never);
      file.append(bytes(text));
      await file.close();
      names.push(file.name);
    }
    await storage.close();
    assert.deepEqual(names, ["x.ogg", "x-2.ogg", "x-3.ogg"]);
    assert.equal(await Deno.readTextFile(`${folder}/x.ogg`), "one");
  }));

Deno.test("RecordingDirectory says why a file cannot be, and follows no link out of its folder", () =>
  inFolder(async (folder, platform) => {
    const outside = `${folder}/outside`;
    const root = `${folder}/root`;
    await Deno.mkdir(outside);
    const storage = new RecordingDirectory(root, NO_RULES, platform);
    storage.prepare();
    await Deno.symlink(outside, `${root}/link`);
    const whys: string[] = [];
    const file = storage.open("link/x.webm", (why) => whys.push(why));
    file.append(bytes("secret"));
    assert.equal(await file.close(), 0);
    assert.deepEqual(whys, ["writing there is not permitted"]);
    assert.equal(await storage.open("link/below/x.webm", (why) => whys.push(why)).close(), 0);
    assert.equal(whys.length, 2);
    assert.deepEqual([...Deno.readDirSync(outside)], [], "not even a folder");
    await storage.close();
  }));

/** Records files of these sizes, bytes, which are as old as said, ms. */
async function recordAged(
  folder: string,
  platform: VirtualPlatform,
  files: readonly (readonly [name: string, size: number, ageMs: number])[],
): Promise<void> {
  const storage = new RecordingDirectory(folder, NO_RULES, platform);
  storage.prepare();
  for (const [name, size, ageMs] of files) {
    const file = storage.open(name, never);
    file.append(new Uint8Array(size));
    await file.close();
    await age(`${folder}/${name}`, platform, ageMs);
  }
  await storage.close();
}

function age(path: string, platform: VirtualPlatform, ageMs: number): Promise<void> {
  const at = new Date(platform.clock.wallMs() - ageMs);
  return Deno.utime(path, at, at);
}

/** What a server of these rules leaves of the folder. */
async function tidied(folder: string, platform: VirtualPlatform): Promise<string[]> {
  const storage = new RecordingDirectory(folder, { maxAgeMs: 5_000, maxBytes: 1_000 }, platform);
  storage.prepare();
  await storage.close();
  const names = [...Deno.readDirSync(folder), ...Deno.readDirSync(`${folder}/sub`)]
    .filter(({ isFile }) => isFile).map(({ name }) => name);
  return names.filter((name) => !name.startsWith(".roomwire")).sort();
}

Deno.test("RecordingDirectory removes what is too old, and the oldest of what is too much", () =>
  inFolder(async (folder, platform) => {
    await recordAged(folder, platform, [
      ["old.webm", 10, 9_000],
      ["sub/middle.mp4", 600, 3_000],
      ["young.ogg", 600, 1_000],
    ]);
    assert.deepEqual(await tidied(folder, platform), ["young.ogg"]);
    const list = await Deno.readTextFile(`${folder}/.roomwire-recordings`);
    assert.equal(list, "young.ogg\n", "what is gone is forgotten");
  }));

Deno.test("RecordingDirectory removes nothing that it has not written, whatever it is called", () =>
  inFolder(async (folder, platform) => {
    await recordAged(folder, platform, [["sub/old.webm", 10, 9_000]]);
    for (const name of ["holiday.mp4", "package.json", "sub/song.ogg", "notes.txt"]) {
      await Deno.writeFile(`${folder}/${name}`, new Uint8Array(900));
      await age(`${folder}/${name}`, platform, 90_000);
    }
    assert.deepEqual(await tidied(folder, platform), [
      "holiday.mp4",
      "notes.txt",
      "package.json",
      "song.ogg",
    ]);
  }));

Deno.test("RecordingDirectory removes nothing behind a link that took a recording's place", () =>
  inFolder(async (folder, platform) => {
    const root = `${folder}/root`;
    await Deno.mkdir(root);
    await recordAged(root, platform, [["sub/a.webm", 10, 9_000], ["b.webm", 10, 9_000]]);
    await Deno.rename(`${root}/sub`, `${folder}/sub`);
    await Deno.symlink(`${folder}/sub`, `${root}/sub`);
    assert.deepEqual(await tidied(root, platform), ["a.webm"]);
  }));

Deno.test("RecordingDirectory.prepare() fails where nothing can be written", () =>
  inFolder(async (folder, platform) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const storage = new RecordingDirectory(`${folder}/file/below`, NO_RULES, platform);
    assert.throws(() => storage.prepare());
  }));

Deno.test("RecordingDirectory waits for no disk that hangs, and says so", () =>
  inFolder(async (folder, platform) => {
    // Whoever opens a pipe waits until somebody reads it, inside the kernel, as with a lost mount.
    const pipe = `${folder}/.roomwire-recordings`;
    const made = await new Deno.Command("mkfifo", { args: [pipe] }).output();
    assert.ok(made.success);
    const storage = new RecordingDirectory(folder, NO_RULES, platform);
    storage.prepare();
    const whys: string[] = [];
    let isOpened = false;
    const files = ["x.webm", "y.webm"].map((name) =>
      storage.open(name, (why) => whys.push(why), () => isOpened = true)
    );
    for (const file of files) file.append(bytes("head"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    platform.advance(29_000);
    assert.deepEqual(whys, []);
    platform.advance(1_001);
    assert.deepEqual(whys, ["the disk does not answer", "the disk does not answer"]);
    assert.deepEqual(await Promise.all(files.map((file) => file.close())), [0, 0]);
    assert.equal(isOpened, false);
    using reader = await Deno.open(pipe, { read: true });
    await reader.read(new Uint8Array(100));
  }));

Deno.test("RecordingDirectory forgets no name that another process writes down meanwhile", () =>
  inFolder(async (folder, platform) => {
    const old = Array.from({ length: 20 }, (_, i) => [`old${i}.webm`, 10, 9_000] as const);
    await recordAged(folder, platform, old);
    const rules = { maxAgeMs: 5_000, maxBytes: 0 };
    const one = new RecordingDirectory(folder, rules, platform);
    const two = new RecordingDirectory(folder, NO_RULES, platform);
    one.prepare();
    two.prepare();
    const files = Array.from({ length: 40 }, (_, i) => two.open(`new${i}.webm`, never));
    await Promise.all(files.map((file) => file.close()));
    await one.close();
    await two.close();
    const list = (await Deno.readTextFile(`${folder}/.roomwire-recordings`)).trim().split("\n");
    assert.deepEqual(list.sort(), files.map(({ name }) => name).sort());
  }));

Deno.test("RecordingDirectory removes nothing that another process is writing", () =>
  inFolder(async (folder, platform) => {
    const writer = new RecordingDirectory(folder, NO_RULES, platform);
    writer.prepare();
    const file = writer.open("sub/x.webm", never);
    file.append(new Uint8Array(500));
    await writer.open("sub/y.webm", never).close();
    await eventually("what was appended", async () => {
      return (await Deno.stat(`${folder}/sub/x.webm`)).size === 500;
    });
    await age(`${folder}/sub/x.webm`, platform, 9_000);
    await age(`${folder}/sub/y.webm`, platform, 1_000);
    assert.deepEqual(await tidied(folder, platform), ["x.webm", "y.webm"]);
    await file.close();
    await age(`${folder}/sub/x.webm`, platform, 9_000);
    assert.deepEqual(await tidied(folder, platform), ["y.webm"]);
    await writer.close();
  }));
