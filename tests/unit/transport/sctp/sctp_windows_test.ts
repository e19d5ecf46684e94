/** What an association takes, sends and keeps when one side has no room. */
import assert from "node:assert/strict";
import { CHUNK } from "../../../../lib/transport/sctp/sctp_packet.ts";
import {
  chunk,
  dataTsns,
  RawSctpPeer,
  type SentChunk,
  u32,
} from "../../../support/virtual/raw_sctp_peer.ts";

/** The last window that our side told, and what it acknowledged. */
function lastSack(chunks: readonly SentChunk[]) {
  const { body } = chunks.findLast(({ type }) => type === CHUNK.sack)!;
  return { cumulative: body.getUint32(0), window: body.getUint32(4), gaps: body.getUint16(8) };
}

const isSack = ({ type }: SentChunk) => type === CHUNK.sack;

Deno.test("SctpAssociation acknowledges every second packet at once, and a single one within 200 ms", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([peer.data(10)]);
  assert.equal(peer.sent().filter(isSack).length, 1, "the first of all");
  peer.packet([peer.data(10, { streamSeq: 1 })]);
  assert.equal(peer.sent().length, 0);
  const wait = peer.association.nextWakeAt() - peer.now;
  assert.ok(wait > 0 && wait <= 200, `${wait} ms`);
  assert.equal(peer.sentNext().filter(isSack).length, 1);
  for (let seq = 2; seq < 12; seq++) peer.packet([peer.data(10, { streamSeq: seq })]);
  assert.equal(peer.sent().filter(isSack).length, 1, "one for all that came before it is sent");
});

Deno.test("SctpAssociation acknowledges at once what is missing, comes twice, or asks for it", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([peer.data(10)]);
  peer.sent();
  const first = peer.tsn;
  peer.packet([peer.data(10, { tsn: first + 1, streamSeq: 2 })]);
  assert.equal(lastSack(peer.sent()).gaps, 1);
  peer.packet([peer.data(10, { tsn: first, streamSeq: 1 })]);
  peer.packet([peer.data(10, { tsn: first, streamSeq: 1 })]);
  const { cumulative, gaps } = lastSack(peer.sent());
  assert.deepEqual({ cumulative, gaps }, { cumulative: first + 1, gaps: 0 });
  peer.packet([peer.data(10, { tsn: first + 2, streamSeq: 3, flags: 3 | 8 })]);
  assert.equal(peer.sent().filter(isSack).length, 1);
});

Deno.test("SctpAssociation counts tiny messages with what they cost, and says at once that there is no room", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  let sent = 0;
  let window = Infinity;
  // A peer that ignores the window.
  while (peer.drops.get("sctp_window_exceeded") === 0 && sent < 61_280) {
    const chunks = Array.from({ length: 40 }, () => peer.data(1, { streamSeq: sent++ & 0xffff }));
    peer.packet(chunks);
    const sacks = peer.sent().filter(isSack);
    if (sacks.length > 0) window = lastSack(sacks).window;
  }
  assert.ok(sent < 12_000, `${sent} messages of a byte`);
  assert.equal(window, 0);
  const before = peer.tsn;
  peer.packet([peer.data(1, { streamSeq: sent & 0xffff })]);
  const sack = lastSack(peer.sent());
  assert.ok(sack.cumulative < before, "what was dropped is not acknowledged");
  // What was taken is all there, and then there is room again.
  assert.ok(peer.taken().length > 9_000);
  assert.ok(lastSack(peer.sent()).window > 500_000, "told without being asked");
});

Deno.test("SctpAssociation takes what all else waits for, though the window is full", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const missing = peer.tsn++;
  for (let i = 0; i < 2_000; i++) peer.packet([peer.data(1_000, { streamSeq: (i + 1) & 0xffff })]);
  assert.ok(peer.drops.get("sctp_window_exceeded") > 0);
  assert.equal(peer.taken().length, 0);
  peer.packet([peer.data(1_000, { tsn: missing })]);
  assert.ok(peer.taken().length > 900);
});

Deno.test("SctpAssociation asks a peer without room with one chunk, as long as it lives", () => {
  const peer = new RawSctpPeer();
  peer.begin(0);
  for (let i = 0; i < 5; i++) {
    peer.association.send(1, 53, new Uint8Array(1_000), true, -1, Infinity);
  }
  assert.deepEqual(dataTsns(peer.sent()), [], "the first question waits");
  const startedAt = peer.now;
  const asked: number[] = [];
  while (peer.now < startedAt + 60_000) {
    const tsns = dataTsns(peer.sentNext());
    if (tsns.length === 0) continue;
    assert.deepEqual(tsns, [peer.theirTsn]);
    asked.push(peer.now);
    // It is dropped, and the peer says so.
    peer.packet([peer.sack(0, 0)]);
  }
  assert.ok(asked.length >= 18 && asked.length < 40, `${asked.length} in a minute`);
  const last = peer.now;
  peer.packet([peer.sack(0, 1 << 20)]);
  assert.deepEqual(
    dataTsns(peer.sent()).slice(0, 5),
    [0, 1, 2, 3, 4].map((i) => (peer.theirTsn + i) >>> 0),
  );
  assert.equal(peer.now, last, "as soon as there is room");
});

Deno.test("SctpAssociation keeps to the peer's window with all that is in flight", () => {
  const peer = new RawSctpPeer();
  peer.begin(5_000);
  for (let i = 0; i < 20; i++) {
    peer.association.send(1, 53, new Uint8Array(1_000), true, -1, Infinity);
  }
  assert.equal(dataTsns(peer.sent()).length, 5);
  peer.packet([peer.sack(2, 3_000)]);
  assert.equal(dataTsns(peer.sent()).length, 0);
  peer.packet([peer.sack(5, 2_500)]);
  assert.equal(dataTsns(peer.sent()).length, 2);
  // In a gap, once: it leaves the flight, and room is what the peer says.
  peer.packet([peer.sack(5, 2_000, [[2, 2]])]);
  assert.equal(dataTsns(peer.sent()).length, 1);
  peer.packet([peer.sack(5, 2_000, [[2, 2]])]);
  assert.equal(dataTsns(peer.sent()).length, 0);
});

Deno.test("SctpAssociation repairs losses within the window that is left", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  for (let i = 0; i < 30; i++) {
    peer.association.send(1, 53, new Uint8Array(1_100), true, -1, Infinity);
  }
  const sent = dataTsns(peer.sent()).length;
  assert.ok(sent >= 8 && sent <= 12, `${sent} at the beginning`);
  const resent: number[] = [];
  // The first five are lost; the others are acknowledged one after the other.
  for (let last = 6; last <= sent; last++) {
    peer.packet([peer.sack(0, 1 << 20, [[6, last]])]);
    resent.push(dataTsns(peer.sent()).filter((tsn) => tsn - peer.theirTsn < sent).length);
  }
  assert.deepEqual(resent.slice(0, 2), [0, 0]);
  assert.ok(resent[2]! >= 1 && resent[2]! < 5, `${resent}`);
});

Deno.test("SctpAssociation gives up a message that was sent by half with a number for the rest", () => {
  const peer = new RawSctpPeer();
  peer.begin(2_300);
  peer.association.send(1, 53, new Uint8Array(5_000), false, 0, Infinity);
  peer.association.send(1, 53, new Uint8Array(100), true, -1, Infinity);
  assert.deepEqual(dataTsns(peer.sent()), [0, 1].map((i) => peer.theirTsn + i));
  peer.now = peer.association.nextWakeAt();
  const chunks = peer.sent();
  const forward = chunks.find(({ type }) => type === CHUNK.forwardTsn)!;
  assert.equal(forward.body.getUint32(0), peer.theirTsn + 2);
  assert.deepEqual(dataTsns(chunks), [peer.theirTsn + 3], "the next message");
});

Deno.test("SctpAssociation lets patient streams stand while others are read", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.association.setPatient(1, true);
  const text = (word: string) => [...new TextEncoder().encode(word)];
  peer.packet([
    peer.data(text("patient")),
    peer.data(text("lossy"), { streamId: 2 }),
    peer.data(text("open"), { ppid: 50, streamSeq: 1 }),
  ]);
  const read = (withPatient: boolean) => {
    const words = [];
    while (peer.association.take(withPatient)) {
      words.push(new TextDecoder().decode(peer.association.message.bytes));
    }
    return words;
  };
  assert.deepEqual(read(false), ["lossy", "open"]);
  assert.equal(peer.association.hasMessage(false), false);
  assert.deepEqual(read(true), ["patient"]);
});

Deno.test("SctpAssociation refuses SACKs of what was not sent", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.association.send(1, 53, new Uint8Array(100), true, -1, Infinity);
  peer.sent();
  peer.packet([peer.sack(2)]);
  peer.packet([peer.sack(0, 1_000, [[1, 2]])]);
  peer.packet([peer.sack(0, 1_000, [[2, 1]])]);
  peer.packet([peer.sack(0, 1_000, [[0, 0]])]);
  peer.packet([peer.sack(2 ** 31)]);
  assert.equal(peer.drops.get("sctp_bad_sack"), 5);
  peer.packet([peer.sack(1)]);
  peer.packet([peer.sack(0)]);
  assert.equal(peer.drops.get("sctp_bad_sack"), 5, "an older one may come late");
  assert.equal(peer.association.nextWakeAt(), Infinity);
});

Deno.test("SctpAssociation acknowledges chunks of streams that cannot be, and drops them", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([peer.data(10, { streamId: 60_000 })]);
  assert.equal(lastSack(peer.sent()).cumulative, peer.tsn - 1);
  assert.deepEqual(peer.taken(), []);
  assert.equal(peer.drops.get("sctp_bad_stream"), 1);
});

Deno.test("SctpAssociation follows a FORWARD-TSN, also one that comes again, and none that is too far", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([peer.data(10)]);
  peer.taken();
  peer.packet([peer.data(10, { tsn: peer.tsn + 2, streamSeq: 2 })]);
  assert.equal(peer.taken().length, 0);
  const forward = [...u32(peer.tsn + 1), 0, 1, 0, 1];
  for (let i = 0; i < 3; i++) peer.packet([chunk(CHUNK.forwardTsn, 0, forward)]);
  assert.equal(peer.taken().length, 1);
  assert.deepEqual(lastSack(peer.sent()).cumulative, peer.tsn + 2);
  peer.packet([chunk(CHUNK.forwardTsn, 0, u32(peer.tsn + 100_000))]);
  assert.equal(peer.drops.get("sctp_tsn_too_far"), 1);
});
