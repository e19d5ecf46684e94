/**
 * A media file as FFmpeg's own reader sees it.
 *
 * @module
 */

/** One stream of a file. */
export interface ProbedStream {
  readonly codec: string;
  readonly kind: string;
  readonly width: number;
  readonly height: number;
  readonly packets: number;
  /** Of its first packet and its last, seconds. */
  readonly from: number;
  readonly to: number;
}

/** What ffprobe says. */
export interface ProbedFile {
  readonly format: string;
  /** Seconds; `NaN` if the file does not say. */
  readonly duration: number;
  readonly streams: readonly ProbedStream[];
  /** What it complained about. */
  readonly complaints: string;
}

interface Output {
  readonly format: { readonly format_name: string; readonly duration?: string };
  readonly streams: readonly {
    readonly index: number;
    readonly codec_name: string;
    readonly codec_type: string;
    readonly width?: number;
    readonly height?: number;
  }[];
  readonly packets: readonly { readonly stream_index: number; readonly pts_time?: string }[];
}

/** Reads every packet of a file. @throws If it is no media file. */
export async function probe(path: string): Promise<ProbedFile> {
  const { stdout, stderr } = await run("ffprobe", [
    ...["-v", "error", "-of", "json", "-show_streams", "-show_format", "-show_packets"],
    path,
  ]);
  const { format, streams, packets } = JSON.parse(stdout) as Output;
  return {
    format: format.format_name,
    duration: Number(format.duration),
    complaints: stderr,
    streams: streams.map(({ index, codec_name, codec_type, width = 0, height = 0 }) => {
      const times = packets.filter(({ stream_index }) => stream_index === index)
        .map(({ pts_time }) => Number(pts_time));
      return {
        codec: codec_name,
        kind: codec_type,
        width,
        height,
        packets: times.length,
        from: Math.min(...times),
        to: Math.max(...times),
      };
    }),
  };
}

/** Decodes all of a file; what FFmpeg complains about, empty if nothing. */
export async function decodingErrors(path: string): Promise<string> {
  // (Each of them told: "last message repeated" would say nothing of which.)
  const args = ["-v", "repeat+error", "-i", path, "-f", "null", "-"];
  const { stderr } = await run("ffmpeg", args);
  // What it writes to, nothing, has times in whole frames of a constant rate, and calls are not so.
  return stderr.split("\n").filter((line) => !line.includes("increasing dts to muxer")).join("\n");
}

async function run(program: string, args: readonly string[]) {
  const output = await new Deno.Command(program, { args: [...args] }).output();
  const [stdout, stderr] = [output.stdout, output.stderr]
    .map((bytes) => new TextDecoder().decode(bytes));
  if (!output.success) throw new Error(`${program} failed: ${stderr}`);
  return { stdout: stdout!, stderr: stderr! };
}
