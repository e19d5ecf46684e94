/**
 * `/demo`: the demo, where the configuration serves it. `/demo` and `/demo/<room>` are its page,
 * `/demo/assets/` are files of `web/` beside the program (inside the executable when compiled) and
 * the installed `livekit-client`, and `/demo/api/` is what the page asks of the server. Only known
 * kinds of files with plain names are served.
 *
 * @module
 */
import { type DemoTokenOptions, demoTokenRoute } from "./demo_token.ts";
import type { RouteHandler } from "./http_exchange.ts";
import { pageRoute } from "./page_files.ts";

/** What the demo is made with. */
export interface DemoRouteOptions {
  /** Whoever asks gets a token; absent where people must bring their own. */
  readonly tokens?: DemoTokenOptions;
  /** Whether nobody more gets into a room; `/rtc/validate` does not say. */
  readonly isFull: (room: string) => boolean;
}

const CLIENT_SDK = new URL(
  "../node_modules/livekit-client/dist/livekit-client.umd.js",
  import.meta.url,
);
const ASSETS = "/demo/assets/";
/** Where the page loads the client SDK from, as a plain script. */
const CLIENT_SDK_PATH = `${ASSETS}livekit-client.js`;

/**
 * Scripts and styles of our own alone, none of them written into the page. The page may connect to
 * any server, because a cluster sends clients to its other nodes.
 */
const CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; " +
  "connect-src 'self' ws: wss: http: https:; form-action 'none'; frame-ancestors 'none'; " +
  "base-uri 'none'";

/** Finds the handler of `/demo` and everything below. */
export function demoRoutes(options: DemoRouteOptions): (path: string) => RouteHandler | undefined {
  const { tokens, isFull } = options;
  const server: RouteHandler = ({ token }) => {
    const room = token?.video?.room ?? "";
    return Response.json({
      givesTokens: tokens !== undefined,
      isFull: room !== "" && isFull(room),
    });
  };
  const api = new Map<string, RouteHandler>([
    ["/demo/api/server", server],
    ...(tokens === undefined ? [] : [["/demo/api/token", demoTokenRoute(tokens)] as const]),
  ]);
  const fileRoute = pageRoute({
    page: "index.html",
    assets: ASSETS,
    others: new Map([[CLIENT_SDK_PATH, CLIENT_SDK]]),
    isPage,
    headers: {
      "Content-Security-Policy": CONTENT_SECURITY_POLICY,
      "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    },
  });
  return (path) => {
    const named = api.get(path);
    if (named !== undefined) return named;
    return path === "/demo" || path.startsWith("/demo/") ? fileRoute : undefined;
  };
}

/** `/demo`, with the name of a room behind it or without. */
function isPage(path: string): boolean {
  if (path !== "/demo" && !path.startsWith("/demo/")) return false;
  const name = path.slice("/demo/".length);
  if (name.includes("/")) return false;
  try {
    // deno-lint-ignore no-control-regex
    return /^(?!\.)[^\u0000-\u001f/]*$/.test(decodeURIComponent(name));
  } catch {
    return false;
  }
}
