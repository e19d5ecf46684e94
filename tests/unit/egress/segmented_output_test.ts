/** Segments and playlists: what goes in is in them, in order, and each begins where it can be cut. */
import assert from "node:assert/strict";
import { SegmentedFileOutput, SegmentedFileSuffix } from "@livekit/protocol";
import { planSegments, segmentNames } from "../../../lib/egress/segment_plan.ts";
import { SegmentedOutput, type SegmentNames } from "../../../lib/egress/segmented_output.ts";
import type { EncodedFrame, RecordedCodec } from "../../../lib/recording/frames/encoded_frame.ts";
import { LIVE_BYTES } from "../../../lib/recording/hls_playlist.ts";
import { PublisherClock } from "../../../lib/recording/media_timeline.ts";
import { RecordedStream } from "../../../lib/recording/recorded_stream.ts";
import { START_WAIT_MS } from "../../../lib/recording/recording_file.ts";
import { readFragmentedMp4 } from "../../support/media/container_reader.ts";
import { succeeded } from "../../support/virtual/admin_world.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const SEGMENT_MS = 4_000;

class Files {
  readonly written = new Map<string, Uint8Array>();
  readonly closed: string[] = [];

  open(name: string, _failed: unknown, opened?: () => void) {
    this.written.set(name, new Uint8Array(0));
    queueMicrotask(() => opened?.());
    return {
      name,
      location: `memory:${name}`,
      append: (bytes: Uint8Array) => {
        this.written.set(name, joined([this.written.get(name)!, bytes]));
      },
      rewriteHead: (bytes: Uint8Array) => this.written.get(name)!.set(bytes),
      close: () => {
        if (!this.closed.includes(name)) this.closed.push(name);
        return Promise.resolve(this.written.get(name)!.length);
      },
    };
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

class Segments {
  readonly files = new Files();
  readonly refusals: string[] = [];
  readonly sent: number[] = [];
  began = 0;
  readonly output: SegmentedOutput;
  readonly #random = new SeededRandom(6);
  readonly #clock = new PublisherClock();
  readonly sound = this.#stream();
  readonly picture = this.#stream();
  now = 0;

  constructor(
    names: SegmentNames = { prefix: "a/s", playlist: "a/all", isByTime: false },
    expected = 2,
  ) {
    this.output = new SegmentedOutput({
      clock: {
        now: () => this.now,
        nowUs: () => this.now * 1_000,
        wallMs: () => 1_800_000_000_000 + this.now,
      },
      storage: {
        open: (...args) => this.files.open(...args),
        tidy: () => {},
        close: async () => {},
      },
      lengthMs: SEGMENT_MS,
      expected,
      names: () => names,
      began: () => this.began++,
      failed: (why) => this.refusals.push(why),
    });
  }

  #stream(): RecordedStream {
    const stream = new RecordedStream(this.#clock, { frame: () => {}, keyFrameWanted: () => {} });
    // Frames are given to the output by the test, at the times that they have.
    stream.timeOf = ({ timestamp }) => timestamp;
    return stream;
  }

  frame(isKey: boolean, width: number, length: number): EncodedFrame {
    const data = Uint8Array.from(this.#random.bytes(length));
    const config = { decoderConfig: Uint8Array.of(1, 0x42, 0, 0x1f, 0xff, 0xe0, 0) };
    return { data, timestamp: this.now, isKey, width, height: width, ...(width > 0 ? config : {}) };
  }

  /** Sound each 20 ms, a picture each 40, a key frame each `keyEveryMs`. */
  run(ms: number, keyEveryMs = SEGMENT_MS, codec: RecordedCodec = "h264", width = 320): void {
    for (const end = this.now + ms; this.now < end; this.now += 20) {
      this.output.add(this.sound, this.frame(true, 0, 40), this.now, "opus");
      if (keyEveryMs > 0 && this.now % 40 === 0) {
        this.sent.push(this.now);
        const isKey = this.now % keyEveryMs === 0;
        this.output.add(this.picture, this.frame(isKey, width, 200), this.now, codec);
      }
      this.output.tick(this.now);
    }
  }

  playlist(name = "a/all.m3u8"): string[] {
    return new TextDecoder().decode(this.files.written.get(name)!).trim().split("\n");
  }

  uris(): string[] {
    return this.playlist().filter((line) => !line.startsWith("#")).map((uri) => `a/${uri}`);
  }
}

Deno.test("each segment begins with a key frame, and together they are the whole recording", async () => {
  const segments = new Segments();
  segments.run(21_000);
  await segments.output.end();
  const { files, output } = segments;
  const uris = segments.uris();
  assert.deepEqual(uris.slice(0, 2), ["a/s_00000.m4s", "a/s_00001.m4s"]);
  assert.equal(uris.length, 6);
  const head = files.written.get("a/s_init.mp4")!;
  for (const uri of uris) {
    const { frames } = readFragmentedMp4(joined([head, files.written.get(uri)!]));
    const [picture] = frames.filter(({ track }) => track === 2);
    assert.ok(picture!.isKey, uri);
  }
  const whole = readFragmentedMp4(joined([head, ...uris.map((uri) => files.written.get(uri)!)]));
  assert.deepEqual([whole.tracks, whole.left], [["Opus", "avc1"], 0]);
  const pictures = whole.frames.filter(({ track }) => track === 2);
  assert.equal(pictures.length, segments.sent.length);
  pictures.forEach(({ timeMs }, i) => assert.ok(Math.abs(timeMs - segments.sent[i]!) < 1));
  const lines = segments.playlist();
  const lengths = lines.flatMap((line) =>
    line.startsWith("#EXTINF:") ? [parseFloat(line.slice(8))] : []
  );
  const target = Number(
    lines.find((line) => line.startsWith("#EXT-X-TARGETDURATION"))!.split(":")[1],
  );
  assert.ok(lengths.every((length) => Math.round(length) <= target));
  assert.deepEqual(lengths.slice(0, 5), [4, 4, 4, 4, 4]);
  assert.equal(lines.at(-1), "#EXT-X-ENDLIST");
  assert.equal(lines.filter((line) => line.startsWith("#EXT-X-MAP")).length, 1);
  const times = lines.flatMap((line) =>
    line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")
      ? [Date.parse(line.slice(25)) - 1_800_000_000_000]
      : []
  );
  assert.deepEqual(times, [0, 4_000, 8_000, 12_000, 16_000, 20_000]);
  const { segments: state } = output;
  assert.deepEqual([state!.count, Math.round(state!.durationMs / 100)], [6, 210]);
  const bytes = [head, ...uris.map((uri) => files.written.get(uri)!)].reduce(
    (sum, f) => sum + f.length,
    0,
  );
  assert.equal(state!.bytes, bytes);
  assert.equal(segments.began, 1);
  assert.ok([...files.written.keys()].every((name) => files.closed.includes(name)));
});

Deno.test("a segment is in the playlists once it is whole, and the live one has the last few", async () => {
  const names = { prefix: "a/s", playlist: "a/all", livePlaylist: "a/live", isByTime: true };
  const segments = new Segments(names);
  segments.run(9_000);
  await Promise.resolve();
  await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  for (const uri of segments.uris()) assert.ok(segments.files.closed.includes(uri), uri);
  assert.ok(segments.uris().length >= 1);
  segments.run(40_000);
  await segments.output.end();
  const live = segments.files.written.get("a/live.m3u8")!;
  assert.equal(live.length, LIVE_BYTES);
  const lines = segments.playlist("a/live.m3u8");
  assert.equal(lines.filter((line) => line.endsWith(".m4s")).length, 5);
  assert.ok(lines.includes("#EXT-X-MEDIA-SEQUENCE:8"), lines.join("\n"));
  assert.ok(lines.includes("#EXT-X-ENDLIST"));
  assert.equal(segments.uris().length, 13);
  assert.match(segments.uris()[0]!, /^a\/s_2027\d{13}\.m4s$/);
});

Deno.test("without key frames, and without pictures, segments are cut all the same", async () => {
  const rare = new Segments();
  rare.run(30_000, 15_000);
  await rare.output.end();
  const lengths = rare.playlist().flatMap((line) =>
    line.startsWith("#EXTINF:") ? [parseFloat(line.slice(8))] : []
  );
  assert.ok(lengths.every((length) => length <= 7.5), lengths.join());
  const quiet = new Segments(undefined, 1);
  quiet.run(13_000, 0);
  await quiet.output.end();
  assert.equal(quiet.uris().length, 3);
});

Deno.test("after a gap, a late camera, and another codec, players begin anew", async () => {
  const segments = new Segments(undefined, 1);
  segments.run(6_000, 0);
  segments.now += 60_000;
  segments.run(6_000, 0);
  segments.now = Math.ceil(segments.now / SEGMENT_MS) * SEGMENT_MS;
  segments.run(8_000);
  segments.run(8_000, SEGMENT_MS, "av1");
  await segments.output.end();
  const lines = segments.playlist();
  assert.equal(lines.filter((line) => line === "#EXT-X-DISCONTINUITY").length, 3, lines.join("\n"));
  const maps = lines.filter((line) => line.startsWith("#EXT-X-MAP"));
  assert.deepEqual(
    maps,
    ["s_init.mp4", "s_init_2.mp4", "s_init_3.mp4"].map((uri) => `#EXT-X-MAP:URI="${uri}"`),
  );
  const total = lines.reduce(
    (sum, line) => sum + (line.startsWith("#EXTINF:") ? parseFloat(line.slice(8)) : 0),
    0,
  );
  assert.ok(Math.abs(total - 28) < 3, `the gap is nobody's: ${total}`);
});

Deno.test("a larger picture begins a segment with a key frame, and all before it is in others", async () => {
  const segments = new Segments();
  const aheadMs = 100;
  const grownAt = 6_200;
  const sounds: number[] = [];
  for (; segments.now < 12_000; segments.now += 20) {
    const { now, output } = segments;
    sounds.push(now + aheadMs);
    const sound = { ...segments.frame(true, 0, 40), timestamp: now + aheadMs };
    output.add(segments.sound, sound, now + aheadMs, "opus");
    if (now % 40 === 0) {
      const isKey = now % SEGMENT_MS === 0 || now === grownAt;
      const picture = segments.frame(isKey, now < grownAt ? 320 : 640, 200);
      segments.sent.push(now);
      output.add(segments.picture, picture, now, "h264");
    }
    output.tick(now);
  }
  await segments.output.end();
  const { files } = segments;
  const lines = segments.playlist();
  const at = lines.indexOf('#EXT-X-MAP:URI="s_init_2.mp4"');
  const inHead = (map: string, part: readonly string[]) =>
    readFragmentedMp4(joined(
      [map, ...part.filter((line) => line.endsWith(".m4s"))]
        .map((name) => files.written.get(`a/${name}`)!),
    ));
  const before = inHead("s_init.mp4", lines.slice(0, at)).frames;
  const after = inHead("s_init_2.mp4", lines.slice(at)).frames;
  const timesOf = (frames: typeof before, track: number) =>
    frames.filter((frame) => frame.track === track).map(({ timeMs }) => Math.round(timeMs));
  assert.equal(timesOf(before, 2).at(-1), grownAt - 40);
  assert.equal(timesOf(after, 2)[0], grownAt);
  assert.ok(after.find(({ track }) => track === 2)!.isKey);
  // Sound goes on where pictures do, and nothing of it is lost or twice there.
  assert.ok(Math.abs(timesOf(after, 1)[0]! - grownAt) <= 20, `${timesOf(after, 1)[0]}`);
  assert.deepEqual([...timesOf(before, 1), ...timesOf(after, 1)], sounds);
  assert.deepEqual([...timesOf(before, 2), ...timesOf(after, 2)], segments.sent);
  // Players put it where the one before it ends.
  const listed = lines.flatMap((line, index) =>
    line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")
      ? [{ at: Date.parse(line.slice(25)), length: parseFloat(lines[index + 1]!.slice(8)) * 1e3 }]
      : []
  );
  const ends = listed.map((segment) => Math.round(segment.at + segment.length));
  assert.deepEqual(listed.slice(1).map((segment) => segment.at), ends.slice(0, -1));
});

Deno.test("VP8 is refused in words, as MP4 has none", () => {
  const segments = new Segments();
  segments.run(START_WAIT_MS, SEGMENT_MS, "vp8");
  assert.match(segments.refusals[0]!, /H\.264, VP9, AV1 and Opus.*VP8/);
});

Deno.test("segments and playlists are called as LiveKit calls them", () => {
  const facts = {
    room_name: "room",
    room_id: "RM_1",
    publisher_identity: "ann",
    track_id: "",
    track_type: "",
    track_source: "",
    startedAtMs: 0,
  };
  const named = (fields: object) => {
    const plan = succeeded(planSegments(new SegmentedFileOutput(fields)));
    const { prefix, playlist, livePlaylist } = segmentNames(plan, "{room_name}-{time}", facts);
    return [prefix, playlist, ...(livePlaylist === undefined ? [] : [livePlaylist])];
  };
  assert.deepEqual(named({}), ["room-1970-01-01T000000", "room-1970-01-01T000000"]);
  assert.deepEqual(
    named({ filenamePrefix: "hls/{publisher_identity}", playlistName: "all.m3u8" }),
    [
      "hls/ann",
      "hls/all",
    ],
  );
  assert.deepEqual(named({ playlistName: "x/all.m3u8", livePlaylistName: "all.m3u8" }), [
    "x/all",
    "x/all",
    "x/all-live",
  ]);
  for (
    const fields of [{ filenamePrefix: "../x" }, { playlistName: "/x" }, { segmentDuration: 61 }]
  ) {
    assert.ok("code" in planSegments(new SegmentedFileOutput(fields)));
  }
  const suffix = SegmentedFileSuffix.TIMESTAMP;
  const plan = succeeded(planSegments(new SegmentedFileOutput({ filenameSuffix: suffix })));
  assert.deepEqual([plan.isByTime, plan.lengthMs], [true, 4_000]);
});
