/**
 * Executables for the systems that releases are made for, by the project's `compile` task.
 *
 * @module
 */
import manifest from "../../deno.json" with { type: "json" };

/** A system, as Rust names it, and how the image's builder calls its processor. */
export interface ReleaseTarget {
  readonly triple: string;
  readonly imageArchitecture?: "amd64" | "arm64";
}

/** All of them. */
export const TARGETS: readonly ReleaseTarget[] = [
  { triple: "x86_64-unknown-linux-gnu", imageArchitecture: "amd64" },
  { triple: "aarch64-unknown-linux-gnu", imageArchitecture: "arm64" },
  { triple: "aarch64-apple-darwin" },
  { triple: "x86_64-pc-windows-msvc" },
];

/** An error of Deno's and its cause. */
const CAUSE_LINES = 5;
const ROOT = new URL("../../", import.meta.url);

/** Name of the executable inside an archive. */
export function executableName(triple: string): string {
  return triple.includes("windows") ? "roomwire.exe" : "roomwire";
}

/** The arguments of `deno` that make one executable, as the `compile` task has them. */
export function compileArguments(triple: string, output: string): string[] {
  const command = manifest.tasks.compile.split("&& ").at(-1)!.trim();
  const [program, subcommand, ...rest] = command.split(" ");
  if (program !== "deno" || subcommand !== "compile") {
    throw new Error(`The compile task does not end with deno compile: ${command}`);
  }
  const others = rest.filter((word) => !word.startsWith("--output="));
  return ["compile", `--target=${triple}`, `--output=${output}`, ...others];
}

/**
 * Makes one.
 *
 * @param runtime What it is put into, in place of what Deno downloads.
 * @returns Why it could not be made, or `undefined`.
 */
export async function compileFor(
  triple: string,
  output: string,
  runtime: string | undefined,
): Promise<string | undefined> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compileArguments(triple, output),
    cwd: ROOT,
    env: { NO_COLOR: "1", ...(runtime === undefined ? {} : { DENORT_BIN: runtime }) },
    stdin: "null",
  }).output();
  if (success) return undefined;
  const text = new TextDecoder();
  const lines = `${text.decode(stdout)}\n${text.decode(stderr)}`.trim().split("\n");
  const error = lines.findIndex((line) => line.startsWith("error:"));
  // The error, and what it says of its cause; not the stack of whoever made Deno.
  return error < 0 ? lines.at(-1) : lines.slice(error, error + CAUSE_LINES)
    .filter((line) => line.trim() !== "" && !line.includes("Stack backtrace"))
    .map((line) => line.trim()).join(" ");
}
