/** Files of recordings: what goes in is in them, whenever writing ends. */
import assert from "node:assert/strict";
import {
  chooseFormat,
  createContainer,
} from "../../../lib/recording/container/container_choice.ts";
import {
  type ContainerFormat,
  GROWING,
  MOST_TRACKS,
} from "../../../lib/recording/container/container.ts";
import { FragmentedMp4 } from "../../../lib/recording/container/fragmented_mp4.ts";
import { wholeFragments } from "../../../lib/recording/container/mended_mp4.ts";
import { MAX_PARAMETER_SET } from "../../../lib/recording/frames/marked_frames.ts";
import type { EncodedFrame, RecordedCodec } from "../../../lib/recording/frames/encoded_frame.ts";
import { PublisherClock } from "../../../lib/recording/media_timeline.ts";
import { RecordedStream } from "../../../lib/recording/recorded_stream.ts";
import { RecordingFile, START_WAIT_MS } from "../../../lib/recording/recording_file.ts";
import { readFragmentedMp4, readMatroska, readOgg } from "../../support/media/container_reader.ts";
import { bundle } from "../../support/media/packet_bundles.ts";
import { vp8Frame, vp8Payloads } from "../../support/media/recorded_payloads.ts";
import { rtpPacket } from "../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

/** What was written, as a disk has it. */
class MemoryFile {
  bytes = new Uint8Array(0);
  /** Its length after each piece. */
  readonly whole: number[] = [];

  append(piece: Uint8Array): void {
    const bytes = new Uint8Array(this.bytes.length + piece.length);
    bytes.set(this.bytes);
    bytes.set(piece, this.bytes.length);
    this.bytes = bytes;
    this.whole.push(this.bytes.length);
  }

  rewriteHead(head: Uint8Array): void {
    this.bytes.set(head);
  }
}

/** A publisher with a microphone and a camera that both go into one file. */
class Session {
  readonly disk = new MemoryFile();
  readonly file: RecordingFile;
  readonly random = new SeededRandom(42);
  readonly clock = new PublisherClock();
  readonly sound: RecordedStream = this.#stream();
  readonly picture: RecordedStream = this.#stream();
  readonly sent = { sound: [] as Uint8Array[], picture: [] as Uint8Array[] };
  now = 10_000;
  refused = 0;
  /** How wrong the publisher is now. */
  leap: { readonly timestamp: number; readonly ntpMs: number } | undefined;
  #audioSeq = 1;
  #videoSeq = 1;

  constructor(wanted: ContainerFormat | undefined, expected = 2) {
    this.file = new RecordingFile(() => this.disk, wanted, expected);
  }

  #stream(): RecordedStream {
    const stream: RecordedStream = new RecordedStream(this.clock, {
      frame: (frame, timeMs, codec) => this.add(stream, frame, timeMs, codec),
      keyFrameWanted: () => {},
    });
    return stream;
  }

  add(stream: RecordedStream, frame: EncodedFrame, timeMs: number, codec: RecordedCodec): void {
    if (!this.file.add(stream, frame, timeMs, codec, this.now)) this.refused++;
  }

  #push(stream: RecordedStream, packet: Uint8Array, rate: number): void {
    const rtpTimestamp = (this.now * rate) >>> 0;
    const ntpMs = 5_000 + this.now + (this.leap?.ntpMs ?? 0);
    stream.push({ packets: bundle(packet), ageMs: 0, clock: { ntpMs, rtpTimestamp } }, this.now);
  }

  speak(): void {
    const payload = Uint8Array.from([0xfc, ...this.random.bytes(80)]);
    this.sent.sound.push(payload);
    const fields = { ssrc: 1, payloadType: 111, sequenceNumber: this.#audioSeq++, payload };
    const timestamp = (this.now * 48 + (this.leap?.timestamp ?? 0)) >>> 0;
    this.#push(this.sound, rtpPacket({ ...fields, timestamp }), 48);
  }

  show(isKey: boolean, width = 320): void {
    const frame = vp8Frame(isKey, width, 240, this.random.bytes(700));
    this.sent.picture.push(frame);
    const [payload] = vp8Payloads(frame, 1_100);
    const fields = { ssrc: 2, payloadType: 96, sequenceNumber: this.#videoSeq++, marker: true };
    const timestamp = (this.now * 90) >>> 0;
    this.#push(this.picture, rtpPacket({ ...fields, timestamp, payload: payload! }), 90);
  }

  /** Sound each 20 ms, and a picture each 40. */
  run(ms: number, hasSound = true, hasPicture = true): void {
    for (let i = 0; i < ms; i += 20) {
      if (hasSound) this.speak();
      if (hasPicture && i % 40 === 0) this.show(this.sent.picture.length % 250 === 0);
      this.file.tick(this.now);
      this.now += 20;
    }
  }
}

const payloads = (frames: readonly { readonly data: Uint8Array }[]) =>
  frames.map(({ data }) => [...data]);

for (
  const [wanted, read, names] of [
    ["webm", readMatroska, ["A_OPUS", "V_VP8"]],
    ["mkv", readMatroska, ["A_OPUS", "V_VP8"]],
  ] as const
) {
  Deno.test(`A ${wanted} file has all frames, in order, at their times, with length and index`, () => {
    const session = new Session(wanted);
    session.run(20_000);
    assert.ok(session.file.end(session.now));
    const file = read(session.disk.bytes);
    assert.deepEqual(file.tracks, names);
    const [sound, picture] = [1, 2].map((track) => file.frames.filter((f) => f.track === track));
    assert.deepEqual(payloads(sound!), session.sent.sound.map((bytes) => [...bytes]));
    assert.deepEqual(payloads(picture!), session.sent.picture.map((bytes) => [...bytes]));
    sound!.forEach(({ timeMs }, i) => assert.ok(Math.abs(timeMs - 20 * i) <= 1, `sound ${i}`));
    picture!.forEach(({ timeMs }, i) => assert.ok(Math.abs(timeMs - 40 * i) <= 1, `picture ${i}`));
    assert.ok(picture!.every(({ isKey }, i) => isKey === (i % 250 === 0)));
    assert.ok(Math.abs(file.durationMs - 19_980) <= 1);
    assert.ok(file.cues >= 2, "each key frame");
    assert.equal(file.left, 0);
  });
}

Deno.test("A file that nobody ended has everything but the last seconds, wherever it is cut", () => {
  for (const wanted of ["webm", "mp4"] as const) {
    const session = new Session(wanted);
    if (wanted === "mp4") session.run(10_000, true, false);
    else session.run(10_000);
    const { bytes, whole } = session.disk;
    const read = wanted === "webm" ? readMatroska : readFragmentedMp4;
    const { frames, left } = read(bytes);
    assert.equal(left, 0);
    const sound = frames.filter(({ track }) => track === 1);
    assert.ok(sound.length >= (10_000 - 1_400) / 20, `${wanted}: ${sound.length} of 500`);
    assert.deepEqual(
      payloads(sound),
      payloads(session.sent.sound.slice(0, sound.length).map((data) => ({ data }))),
    );
    // In the middle of a piece: what came before it is good.
    const cut = read(bytes.slice(0, whole[4]! + 100));
    assert.deepEqual(payloads(cut.frames), payloads(read(bytes.slice(0, whole[4]!)).frames));
    assert.ok(cut.frames.length > 50);
  }
});

Deno.test("Sound in MP4 has its times, and a camera that comes late finds its place in the head", () => {
  const session = new Session("mp4");
  session.run(START_WAIT_MS + 2_000, true, false);
  assert.ok(session.file.beganAt !== undefined, "it does not wait for ever");
  assert.deepEqual(readFragmentedMp4(session.disk.bytes).tracks, ["Opus"]);
  const late: EncodedFrame = {
    data: Uint8Array.of(0, 0, 0, 2, 0x65, 1),
    timestamp: 0,
    isKey: true,
    width: 640,
    height: 360,
    decoderConfig: Uint8Array.of(1, 0x42, 0, 0x1f, 0xff, 0xe0, 0),
  };
  const add = (frame: EncodedFrame) =>
    session.file.add(session.picture, frame, session.now, "h264", session.now);
  assert.ok(add(late));
  session.run(1_000, true, false);
  assert.ok(add({ ...late, isKey: false }));
  session.file.end(session.now);
  const file = readFragmentedMp4(session.disk.bytes);
  assert.deepEqual(file.tracks, ["Opus", "avc1"]);
  const [first, second] = file.frames.filter(({ track }) => track === 2);
  assert.ok(Math.abs(first!.timeMs - 5_000) <= 1, `${first!.timeMs}`);
  assert.deepEqual([first!.isKey, second!.isKey], [true, false]);
  assert.ok(Math.abs(second!.timeMs - 6_000) <= 1);
  assert.ok(Math.abs(file.durationMs - 6_000) <= 20);
});

Deno.test("Ogg has silence where nothing came, so that time is right", () => {
  const session = new Session(undefined, 1);
  session.run(1_000, true, false);
  session.now += 3_000;
  session.run(1_000, true, false);
  session.file.end(session.now);
  assert.equal(session.file.format, "ogg");
  const { packets, samples } = readOgg(session.disk.bytes);
  assert.equal(samples, 5_000 * 48);
  assert.equal(packets.length, 250);
  const quiet = packets.map((packet, i) => packet.length === 1 ? i : -1).filter((i) => i >= 0);
  assert.deepEqual([quiet[0], quiet.at(-1), quiet.length], [50, 199, 150]);
});

Deno.test("Ogg fills minutes of silence as it passes, a second at a time", () => {
  const session = new Session(undefined, 1);
  session.run(1_000, true, false);
  let largest = 0;
  for (let s = 0; s < 600; s++) {
    const before = session.disk.bytes.length;
    session.now += 1_000;
    session.file.tick(session.now);
    if (s > 20) largest = Math.max(largest, session.disk.bytes.length - before);
  }
  session.run(1_000, true, false);
  session.file.end(session.now);
  assert.ok(largest < 1_000, `${largest} bytes at once`);
  assert.equal(readOgg(session.disk.bytes).samples, 602 * 48_000);
});

Deno.test("A muted camera leaves sound alone, and its picture comes back at the right time", () => {
  const session = new Session("webm");
  session.run(2_000);
  session.run(60_000, true, false);
  session.show(true, 640);
  session.run(1_000);
  session.file.end(session.now);
  const { frames, left } = readMatroska(session.disk.bytes);
  assert.equal(left, 0);
  const pictures = frames.filter(({ track }) => track === 2);
  const back = pictures.findIndex(({ timeMs }) => timeMs > 2_000);
  assert.ok(Math.abs(pictures[back]!.timeMs - 62_000) <= 1);
  assert.ok(pictures[back]!.isKey);
  assert.equal(frames.filter(({ track }) => track === 1).length, 63_000 / 20);
});

Deno.test("A file refuses another codec for a track, and what its format does not take", () => {
  const session = new Session("webm");
  session.run(200);
  const frame = { data: Uint8Array.of(1), timestamp: 0, isKey: true, width: 16, height: 16 };
  assert.equal(session.file.add(session.picture, frame, session.now, "vp9", session.now), false);
  const other = new RecordedStream(session.clock, { frame: () => {}, keyFrameWanted: () => {} });
  assert.equal(session.file.add(other, frame, session.now, "h264", session.now), false);
});

Deno.test("A file that heard nothing is none", () => {
  const disk = new MemoryFile();
  const file = new RecordingFile(() => disk, "webm", 1);
  file.tick(5_000);
  assert.equal(file.end(6_000), false);
  assert.equal(disk.bytes.length, 0);
});

Deno.test("chooseFormat() takes what was asked for where it can, and else what players know best", () => {
  const table:
    readonly (readonly [readonly RecordedCodec[], ContainerFormat | undefined, ContainerFormat])[] =
      [
        [["opus"], undefined, "ogg"],
        [["opus"], "mp4", "mp4"],
        [["opus", "vp8"], undefined, "webm"],
        [["opus", "vp9"], "mp4", "mp4"],
        [["opus", "vp8"], "mp4", "webm"],
        [["opus", "h264"], undefined, "mp4"],
        [["h264"], "webm", "mp4"],
        [["h264", "vp8"], undefined, "mkv"],
        [["av1"], undefined, "webm"],
      ];
  for (const [codecs, wanted, format] of table) assert.equal(chooseFormat(codecs, wanted), format);
});

Deno.test("MP4 has few fragments, however many key frames somebody sends", () => {
  const file = new FragmentedMp4();
  const data = new Uint8Array(10);
  const frame = { data, timestamp: 0, isKey: true, width: 64, height: 64 };
  let fragments = 0;
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 5_000; i++) file.add({ track: 1, timeMs: second * 1_000 + i / 5, frame });
    fragments += [...wholeFragments(file.flush()!)].length;
  }
  assert.ok(fragments >= 5 && fragments <= 30, `${fragments} fragments in 5 s`);
});

Deno.test("A file takes a hundred thousand frames at once: a sender's are as small as it likes", () => {
  for (const wanted of ["mp4", "webm"] as const) {
    const session = new Session(wanted);
    for (let n = 0; n < 140_000; n++) {
      const data = Uint8Array.of(0xf8);
      const frame = { data, timestamp: n * 960, isKey: true, width: 0, height: 0 };
      const timeMs = session.now + n / 100;
      if (n === 0) session.speak();
      session.add(session.sound, frame, timeMs, "opus");
    }
    session.now += START_WAIT_MS;
    session.file.tick(session.now);
    session.file.end(session.now);
    assert.ok(session.disk.bytes.length > 140_000, `${wanted}`);
  }
});

for (
  const [what, leap] of [
    ["timestamps", { timestamp: 0x7fff_0000, ntpMs: 0 }],
    ["reports that leap back", { timestamp: 0, ntpMs: -1e12 }],
    ["reports that leap ahead", { timestamp: 0, ntpMs: 1e12 }],
  ] as const
) {
  Deno.test(`A file is as long as it took, whatever ${what} say before it begins`, () => {
    const session = new Session("ogg");
    session.run(1_000, true, false);
    session.leap = leap;
    session.run(1_980, true, false);
    session.leap = undefined;
    session.now += 20;
    session.file.tick(session.now);
    session.run(3_000, true, false);
    session.file.end(session.now);
    const { durationMs } = session.file;
    assert.ok(durationMs > 5_000 && durationMs < 17_000, `${durationMs} ms`);
    const { samples } = readOgg(session.disk.bytes);
    assert.ok(samples > 5_000 * 48 && samples < 17_000 * 48, `${samples / 48} ms`);
  });
}

Deno.test("A head has room for as many tracks as a file gets, with the largest that decoders need", () => {
  const entries = Array.from({ length: MOST_TRACKS }, (_, i) => ({
    number: i + 1,
    codec: "h264" as const,
    width: 1_920,
    height: 1_080,
    decoderConfig: new Uint8Array(2 * MAX_PARAMETER_SET + 15),
  }));
  for (const format of ["mp4", "mkv"] as const) {
    const container = createContainer(format);
    const facts = { durationMs: 1e9, bodyBytes: 1e12, indexAt: 1e12 };
    const empty = container.head([], GROWING);
    assert.equal(container.head(entries, facts).length, empty.length, format);
  }
});
