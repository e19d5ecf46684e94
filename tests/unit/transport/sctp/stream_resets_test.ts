/** Ends of streams between two associations, and by hand. */
import assert from "node:assert/strict";
import { STREAM_END } from "../../../../lib/transport/sctp/inbound_queue.ts";
import { CHUNK } from "../../../../lib/transport/sctp/sctp_packet.ts";
import {
  chunk,
  RawSctpPeer,
  type SentChunk,
  u16,
  u32,
} from "../../../support/virtual/raw_sctp_peer.ts";
import { SctpLink, type SctpSide } from "../../../support/virtual/sctp_link.ts";

const text = new TextEncoder();

/** What came, ends of streams included. */
const seen = (side: SctpSide) =>
  side.taken.map(({ streamId, ppid, bytes }) =>
    ppid === STREAM_END ? `${streamId} ended` : `${streamId} ${new TextDecoder().decode(bytes)}`
  );

for (const lossRate of [0, 0.3]) {
  Deno.test(`SctpAssociation ends streams and uses them again, in order (${lossRate} lost)`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const link = new SctpLink(seed, { lossRate, reorderRate: lossRate }).connect();
      const { left, right } = link;
      for (let use = 1; use <= 5; use++) {
        left.send(text.encode(`first ${use}`), { streamId: 4 });
        left.send(text.encode(`second ${use}`), { streamId: 4 });
        link.run(30_000, () => right.taken.length === 3 * use - 1);
        left.association.resetStreams([4]);
        assert.ok(link.run(60_000, () => right.taken.length === 3 * use), `seed ${seed}`);
        right.association.resetStreams([4]);
        assert.ok(link.run(60_000, () => left.taken.length === use), `seed ${seed}`);
      }
      const expected = [1, 2, 3, 4, 5].flatMap((use) => [
        `4 first ${use}`,
        `4 second ${use}`,
        "4 ended",
      ]);
      assert.deepEqual(seen(right), expected, `seed ${seed}`);
      assert.deepEqual(seen(left), Array(5).fill("4 ended"));
    }
  });
}

Deno.test("SctpAssociation.resetStreams() drops what waits, and finishes a message that has begun", () => {
  const link = new SctpLink(1).connect();
  link.left.send(new Uint8Array(60_000), { streamId: 4 });
  link.left.send(text.encode("never"), { streamId: 4 });
  link.left.send(text.encode("other"), { streamId: 6 });
  link.run(1);
  link.left.association.resetStreams([4]);
  link.left.send(text.encode("next use"), { streamId: 4 });
  link.run(5_000);
  assert.deepEqual(seen(link.right).map((line) => line.slice(0, 10)), [
    `4 ${"\0".repeat(8)}`,
    "6 other",
    "4 ended",
    "4 next use",
  ]);
});

const reset = (peer: RawSctpPeer, number: number, streams: number[], lastTsn = peer.tsn - 1) =>
  chunk(CHUNK.reconfig, 0, [
    ...u16(13),
    ...u16(16 + 2 * streams.length),
    ...u32(number),
    ...u32(peer.theirTsn - 1),
    ...u32(lastTsn),
    ...streams.flatMap(u16),
  ]);

/** Responses among what was sent: the number, and the result. */
const responses = (chunks: readonly SentChunk[]) =>
  chunks.filter(({ type, body }) => type === CHUNK.reconfig && body.getUint16(0) === 16)
    .map(({ body }) => [body.getUint32(4), body.getUint32(8)]);

const PERFORMED = 1;
const DENIED = 2;
const BAD_SEQUENCE = 5;
const IN_PROGRESS = 6;

Deno.test("SctpAssociation ends a stream when all that was sent on it has come", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const number = peer.tsn;
  const late = peer.data([...text.encode("late")]);
  peer.packet([reset(peer, number, [1])]);
  assert.deepEqual(responses(peer.sent()), []);
  peer.packet([reset(peer, number, [1])]);
  assert.deepEqual(responses(peer.sent()), [[number, IN_PROGRESS]], "it was asked again");
  peer.packet([late]);
  assert.deepEqual(responses(peer.sent()), [[number, PERFORMED]]);
  assert.deepEqual(peer.taken(), ["late", ""]);
  assert.equal(peer.association.message.ppid, STREAM_END);
  // The response was lost.
  peer.packet([reset(peer, number, [1])]);
  assert.deepEqual(responses(peer.sent()), [[number, PERFORMED]]);
  assert.deepEqual(peer.taken(), [], "nothing ends twice");
  peer.packet([peer.data([...text.encode("anew")])]);
  assert.deepEqual(peer.taken(), ["anew"], "counted from 0");
});

Deno.test("SctpAssociation answers requests it does not follow, by their numbers", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const number = peer.tsn;
  peer.packet([reset(peer, number + 5, [1])]);
  assert.deepEqual(responses(peer.sent()), [[number + 5, BAD_SEQUENCE]]);
  peer.packet([chunk(CHUNK.reconfig, 0, [...u16(17), ...u16(12), ...u32(number), 0, 9, 0, 0])]);
  assert.deepEqual(responses(peer.sent()), [[number, DENIED]]);
  peer.packet([chunk(CHUNK.reconfig, 0, [...u16(15), ...u16(8), ...u32(number + 1)])]);
  assert.deepEqual(responses(peer.sent()), [[number + 1, DENIED]]);
  peer.packet([reset(peer, number + 2, [])]);
  assert.deepEqual(responses(peer.sent()), [[number + 2, DENIED]]);
  peer.packet([reset(peer, number + 3, [1])]);
  assert.deepEqual(responses(peer.sent()), [[number + 3, PERFORMED]]);
});

Deno.test("SctpAssociation ends streams of its own that the peer asks it to end", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.association.send(4, 53, text.encode("waits"), true, -1, Infinity);
  const number = peer.tsn;
  peer.packet([
    chunk(CHUNK.reconfig, 0, [...u16(14), ...u16(12), ...u32(number), ...u16(4), ...u16(6)]),
  ]);
  const [request] = peer.sent();
  assert.equal(request!.type, CHUNK.reconfig);
  const { body } = request!;
  assert.deepEqual([body.getUint16(0), body.getUint32(4), body.getUint32(8)], [
    13,
    peer.theirTsn,
    number,
  ]);
  assert.deepEqual([body.getUint16(16), body.getUint16(18)], [4, 6]);
});

Deno.test("SctpAssociation sends nothing on a stream that ended again before the peer took note", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const requests = (chunks: readonly SentChunk[]) =>
    chunks.filter(({ type }) => type === CHUNK.reconfig).map(({ body }) => body.getUint32(4));
  peer.association.resetStreams([2]);
  assert.deepEqual(requests(peer.sent()), [peer.theirTsn]);
  peer.association.send(2, 53, text.encode("second use"), true, -1, Infinity);
  peer.association.resetStreams([2]);
  peer.association.send(2, 53, text.encode("third use"), true, -1, Infinity);
  const performed = (number: number) =>
    peer.packet([
      chunk(CHUNK.reconfig, 0, [...u16(16), ...u16(12), ...u32(number), ...u32(PERFORMED)]),
    ]);
  performed(peer.theirTsn);
  const next = peer.sent();
  assert.deepEqual(requests(next), [peer.theirTsn + 1]);
  assert.ok(next.every(({ type }) => type !== CHUNK.data));
  performed(peer.theirTsn + 1);
  const [data] = peer.sent().filter(({ type }) => type === CHUNK.data);
  assert.deepEqual([data!.body.getUint16(4), data!.body.getUint16(6)], [2, 0]);
  assert.equal(data!.body.byteLength, 12 + "third use".length);
});

Deno.test("SctpAssociation repeats a request until it is answered, one at a time", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const requests = (chunks: readonly SentChunk[]) =>
    chunks.filter(({ type }) => type === CHUNK.reconfig)
      .map(({ body }) => [body.getUint32(4) - peer.theirTsn, body.getUint16(16)]);
  peer.association.resetStreams([2]);
  assert.deepEqual(requests(peer.sent()), [[0, 2]]);
  peer.association.resetStreams([8]);
  assert.deepEqual(requests(peer.sent()), []);
  const before = peer.now;
  assert.deepEqual(requests(peer.sentNext()), [[0, 2]]);
  assert.ok(peer.now >= before + 400);
  const answer = (number: number, result: number) =>
    peer.packet([
      chunk(CHUNK.reconfig, 0, [...u16(16), ...u16(12), ...u32(number), ...u32(result)]),
    ]);
  answer(peer.theirTsn, IN_PROGRESS);
  assert.deepEqual(requests(peer.sentNext()), [[0, 2]]);
  answer(peer.theirTsn, PERFORMED);
  assert.deepEqual(requests(peer.sent()), [[1, 8]]);
  answer(peer.theirTsn + 1, DENIED);
  assert.equal(peer.drops.get("sctp_reset_refused"), 1);
  assert.equal(peer.association.nextWakeAt(), Infinity);
});

Deno.test("SctpAssociation asks for the end of streams in a later packet if a SACK fills this one", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const first = peer.tsn;
  // Every other number is missing: as many gaps as a packet holds, and more.
  for (let i = 0; i < 400; i++) peer.packet([peer.data(1, { tsn: first + 1 + 2 * i, flags: 7 })]);
  peer.association.resetStreams([4]);
  const requests = peer.sent().filter(({ type }) => type === CHUNK.reconfig);
  assert.deepEqual(requests.map(({ body }) => body.getUint16(16)), [4]);
});
