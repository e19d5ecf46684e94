/**
 * Roomwire's media engine, alone in its process, with the control plane's part played by the calls.
 *
 * @module
 */
import { denoPlatform } from "../lib/base/deno_platform.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../lib/base/ids.ts";
import type { IceCredentials } from "../lib/base/media_vocabulary.ts";
import type { EngineStats } from "../lib/engine/engine_messages.ts";
import { createLocalEngine } from "../lib/engine/local_engine.ts";
import { EVERYTHING } from "../tests/support/wire_room.ts";
import { sendSection, videoSection } from "../tests/support/wire_media.ts";
import { answerCalls, type ClientParameters, type Endpoint, type SfuCalls } from "./bench_child.ts";
import { measureWindow } from "./stopwatch.ts";

const VIDEO = "video" as UpTrackId;
/** Connection 0 publishes. */
const connectionId = (i: number) => `connection${i}` as ConnectionId;
const credentials = (name: string): IceCredentials => ({
  ufrag: name,
  pwd: `${name}-password-of-24-chars-or-more`,
});

const engine = createLocalEngine({
  platform: denoPlatform(),
  udp: [{ hostname: "127.0.0.1", port: 0 }],
  tcp: [],
  advertised: ["127.0.0.1"],
  native: (Deno.env.get("BENCH_NATIVE") ?? "auto") as "auto",
});
let stats: EngineStats | undefined;
engine.onEvent = (event) => {
  if (event.type === "stats") stats = event.stats;
};
const { addresses } = await engine.start();
let connections = 0;

/** With the engine in this thread the answer comes within the call. */
function readStats(): EngineStats {
  engine.send({ type: "request_stats", request: 0 });
  return stats!;
}

function open({ fingerprint, clientUfrag }: ClientParameters): Endpoint {
  const connection = connectionId(connections++);
  const remote = credentials(connection);
  engine.send({ type: "open_connection", connection, local: remote, dataChannels: "accept" });
  engine.send({
    type: "set_remote",
    connection,
    remote: { ufrag: clientUfrag, pwd: "" },
    fingerprints: [{ algorithm: "sha-256", value: fingerprint }],
  });
  return { server: addresses[0]!, remote };
}

function subscribe(connection: number): void {
  engine.send({
    type: "add_down_track",
    connection: connectionId(connection),
    downTrack: `down${connection}` as DownTrackId,
    upTrack: VIDEO,
    section: sendSection("0", "video", 100_000 + 2 * connection),
    target: EVERYTHING,
  });
}

await answerCalls<SfuCalls>({
  open: async ({ count, ...client }) => {
    const isFirst = connections === 0;
    const endpoints = Array.from({ length: count }, () => open(client));
    if (isFirst) {
      const sections = [videoSection("0", VIDEO, [])];
      engine.send({ type: "set_receive", connection: connectionId(0), sections });
    }
    return endpoints;
  },
  subscribe: async ({ connections }) => {
    connections.forEach(subscribe);
    return {};
  },
  close: async ({ connections }) => {
    for (const number of connections) {
      engine.send({ type: "close_connection", connection: connectionId(number) });
    }
    return {};
  },
  measure: ({ ms }) =>
    measureWindow(
      ms,
      () => readStats().downTracks.reduce((sum, { packets }) => sum + packets, 0),
      () => ({ ...readStats().drops }),
    ),
});
