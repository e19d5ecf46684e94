/**
 * `/demo`: the demo page, read from `web/` beside the program (inside the executable when compiled)
 * and from the installed `livekit-client`. Only known kinds of files with plain names are served.
 *
 * @module
 */
import { notFound, plainText, type RouteHandler } from "./http_exchange.ts";

const WEB = new URL("../web/", import.meta.url);
const CLIENT_SDK = new URL(
  "../node_modules/livekit-client/dist/livekit-client.umd.js",
  import.meta.url,
);
/** Where the page loads the client SDK from, as a plain script. */
const CLIENT_SDK_PATH = "/demo/livekit-client.js";

const CONTENT_TYPE: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  webmanifest: "application/manifest+json",
};

/** No script or style from elsewhere; the page may call any LiveKit server. */
const CONTENT_SECURITY_POLICY = "default-src 'self'; connect-src 'self' ws: wss: http: https:; " +
  "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; " +
  "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'";

/** `/demo` and everything below. */
export const demoRoute: RouteHandler = async ({ request, path }) => {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plainText(405, "method not allowed", { "Allow": "GET, HEAD" });
  }
  const file = fileFor(path);
  if (file === undefined) return notFound();
  try {
    const bytes = await Deno.readFile(file.url);
    return new Response(request.method === "HEAD" ? null : bytes, {
      headers: {
        "Content-Type": file.contentType,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
      },
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return notFound();
    throw error;
  }
};

function fileFor(path: string): { readonly url: URL; readonly contentType: string } | undefined {
  if (path === CLIENT_SDK_PATH) return { url: CLIENT_SDK, contentType: CONTENT_TYPE.js! };
  const name = path === "/demo" || path === "/demo/" ? "index.html" : path.slice("/demo/".length);
  // One optional folder; no name starts with a dot, so there is no way out of `web/`.
  if (!/^(?:\w[\w-]*\/)?\w[\w.-]*$/.test(name)) return undefined;
  const contentType = CONTENT_TYPE[name.slice(name.lastIndexOf(".") + 1)];
  return contentType === undefined ? undefined : { url: new URL(name, WEB), contentType };
}
