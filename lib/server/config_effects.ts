/**
 * The one list of configuration keys that have an effect. Every other key of the schema is accepted,
 * so that a LiveKit configuration works unchanged, and listed in the documentation as having none
 * yet; both lists come from here.
 *
 * @module
 */
import { configKeys } from "./config_schema.ts";

/** Keys that change what the server does. */
export const KEYS_IN_EFFECT: ReadonlySet<string> = new Set([
  "port",
  "bind_addresses",
  "prometheus_port",
  "prometheus.port",
  "prometheus.username",
  "prometheus.password",
  "region",
  "key_file",
  "keys",
  "log_level",
  "development",
  "enable_data_tracks",
  "enable_participant_data_blob",
  "logging.level",
  "logging.json",
  "rtc.udp_port",
  "rtc.tcp_port",
  "rtc.node_ip",
  "rtc.enable_loopback_candidate",
  "rtc.force_tcp",
  "rtc.stun_servers",
  "rtc.allow_tcp_fallback",
  "rtc.tcp_fallback_rtt_threshold",
  "rtc.reconnect_on_publication_error",
  "rtc.reconnect_on_subscription_error",
  "rtc.reconnect_on_data_channel_error",
  "rtc.datachannel_slow_threshold",
  "rtc.datachannel_lossy_target_latency",
  "rtc.datachannel_data_track_target_latency",
  "room.auto_create",
  "room.enabled_codecs",
  "room.max_participants",
  "room.empty_timeout",
  "room.departure_timeout",
  "room.sync_streams",
  "room.update_batch_target_size",
  "room.max_metadata_size",
  "room.enable_full_room_in_webhooks",
  "video.codec_regression_threshold",
  "video.dynacast_pause_delay",
  "limit.num_tracks",
  "limit.subscription_limit_audio",
  "limit.subscription_limit_video",
  "limit.max_participant_name_length",
  "limit.max_metadata_size",
  "limit.max_attributes_size",
  "limit.max_room_name_length",
  "limit.max_participant_identity_length",
  "limit.max_data_blob_key_length",
  "limit.max_data_blobs_size",
  "limit.max_data_track_custom_encoding_length",
  "limit.signal_message_size_limit",
  "limit.agent_signal_message_size_limit",
  "limit.max_api_request_body_size",
  "agents.target_load",
  "agents.enable_user_data_recording",
  "agents.enable_user_data_redaction",
  "room.max_room_name_length",
  "room.max_participant_identity_length",
  "webhook.urls",
  "webhook.api_key",
  "webhook.resource_url_notifier.max_age",
  "webhook.resource_url_notifier.max_depth",
  "webhook.filter_params.include_events",
  "webhook.filter_params.exclude_events",
]);

/** Keys that are accepted and change nothing yet, in the order of the schema. */
export function keysWithoutEffect(): readonly string[] {
  return configKeys().map((key) => key.path).filter((path) => !KEYS_IN_EFFECT.has(path));
}
