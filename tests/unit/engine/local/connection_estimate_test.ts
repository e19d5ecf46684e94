/** What a connection's estimate is fed with, and when anything is numbered at all. */
import assert from "node:assert/strict";
import { PACKET_KIND, type SendHistory } from "../../../../lib/base/packet_sink.ts";
import { ConnectionEstimate } from "../../../../lib/engine/local/connection_estimate.ts";
import {
  MAX_FEEDBACK_BYTES,
  NOT_RECEIVED,
  TransportFeedback,
  writeTransportFeedback,
} from "../../../../lib/wire/transport_cc.ts";

const HEADER_BYTES = 12;

function world(queuedBytes?: () => number) {
  const outlet: { history?: SendHistory | undefined } = {};
  const connection = new ConnectionEstimate({
    outlet,
    timed: () => {},
    feedback: new TransportFeedback(),
    pad: () => false,
    ...(queuedBytes === undefined ? {} : { queuedBytes }),
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
  return { connection, outlet, round };
}

Deno.test("ConnectionEstimate keeps a history only while there is video", () => {
  const { connection, outlet, round } = world();
  assert.equal(outlet.history, undefined);
  assert.equal(round(0, () => false), true, "feedback without an estimate is passed over");
  connection.receiveRemb(300_000, 0);
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
  const { connection } = world();
  connection.setVideo(true, 0);
  connection.receiveRemb(640_000, 100);
  assert.equal(connection.estimate!.bps, 640_000);
  connection.pathChanged(200);
  assert.ok(connection.estimate!.bps < 640_000);
});

Deno.test("ConnectionEstimate looks at the queue of a TCP path while there is video, and goes by it", () => {
  let queued = 0;
  const { connection, outlet } = world(() => queued);
  assert.equal(connection.nextWakeAt(), Infinity);
  connection.setVideo(true, 0);
  let number = 0;
  /** Sends 1 Mbit/s of which the reader takes a share, with looks when they are due. */
  const run = (from: number, to: number, taken: number) => {
    for (let now = from; now < to; now += 8) {
      outlet.history!.sent(number++ & 0xffff, 1_000, PACKET_KIND.media, now);
      queued = Math.max(0, queued + 1_000 * (1 - taken));
      assert.ok(connection.nextWakeAt() <= now + 100, "it is looked at again soon");
      if (now >= connection.nextWakeAt()) connection.tick(now);
    }
  };
  run(8, 2_000, 1);
  const before = connection.estimate!.bps;
  run(2_000, 6_000, 0.3);
  assert.ok(connection.estimate!.bps < Math.min(before, 700_000), `${connection.estimate!.bps}`);
  assert.equal(connection.estimate!.limitedBy, "tcp");
  queued = -1;
  connection.pathChanged(6_000);
  assert.ok(connection.nextWakeAt() > 6_100, "another path is no TCP connection");
});
