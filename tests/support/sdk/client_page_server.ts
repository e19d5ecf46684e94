/**
 * Serves the test participants' pages and the real livekit-client bundle over HTTP.
 *
 * @module
 */

const SUPPORT = new URL("./", import.meta.url);
const PEERS = new URL("../../peers/", import.meta.url);
const BUNDLE = new URL(
  "../../../node_modules/livekit-client/dist/livekit-client.umd.js",
  import.meta.url,
);

const FILES: Readonly<Record<string, readonly [URL, string]>> = {
  "/": [new URL("client_page.html", SUPPORT), "text/html; charset=utf-8"],
  "/client_page.js": [new URL("client_page.js", SUPPORT), "text/javascript; charset=utf-8"],
  "/client_page_data.js": [
    new URL("client_page_data.js", SUPPORT),
    "text/javascript; charset=utf-8",
  ],
  "/client_page_whip.js": [
    new URL("client_page_whip.js", SUPPORT),
    "text/javascript; charset=utf-8",
  ],
  "/client_page_watch.js": [
    new URL("client_page_watch.js", SUPPORT),
    "text/javascript; charset=utf-8",
  ],
  "/data_peer": [new URL("page/data_peer.html", PEERS), "text/html; charset=utf-8"],
  "/data_peer.mjs": [
    new URL("page/data_peer.mjs.txt", PEERS),
    "text/javascript; charset=utf-8",
  ],
  "/data_messages.mjs": [
    new URL("node/data_messages.mjs.txt", PEERS),
    "text/javascript; charset=utf-8",
  ],
  "/livekit-client.js": [BUNDLE, "text/javascript; charset=utf-8"],
};

export interface ClientPageServer extends AsyncDisposable {
  /** `http://host:port/`. */
  readonly url: string;
}

/** @param hostname Where to listen; browsers grant WebRTC's full API on loopback addresses. */
export function serveClientPage(hostname = "127.0.0.1"): ClientPageServer {
  const server = Deno.serve({ hostname, port: 0, onListen() {} }, async (request) => {
    const file = FILES[new URL(request.url).pathname];
    if (!file) return new Response("Not found", { status: 404 });
    const [url, type] = file;
    return new Response(await Deno.readFile(url), { headers: { "content-type": type } });
  });
  return {
    url: `http://${hostname}:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
