/**
 * What to do instead of setting a key that has no effect. Words for people; which keys these are is
 * found out elsewhere (`config_effects.ts`).
 *
 * @module
 */

const ONE_NODE = "remove it, there is one node";
const REDIS_TIME = "remove it, what Redis does not answer within 0.7 s has failed";
const ONE_CONNECTION = "remove it, one connection to each Redis carries everything at once";
const ONE_PORT = "set rtc.udp_port and open that: media uses one UDP port for each worker";
const OWN_ESTIMATE = "remove it, bandwidth is estimated in another way, which needs no settings";
const BY_ARRIVALS = "remove it, who says when packets came is estimated by that, others by REMB";
const OWN_PROBES =
  "remove it, when and how long is probed is fixed (how high: probe_min_bps, probe_overage_pct)";
const NO_RELAYS = "remove it, TURN clients are relayed without ports of their own";
const FIXED = "remove it, the value is fixed";

/** By key or group; the longest that fits is given. */
export const ADVICE: Readonly<Record<string, string>> = {
  "debug_handler": "remove it, there is no debug listener; see prometheus.port",
  "logging": "remove it, every line is written; choose by logging.level",
  "logging.component_levels": "set logging.level, which is for all components",
  "logging.pion_level": "set logging.level",
  "redis": ONE_NODE,
  "redis.read_timeout": REDIS_TIME,
  "redis.write_timeout": REDIS_TIME,
  "redis.pool_timeout": ONE_CONNECTION,
  "redis.pool_size": ONE_CONNECTION,
  "rtc.use_stun_port_as_ice": ONE_PORT,
  "rtc.use_ice_lite": "remove it, ICE is always lite",
  "rtc.use_mdns": "remove it, candidates show addresses",
  "rtc.batch_io": "remove it, native sockets always send in batches",
  "rtc.enable_warp": "remove it, handshakes are the usual ones",
  "rtc.packet_buffer_size": FIXED,
  "rtc.packet_buffer_size_video": FIXED,
  "rtc.packet_buffer_size_audio": FIXED,
  "rtc.strict_acks": "remove it, LiveKit's server ignores it, too",
  "rtc.forward_stats": "set prometheus.port: latency is always among the metrics",
  "rtc.allow_udp_unstable_fallback": "set rtc.allow_tcp_fallback, for connections that fail",
  "rtc.data_channel_max_buffered_amount": "set rtc.datachannel_slow_threshold",
  "rtc.congestion_control": OWN_ESTIMATE,
  "rtc.congestion_control.stream_allocator.disable_etimation_unmanaged_tracks":
    "remove it, or set rtc.congestion_control.enabled to false, which ends estimates for everybody",
  "rtc.congestion_control.stream_allocator.probe_mode":
    "remove it, probes are packets sent again, and padding for who takes no RTX",
  "rtc.congestion_control.stream_allocator.paused_min_wait":
    "remove it, a path on which all is paused is asked each 1–4 s, with sound on it",
  "rtc.congestion_control.remote_bwe":
    "remove it, REMB is followed for who does not say when packets came, by fixed rules",
  "rtc.congestion_control.remote_bwe.probe_controller": OWN_PROBES,
  "rtc.congestion_control.use_send_side_bwe_interceptor": BY_ARRIVALS,
  "rtc.congestion_control.use_send_side_bwe": BY_ARRIVALS,
  "rtc.congestion_control.send_side_bwe_pacer":
    "remove it, bursts are spread where the path is full, and nowhere else",
  "rtc.congestion_control.send_side_bwe.congestion_detector.probe_regulator": OWN_PROBES,
  "video.stream_tracker_manager": FIXED,
  "turn.relay_range_start": NO_RELAYS,
  "turn.relay_range_end": NO_RELAYS,
  "webhook.url_notifier": "set webhook.resource_url_notifier",
  "node_selector": "remove it, a participant is served where it arrives",
  "signal_relay": ONE_NODE,
  "psrpc": ONE_NODE,
  "node_stats": ONE_NODE,
  "api": ONE_NODE,
  "room.create_room_timeout": ONE_NODE,
  "room.create_room_attempts": ONE_NODE,
  "limit.bytes_per_sec": "set limit.num_tracks",
  "trace": "remove it, there are no traces; set prometheus.port for metrics",
};

const OTHERWISE = "remove it, it changes nothing";

/** Finishes the sentence "has no effect: …". */
export function adviceFor(path: string): string {
  for (let name = path;;) {
    const advice = ADVICE[name];
    if (advice !== undefined) return advice;
    const dot = name.lastIndexOf(".");
    if (dot < 0) return OTHERWISE;
    name = name.slice(0, dot);
  }
}
