import assert from "node:assert/strict";
import { chunkBytes, ChunksInFlight } from "../../../../lib/transport/sctp/chunks_in_flight.ts";
import { OutgoingMessages, UNLIMITED } from "../../../../lib/transport/sctp/outgoing_messages.ts";
import { MAX_PACKET_BYTES, PacketWriter } from "../../../../lib/transport/sctp/sctp_packet.ts";

const SIZE = 100;

/** Chunks of one-chunk messages, numbered from 0 as tests see them. */
class Flight {
  readonly messages = new OutgoingMessages();
  /** That were ever used. */
  readonly slots = new Set<number>();
  readonly chunks: ChunksInFlight;
  readonly givenUp: number[] = [];

  constructor(readonly initialTsn = 0xffff_fff8) {
    this.chunks = new ChunksInFlight(this.messages, initialTsn);
    this.chunks.onGivenUp = (slot, tsn) => {
      this.givenUp.push(this.index(tsn));
      this.chunks.abandon(slot, tsn);
    };
  }

  index(tsn: number): number {
    return (tsn - this.initialTsn) | 0;
  }

  tsn(index: number): number {
    return (this.initialTsn + index) | 0;
  }

  send(count: number, maxRetransmits = UNLIMITED, ordered = true): void {
    for (let i = 0; i < count; i++) {
      const { messages } = this;
      const slot = messages.add(5, 53, new Uint8Array(SIZE), ordered, maxRetransmits, Infinity, 0);
      this.slots.add(slot);
      messages.setCut(slot, SIZE);
      messages.setStreamSeq(slot, this.index(this.chunks.nextTsn));
      this.chunks.add(slot, 0, SIZE);
    }
  }

  /** A SACK up to the index before `next`, with gaps of indices. */
  sack(next: number, ...gaps: [number, number][]): void {
    const view = new DataView(new ArrayBuffer(4 * gaps.length));
    gaps.forEach(([start, end], i) => {
      view.setUint16(4 * i, start - next + 1);
      view.setUint16(4 * i + 2, end - next + 1);
    });
    this.chunks.acknowledge(this.tsn(next - 1), view, 0, gaps.length);
  }

  /** Sends what is lost again; their indices. */
  resend(): number[] {
    const indices = [];
    while (this.chunks.lost > 0) {
      const tsn = this.chunks.firstLost();
      indices.push(this.index(tsn));
      this.chunks.resend(tsn);
    }
    return indices;
  }

  assertInFlight(count: number): void {
    const { chunks } = this;
    assert.deepEqual(
      { count: chunks.count, bytes: chunks.bytes, payload: chunks.payload },
      { count, bytes: count * chunkBytes(SIZE), payload: count * SIZE },
    );
  }
}

Deno.test("ChunksInFlight takes each chunk out of the flight once, in a gap or not", () => {
  const flight = new Flight();
  flight.send(10);
  flight.assertInFlight(10);
  flight.sack(2);
  flight.assertInFlight(8);
  flight.sack(2, [3, 5]);
  flight.assertInFlight(5);
  assert.equal(flight.chunks.newlyAcked, 3 * chunkBytes(SIZE));
  flight.sack(2, [3, 5]);
  flight.assertInFlight(5);
  assert.equal(flight.chunks.newlyAcked, 0);
  flight.sack(8);
  flight.assertInFlight(2);
  assert.equal(flight.chunks.newlyAcked, 3 * chunkBytes(SIZE));
  flight.sack(10);
  flight.assertInFlight(0);
  assert.equal(flight.chunks.outstanding, 0);
  const kept = [...flight.slots].filter((slot) => flight.messages.bytesOf(slot).length > 0);
  assert.deepEqual(kept, [], "nothing is kept");
});

Deno.test("ChunksInFlight counts a chunk as lost when three SACKs acknowledged later ones", () => {
  const flight = new Flight();
  flight.send(8);
  flight.sack(1, [2, 2]);
  flight.sack(1, [2, 3]);
  assert.equal(flight.chunks.lost, 0);
  flight.sack(1, [2, 3]); // says nothing new
  assert.equal(flight.chunks.lost, 0);
  flight.sack(1, [2, 4]);
  assert.equal(flight.chunks.lost, 1);
  flight.assertInFlight(3);
  assert.deepEqual(flight.resend(), [1]);
  flight.assertInFlight(4);
});

Deno.test("ChunksInFlight notices that a chunk that was sent again is lost again", () => {
  const flight = new Flight();
  flight.send(5);
  for (const last of [2, 3, 4]) flight.sack(1, [2, last]);
  assert.deepEqual(flight.resend(), [1]);
  // What was sent before it says nothing of it; what was sent after it does.
  flight.send(4);
  flight.sack(1, [2, 5]);
  flight.sack(1, [2, 6]);
  assert.equal(flight.chunks.lost, 0);
  flight.sack(1, [2, 7]);
  assert.deepEqual(flight.resend(), [1]);
});

Deno.test("ChunksInFlight bears a peer that takes back what it acknowledged in a gap", () => {
  const flight = new Flight();
  flight.send(4);
  flight.sack(0, [1, 3]);
  flight.assertInFlight(1);
  flight.sack(0, [1, 1]);
  flight.assertInFlight(3);
  flight.sack(0);
  flight.assertInFlight(4);
  flight.chunks.loseAll();
  flight.assertInFlight(0);
  assert.deepEqual(flight.resend(), [0, 1, 2, 3]);
  flight.sack(4);
  flight.assertInFlight(0);
});

Deno.test("ChunksInFlight gives up what was lost too often and tells the peer of the streams", () => {
  const flight = new Flight();
  flight.send(1);
  flight.send(2, 0);
  flight.send(1, 1);
  flight.chunks.loseAll();
  assert.deepEqual(flight.givenUp, [1, 2]);
  assert.deepEqual(flight.resend(), [0, 3]);
  flight.chunks.advanceAbandoned();
  assert.equal(flight.chunks.mustForward, false, "a reliable one is before them");
  flight.sack(1);
  flight.chunks.advanceAbandoned();
  assert.equal(flight.index(flight.chunks.abandonedTo), 2);
  const writer = new PacketWriter();
  writer.begin(new Uint8Array(MAX_PACKET_BYTES), 5000, 1);
  flight.chunks.writeForwardTsn(writer);
  const { view } = writer;
  assert.equal(view.getUint16(14), 12);
  assert.equal(flight.index(view.getInt32(16)), 2);
  assert.deepEqual([view.getUint16(20), view.getUint16(22)], [5, 2], "stream 5 up to number 2");
  flight.sack(3);
  flight.chunks.advanceAbandoned();
  assert.equal(flight.chunks.mustForward, false);
  flight.assertInFlight(1);
});

Deno.test("ChunksInFlight tells of all that was given up at once, over what came in between", () => {
  for (const ordered of [false, true]) {
    const flight = new Flight();
    flight.send(1, 0, ordered); // 0 is lost
    flight.send(1); // 1 comes, reliable
    flight.send(1, 0, ordered); // 2 is lost
    flight.send(1, 0, ordered); // 3 comes
    flight.send(1, 0, ordered); // 4 is lost
    flight.sack(0, [1, 1], [3, 3]);
    flight.chunks.loseAll();
    flight.chunks.advanceAbandoned();
    // Peers throw away ordered messages of a stream that skips to a later one.
    assert.equal(flight.index(flight.chunks.abandonedTo), ordered ? 2 : 4);
  }
});

Deno.test("ChunksInFlight keeps its books while its table grows", () => {
  const flight = new Flight();
  flight.send(40);
  flight.sack(30, [33, 34]);
  flight.send(500);
  flight.assertInFlight(508);
  flight.sack(540);
  flight.assertInFlight(0);
});
