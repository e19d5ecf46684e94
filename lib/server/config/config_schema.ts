/**
 * The whole configuration: every key of LiveKit's YAML file (1.13.5, `pkg/config/config.go`) with
 * its type and default, and the {@linkcode Config} type that follows from it. All durations are in
 * milliseconds after parsing. Sizes and lengths are bytes and 0 means "no limit".
 *
 * Which keys have an effect is found out by `config_effects.ts`.
 *
 * @module
 */
import { RoomConfiguration } from "@livekit/protocol";
import { z } from "zod";
import { DEFAULT_ENABLED_MIMES } from "../../negotiation/codec_catalog.ts";
import { proxies, tls } from "./config_schema_http.ts";
import { rtc, turn } from "./config_schema_rtc.ts";
import {
  byte,
  choice,
  count,
  decimal,
  duration,
  durationList,
  flag,
  level,
  limit as limitValue,
  mapOf,
  optionalDuration,
  optionalFlag,
  optionalLimit,
  perLayer,
  port,
  section,
  sectionList,
  text,
  textList,
  workers,
} from "./config_values.ts";

const logging = () =>
  section({
    level: level(),
    json: optionalFlag(),
    sample: flag(false),
    sample_initial: count(0),
    sample_interval: count(0),
    item_sample_seconds: count(0),
    item_sample_initial: count(0),
    item_sample_interval: count(0),
    component_levels: mapOf(
      z.string({ error: "a level" }),
      "a map from component name to level",
    ).default({}),
    pion_level: text("error"),
  });

const redis = () =>
  section({
    address: text(),
    username: text(),
    password: text(),
    db: count(0),
    use_tls: flag(false),
    tls: section({
      enabled: flag(false),
      insecure: flag(false),
      server_name: text(),
      ca_cert_file: text(),
      client_cert_file: text(),
      client_key_file: text(),
    }),
    sentinel_master_name: text(),
    sentinel_addresses: textList(),
    sentinel_username: text(),
    sentinel_password: text(),
    dial_timeout: count(0),
    read_timeout: count(0),
    write_timeout: count(0),
    cluster_addresses: textList(),
    max_redirects: count(2),
    pool_timeout: duration("0"),
    pool_size: count(0),
  });

const cluster = () =>
  section({
    secret: text(),
    link_address: text(),
    client_address: text(),
    gather_rooms: flag(false),
    room_regions: mapOf(text(), "a map from room name to region").default({}),
    prefix: text("roomwire:"),
    lease: duration("5s"),
  });

const audio = () =>
  section({
    active_level: byte(35),
    min_percentile: byte(40),
    update_interval: count(400),
    smooth_intervals: count(2),
    active_red_encoding: flag(false),
    enable_loss_proxying: flag(false),
  });

function streamTracker(
  reportInterval: string,
  packetTrackers: Record<string, readonly [samples: number, cycles: number, cycle: string]>,
) {
  const packets = Object.entries(packetTrackers).map(([layer, [samples, cycles, cycle]]) =>
    [layer, { samples_required: samples, cycles_required: cycles, cycle_duration: cycle }] as const
  );
  return section({
    stream_tracker_type: choice(["packet", "frame"], "packet"),
    bitrate_report_interval: perLayer(duration("1s")).prefault(
      Object.fromEntries(["0", "1", "2"].map((layer) => [layer, reportInterval])),
    ),
    packet_tracker: perLayer(section({
      samples_required: count(0),
      cycles_required: count(0),
      cycle_duration: duration("0"),
    })).prefault(Object.fromEntries(packets)),
    frame_tracker: perLayer(section({ min_fps: decimal(0) })).prefault({}),
  });
}

const video = () =>
  section({
    dynacast_pause_delay: duration("5s"),
    codec_regression_threshold: count(5),
    stream_tracker_manager: section({
      video: streamTracker("1s", {
        "0": [1, 4, "500ms"],
        "1": [5, 20, "500ms"],
        "2": [5, 20, "500ms"],
      }),
      screenshare: streamTracker("4s", { "0": [1, 1, "2s"], "1": [1, 1, "2s"], "2": [1, 1, "2s"] }),
    }),
  });

/** A preset, in the JSON form of the `RoomConfiguration` message. */
const roomPreset = () =>
  z.record(z.string(), z.unknown(), { error: "a room configuration" })
    .transform((value, context) => {
      try {
        return RoomConfiguration.fromJson(
          value as Parameters<typeof RoomConfiguration.fromJson>[0],
        );
      } catch {
        context.addIssue({ code: "custom", message: "a room configuration" });
        return z.NEVER;
      }
    });

const room = () =>
  section({
    auto_create: flag(true),
    enabled_codecs: sectionList({ mime: text(), fmtp_line: text() }).prefault(
      DEFAULT_ENABLED_MIMES.map((mime) => ({ mime })),
    ),
    max_participants: limitValue(0),
    empty_timeout: count(300),
    departure_timeout: count(20),
    enable_remote_unmute: flag(false),
    playout_delay: section({ enabled: flag(false), min: count(0), max: count(0) }),
    wait_for_repairs: flag(true),
    sync_streams: flag(false),
    loudest_audio: section({ tracks: count(0), above_participants: count(50) }),
    create_room_timeout: duration("10s"),
    create_room_attempts: count(3),
    enable_full_room_in_webhooks: flag(false),
    update_batch_target_size: count(131_072),
    room_configurations: mapOf(roomPreset(), "a map from preset name to room configuration")
      .prefault({}),
    // Deprecated: a value other than 0 replaces the one below `limit`.
    max_metadata_size: count(0),
    max_room_name_length: count(0),
    max_participant_identity_length: count(0),
  });

const limit = () =>
  section({
    num_tracks: limitValue(0),
    bytes_per_sec: decimal(0),
    subscription_limit_video: limitValue(0),
    subscription_limit_audio: limitValue(0),
    max_metadata_size: limitValue(524_288),
    max_attributes_size: limitValue(65_536),
    max_room_name_length: limitValue(256),
    max_participant_identity_length: limitValue(256),
    max_participant_name_length: limitValue(256),
    max_data_blob_key_length: limitValue(256),
    max_data_blobs_size: limitValue(64_000),
    max_data_track_custom_encoding_length: limitValue(32),
    data_messages_per_sec: limitValue(10_000),
    data_bytes_per_sec: limitValue(12_500_000),
    signal_message_size_limit: limitValue(2_097_152),
    agent_signal_message_size_limit: limitValue(2_097_152),
    max_api_request_body_size: limitValue(10_485_760),
    signal_buffer_limit: limitValue(4_194_304),
    max_sessions_per_identity: limitValue(10),
    max_sessions_per_token: limitValue(10),
    max_sessions_per_address: optionalLimit(),
    max_http_connections: limitValue(0),
    max_http_connections_per_address: limitValue(0),
  });

const webhook = () =>
  section({
    urls: textList(),
    api_key: text(),
    url_notifier: section({ num_workers: count(10), queue_size: count(100) }),
    resource_url_notifier: section({ max_age: duration("30s"), max_depth: count(200) }),
    filter_params: section({ include_events: textList(), exclude_events: textList() }),
  });

const recording = () =>
  section({
    directory: text(),
    return_wait: duration("20s"),
    max_duration: duration("0"),
    max_size: count(0),
    replay: optionalFlag(),
    compose: flag(false),
    retention: section({ max_age: duration("0"), max_size: count(0) }),
    storage: section({
      prefix: text(),
      s3: section({
        access_key: text(),
        secret: text(),
        session_token: text(),
        region: text("us-east-1"),
        endpoint: text(),
        bucket: text(),
        force_path_style: flag(false),
      }),
      part_size: count(8_388_608),
      spool_size: count(8_589_934_592),
      patience: duration("10m"),
      request_hosts: textList(),
    }),
  });

const ingress = () =>
  section({
    rtmp_base_url: text(),
    whip_base_url: text(),
    file: text(),
    rtmp_port: port(0),
    rtmp_connections: limitValue(100),
    rtmp_connections_per_address: limitValue(10),
    audio_transcoders: count(0),
  });
const admin = () => section({ enabled: optionalFlag(), password: text() });

const packetCapture = () =>
  section({
    enabled: flag(false),
    max_duration: duration("5m"),
    max_size: count(16_777_216),
  });

const nodeSelector = () =>
  section({
    kind: choice(["any", "cpuload", "sysload", "regionaware"], "any"),
    sort_by: choice(
      ["random", "sysload", "cpuload", "rooms", "clients", "tracks", "bytespersec"],
      "random",
    ),
    algorithm: choice(["lowest", "twochoice"], "lowest"),
    cpu_load_limit: decimal(0.9),
    sysload_limit: decimal(0.9),
    regions: sectionList({ name: text(), lat: decimal(0), lon: decimal(0) }).default([]),
  });

const metric = () =>
  section({
    timestamper_config: section({
      one_way_delay_estimator_min_interval: duration("5s"),
      one_way_delay_estimator_max_batch: count(100),
    }),
    collector: section({ sampling_interval_ms: count(3000), batch_interval_ms: count(10_000) }),
    reporter: section({ reporting_interval_ms: count(10_000) }),
  });

const wholeFile = () =>
  z.strictObject({
    port: port(7880),
    bind_addresses: textList(),
    prometheus_port: port(0),
    prometheus: section({ port: port(0), username: text(), password: text() }),
    debug_handler: section({ port: port(0) }),
    region: text(),
    key_file: text(),
    keys: mapOf(z.string({ error: "text, the secret of this key" }), "a map from API key to secret")
      .default({}),
    log_level: level(),
    development: flag(false),
    demo: optionalFlag(),
    admin: admin(),
    docs: optionalFlag(),
    drain_timeout: optionalDuration(),
    workers: workers(),
    native: choice(["auto", "off", "require"], "auto"),
    enable_data_tracks: flag(true),
    enable_participant_data_blob: flag(false),
    logging: logging(),
    tls: tls(),
    proxies: proxies(),
    websocket_compression: flag(true),
    redis: redis(),
    cluster: cluster(),
    rtc: rtc(),
    audio: audio(),
    video: video(),
    room: room(),
    turn: turn(),
    ingress: ingress(),
    sip: section({}),
    webhook: webhook(),
    recording: recording(),
    packet_capture: packetCapture(),
    node_selector: nodeSelector(),
    signal_relay: section({
      retry_timeout: duration("7.5s"),
      min_retry_interval: duration("500ms"),
      max_retry_interval: duration("4s"),
      stream_buffer_size: count(1000),
      connect_attempts: count(3),
    }),
    psrpc: section({
      max_attempts: count(3),
      timeout: duration("3s"),
      backoff: duration("2s"),
      buffer_size: count(1000),
    }),
    node_stats: section({
      stats_update_interval: duration("2s"),
      stats_rate_measurement_intervals: durationList(["10s"]),
      stats_max_delay: duration("30s"),
    }),
    api: section({
      execution_timeout: duration("2s"),
      check_interval: duration("100ms"),
      max_check_interval: duration("300s"),
      enable_psrpc_for_get_list_participants: flag(false),
    }),
    limit: limit(),
    agents: section({
      target_load: decimal(0.7),
      enable_user_data_recording: flag(false),
      enable_user_data_redaction: flag(false),
    }),
    metric: metric(),
    trace: section({ jaeger_url: text() }),
  }, { error: "a map of keys" });

/** The schema of the whole file. */
export type ConfigSchema = ReturnType<typeof wholeFile>;

let known: WeakRef<ConfigSchema> | undefined;

/**
 * The schema of the whole file, made when it is asked for and kept as long as somebody holds it:
 * its four hundred parts take 5 MB, and a server that has started needs none of them.
 */
export function configSchema(): ConfigSchema {
  let schema = known?.deref();
  if (schema === undefined) {
    schema = wholeFile();
    known = new WeakRef(schema);
  }
  return schema;
}

/** The configuration after parsing: frozen, complete, durations in milliseconds. */
export type Config = Readonly<z.output<ConfigSchema>>;

/** One key of the configuration that holds a single value or a list. */
export interface ConfigKey {
  /** As in the file, joined by dots: `rtc.tcp_port`. */
  readonly path: string;
  /** `scalar` keys can also be set by a flag and an environment variable of the same name. */
  readonly kind: "scalar" | "list" | "map";
  readonly schema: z.ZodType;
}

/** Every key, in the order of the schema. */
export function configKeys(): readonly ConfigKey[] {
  const keys: ConfigKey[] = [];
  collectKeys(configSchema(), [], keys);
  return keys;
}

function collectKeys(schema: z.ZodType, path: readonly string[], keys: ConfigKey[]): void {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    for (const [name, member] of Object.entries(inner.shape)) {
      collectKeys(member as z.ZodType, [...path, name], keys);
    }
    return;
  }
  const kind = inner instanceof z.ZodArray
    ? "list"
    : inner instanceof z.ZodRecord
    ? "map"
    : "scalar";
  keys.push({ path: path.join("."), kind, schema });
}

/** The schema without default, optional and transformation wrappers. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  for (;;) {
    if (
      inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault ||
      inner instanceof z.ZodOptional
    ) inner = inner.def.innerType as z.ZodType;
    else if (inner instanceof z.ZodPipe) inner = inner.def.in as z.ZodType;
    else return inner;
  }
}
