import assert from "node:assert/strict";
import { DEFAULT_CONGESTION } from "../../../../lib/engine/local/local_engine_options.ts";
import { parseConfig } from "../../../../lib/server/config/config_parsing.ts";
import { congestionRules } from "../../../../lib/server/config/room_settings.ts";

/** Rules of a configuration that sets something below `rtc.congestion_control`. */
function rulesOf(congestion_control: Readonly<Record<string, unknown>>) {
  return congestionRules(parseConfig({ rtc: { congestion_control } }));
}

Deno.test("congestionRules() are the engine's own where nothing is configured", () => {
  assert.deepEqual(rulesOf({}), DEFAULT_CONGESTION);
});

Deno.test("congestionRules() say how far probes go, never less far than a step needs", () => {
  const probes = (stream_allocator: Readonly<Record<string, unknown>>) =>
    rulesOf({ stream_allocator }).probes;
  assert.deepEqual(probes({ probe_overage_pct: 150, probe_min_bps: 500_000 }), {
    overage: 1.5,
    minStepBps: 500_000,
  });
  assert.deepEqual(probes({ probe_overage_pct: 50, probe_min_bps: 0 }), {
    overage: 1,
    minStepBps: 0,
  });
});
