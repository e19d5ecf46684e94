/**
 * Keys below `rtc.congestion_control`, with the names (including two that are misspelt in LiveKit)
 * and defaults of LiveKit's configuration (1.13.5, `pkg/config/config.go`).
 *
 * @module
 */
import { choice, count, decimal, duration, flag, integer, section } from "./config_values.ts";

function trend(
  samples: number,
  samplesMin: number,
  threshold: number,
  maxWait: string,
  collapse: string,
  validity: string,
) {
  return section({
    required_samples: count(samples),
    required_samples_min: count(samplesMin),
    downward_trend_threshold: decimal(threshold),
    downward_trend_max_wait: duration(maxWait),
    collapse_threshold: duration(collapse),
    validity_window: duration(validity),
  });
}

function nackTracker(windowMin: string, windowMax: string, ratio: number) {
  return section({
    window_min_duration: duration(windowMin),
    window_max_duration: duration(windowMax),
    ratio_threshold: decimal(ratio),
  });
}

function probeRegulator() {
  return section({
    base_interval: duration("3s"),
    backoff_factor: decimal(1.5),
    max_interval: duration("2m"),
    min_duration: duration("200ms"),
    max_duration: duration("20s"),
    duration_increase_factor: decimal(1.5),
  });
}

function packetGroup(minPackets: number, maxWindow: string) {
  return section({ min_packets: count(minPackets), max_window_duration: duration(maxWindow) });
}

function weightedLoss() {
  return section({
    min_duration_for_loss_validity: duration("100ms"),
    base_duration: duration("500ms"),
    base_pps: count(30),
    loss_penalty_factor: decimal(0.25),
  });
}

function signal(minGroups: number, minDuration: string) {
  return section({ min_number_of_groups: count(minGroups), min_duration: duration(minDuration) });
}

const settling = () => ({
  settle_wait_num_rtt: count(5),
  settle_wait_min: duration("250ms"),
  settle_wait_max: duration("5s"),
});

const congestionDetector = () =>
  section({
    packet_group: packetGroup(30, "500ms"),
    packet_group_max_age: duration("10s"),
    probe_packet_group: section({ packet_group: packetGroup(16384, "1m"), ...settling() }),
    probe_regulator: probeRegulator(),
    probe_signal: section({
      min_bytes_ratio: decimal(0.5),
      min_duration_ratio: decimal(0.5),
      jqr_min_delay: duration("50ms"),
      dqr_max_delay: duration("20ms"),
      weighted_loss: weightedLoss(),
      jqr_min_weighted_loss: decimal(0.25),
      dqr_max_weighted_loss: decimal(0.1),
    }),
    jqr_min_delay: duration("50ms"),
    jqr_min_trend_coefficient: decimal(0.8),
    dqr_max_delay: duration("20ms"),
    weighted_loss: weightedLoss(),
    jqr_min_weighted_loss: decimal(0.25),
    dqr_max_weighted_loss: decimal(0.1),
    queuing_delay_early_warning_jqr: signal(2, "200ms"),
    queuing_delay_early_warning_dqr: signal(3, "300ms"),
    loss_early_warning_jqr: signal(3, "300ms"),
    loss_early_warning_dqr: signal(4, "400ms"),
    queuing_delay_congested_jqr: signal(4, "400ms"),
    queuing_delay_congested_dqr: signal(5, "500ms"),
    loss_congested_jqr: signal(6, "600ms"),
    loss_congested_dqr: signal(6, "600ms"),
    congested_ctr_trend: trend(4, 2, -0.5, "2s", "500ms", "10s"),
    congested_ctr_epsilon: decimal(0.05),
    congested_packet_group: packetGroup(20, "150ms"),
    estimaton_window_duration: duration("1s"),
  });

/** `rtc.congestion_control`. */
export const congestionControl = () =>
  section({
    enabled: flag(true),
    allow_pause: flag(false),
    stream_allocator: section({
      min_channel_capacity: integer(0),
      disable_etimation_unmanaged_tracks: flag(false),
      probe_mode: choice(["padding", "media"], "padding"),
      probe_overage_pct: count(120),
      probe_min_bps: count(200_000),
      paused_min_wait: duration("5s"),
    }),
    remote_bwe: section({
      nack_ratio_attenuator: decimal(0.4),
      expected_usage_threshold: decimal(0.95),
      channel_observer_probe: section({
        estimate: trend(3, 3, 0, "5s", "0", "10s"),
        nack: nackTracker("500ms", "1s", 0.04),
      }),
      channel_observer_non_probe: section({
        estimate: trend(12, 8, -0.6, "5s", "500ms", "10s"),
        nack: nackTracker("2s", "3s", 0.08),
      }),
      probe_controller: section({ probe_regulator: probeRegulator(), ...settling() }),
    }),
    use_send_side_bwe_interceptor: flag(false),
    use_send_side_bwe: flag(false),
    send_side_bwe_pacer: choice(["no-queue", "pass-through", "leaky-bucket"], "no-queue"),
    send_side_bwe: section({ congestion_detector: congestionDetector() }),
  });
