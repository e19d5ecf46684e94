/**
 * A program that stands for FFmpeg while a test runs.
 *
 * @module
 */

/** Puts a shell script in FFmpeg's place for whatever this process starts; dispose it to end that. */
export function fakeFfmpeg(script: string): Disposable & { readonly folder: string } {
  const folder = Deno.makeTempDirSync({ prefix: "ffmpeg" });
  Deno.writeTextFileSync(`${folder}/ffmpeg`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `${folder}:${path}`);
  return {
    folder,
    [Symbol.dispose]: () => {
      Deno.env.set("PATH", path);
      Deno.removeSync(folder, { recursive: true });
    },
  };
}
