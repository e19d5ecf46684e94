/**
 * Answers with a file that came with the program: the demo's, and the documentation's. Browsers
 * keep them and ask whether they changed, so a new version of the server is seen at once. What was
 * read is kept for as long as the file is the same, and sent to all from one place in memory.
 *
 * @module
 */
import { keptAnswer, notFound, plainText, type RouteHandler } from "./http_exchange.ts";

/** What may be served, by the ending of its name. */
export const CONTENT_TYPE: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
};

/** A file of the program, and as what it is told. */
export interface StaticFile {
  readonly url: URL;
  readonly contentType: string;
}

/**
 * A name below a folder as a URL: known endings, plain names, and no way out of the folder, because
 * no part of the name begins with a dot.
 */
export function fileBelow(
  folder: URL,
  name: string,
  depth: number,
): StaticFile | undefined {
  const parts = name.split("/");
  if (parts.length > depth || !parts.every((part) => /^\w[\w.-]*$/.test(part))) return undefined;
  const contentType = CONTENT_TYPE[name.slice(name.lastIndexOf(".") + 1)];
  return contentType === undefined ? undefined : { url: new URL(name, folder), contentType };
}

/** What all files of a route may take in memory; the largest, the client SDK, has 600 kB. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/** Where files are read; Deno's functions, or a test's. */
export interface FileReading {
  stat(url: URL): Promise<{ readonly size: number; readonly mtime: Date | null }>;
  readFile(url: URL): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Serves whatever `find` names for a path; 404 for all else.
 *
 * @param headers Said with each file, beside what every file is told with.
 */
export function staticFiles(
  find: (path: string) => StaticFile | undefined,
  headers: Readonly<Record<string, string>>,
  reading: FileReading = Deno,
): RouteHandler {
  const files = new KeptFiles(reading);
  return async ({ request, path }) => {
    const file = find(path);
    if (file === undefined) return notFound();
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plainText(405, "method not allowed", { "Allow": "GET, HEAD" });
    }
    try {
      const { bytes, tag, isKept } = await files.get(file.url);
      const isKnown = request.headers.get("If-None-Match")?.includes(tag) === true;
      const hasBody = request.method !== "HEAD" && !isKnown;
      const init = {
        status: isKnown ? 304 : 200,
        headers: {
          "Content-Type": file.contentType,
          "X-Content-Type-Options": "nosniff",
          "Referrer-Policy": "no-referrer",
          // Browsers keep the files, the client SDK's 600 kB above all, and ask if they changed.
          "Cache-Control": "no-cache",
          "ETag": tag,
          ...headers,
        },
      };
      if (!hasBody) return new Response(null, init);
      return isKept ? keptAnswer(bytes, init) : new Response(bytes, init);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return notFound();
      throw error;
    }
  };
}

/** What tells two versions of a file apart (RFC 9110 §8.8.3). */
async function entityTag(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `"${digest.subarray(0, 16).toHex()}"`;
}

interface ReadFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: string;
  /** It stays in memory whoever is being sent it. */
  readonly isKept: boolean;
}

/** What was read of files, each until it is another one. */
class KeptFiles {
  readonly #kept = new Map<
    string,
    { readonly version: string; readonly size: number; readonly file: Promise<ReadFile> }
  >();
  #bytes = 0;

  constructor(readonly reading: FileReading) {}

  /** Throws what reading throws. */
  async get(url: URL): Promise<ReadFile> {
    const { href } = url;
    const { size, mtime } = await this.#stat(url);
    const version = `${size} ${mtime?.getTime()}`;
    const known = this.#kept.get(href);
    if (known?.version === version) return await known.file;
    this.#forget(href);
    const isKept = this.#bytes + size <= MAX_KEPT_BYTES;
    const file = this.#read(url, size, isKept);
    if (!isKept) return await file;
    // Those who ask before it is read wait for the same.
    this.#kept.set(href, { version, size, file });
    this.#bytes += size;
    try {
      const read = await file;
      // It changed meanwhile.
      if (!read.isKept && this.#kept.get(href)?.file === file) this.#forget(href);
      return read;
    } catch (error) {
      if (this.#kept.get(href)?.file === file) this.#forget(href);
      throw error;
    }
  }

  async #stat(url: URL) {
    try {
      return await this.reading.stat(url);
    } catch (error) {
      this.#forget(url.href);
      throw error;
    }
  }

  async #read(url: URL, size: number, isKept: boolean): Promise<ReadFile> {
    const bytes = await this.reading.readFile(url);
    return { bytes, tag: await entityTag(bytes), isKept: isKept && bytes.length === size };
  }

  #forget(href: string): void {
    this.#bytes -= this.#kept.get(href)?.size ?? 0;
    this.#kept.delete(href);
  }
}
