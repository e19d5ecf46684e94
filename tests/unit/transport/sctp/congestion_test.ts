import assert from "node:assert/strict";
import { CongestionWindow } from "../../../../lib/transport/sctp/congestion_window.ts";
import { RetransmissionTimeout } from "../../../../lib/transport/sctp/retransmission_timeout.ts";
import {
  MAX_FRAGMENT_BYTES,
  MAX_PACKET_BYTES,
} from "../../../../lib/transport/sctp/sctp_packet.ts";
import { SctpLink, type SctpSide } from "../../../support/virtual/sctp_link.ts";

const RTT_MS = 50;

/** Round trips in which the whole window is acknowledged, by two packets a SACK. */
function roundTrips(window: CongestionWindow, count: number, from: number, rttMs = RTT_MS): number {
  let now = from;
  for (let i = 0; i < count; i++) {
    window.measured(rttMs);
    const sacks = Math.floor(window.bytes / (2 * MAX_PACKET_BYTES));
    for (let sack = 0; sack < sacks; sack++) {
      window.acknowledged(2 * MAX_PACKET_BYTES, true, true, false, rttMs, now);
    }
    now += rttMs;
  }
  return now;
}

Deno.test("CongestionWindow doubles in each round trip of slow start, and not if it is not used", () => {
  const window = new CongestionWindow();
  const before = window.bytes;
  roundTrips(window, 2, 0);
  assert.ok(window.bytes > 3.5 * before && window.bytes <= 4 * before, `${window.bytes}`);
  const full = window.bytes;
  window.acknowledged(9_000, true, false, false, RTT_MS, 200);
  assert.equal(window.bytes, full);
});

Deno.test("CongestionWindow keeps what the path delivered after a loss, and empties a queue", () => {
  const window = new CongestionWindow();
  let now = 0;
  const free = window.bytes;
  window.measured(RTT_MS);
  for (let i = 0; i < 10; i++) {
    window.acknowledged(free, true, false, false, RTT_MS, now += RTT_MS);
  }
  window.lost();
  assert.ok(window.bytes > 0.9 * free, `${window.bytes} where no queue stood`);
  // The same rate at twice the round trip: half of what is under way stands in a queue.
  const queued = new CongestionWindow();
  queued.measured(RTT_MS);
  now = 0;
  for (let i = 0; i < 10; i++) {
    queued.measured(2 * RTT_MS);
    queued.acknowledged(100_000, true, true, true, 2 * RTT_MS, now += 2 * RTT_MS);
  }
  queued.bytes = 100_000;
  queued.lost();
  assert.ok(queued.bytes < 60_000, `${queued.bytes}`);
});

Deno.test("CongestionWindow grows by a packet a round trip behind a queue, faster without one", () => {
  const growth = (rttMs: number) => {
    const window = new CongestionWindow();
    window.measured(RTT_MS);
    window.bytes = 64 * MAX_PACKET_BYTES;
    window.lost();
    const before = window.bytes;
    roundTrips(window, 4, 0, rttMs);
    return (window.bytes - before) / MAX_PACKET_BYTES;
  };
  assert.ok(growth(3 * RTT_MS) >= 3 && growth(3 * RTT_MS) <= 5, `${growth(3 * RTT_MS)}`);
  assert.ok(growth(RTT_MS) > 6, `${growth(RTT_MS)}`);
});

Deno.test("CongestionWindow is one packet after a timeout, and shrinks while it rests", () => {
  const window = new CongestionWindow();
  const initial = window.bytes;
  roundTrips(window, 3, 0);
  const grown = window.bytes;
  window.rested(1_000, 500);
  assert.equal(window.bytes, grown / 4);
  window.rested(60_000, 500);
  assert.equal(window.bytes, initial);
  window.timedOut();
  assert.equal(window.bytes, MAX_PACKET_BYTES);
});

Deno.test("RetransmissionTimeout follows round trips, and doubles up to 3 s while they fail", () => {
  const timeout = new RetransmissionTimeout();
  const before = timeout.ms;
  timeout.backOff();
  assert.equal(timeout.ms, 2 * before);
  for (let i = 0; i < 20; i++) timeout.measured(20);
  timeout.succeeded();
  assert.equal(timeout.ms, 400, "room for acknowledgements that wait");
  for (let i = 0; i < 100; i++) timeout.measured(800);
  assert.ok(timeout.ms > 1_000 && timeout.ms < 1_100, `${timeout.ms}`);
  for (let i = 0; i < 10; i++) timeout.backOff();
  assert.equal(timeout.ms, 3_000);
  timeout.succeeded();
  assert.ok(timeout.ms < 1_100);
});

Deno.test("SctpAssociation sends more in each round trip although one SACK acknowledges all of the last", () => {
  const link = new SctpLink(1).connect();
  const { left, right } = link;
  const out = new Uint8Array(MAX_PACKET_BYTES);
  /** All that `side` sends at this instant. */
  const packetsOf = ({ association }: SctpSide): Uint8Array[] => {
    const packets: Uint8Array[] = [];
    for (let length; (length = association.poll(out, link.now)) > 0;) {
      packets.push(out.slice(0, length));
    }
    return packets;
  };
  const give = ({ association }: SctpSide, packets: readonly Uint8Array[]) => {
    for (const packet of packets) association.receive(packet, packet.length, link.now);
  };
  for (let i = 0; i < 100; i++) left.send(new Uint8Array(15_000));
  const flights: number[] = [];
  for (let round = 0; round < 20; round++) {
    const packets = packetsOf(left);
    flights.push(packets.length);
    link.now += 1;
    give(right, packets);
    right.take();
    const answers = packetsOf(right);
    assert.equal(answers.length, 1);
    link.now += 1;
    give(left, answers);
  }
  const grows = flights.every((count, round) => round === 0 || count > flights[round - 1]!);
  assert.ok(grows && flights.at(-1)! >= 40, `${flights}`);
});

Deno.test("CongestionWindow lets as much follow as one SACK acknowledges, and saves up less", () => {
  const window = new CongestionWindow();
  // A peer that answers once in a turn: everything at once.
  for (const packets of [300, 600, 900]) {
    window.burst = 0;
    window.acknowledged(packets * MAX_FRAGMENT_BYTES, true, true, false, RTT_MS, 0);
    assert.ok(window.burst > packets && window.burst < packets + 10, `${window.burst}`);
  }
  // What is not used does not become a burst like that.
  for (let i = 0; i < 1_000; i++) {
    window.acknowledged(2 * MAX_FRAGMENT_BYTES, true, true, false, RTT_MS, i);
  }
  assert.ok(window.burst <= 256, `${window.burst}`);
});
