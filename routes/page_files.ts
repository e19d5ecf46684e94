/**
 * Pages and their files out of `web/` beside the program (inside the executable when compiled), of
 * which only known kinds with plain names are served.
 *
 * @module
 */
import type { RouteHandler } from "./http_exchange.ts";
import { CONTENT_TYPE, fileBelow, type StaticFile, staticFiles } from "./static_file.ts";

const WEB = new URL("../web/", import.meta.url);

/** A file of `web/`, or of a folder in it. */
const DEPTH = 2;

/** One page, and what stands beside it. */
export interface PageFiles {
  /** The page within `web/`. */
  readonly page: string;
  /** Where files of `web/` are: `/demo/assets/`. */
  readonly assets: string;
  /** Files that are not in `web/`, by path. */
  readonly others?: ReadonlyMap<string, URL>;
  /** Whether a path is that of the page. */
  readonly isPage: (path: string) => boolean;
  /** Sent with each file. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Answers GET and HEAD for the page and its files, and 404 for everything else. */
export function pageRoute(files: PageFiles): RouteHandler {
  return staticFiles((path) => fileFor(path, files), files.headers);
}

function fileFor(
  path: string,
  { page, assets, others, isPage }: PageFiles,
): StaticFile | undefined {
  if (isPage(path)) return { url: new URL(page, WEB), contentType: CONTENT_TYPE.html! };
  const other = others?.get(path);
  if (other !== undefined) return { url: other, contentType: CONTENT_TYPE.js! };
  return path.startsWith(assets) ? fileBelow(WEB, path.slice(assets.length), DEPTH) : undefined;
}
