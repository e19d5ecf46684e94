/**
 * Two Chromium clients on different sides of a wire that can be cut: `inside` runs in a network
 * namespace of its own, `outside` and the server in this one.
 *
 * @module
 */
import { mintToken } from "../process/access_tokens.ts";
import type { BrowserClient } from "./browser_client.ts";
import { ChromiumBrowser } from "./chromium.ts";
import { serveClientPage } from "./client_page_server.ts";
import { chromiumPath } from "../process/e2e_requirements.ts";
import type { ClientNamespace } from "../wire/network_namespace.ts";
import { type RoomwireProcess, startRoomwire } from "../process/roomwire_process.ts";

export interface SplitCall {
  readonly server: RoomwireProcess;
  /** Connects a client from either side to the one room. */
  join(side: "inside" | "outside", identity: string): Promise<BrowserClient>;
}

export interface SplitCallOptions {
  /** The server's configuration, merged over its defaults. */
  readonly config?: Record<string, unknown>;
  /** Absent: the SDK's choice. */
  readonly singlePeerConnection?: boolean;
}

/** Runs `call` with everything started, and ends it all. */
export async function withSplitCall(
  namespace: ClientNamespace,
  { config = {}, ...options }: SplitCallOptions,
  call: (call: SplitCall) => Promise<void>,
): Promise<void> {
  await using server = await startRoomwire({ address: namespace.hostAddress, config });
  await using pages = serveClientPage(namespace.hostAddress);
  const extraFlags = [`--unsafely-treat-insecure-origin-as-secure=${pages.url.slice(0, -1)}`];
  const executablePath = await namespace.wrapperFor(chromiumPath() ?? "chromium");
  await using inside = await ChromiumBrowser.launch({ executablePath, extraFlags });
  await using outside = await ChromiumBrowser.launch({ extraFlags });
  const sides = { inside, outside };
  await call({
    server,
    async join(side, identity) {
      const client = await sides[side].openClient(identity, pages.url);
      await client.connect(server.url, await mintToken({ identity, room: "split" }), options);
      return client;
    },
  });
}
