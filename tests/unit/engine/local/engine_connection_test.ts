import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId, UpTrackId } from "../../../../lib/base/ids.ts";
import { EXTENSION_URI } from "../../../../lib/base/media_vocabulary.ts";
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
import { codec, viewOf, vp8Payload } from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** A connection, and the protocols it says it is up over. */
async function world(isSource = false) {
  const platform = new VirtualPlatform();
  const drops = new DropCounters();
  const events: MediaEvent[] = [];
  const connection = new EngineConnection(
    {
      type: "open_connection",
      connection: "CN_1" as ConnectionId,
      local: { ufrag: "server", pwd: "p".repeat(24) },
      dataChannels: "accept",
      ...(isSource ? { isSource } : {}),
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
    0,
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

Deno.test("EngineConnection tells once of tracks that are back, though they send by turns", async () => {
  const { platform, connection, events } = await world(true);
  const MID = 4;
  const ssrcs = [1, 2];
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      platform.advance(10);
      connection.tick(platform.clock.now());
    }
  };
  connection.setRemote({ ice: { ufrag: "client", pwd: "p".repeat(24) }, fingerprints: [] });
  pass(10);
  connection.receiving.setSections(ssrcs.map((ssrc) => ({
    mid: `${ssrc}`,
    kind: "video",
    upTrack: `up-${ssrc}` as UpTrackId,
    codecs: [codec("video/VP8", 96)],
    extensions: [{ id: MID, uri: EXTENSION_URI.mid }],
    rids: [],
    ssrcs: [],
  })));
  let sequenceNumber = 0;
  const send = (ssrc: number) => {
    const now = platform.clock.now();
    const packet = rtpPacket({
      ssrc,
      payloadType: 96,
      sequenceNumber: ++sequenceNumber >> 1,
      timestamp: 45 * now,
      extensions: { [MID]: `${ssrc}` },
      payload: vp8Payload({ pictureId: sequenceNumber & 0x7fff, tl0: 0 }),
    });
    connection.onRtp(viewOf(packet), now, 1_000 * now);
  };
  for (const ssrc of ssrcs) {
    send(ssrc);
    connection.receiving.receiveSenderReport(ssrc, 1_000, 0, 0, platform.clock.now());
  }
  // Nothing for two intervals: both are lost.
  pass(11_000);
  const reports = () => events.filter(({ type }) => type === "quality_report").length;
  const before = reports();
  for (let turn = 0; turn < 100; turn++) {
    send(ssrcs[turn % 2]!);
    pass(30);
  }
  assert.ok(reports() > before, "it is told that they are back");
  assert.ok(reports() <= before + 2, `${reports() - before} reports in 3 s`);
  connection.close();
});

Deno.test("EngineConnection has nothing to report while there are no tracks, and is in step when there are", async () => {
  const { platform, connection, events } = await world(true);
  const { clock } = platform;
  connection.setRemote({ ice: { ufrag: "client", pwd: "p".repeat(24) }, fingerprints: [] });
  /** Wakes it when it asks for that. @returns How often. */
  const pass = (ms: number) => {
    const end = clock.now() + ms;
    let ticks = 0;
    for (; connection.nextWakeAt() <= end; ticks++) {
      platform.advance(Math.max(0, connection.nextWakeAt() - clock.now()));
      connection.tick(clock.now());
    }
    platform.advance(end - clock.now());
    return ticks;
  };
  const reports = () => events.filter(({ type }) => type === "quality_report");
  pass(6_000);
  assert.equal(reports().length, 1, "that it has none is told once");
  const [since] = [clock.now()];
  assert.ok(pass(120_000) <= 5);
  assert.equal(reports().length, 5, "and twice a minute");
  pass(2_500);
  const section = {
    mid: "0",
    kind: "audio",
    upTrack: "up-1" as UpTrackId,
    codecs: [codec("audio/opus", 111)],
    extensions: [],
    rids: [],
    ssrcs: [{ ssrc: 7 }],
  } as const;
  connection.receiving.setSections([section]);
  connection.described();
  const described = clock.now();
  const packet = rtpPacket({ ssrc: 7, payloadType: 111, sequenceNumber: 1, timestamp: 0 });
  connection.onRtp(viewOf(packet), described, 1_000 * described);
  pass(5_250);
  const told = reports().at(-1)!;
  assert.ok(told.type === "quality_report");
  assert.deepEqual(told.upTracks.map(({ upTrack }) => upTrack), ["up-1"]);
  assert.ok(told.intervalMs >= 5_000 && told.intervalMs <= 5_250, `${told.intervalMs}`);
  assert.ok(clock.now() - since > 120_000);
  const before = reports().length;
  pass(20_000);
  assert.ok(reports().length - before >= 3, "while there are some it is told each interval");
  connection.close();
});
