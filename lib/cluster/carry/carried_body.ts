/**
 * The body of an answer that another node sends as it comes, such as a packet capture.
 *
 * Contract: no more is on its way, or waits at the end that reads, than {@linkcode WINDOW_BYTES}
 * and one piece: who sends reads its source as far as it was asked for, so that a source that must
 * not wait drops and counts by itself. Who reads knows within {@linkcode SILENCE_MS} that the other
 * end is gone, and who sends as soon as its socket ends, which asks a silent peer whether it lives;
 * a body that nobody reads any more ends at its source.
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import type { CarriedChannel } from "./carried_channel.ts";
import type { CarriedMessage } from "./carried_message.ts";

/**
 * What may be on its way: little, as media may share the path, and still 1.3 MB/s at a round trip
 * of 100 ms, where a capture of the usual limits (16 MiB in 5 minutes) has 56 kB/s.
 */
export const WINDOW_BYTES = 128 * 1024;
/** So much is asked for at once, and not each piece by itself. */
const ASK_BYTES = WINDOW_BYTES / 4;
/** Pieces that come within so many ms of each other go together: each is sealed. */
const GATHER_MS = 20;
/** Nor are more bytes than these kept back. */
const GATHER_BYTES = 16 * 1024;
/** Who has nothing to send says that it is there, ms. */
const BEAT_MS = 5_000;
/** A body of which nothing is heard for so long is given up, ms. */
export const SILENCE_MS = 15_000;
/** RFC 6455 §7.4.1: what there was to do is done. */
const DONE = 1000;
const NOTHING = new Uint8Array();

/** The end that sends. */
export class SentBody {
  readonly #channel: CarriedChannel;
  readonly #timers: Timers;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #wanted = 0;
  #wake: () => void = () => {};
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #cancelFlush: Cancel = () => {};
  #cancelBeat: Cancel = () => {};
  #isOver = false;

  /** @param channel On which nothing but the body follows. */
  constructor(channel: CarriedChannel, body: ReadableStream<Uint8Array>, timers: Timers) {
    this.#channel = channel;
    this.#timers = timers;
    this.#reader = body.getReader();
    channel.onMessage = (message) => {
      if (message.kind !== "want") return;
      this.#wanted += message.bytes;
      this.#wake();
    };
    channel.onEnd = () => this.stop();
  }

  /** Resolves when the body has ended, or nobody reads it any more; never rejects. */
  async send(): Promise<void> {
    this.#cancelBeat = this.#timers.after(BEAT_MS, () => this.#beat());
    try {
      while (await this.#next());
    } catch {
      // The source is broken off, which whoever reads is told by the end of the channel.
      this.#isOver = true;
      this.#channel.lose();
    }
    this.#cancelFlush();
    this.#cancelBeat();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#flush();
    this.#channel.send({ kind: "close", code: DONE, reason: "" });
    this.#channel.end();
  }

  /** Nobody reads it any more. Idempotent. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wake();
    this.#reader.cancel().catch(() => {});
  }

  /** Sends one piece more. @returns Whether there may be another. */
  async #next(): Promise<boolean> {
    while (this.#wanted <= 0 && !this.#isOver) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#isOver) return false;
    const { done, value } = await this.#reader.read();
    if (done || this.#isOver) return false;
    this.#wanted -= value.length;
    this.#gather(value);
    return true;
  }

  #gather(piece: Uint8Array): void {
    if (this.#gatheredBytes === 0) {
      this.#cancelFlush = this.#timers.after(GATHER_MS, () => this.#flush());
    }
    this.#gathered.push(piece);
    this.#gatheredBytes += piece.length;
    if (this.#gatheredBytes >= GATHER_BYTES) this.#flush();
  }

  #flush(): void {
    this.#cancelFlush();
    if (this.#gatheredBytes === 0) return;
    this.#channel.send({ kind: "frame", data: joinBytes(this.#gathered) });
    this.#gathered = [];
    this.#gatheredBytes = 0;
  }

  #beat(): void {
    this.#channel.send({ kind: "frame", data: NOTHING });
    this.#cancelBeat = this.#timers.after(BEAT_MS, () => this.#beat());
  }
}

/** The end that reads. */
export class ReceivedBody {
  readonly #channel: CarriedChannel;
  readonly #timers: Timers;
  readonly #counters: DropSink<ClusterDrop>;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  #cancelSilence: Cancel = () => {};
  /** What the other end may still send. */
  #asked = 0;
  /** What was read and not asked for again. */
  #owed = WINDOW_BYTES;
  #ended: "end" | "lost" | undefined;
  #wake: () => void = () => {};

  /** @param channel With nothing but the body ahead. */
  constructor(channel: CarriedChannel, timers: Timers, counters: DropSink<ClusterDrop>) {
    this.#channel = channel;
    this.#timers = timers;
    this.#counters = counters;
    this.#listen();
    this.#ask();
    channel.onMessage = (message) => this.#receive(message);
    channel.onEnd = () => this.#end("lost");
  }

  /**
   * Its next bytes, or its end; `"lost"` if it was broken off, which is behind a whole piece of its
   * source. One read at a time.
   */
  async read(): Promise<Uint8Array<ArrayBuffer> | "end" | "lost"> {
    while (this.#pieces.length === 0 && this.#ended === undefined) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const piece = this.#pieces.shift();
    if (piece === undefined) return this.#ended!;
    this.#owed += piece.length;
    this.#ask();
    return piece;
  }

  /** It is not wanted any more, which its source is told. Idempotent. */
  cancel(): void {
    this.#pieces.length = 0;
    this.#end("end");
    this.#channel.end();
  }

  #receive(message: CarriedMessage): void {
    if (this.#ended !== undefined) return;
    if (message.kind === "close") {
      this.#end("end");
      return this.#channel.end();
    }
    if (message.kind !== "frame" || typeof message.data === "string") return;
    this.#listen();
    const { data } = message;
    if (data.length === 0) return;
    // The piece that it is in the middle of is sent whole.
    if (this.#asked <= 0) {
      this.#counters.count("carried_message_unreadable");
      return this.#channel.lose();
    }
    this.#asked -= data.length;
    this.#pieces.push(data.slice());
    this.#wake();
  }

  #ask(): void {
    if (this.#ended !== undefined || this.#owed < ASK_BYTES) return;
    this.#channel.send({ kind: "want", bytes: this.#owed });
    this.#asked += this.#owed;
    this.#owed = 0;
  }

  #listen(): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#timers.after(SILENCE_MS, () => {
      this.#counters.count("carried_body_silent");
      this.#channel.lose();
    });
  }

  #end(how: "end" | "lost"): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#cancelSilence();
    this.#wake();
  }
}
