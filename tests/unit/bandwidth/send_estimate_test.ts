import assert from "node:assert/strict";
import { SENT } from "../../../lib/bandwidth/sent_packets.ts";
import { SendEstimate } from "../../../lib/bandwidth/send_estimate.ts";
import { NOT_RECEIVED, TransportFeedback } from "../../../lib/wire/transport_cc.ts";

const OPTIONS = { startBps: 1_000_000, minBps: 50_000, maxBps: 10_000_000 };

/** A sender and the messages of its receiver, without a network between them. */
class Conversation {
  readonly estimate = new SendEstimate(OPTIONS);
  now = 1_000;
  readonly #message = new TransportFeedback();
  #sequence = 0;

  /** The number of a packet that is sent beside. */
  next(): number {
    return this.#sequence++ & 0xffff;
  }

  /** Nothing waits on its way. */
  clear(ms: number): void {
    this.talk(ms, 500_000, (sentAt) => sentAt + 20);
  }

  /**
   * Sends packets, of 1,000 bytes if not told, for `ms` at a rate, and tells of them every 50 ms.
   *
   * @param arrival When a packet sent at a time arrives; negative: never.
   * @param isTold Otherwise nothing is told of them.
   */
  talk(
    ms: number,
    bps: number,
    arrival: (sentAt: number) => number,
    cluster = 0,
    isTold = true,
    bytes = 1_000,
  ): void {
    const gap = bytes * 8_000 / bps;
    const arrivals: number[] = [];
    let base = this.#sequence;
    const end = this.now + ms;
    for (let at = this.now; at < end; at += gap) {
      if (Math.floor(at / 50) > Math.floor(this.now / 50)) {
        this.now = Math.floor(at / 50) * 50;
        this.tell(base, isTold ? arrivals.splice(0) : []);
        base = this.#sequence;
      }
      this.now = at;
      this.estimate.sent(this.#sequence++ & 0xffff, bytes, SENT.media, cluster, at);
      arrivals.push(arrival(at));
    }
    this.now = end;
    if (isTold) this.tell(base, arrivals);
  }

  tell(base: number, arrivals: readonly number[]): void {
    if (arrivals.length === 0) return;
    const message = this.#message;
    message.baseSequence = base & 0xffff;
    message.statusCount = arrivals.length;
    const first = arrivals.find((at) => at >= 0) ?? 0;
    message.referenceTime = Math.floor(first / 64);
    let steps = message.referenceTime * 256;
    for (const [i, at] of arrivals.entries()) {
      message.deltas[i] = at < 0 ? NOT_RECEIVED : Math.round(at * 4) - steps;
      if (at >= 0) steps = Math.round(at * 4);
    }
    this.estimate.feedback(message, this.now);
    this.estimate.tick(this.now);
  }
}

Deno.test("SendEstimate learns nothing of a packet that was sent twice under one number", () => {
  const late = [false, true].map((isAgain) => {
    const talk = new Conversation();
    talk.talk(3_000, 900_000, (at) => at + 20);
    const sequence = Math.ceil(3_000 / (8_000_000 / 900_000));
    talk.estimate.sent(sequence, 1_000, SENT.audio, 0, talk.now);
    if (isAgain) talk.estimate.sentAgain(sequence);
    const { rttMs } = talk.estimate;
    talk.now += 900;
    talk.tell(sequence, [talk.now - 20]);
    return talk.estimate.rttMs - rttMs;
  });
  assert.ok(late[0]! > 50, `what is known of the number counts: ${late}`);
  assert.equal(late[1], 0);
});

Deno.test("SendEstimate takes copies that come late in place of their packets for no queue and no loss", () => {
  const told = [false, true].map((isAgain) => {
    const talk = new Conversation();
    for (let i = 0; i < 200; i++) {
      talk.talk(40, 900_000, (at) => at + 20);
      const sequence = talk.next();
      talk.estimate.sent(sequence, 200, SENT.audio, 0, talk.now);
      if (isAgain) talk.estimate.sentAgain(sequence);
      talk.tell(sequence, [i % 5 === 0 ? -1 : talk.now + 60]);
    }
    const { queueMs, lossFraction, packets, ackedBps } = talk.estimate;
    return { queueMs, lossFraction, lost: packets.audioLost, ackedBps };
  });
  assert.ok(told[0]!.queueMs > 10 && told[0]!.lossFraction > 0.005, JSON.stringify(told));
  assert.ok(told[1]!.queueMs < 1, JSON.stringify(told));
  assert.deepEqual([told[1]!.lossFraction, told[1]!.lost], [0, 0]);
  assert.equal(told[1]!.ackedBps, told[0]!.ackedBps, "what came is what it was");
});

Deno.test("SendEstimate begins where it is told to, limited by that", () => {
  const { estimate } = new Conversation();
  assert.equal(estimate.bps, 1_000_000);
  assert.equal(estimate.limitedBy, "start");
  assert.equal(estimate.rttMs, -1);
  assert.equal(estimate.nextWakeAt(), Infinity);
});

Deno.test("SendEstimate grows on a clean path to at most 1.5 times what is acknowledged", () => {
  const talk = new Conversation();
  talk.talk(20_000, 900_000, (at) => at + 20);
  assert.ok(Math.abs(talk.estimate.ackedBps - 900_000) < 50_000, `${talk.estimate.ackedBps}`);
  assert.ok(talk.estimate.bps > 1_200_000, `${talk.estimate.bps}`);
  assert.ok(talk.estimate.bps <= 1.5 * talk.estimate.ackedBps + 10_000, `${talk.estimate.bps}`);
  assert.ok(talk.estimate.mayRaise);
  assert.equal(talk.estimate.lossFraction, 0);
  assert.ok(talk.estimate.rttMs < 60);
});

Deno.test("SendEstimate grows little above what is sent in whole layers: the next one is more", () => {
  const talk = new Conversation();
  for (let second = 0; second < 20; second++) {
    talk.estimate.setDemand(160_000, 3_000_000, talk.now, 2_500_000);
    talk.talk(1_000, 900_000, (at) => at + 20);
  }
  assert.ok(talk.estimate.bps >= 1_000_000, `${talk.estimate.bps}`);
  // It is seen after a second and a half, and a second brings 8 %.
  assert.ok(talk.estimate.bps < 1_000_000 * 1.08 ** 1.5, `${talk.estimate.bps}`);
  assert.equal(talk.estimate.limitedBy, "demand", "no queue was seen");
});

Deno.test("SendEstimate believes what arrives, when more is sent than it allows and no queue grows", () => {
  const talk = new Conversation();
  // All that begins at once is late for a moment.
  const from = talk.now;
  talk.talk(300, 8_000_000, (at) => from + 20 + (at - from) * 2);
  talk.talk(400, 8_000_000, (at) => at + 20);
  assert.ok(talk.estimate.bps < 2_000_000, `${talk.estimate.bps}`);
  talk.talk(1_600, 8_000_000, (at) => at + 20);
  assert.ok(talk.estimate.bps > 7_000_000, `${talk.estimate.bps}`);
});

Deno.test("SendEstimate falls below what arrives while the queue grows, and raises nothing", () => {
  const talk = new Conversation();
  talk.talk(3_000, 900_000, (at) => at + 20);
  // The path carries half of what is sent from here on: delays grow by a millisecond each.
  const from = talk.now;
  talk.talk(1_000, 900_000, (at) => from + 20 + (at - from) * 2);
  assert.ok(talk.estimate.bps < 500_000, `${talk.estimate.bps}`);
  assert.equal(talk.estimate.limitedBy, "delay");
  assert.equal(talk.estimate.mayRaise, false);
  assert.equal(talk.estimate.probe, undefined);
  assert.ok(talk.estimate.queueMs > 300, `${talk.estimate.queueMs}`);
});

Deno.test("SendEstimate bears 5 % of random loss, and answers loss of half of what is sent", () => {
  const few = new Conversation();
  let count = 0;
  few.talk(10_000, 900_000, (at) => ++count % 20 === 0 ? -1 : at + 20);
  assert.ok(few.estimate.bps > 900_000, `${few.estimate.bps}`);
  assert.ok(Math.abs(few.estimate.lossFraction - 0.05) < 0.02, `${few.estimate.lossFraction}`);
  const many = new Conversation();
  many.talk(10_000, 900_000, (at) => ++count % 2 === 0 ? -1 : at + 20);
  assert.ok(many.estimate.bps < 500_000, `${many.estimate.bps}`);
  assert.equal(many.estimate.limitedBy, "loss");
});

Deno.test("SendEstimate asks for a probe once somebody wants something, and takes what it showed", () => {
  const talk = new Conversation();
  assert.equal(talk.estimate.probe, undefined, "nobody wants anything");
  talk.estimate.setDemand(150_000, 5_000_000, talk.now, 2_000_000);
  const probe = talk.estimate.probe!;
  assert.ok(probe.bps >= 1_500_000 && probe.bps <= 2_000_000, `${probe.bps}`);
  assert.ok(probe.packets >= 5);
  talk.estimate.begun(probe.cluster, talk.now);
  talk.talk(60, probe.bps, (at) => at + 20, probe.cluster);
  assert.ok(talk.estimate.bps > 1_300_000, `${talk.estimate.bps}`);
});

/** Packets of 1,000 bytes wait for each other on a path of so many bits per second. */
function queueOf(bps: number) {
  let busyUntil = 0;
  return (sentAt: number) => {
    busyUntil = Math.max(busyUntil, sentAt) + 8_000_000 / bps;
    return busyUntil + 20;
  };
}

Deno.test("SendEstimate takes the queue that its own probe makes for no congestion, and one beyond that for it", () => {
  for (const isNarrowed of [false, true]) {
    const talk = new Conversation();
    const { estimate } = talk;
    talk.talk(10_000, 700_000, queueOf(1_000_000));
    const before = estimate.bps;
    estimate.setDemand(150_000, 5_000_000, talk.now, 1_500_000);
    const probe = estimate.probe!;
    assert.ok(probe.bps > 1_400_000, `${probe.bps}`);
    const arrival = queueOf(isNarrowed ? 350_000 : 1_000_000);
    estimate.begun(probe.cluster, talk.now);
    talk.talk(probe.bytes * 8_000 / probe.bps + 30, probe.bps, arrival, probe.cluster);
    talk.talk(700, 700_000, arrival);
    if (isNarrowed) assert.ok(estimate.bps < 400_000, `${estimate.bps}`);
    else assert.ok(estimate.bps > 0.9 * before, `${before} → ${estimate.bps}`);
  }
});

/** A conversation at 700 kbit/s on a path of 1 Mbit/s, and its first probe. */
function beforeProbe() {
  const talk = new Conversation();
  talk.talk(10_000, 700_000, queueOf(1_000_000));
  talk.estimate.setDemand(150_000, 5_000_000, talk.now, 1_500_000);
  return { talk, before: talk.estimate.bps, probe: talk.estimate.probe! };
}

/** Sends a probe, whole, and a little faster than it has to be. */
function sendProbe(talk: Conversation, arrival: (sentAt: number) => number): void {
  const { bps, bytes, cluster } = talk.estimate.probe!;
  talk.estimate.begun(cluster, talk.now);
  const packets = Math.ceil(bytes / 1_000) + 1;
  talk.talk(packets * 8_000_000 / bps - 1, bps * 1.02, arrival, cluster);
}

Deno.test("SendEstimate lets pass what the newest probe makes of a queue, and not what all of them do", () => {
  const { talk, probe } = beforeProbe();
  const { estimate } = talk;
  sendProbe(talk, (at) => at + 20);
  while (estimate.probe === undefined) talk.talk(20, 700_000, (at) => at + 20);
  assert.notEqual(estimate.probe.cluster, probe.cluster);
  // Just then the path becomes slower than what is sent.
  const before = estimate.bps;
  const burstMs = estimate.probe.bytes * 8_000 / before;
  const arrival = queueOf(0.65 * before);
  const from = talk.now;
  sendProbe(talk, arrival);
  while (estimate.bps > 0.9 * before && talk.now < from + 2_000) {
    talk.talk(20, 0.7 * before, arrival);
  }
  assert.ok(estimate.queueMs < burstMs + 60, `${estimate.queueMs} ms, ${burstMs} of the burst`);
});

Deno.test("SendEstimate starts below its start where the first probe fills the path", () => {
  const talk = new Conversation();
  talk.estimate.setDemand(150_000, 5_000_000, talk.now, 2_000_000);
  const { bps, cluster } = talk.estimate.probe!;
  const from = talk.now;
  // Four times slower than sent: 500 kbit/s.
  talk.talk(60, bps, (at) => from + 20 + (at - from) * bps / 500_000, cluster);
  assert.ok(talk.estimate.bps < 600_000, `${talk.estimate.bps}`);
});

Deno.test("SendEstimate takes a probe back that nobody sends", () => {
  const { estimate } = new Conversation();
  estimate.setDemand(150_000, 5_000_000, 0);
  assert.notEqual(estimate.probe, undefined);
  assert.ok(estimate.nextWakeAt() <= 1_000);
  estimate.tick(1_000);
  assert.equal(estimate.probe, undefined);
});

Deno.test("SendEstimate asks for another probe where one could not be sent, while feedback comes, too", () => {
  const talk = new Conversation();
  talk.talk(2_000, 600_000, (at) => at + 20);
  talk.estimate.setDemand(150_000, 5_000_000, talk.now, 2_000_000);
  const first = talk.estimate.probe!;
  const clusters = new Set<number>();
  for (let i = 0; i < 60; i++) {
    talk.talk(50, 600_000, (at) => at + 20);
    if (talk.now >= talk.estimate.nextWakeAt()) talk.estimate.tick(talk.now);
    if (talk.estimate.probe !== undefined) clusters.add(talk.estimate.probe.cluster);
  }
  assert.ok(clusters.size >= 3, `after ${first.cluster}: ${[...clusters]}`);
});

Deno.test("SendEstimate follows REMB where there is no transport-wide feedback, and only there", () => {
  const talk = new Conversation();
  for (const end = talk.now + 3_000; talk.now < end; talk.now += 100) {
    talk.estimate.unnumbered(12_500, talk.now);
    talk.estimate.remb(700_000, talk.now);
  }
  assert.equal(talk.estimate.bps, 700_000, "less than is sent");
  assert.equal(talk.estimate.limitedBy, "remb");
  talk.estimate.remb(Number.NaN, talk.now);
  assert.equal(talk.estimate.bps, 700_000);
  talk.talk(1_000, 900_000, (at) => at + 20);
  talk.estimate.remb(100_000, talk.now);
  assert.ok(talk.estimate.bps > 900_000);
});

Deno.test("SendEstimate probes nothing where nobody can tell what became of it", () => {
  const { estimate } = new Conversation();
  estimate.isNumbered = false;
  estimate.setDemand(100_000, 3_000_000, 0, 1_000_000);
  for (let now = 0; now < 20_000; now += 100) {
    estimate.tick(now);
    assert.equal(estimate.probe, undefined);
  }
});

Deno.test("SendEstimate stops probing who never answers, and goes on once it does", () => {
  const talk = new Conversation();
  const { estimate } = talk;
  estimate.setDemand(100_000, 3_000_000, talk.now, 2_000_000);
  const probes = (ms: number, isTold: boolean) => {
    const seen = new Set<number>();
    for (const end = talk.now + ms; talk.now < end;) {
      if (talk.now >= estimate.nextWakeAt()) estimate.tick(talk.now);
      const { probe } = estimate;
      if (probe === undefined) talk.talk(50, 500_000, (at) => at + 20, 0, isTold);
      else {
        seen.add(probe.cluster);
        talk.talk(
          probe.bytes * 10_000 / probe.bps,
          probe.bps,
          (at) => at + 20,
          probe.cluster,
          isTold,
        );
      }
    }
    return seen.size;
  };
  assert.ok(probes(5_000, false) >= 1, "it may answer");
  assert.equal(probes(30_000, false), 0);
  assert.ok(probes(10_000, true) >= 1, "it answers");
});

Deno.test("SendEstimate forgets loss in reports when more than what is wanted is carried again", () => {
  const estimate = new SendEstimate(OPTIONS);
  estimate.setDemand(100_000, 2_000_000, 0);
  estimate.report(0.3, 0);
  let now = 0;
  for (; now <= 60_000; now += 200) estimate.report(0, now);
  assert.ok(estimate.bps >= 2_000_000, `${estimate.bps}`);
  assert.notEqual(estimate.limitedBy, "loss");
  estimate.report(0.3, now);
  const fallen = estimate.bps;
  for (let stream = 0; stream < 10; stream++) estimate.report(0, now + stream);
  assert.ok(estimate.bps <= fallen * 1.08 + 1, "once a second, however many streams");
});

Deno.test("SendEstimate lowers the rate by loss in reports where nothing else is known", () => {
  const estimate = new SendEstimate(OPTIONS);
  estimate.report(0.3, 0);
  assert.equal(estimate.bps, 850_000);
  assert.equal(estimate.limitedBy, "loss");
  assert.equal(estimate.mayRaise, false);
  estimate.report(0.3, 500);
  assert.equal(estimate.bps, 850_000, "once a second");
});

Deno.test("SendEstimate takes a TCP socket's queue for a limit, and its being empty for room", () => {
  const estimate = new SendEstimate(OPTIONS);
  estimate.setDemand(100_000, 3_000_000, 0);
  let now = 0;
  for (; now <= 3_000; now += 100) {
    estimate.sent(now / 100, 10_000, SENT.media, 0, now);
    estimate.tcpQueue(0, now);
  }
  const grown = estimate.bps;
  assert.ok(grown > 1_500_000, `${grown}`);
  // 10,000 bytes each 100 ms are written and 5,000 leave: 400 kbit/s.
  for (let queued = 5_000; queued < 50_000; queued += 5_000, now += 100) {
    estimate.sent(now / 100, 10_000, SENT.media, 0, now);
    estimate.tcpQueue(queued, now);
  }
  assert.equal(estimate.bps, 340_000);
  assert.equal(estimate.limitedBy, "tcp");
});

Deno.test("SendEstimate climbs on TCP without probes, and falls with delay behind the socket", () => {
  const talk = new Conversation();
  for (let i = 0; i < 60; i++) {
    talk.estimate.setDemand(150_000, 3_000_000, talk.now, 2_000_000);
    talk.talk(100, 500_000, (at) => at + 20);
    talk.estimate.tcpQueue(0, talk.now);
    if (i > 0) assert.equal(talk.estimate.probe, undefined);
  }
  assert.ok(talk.estimate.bps > 2_000_000, `${talk.estimate.bps}`);
  assert.ok(talk.estimate.mayRaise);
  const from = talk.now;
  for (let i = 0; i < 20; i++) {
    talk.talk(100, 500_000, (at) => from + 20 + (at - from) * 2);
    talk.estimate.tcpQueue(0, talk.now);
  }
  assert.ok(talk.estimate.bps < 600_000, `${talk.estimate.bps}`);
});

Deno.test("SendEstimate.reset() keeps half, and forgets what was on the way", () => {
  const talk = new Conversation();
  talk.talk(5_000, 900_000, (at) => at + 20);
  const before = talk.estimate.bps;
  talk.estimate.reset(talk.now);
  assert.ok(Math.abs(talk.estimate.bps - before / 2) <= 1);
  assert.equal(talk.estimate.limitedBy, "start");
  assert.equal(talk.estimate.ackedBps, 0);
  const fresh = new SendEstimate(OPTIONS);
  fresh.restore(3_000_000);
  assert.equal(fresh.bps, 3_000_000);
  fresh.restore(1e12);
  assert.equal(fresh.bps, OPTIONS.maxBps);
});

Deno.test("SendEstimate gives way, step by step, when nothing is heard of what is sent", () => {
  const talk = new Conversation();
  talk.talk(5_000, 900_000, (at) => at + 20);
  const before = talk.estimate.bps;
  talk.estimate.sent(60_000, 1_000, SENT.media, 0, talk.now);
  assert.ok(talk.estimate.nextWakeAt() <= talk.now + 1_000);
  talk.estimate.tick(talk.now + 1_500);
  assert.equal(talk.estimate.bps, before);
  assert.equal(talk.estimate.mayRaise, false);
  for (let ms = 1_750, number = 60_001; ms <= 6_000; ms += 250, number++) {
    talk.estimate.sent(number, 1_000, SENT.media, 0, talk.now + ms);
    talk.estimate.tick(talk.now + ms);
  }
  assert.ok(Math.abs(talk.estimate.bps / before - 0.8 ** 4) < 0.01, `${talk.estimate.bps}`);
});

Deno.test("SendEstimate keeps what it knows while nothing is sent, though the last feedback was lost", () => {
  const talk = new Conversation();
  talk.talk(5_000, 900_000, (at) => at + 20);
  const before = talk.estimate.bps;
  talk.talk(100, 900_000, (at) => at + 20, 0, false);
  // Whoever watches looks elsewhere for half a minute: nothing is wanted.
  talk.estimate.setDemand(0, 0, talk.now);
  for (let ms = 0; ms <= 30_000; ms += 250) talk.estimate.tick(talk.now + ms);
  assert.equal(talk.estimate.bps, before);
});

for (const isOthers of [true, false]) {
  const whose = isOthers ? "somebody else's" : "its own";
  Deno.test(`SendEstimate tells by a burst, where no less can be sent, that a queue is ${whose}`, () => {
    const talk = new Conversation();
    const { estimate } = talk;
    const [base, soundBps, packet] = [150_000, 45_000, 125];
    const sound = (ms: number, arrival: (at: number) => number) =>
      talk.talk(ms, soundBps, arrival, 0, true, packet);
    talk.talk(5_000, 500_000, (at) => at + 20);
    // It fell to where sound alone is left. A queue grows beside that, and stays.
    estimate.restore(OPTIONS.minBps);
    sound(15_000, (at) => at + 20);
    const from = talk.now;
    const beside = (at: number) => at + 20 + Math.min(300, at - from);
    sound(2_000, beside);
    // Alone on a path that carries as much as arrives, each packet waits for those before it.
    let busyUntil = talk.now + 300;
    const alone = (at: number) => {
      busyUntil = Math.max(busyUntil, at) + packet * 8_000 / soundBps;
      return busyUntil + 20;
    };
    const arrival = isOthers ? beside : alone;
    let bursts = 0;
    for (const end = talk.now + 25_000; talk.now < end && estimate.bps < base;) {
      estimate.setDemand(base, 900_000, talk.now);
      if (talk.now >= estimate.nextWakeAt()) estimate.tick(talk.now);
      const { probe } = estimate;
      if (probe === undefined) sound(200, arrival);
      else {
        bursts++;
        const ms = probe.packets * packet * 8_000 / probe.bps + 1;
        talk.talk(ms, probe.bps, arrival, probe.cluster, true, packet);
      }
    }
    if (isOthers) assert.ok(estimate.bps >= base, `${estimate.bps}, ${bursts} bursts`);
    else {
      assert.ok(estimate.bps < 1.5 * soundBps, `${estimate.bps}`);
      assert.ok(bursts > 0 && bursts <= 8, `${bursts} bursts in 25 s`);
    }
  });
}

Deno.test("SendEstimate forgets where the queue grew once bursts say that it was somebody else's", () => {
  const talk = new Conversation();
  const { estimate } = talk;
  const [base, packet] = [57_000, 125];
  const sound = (ms: number, bps: number, arrival: (at: number) => number) =>
    talk.talk(ms, bps, arrival, 0, true, packet);
  estimate.restore(80_000);
  sound(3_000, 70_000, (at) => at + 20);
  const from = talk.now;
  sound(1_500, 70_000, (at) => at + 20 + 0.2 * (at - from));
  assert.ok(estimate.bps < base, `${estimate.bps}`);
  // From here on it stays as it is, whatever is sent.
  const beside = (at: number) => at + 320;
  let heardAt = Infinity;
  while (talk.now < from + 20_000 && heardAt === Infinity) {
    estimate.setDemand(base, base, talk.now);
    if (talk.now >= estimate.nextWakeAt()) estimate.tick(talk.now);
    const { probe } = estimate;
    if (probe === undefined) sound(200, 45_000, beside);
    else {
      const ms = 6 * packet * 8_000 / probe.bps - 1;
      talk.talk(ms, probe.bps, beside, probe.cluster, true, packet);
    }
    if (estimate.bps >= base) heardAt = talk.now;
  }
  assert.ok(heardAt < Infinity);
  // What follows is growth alone.
  estimate.isNumbered = false;
  sound(1_000, 70_000, beside);
  const heardBps = estimate.bps;
  sound(600, 70_000, beside);
  // Near where the queue grew it is 4 kbit/s in a second.
  assert.ok(estimate.bps > heardBps + 8_000, `${heardBps} → ${estimate.bps}`);
});

for (const unanswered of [1, 40]) {
  Deno.test(`SendEstimate asks again when all is paused and ${unanswered} packets stay unanswered`, () => {
    const talk = new Conversation();
    const { estimate } = talk;
    const base = 150_000;
    estimate.setDemand(base, 900_000, talk.now);
    // Three times as much as is carried.
    const from = talk.now;
    talk.talk(4_000, 180_000, (at) => at + 20 + 2 * (at - from));
    assert.ok(estimate.bps < base, `${estimate.bps}`);
    talk.talk(unanswered, 8_000_000, () => -1, 0, false);
    // The path is dead for 15 s; from then on everything that is sent is answered.
    const backAt = talk.now + 15_000;
    const asked = { dead: 0, back: 0 };
    while (talk.now < backAt + 5_000) {
      talk.now += 100;
      const isBack = talk.now >= backAt;
      estimate.setDemand(base, 900_000, talk.now);
      if (talk.now >= estimate.nextWakeAt()) estimate.tick(talk.now);
      if (estimate.probe === undefined) continue;
      asked[isBack ? "back" : "dead"]++;
      const { bps, cluster } = estimate.probe;
      talk.talk(60_000_000 / bps, bps, (at) => at + 20, cluster, isBack);
    }
    assert.ok(asked.dead > 0 && asked.dead <= 15, `a dead path is asked seldom: ${asked.dead}`);
    assert.ok(estimate.bps >= base, `${estimate.bps} after ${asked.back} more`);
  });
}

Deno.test("SendEstimate passes over REMB from whoever tells when packets came", () => {
  const talk = new Conversation();
  talk.estimate.setDemand(100_000, 400_000, talk.now, 0);
  talk.clear(3_000);
  const { bps, limitedBy } = talk.estimate;
  assert.equal(talk.estimate.mayRaise, true);
  // Receivers tell it of packets without numbers, of which there are few at first.
  talk.estimate.remb(900_000, talk.now);
  talk.estimate.remb(60_000, talk.now);
  assert.deepEqual([talk.estimate.bps, talk.estimate.limitedBy], [bps, limitedBy]);
  assert.equal(talk.estimate.mayRaise, true, "nor is anything held");
});
