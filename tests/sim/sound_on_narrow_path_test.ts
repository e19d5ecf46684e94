/**
 * Sound that takes nearly all of a path, or more: who cannot send less does not take the queue that
 * it makes for somebody else's, and nothing is sent that takes its room. On virtual time.
 *
 * @module
 */
import assert from "node:assert/strict";
import { rates, runFlows, seeded, wideLink } from "../../bench/congestion/congestion_run.ts";
import { LayeredSource } from "../../bench/congestion/layered_source.ts";
import { Link } from "../../bench/congestion/link.ts";
import { MediaFlow } from "../../bench/congestion/media_flow.ts";

const AUDIO_BYTES = 90;
const AUDIO_KBPS = AUDIO_BYTES * 8 / 20;
/** A burst takes its room now and then, to find out whether there is more. */
const BESIDES = 0.015;

/** Counts sound, once a path has been narrow for 10 s. */
class SoundLink extends Link {
  #sent = 0;
  #lost = 0;

  /** 0–1. */
  get lostShare(): number {
    return this.#lost / this.#sent;
  }

  override send(bytes: number, now: number): number {
    const out = super.send(bytes, now);
    if (bytes !== AUDIO_BYTES || now < 20_000) return out;
    this.#sent++;
    if (out < 0) this.#lost++;
    return out;
  }
}

/** Part of the sound that is lost beside two cameras. */
function lostSound(kbps: number, seed: number): number {
  const chance = seeded(seed);
  const forward = new SoundLink({ rates: rates([0, 3], [10, kbps / 1_000]), queueMs: 300, chance });
  const source = new LayeredSource({ tracks: 2, chance });
  runFlows([new MediaFlow({ forward, back: wideLink(chance), delayMs: 25, source })], 90_000);
  return forward.lostShare;
}

for (const kbps of [30, 32, 34, 35, 36, 37, 38, 40]) {
  Deno.test(`sound beside two cameras on ${kbps} kbit/s is lost as far as it does not fit, and no further`, () => {
    const unfit = Math.max(0, 1 - kbps / AUDIO_KBPS);
    for (const seed of [1, 2, 3]) {
      const lost = lostSound(kbps, seed);
      assert.ok(lost <= unfit + BESIDES, `seed ${seed}: ${lost}, ${unfit} did not fit`);
    }
  });
}
