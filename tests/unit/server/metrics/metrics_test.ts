/** Metrics out of figures and events, on virtual time. */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  ConnectionQuality,
  ConnectionQualityInfo,
  ConnectionQualityUpdate,
  DisconnectReason,
  ParticipantInfo,
  ParticipantInfo_Kind,
  Room,
  SessionDescription,
  SubscriptionError,
  SubscriptionResponse,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import type { NodeId } from "../../../../lib/base/ids.ts";
import type { RelayStats } from "../../../../lib/engine/messages/node_messages.ts";
import type { EngineStats } from "../../../../lib/engine/messages/media_messages.ts";
import { Metrics, type MetricsSource } from "../../../../lib/server/metrics/metrics.ts";
import { metricsHandler } from "../../../../lib/server/metrics/metrics_handler.ts";
import { PrometheusText } from "../../../support/process/prometheus_text.ts";
import { NO_STATS } from "../../../support/virtual/fake_engine.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const UP = "UT_1" as UpTrackId;
const DOWN = "DT_1" as DownTrackId;

function figures(packets: number, drops: Record<string, number> = {}): EngineStats {
  const layer = { spatial: 0, ssrc: 1, bytes: packets * 100, nacksSent: 2, plisSent: 1 } as const;
  return {
    connections: 1,
    upTracks: [{ upTrack: UP, layers: [{ ...layer, packets, lost: 0, repaired: 7 }] }],
    downTracks: [{
      downTrack: DOWN,
      upTrack: UP,
      spatial: 0,
      packets: packets * 2,
      bytes: packets * 200,
      retransmitted: 3,
      nacksReceived: 4,
      plisReceived: 5,
      firsReceived: 6,
    }],
    sockets: 2,
    datagramsSent: packets * 10,
    messagesSent: 0,
    forwardLatencyUs: [],
    sendPaths: [],
    relays: [],
    drops,
  };
}

class MetricsWorld {
  readonly platform = new VirtualPlatform();
  readonly metrics = new Metrics(this.platform, "ND_test");
  stats: EngineStats = NO_STATS;
  looks = 0;

  start(source: Partial<MetricsSource> = {}): void {
    this.metrics.start({
      rooms: () => {
        this.looks++;
        return [];
      },
      stats: () => Promise.resolve(this.stats),
      ...source,
    });
  }

  async text(): Promise<PrometheusText> {
    return new PrometheusText(await this.metrics.text());
  }

  /** Lets a second pass, so that a scrape looks anew. */
  async fresh(stats: EngineStats): Promise<PrometheusText> {
    this.stats = stats;
    await this.platform.advanceAsync(1_000, 500);
    return await this.text();
  }
}

Deno.test("Metrics counts on when tracks end and new ones begin", async () => {
  const world = new MetricsWorld();
  world.start();
  await world.fresh(figures(10));
  await world.fresh(figures(25));
  await world.fresh(NO_STATS);
  const text = await world.fresh(figures(4));
  const incoming = { direction: "incoming" };
  const outgoing = { direction: "outgoing" };
  const resent = { ...outgoing, transmission: "retransmit" };
  assert.equal(text.value("livekit_packet_total", incoming), 29);
  assert.equal(text.value("livekit_packet_bytes", incoming), 2_900);
  assert.equal(text.value("livekit_packet_total", { ...outgoing, transmission: "initial" }), 58);
  assert.equal(text.value("livekit_packet_total", resent), 6);
  assert.equal(text.value("roomwire_packets_repaired_total"), 14);
  assert.equal(text.value("livekit_nack_total", incoming), 4);
  assert.equal(text.value("livekit_nack_total", outgoing), 8);
  assert.equal(text.value("livekit_pli_total", incoming), 2);
  assert.equal(text.value("livekit_pli_total", outgoing), 10);
  assert.equal(text.value("livekit_fir_total", outgoing), 12);
  assert.equal(text.value("livekit_fir_total", incoming), 0);
  world.metrics.stop();
});

Deno.test("Metrics never lets a drop counter go down", async () => {
  const world = new MetricsWorld();
  world.start();
  const drops = async (count: number) => {
    const text = await world.fresh(figures(0, { stun_bad_integrity: count }));
    return text.value("roomwire_drops_total", { reason: "stun_bad_integrity" });
  };
  assert.deepEqual([await drops(5), await drops(2), await drops(4)], [5, 5, 7]);
  world.metrics.stop();
});

Deno.test("Metrics looks at most once a second however often it is asked, and by itself else", async () => {
  const world = new MetricsWorld();
  world.start();
  await Promise.all(Array.from({ length: 100 }, () => world.text()));
  await world.text();
  assert.equal(world.looks, 1);
  await world.platform.advanceAsync(20_000, 1_000);
  assert.equal(world.looks, 5);
  world.metrics.stop();
  await settle();
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("Metrics gives the same answer again for as long as its writing is worth", async () => {
  const { metrics, platform } = new MetricsWorld();
  const delivered = async () =>
    /^livekit_webhook_dispatch_total.* (\d+)$/m.exec(await metrics.text());
  let spentUs = 0;
  platform.clock.nowUs = () => spentUs += 50_000;
  metrics.telemetry.webhook("delivered");
  const both = await Promise.all([delivered(), delivered()]);
  assert.deepEqual(both.map((found) => found?.[1]), ["1", "1"]);
  assert.equal(spentUs, 100_000, "written once for both");
  metrics.telemetry.webhook("delivered");
  assert.equal((await delivered())?.[1], "1");
  platform.advance(1_000);
  assert.equal((await delivered())?.[1], "2");
});

Deno.test("Metrics answers without a media plane that does not", async () => {
  const world = new MetricsWorld();
  world.start({ stats: () => new Promise(() => {}) });
  const text = world.text();
  await world.platform.advanceAsync(1_000);
  assert.equal((await text).value("livekit_room_total"), 0);
  world.metrics.stop();
});

Deno.test("Metrics observes losses, jitter and round trips of quality reports", async () => {
  const world = new MetricsWorld();
  const condition = { mime: "audio/opus", inbandFec: true, muted: false };
  const losses = { expected: 200, lost: 10, outOfOrder: 1, jitterMs: 4 };
  world.metrics.telemetry.qualityReport({
    type: "quality_report",
    connection: "CN_1" as never,
    intervalMs: 5_000,
    upTracks: [
      { ...condition, upTrack: UP, topLayer: 0, layers: [{ ...losses, spatial: 0 }], rttMs: 30 },
      { ...condition, upTrack: UP, topLayer: 0, layers: [{ ...losses, lost: 0, spatial: 0 }] },
    ],
    downTracks: [{
      ...condition,
      downTrack: DOWN,
      packetsSent: 200,
      reported: { ...losses, lost: 0, rttMs: 120 },
      missingLayers: 0,
      pausedPart: 0,
    }],
  });
  const text = await world.text();
  const incoming = { direction: "incoming", source: "UNKNOWN", type: "AUDIO", country: "" };
  const outgoing = { ...incoming, direction: "outgoing" };
  assert.equal(text.value("livekit_packet_loss_total", incoming), 10);
  assert.equal(text.value("livekit_packet_loss_total", outgoing), undefined);
  assert.equal(text.value("livekit_packet_loss_percent_sum", incoming), 5);
  assert.equal(text.value("livekit_packet_loss_percent_count", incoming), 2);
  assert.equal(text.value("livekit_packet_loss_percent_bucket", { ...outgoing, le: "0" }), 1);
  assert.equal(text.value("livekit_packet_out_of_order_percent_sum", incoming), 1);
  assert.equal(text.value("livekit_jitter_us_sum", incoming), 8_000);
  assert.equal(text.value("livekit_rtt_ms_sum", outgoing), 120);
  assert.equal(text.value("livekit_rtt_ms_sum", incoming), 30);
  assert.equal(text.value("livekit_rtt_ms_count", incoming), 1);
});

Deno.test("Metrics shows by what subscribers of video are limited, and what they may be sent", async () => {
  const world = new MetricsWorld();
  world.start();
  const path = { connection: "c" as ConnectionId, ackedBps: 0, loss: 0, rttMs: 40 };
  const paths = [
    { ...path, bps: 300_000, limitedBy: "delay", queueMs: 60 },
    { ...path, bps: 450_000, limitedBy: "delay", queueMs: 3 },
    { ...path, bps: 3_000_000, limitedBy: "none", queueMs: 0 },
  ] as const;
  const text = await world.fresh({ ...NO_STATS, sendPaths: paths });
  assert.equal(text.value("roomwire_send_paths", { limited_by: "delay" }), 2);
  assert.equal(text.value("roomwire_send_paths", { limited_by: "none" }), 1);
  assert.equal(text.value("roomwire_send_paths", { limited_by: "loss" }), 0);
  assert.equal(text.value("roomwire_send_estimate_bps_bucket", { le: "500000" }), 2);
  assert.equal(text.value("roomwire_send_queue_ms_bucket", { le: "5" }), 2);
  const after = await world.fresh(NO_STATS);
  assert.equal(after.value("roomwire_send_paths", { limited_by: "delay" }), 0, "they have left");
  world.metrics.stop();
});

Deno.test("Metrics shows sockets, datagrams, and how long packets take", async () => {
  const world = new MetricsWorld();
  world.start();
  const drops = { udp_send_failed: 2, udp_send_dropped_video: 1, stun_bad_integrity: 9 };
  const stats = { ...figures(10, drops), sockets: 3, forwardLatencyUs: [60, 200, 340] };
  await world.fresh(stats);
  const text = await world.fresh({ ...stats, sockets: 1, forwardLatencyUs: [] });
  assert.equal(text.value("livekit_connection_total", { kind: "incoming" }), 1);
  assert.equal(text.value("livekit_node_packet_total", { type: "out" }), 100);
  assert.equal(text.value("livekit_node_packet_total", { type: "dropped" }), 3);
  assert.equal(text.value("livekit_forward_latency"), 200_000);
  assert.equal(text.value("livekit_forward_jitter"), 140_000);
  assert.equal(text.value("livekit_forward_latency_ns_count"), 3);
  assert.equal(text.value("livekit_forward_latency_ns_bucket", { le: "100000" }), 1);
  assert.equal(text.value("livekit_forward_latency_ns_bucket", { le: "250000" }), 2);
  world.metrics.stop();
});

Deno.test("Metrics times joins, and what publishing and subscribing take", async () => {
  const world = new MetricsWorld();
  const { telemetry: told } = world.metrics;
  told.joinAnswered(16, 25);
  told.joinAnswered(-5, 30);
  const camera = { source: TrackSource.CAMERA, type: TrackType.VIDEO };
  const browser = {
    clientInfo: { sdk: ClientInfo_SDK.JS },
    kind: ParticipantInfo_Kind.STANDARD,
  };
  told.streamTime("publish", camera, browser, 150, 1);
  for (const count of [1, 10, 11, 5_000]) {
    told.streamTime("subscribe", camera, browser, 90, count);
  }
  told.publishCanceled(TrackType.AUDIO, 2);
  const text = await world.text();
  const join = "livekit_session_join_latency_ms_sum";
  assert.equal(text.value(join, { protocol_version: "16" }), 25);
  assert.equal(text.value(join, { protocol_version: "other" }), 30);
  const labels = { source: "CAMERA", type: "VIDEO", country: "", sdk: "JS", kind: "STANDARD" };
  const publish = { ...labels, direction: "publish", count: "1" };
  assert.equal(text.value("livekit_pubsubtime_ms_bucket", { ...publish, le: "100" }), 0);
  assert.equal(text.value("livekit_pubsubtime_ms_bucket", { ...publish, le: "200" }), 1);
  const subscribe = { ...labels, direction: "subscribe" };
  const often = { ...subscribe, count: "10" };
  assert.equal(text.value("livekit_pubsubtime_ms_count", often), 3, "10 and more are one series");
  const canceled = { kind: "AUDIO", state: "cancel" };
  assert.equal(text.value("livekit_track_publish_counter", canceled), 2);
});

Deno.test("Metrics times sessions from the join over the connection to the end", async () => {
  const world = new MetricsWorld();
  const { roomObserver: told } = world.metrics;
  const room = new Room({ sid: "RM_1" });
  const ann = new ParticipantInfo({ sid: "PA_1" });
  const bob = new ParticipantInfo({ sid: "PA_2" });
  const client = new ClientInfo({ protocol: 16 });
  told.roomStarted!(room);
  told.participantConnecting!(room, ann, client);
  told.participantConnecting!(room, bob, client);
  world.platform.advance(300);
  told.participantJoined!(room, ann);
  world.platform.advance(60_000);
  told.participantLeft!(room, ann);
  bob.disconnectReason = DisconnectReason.CLIENT_INITIATED;
  told.participantConnectionAborted!(room, bob);
  told.roomFinished!(room, 0);
  const text = await world.text();
  const protocol = { protocol_version: "16" };
  assert.equal(text.value("livekit_session_start_time_ms_sum", protocol), 300);
  assert.equal(text.value("livekit_session_start_time_ms_count", protocol), 1);
  assert.equal(text.value("livekit_session_duration_ms_sum", protocol), 60_000);
  assert.equal(text.value("livekit_room_duration_seconds_sum"), 60.3);
  assert.equal(text.value("livekit_participant_join_total", { state: "rtc_init" }), 2);
  assert.equal(text.value("livekit_participant_join_total", { state: "rtc_canceled" }), 1);
});

Deno.test("Metrics tells joins that were given up from those that failed", async () => {
  const world = new MetricsWorld();
  const { roomObserver: told } = world.metrics;
  const room = new Room({ sid: "RM_1" });
  const { CLIENT_INITIATED, SIGNAL_CLOSE, JOIN_FAILURE } = DisconnectReason;
  const ends = [[CLIENT_INITIATED, 9_000], [SIGNAL_CLOSE, 2_999], [SIGNAL_CLOSE, 3_000], [
    JOIN_FAILURE,
    60_000,
  ]] as const;
  for (const [disconnectReason, afterMs] of ends) {
    const ann = new ParticipantInfo({ sid: `PA_${afterMs}`, disconnectReason });
    told.participantConnecting!(room, ann, new ClientInfo());
    world.platform.advance(afterMs);
    told.participantConnectionAborted!(room, ann);
  }
  const text = await world.text();
  assert.equal(text.value("livekit_participant_join_total", { state: "rtc_canceled" }), 2);
  assert.equal(text.value("livekit_participant_join_total", { state: "rtc_failure" }), 2);
});

Deno.test("Metrics keeps one series for all protocols that do not exist", async () => {
  const world = new MetricsWorld();
  const { roomObserver: told } = world.metrics;
  const room = new Room({ sid: "RM_1" });
  for (const protocol of [-1, 100, 2_000_000_000]) {
    const participant = new ParticipantInfo({ sid: `PA_${protocol}` });
    told.participantConnecting!(room, participant, new ClientInfo({ protocol }));
    told.participantJoined!(room, participant);
    told.participantLeft!(room, participant);
  }
  const text = await world.text();
  const other = { protocol_version: "other" };
  assert.equal(text.value("livekit_session_start_time_ms_count", other), 3);
  assert.equal(text.value("livekit_session_duration_ms_count", other), 3);
});

Deno.test("Metrics counts each participant's quality once, though everybody is told of it", async () => {
  const world = new MetricsWorld();
  const updates = ["PA_1", "PA_2"].map((participantSid) =>
    new ConnectionQualityInfo({ participantSid, quality: ConnectionQuality.GOOD, score: 3.5 })
  );
  const value = new ConnectionQualityUpdate({ updates });
  for (const recipient of ["PA_1", "PA_2", "PA_3"]) {
    world.metrics.telemetry.signalResponse({ case: "connectionQuality", value }, recipient);
  }
  const text = await world.text();
  assert.equal(text.value("livekit_quality_rating_count"), 2);
  assert.equal(text.value("livekit_quality_score_sum"), 7);
  const sent = { type: "signal", direction: "response", status: "success" };
  assert.equal(text.value("livekit_node_messages", sent), 3);
});

Deno.test("Metrics counts subscriptions and connections by how far they came, a failure once", async () => {
  const world = new MetricsWorld();
  const { telemetry: told } = world.metrics;
  for (let i = 0; i < 3; i++) told.subscription("attempt");
  told.subscription("success");
  told.subscription("cancel");
  told.subscription("failure");
  const value = new SubscriptionResponse({ err: SubscriptionError.SE_CODEC_UNSUPPORTED });
  told.signalResponse({ case: "subscriptionResponse", value }, "PA_1");
  told.connection("publisher", "started");
  told.connection("subscriber", "started");
  told.connection("subscriber", "connected");
  const text = await world.text();
  const subscriptions = (state: string) =>
    text.value("livekit_track_subscribe_counter", { state }) ?? 0;
  const states = ["attempt", "success", "cancel", "failure"];
  assert.deepEqual(states.map(subscriptions), [3, 1, 1, 1]);
  const connections = "livekit_peer_connection_state";
  assert.equal(text.value(connections, { transport: "PUBLISHER", state: "started" }), 1);
  assert.equal(text.value(connections, { transport: "SUBSCRIBER" }), 2);
  assert.equal(text.value(connections, { transport: "PUBLISHER", state: "connected" }), undefined);
});

Deno.test("Metrics counts descriptions sent and refused, and connections, as operations", async () => {
  const world = new MetricsWorld();
  const { telemetry: told } = world.metrics;
  const value = new SessionDescription();
  told.signalResponse({ case: "offer", value }, "PA_1");
  told.signalResponse({ case: "offer", value }, "PA_2");
  told.signalResponse({ case: "answer", value }, "PA_1");
  told.descriptionRefused("offer");
  told.connection("publisher", "started");
  told.connection("publisher", "connected");
  const text = await world.text();
  const operations = (type: string, status: string, error_type = "") =>
    text.value("livekit_node_service_operation", { type, status, error_type });
  assert.equal(operations("offer", "success"), 2);
  assert.equal(operations("answer", "success"), 1);
  assert.equal(operations("offer", "error", "remote_description"), 1);
  assert.equal(operations("peer_connection", "success"), 1);
});

Deno.test("Metrics knows how many descriptors are open, and may be", async () => {
  const world = new MetricsWorld();
  world.start();
  const before = (await world.fresh(NO_STATS)).value("process_open_fds")!;
  const files = Array.from({ length: 5 }, () => Deno.openSync(new URL(import.meta.url)));
  const text = await world.fresh(NO_STATS);
  for (const file of files) file.close();
  assert.ok(before >= 3, "standard input, output and error");
  assert.equal(text.value("process_open_fds"), before + 5);
  assert.ok(text.value("process_max_fds")! > before);
  world.metrics.stop();
});

Deno.test("Metrics knows data streams by five families of types and no more", async () => {
  const world = new MetricsWorld();
  const tell = (mimeType: string, destinations: number, totalLength?: number) => {
    const length = totalLength === undefined ? {} : { totalLength };
    world.metrics.telemetry.dataStream({ type: "bytes", mimeType, destinations, ...length });
  };
  tell("Image/PNG", 2, 1_000);
  tell("image", 3);
  for (const odd of ["", "/", 'x-evil/"\n', "images/png"]) tell(odd, 0, 1);
  const text = await world.text();
  const images = { type: "bytes", mime_type: "image" };
  const unknown = { type: "bytes", mime_type: "unknown" };
  assert.equal(text.value("livekit_datapacket_stream_dest_count_sum", images), 5);
  assert.equal(text.value("livekit_datapacket_stream_bytes_count", images), 1);
  assert.equal(text.value("livekit_datapacket_stream_bytes_sum", images), 1_000);
  assert.equal(text.value("livekit_datapacket_stream_dest_count_count", unknown), 4);
});

Deno.test("Metrics names families of server API statuses, and times the calls", async () => {
  const world = new MetricsWorld();
  for (const [status, code] of [[200, ""], [404, "not_found"], [401, "unauthenticated"]] as const) {
    world.metrics.telemetry.apiCall("livekit.RoomService", "DeleteRoom", status, code, 7);
  }
  const text = await world.text();
  const call = { service: "RoomService", method: "DeleteRoom" };
  const name = "livekit_node_twirp_request_status";
  assert.equal(text.value(name, { ...call, status: "200", code: "" }), 1);
  assert.equal(text.value(name, { ...call, status: "4xx", code: "not_found" }), 1);
  assert.equal(
    text.value("livekit_node_twirp_request_latency_ms_sum", { ...call, status: "4xx" }),
    14,
  );
});

Deno.test("Metrics counts what becomes of webhooks, and refused joins by whose fault it is", async () => {
  const world = new MetricsWorld();
  const { telemetry: told } = world.metrics;
  for (
    const outcome of ["delivered", "failed", "age", "age", "queue is full", "shutdown"] as const
  ) {
    told.webhook(outcome);
  }
  told.webhookQueue(3);
  for (const status of [401, 404, 503]) told.joinRefused(status);
  const text = await world.text();
  const webhooks = (status: string, reason = "") =>
    text.value("livekit_webhook_dispatch_total", { status, reason });
  assert.deepEqual([webhooks("success"), webhooks("failure")], [1, 1]);
  assert.deepEqual(
    ["age", "queue is full", "shutdown"].map((reason) => webhooks("drop", reason)),
    [2, 1, 1],
  );
  assert.equal(text.value("livekit_webhook_queue_length_sum"), 3);
  const joins = (state: string) => text.value("livekit_participant_join_total", { state });
  assert.deepEqual([joins("signal_validation_failed"), joins("signal_failed")], [2, 1]);
});

Deno.test("Metrics that cannot take a figure harm nobody, and say so once", async () => {
  const errors: unknown[] = [];
  const log = { ...silentLog, error: (...told: readonly unknown[]) => errors.push(told[1]) };
  const { telemetry } = new Metrics(new VirtualPlatform(7, log), "ND_test");
  for (let i = 0; i < 3; i++) telemetry.webhookQueue("many" as never);
  assert.equal(errors.length, 1);
  assert.equal((errors[0] as { readonly figure: string }).figure, "webhookQueue");
  await settle();
});

Deno.test("metricsHandler() needs no password where none is set", async () => {
  const handler = metricsHandler(new MetricsWorld().metrics, undefined);
  const response = await handler(new Request("http://node.test/whatever"));
  assert.equal(response.status, 200);
  assert.ok(new PrometheusText(await response.text()).samples.length > 0);
});

Deno.test("metricsHandler() takes the whole password and nothing like it", async () => {
  const credentials = { username: "prometheus", password: "päss:word" };
  const handler = metricsHandler(new MetricsWorld().metrics, credentials);
  const basic = (password: string) =>
    btoa(String.fromCharCode(...new TextEncoder().encode(`prometheus:${password}`)));
  const statusFor = async (authorization: string | undefined) => {
    const headers = authorization === undefined ? {} : { "Authorization": authorization };
    return (await handler(new Request("http://node.test/", { headers }))).status;
  };
  const right = basic("päss:word");
  for (const taken of [`Basic ${right}`, `basic  ${right}`]) {
    assert.equal(await statusFor(taken), 200, taken);
  }
  const near = [basic("päss:worD"), basic("päss:wor"), basic("päss:words"), right.slice(1), ""];
  for (const refused of [undefined, right, `Bearer ${right}`, ...near.map((it) => `Basic ${it}`)]) {
    assert.equal(await statusFor(refused), 401, refused);
  }
});

Deno.test("Metrics tells how much of recordings no bucket has taken yet", async () => {
  const world = new MetricsWorld();
  let waiting = 4_096;
  world.start({ waitingBytes: () => waiting });
  let text = await world.fresh(NO_STATS);
  assert.equal(text.value("roomwire_recording_waiting_bytes", {}), 4_096);
  waiting = 0;
  text = await world.fresh(NO_STATS);
  assert.equal(text.value("roomwire_recording_waiting_bytes", {}), 0);
});

Deno.test("Metrics tells of links and relays by node, sums relays that begin anew, and forgets nodes that are gone", async () => {
  const world = new MetricsWorld();
  const peer = "ND_b" as NodeId;
  let links = [{ peer, isUp: true, rttMs: 12, queuedBytes: 7 }];
  world.start({ links: () => links, carried: () => 3 });
  const relay = (theirEngine: number, out: number): RelayStats => ({
    node: peer,
    ownEngine: 0,
    theirEngine,
    connected: true,
    blocked: theirEngine === 1,
    rttMs: 10 * theirEngine,
    bps: 2e9 - 1e9 * theirEngine,
    loss: 0.25,
    queueMs: 3,
    datagramsOut: out,
    bytesOut: 100 * out,
    datagramsIn: 1,
    bytesIn: 50,
    repairsOut: 4,
    repaired: 5,
    lost: 6,
    shed: 1,
    memory: 1_000,
  });
  await world.fresh({ ...NO_STATS, relays: [relay(0, 10), relay(1, 20)] });
  await world.fresh({ ...NO_STATS, relays: [relay(0, 15), relay(1, 20)] });
  let text = await world.fresh({ ...NO_STATS, relays: [relay(0, 2)] });
  const out = { peer, direction: "outgoing" };
  assert.equal(text.value("roomwire_relay_datagrams_total", out), 10 + 20 + 5 + 2);
  assert.equal(text.value("roomwire_relay_bytes_total", out), 3_700);
  assert.equal(text.value("roomwire_relay_repairs_total", { peer, outcome: "lost" }), 18);
  assert.equal(text.value("roomwire_relay_hops", { peer, state: "udp" }), 1);
  assert.equal(text.value("roomwire_relay_hops", { peer, state: "blocked" }), 0);
  assert.equal(text.value("roomwire_relay_loss_ratio", { peer }), 0.25);
  assert.equal(text.value("roomwire_relay_capacity_bps", { peer }), 2e9);
  assert.equal(text.value("roomwire_relay_memory_bytes", {}), 1_000);
  assert.equal(text.value("roomwire_carried_clients", {}), 3);
  assert.equal(text.value("roomwire_node_link_up", { peer }), 1);
  assert.equal(text.value("roomwire_node_link_rtt_ms", { peer }), 12);
  assert.equal(text.value("roomwire_node_link_queued_bytes", { peer }), 7);
  text = await world.fresh(NO_STATS);
  assert.equal(text.value("roomwire_relay_hops", { peer, state: "udp" }), 0, "its link is there");
  links = [];
  await world.fresh(NO_STATS);
  assert.doesNotMatch(await world.metrics.text(), /ND_b/);
  world.metrics.stop();
});
