/**
 * What is written of one or more tracks that belong together: a file, and another one where the
 * first cannot take what comes.
 *
 * @module
 */
import type { Clock } from "../base/platform.ts";
import type { EgressOutput, OutputPart } from "./egress_output.ts";
import type { ContainerFormat } from "../recording/container/container.ts";
import type { EncodedFrame, RecordedCodec } from "../recording/frames/encoded_frame.ts";
import type { RecordedStream } from "../recording/recorded_stream.ts";
import { RecordingFile } from "../recording/recording_file.ts";
import type { RecordingStorage, StoredFile } from "../recording/recording_storage.ts";

/** Another codec each second is no call's: no more files are made then. */
const MOST_PARTS = 20;
const TOO_MANY_PARTS =
  `the codecs changed so often that there would be more than ${MOST_PARTS} files`;

interface Part extends OutputPart {
  stored: StoredFile | undefined;
  isOpen: boolean;
  readonly codecs: Map<RecordedStream, RecordedCodec>;
  startedAtMs: number;
}

/** What an output is made with. */
export interface OutputOptions {
  readonly clock: Clock;
  readonly storage: RecordingStorage;
  readonly format: ContainerFormat | undefined;
  /** Tracks that a file waits for. */
  readonly expected: number;
  /** The path without an ending; asked for once per file. */
  readonly path: () => string;
  /** The first bytes of a file are written. */
  readonly began: (part: OutputPart) => void;
  /** Nothing more can be kept, in words. */
  readonly failed: (why: string) => void;
}

/** Files one behind the other. */
export class RecordedOutput implements EgressOutput {
  readonly #options: OutputOptions;
  readonly #parts: Part[] = [];
  #isEnded = false;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  /** Its files, the oldest first; those that could not be made are not among them. */
  get parts(): readonly OutputPart[] {
    return this.#parts.filter(({ isOpen }) => isOpen);
  }

  /** Bytes of all files so far. */
  get bytes(): number {
    return this.#parts.reduce((sum, { file }) => sum + file.bytes, 0);
  }

  add(stream: RecordedStream, frame: EncodedFrame, timeMs: number, codec: RecordedCodec): void {
    if (this.#isEnded) return;
    const now = this.#options.clock.now();
    const part = this.#parts.at(-1) ?? this.#newPart(this.#options.expected);
    if (!part.file.add(stream, frame, timeMs, codec, now)) {
      // A file begins with a key frame; until one comes there is nothing to begin another with.
      if (!frame.isKey) return;
      if (this.#parts.length >= MOST_PARTS) return this.#options.failed(TOO_MANY_PARTS);
      part.file.end(now);
      const next = this.#newPart(part.codecs.size);
      next.file.add(stream, frame, timeMs, codec, now);
      return void next.codecs.set(stream, codec);
    }
    part.codecs.set(stream, codec);
  }

  tick(now: number): void {
    this.#parts.at(-1)?.file.tick(now);
  }

  /** Writes the rest and waits until it is kept. */
  async end(): Promise<void> {
    this.#isEnded = true;
    const now = this.#options.clock.now();
    try {
      this.#parts.at(-1)?.file.end(now);
    } finally {
      await Promise.all(this.#parts.map(({ stored }) => stored?.close()));
    }
  }

  #newPart(expected: number): Part {
    const { clock, storage, format, path, began, failed } = this.#options;
    const number = this.#parts.length + 1;
    const file = new RecordingFile(
      (chosen) => {
        const name = `${path()}${number > 1 ? `_${number}` : ""}.${chosen}`;
        part.startedAtMs = clock.wallMs() - (clock.now() - file.beganAt!);
        part.stored = storage.open(name, failed, () => {
          part.isOpen = true;
          began(part);
        });
        return part.stored;
      },
      format,
      expected,
    );
    const part: Part = {
      file,
      stored: undefined,
      isOpen: false,
      codecs: new Map(),
      startedAtMs: 0,
    };
    this.#parts.push(part);
    return part;
  }
}
