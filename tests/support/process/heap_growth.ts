/**
 * What a step allocates, seen by the heap's growth, and what stays.
 *
 * @module
 */
import v8 from "node:v8";
import { runInNewContext } from "node:vm";

/** Steps between two looks at the heap: few enough that most stretches see no collection. */
export const STRETCH = 2_000;

/**
 * Runs `step(i)` in stretches and returns the median heap growth per step, in bytes: what each
 * step allocates is in every stretch, while compiling the code falls on a few.
 *
 * @param steps A multiple of {@linkcode STRETCH}.
 */
export function growthPerStep(steps: number, step: (i: number) => void): number {
  const growths: number[] = [];
  for (let done = 0; done < steps; done += STRETCH) {
    const before = Deno.memoryUsage().heapUsed;
    for (let i = done; i < done + STRETCH; i++) step(i);
    const growth = Deno.memoryUsage().heapUsed - before;
    if (growth >= 0) growths.push(growth / STRETCH); // negative: a collection ran in between
  }
  return growths.sort((a, b) => a - b)[Math.floor(growths.length / 2)]!;
}

/** What is alive in V8's heap, bytes: it is collected before. */
export function heapInUse(): number {
  v8.setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return Deno.memoryUsage().heapUsed;
}
