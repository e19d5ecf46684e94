/** Composing by FFmpeg: what comes of it, and what does where it is not here or breaks. */
import assert from "node:assert/strict";
import { RecordingComposer } from "../../../../lib/server/storage/recording_composer.ts";
import { KeptRecordings } from "../../../../lib/server/storage/kept_recordings.ts";
import { RecordingDirectory } from "../../../../lib/server/storage/recording_directory.ts";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { fakeFfmpeg } from "../../../support/process/fake_ffmpeg.ts";
import { probe } from "../../../support/process/probed_file.ts";

const hasFfmpeg = await new Deno.Command("ffmpeg", { args: ["-version"] }).output()
  .then(({ success }) => success, () => false);

async function ffmpeg(...args: string[]): Promise<void> {
  const { success } = await new Deno.Command("ffmpeg", { args: ["-v", "error", ...args] }).output();
  assert.ok(success);
}

Deno.test({
  name: "two people who came at different times are one film with both at the right time",
  ignore: !hasFfmpeg,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const composer = new RecordingComposer(folder, denoPlatform());
    await composer.open();
    assert.equal(composer.obstacle, "");
    const size = "s=160x120:r=10";
    const vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-b:v", "200k"];
    await ffmpeg("-f", "lavfi", "-i", `color=white:${size}:d=3`, ...vp8, `${folder}/a.webm`);
    await ffmpeg("-f", "lavfi", "-i", `color=white:${size}:d=1`, ...vp8, `${folder}/b.webm`);
    await ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", "-c:a", "libopus", `${folder}/b.ogg`);
    await Deno.writeTextFile(`${folder}/film.mp4`, "somebody's");
    const tracks = [
      { name: "a.webm", kind: "video", format: "webm", offsetMs: 0, durationMs: 3_000 },
      { name: "b.webm", kind: "video", format: "webm", offsetMs: 1_000, durationMs: 1_000 },
      { name: "b.ogg", kind: "audio", format: "ogg", offsetMs: 1_000, durationMs: 1_000 },
    ] as const;
    const made = await composer.compose({ path: "film", tracks, width: 320, height: 120 });
    assert.ok(made.ok, JSON.stringify(made));
    assert.equal(made.name, "film-2.mp4", "nothing is overwritten");
    assert.equal(made.bytes, (await Deno.stat(made.location)).size);
    const { streams, complaints, duration } = await probe(made.location);
    assert.deepEqual(streams.map(({ codec }) => codec).sort(), ["aac", "h264"]);
    assert.deepEqual([complaints, Math.round(duration)], ["", 3]);
    // How bright each half is in the middle of each second: the second person is there in one.
    const { stdout } = await new Deno.Command("ffmpeg", {
      args: [
        ...["-v", "error", "-i", made.location, "-vf", "fps=2,scale=2:1:flags=area,format=gray"],
        ...["-f", "rawvideo", "-"],
      ],
    }).output();
    const bright = [...stdout].map((value) => value > 128);
    const at = (halfSecond: number) => bright.slice(2 * halfSecond, 2 * halfSecond + 2);
    assert.deepEqual([at(1), at(3), at(5)], [[true, false], [true, true], [true, false]]);
    const broken = [{ ...tracks[0], name: "film.mp4" }];
    const failed = await composer.compose({ path: "x", tracks: broken, width: 320, height: 120 });
    assert.deepEqual(failed, { ok: false, why: "FFmpeg failed" });
    assert.ok(![...Deno.readDirSync(folder)].some(({ name }) => name === "x.mp4"));
    composer.close();
    const late = await composer.compose({ path: "y", tracks, width: 320, height: 120 });
    assert.deepEqual(late, { ok: false, why: "the server was stopped" });
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("of what FFmpeg complains about only the end is kept", async () => {
  using _fake = fakeFfmpeg(
    '[ "$1" = -version ] && exit 0; head -c 300000000 /dev/zero >&2; echo last words >&2; exit 1',
  );
  const root = await Deno.makeTempDir();
  const platform = denoPlatform();
  const words: string[] = [];
  const log = { ...platform.log, warn: (_: string, facts: object) => words.push(String(facts)) };
  const composer = new RecordingComposer(root, { ...platform, log } as typeof platform);
  await composer.open();
  const track = {
    name: "a.webm",
    kind: "video",
    format: "webm",
    offsetMs: 0,
    durationMs: 1,
  } as const;
  await Deno.writeTextFile(`${root}/a.webm`, "");
  const before = Deno.memoryUsage().rss;
  let most = 0;
  const look = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss - before), 10);
  const made = await composer.compose({ path: "x", tracks: [track], width: 64, height: 64 });
  clearInterval(look);
  assert.deepEqual(made, { ok: false, why: "FFmpeg failed" });
  assert.ok(most < 150_000_000, `${most} bytes more while 300,000,000 are said`);
  await Deno.remove(root, { recursive: true });
});

Deno.test("a server that is stopped while its composer waits for a disk begins nothing any more", async () => {
  using _fake = fakeFfmpeg("exit 0");
  const root = await Deno.makeTempDir();
  const composer = new RecordingComposer(root, denoPlatform());
  await composer.open();
  const [name, kind, format] = ["a.webm", "video", "webm"] as const;
  const tracks = [{ name, kind, format, offsetMs: 0, durationMs: 1 }];
  await Deno.writeTextFile(`${root}/a.webm`, "");
  const isBegun = () => [...Deno.readDirSync(root)].some(({ name }) => name === "x.mp4");
  // As another process does that writes to the list of recordings.
  const list = await Deno.open(`${root}/.roomwire-recordings.lock`, { create: true, write: true });
  await list.lock(true);
  const making = composer.compose({ path: "x", tracks, width: 64, height: 64 });
  while (!isBegun()) await new Promise((resolve) => setTimeout(resolve, 1));
  composer.close();
  list.close();
  assert.deepEqual(await making, { ok: false, why: "the server was stopped" });
  assert.equal(isBegun(), false);
  await Deno.remove(root, { recursive: true });
});

/**
 * Pipes with names, through which a fake FFmpeg says that it has begun and waits until it may end,
 * and one that is composed, like a file: whoever opens it waits for the other end.
 */
async function pipes(root: string, composed: string) {
  const [begun, end] = [`${root}/begun`, `${root}/end`];
  const args = [begun, end, `${root}/${composed}`];
  const { success } = await new Deno.Command("mkfifo", { args }).output();
  assert.ok(success);
  return {
    script: `[ "$1" = -version ] && exit 0; echo > ${begun}; read -r _ < ${end}; exit 0`,
    /** Once it runs. @param made What must not be there before. */
    begins: (made: Promise<unknown>) =>
      Promise.race([
        Deno.readTextFile(begun),
        made.then((outcome) => assert.fail(`nothing ran: ${JSON.stringify(outcome)}`)),
      ]),
    ends: () => Deno.writeTextFile(end, ""),
    /** Once the composer holds what it was told to compose before it. */
    isOpened: () => Deno.writeTextFile(`${root}/${composed}`, ""),
  };
}

Deno.test({
  name: "retention removes no file that is composed, waits for that, or is being made",
  // Nobody may change priorities: at the lowest one a process has next to nothing of a processor
  // that is busy, and here it is waited for.
  permissions: { run: true, read: true, write: true, env: true, sys: false },
  fn: async () => {
    const root = await Deno.realPath(await Deno.makeTempDir());
    const fake = await pipes(root, "last");
    using _fake = fakeFfmpeg(fake.script);
    // Its time stands still: what a busy machine keeps waiting for a minute is not ended as too late.
    const platform = new VirtualPlatform();
    const composer = new RecordingComposer(root, platform);
    await composer.open();
    const directory = new RecordingDirectory(root, { maxAgeMs: 1, maxBytes: 0 }, platform);
    const names = ["a.webm", "b.webm", "old.webm"];
    for (const name of names) {
      await Deno.writeTextFile(`${root}/${name}`, "");
      await new KeptRecordings(root).add(name);
    }
    const compose = (path: string, ...files: string[]) => {
      const facts = { kind: "video", format: "webm", offsetMs: 0, durationMs: 1 } as const;
      const tracks = files.map((name) => ({ name, ...facts }));
      return composer.compose({ path, tracks, width: 64, height: 64 });
    };
    const recordings = () =>
      [...Deno.readDirSync(root)].map(({ name }) => name)
        .filter((name) => name.endsWith(".webm")).toSorted();
    const running = compose("calls/{x}/film", "a.webm");
    await fake.begins(running);
    const waiting = compose("second", "b.webm", "gone.webm", "last");
    await fake.isOpened();
    const film = `${root}/calls/{x}/film.mp4`;
    await Deno.utime(film, 0, 0);
    for (const name of names) await Deno.utime(`${root}/${name}`, 0, 0);
    directory.prepare();
    await directory.close();
    assert.deepEqual(recordings(), ["a.webm", "b.webm"]);
    assert.ok(await Deno.stat(film));
    await fake.ends();
    assert.equal((await running).ok, true);
    await fake.begins(waiting);
    await fake.ends();
    assert.equal((await waiting).ok, true, "without what is gone");
    assert.deepEqual(await compose("third", "gone.webm"), {
      ok: false,
      why: "its files are no longer there",
    });
    const later = new RecordingDirectory(root, { maxAgeMs: 1, maxBytes: 0 }, platform);
    later.prepare();
    await later.close();
    assert.deepEqual(recordings(), [], "nobody holds them");
    await Deno.remove(root, { recursive: true });
  },
});

Deno.test({
  name: "without the right to run FFmpeg it is said so",
  permissions: { run: false, read: true, write: true, env: true },
  fn: async () => {
    const composer = new RecordingComposer("/nowhere", denoPlatform());
    await composer.open();
    assert.match(composer.obstacle, /--allow-run=ffmpeg/);
    const made = await composer.compose({ path: "x", tracks: [], width: 2, height: 2 });
    assert.deepEqual(made, { ok: false, why: composer.obstacle });
  },
});
