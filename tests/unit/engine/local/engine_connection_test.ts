import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import { DeferredWork } from "../../../../lib/engine/local/deferred_work.ts";
import { RtcpScratch } from "../../../../lib/engine/local/rtcp_scratch.ts";
import { DEFAULT_CONGESTION } from "../../../../lib/engine/local/local_engine_options.ts";
import { EngineConnection } from "../../../../lib/engine/local/engine_connection.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { ForwardLatency } from "../../../../lib/engine/local/forward_latency.ts";
import { DEFAULT_AUDIO_LEVEL } from "../../../../lib/media/up/audio_level.ts";
import { FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { IceDirectory } from "../../../../lib/transport/ice/ice_directory.ts";
import { PORTABLE_CRYPTO } from "../../../../lib/transport/media_crypto.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** A connection, and the protocols it says it is up over. */
async function world() {
  const platform = new VirtualPlatform();
  const drops = new DropCounters();
  const events: MediaEvent[] = [];
  const connection = new EngineConnection(
    {
      type: "open_connection",
      connection: "CN_1" as ConnectionId,
      local: { ufrag: "server", pwd: "p".repeat(24) },
      dataChannels: "accept",
    },
    {
      platform,
      directory: new IceDirectory(drops),
      certificate: createCertificate(),
      drops,
      upTracks: new Map(),
      emit: (event) => events.push(event),
      audioLevel: DEFAULT_AUDIO_LEVEL,
      congestion: DEFAULT_CONGESTION,
      latency: new ForwardLatency(),
      crypto: PORTABLE_CRYPTO,
      data: { receive() {}, channelOpen() {} },
      deferred: new DeferredWork(platform.clock, platform.timers, () => {}),
      batch: new FanOutBatch(),
      rtcp: new RtcpScratch(),
      failed: () => {},
      ended: () => {},
      wakeAt: () => {},
      dataPending: () => {},
      active: () => {},
      held: () => {},
    },
  );
  return { platform, connection, events };
}

Deno.test("EngineConnection tells at most once a second that its path has another protocol", async () => {
  const { platform, connection, events } = await world();
  for (let i = 0; i < 1_000; i++) {
    connection.onConnected(i % 2 === 0 ? "udp" : "tcp");
    platform.advance(10);
  }
  assert.deepEqual(events[0], {
    type: "connection_connected",
    connection: "CN_1",
    protocol: "udp",
  });
  assert.ok(events.length <= 1 + 10, `told ${events.length} times in 10 s`);
  connection.close();
});

Deno.test("EngineConnection tells at once that it is up again after it was interrupted", async () => {
  const { platform, connection, events } = await world();
  connection.onConnected("udp");
  platform.advance(10_000);
  connection.onInterrupted();
  connection.onConnected("tcp");
  assert.deepEqual(
    events.map((event) => "protocol" in event ? event.protocol : event.type),
    ["udp", "connection_interrupted", "tcp"],
  );
  connection.close();
});
