/**
 * `/docs`: the documentation, where the configuration serves it and a build made it (`deno task
 * site`). Files alone: its search runs in the browser.
 *
 * @module
 */
import type { RouteHandler } from "./http_exchange.ts";
import { CONTENT_TYPE, fileBelow, type StaticFile, staticFiles } from "./static_file.ts";

const ROOT = "/docs/";
/** `files/`, a folder, and one in it: how deep files are that pages link to. */
const DEPTH = 5;

/** Scripts and styles of our own alone, none of them written into a page. */
const CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "img-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; " +
  "base-uri 'none'";

/** Finds the handler of `/docs` and everything below. @param site The folder with the files. */
export function docsRoutes(site: URL): (path: string) => RouteHandler | undefined {
  const page = (name: string): StaticFile => ({
    url: new URL(`${name}.html`, site),
    contentType: CONTENT_TYPE.html!,
  });
  // `/docs/deployment` is its page, `/docs/assets/site.css` that file.
  const fileFor = (path: string) => {
    const name = path.slice(ROOT.length);
    if (name === "") return page("index");
    return /^[a-z0-9_]+$/.test(name) ? page(name) : fileBelow(site, name, DEPTH);
  };
  const pages = staticFiles(fileFor, { "Content-Security-Policy": CONTENT_SECURITY_POLICY });
  // Links of pages are relative, so the folder has to be named as one.
  const home: RouteHandler = () =>
    new Response(null, { status: 308, headers: { "Location": ROOT } });
  return (path) => path === "/docs" ? home : path.startsWith(ROOT) ? pages : undefined;
}
