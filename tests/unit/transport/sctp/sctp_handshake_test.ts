/** How associations begin, begin anew, and end. */
import assert from "node:assert/strict";
import { packetChecksum } from "../../../../lib/transport/sctp/crc32c.ts";
import { CHUNK } from "../../../../lib/transport/sctp/sctp_packet.ts";
import { chunk, RawSctpPeer, u32, ZERO_CHECKSUM } from "../../../support/virtual/raw_sctp_peer.ts";
import { SctpLink } from "../../../support/virtual/sctp_link.ts";

const text = new TextEncoder();
const words = (link: SctpLink) =>
  [link.left, link.right].map(({ taken }) =>
    taken.map(({ bytes }) => new TextDecoder().decode(bytes))
  );

Deno.test("SctpAssociation begins from either side, and from both at once", () => {
  for (const who of [["left"], ["right"], ["left", "right"]] as const) {
    for (let seed = 1; seed <= 20; seed++) {
      const link = new SctpLink(seed, { lossRate: seed > 10 ? 0.3 : 0, reorderRate: 0.1 });
      link.left.send(text.encode("from the left"));
      link.right.send(text.encode("from the right"));
      for (const side of who) link[side].association.begin();
      const came = () => link.left.taken.length === 1 && link.right.taken.length === 1;
      assert.ok(link.run(60_000, came), `${who}, seed ${seed}`);
      assert.deepEqual(words(link), [["from the right"], ["from the left"]]);
      assert.deepEqual([link.left.restarts, link.right.restarts], [0, 0]);
    }
  }
});

Deno.test("SctpAssociation keeps nothing of INITs, and answers a flood of them once for each poll", () => {
  const peer = new RawSctpPeer();
  for (let i = 0; i < 10_000; i++) {
    peer.tag = i + 1;
    peer.packet([peer.init()], 0);
  }
  const answers = peer.sent();
  assert.deepEqual(answers.map(({ type }) => type), [CHUNK.initAck]);
  const cookie = peer.readInitAck(answers);
  assert.equal(new DataView(peer.last.buffer).getUint32(4), 10_000, "to the last one");
  assert.equal(peer.association.isUp, false);
  peer.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])]);
  assert.equal(peer.association.isUp, true);
  assert.deepEqual(peer.sent().map(({ type }) => type), [CHUNK.cookieAck]);
});

Deno.test("SctpAssociation takes no cookie that it did not write, nor one that is too old", () => {
  const peer = new RawSctpPeer();
  peer.packet([peer.init()], 0);
  const cookie = peer.readInitAck(peer.sent());
  for (let at = 0; at < cookie.length; at++) {
    const forged = cookie.slice();
    forged[at]! ^= 1;
    peer.packet([chunk(CHUNK.cookieEcho, 0, [...forged])]);
  }
  peer.packet([chunk(CHUNK.cookieEcho, 0, [...cookie.slice(1)])]);
  assert.equal(peer.drops.get("sctp_bad_cookie"), cookie.length + 1);
  peer.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])], 1234);
  assert.equal(peer.drops.get("sctp_bad_cookie"), cookie.length + 2, "with another tag");
  peer.now += 61_000;
  peer.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])]);
  assert.equal(peer.drops.get("sctp_stale_cookie"), 1);
  assert.equal(peer.association.isUp, false);
});

Deno.test("SctpAssociation answers a cookie that comes twice, and a flood changes nothing", () => {
  const peer = new RawSctpPeer();
  const cookie = peer.begin();
  peer.packet([peer.data([...text.encode("one")])]);
  for (let i = 0; i < 500; i++) peer.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])]);
  const acks = peer.sent().filter(({ type }) => type === CHUNK.cookieAck);
  assert.equal(acks.length, 1);
  peer.packet([peer.data([...text.encode("two")], { streamSeq: 1 })]);
  assert.deepEqual(peer.taken(), ["one", "two"]);
  assert.equal(peer.restarts, 0);
});

Deno.test("SctpAssociation begins anew with a peer that lost its state", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([peer.data([...text.encode("before")])]);
  assert.deepEqual(peer.taken(), ["before"]);
  peer.association.send(1, 53, text.encode("never acknowledged"), true, -1, Infinity);
  peer.sent();
  const oldTag = peer.theirTag;
  peer.tag = 0x2222;
  peer.tsn = 77;
  const again = peer.init();
  peer.packet([again], 0);
  const cookie = peer.readInitAck(peer.sent());
  assert.notEqual(peer.theirTag, oldTag);
  assert.equal(peer.restarts, 0, "an INIT alone changes nothing");
  peer.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])]);
  assert.equal(peer.restarts, 1);
  peer.packet([peer.data([...text.encode("after")])]);
  assert.deepEqual(peer.taken(), ["after"]);
  peer.packet([peer.data([1])], oldTag);
  assert.equal(peer.drops.get("sctp_bad_tag"), 1);
  assert.ok(peer.sent().every(({ type }) => type !== CHUNK.data), "what was sent is forgotten");
});

Deno.test("SctpAssociation leaves checksums out for a peer that said so, and says so to no other", () => {
  const plain = new RawSctpPeer();
  plain.begin();
  plain.packet([plain.data(4)]);
  plain.sent();
  assert.notEqual(new DataView(plain.last.buffer).getUint32(8), 0);
  plain.packet([plain.data(4)], plain.theirTag, false);
  assert.equal(plain.drops.get("sctp_bad_checksum"), 1);
  const zero = new RawSctpPeer();
  zero.packet([zero.init(1 << 20, ZERO_CHECKSUM)], 0);
  const cookie = zero.readInitAck(zero.sent());
  assert.notEqual(new DataView(zero.last.buffer).getUint32(8), 0, "an INIT ACK has one");
  zero.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])]);
  zero.packet([zero.data(4)], zero.theirTag, false);
  zero.sent();
  assert.equal(new DataView(zero.last.buffer).getUint32(8), 0);
  assert.equal(zero.taken().length, 1);
  zero.packet([zero.data(4, { streamSeq: 1 })]);
  assert.equal(zero.taken().length, 1, "a right checksum is as good");
});

Deno.test("SctpAssociation leaves checksums out, or does not, as long as the association lives", () => {
  for (const parameters of [ZERO_CHECKSUM, []]) {
    const peer = new RawSctpPeer();
    peer.begin(1 << 20, parameters);
    for (let i = 0; i < 5; i++) {
      peer.association.send(1, 53, new Uint8Array(100), true, -1, Infinity);
      peer.packet([peer.sack(i), peer.data(4, { streamSeq: i })]);
      const types = peer.sent().map(({ type }) => type);
      assert.ok(types.includes(CHUNK.data), `message ${i}`);
      const checksum = new DataView(peer.last.buffer).getUint32(8, true);
      if (parameters.length > 0) assert.equal(checksum, 0, `message ${i}`);
      else assert.equal(checksum, packetChecksum(peer.last, peer.last.length), `message ${i}`);
    }
  }
});

Deno.test("SctpAssociation answers heartbeats with what they held", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  const info = [0, 1, 0, 9, 1, 2, 3, 4, 5];
  peer.packet([chunk(CHUNK.heartbeat, 0, info)]);
  const [answer] = peer.sent();
  assert.equal(answer!.type, CHUNK.heartbeatAck);
  const { buffer, byteOffset, byteLength } = answer!.body;
  assert.deepEqual([...new Uint8Array(buffer, byteOffset, byteLength)], info);
});

Deno.test("SctpAssociation ends by an ABORT with its tag, and by no other", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([chunk(CHUNK.abort, 0, [])], 4711);
  peer.packet([chunk(CHUNK.abort, 0, [])], 0);
  peer.packet([chunk(CHUNK.abort, 1, [])]);
  assert.equal(peer.association.endReason, undefined);
  assert.equal(peer.drops.get("sctp_bad_tag"), 3);
  peer.packet([peer.data([...text.encode("last words")])]);
  peer.packet([chunk(CHUNK.abort, 1, [])], peer.tag);
  assert.equal(peer.association.endReason, "closed_by_peer");
  assert.deepEqual(peer.taken(), ["last words"]);
  assert.deepEqual(peer.sent(), []);
  assert.equal(peer.association.nextWakeAt(), Infinity);
});

Deno.test("SctpAssociation.close() says so once", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.association.close();
  peer.association.close();
  assert.deepEqual(peer.sent().map(({ type, flags }) => [type, flags]), [[CHUNK.abort, 0]]);
  assert.equal(new DataView(peer.last.buffer).getUint32(4), peer.tag);
  assert.deepEqual(peer.sent(), []);
});

Deno.test("SctpAssociation sends what it has before it agrees to a SHUTDOWN, and ends with the last word", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.association.send(1, 53, new Uint8Array(3_000), true, -1, Infinity);
  assert.equal(peer.sent().length, 3);
  peer.packet([chunk(CHUNK.shutdown, 0, u32(peer.theirTsn - 1))]);
  assert.deepEqual(peer.sent(), []);
  peer.association.send(1, 53, new Uint8Array(1), true, -1, Infinity);
  peer.packet([peer.sack(3)]);
  assert.deepEqual(peer.sent().map(({ type }) => type), [CHUNK.shutdownAck]);
  assert.deepEqual(peer.sentNext().map(({ type }) => type), [CHUNK.shutdownAck], "again");
  assert.equal(peer.association.endReason, undefined);
  peer.packet([chunk(CHUNK.shutdownComplete, 0, [])]);
  assert.equal(peer.association.endReason, "closed_by_peer");
});

Deno.test("SctpAssociation does not wait for the last word of a SHUTDOWN for ever", () => {
  const peer = new RawSctpPeer();
  peer.begin();
  peer.packet([chunk(CHUNK.shutdown, 0, u32(peer.theirTsn - 1))]);
  for (let i = 0; i < 20 && peer.association.endReason === undefined; i++) peer.sentNext();
  assert.equal(peer.association.endReason, "closed_by_peer");
});
