/**
 * What a recorded participant costs: a camera at 1.6 Mbit/s and a microphone, from the packets in an
 * engine's up-tracks to a file on the disk. CPU time of this process, less that of the same packets
 * while nothing records; time is virtual.
 *
 * A program of its own: `deno run --allow-all bench/control/recording_cost.ts`.
 *
 * @module
 */
import process from "node:process";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import type { DownTrackId, UpTrackId } from "../../lib/base/ids.ts";
import { silentLog } from "../../lib/base/platform.ts";
import { RecordedTracks } from "../../lib/engine/local/recorded_tracks.ts";
import type { UpTrack } from "../../lib/media/up/up_track.ts";
import { recordableCodecs } from "../../lib/recording/frames/frame_assembly.ts";
import { PublisherClock } from "../../lib/recording/media_timeline.ts";
import { RecordedStream } from "../../lib/recording/recorded_stream.ts";
import { RecordingFile } from "../../lib/recording/recording_file.ts";
import { codec, publishedTrack, viewOf } from "../../tests/support/media/forwarding_fixtures.ts";
import { vp8Frame, vp8Payloads } from "../../tests/support/media/recorded_payloads.ts";
import { rtpPacket } from "../../tests/support/media/rtp_packets.ts";

const PARTICIPANTS = 10;
const SECONDS = 60;
const WARM_UP_S = 5;
const ROUNDS = 3;
const PACKETS_A_PICTURE = 6;
const PICTURE_MS = 33;
const SOUND_MS = 20;
const VP8 = codec("video/VP8", 120);
const OPUS = codec("audio/opus", 109);
const KINDS = ["video", "audio"] as const;

/** Made once, so that making them costs little beside what is measured. */
const [KEY, DELTA] = [true, false].map((isKey) =>
  vp8Payloads(vp8Frame(isKey, 640, 360, new Uint8Array(1_090 * PACKETS_A_PICTURE)), 1_100)
) as [Uint8Array[], Uint8Array[]];
const SOUND = Uint8Array.of(0xfc, ...new Uint8Array(80));

type Kind = typeof KINDS[number];

/** One participant's two tracks, and what records them. */
class Recorded {
  readonly #ups = { video: upTrack("video"), audio: upTrack("audio") };
  readonly #file: RecordingFile;
  readonly #disk: Deno.FsFile;
  readonly #streams = new Map<string, RecordedStream>();
  readonly #tracks: RecordedTracks;
  #now = 0;
  #sent = { video: 0, audio: 0 };
  #frames = 0;

  constructor(path: string) {
    this.#disk = Deno.openSync(path, { write: true, create: true, truncate: true });
    const append = (bytes: Uint8Array) => void this.#disk.writeSync(bytes);
    this.#file = new RecordingFile(() => ({ append, rewriteHead: () => {} }), "webm", 2);
    const clock = new PublisherClock();
    this.#tracks = new RecordedTracks({
      upTracks: new Map(KINDS.map((kind) => [kind as string as UpTrackId, this.#ups[kind]])),
      emit: (event) => {
        if (event.type !== "recorded") return;
        // As from another thread.
        this.#streams.get(event.downTrack)!.push(structuredClone(event), this.#now);
      },
      timed: () => {},
      drops: new DropCounters(),
      log: silentLog,
    });
    for (const kind of KINDS) {
      const stream: RecordedStream = new RecordedStream(clock, {
        frame: (frame, timeMs, name) => this.#file.add(stream, frame, timeMs, name, this.#now),
        keyFrameWanted: () => {},
      });
      this.#streams.set(kind, stream);
      const [downTrack, upTrack] = [kind as string as DownTrackId, kind as string as UpTrackId];
      const codecs = recordableCodecs(kind);
      this.#tracks.carryOut({ type: "record_track", downTrack, upTrack, kind, codecs }, 0);
    }
  }

  stop(): void {
    for (const kind of KINDS) {
      const downTrack = kind as string as DownTrackId;
      this.#tracks.carryOut({ type: "remove_down_track", downTrack }, this.#now);
    }
  }

  close(): void {
    this.#disk.close();
  }

  /** What comes in this millisecond. */
  pass(now: number): void {
    this.#now = now;
    if (now % PICTURE_MS === 0) {
      const payloads = this.#frames++ === 0 ? KEY : DELTA;
      payloads.forEach((payload, i) => this.#send("video", payload, i === payloads.length - 1));
    }
    if (now % SOUND_MS === 0) this.#send("audio", SOUND, false);
    this.#tracks.tick(now);
    this.#file.tick(now);
  }

  #send(kind: Kind, payload: Uint8Array, marker: boolean): void {
    const [{ payloadType }, rate] = kind === "video" ? [VP8, 90] as const : [OPUS, 48] as const;
    const fields = { ssrc: 1, payloadType, sequenceNumber: this.#sent[kind]++, payload, marker };
    const packet = rtpPacket({ ...fields, timestamp: this.#now * rate });
    this.#ups[kind].receive(0, viewOf(packet), this.#now);
  }
}

function upTrack(kind: Kind): UpTrack {
  const track = publishedTrack(kind);
  track.bindLayer(0, 1, kind === "video" ? VP8 : OPUS, 0);
  return track;
}

/** CPU time, ms. */
function spent(all: readonly Recorded[], fromS: number, seconds: number): number {
  const before = process.cpuUsage();
  for (let ms = fromS * 1_000; ms < (fromS + seconds) * 1_000; ms++) {
    for (const one of all) one.pass(ms);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

const folder = Deno.makeTempDirSync();
console.log("part of a core for one participant, %: recorded, less the same not recorded");
for (let round = 0; round < ROUNDS; round++) {
  const all = Array.from({ length: PARTICIPANTS }, (_, i) => new Recorded(`${folder}/${i}.webm`));
  spent(all, 0, WARM_UP_S);
  const recorded = spent(all, WARM_UP_S, SECONDS);
  for (const one of all) one.stop();
  const bare = spent(all, WARM_UP_S + SECONDS, SECONDS);
  for (const one of all) one.close();
  const part = (ms: number) => (ms / PARTICIPANTS / SECONDS / 10).toFixed(2);
  console.log(`${part(recorded)} - ${part(bare)} = ${part(recorded - bare)}`);
}
Deno.removeSync(folder, { recursive: true });
