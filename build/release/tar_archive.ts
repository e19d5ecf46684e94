/**
 * Tar archives (POSIX.1-1988 ustar), compressed with gzip, in memory. The same files give the same
 * bytes whoever makes them: no owners, no times.
 *
 * @module
 */

/** One file of an archive. */
export interface ArchivedFile {
  /** With `/`, at most 255 bytes. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isExecutable?: boolean;
}

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
/** 1985-10-26, as npm writes it: a date that every tool takes. */
const MODIFIED_S = 499_162_500;
const REGULAR = new Set(["0", "\0"]);

/** Packs files in the order of their names. @throws {RangeError} at a name that is too long. */
export async function packArchive(
  files: readonly ArchivedFile[],
): Promise<Uint8Array<ArrayBuffer>> {
  const sorted = files.toSorted((a, b) => a.path < b.path ? -1 : 1);
  const blocks = sorted.flatMap((file) => [headerOf(file), padded(file.bytes)]);
  return await through(
    new Blob([...blocks, new Uint8Array(2 * BLOCK)]),
    new CompressionStream("gzip"),
  );
}

/** Reads the plain files of an archive, compressed or not. @throws {Error} if it is none. */
export async function unpackArchive(archive: Uint8Array<ArrayBuffer>): Promise<ArchivedFile[]> {
  const isCompressed = archive[0] === 0x1f && archive[1] === 0x8b;
  const bytes = isCompressed
    ? await through(new Blob([archive]), new DecompressionStream("gzip"))
    : archive;
  const files: ArchivedFile[] = [];
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const text = (from: number, length: number) =>
      new TextDecoder().decode(bytes.subarray(at + from, at + from + length)).split("\0")[0]!;
    const size = Number.parseInt(text(124, 12), 8);
    if (!Number.isSafeInteger(size) || at + BLOCK + size > bytes.length) {
      throw new Error("This is no tar archive, or not a whole one");
    }
    const prefix = text(345, PREFIX_BYTES);
    const path = prefix === "" ? text(0, NAME_BYTES) : `${prefix}/${text(0, NAME_BYTES)}`;
    if (REGULAR.has(String.fromCharCode(bytes[at + 156]!))) {
      const isExecutable = (Number.parseInt(text(100, 8), 8) & 0o100) !== 0;
      files.push({ path, bytes: bytes.slice(at + BLOCK, at + BLOCK + size), isExecutable });
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

function headerOf({ path, bytes, isExecutable = false }: ArchivedFile): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => header.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  const { prefix, name } = splitName(path);
  put(0, name);
  put(100, octal(isExecutable ? 0o755 : 0o644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(bytes.length, 11));
  put(136, octal(MODIFIED_S, 11));
  put(148, " ".repeat(8)); // the sum counts itself as spaces
  put(156, "0");
  put(257, "ustar\x0000");
  put(345, prefix);
  put(148, `${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return header;
}

/** A long name stands in two fields, cut at a `/`. */
function splitName(path: string): { readonly prefix: string; readonly name: string } {
  const length = (text: string) => new TextEncoder().encode(text).length;
  if (length(path) <= NAME_BYTES) return { prefix: "", name: path };
  const parts = path.split("/");
  for (let cut = 1; cut < parts.length; cut++) {
    const [prefix, name] = [parts.slice(0, cut).join("/"), parts.slice(cut).join("/")];
    if (length(prefix) <= PREFIX_BYTES && length(name) <= NAME_BYTES) return { prefix, name };
  }
  throw new RangeError(`Cannot archive "${path}": its name is too long`);
}

/** Filled up to whole blocks. */
function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK);
  out.set(bytes);
  return out;
}

async function through(
  blob: Blob,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(blob.stream().pipeThrough(stream)).arrayBuffer());
}
