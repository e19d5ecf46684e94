/**
 * The inputs that are kept: a few for each parser, each of which reaches something that those before
 * do not. They stand in the repository, one file a parser, one line an input, in hexadecimal.
 *
 * @module
 */

const FOLDER = new URL("../corpus/", import.meta.url);

/** Those of a parser; none if there are none yet. */
export function readCorpus(name: string): Uint8Array<ArrayBuffer>[] {
  try {
    const text = Deno.readTextFileSync(new URL(`${name}.txt`, FOLDER));
    return text.split("\n").slice(0, -1).map((line) => Uint8Array.fromHex(line));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Writes them, shortest first. */
export function writeCorpus(name: string, inputs: readonly Uint8Array[]): void {
  Deno.mkdirSync(FOLDER, { recursive: true });
  const sorted = inputs.toSorted((a, b) => a.length - b.length);
  const lines = sorted.map((bytes) => `${bytes.toHex()}\n`).join("");
  Deno.writeTextFileSync(new URL(`${name}.txt`, FOLDER), lines);
}
