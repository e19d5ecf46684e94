/**
 * Composes recordings of rooms by FFmpeg, a child process of its own after a recording has ended:
 * one at a time, at the lowest priority, and for no longer than it may.
 *
 * Contract: whatever becomes of it, the files it was made of stay as they are; what it left half
 * done is removed. It is given files of ours and nothing else to read.
 *
 * @module
 */
import { setPriority } from "node:os";
import { joinBytes } from "../../base/joined_bytes.ts";
import { Mutex } from "../../base/mutex.ts";
import type { Platform } from "../../base/platform.ts";
import {
  composedLength,
  type Composer,
  type Composition,
  compositionArguments,
  type CompositionJob,
  whyNotComposed,
} from "../../recording/composition.ts";
import {
  endFfmpeg,
  ffmpegCommand,
  type FfmpegStreams,
  whyNoFfmpeg,
} from "../ffmpeg/ffmpeg_process.ts";
import { HeldFiles } from "./held_files.ts";
import { makeFolderOf } from "./inner_folder.ts";
import { KeptRecordings } from "./kept_recordings.ts";

const STREAMS: FfmpegStreams = { stdin: "null", stdout: "null", stderr: "piped" };
/** Recordings that wait for their turn. */
const MOST_WAITING = 50;
/** It may take so many times as long as the recording is, and a while more. */
const TIMES_LENGTH = 4;
const SURELY_MS = 60_000;
const LOWEST_PRIORITY = 19;
const MOST_NAMES = 1_000;
/** Of what it complains about. */
const MOST_WORDS = 200;
/** The same with the names of files in it. */
const MOST_SAID = 8_192;

/** A composer for one folder. */
export class RecordingComposer implements Composer {
  readonly #given: string;
  readonly #platform: Pick<Platform, "timers" | "log">;
  readonly #turn = new Mutex();
  #waiting = 0;
  #child: Deno.ChildProcess | undefined;
  #isClosed = false;
  obstacle = "FFmpeg is not known to be here";

  constructor(folder: string, platform: Pick<Platform, "timers" | "log">) {
    this.#given = folder;
    this.#platform = platform;
  }

  /** Looks whether FFmpeg is here, and may be run. */
  async open(): Promise<void> {
    try {
      const { success } = await ffmpegCommand(["-version"], STREAMS).output();
      this.obstacle = success ? "" : "FFmpeg does not run";
    } catch (error) {
      this.obstacle = whyNoFfmpeg(error);
    }
    if (this.obstacle === "") return;
    this.#platform.log.warn("recordings are not composed", { why: this.obstacle });
  }

  async compose(job: CompositionJob): Promise<Composition> {
    const why = this.obstacle || whyNotComposed(job) ||
      (this.#waiting >= MOST_WAITING ? "too many recordings wait for it" : "");
    if (why !== "") return { ok: false, why };
    this.#waiting++;
    try {
      const root = await Deno.realPath(this.#given);
      // Others may take hours, while files become too old, or too many, to be kept.
      using held = await HeldFiles.hold(root, job.tracks.map(({ name }) => name));
      const tracks = job.tracks.filter(({ name }) => !held.missing.has(name));
      if (tracks.length === 0) return { ok: false, why: "its files are no longer there" };
      return await this.#turn.run(() => this.#compose(root, { ...job, tracks }));
    } catch (error) {
      this.#platform.log.error("a recording could not be composed", { error: String(error) });
      return { ok: false, why: "the folder of recordings cannot be used" };
    } finally {
      this.#waiting--;
    }
  }

  /** Ends what runs, and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#kill();
  }

  async #compose(root: string, job: CompositionJob): Promise<Composition> {
    if (this.#isClosed) return { ok: false, why: "the server was stopped" };
    const name = await reserve(root, job.path);
    using _held = await HeldFiles.hold(root, [name]);
    const location = `${root}/${name}`;
    // A disk may have taken its time.
    const why = this.#isClosed ? "the server was stopped" : await this.#run(job, root, location);
    if (why !== "") {
      await Deno.remove(location).catch(() => {});
      return { ok: false, why };
    }
    const { size } = await Deno.stat(location);
    return { ok: true, name, location, bytes: size };
  }

  /** @returns Why it did not work; empty if it did. */
  async #run(job: CompositionJob, root: string, location: string): Promise<string> {
    const args = compositionArguments(job, (name) => `${root}/${name}`, location);
    const child = ffmpegCommand(args, STREAMS).spawn();
    this.#child = child;
    let isLate = false;
    const cancel = this.#platform.timers.after(
      TIMES_LENGTH * composedLength(job) + SURELY_MS,
      () => {
        isLate = true;
        this.#kill();
      },
    );
    try {
      setPriority(child.pid, LOWEST_PRIORITY);
    } catch {
      // Without --allow-sys=setPriority it runs as everybody else.
    }
    try {
      const [said, { success }] = await Promise.all([lastOf(child.stderr), child.status]);
      if (success) return "";
      if (this.#isClosed) return "the server was stopped";
      if (isLate) return "it took too long";
      const words = said.replaceAll(root, "…").trim();
      this.#platform.log.warn("FFmpeg failed", { words: words.slice(-MOST_WORDS) });
      return "FFmpeg failed";
    } finally {
      cancel();
      this.#child = undefined;
    }
  }

  #kill(): void {
    if (this.#child !== undefined) endFfmpeg(this.#child);
  }
}

/** The end of what it says: of broken pictures it complains one by one, for hours. */
async function lastOf(said: ReadableStream<Uint8Array>): Promise<string> {
  let last = new Uint8Array();
  for await (const bytes of said) last = joinBytes([last, bytes]).slice(-MOST_SAID);
  return new TextDecoder().decode(last);
}

/** A name that no other file has, which is ours from now on. */
async function reserve(root: string, path: string): Promise<string> {
  await makeFolderOf(root, path);
  for (let n = 1; n <= MOST_NAMES; n++) {
    const name = `${path}${n === 1 ? "" : `-${n}`}.mp4`;
    try {
      const options = { write: true, createNew: true, mode: 0o640 };
      (await Deno.open(`${root}/${name}`, options)).close();
      await new KeptRecordings(root).add(name);
      return name;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
  throw new Deno.errors.AlreadyExists("too many recordings have that name");
}
