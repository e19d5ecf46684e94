/**
 * AAC to Opus by FFmpeg, each stream in a process of its own.
 *
 * Contract: there are so many at a time and no more; a process ends with its stream, or once it
 * does not keep up, and is given nothing of ours.
 *
 * @module
 */
import type { Platform } from "../../base/platform.ts";
import type { CreateTranscoder, SoundTranscoder } from "../../ingress/aac_sound.ts";
import { OggPackets } from "../../wire/ogg_packets.ts";
import { endFfmpeg, ffmpegCommand, type FfmpegStreams, whyNoFfmpeg } from "./ffmpeg_process.ts";

/** Nothing is waited for on either side: sound of 20 ms goes in, and out. */
const ARGUMENTS: readonly string[] = [
  ...["-hide_banner", "-loglevel", "error", "-nostdin"],
  ...["-probesize", "32", "-analyzeduration", "0", "-fflags", "nobuffer", "-f", "aac"],
  ...["-i", "pipe:0", "-ac", "2", "-ar", "48000", "-c:a", "libopus", "-b:a", "96k"],
  ...["-frame_duration", "20", "-page_duration", "20000", "-flush_packets", "1", "-threads", "1"],
  ...["-f", "ogg", "pipe:1"],
];
const STREAMS: FfmpegStreams = { stdin: "piped", stdout: "piped", stderr: "null" };
/** Before the sound there are two packets of headers. */
const HEADERS = 2;
/** What may wait to go in, bytes: some seconds. */
const MAX_WAITING_BYTES = 262_144;

/** Starting one takes as much of a core as two seconds of sound: so long its place is taken, ms. */
const LEAST_PLACE_MS = 2_000;

/** Makes transcoders, at most so many at a time. */
export function soundTranscoders(
  limit: number,
  { clock, log }: Pick<Platform, "clock" | "log">,
): CreateTranscoder {
  let running = 0;
  /** When those were started that have ended. */
  let recent: number[] = [];
  return (packet, ended) => {
    const startedAt = clock.now();
    recent = recent.filter((at) => startedAt - at < LEAST_PLACE_MS);
    if (running + recent.length >= limit) {
      log.warn("no more sound is transcoded", { limit });
      return undefined;
    }
    let process: Deno.ChildProcess;
    try {
      process = ffmpegCommand(ARGUMENTS, STREAMS).spawn();
    } catch (error) {
      log.warn("sound cannot be transcoded", { why: whyNoFfmpeg(error) });
      return undefined;
    }
    running++;
    const transcoder = new FfmpegTranscoder(process, packet, ended);
    const over = () => {
      running--;
      recent.push(startedAt);
    };
    process.status.then(over, over);
    return transcoder;
  };
}

class FfmpegTranscoder implements SoundTranscoder {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #ended: () => void;
  #waiting = 0;
  #isClosed = false;

  constructor(
    process: Deno.ChildProcess,
    packet: (bytes: Uint8Array<ArrayBuffer>) => void,
    ended: () => void,
  ) {
    this.#process = process;
    this.#ended = ended;
    this.#input = process.stdin.getWriter();
    this.#read(packet).catch(() => {}).finally(() => this.#over());
  }

  push(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#isClosed) return;
    this.#waiting += frame.length;
    if (this.#waiting > MAX_WAITING_BYTES) return this.#over();
    this.#input.write(frame).then(() => this.#waiting -= frame.length, () => this.#over());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input.abort().catch(() => {});
    endFfmpeg(this.#process);
  }

  async #read(packet: (bytes: Uint8Array<ArrayBuffer>) => void): Promise<void> {
    const pages = new OggPackets();
    let seen = 0;
    for await (const bytes of this.#process.stdout) {
      pages.push(bytes, (found) => {
        if (seen++ >= HEADERS && !this.#isClosed) packet(found);
      });
      if (pages.isBroken) return;
    }
  }

  #over(): void {
    if (this.#isClosed) return;
    this.close();
    this.#ended();
  }
}
