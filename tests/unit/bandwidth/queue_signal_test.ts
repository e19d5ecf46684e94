import assert from "node:assert/strict";
import { AckedRate } from "../../../lib/bandwidth/acked_rate.ts";
import { QueueSignal } from "../../../lib/bandwidth/queue_signal.ts";
import { RateControl } from "../../../lib/bandwidth/rate_control.ts";
import { QUEUE } from "../../../lib/bandwidth/trendline.ts";
import { REFERENCE_TIME_MICROS } from "../../../lib/wire/transport_cc.ts";

const PACKET_BYTES = 1_000;
/** A camera of 15 frames a second and 1.6 Mbit/s, whose lowest temporal layer is twice as large. */
const FRAME_MS = 66;
const FRAME_PACKETS = [22, 11, 11, 11] as const;
/** Its pacer sends a packet each… */
const PACE_MS = 2;
const WAY_MS = 20;
const FEEDBACK_MS = 50;
const ESTIMATE_BPS = 1_800_000;

/**
 * When the queue was said to grow, ms, of a camera on a path of `linkBps(ms)`.
 *
 * @param drift By so much the receiver's clock is faster.
 */
function growthTimes(linkBps: (ms: number) => number, untilMs: number, drift = 0): number[] {
  const queue = new QueueSignal(0);
  const acked = new AckedRate();
  const rate = new RateControl(ESTIMATE_BPS, 30_000, 5_000_000);
  const packets: { readonly sentAt: number; readonly arrivedAt: number }[] = [];
  let freeAt = 0;
  for (let frame = 0; frame * FRAME_MS < untilMs; frame++) {
    for (let i = 0; i < FRAME_PACKETS[frame % 4]!; i++) {
      const sentAt = frame * FRAME_MS + i * PACE_MS;
      freeAt = Math.max(freeAt, sentAt) + PACKET_BYTES * 8_000 / linkBps(sentAt);
      packets.push({ sentAt, arrivedAt: (freeAt + WAY_MS) * (1 + drift) });
    }
  }
  const growths: number[] = [];
  for (let next = 0, now = FEEDBACK_MS; now < untilMs; now += FEEDBACK_MS) {
    queue.referenceMs(Math.floor(now * 1_000 / REFERENCE_TIME_MICROS));
    let newest = -1;
    for (; packets[next]!.arrivedAt <= (now - WAY_MS) * (1 + drift); newest = next++) {
      const { sentAt, arrivedAt } = packets[next]!;
      acked.sent(PACKET_BYTES, sentAt);
      acked.arrived(PACKET_BYTES, arrivedAt, false);
      queue.arrived(PACKET_BYTES, sentAt, arrivedAt, now, false);
    }
    if (newest >= 0) queue.heard(packets[newest]!.sentAt, packets[newest]!.arrivedAt, now);
    if (queue.trend(ESTIMATE_BPS, acked, rate, { averageLoss: 0 }, now) === QUEUE.grows) {
      growths.push(now);
    }
  }
  return growths;
}

Deno.test("queue signal: large frames that the path takes before the next ones are no queue", () => {
  assert.deepEqual(growthTimes(() => 1_850_000, 60_000), []);
});

Deno.test("queue signal: nor are they if the receiver's clock is faster, or slower", () => {
  for (const drift of [5e-5, -5e-5]) {
    assert.deepEqual(growthTimes(() => 1_850_000, 400_000, drift), [], `${drift}`);
  }
});

Deno.test("queue signal: the same on a path that is too narrow for them is one at once", () => {
  const [first = Infinity] = growthTimes(() => 1_300_000, 5_000);
  assert.ok(first <= 1_500, `${first} ms`);
});

Deno.test("queue signal: a path that becomes too narrow shows within half a second", () => {
  const narrowAt = 10_000;
  const growths = growthTimes((ms) => ms < narrowAt ? 2_000_000 : 1_000_000, 12_000);
  const [first = Infinity] = growths;
  assert.ok(first > narrowAt && first <= narrowAt + 500, `${first} ms`);
});
