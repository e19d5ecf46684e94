/**
 * FFmpeg as a child process, for whoever has it read what strangers sent.
 *
 * Contract: it has nothing of our environment, where secrets may be, but the path of programs.
 *
 * @module
 */

const PROGRAM = "ffmpeg";

/** Where its streams go. */
export type FfmpegStreams = Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr">;

/** FFmpeg with these arguments, not started yet. */
export function ffmpegCommand(args: readonly string[], streams: FfmpegStreams): Deno.Command {
  const env = { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" };
  return new Deno.Command(PROGRAM, { args: [...args], clearEnv: true, env, ...streams });
}

/** Why it cannot be started, and what an operator can do. @param error What starting it threw. */
export function whyNoFfmpeg(error: unknown): string {
  return error instanceof Deno.errors.NotCapable
    ? "the program may not run FFmpeg (--allow-run=ffmpeg)"
    : "FFmpeg was not found";
}

/** Ends it at once; nothing happens where it has ended by itself. */
export function endFfmpeg(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
