import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import { DEFAULT_CONGESTION } from "../../../../lib/engine/local/local_engine_options.ts";
import { EngineConnections } from "../../../../lib/engine/local/engine_connections.ts";
import { DeferredWork } from "../../../../lib/engine/local/deferred_work.ts";
import { ForwardLatency } from "../../../../lib/engine/local/forward_latency.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import type { PacketReceiver } from "../../../../lib/media/packet/forwarding_ports.ts";
import { FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import { DEFAULT_AUDIO_LEVEL } from "../../../../lib/media/up/audio_level.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { IceDirectory } from "../../../../lib/transport/ice/ice_directory.ts";
import { chooseMediaPorts } from "../../../../lib/transport/media_ports.ts";
import { codec, viewOf } from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { sendSection } from "../../../support/wire/wire_media.ts";

const BROKEN = "UT_broken" as UpTrackId;
const WHOLE = "UT_whole" as UpTrackId;
const OPUS = codec("audio/opus", 111);

/** Looking for {@linkcode BROKEN} is a bug of ours. */
class UpTracks extends Map<UpTrackId, UpTrack> {
  override get(id: UpTrackId): UpTrack | undefined {
    if (id === BROKEN) throw new Error("a bug of ours");
    return super.get(id);
  }
}

/** Connections of an engine, with what they tell. */
function world(platform: VirtualPlatform, drops: DropCounters, upTracks: Map<UpTrackId, UpTrack>) {
  const events: MediaEvent[] = [];
  const gone: ConnectionId[] = [];
  const connections = new EngineConnections({
    platform,
    directory: new IceDirectory(drops),
    certificate: createCertificate(),
    drops,
    upTracks,
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
  return { connections, events, gone };
}

Deno.test("EngineConnections.carryOut() closes the connection alone whose down-track hits a bug", async () => {
  const platform = new VirtualPlatform();
  const drops = new DropCounters();
  const upTrack = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack: () => {}, onKeyFrameNeeded: () => {} },
  });
  const upTracks = new UpTracks([[WHOLE, upTrack]]);
  const { connections, events, gone } = world(platform, drops, upTracks);
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

/** A microphone that writes down to whom it gives packets: `named` tells who was last added. */
class Microphone extends UpTrack {
  constructor(
    readonly name: string,
    batch: FanOutBatch,
    readonly given: string[],
    readonly named: () => ConnectionId,
  ) {
    const listener = { onNack() {}, onKeyFrameNeeded() {} };
    super({ kind: "audio", extensions: [], listener, batch });
    this.bindLayer(0, 1, OPUS, 0);
  }

  override addDownTrack(downTrack: PacketReceiver, now: number): void {
    const subscriber = this.named();
    const forward = downTrack.forward.bind(downTrack);
    downTrack.forward = (packet, at) => {
      this.given.push(`${this.name} ${subscriber}`);
      return forward(packet, at);
    };
    super.addDownTrack(downTrack, now);
  }

  speak(bytes: number): void {
    const payload = new Uint8Array(bytes);
    this.receive(0, viewOf(rtpPacket({ ssrc: 1, payloadType: OPUS.payloadType, payload })), 0);
  }
}

Deno.test("EngineConnections give each subscriber what two publishers have for it before the next one", () => {
  const platform = new VirtualPlatform();
  const given: string[] = [];
  const batch = new FanOutBatch();
  let adding = "" as ConnectionId;
  const [short, long] = ["short", "long"].map((name) =>
    new Microphone(name, batch, given, () => adding)
  );
  const upTracks = new Map<UpTrackId, UpTrack>();
  for (const track of [short!, long!]) upTracks.set(`UT_${track.name}` as UpTrackId, track);
  const { connections } = world(platform, new DropCounters(), upTracks);
  const opened = ["CN_1", "CN_2", "CN_3"] as ConnectionId[];
  for (const connection of opened) {
    const local = { ufrag: connection, pwd: "p".repeat(24) };
    const open = { type: "open_connection", connection, local, dataChannels: "accept" } as const;
    connections.carryOut({ ...open, isSource: true });
    const ice = { ufrag: "client", pwd: "p".repeat(24) };
    connections.carryOut({
      type: "set_remote",
      connection,
      remote: ice,
      fingerprints: [],
    });
  }
  platform.advance(10);
  connections.wake(platform.clock.now());
  // Each publisher has the subscribers in another order, as when they come and go.
  const subscribe = (name: string, order: readonly number[]) => {
    for (const at of order) {
      adding = opened[at]!;
      connections.carryOut({
        type: "add_down_track",
        connection: adding,
        downTrack: `DT_${name}_${at}` as DownTrackId,
        upTrack: `UT_${name}` as UpTrackId,
        section: sendSection("0", "audio", 5000 + at),
        target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
      });
    }
  };
  subscribe("short", [2, 0, 1]);
  subscribe("long", [1, 2, 0]);
  short!.speak(80);
  long!.speak(120);
  batch.begin(0);
  batch.end(0);
  assert.deepEqual(given, opened.flatMap((id) => [`long ${id}`, `short ${id}`]));
  connections.close();
});
