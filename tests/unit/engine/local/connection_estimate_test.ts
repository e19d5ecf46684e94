/** What a connection's estimate is fed with, and when anything is numbered at all. */
import assert from "node:assert/strict";
import { SAMPLED_ESTIMATE } from "../../../../lib/bandwidth/estimate_options.ts";
import { ProbeSender } from "../../../../lib/bandwidth/probe_sender.ts";
import { SendEstimate } from "../../../../lib/bandwidth/send_estimate.ts";
import { NO_CLUSTER, PACKET_KIND, type SendHistory } from "../../../../lib/base/packet_sink.ts";
import {
  burstRate,
  ConnectionEstimate,
  isNarrow,
} from "../../../../lib/engine/local/connection_estimate.ts";
import { Departures } from "../../../../lib/engine/local/departures.ts";
import {
  MAX_FEEDBACK_BYTES,
  NOT_RECEIVED,
  TransportFeedback,
  writeTransportFeedback,
} from "../../../../lib/wire/transport_cc.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const HEADER_BYTES = 12;

function world(queuedBytes?: () => number, departures?: Departures, datagrams?: object) {
  const outlet: { history?: SendHistory | undefined; datagrams?: object | undefined } = {
    datagrams,
  };
  const connection = new ConnectionEstimate({
    outlet,
    timed: () => {},
    feedback: new TransportFeedback(),
    pad: () => false,
    ...(queuedBytes === undefined ? {} : { queuedBytes }),
    ...(departures === undefined ? {} : { departures }),
  });
  let next = 65_500;
  /** Sends ten packets of 1,000 bytes and reports on them 20 ms later. */
  const round = (now: number, isLost: (i: number) => boolean) => {
    const report = new TransportFeedback();
    report.baseSequence = next;
    report.referenceTime = Math.floor(now / 64);
    report.statusCount = 10;
    for (let i = 0; i < 10; i++) {
      outlet.history?.sent(next, 1_000, PACKET_KIND.media, now + i);
      next = (next + 1) & 0xffff;
      report.deltas[i] = isLost(i) ? NOT_RECEIVED : 4;
    }
    const bytes = new Uint8Array(HEADER_BYTES + MAX_FEEDBACK_BYTES);
    const length = writeTransportFeedback(bytes, HEADER_BYTES, report);
    return connection.receiveTransportCc(bytes, 0, HEADER_BYTES + length, now + 30);
  };
  const bytes = new Uint8Array(HEADER_BYTES + MAX_FEEDBACK_BYTES);
  const feedback = new TransportFeedback();
  /** Reports at `now` on packets from number `first` on, which came at `at`, quarters of a ms. */
  const report = (first: number, at: readonly number[], now: number) => {
    feedback.baseSequence = first & 0xffff;
    feedback.statusCount = at.length;
    feedback.referenceTime = Math.floor(at[0]! / 256);
    let before = feedback.referenceTime * 256;
    for (const [i, quarters] of at.entries()) {
      feedback.deltas[i] = quarters - before;
      before = quarters;
    }
    const length = writeTransportFeedback(bytes, HEADER_BYTES, feedback);
    connection.receiveTransportCc(bytes, 0, HEADER_BYTES + length, now);
    return feedback;
  };
  return { connection, outlet, round, report };
}

Deno.test("ConnectionEstimate keeps a history only while there is video", () => {
  const { connection, outlet, round } = world();
  assert.equal(outlet.history, undefined);
  assert.equal(round(0, () => false), true, "feedback without an estimate is passed over");
  connection.receiveRemb(300_000, Uint32Array.of(1), 1, 0);
  assert.equal(connection.estimate, undefined);
  assert.equal(connection.nextWakeAt(), Infinity);
  connection.setVideo(true, 100);
  assert.equal(outlet.history, connection);
  const { estimate } = connection;
  connection.setVideo(false, 200);
  assert.equal(outlet.history, undefined);
  assert.equal(connection.nextWakeAt(), Infinity);
  connection.setVideo(true, 300);
  assert.equal(connection.estimate, estimate, "what was learnt is kept");
});

Deno.test("ConnectionEstimate learns from feedback what arrives and what is lost", () => {
  const { connection, round } = world();
  connection.setVideo(true, 0);
  const estimate = connection.estimate!;
  for (let now = 0; now < 5_000; now += 100) round(now, () => false);
  assert.ok(estimate.ackedBps > 700_000 && estimate.ackedBps < 900_000, `${estimate.ackedBps}`);
  assert.ok(estimate.lossFraction < 0.01);
  const before = estimate.bps;
  for (let now = 5_000; now < 10_000; now += 100) round(now, (i) => i < 4);
  assert.ok(estimate.lossFraction > 0.2);
  assert.ok(estimate.bps < before, `${estimate.bps} of ${before}`);
});

Deno.test("ConnectionEstimate passes over feedback that cannot be read", () => {
  const { connection, round } = world();
  connection.setVideo(true, 0);
  round(0, () => false);
  const before = connection.estimate!.bps;
  for (let length = 0; length < 24; length++) {
    assert.equal(connection.receiveTransportCc(new Uint8Array(24), 0, length, 50), false);
  }
  assert.equal(connection.estimate!.bps, before);
});

Deno.test("ConnectionEstimate goes by REMB where packets are not reported on, and by half of it on another path", () => {
  const { connection, outlet } = world();
  connection.setVideo(true, 0, false);
  for (let now = 0; now <= 3_000; now += 100) {
    outlet.history!.unnumbered(10_000, now);
    connection.receiveRemb(640_000, Uint32Array.of(1), 1, now);
    connection.tick(now);
  }
  assert.equal(connection.estimate!.bps, 640_000, "less than the 800,000 that are sent");
  connection.pathChanged(3_200);
  assert.ok(connection.estimate!.bps < 640_000);
});

Deno.test("ConnectionEstimate has few packets numbered on a calm path, and all after a word of loss", () => {
  const { connection, outlet, report } = world();
  connection.setVideo(true, 0);
  connection.estimate!.setDemand(100_000, 400_000, 0);
  const history = outlet.history!;
  let next = 0;
  /** Sends five packets, which come 5 ms later. */
  const round = (now: number) => {
    for (let i = 0; i < 5; i++) {
      history.sent((next + i) & 0xffff, 1_000, PACKET_KIND.media, now + i);
    }
    report(next, [5, 6, 7, 8, 9].map((ms) => (now + ms) * 4), now + 30);
    next += 5;
    connection.tick(now + 50);
  };
  for (let now = 0; now < 10_000; now += 100) round(now);
  const numbered = (now: number) => {
    let count = 0;
    for (let at = now; at < now + 100; at++) count += history.numbers(at) ? 1 : 0;
    return count;
  };
  const doubts = [
    (now: number) => connection.missed(3, now),
    (now: number) => connection.receiveReport(1, 3, Infinity, now),
    // A round trip takes 26 ms.
    (now: number) => connection.receiveReport(0, 0, now - 77, now),
  ];
  let now = 10_000;
  for (const doubt of doubts) {
    round(now);
    assert.equal(numbered(now + 100), 0);
    doubt(now + 200);
    assert.equal(numbered(now + 600), 100, "for half a second");
    now += 1_000;
  }
  round(now);
  connection.receiveReport(0, 0, now + 25, now + 100);
  connection.receiveReport(0, 0, Infinity, now + 100);
  assert.equal(numbered(now + 100), 0, "what is on its way is no doubt");
  connection.receiveReport(8, 2, Infinity, now + 100);
  assert.equal(numbered(now + 100), 0, "nor is a packet that is lost now and then");
});

Deno.test("ConnectionEstimate doubts a path once for a packet that nothing is heard of, however often it is named", () => {
  const { connection, outlet, report } = world();
  connection.setVideo(true, 0);
  connection.estimate!.setDemand(100_000, 400_000, 0);
  const history = outlet.history!;
  let next = 0;
  let numbered = 0;
  for (let now = 0; now < 30_000; now += 100) {
    const first = next;
    for (let at = now; at < now + 50; at += 10) {
      if (!history.numbers(at)) {
        history.skipped(1_000, at);
        continue;
      }
      if (now >= 20_000) numbered++;
      history.sent(next++ & 0xffff, 1_000, PACKET_KIND.media, at);
    }
    const at = Array.from({ length: next - first }, (_, i) => (now + 10 * i + 5) * 4);
    if (at.length > 0) report(first, at, now + 60);
    if (now > 10_000 && now % 1_000 === 0) connection.receiveReport(0, 0, 9_900, now + 60);
    connection.tick(now + 70);
  }
  assert.ok(numbered > 0 && numbered <= 10_000 / 400 * 2, `${numbered} of 500`);
});

Deno.test("ConnectionEstimate looks at the queue of a TCP path while there is video, and goes by it", () => {
  for (const isNumbered of [true, false]) {
    let queued = 0;
    const { connection, outlet } = world(() => queued);
    assert.equal(connection.nextWakeAt(), Infinity);
    connection.setVideo(true, 0, isNumbered);
    let number = 0;
    /** Sends 1 Mbit/s of which the reader takes a share, with looks when they are due. */
    const run = (from: number, to: number, taken: number) => {
      for (let now = from; now < to; now += 8) {
        if (!isNumbered) outlet.history!.unnumbered(1_000, now);
        else outlet.history!.sent(number++ & 0xffff, 1_000, PACKET_KIND.media, now);
        queued = Math.max(0, queued + 1_000 * (1 - taken));
        assert.ok(connection.nextWakeAt() <= now + 100, "it is looked at again soon");
        if (now >= connection.nextWakeAt()) connection.tick(now);
      }
    };
    run(8, 2_000, 1);
    const before = connection.estimate!.bps;
    run(2_000, 6_000, 0.3);
    const { bps } = connection.estimate!;
    assert.ok(bps < Math.min(before, 700_000) && bps > 200_000, `${bps} of 300,000`);
    assert.equal(connection.estimate!.limitedBy, "tcp");
    queued = -1;
    connection.pathChanged(6_000);
    assert.ok(connection.nextWakeAt() > 6_100, "another path is no TCP connection");
  }
});

/**
 * A minute of 2 Mbit/s on a free path, by a thread that often waits for a core between a packet's
 * batch and the kernel, or when it comes back from there.
 *
 * @returns In which share of the frames bursts would be spread, and the longest queue seen, ms.
 */
function pacedShare(seed: number, departures?: Departures, waitsBehind = false) {
  const random = new SeededRandom(seed);
  const { connection, outlet, report } = world(undefined, departures);
  connection.setVideo(true, 0);
  const estimate = connection.estimate!;
  let [number, paced, backAt, longestMs] = [0, 0, 0, 0];
  let arrivals: number[] = [];
  for (let frame = 0; frame < 1_800; frame++) {
    const now = Math.max(1_000 + Math.round(frame * 1_000 / 30), backAt);
    backAt = now + (random.below(10) < 3 ? random.below(150) : 0);
    const leftAt = waitsBehind ? now : backAt;
    for (let i = 0; i < (frame % 120 === 0 ? 32 : 8); i++) {
      outlet.history!.sent(number++ & 0xffff, 1_100, PACKET_KIND.media, now);
      arrivals.push(Math.round((leftAt + 5) * 4) + i);
    }
    departures?.leaving(leftAt);
    departures?.left();
    longestMs = Math.max(longestMs, estimate.queueMs);
    if (frame % 2 === 1) {
      report(number - arrivals.length, arrivals, backAt + 10);
      arrivals = [];
      estimate.setDemand(2_200_000, 2_600_000, backAt + 10, 0);
    }
    if (backAt + 10 >= connection.nextWakeAt()) connection.tick(backAt + 10);
    if (frame > 300 && burstRate(estimate) !== Infinity) paced++;
  }
  return { paced: paced / 1_500, longestMs };
}

Deno.test("ConnectionEstimate takes a wait for a core of our own for no queue of the path", () => {
  let untold = 0;
  for (let seed = 1; seed <= 5; seed++) {
    for (const waitsBehind of [false, true]) {
      const { paced, longestMs } = pacedShare(seed, new Departures(), waitsBehind);
      assert.ok(paced < 0.02, `seed ${seed}: bursts are spread in ${paced} of the frames`);
      assert.ok(longestMs < 10, `seed ${seed}: a queue of ${longestMs} ms`);
    }
    untold += pacedShare(seed).paced / 5;
  }
  assert.ok(untold > 0.1, `it would matter if it was not told: ${untold}`);
});

Deno.test("ConnectionEstimate takes a wait behind another socket's call for no queue of the path", () => {
  const departures = new Departures();
  const sockets = [{}, {}];
  const worlds = sockets.map((socket) => world(undefined, departures, socket));
  for (const { connection } of worlds) connection.setVideo(true, 0);
  const random = new SeededRandom(1);
  let [number, longest] = [0, 0];
  for (let frame = 0; frame < 900; frame++) {
    let now = 1_000 + frame * 200;
    for (const { outlet } of worlds) {
      for (let i = 0; i < 8; i++) {
        outlet.history!.sent((number + i) & 0xffff, 1_100, PACKET_KIND.media, now);
      }
    }
    for (const [index, socket] of sockets.entries()) {
      departures.leaving(now);
      const arrivals = Array.from({ length: 8 }, (_, i) => (now + 5) * 4 + i);
      // A core is waited for when the call returns.
      if (random.below(10) < 3) now += random.below(70);
      departures.left(socket);
      worlds[index]!.report(number, arrivals, now + 50);
      longest = Math.max(longest, worlds[index]!.connection.estimate!.queueMs);
    }
    number += 8;
  }
  assert.ok(longest < 10, `a queue of ${longest} ms`);
});

Deno.test("Departures tells those alone whose socket has sent, and then those of no socket", () => {
  const departures = new Departures();
  const told: string[] = [];
  const connection = (name: string) => ({
    isLeaving: false,
    left: (now: number) => void told.push(`${name} ${now}`),
  });
  const [first, second] = [{}, {}];
  departures.add(connection("a"), first);
  departures.add(connection("b"), second);
  departures.add(connection("c"), undefined);
  departures.add(connection("d"), first);
  departures.leaving(100);
  departures.left(first);
  departures.leaving(170);
  departures.left(second);
  assert.deepEqual(told, ["a 100", "d 100", "b 170"]);
  departures.settle();
  assert.deepEqual(told.slice(3), ["c -Infinity"]);
  assert.equal(departures.isAwaited, false);
});

Deno.test("Departures tells each connection once when all that it sent has left", () => {
  const departures = new Departures();
  const { connection, outlet } = world(undefined, departures);
  connection.setVideo(true, 0);
  assert.equal(departures.isAwaited, false);
  outlet.history!.sent(1, 1_000, PACKET_KIND.media, 100);
  outlet.history!.sent(2, 1_000, PACKET_KIND.media, 100);
  assert.equal(departures.isAwaited, true);
  const told: number[] = [];
  const left = connection.left.bind(connection);
  connection.left = (now) => {
    told.push(now);
    left(now);
  };
  departures.leaving(140);
  departures.left();
  departures.left();
  assert.deepEqual(told, [140], "not when that was over");
  assert.equal(departures.isAwaited, false);
});

/**
 * A minute of video by a way that tells of no departures, always 100 ms long, while somebody else's
 * packets leave a socket each second.
 *
 * @returns The longest queue that was seen, ms.
 */
function queueBesideOthers(settles: boolean): number {
  const departures = new Departures();
  const { connection, outlet, report } = world(undefined, departures);
  connection.setVideo(true, 0);
  const estimate = connection.estimate!;
  const onTheWay: { number: number; at: number }[] = [];
  let [number, longest] = [0, 0];
  for (let turn = 0; turn < 6_000; turn++) {
    const now = 1_000 + turn * 10;
    for (let i = 0; i < 3; i++) {
      outlet.history!.sent(number & 0xffff, 1_100, PACKET_KIND.media, now);
      onTheWay.push({ number: number++, at: now + 100 });
    }
    if (settles) departures.settle();
    departures.leaving(now + 5);
    if (turn % 100 === 53) departures.left();
    if (turn % 5 !== 0) continue;
    const arrived = onTheWay.filter(({ at }) => at <= now - 100);
    onTheWay.splice(0, arrived.length);
    if (arrived.length === 0) continue;
    report(arrived[0]!.number, arrived.map(({ at }) => at * 4), now);
    estimate.setDemand(2_200_000, 2_600_000, now, 0);
    if (now >= connection.nextWakeAt()) connection.tick(now);
    longest = Math.max(longest, estimate.queueMs);
  }
  return longest;
}

Deno.test("ConnectionEstimate does not take what others send for its own packets' departure", () => {
  assert.equal(queueBesideOthers(true), 0);
  const mixed = queueBesideOthers(false);
  assert.ok(mixed > 80, `it would matter: ${mixed} ms`);
});

Deno.test("Departures keeps nobody whose way tells nothing", () => {
  const departures = new Departures();
  for (let i = 0; i < 3; i++) {
    const { connection, outlet } = world(undefined, departures);
    connection.setVideo(true, 0);
    outlet.history!.sent(1, 1_000, PACKET_KIND.media, 100);
    assert.equal(connection.isLeaving, true);
    departures.settle();
    assert.equal(connection.isLeaving, false);
    assert.equal(departures.isAwaited, false);
  }
});

/** An estimate that is asked for each packet, and told of each at once. */
class AskedEach {
  readonly estimate = new SendEstimate(SAMPLED_ESTIMATE);
  readonly #probes = new ProbeSender(() => false);

  numbers(now: number): boolean {
    return this.#probes.cluster !== NO_CLUSTER || this.estimate.numbers(now);
  }

  sent(sequence: number, bytes: number, now: number): void {
    const { cluster } = this.#probes;
    this.estimate.sent(sequence, bytes, PACKET_KIND.media, cluster, now);
    if (cluster !== NO_CLUSTER) this.#probes.sent(bytes, now);
  }

  feedback(report: TransportFeedback, now: number): void {
    this.estimate.feedback(report, now);
    if (this.estimate.probe === undefined) this.#probes.tick(this.estimate, now);
  }

  tick(now: number): void {
    const { estimate } = this;
    if (now >= estimate.nextWakeAt()) estimate.tick(now);
    if (now >= this.#probes.nextWakeAt(estimate)) this.#probes.tick(estimate, now);
  }
}

Deno.test("ConnectionEstimate numbers the packets, and knows what, as if its estimate were asked for each", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const { connection, outlet, report } = world();
    const each = new AskedEach();
    connection.setVideo(true, 0);
    const estimates = () => [connection.estimate!, each.estimate];
    for (const estimate of estimates()) estimate.setDemand(100_000, 1_000_000, 0, 0);
    let first = 0;
    const sentAt: number[] = [];
    let [numbered, skipped] = [0, 0];
    for (let now = 0; now < 60_000; now += 33) {
      for (let i = 0; i < 3; i++) {
        const isNumbered = each.numbers(now);
        assert.equal(outlet.history!.numbers(now), isNumbered, `${seed}: at ${now}`);
        if (isNumbered) {
          outlet.history!.sent(sentAt.length & 0xffff, 1_000, PACKET_KIND.media, now);
          each.sent(sentAt.length & 0xffff, 1_000, now);
          sentAt.push(now);
          numbered++;
        } else {
          outlet.history!.skipped(1_000, now);
          each.estimate.skipped(1_000, now);
          skipped++;
        }
      }
      // What comes is read a little later than the packets' own time.
      const later = now + 5 + random.uint32() % 20;
      if (sentAt.length > first && random.uint32() % 2 === 0) {
        const waitedMs = random.uint32() % 200 === 0 ? 40 : 5;
        const at = sentAt.slice(first).map((ms, i) => (ms + waitedMs) * 4 + i);
        each.feedback(report(first, at, later), later);
        first = sentAt.length;
      }
      if (random.uint32() % 400 === 0) {
        connection.missed(1, later);
        each.estimate.missed(1, later);
      }
      if (random.uint32() % 30 === 0) {
        const lost = random.uint32() % 20 === 0 ? 2 : 0;
        const nextLeftAt = random.uint32() % 20 === 0 ? later - 150 : later - 5;
        connection.receiveReport(lost, lost * 2, nextLeftAt, later);
        each.estimate.awaited(nextLeftAt, later);
        each.estimate.report(lost / 256, later, lost * 2);
      }
      if (random.uint32() % 600 === 0) {
        const ideal = 900_000 + random.uint32() % 300_000;
        for (const estimate of estimates()) estimate.setDemand(100_000, ideal, later, 0);
      }
      connection.tick(later);
      each.tick(later);
      const [ours, theirs] = estimates().map(({ bps, ackedBps, limitedBy, queueMs }) => {
        return { bps, ackedBps, limitedBy, queueMs };
      });
      assert.deepEqual(ours, theirs, `${seed}: at ${now}`);
    }
    assert.ok(numbered > 1_000 && skipped > 1_000, `${seed}: ${numbered} and ${skipped}`);
  }
});

Deno.test("A path is narrow that is full and carries less than 1 Mbit/s, not one that only loses", () => {
  const signs = { bps: 600_000, ackedBps: 400_000, lossFraction: 0.01 };
  for (const limitedBy of ["delay", "loss", "remb", "demand"] as const) {
    assert.ok(isNarrow({ ...signs, limitedBy }), limitedBy);
    assert.ok(!isNarrow({ ...signs, bps: 1_200_000, limitedBy }), limitedBy);
    assert.ok(!isNarrow({ ...signs, ackedBps: 1_200_000, limitedBy }), limitedBy);
  }
  assert.equal(burstRate({ ...signs, limitedBy: "none" }), 600_000);
  for (const limitedBy of ["none", "start", "tcp"] as const) {
    assert.ok(!isNarrow({ ...signs, limitedBy }), limitedBy);
  }
});
