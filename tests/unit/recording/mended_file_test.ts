/** Files that nobody ended get their length and index of what is there, whatever is there. */
import assert from "node:assert/strict";
import {
  type ContainerFormat,
  type ContainerTrack,
  GROWING,
} from "../../../lib/recording/container/container.ts";
import { createContainer } from "../../../lib/recording/container/container_choice.ts";
import type { FileMending } from "../../../lib/recording/container/file_mending.ts";
import { mendMatroska } from "../../../lib/recording/container/mended_matroska.ts";
import { segmentIndex } from "../../../lib/recording/container/seek_table.ts";
import { mendMp4 } from "../../../lib/recording/container/mended_mp4.ts";
import { readFragmentedMp4, readMatroska } from "../../support/media/container_reader.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const TRACKS = {
  webm: [track(1, "opus"), track(2, "vp8")],
  mp4: [track(1, "opus"), track(2, "av1")],
} as const;
const READ = { webm: readMatroska, mp4: readFragmentedMp4 } as const;
type Format = keyof typeof TRACKS;

function track(number: number, codec: ContainerTrack["codec"]): ContainerTrack {
  const isVideo = codec !== "opus";
  const size = isVideo ? 320 : 0;
  return { number, codec, width: size, height: size, decoderConfig: Uint8Array.of(0x81, 0, 0, 0) };
}

/** A call of some seconds, a key frame each five; `ends` are where its pieces end. */
function recorded(format: Format, seconds: number) {
  const container = createContainer(format as ContainerFormat);
  const random = new SeededRandom(3);
  const pieces = [container.head(TRACKS[format], GROWING)];
  const frame = (isKey: boolean, width: number, length: number) => ({
    data: Uint8Array.from(random.bytes(length)),
    timestamp: 0,
    isKey,
    width,
    height: width,
  });
  for (let ms = 0; ms < seconds * 1_000; ms += 20) {
    container.add({ track: 1, timeMs: ms, frame: frame(true, 0, 80) });
    if (ms % 40 === 0) {
      container.add({ track: 2, timeMs: ms, frame: frame(ms % 5_000 === 0, 320, 300) });
    }
    if (ms % 1_000 === 980) pieces.push(container.flush()!);
  }
  const growing = joined(pieces);
  const tail = container.end();
  const body = joined([...pieces.slice(1), ...(tail === undefined ? [] : [tail])]);
  const facts = {
    durationMs: seconds * 1_000 - 20,
    bodyBytes: body.length,
    indexAt: container.indexAt ?? 0,
  };
  const whole = joined([container.head(TRACKS[format], facts), body]);
  const ends = pieces.map((_, i) => joined(pieces.slice(0, i + 1)).length);
  return { growing, whole, ends };
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function mended(format: Format, bytes: Uint8Array): Promise<FileMending | undefined> {
  const reader = {
    read: (at: number, length: number) => Promise.resolve(bytes.subarray(at, at + length)),
  };
  return await (format === "mp4" ? mendMp4(reader) : mendMatroska(reader));
}

function apply(bytes: Uint8Array, { head, end, tail }: FileMending): Uint8Array {
  return joined([head, bytes.subarray(head.length, end), tail]);
}

for (const format of ["webm", "mp4"] as const) {
  Deno.test(`${format}: a file that nobody ended is as good as one that was, up to its last piece`, async () => {
    const { growing, whole } = recorded(format, 21);
    const read = READ[format];
    const good = read(whole);
    const mending = await mended(format, growing);
    const file = read(apply(growing, mending!));
    assert.deepEqual(file.frames, read(growing).frames);
    assert.equal(file.left, 0);
    assert.ok(file.cues >= 5 && file.cues === good.cues, `${file.cues} of ${good.cues}`);
    assert.ok(Math.abs(file.durationMs - 21_000) <= 60, `${file.durationMs}`);
    assert.deepEqual(file.tracks, good.tracks);
    assert.equal(await mended(format, apply(growing, mending!)), undefined, "once is enough");
    assert.equal(await mended(format, whole), undefined, "what was ended is left alone");
  });

  Deno.test(`${format}: wherever a file is cut, what is whole stays`, async () => {
    const { growing, ends } = recorded(format, 6);
    const random = new SeededRandom(5);
    assert.equal(await mended(format, growing.subarray(0, ends[0])), undefined, "there is nothing");
    for (let i = 0; i < 60; i++) {
      const length = ends[1]! + random.uint32() % (growing.length - ends[1]!);
      const cut = growing.subarray(0, length);
      const mending = (await mended(format, cut))!;
      const last = ends.findLast((end) => end <= length)!;
      assert.ok(mending.end >= last && mending.end <= length);
      const { frames, left, durationMs } = READ[format](apply(cut, mending));
      assert.equal(left, 0);
      const lastMs = Math.max(...frames.map(({ timeMs }) => timeMs));
      assert.ok(durationMs >= lastMs && durationMs <= lastMs + 60);
    }
  });

  Deno.test(`${format}: whatever is in a file, mending ends, and makes no head of another length`, async () => {
    const { growing } = recorded(format, 4);
    const random = new SeededRandom(7);
    for (let i = 0; i < 3_000; i++) {
      const bytes = growing.slice(
        0,
        random.uint32() % 3 === 0 ? random.uint32() % 20_000 : undefined,
      );
      for (let n = random.uint32() % 8; n >= 0; n--) {
        // Most of what matters stands at the beginning.
        const range = random.uint32() % 2 === 0 ? 700 : bytes.length;
        bytes[random.uint32() % Math.max(1, range)] = random.uint32() & 0xff;
      }
      const mending = await mended(format, bytes);
      if (mending === undefined) continue;
      assert.equal(mending.head.length, 8_192);
      assert.ok(mending.end <= bytes.length);
    }
  });
}

Deno.test("The index of an MP4 file of many hours fits into its head, and covers all of it", () => {
  const fragments = Array.from({ length: 40_000 }, (_, i) => ({
    bytes: 1_000,
    at: i * 90_000,
    end: (i + 1) * 90_000,
    isEntry: i % 10 === 0,
  }));
  const room = 7_000;
  const index = segmentIndex(2, fragments, 90_000, room)!;
  assert.ok(index.length <= room);
  const view = new DataView(index.buffer);
  const count = view.getUint16(38);
  let bytes = 0;
  let ticks = 0;
  for (let i = 0; i < count; i++) {
    bytes += view.getUint32(40 + 12 * i);
    ticks += view.getUint32(44 + 12 * i);
    assert.equal(view.getUint32(48 + 12 * i) >>> 31, 1, "each begins with a key frame");
  }
  assert.deepEqual([bytes, ticks], [40_000_000, 40_000 * 90_000]);
  assert.ok(count > 400, `${count}`);
});
