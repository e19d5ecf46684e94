/**
 * Whether this machine's clock is right, by what others say the time is. Pure.
 *
 * Tokens, TURN credentials and webhooks are refused by whoever has another time.
 *
 * @module
 */
import { type Finding, ok, problem, unknown, warning } from "./finding.ts";

const TOPIC = "clock";
/** More than a second is not what rounding makes. */
const SUSPICIOUS_MS = 2_000;
/** From here on credentials with short lives are refused. */
const HARMFUL_MS = 30_000;
/** Before this program was written. */
const IMPOSSIBLE_BEFORE_MS = Date.UTC(2025, 0, 1);
const FIX = "let the system set its clock: `timedatectl set-ntp true`, or run chrony";

/** Somebody's word on the time. */
export interface TimeSample {
  /** Who said so, for people. */
  readonly source: string;
  /** Their Unix time, ms. */
  readonly theirsMs: number;
  /** Ours when it was asked, and when the answer was here. */
  readonly askedMs: number;
  readonly answeredMs: number;
  /** How finely they tell it, ms. */
  readonly grainMs: number;
}

/** What follows from them all. */
export function clockFindings(
  samples: readonly TimeSample[],
  nowMs: number,
): readonly Finding[] {
  if (nowMs < IMPOSSIBLE_BEFORE_MS) {
    const year = new Date(nowMs).getUTCFullYear();
    return [problem(TOPIC, `this machine's clock says that it is ${year}`, FIX)];
  }
  if (samples.length === 0) {
    const now = new Date(nowMs).toISOString().slice(0, 19);
    return [unknown(
      TOPIC,
      `it is ${now} UTC here, and nobody is configured who could tell the time`,
      "compare `date -u` with another machine's, or see `timedatectl`",
    )];
  }
  return samples.map((sample) => {
    const skew = skewMs(sample);
    const seconds = (Math.abs(skew) / 1000).toFixed(1);
    const what = `${seconds} s ${skew > 0 ? "behind" : "ahead of"} ${sample.source}`;
    if (Math.abs(skew) >= HARMFUL_MS) return problem(TOPIC, `this machine is ${what}`, FIX);
    if (Math.abs(skew) >= SUSPICIOUS_MS) return warning(TOPIC, `this machine is ${what}`, FIX);
    return ok(TOPIC, `as that of ${sample.source}, within ${SUSPICIOUS_MS / 1000} s`);
  });
}

/** How far the other clock is ahead at least, ms; negative: behind. */
function skewMs({ theirsMs, askedMs, answeredMs, grainMs }: TimeSample): number {
  // Theirs was read at some time between question and answer, and cut to its grain.
  const least = theirsMs - answeredMs;
  const most = theirsMs + grainMs - askedMs;
  return least > 0 ? least : most < 0 ? most : 0;
}
