/**
 * `deno task compile-for amd64`: the executable of an image, for a processor as images call it. Deno
 * puts the program into the runtime of any system, so nothing of a foreign processor has to run.
 *
 * @module
 */
import { compileFor, TARGETS } from "./executables.ts";

/** Builders that do not say are on the processor that they build for. */
const own = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
const wanted = Deno.args[0] ?? own;
const target = TARGETS.find(({ imageArchitecture }) => imageArchitecture === wanted);
if (target === undefined) {
  const names = TARGETS.flatMap(({ imageArchitecture }) => imageArchitecture ?? []).join(" or ");
  console.error(`Which processor? ${names}`);
  Deno.exit(2);
}
const fault = await compileFor(target.triple, "roomwire", Deno.env.get("DENORT_BIN"));
if (fault !== undefined) {
  console.error(fault);
  Deno.exit(1);
}
