/**
 * One file of a recording: frames of one or more tracks, written in pieces that are whole, so that
 * it plays up to its last second whatever ends it.
 *
 * A file begins once every track it is to have has been heard and its clock is known, or after a
 * while; a track that comes later is put into the room that the head has.
 *
 * Pure but for its sink; `now` is monotonic ms.
 *
 * @module
 */
import { chooseFormat, createContainer, takesCodec } from "./container/container_choice.ts";
import {
  type Container,
  type ContainerFormat,
  type ContainerTrack,
  type FileFacts,
  GROWING,
} from "./container/container.ts";
import type { EncodedFrame, RecordedCodec } from "./frames/encoded_frame.ts";
import type { RecordedStream } from "./recorded_stream.ts";

/** A file begins so long after its first frame at most, ms: reports come in a second or two. */
export const START_WAIT_MS = 3_000;
/** Or when so much waits. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
/** What came in is written so often, ms. */
const FLUSH_MS = 1_000;
/** Frames of other tracks may come so much later and still be put in order, ms. */
const INTERLEAVE_MS = 300;

/** Nothing comes that is older than this, ms: the timeline sees to that. */
const PASSED_MS = 12_000;

/** Where a file's bytes go. Writing is not waited for; what fails the sink tells its owner. */
export interface FileSink {
  /** Appends to what there is. */
  append(bytes: Uint8Array<ArrayBuffer>): void;
  /** Replaces the first bytes of the file. */
  rewriteHead(bytes: Uint8Array<ArrayBuffer>): void;
}

interface QueuedFrame {
  readonly track: FileTrack;
  timeMs: number;
  readonly frame: EncodedFrame;
  readonly queuedAt: number;
}

interface FileTrack {
  readonly stream: RecordedStream;
  entry: ContainerTrack;
}

/** One file that is being written. */
export class RecordingFile {
  readonly #open: (format: ContainerFormat) => FileSink;
  #sink: FileSink | undefined;
  readonly #wanted: ContainerFormat | undefined;
  readonly #expected: number;
  readonly #tracks = new Map<RecordedStream, FileTrack>();
  #queue: QueuedFrame[] = [];
  #queuedBytes = 0;
  #container: Container | undefined;
  #firstAt = Infinity;
  #flushAt = Infinity;
  #originMs = 0;
  #endMs = 0;
  #isEnded = false;
  #bodyBytes = 0;
  /** Known once it has begun. */
  format: ContainerFormat | undefined;
  /** All bytes so far. */
  bytes = 0;

  /**
   * @param open Called once it is known what is written.
   * @param wanted The format to be used if it takes the tracks.
   * @param expected So many tracks are waited for.
   */
  constructor(
    open: (format: ContainerFormat) => FileSink,
    wanted: ContainerFormat | undefined,
    expected: number,
  ) {
    this.#open = open;
    this.#wanted = wanted;
    this.#expected = expected;
  }

  /** When its first frame is, monotonic ms; `undefined` before it has begun. */
  get beganAt(): number | undefined {
    return this.#container === undefined ? undefined : this.#originMs;
  }

  get durationMs(): number {
    return Math.max(0, this.#endMs);
  }

  /**
   * Takes a frame.
   *
   * @returns `false` if the file cannot take it: its codec is another than the track's, or none of
   *   the format's. Another file can.
   */
  add(
    stream: RecordedStream,
    frame: EncodedFrame,
    timeMs: number,
    codec: RecordedCodec,
    now: number,
  ): boolean {
    if (this.#isEnded) return false;
    const track = this.#track(stream, frame, timeMs, codec);
    if (track === undefined) return false;
    this.#firstAt = Math.min(this.#firstAt, now);
    this.#queue.push({ track, timeMs, frame, queuedAt: now });
    this.#queuedBytes += frame.data.length;
    this.#endMs = Math.max(this.#endMs, timeMs - this.#originMs);
    if (this.#container === undefined) this.#beginIfReady(now);
    return true;
  }

  /** Begins and writes what is due. */
  tick(now: number): void {
    if (this.#isEnded) return;
    if (this.#container === undefined) this.#beginIfReady(now);
    if (this.#container === undefined || now < this.#flushAt) return;
    this.#flushAt = now + FLUSH_MS;
    this.#give(now - INTERLEAVE_MS);
    this.#container.pass?.(now - PASSED_MS - this.#originMs);
    this.#append(this.#container.flush());
  }

  /** Writes the rest; nothing is taken after that. @returns Whether there is a file. */
  end(now: number): boolean {
    if (this.#isEnded) return this.#container !== undefined;
    if (this.#container === undefined && this.#queue.length > 0) this.#begin(now);
    this.#isEnded = true;
    const container = this.#container;
    if (container === undefined) return false;
    this.#give(Infinity);
    this.#append(container.end());
    const { durationMs } = this;
    const { indexAt = 0 } = container;
    this.#rewriteHead({ durationMs, bodyBytes: this.#bodyBytes, indexAt });
    return true;
  }

  #track(
    stream: RecordedStream,
    frame: EncodedFrame,
    timeMs: number,
    codec: RecordedCodec,
  ): FileTrack | undefined {
    const known = this.#tracks.get(stream);
    if (known !== undefined) {
      if (known.entry.codec !== codec) return undefined;
      // Pictures begin small and grow: players make room for the largest.
      if (frame.width > known.entry.width) {
        known.entry = { ...known.entry, ...pictureOf(frame) };
        this.#growAt(timeMs);
      }
      return known;
    }
    if (this.format !== undefined && !takesCodec(this.format, codec)) return undefined;
    const number = this.#tracks.size + 1;
    const track: FileTrack = { stream, entry: { number, codec, ...pictureOf(frame) } };
    this.#tracks.set(stream, track);
    if (this.#container !== undefined) stream.isWritten = true;
    this.#growAt(timeMs);
    return track;
  }

  /** From this time on another head is needed; what waits from before it is written first. */
  #growAt(timeMs: number): void {
    const container = this.#container;
    if (container?.cut !== undefined) {
      this.#give(Infinity, timeMs);
      this.#append(container.cut(Math.max(0, timeMs - this.#originMs)));
    }
    this.#rewriteHead(GROWING);
  }

  /** Nothing to do before there is one. */
  #rewriteHead(facts: FileFacts): void {
    if (this.#container === undefined) return;
    this.#sink!.rewriteHead(this.#container.head(this.#entries(), facts));
  }

  #entries(): ContainerTrack[] {
    return [...this.#tracks.values()].map(({ entry }) => entry);
  }

  #beginIfReady(now: number): void {
    const streams = [...this.#tracks.keys()];
    const isComplete = streams.length >= this.#expected &&
      streams.every(({ isSynchronised }) => isSynchronised);
    const isLate = now - this.#firstAt >= START_WAIT_MS;
    if (isComplete || isLate || this.#queuedBytes > MOST_WAITING_BYTES) this.#begin(now);
  }

  #begin(now: number): void {
    const entries = this.#entries();
    this.format = chooseFormat(entries.map(({ codec }) => codec), this.#wanted);
    this.#container = createContainer(this.format);
    for (const stream of this.#tracks.keys()) stream.isWritten = true;
    let first = Infinity;
    let last = -Infinity;
    for (const queued of this.#queue) {
      // What was learnt of clocks since then holds for what waited, too, unless they leapt.
      const timeMs = queued.track.stream.timeOf(queued.frame);
      if (Math.abs(timeMs - queued.queuedAt) <= PASSED_MS) queued.timeMs = timeMs;
      first = Math.min(first, queued.timeMs);
      last = Math.max(last, queued.timeMs);
    }
    this.#originMs = first;
    this.#endMs = last - first;
    this.#flushAt = now;
    const head = this.#container.head(entries, GROWING);
    this.bytes = head.length;
    this.#sink = this.#open(this.format);
    this.#sink.append(head);
  }

  /**
   * Gives the container the frames that were queued by `until`, in order of their times.
   *
   * @param before Those of this time and later wait.
   */
  #give(until: number, before = Infinity): void {
    const isDue = ({ queuedAt, timeMs }: QueuedFrame) => queuedAt <= until && timeMs < before;
    const due = this.#queue.filter(isDue);
    this.#queue = this.#queue.filter((queued) => !isDue(queued));
    due.sort((a, b) => a.timeMs - b.timeMs);
    for (const { track, timeMs, frame } of due) {
      this.#queuedBytes -= frame.data.length;
      const inFile = Math.max(0, timeMs - this.#originMs);
      this.#container!.add({ track: track.entry.number, timeMs: inFile, frame });
    }
  }

  #append(bytes: Uint8Array<ArrayBuffer> | undefined): void {
    if (bytes === undefined) return;
    this.bytes += bytes.length;
    this.#bodyBytes += bytes.length;
    this.#sink!.append(bytes);
  }
}

/** What a track's entry says of its pictures. */
function pictureOf({ width, height, decoderConfig }: EncodedFrame) {
  return { width, height, ...(decoderConfig === undefined ? {} : { decoderConfig }) };
}
