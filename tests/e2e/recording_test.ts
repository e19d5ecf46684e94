/** Recordings of real browsers, asked for by LiveKit's own SDK and looked at by FFmpeg. */
import assert from "node:assert/strict";
import {
  EgressClient,
  type EgressInfo,
  EgressStatus,
  EncodedFileOutput,
  EncodedFileType,
  SegmentedFileOutput,
} from "livekit-server-sdk";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { decodingErrors, probe } from "../support/process/probed_file.ts";
import {
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { WebhookReceiver } from "../support/process/webhook_receiver.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile();
const TONE = { hz: 440 } as const;

/** A server that records into a folder of its own. */
class RecordingServer implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly hooks: WebhookReceiver,
    readonly server: RoomwireProcess,
    readonly egress: EgressClient,
  ) {}

  static async start(config: Record<string, unknown> = {}): Promise<RecordingServer> {
    const folder = await Deno.makeTempDir({ prefix: "recordings" });
    const hooks = new WebhookReceiver();
    const server = await startRoomwire({
      writes: folder,
      runs: "ffmpeg",
      config: {
        recording: { directory: folder, ...config },
        webhook: { urls: [hooks.url], api_key: TEST_KEY },
      },
    });
    const egress = new EgressClient(server.httpUrl, TEST_KEY, TEST_SECRET);
    return new RecordingServer(folder, hooks, server, egress);
  }

  call(room: string, scenario: (call: Call) => Promise<void>): Promise<void> {
    return fixture.callAt(this.server, room, scenario);
  }

  async status(id: string): Promise<EgressInfo> {
    const [info] = await this.egress.listEgress({ egressId: id });
    return info!;
  }

  until(id: string, status: EgressStatus): Promise<EgressInfo> {
    let last: EgressInfo | undefined;
    return eventually(`${id} to be ${EgressStatus[status]}`, async () => {
      last = await this.status(id);
      return last.status === status && last;
    }, { seen: () => last?.toJsonString() });
  }

  /** The states that were told of an egress, in order. */
  told(id: string): string[] {
    return this.hooks.events.filter(({ egressInfo }) => egressInfo?.egressId === id)
      .map(({ event, egressInfo }) => `${event} ${EgressStatus[egressInfo!.status]}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.hooks[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

const seconds = (s: number) => new Promise((resolve) => setTimeout(resolve, s * 1_000));

/** What MP4 takes plays as HLS, and what it does not is refused in words. */
async function assertSegments(
  recording: RecordingServer,
  egressId: string,
  codec: string,
): Promise<void> {
  if (codec === "vp8") {
    const { error } = await recording.until(egressId, EgressStatus.EGRESS_FAILED);
    return assert.match(error, /segments hold H.264, VP9, AV1 and Opus, and this track is VP8/);
  }
  await recording.egress.stopEgress(egressId);
  const done = await recording.until(egressId, EgressStatus.EGRESS_COMPLETE);
  const [segments] = done.segmentResults;
  assert.deepEqual([segments!.playlistName, segments!.livePlaylistName], [
    "hls/all.m3u8",
    "hls/live.m3u8",
  ]);
  assert.ok(segments!.segmentCount >= 2n, `${segments!.segmentCount}`);
  const { streams, complaints } = await probe(segments!.playlistLocation);
  assert.equal(complaints, "");
  const length = Number(segments!.duration) / 1e9;
  assert.deepEqual(streams.map((stream) => stream.codec).sort(), [codec, "opus"].sort());
  for (const { kind, from, to } of streams) {
    assert.ok(to - from > length - 1.5, `${kind} from ${from} to ${to} of ${length} s`);
  }
  assert.equal(await decodingErrors(segments!.playlistLocation), "");
}

/** All of a room is one film beside its tracks. */
async function assertComposed(
  recording: RecordingServer,
  egressId: string,
  room: string,
): Promise<void> {
  const before = await recording.status(egressId);
  assert.match(before.details, /it is composed when it has ended/);
  await recording.egress.stopEgress(egressId);
  const { fileResults, details } = await recording.until(egressId, EgressStatus.EGRESS_COMPLETE);
  assert.match(details, /^composed; each track is a file/);
  assert.deepEqual(fileResults.map(({ filename }) => filename.split(".").pop()).sort(), [
    "mp4",
    "ogg",
    "webm",
  ]);
  const [film] = fileResults;
  assert.equal(film!.filename, `films/${room}.mp4`);
  assert.equal(Number(film!.size), (await Deno.stat(film!.location)).size);
  const { streams, complaints, duration } = await probe(film!.location);
  assert.equal(complaints, "");
  assert.deepEqual(streams.map(({ codec }) => codec).sort(), ["aac", "h264"]);
  assert.ok(Math.abs(duration - Number(film!.duration) / 1e9) < 0.5, `${duration} s`);
}

const WHOLE_LIFE = [
  "egress_started EGRESS_STARTING",
  "egress_updated EGRESS_ACTIVE",
  "egress_updated EGRESS_ENDING",
  "egress_ended EGRESS_COMPLETE",
];

for (
  const { codec, ending, format } of [
    { codec: "vp8", ending: "webm", format: /webm/ },
    { codec: "h264", ending: "mp4", format: /mp4/ },
  ] as const
) {
  endToEndTest(
    `a participant with ${codec} and a microphone becomes a ${ending} file`,
    ["chromium", "ffmpeg"],
    async () => {
      await using recording = await RecordingServer.start({ compose: true });
      await recording.call(`record-${codec}`, async (call) => {
        const ann = await call.join("chromium", "ann");
        await ann.publishVideo({ codec, fps: 15 });
        await ann.publishAudio(TONE);
        const { egress } = recording;
        const started = await egress.startParticipantEgress(call.room, "ann", {
          file: new EncodedFileOutput({ filepath: "calls/{room_name}/{publisher_identity}" }),
        });
        const { egressId } = started;
        assert.match(egressId, /^EG_\w{12}$/);
        assert.equal(started.status, EgressStatus.EGRESS_STARTING);
        const room = await egress.startRoomCompositeEgress(call.room, {
          file: new EncodedFileOutput({ filepath: "films/{room_name}" }),
        });
        const segmented = await egress.startParticipantEgress(call.room, "ann", {
          segments: new SegmentedFileOutput({
            filenamePrefix: "hls/{publisher_identity}",
            playlistName: "all.m3u8",
            livePlaylistName: "live.m3u8",
            segmentDuration: 2,
          }),
        });
        await recording.until(egressId, EgressStatus.EGRESS_ACTIVE);
        await seconds(6);
        await assertSegments(recording, segmented.egressId, codec);
        const stopped = await egress.stopEgress(egressId);
        assert.equal(stopped.status, EgressStatus.EGRESS_ENDING);
        const done = await recording.until(egressId, EgressStatus.EGRESS_COMPLETE);
        await assert.rejects(
          egress.stopEgress(egressId),
          /egress with status EGRESS_COMPLETE cannot be stopped/,
        );
        const [file] = done.fileResults;
        assert.equal(file!.filename, `calls/${call.room}/ann.${ending}`);
        const path = `${recording.folder}/${file!.filename}`;
        assert.equal(file!.location, path);
        assert.equal(Number(file!.size), (await Deno.stat(path)).size);

        const probed = await probe(path);
        assert.match(probed.format, format);
        assert.equal(probed.complaints, "");
        assert.equal(await decodingErrors(path), "");
        const sound = probed.streams.find(({ kind }) => kind === "audio")!;
        const picture = probed.streams.find(({ kind }) => kind === "video")!;
        assert.deepEqual([sound.codec, picture.codec], ["opus", codec]);
        // A busy browser begins with smaller pictures.
        assert.ok(picture.width > 0 && picture.width <= 640, `${picture.width} pixels wide`);
        assert.equal(picture.width * 9, picture.height * 16);
        // Both from the first second to the last.
        const length = Number(file!.duration) / 1e9;
        assert.ok(length >= 5.5 && length < 15, `${length} s`);
        for (const { kind, from, to } of [sound, picture]) {
          assert.ok(from < 1 && to > length - 1, `${kind} from ${from} to ${to} of ${length} s`);
        }
        const rate = (sound.packets - 1) / (sound.to - sound.from);
        assert.ok(Math.abs(rate - 50) < 1, `${rate} packets of sound a second`);
        const fps = (picture.packets - 1) / (picture.to - picture.from);
        assert.ok(fps > 5 && fps < 18, `${fps} pictures a second`);

        const manifest = JSON.parse(
          await Deno.readTextFile(`${recording.folder}/calls/${call.room}/ann.json`),
        );
        assert.equal(manifest.egress_id, egressId);
        assert.equal(manifest.publisher_identity, "ann");
        assert.deepEqual(
          manifest.files[0].tracks.map((track: { codec: string }) => track.codec).sort(),
          [codec, "opus"].sort(),
        );
        if (codec === "vp8") await assertComposed(recording, room.egressId, call.room);
        await eventually("all webhooks", () => recording.told(egressId).length >= 4);
        assert.deepEqual(recording.told(egressId), WHOLE_LIFE);
      });
    },
  );
}

endToEndTest(
  "a recording plays up to its last seconds after the server is killed",
  ["chromium", "ffmpeg"],
  async () => {
    await using recording = await RecordingServer.start();
    await recording.call("record-kill", async (call) => {
      const ann = await call.join("chromium", "ann");
      await ann.publishVideo({ codec: "vp8" });
      await ann.publishAudio(TONE);
      const { egress, server } = recording;
      const webm = await egress.startParticipantEgress(call.room, "ann", {
        file: new EncodedFileOutput({ filepath: "killed" }),
      });
      const mp4 = await egress.startRoomCompositeEgress(call.room, {
        file: new EncodedFileOutput({ filepath: "sound", fileType: EncodedFileType.MP4 }),
      }, { audioOnly: true });
      assert.match(mp4.details, /nothing is composed/);
      for (const { egressId } of [webm, mp4]) {
        await recording.until(egressId, EgressStatus.EGRESS_ACTIVE);
      }
      await seconds(6);
      server.kill("SIGKILL");
      await server.status;
      const names = [...Deno.readDirSync(recording.folder)].map(({ name }) => name);
      const killed = names.find((name) => name === "killed.webm");
      const sound = names.find((name) => /^sound-.*ann-microphone.*\.mp4$/.test(name));
      assert.ok(killed !== undefined && sound !== undefined, names.join());
      for (const [name, kinds] of [[killed, 2], [sound, 1]] as const) {
        const path = `${recording.folder}/${name}`;
        const { streams } = await probe(path);
        assert.equal(streams.length, kinds, name);
        for (const { kind, to } of streams) assert.ok(to > 4, `${name}: ${kind} up to ${to} s`);
        assert.equal(await decodingErrors(path), "", name);
      }
    });
  },
);

endToEndTest(
  "somebody who comes back goes on in the same file",
  ["chromium", "ffmpeg"],
  async () => {
    await using recording = await RecordingServer.start({ return_wait: "8s" });
    await recording.call("record-return", async (call) => {
      const ann = await call.join("chromium", "ann");
      await ann.publishAudio(TONE);
      const sid = await ann.publishVideo({ codec: "vp8" });
      const { egress } = recording;
      const { egressId } = await egress.startParticipantEgress(call.room, "ann", {
        file: new EncodedFileOutput({ filepath: "one" }),
      });
      await recording.until(egressId, EgressStatus.EGRESS_ACTIVE);
      await seconds(3);
      await ann.disconnect();
      const again = await call.join("chromium", "ann");
      const other = await again.publishVideo({ codec: "vp8" });
      assert.notEqual(other, sid);
      await again.publishAudio(TONE);
      await seconds(5);
      await again.disconnect();
      const info = await recording.until(egressId, EgressStatus.EGRESS_COMPLETE);
      assert.equal(info.fileResults.length, 1);
      const path = `${recording.folder}/one.webm`;
      assert.equal(await decodingErrors(path), "");
      const { streams } = await probe(path);
      assert.equal(streams.length, 2);
      for (const { kind, to } of streams) assert.ok(to > 7, `${kind} up to ${to} s`);
    });
  },
);
