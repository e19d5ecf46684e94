/** What a killed process left is mended, and what somebody writes is not touched. */
import assert from "node:assert/strict";
import { GROWING } from "../../../../lib/recording/container/container.ts";
import { createContainer } from "../../../../lib/recording/container/container_choice.ts";
import { mendRecordings } from "../../../../lib/server/storage/recording_mender.ts";
import { readMatroska } from "../../../support/media/container_reader.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** A WebM file of three seconds that nobody ended. */
function unended(): Uint8Array {
  const container = createContainer("webm");
  const track = { number: 1, codec: "opus", width: 0, height: 0 } as const;
  const parts = [container.head([track], GROWING)];
  const frame = { data: Uint8Array.of(0xf8), timestamp: 0, isKey: true, width: 0, height: 0 };
  for (let ms = 0; ms < 3_000; ms += 20) container.add({ track: 1, timeMs: ms, frame });
  parts.push(container.flush()!);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("mendRecordings() ends files and playlists of a killed process, and only those", async () => {
  const root = await Deno.realPath(await Deno.makeTempDir());
  const whole = "#EXTM3U\n#EXTINF:4.000,\na.m4s\n";
  const files: Record<string, Uint8Array | string> = {
    "cut.webm": Uint8Array.from([...unended(), 0x1f, 0x43]),
    "held.webm": unended(),
    "others.webm": unended(),
    "cut.m3u8": whole,
    "ended.m3u8": `${whole}#EXT-X-ENDLIST\n`,
    "half.m3u8": `${whole}#EXTINF:4.0`,
    "noise.mp4": "no film",
  };
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(`${root}/${name}`, bytes);
  }
  const listed = Object.keys(files).filter((name) => name !== "others.webm");
  await Deno.writeTextFile(`${root}/.roomwire-recordings`, `${listed.join("\n")}\n`);
  using held = await Deno.open(`${root}/held.webm`, { write: true });
  assert.ok(await held.tryLock(true));
  const { log } = new VirtualPlatform();
  const mended = await mendRecordings(root, log, () => false);
  assert.deepEqual([...mended].sort(), ["cut.m3u8", "cut.webm", "half.m3u8"]);
  const { durationMs, cues, left } = readMatroska(await Deno.readFile(`${root}/cut.webm`));
  assert.deepEqual([durationMs, cues, left], [2_980, 1, 0]);
  for (const name of ["held.webm", "others.webm"]) {
    assert.deepEqual(await Deno.readFile(`${root}/${name}`), unended(), name);
  }
  for (const name of ["cut.m3u8", "half.m3u8"]) {
    assert.match(await Deno.readTextFile(`${root}/${name}`), /\n#EXT-X-ENDLIST\n$/);
  }
  assert.equal(await Deno.readTextFile(`${root}/ended.m3u8`), files["ended.m3u8"]);
  assert.deepEqual(await mendRecordings(root, log, () => false), [], "once is enough");
  await Deno.remove(root, { recursive: true });
});
