/**
 * What the test files that have a run of their own take, as measured on two cores: by it is decided
 * in which order they run, and which of them beside others. A figure that is out of date makes a run
 * of all tests longer or busier, and changes nothing else.
 *
 * @module
 */
import type { Load } from "./runs_together.ts";

/** What takes less is not listed. */
const SHORT_S = 15;

/** Path in `tests` without its end → seconds. */
const SECONDS: Readonly<Record<string, number>> = {
  "e2e/client_matrix": 115,
  "e2e/layers_in_turn": 100,
  "e2e/remb": 95,
  "e2e/cluster_meeting": 90,
  "e2e/no_retransmission": 90,
  "e2e/client_routers": 85,
  "e2e/http_strangers": 80,
  "e2e/lips": 80,
  "e2e/late_joiner": 75,
  "e2e/publishing": 75,
  "e2e/client_networks": 65,
  "e2e/cluster_failures": 65,
  "e2e/signal_outage": 65,
  "e2e/data_strangers": 60,
  "e2e/recording": 60,
  "e2e/whip": 60,
  "e2e/chaos": 55,
  "e2e/data_stopped_stacks": 55,
  "e2e/demo_page": 55,
  "e2e/other_stacks": 55,
  "e2e/agents": 50,
  "e2e/sdk_failover": 50,
  "e2e/consent": 45,
  "e2e/native_srtp": 45,
  "e2e/single_connection": 45,
  "e2e/bandwidth": 40,
  "e2e/codec_switch": 40,
  "e2e/data_readers": 40,
  "e2e/simulcast_quality": 40,
  "e2e/addresses": 35,
  "e2e/admin_page": 35,
  "e2e/firefox_and_chromium": 35,
  "e2e/pion": 35,
  "e2e/relay_outages": 35,
  "e2e/data_streams": 30,
  "e2e/demo_accessibility": 30,
  "e2e/documentation": 30,
  "e2e/embedding": 30,
  "e2e/first_packet": 30,
  "e2e/ice_fallback": 30,
  "e2e/turn_relay": 30,
  "e2e/carried_clients": 25,
  "e2e/codec_switch_across_nodes": 25,
  "e2e/data_packets": 25,
  "e2e/firefox_default_preferences": 25,
  "e2e/replay": 25,
  "wire/departures": 20,
  "wire/redis_outage": 18,
  "wire/worker_pool_over_loopback": 18,
};

/**
 * What keeps about half a core busy at most, and looks at no picture or sound of which a short pause
 * counts: it waits for timers, for consent that runs out, for outages to end, and for answers.
 */
const WAITING: readonly string[] = [
  "e2e/addresses",
  "e2e/agents",
  "e2e/bad_input",
  "e2e/behind_proxies",
  "e2e/chaos",
  "e2e/cluster_failures",
  "e2e/consent",
  "e2e/documentation",
  "e2e/draining",
  "e2e/hostile_input",
  "e2e/ice_fallback",
  "e2e/moderation_scripts",
  "e2e/node_check",
  "e2e/operations",
  "e2e/recording",
  "e2e/recording_takeover",
  "e2e/recording_upload",
  "e2e/relay_outages",
  "e2e/room_service",
  "e2e/turn_relay",
  "e2e/turn_strangers",
  "e2e/webhooks_and_metrics",
];

/** All files that are named here. */
export const KNOWN: readonly string[] = [...Object.keys(SECONDS), ...WAITING];

/** @param path As `tests/e2e/pion_test.ts`. */
export function loadOf(path: string): Load {
  const name = path.replace(/^tests\//, "").replace(/_test\.ts$/, "");
  return { seconds: SECONDS[name] ?? SHORT_S, waits: WAITING.includes(name) };
}
