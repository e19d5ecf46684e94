/**
 * Keys below `rtc` and `turn`, with LiveKit's names and defaults (1.13.5, `pkg/config/config.go`).
 *
 * @module
 */
import { z } from "zod";
import { parseIpAddress } from "../../wire/ip_address.ts";
import { parseIpNetwork } from "../../wire/ip_network.ts";
import { congestionControl } from "./config_schema_congestion.ts";
import {
  count,
  duration,
  flag,
  integer,
  optionalFlag,
  port,
  portRange,
  section,
  sectionList,
  text,
  textList,
} from "./config_values.ts";

function nameFilter() {
  return section({ includes: textList(), excludes: textList() });
}

const NETWORK = "a range of addresses such as 10.0.0.0/8 or 2001:db8::/32";
const network = () =>
  z.string({ error: NETWORK })
    .refine((value) => parseIpNetwork(value) !== undefined, { error: NETWORK });

/** Ranges of addresses. */
export function networkList() {
  return z.array(network(), { error: "a list of address ranges" }).default([]);
}

function networkFilter() {
  return section({ includes: networkList(), excludes: networkList() });
}

const NODE_IP = 'an IPv4 address, an IPv6 address, or both as "v4,v6"';

const DSCP = "a whole number, 0 to 63";

/**
 * At most one IPv4 and one IPv6 address, as text or as a group with the keys `v4` and `v6`; empty
 * means "find out".
 */
const nodeIp = () =>
  z.union([
    z.string(),
    z.strictObject({ v4: z.string().default(""), v6: z.string().default("") }),
  ], { error: NODE_IP }).transform((value, context): readonly string[] => {
    const parts = typeof value === "string" ? value.split(",") : [value.v4, value.v6];
    const addresses = parts.map((part) => part.trim()).filter((part) => part !== "");
    const v6 = addresses.filter((address) => address.includes(":"));
    const oneEach = v6.length <= 1 && addresses.length - v6.length <= 1;
    if (!oneEach || !addresses.every(isReachable)) {
      context.addIssue({ code: "custom", message: NODE_IP });
      return z.NEVER;
    }
    return addresses;
  }).prefault("").describe("text, or { v4, v6 }");

/** A literal address that somebody else could send to: not the unspecified one, not a group. */
function isReachable(address: string): boolean {
  const bytes = parseIpAddress(address);
  if (bytes === undefined || bytes.every((byte) => byte === 0)) return false;
  return bytes.length === 4 ? bytes[0]! < 224 : bytes[0] !== 0xff;
}

const turnServers = () =>
  sectionList({
    host: text(),
    port: port(0),
    protocol: z.enum(["tls", "tcp", "udp"], { error: "one of tls, tcp, udp" }).default("udp"),
    username: text(),
    credential: text(),
    secret: text(),
    secret_file: text(),
    ttl: integer(0),
  }).superRefine((servers, context) => {
    servers.forEach((server, index) => {
      const usable = server.secret.trim() !== "" || server.secret_file !== "" ||
        (server.username !== "" && server.credential !== "");
      if (!usable) {
        context.addIssue({
          code: "custom",
          path: [index],
          message: "a secret, a secret_file, or both username and credential",
        });
      }
    });
  }).default([]);

/** `rtc`. */
export const rtc = () =>
  section({
    // network
    udp_port: portRange(),
    port_range_start: port(0),
    port_range_end: port(0),
    tcp_port: port(7881),
    use_external_ip: flag(false),
    external_ip_only: flag(false),
    advertise_internal_ip: flag(false),
    skip_external_ip_validation: flag(false),
    node_ip: nodeIp(),
    stun_servers: textList(),
    use_stun_port_as_ice: flag(false),
    use_ice_lite: flag(false),
    interfaces: nameFilter(),
    ips: networkFilter(),
    enable_loopback_candidate: flag(false),
    use_mdns: flag(false),
    batch_io: section({ batch_size: count(0), max_flush_interval: duration("0") }),
    sctp_min_cwnd: count(0),
    sctp_fast_rtx_wnd: count(0),
    sctp_cwnd_ca_step: count(0),
    force_tcp: flag(false),
    enable_warp: flag(false),
    turn_servers: turnServers(),
    // media
    dscp: z.int({ error: DSCP }).min(0, { error: DSCP }).max(63, { error: DSCP }).default(0),
    ecn: flag(false),
    packet_buffer_size: count(500),
    packet_buffer_size_video: count(500),
    packet_buffer_size_audio: count(200),
    pli_throttle: section({
      low_quality: duration("500ms"),
      mid_quality: duration("1s"),
      high_quality: duration("1s"),
    }),
    strict_acks: flag(false),
    enable_rtp_stream_restart_detection: flag(false),
    forward_stats: section({
      summary_interval: duration("0"),
      report_interval: duration("0"),
      report_window: duration("0"),
    }),
    // fallback and reconnect policy
    allow_tcp_fallback: optionalFlag(),
    tcp_fallback_rtt_threshold: count(0),
    allow_udp_unstable_fallback: flag(false),
    reconnect_on_publication_error: optionalFlag(),
    reconnect_on_subscription_error: optionalFlag(),
    reconnect_on_data_channel_error: optionalFlag(),
    // data channels
    data_channel_max_buffered_amount: count(0),
    datachannel_slow_threshold: count(0),
    datachannel_lossy_target_latency: duration("0"),
    datachannel_data_track_target_latency: duration("100ms"),
    congestion_control: congestionControl(),
  });

/** `turn`, the embedded TURN server. */
export const turn = () =>
  section({
    enabled: flag(false),
    domain: text(),
    tls_port: port(0),
    udp_port: port(0),
    external_tls: flag(false),
    cert_file: text(),
    key_file: text(),
    bind_addresses: textList(["0.0.0.0"]),
    relay_range_start: port(0),
    relay_range_end: port(0),
    per_user_relay_allocation_limit: integer(12),
    ttl_seconds: integer(300),
    allow_restricted_peer_cidrs: textList(),
    deny_peer_cidrs: textList(),
  });
