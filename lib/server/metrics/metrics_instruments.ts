/**
 * Every metric this server exposes: name, type, labels and buckets. Names beginning with `livekit_`
 * mean what they mean on a LiveKit server (1.13.5, `pkg/telemetry/prometheus`), so that its
 * dashboards work; ours begin with `roomwire_`.
 *
 * @module
 */
import { Counter, Gauge, Histogram, Registry } from "@platformatic/prom-client";

/** Known only to deployments that resolve addresses to countries; the label must be there. */
export const COUNTRY = "";
/** Labels of a stream. */
const STREAM = ["direction", "source", "type", "country"] as const;
const PERCENT = [0, 0.1, 0.3, 0.5, 0.7, 1, 5, 10, 40, 100];

/**
 * Protocols from here on do not exist; each value is a series, and clients write what they like.
 */
const FIRST_UNLIKELY_PROTOCOL = 100;

/** The value of a `protocol_version` label. */
export function protocolLabel(protocol: number): string {
  return protocol >= 0 && protocol < FIRST_UNLIKELY_PROTOCOL ? String(protocol) : "other";
}

/**
 * `count` upper bounds from `first` to `last`, each the same factor above the one before.
 */
function exponential(first: number, last: number, count: number): number[] {
  const factor = (last / first) ** (1 / (count - 1));
  return Array.from({ length: count }, (_, index) => first * factor ** index);
}

/** All metrics, and the registry that prints them. */
export type Instruments = ReturnType<typeof createInstruments>;

/** Makes the metrics of one node; `labels` are on every line. */
export function createInstruments(
  labels: { readonly node_id: string; readonly node_type: string },
) {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[],
  ) => new Histogram({ name, help, labelNames, buckets, registers });
  return {
    registry,
    ...nodeMetrics(counter, gauge, histogram),
    ...packetMetrics(counter, histogram),
    ...pathMetrics(gauge, histogram),
    ...forwardMetrics(gauge, histogram),
    ...linkMetrics(gauge),
    ...recordingMetrics(gauge),
    ...relayMetrics(counter, gauge),
    ...roomMetrics(counter, gauge, histogram),
    ...sessionMetrics(counter, histogram),
    webhooks: counter("livekit_webhook_dispatch_total", "Webhooks by what became of them.", [
      "status",
      "reason",
    ]),
    webhookQueueLength: histogram(
      "livekit_webhook_queue_length",
      "Webhooks that waited behind one that was sent.",
      [],
      [1, 2, 3, 4, 5, 10, 20, 40, 80],
    ),
    drops: counter("roomwire_drops_total", "Input that was not used, by reason.", ["reason"]),
  };
}

type MakeCounter = <L extends string>(
  name: string,
  help: string,
  labelNames: readonly L[],
) => Counter<L>;
type MakeGauge = <L extends string>(
  name: string,
  help: string,
  labelNames: readonly L[],
) => Gauge<L>;
type MakeHistogram = <L extends string>(
  name: string,
  help: string,
  labelNames: readonly L[],
  buckets: number[],
) => Histogram<L>;

function nodeMetrics(counter: MakeCounter, gauge: MakeGauge, histogram: MakeHistogram) {
  return {
    messages: counter("livekit_node_messages", "Signalling messages.", [
      "type",
      "status",
      "direction",
    ]),
    operations: counter("livekit_node_service_operation", "Operations by outcome.", [
      "type",
      "status",
      "error_type",
    ]),
    twirpStatus: counter("livekit_node_twirp_request_status", "Server API calls.", [
      "service",
      "method",
      "status",
      "code",
    ]),
    twirpLatency: histogram(
      "livekit_node_twirp_request_latency_ms",
      "Time to answer a server API call.",
      ["service", "method", "status"],
      [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000],
    ),
    nodePackets: gauge(
      "livekit_node_packet_total",
      "UDP datagrams of this server: given to the system, and dropped because it took no more.",
      ["type"],
    ),
    sockets: gauge("livekit_connection_total", "Media sockets that are open.", ["kind"]),
    residentMemory: gauge("process_resident_memory_bytes", "Resident memory.", []),
    heapUsed: gauge("roomwire_heap_used_bytes", "JavaScript heap in use.", []),
    cpuSeconds: counter("process_cpu_seconds_total", "User and system CPU time.", []),
    cores: gauge("roomwire_cores", "Cores that this process can use.", []),
    openDescriptors: gauge("process_open_fds", "Descriptors that are open.", []),
    maxDescriptors: gauge("process_max_fds", "Descriptors that may be open.", []),
    startTime: gauge("process_start_time_seconds", "Unix time at which the server began.", []),
  };
}

function packetMetrics(counter: MakeCounter, histogram: MakeHistogram) {
  const perPacket = ["direction", "transmission", "country"] as const;
  const perFeedback = ["direction", "country"] as const;
  return {
    packets: counter("livekit_packet_total", "RTP packets.", perPacket),
    bytes: counter("livekit_packet_bytes", "RTP bytes without SRTP overhead.", perPacket),
    nacks: counter("livekit_nack_total", "Packets asked for again.", perFeedback),
    repaired: counter("roomwire_packets_repaired_total", "Packets made of repair packets.", []),
    plis: counter("livekit_pli_total", "Key frames asked for.", perFeedback),
    firs: counter("livekit_fir_total", "Key frames demanded (RFC 5104).", perFeedback),
    lost: counter("livekit_packet_loss_total", "Lost RTP packets.", STREAM),
    lossPercent: histogram("livekit_packet_loss_percent", "Loss per interval.", STREAM, PERCENT),
    outOfOrder: counter("livekit_packet_out_of_order_total", "Late RTP packets.", STREAM),
    outOfOrderPercent: histogram(
      "livekit_packet_out_of_order_percent",
      "Late packets per interval.",
      STREAM,
      PERCENT,
    ),
    jitterUs: histogram(
      "livekit_jitter_us",
      "Interarrival jitter (RFC 3550).",
      STREAM,
      [1000, 10_000, 30_000, 50_000, 70_000, 100_000, 300_000, 600_000, 1_000_000],
    ),
    rttMs: histogram(
      "livekit_rtt_ms",
      "Round trips to publishers and subscribers.",
      STREAM,
      [50, 100, 150, 200, 250, 500, 750, 1000, 5000, 10_000],
    ),
  };
}

/** Of the paths to subscribers of video. */
function pathMetrics(gauge: MakeGauge, histogram: MakeHistogram) {
  return {
    sendPaths: gauge("roomwire_send_paths", "Subscribers of video, by what limits them.", [
      "limited_by",
    ]),
    sendEstimate: histogram(
      "roomwire_send_estimate_bps",
      "What may be sent to each subscriber of video, at each look.",
      [],
      [0.1, 0.25, 0.5, 1, 2, 4, 8, 16].map((mbps) => mbps * 1_000_000),
    ),
    sendQueueMs: histogram(
      "roomwire_send_queue_ms",
      "How long packets wait on the way to each of them, at each look.",
      [],
      [5, 10, 25, 50, 100, 200, 400],
    ),
  };
}

/** Latencies in nanoseconds, as on a LiveKit server. */
function forwardMetrics(gauge: MakeGauge, histogram: MakeHistogram) {
  return {
    forwardLatency: gauge("livekit_forward_latency", "Mean of the last samples, ns.", []),
    forwardJitter: gauge("livekit_forward_jitter", "Their standard deviation, ns.", []),
    forwardLatencyNs: histogram(
      "livekit_forward_latency_ns",
      "From a packet's arrival to its last copy's departure; one packet in many.",
      [],
      [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20].map((ms) => ms * 1_000_000),
    ),
  };
}

/** Of the links to other nodes. */
function linkMetrics(gauge: MakeGauge) {
  const perPeer = ["peer"] as const;
  return {
    linkUp: gauge("roomwire_node_link_up", "Whether the link to a node is up.", perPeer),
    linkRtt: gauge("roomwire_node_link_rtt_ms", "Round trip to a node over its link.", perPeer),
    linkQueued: gauge("roomwire_node_link_queued_bytes", "What waits for a link.", perPeer),
    carried: gauge("roomwire_carried_clients", "Clients here whose sessions are elsewhere.", []),
  };
}

/** Of recordings. */
function recordingMetrics(gauge: MakeGauge) {
  return {
    waitingBytes: gauge(
      "roomwire_recording_waiting_bytes",
      "What of recordings waits on the disk for a bucket.",
      [],
    ),
  };
}

/** Of media between nodes. */
function relayMetrics(counter: MakeCounter, gauge: MakeGauge) {
  const perPeer = ["peer"] as const;
  return {
    relays: gauge("roomwire_relay_hops", "Pairs of engines that relay to each other.", [
      "peer",
      "state",
    ]),
    relayDatagrams: counter("roomwire_relay_datagrams_total", "Datagrams between nodes.", [
      "peer",
      "direction",
    ]),
    relayBytes: counter("roomwire_relay_bytes_total", "Their bytes, UDP and IP left out.", [
      "peer",
      "direction",
    ]),
    relayRepairs: counter("roomwire_relay_repairs_total", "Relayed packets that were lost.", [
      "peer",
      "outcome",
    ]),
    relayShed: counter("roomwire_relay_shed_total", "Layers that a bad way took away.", perPeer),
    relayRtt: gauge("roomwire_relay_rtt_ms", "Round trip of media, the longest.", perPeer),
    relayLoss: gauge("roomwire_relay_loss_ratio", "Loss on the way, the worst.", perPeer),
    relayQueue: gauge("roomwire_relay_queue_ms", "Queues on the way, the longest.", perPeer),
    relayCapacity: gauge("roomwire_relay_capacity_bps", "What it is taken to carry, the least.", [
      "peer",
    ]),
    relayMemory: gauge("roomwire_relay_memory_bytes", "Memory of all relays.", []),
  };
}

function roomMetrics(counter: MakeCounter, gauge: MakeGauge, histogram: MakeHistogram) {
  return {
    rooms: gauge("livekit_room_total", "Rooms that are open.", []),
    roomDuration: histogram(
      "livekit_room_duration_seconds",
      "How long rooms were open.",
      [],
      [5, 10, 60, 300, 600, 1800, 3600, 7200, 18_000, 36_000],
    ),
    participants: gauge("livekit_participant_total", "Participants in rooms.", []),
    published: gauge("livekit_track_published_total", "Tracks that are published.", ["kind"]),
    subscribed: gauge("livekit_track_subscribed_total", "Tracks that are received.", ["kind"]),
    publishAttempts: counter("livekit_track_publish_counter", "Publications by state.", [
      "kind",
      "state",
    ]),
    subscribeAttempts: counter("livekit_track_subscribe_counter", "Subscriptions by state.", [
      "state",
      "error",
    ]),
  };
}

function sessionMetrics(counter: MakeCounter, histogram: MakeHistogram) {
  return {
    joins: counter("livekit_participant_join_total", "How far joins came.", ["state", "warp"]),
    connections: counter(
      "livekit_peer_connection_state",
      "Peer connections by how far they came.",
      [
        "transport",
        "state",
      ],
    ),
    streamDestinations: histogram(
      "livekit_datapacket_stream_dest_count",
      "Destinations named by data streams; 0 is everybody.",
      ["type", "mime_type"],
      [1, 2, 3, 4, 5, 10, 15, 25, 50],
    ),
    streamBytes: histogram(
      "livekit_datapacket_stream_bytes",
      "Sizes that data streams announce.",
      ["type", "mime_type"],
      Array.from({ length: 10 }, (_, power) => 128 * 4 ** power),
    ),
    joinLatencyMs: histogram(
      "livekit_session_join_latency_ms",
      "From the request to the join response.",
      ["protocol_version"],
      exponential(10, 10_000, 15),
    ),
    pubSubMs: histogram(
      "livekit_pubsubtime_ms",
      "How long publishing and subscribing take.",
      [...STREAM, "sdk", "kind", "count"],
      [100, 200, 500, 700, 1000, 5000, 10_000],
    ),
    sessionStartMs: histogram(
      "livekit_session_start_time_ms",
      "From the join to the first connection.",
      ["protocol_version", "warp"],
      exponential(100, 10_000, 15),
    ),
    sessionDurationMs: histogram(
      "livekit_session_duration_ms",
      "How long participants were connected.",
      ["protocol_version"],
      exponential(100, 4 * 60 * 60 * 1000, 15),
    ),
    qualityRating: histogram("livekit_quality_rating", "0 poor, 1 good, 2 excellent.", [], [
      0,
      1,
      2,
    ]),
    qualityScore: histogram(
      "livekit_quality_score",
      "Mean opinion score.",
      [],
      [1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5],
    ),
  };
}
