/**
 * A call that goes on while the server has other things to do: everybody publishes voice and video,
 * and every received stream is looked through for missing packets and pauses.
 *
 * @module
 */
import { mintToken } from "../../tests/support/process/access_tokens.ts";
import { until } from "../../tests/support/wire/until.ts";
import type { ReceivedRtp } from "../../tests/support/wire/wire_client.ts";
import { WireParticipant } from "../../tests/support/wire/wire_participant.ts";
import { answerCalls } from "../bench_child.ts";
import { outliveClientFaults } from "../load/client_faults.ts";
import { kernelDrops } from "../kernel_drops.ts";
import { LatencyHistogram } from "../load/latency_histogram.ts";
import type { CallFigures, RunningCallCalls } from "./control_calls.ts";

/** Received packets that a client keeps; this process only counts them. */
const KEPT_PACKETS = 100;

/** One received stream. */
interface Stream {
  highest: number;
  arrivedAt: number;
}

let everybody: WireParticipant[] = [];
const streams = new Map<string, Stream>();
const gaps = new LatencyHistogram();
let expected = 0;
let received = 0;

/** Packets come in order over loopback: a step of more than one is a loss. */
function arrive(receiver: string, { ssrc, sequenceNumber }: ReceivedRtp): void {
  const now = performance.now();
  const key = `${receiver} ${ssrc}`;
  const stream = streams.get(key);
  received++;
  if (stream === undefined) {
    expected++;
    streams.set(key, { highest: sequenceNumber, arrivedAt: now });
    return;
  }
  const step = (sequenceNumber - stream.highest) & 0xffff;
  // Beyond half the numbers it is a late one, which was expected before.
  if (step >= 0x8000) return;
  expected += step;
  gaps.add((now - stream.arrivedAt) * 1000);
  stream.highest = sequenceNumber;
  stream.arrivedAt = now;
}

function figures(): CallFigures {
  const { p99, max } = gaps.percentiles();
  const lost = Math.max(0, expected - received);
  return {
    streams: streams.size,
    expected,
    lost,
    gapP99Ms: p99,
    longestGapMs: max,
    kernelDrops: kernelDrops(),
  };
}

outliveClientFaults();
await answerCalls<RunningCallCalls>({
  begin: async ({ url, room, participants }) => {
    const names = Array.from({ length: participants }, (_, i) => `caller${i}`);
    everybody = await Promise.all(
      names.map(async (identity) =>
        WireParticipant.open(url, await mintToken({ identity, room }), { flavour: "v1" })
      ),
    );
    for (const participant of everybody) {
      const client = await participant.publisher.ready();
      client.onRtp = (packet) => {
        arrive(participant.identity, packet);
        if (client.rtp.length > KEPT_PACKETS) client.rtp.length = 0;
      };
      await participant.publish("audio");
      await participant.publish("video");
    }
    const wanted = participants * (participants - 1) * 2;
    await until("every stream of the call", () => streams.size === wanted, () => streams.size);
    return {};
  },
  mark: async () => {
    const result = figures();
    expected = received = 0;
    gaps.clear();
    return result;
  },
  leave: async () => {
    await Promise.all(everybody.map((participant) => participant.leave().catch(() => {})));
    return {};
  },
});
