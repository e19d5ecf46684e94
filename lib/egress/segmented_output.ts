/**
 * What is written of one or more tracks as HLS with CMAF: a head, segments, a playlist of all of
 * them that grows, and one of the last few if that is wanted. A segment stands in a playlist once
 * it is whole.
 *
 * @module
 */
import type { Clock } from "../base/platform.ts";
import { takesCodec } from "../recording/container/container_choice.ts";
import { moovEnd, pictureTracks } from "../recording/container/mended_mp4.ts";
import type { EncodedFrame, RecordedCodec } from "../recording/frames/encoded_frame.ts";
import { HlsPlaylist } from "../recording/hls_playlist.ts";
import type { RecordedStream } from "../recording/recorded_stream.ts";
import { RecordingFile } from "../recording/recording_file.ts";
import type { RecordingStorage, StoredFile } from "../recording/recording_storage.ts";
import { type CutSegment, SegmentCutter, type SegmentHost } from "../recording/segment_cutter.ts";
import type { EgressOutput, SegmentsState } from "./egress_output.ts";

/** Another codec each second is no call's: no more heads are made then. */
const MOST_HEADS = 100;
const INDEX_DIGITS = 5;

/** Paths below the folder of recordings, without endings. */
export interface SegmentNames {
  readonly prefix: string;
  readonly playlist: string;
  /** Absent if there is to be none. */
  readonly livePlaylist?: string;
  /** Segments are called by when they begin, not by a number. */
  readonly isByTime: boolean;
}

/** What an output is made with. */
export interface SegmentedOutputOptions {
  readonly clock: Clock;
  readonly storage: RecordingStorage;
  /** Of a segment. */
  readonly lengthMs: number;
  /** Tracks that the first segment waits for. */
  readonly expected: number;
  /** Asked for once, when something is to be written. */
  readonly names: () => SegmentNames;
  /** There is a first segment. */
  readonly began: () => void;
  /** Nothing more can be kept, in words. */
  readonly failed: (why: string) => void;
}

interface OpenSegment {
  readonly stored: StoredFile;
  readonly head: StoredFile;
  readonly isApart: boolean;
  /** Unix ms at the beginning of its file. */
  readonly fileAtMs: number;
}

/** Segments, one behind the other. */
export class SegmentedOutput implements EgressOutput, SegmentHost {
  readonly parts = [];
  readonly #options: SegmentedOutputOptions;
  readonly #playlist: HlsPlaylist;
  #names: SegmentNames | undefined;
  #file: RecordingFile | undefined;
  #fileAtMs = 0;
  #cutter: SegmentCutter | undefined;
  #head: StoredFile | undefined;
  #heads = 0;
  #isHeadNew = false;
  #segment: OpenSegment | undefined;
  #begun = 0;
  #whole: StoredFile | undefined;
  #live: StoredFile | undefined;
  #listed: Promise<void> = Promise.resolve();
  #isEnded = false;
  #count = 0;
  #durationMs = 0;
  #startedAtMs = 0;
  #endedAtMs = 0;
  bytes = 0;

  constructor(options: SegmentedOutputOptions) {
    this.#options = options;
    this.#playlist = new HlsPlaylist(options.lengthMs);
  }

  /** Key frames are needed where segments are to begin. */
  get keyEveryMs(): number {
    return this.#options.lengthMs;
  }

  get segments(): SegmentsState | undefined {
    if (this.#whole === undefined) return undefined;
    return {
      playlist: this.#whole,
      livePlaylist: this.#live,
      count: this.#count,
      durationMs: this.#durationMs,
      bytes: this.bytes,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#endedAtMs,
    };
  }

  add(stream: RecordedStream, frame: EncodedFrame, timeMs: number, codec: RecordedCodec): void {
    if (this.#isEnded) return;
    if (!takesCodec("mp4", codec)) {
      return this.#options.failed(
        `segments hold H.264, VP9, AV1 and Opus, and this track is ${codec.toUpperCase()}`,
      );
    }
    const now = this.#options.clock.now();
    const file = this.#file ??= this.#newFile(this.#options.expected);
    if (file.add(stream, frame, timeMs, codec, now) || !frame.isKey) return;
    this.#endFile(now);
    this.#file = this.#newFile(1);
    this.#file.add(stream, frame, timeMs, codec, now);
  }

  tick(now: number): void {
    this.#file?.tick(now);
  }

  /** Writes the rest and waits until it is kept. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#endFile(this.#options.clock.now());
    this.#isEnded = true;
    this.#endedAtMs = this.#options.clock.wallMs();
    await this.#listed;
    this.#whole?.append(new TextEncoder().encode(this.#playlist.end()));
    this.#live?.rewriteHead(this.#playlist.live(true));
    await Promise.all([this.#head?.close(), this.#whole?.close(), this.#live?.close()]);
  }

  // SegmentHost

  begin(fromMs: number, isApart: boolean): void {
    const { storage, failed, began } = this.#options;
    const { prefix, isByTime } = this.#names!;
    const atMs = this.#fileAtMs + fromMs;
    const index = String(this.#begun++).padStart(INDEX_DIGITS, "0");
    const suffix = isByTime ? new Date(Math.round(atMs)).toISOString().replace(/\D/g, "") : index;
    const isFirst = this.#begun === 1;
    if (isFirst) this.#startedAtMs = atMs;
    this.#segment = {
      stored: storage.open(`${prefix}_${suffix}.m4s`, failed, () => isFirst && began()),
      head: this.#head!,
      isApart: !isFirst && (isApart || this.#isHeadNew),
      fileAtMs: this.#fileAtMs,
    };
    this.#isHeadNew = false;
  }

  append(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes += bytes.length;
    this.#segment!.stored.append(bytes);
  }

  /** The cutter has a whole segment. */
  ended({ fromMs, toMs }: CutSegment): void {
    const { stored, head, isApart, fileAtMs } = this.#segment!;
    this.#segment = undefined;
    const durationMs = toMs - fromMs;
    this.#listed = this.#listed.then(async () => {
      await Promise.all([stored.close(), head.close()]);
      const whole = this.#whole!;
      const added = this.#playlist.add({
        uri: relativeUri(whole.name, stored.name),
        map: relativeUri(whole.name, head.name),
        durationMs,
        startedAtMs: fileAtMs + fromMs,
        isApart,
      });
      whole.append(new TextEncoder().encode(added));
      this.#live?.rewriteHead(this.#playlist.live(false));
      this.#count++;
      this.#durationMs += durationMs;
    });
  }

  #newFile(expected: number): RecordingFile {
    const { clock } = this.#options;
    this.#cutter = undefined;
    const file = new RecordingFile(
      () => {
        this.#fileAtMs = clock.wallMs() - (clock.now() - file.beganAt!);
        this.#openPlaylists();
        return {
          append: (bytes) => {
            if (this.#cutter === undefined) this.#takeHead(bytes);
            else this.#cutter.push(bytes);
          },
          rewriteHead: (head) => {
            if (file === this.#file) this.#takeHead(head);
          },
        };
      },
      "mp4",
      expected,
    );
    return file;
  }

  /** Its last head says how long it was, which a segment's does not. */
  #endFile(now: number): void {
    const file = this.#file;
    this.#file = undefined;
    file?.end(now);
    this.#cutter?.cut();
  }

  #openPlaylists(): void {
    if (this.#whole !== undefined) return;
    const { storage, failed, names } = this.#options;
    const { playlist, livePlaylist } = this.#names = names();
    this.#whole = storage.open(`${playlist}.m3u8`, failed);
    this.#whole.append(new TextEncoder().encode(this.#playlist.head()));
    if (livePlaylist === undefined) return;
    this.#live = storage.open(`${livePlaylist}.m3u8`, failed);
    this.#live.append(this.#playlist.live(false));
  }

  /** What follows belongs to this head. */
  #takeHead(head: Uint8Array<ArrayBuffer>): void {
    if (this.#heads >= MOST_HEADS) return this.#options.failed("its codecs change too often");
    this.#cutter?.cut();
    this.#head?.close();
    const number = ++this.#heads;
    const name = `${this.#names!.prefix}_init${number > 1 ? `_${number}` : ""}.mp4`;
    this.#head = this.#options.storage.open(name, this.#options.failed);
    const used = head.slice(0, moovEnd(head));
    this.#head.append(used);
    this.bytes += used.length;
    this.#isHeadNew = number > 1;
    const pictures = pictureTracks(head);
    if (this.#cutter !== undefined) this.#cutter.pictures = pictures;
    else this.#cutter = new SegmentCutter(this, this.#options.lengthMs, pictures);
  }
}

/** How a playlist names a file; both are paths below one folder. */
function relativeUri(playlist: string, name: string): string {
  const from = playlist.split("/").slice(0, -1);
  const to = name.split("/");
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same++;
  const up = from.slice(same).map(() => "..");
  return [...up, ...to.slice(same)].map(encodeURIComponent).join("/");
}
