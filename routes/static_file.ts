/**
 * Answers with a file that came with the program: the demo's, and the documentation's. Browsers
 * keep them and ask whether they changed, so a new version of the server is seen at once.
 *
 * @module
 */
import { notFound, plainText, type RouteHandler } from "./http_exchange.ts";

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

/**
 * Serves whatever `find` names for a path; 404 for all else.
 *
 * @param headers Said with each file, beside what every file is told with.
 */
export function staticFiles(
  find: (path: string) => StaticFile | undefined,
  headers: Readonly<Record<string, string>>,
): RouteHandler {
  return async ({ request, path }) => {
    const file = find(path);
    if (file === undefined) return notFound();
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plainText(405, "method not allowed", { "Allow": "GET, HEAD" });
    }
    try {
      const bytes = await Deno.readFile(file.url);
      const tag = await entityTag(bytes);
      const isKnown = request.headers.get("If-None-Match")?.includes(tag) === true;
      return new Response(request.method === "HEAD" || isKnown ? null : bytes, {
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
      });
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
