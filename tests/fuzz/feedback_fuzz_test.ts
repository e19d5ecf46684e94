/**
 * Feedback of subscribers who lie: whatever a message says, the estimate of its sender stays
 * bounded by what was sent, nothing is thrown, and time and memory are bounded.
 *
 * @module
 */
import assert from "node:assert/strict";
import { SENT } from "../../lib/bandwidth/sent_packets.ts";
import { DEFAULT_ESTIMATE } from "../../lib/bandwidth/estimate_options.ts";
import { SendEstimate } from "../../lib/bandwidth/send_estimate.ts";
import {
  MAX_FEEDBACK_BYTES,
  MAX_FEEDBACK_STATUSES,
  NOT_RECEIVED,
  parseTransportFeedback,
  TransportFeedback,
  writeTransportFeedback,
} from "../../lib/wire/transport_cc.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const SEEDS = [1, 20_261_129, 0xdeadbeef];
const MESSAGES = 4_000;
const LIAR_MS = 30_000;
const PACKET_BYTES = 1_000;
/** Growth beyond what arrives that the rules allow, and the spacing error of a probe. */
const MOST = 1.6;

function assertSane(estimate: SendEstimate, what: string): void {
  const { bps, ackedBps, lossFraction, queueMs, rttMs } = estimate;
  for (const [name, value] of Object.entries({ bps, ackedBps, lossFraction, queueMs, rttMs })) {
    assert.ok(Number.isFinite(value), `${what}: ${name} is ${value}`);
  }
  assert.ok(bps >= DEFAULT_ESTIMATE.minBps && bps <= DEFAULT_ESTIMATE.maxBps, `${what}: ${bps}`);
  assert.ok(lossFraction >= 0 && lossFraction <= 1, `${what}: ${lossFraction}`);
  assert.ok(queueMs >= 0 && rttMs >= -1, what);
}

/** A message of nonsense: numbers never sent, going back, wrapping, huge deltas, repeated ones. */
function nonsense(random: SeededRandom, newest: number, message: TransportFeedback): void {
  const kind = random.below(6);
  const near = (newest - random.below(300)) & 0xffff;
  message.baseSequence = kind === 0 ? random.below(0x10000) : near;
  message.statusCount = 1 + random.below(kind === 1 ? MAX_FEEDBACK_STATUSES : 60);
  if (kind !== 2) message.referenceTime = (random.uint32() << 8) >> 8;
  message.feedbackCount = random.below(256);
  for (let i = 0; i < message.statusCount; i++) {
    const draw = random.below(10);
    if (draw === 0) message.deltas[i] = NOT_RECEIVED;
    else if (draw < 4) message.deltas[i] = random.below(0x10000) - 0x8000;
    else message.deltas[i] = kind === 3 ? 0 : random.below(40);
  }
}

for (const seed of SEEDS) {
  Deno.test(`SendEstimate.feedback() stays sane on ${MESSAGES} hostile messages (seed ${seed})`, () => {
    const random = new SeededRandom(seed);
    const estimate = new SendEstimate();
    const message = new TransportFeedback();
    let sequence = 65_400;
    let now = 1_000;
    for (let i = 0; i < MESSAGES; i++) {
      for (let n = random.below(20); n > 0; n--) {
        const cluster = estimate.probe?.cluster ?? 0;
        estimate.sent(sequence++ & 0xffff, random.below(1_300), SENT.media, cluster, now);
      }
      now += random.below(200);
      nonsense(random, sequence & 0xffff, message);
      estimate.feedback(message, now);
      if (random.chance(0.3)) estimate.feedback(message, now);
      if (random.chance(0.1)) estimate.setDemand(1e5, random.below(1e7), now, random.below(1e7));
      if (random.chance(0.02)) estimate.reset(now);
      if (random.chance(0.05)) estimate.tcpQueue(random.below(1e6), now);
      if (random.chance(0.1)) estimate.remb(random.uint32() * random.below(1e6), now);
      if (random.chance(0.1)) estimate.report(random.below(300) / 256, now);
      estimate.tick(now);
      assertSane(estimate, `message ${i}`);
    }
  });

  Deno.test(`SendEstimate survives mutated feedback packets (seed ${seed})`, () => {
    const random = new SeededRandom(seed);
    const estimate = new SendEstimate();
    const message = new TransportFeedback();
    const bytes = new Uint8Array(MAX_FEEDBACK_BYTES);
    let read = 0;
    for (let i = 0; i < MESSAGES; i++) {
      estimate.sent(i & 0xffff, 1_000, SENT.media, 0, i * 10);
      nonsense(random, i & 0xffff, message);
      const length = writeTransportFeedback(bytes, 0, message);
      for (let n = random.below(8); n > 0; n--) bytes[random.below(length)]! ^= random.below(256);
      if (!parseTransportFeedback(bytes, 0, length, message)) continue;
      read++;
      estimate.feedback(message, i * 10);
      assertSane(estimate, `message ${i}`);
    }
    assert.ok(read > MESSAGES / 10, `${read} messages could be read`);
  });
}

/** How arrival times are made up, ms, from those of sending. */
const LIES: Readonly<Record<string, (sentAt: number, number: number) => number>> = {
  "everything at once": (sentAt) => Math.floor(sentAt / 50) * 50,
  "everything at the same moment for ever": () => 64_000,
  "twice as fast as it was sent": (sentAt) => sentAt / 2,
  "a hundred times as fast": (sentAt) => sentAt / 100,
  "backwards": (sentAt) => 640_000 - sentAt,
  "in leaps": (sentAt, number) => sentAt + (number % 50 === 0 ? 8_000 : 0),
};

for (const [lie, arrival] of Object.entries(LIES)) {
  Deno.test(`Who acknowledges ${lie} is sent no more than it was sent before`, () => {
    const estimate = new SendEstimate();
    const message = new TransportFeedback();
    const sentBps = 800_000;
    const start = estimate.bps;
    let sequence = 0;
    let base = 0;
    for (let now = 1_000; now < LIAR_MS; now += 10) {
      estimate.sent(sequence++ & 0xffff, PACKET_BYTES, SENT.media, 0, now);
      if (now % 50 !== 0) continue;
      let steps = 0;
      message.baseSequence = base & 0xffff;
      message.statusCount = sequence - base;
      for (let i = base; i < sequence; i++) {
        const at = Math.round(arrival(1_000 + i * 10, i) * 4);
        if (i === base) {
          message.referenceTime = Math.floor(at / 256);
          steps = message.referenceTime * 256;
        }
        message.deltas[i - base] = Math.max(-0x8000, Math.min(0x7fff, at - steps));
        steps = at;
      }
      base = sequence;
      estimate.feedback(message, now);
      assertSane(estimate, lie);
      const most = Math.max(start, sentBps * MOST);
      assert.ok(estimate.bps <= most, `${estimate.bps} bit/s at ${now} ms`);
      assert.ok(estimate.ackedBps <= sentBps * MOST, `${estimate.ackedBps} acknowledged`);
    }
  });
}

Deno.test("Who says that every probe arrived gets what was sent to prove it, and not above the maximum", () => {
  const estimate = new SendEstimate();
  const message = new TransportFeedback();
  let sequence = 0;
  let base = 0;
  let sentBytes = 0;
  let peakBps = 0;
  for (let now = 1_000; now < LIAR_MS; now += 10) {
    estimate.setDemand(1e5, 1e9, now);
    const { probe } = estimate;
    const bytes = probe === undefined ? 1_000 : probe.bps * 10 / 8_000;
    let windowBytes = 0;
    while (windowBytes < bytes) {
      windowBytes += PACKET_BYTES;
      estimate.sent(sequence++ & 0xffff, PACKET_BYTES, SENT.padding, probe?.cluster ?? 0, now);
    }
    sentBytes += windowBytes;
    peakBps = Math.max(peakBps, windowBytes * 800);
    if (now % 50 !== 0) continue;
    message.baseSequence = base & 0xffff;
    message.statusCount = Math.min(MAX_FEEDBACK_STATUSES, sequence - base);
    message.referenceTime = Math.floor(now / 64);
    message.deltas.fill(0, 0, message.statusCount);
    base = sequence;
    estimate.feedback(message, now);
    assert.ok(estimate.bps <= Math.max(1_500_000, peakBps * 1.1), `${estimate.bps} of ${peakBps}`);
    assert.ok(estimate.bps <= DEFAULT_ESTIMATE.maxBps);
  }
  // Probes cost little beside what is sent all the time.
  assert.ok(sentBytes * 8 / (LIAR_MS / 1000) < 10_000_000, `${sentBytes} bytes`);
});
