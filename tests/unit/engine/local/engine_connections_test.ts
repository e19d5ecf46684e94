import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import { DEFAULT_CONGESTION } from "../../../../lib/engine/local/local_engine_options.ts";
import { EngineConnections } from "../../../../lib/engine/local/engine_connections.ts";
import { DeferredWork } from "../../../../lib/engine/local/deferred_work.ts";
import { ForwardLatency } from "../../../../lib/engine/local/forward_latency.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import { DEFAULT_AUDIO_LEVEL } from "../../../../lib/media/up/audio_level.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { IceDirectory } from "../../../../lib/transport/ice/ice_directory.ts";
import { chooseMediaPorts } from "../../../../lib/transport/media_ports.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { sendSection } from "../../../support/wire/wire_media.ts";

const BROKEN = "UT_broken" as UpTrackId;
const WHOLE = "UT_whole" as UpTrackId;

/** Looking for {@linkcode BROKEN} is a bug of ours. */
class UpTracks extends Map<UpTrackId, UpTrack> {
  override get(id: UpTrackId): UpTrack | undefined {
    if (id === BROKEN) throw new Error("a bug of ours");
    return super.get(id);
  }
}

Deno.test("EngineConnections.carryOut() closes the connection alone whose down-track hits a bug", async () => {
  const platform = new VirtualPlatform();
  const drops = new DropCounters();
  const upTrack = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack: () => {}, onKeyFrameNeeded: () => {} },
  });
  const events: MediaEvent[] = [];
  const gone: ConnectionId[] = [];
  const connections = new EngineConnections({
    platform,
    directory: new IceDirectory(drops),
    certificate: createCertificate(),
    drops,
    upTracks: new UpTracks([[WHOLE, upTrack]]),
    emit: (event) => events.push(event),
    audioLevel: DEFAULT_AUDIO_LEVEL,
    congestion: DEFAULT_CONGESTION,
    latency: new ForwardLatency(),
    crypto: chooseMediaPorts("off").crypto,
    data: { receive() {}, channelOpen() {} },
    deferred: new DeferredWork(platform.clock, platform.timers, assert.ifError),
    batch: new FanOutBatch(),
    gone: (id) => gone.push(id),
    timed: () => {},
    dataPending: () => {},
    active: () => {},
    held: () => {},
  });
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  const [first, second] = ["CN_1", "CN_2"] as ConnectionId[];
  for (const [at, connection] of [first!, second!].entries()) {
    const local = { ufrag: connection, pwd: "p".repeat(24) };
    connections.carryOut({ type: "open_connection", connection, local, dataChannels: "accept" });
    connections.carryOut({
      type: "add_down_track",
      connection,
      downTrack: `DT_${at}` as DownTrackId,
      upTrack: WHOLE,
      section: sendSection("0", "video", 5000 + at),
      target,
    });
  }
  const toBroken = { type: "set_down_track_source", downTrack: "DT_0", upTrack: BROKEN } as const;
  connections.carryOut(toBroken as Parameters<EngineConnections["carryOut"]>[0]);
  assert.deepEqual(events, [
    { type: "connection_failed", connection: first, reason: "internal_error" },
  ]);
  assert.deepEqual(connections.all().map(({ id }) => id), [second]);
  assert.deepEqual(gone, [first]);
  assert.equal(drops.snapshot()["engine_threw"], 1);

  connections.carryOut(toBroken as Parameters<EngineConnections["carryOut"]>[0]);
  assert.equal(events.length, 1, "what it sent is forgotten with it");
  connections.close();
  assert.deepEqual(connections.all(), []);
});
