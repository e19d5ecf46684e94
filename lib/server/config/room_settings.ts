/**
 * The slice of the configuration that rooms need, in their words. Pure.
 *
 * @module
 */
import type { CongestionRules } from "../../engine/local/local_engine_options.ts";
import type { AudioLevelOptions } from "../../media/up/audio_level.ts";
import type { DataOptions } from "../../room/context/data_options.ts";
import {
  DEFAULT_ICE_SERVERS,
  DEFAULT_ROOM_OPTIONS,
  type RoomOptions,
} from "../../room/context/room_options.ts";
import type { AdminLimits } from "../../admin/admin_limits.ts";
import type { SessionCaps } from "../../signalling/session_caps.ts";
import type { TurnOffer } from "../../room/context/turn_offer.ts";
import type { Config } from "./config_parsing.ts";

/** How loudness is measured. */
export function audioLevelOptions({ audio }: Config): AudioLevelOptions {
  return {
    activeLevel: audio.active_level,
    minPercentile: audio.min_percentile,
    updateIntervalMs: audio.update_interval,
    smoothIntervals: audio.smooth_intervals,
  };
}

/** How what subscribers get is fitted to their bandwidth. */
export function congestionRules({ rtc }: Config): CongestionRules {
  const { enabled, allow_pause, stream_allocator } = rtc.congestion_control;
  const { min_channel_capacity, probe_overage_pct, probe_min_bps } = stream_allocator;
  return {
    enabled,
    allowPause: allow_pause,
    minChannelBps: min_channel_capacity,
    // Less than a step needs would never lead to it.
    probes: { overage: Math.max(1, probe_overage_pct / 100), minStepBps: probe_min_bps },
  };
}

/** Least time between two key-frame requests to a publisher, ms, by spatial layer. */
export function pliThrottle({ rtc }: Config): readonly number[] {
  const { low_quality, mid_quality, high_quality } = rtc.pli_throttle;
  return [low_quality, mid_quality, high_quality];
}

/** Options of all rooms. */
export function roomOptions(config: Config, turn?: TurnOffer): RoomOptions {
  const { room, rtc, limit, video, audio } = config;
  const { playout_delay: delay, loudest_audio: loudest } = room;
  // Who has a TURN server needs no public STUN server besides.
  const others = turn === undefined ? DEFAULT_ICE_SERVERS : [];
  const iceServers = rtc.stun_servers.length === 0 ? others : [{
    urls: rtc.stun_servers.map((server) => `stun:${server}`),
    username: "",
    credential: "",
  }];
  return {
    ...DEFAULT_ROOM_OPTIONS,
    emptyTimeoutS: room.empty_timeout,
    departureTimeoutS: room.departure_timeout,
    maxParticipants: room.max_participants,
    enabledCodecs: room.enabled_codecs.map(({ mime, fmtp_line }) => ({
      mime,
      fmtpLine: fmtp_line,
    })),
    enableRemoteUnmute: room.enable_remote_unmute,
    syncStreams: room.sync_streams,
    playoutDelay: { enabled: delay.enabled, min: delay.min, max: delay.max },
    waitsForRepairs: room.wait_for_repairs,
    roomPresets: room.room_configurations,
    roomRegions: config.cluster.room_regions,
    subscriptionLimits: {
      audio: limit.subscription_limit_audio,
      video: limit.subscription_limit_video,
    },
    loudestAudio: { tracks: loudest.tracks, aboveParticipants: loudest.above_participants },
    iceServers,
    ...(turn === undefined ? {} : { turn }),
    data: dataOptions(config),
    updateBatchTargetSize: room.update_batch_target_size,
    dynacastPauseDelayMs: video.dynacast_pause_delay,
    codecRegressionThreshold: video.codec_regression_threshold,
    audioUpdateIntervalMs: audio.update_interval,
    allowTcpFallback: rtc.allow_tcp_fallback ?? true,
    tcpFallbackRttThresholdMs: rtc.tcp_fallback_rtt_threshold,
    reconnectOnPublicationError: rtc.reconnect_on_publication_error ?? false,
    reconnectOnSubscriptionError: rtc.reconnect_on_subscription_error ?? false,
    reconnectOnDataChannelError: rtc.reconnect_on_data_channel_error ?? false,
    maxParticipantNameLength: limit.max_participant_name_length,
    maxMetadataSize: limit.max_metadata_size,
    maxAttributesSize: limit.max_attributes_size,
  };
}

function dataOptions(config: Config): DataOptions {
  const { rtc, limit } = config;
  return {
    dataTracks: config.enable_data_tracks,
    slowThresholdBps: rtc.datachannel_slow_threshold,
    lossyTargetLatencyMs: rtc.datachannel_lossy_target_latency,
    dataTrackTargetLatencyMs: rtc.datachannel_data_track_target_latency,
    dataBlobs: config.enable_participant_data_blob,
    maxBlobKeyLength: limit.max_data_blob_key_length,
    maxBlobsSize: limit.max_data_blobs_size,
    maxCustomEncodingLength: limit.max_data_track_custom_encoding_length,
    limits: { messagesPerS: limit.data_messages_per_sec, bytesPerS: limit.data_bytes_per_sec },
  };
}

/** Limits of the server API. */
export function adminLimits({ limit }: Config): AdminLimits {
  return {
    maxRoomNameLength: limit.max_room_name_length,
    maxParticipantNameLength: limit.max_participant_name_length,
    maxMetadataSize: limit.max_metadata_size,
    maxAttributesSize: limit.max_attributes_size,
  };
}

/** How many sessions there may be at once. */
export function sessionCaps({ limit }: Config): SessionCaps {
  return {
    perIdentity: limit.max_sessions_per_identity,
    perToken: limit.max_sessions_per_token,
    perAddress: limit.max_sessions_per_address,
  };
}
