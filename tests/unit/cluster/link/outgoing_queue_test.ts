import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import {
  MAX_DATAGRAM_AGE_MS,
  OutgoingQueue,
  PART_BYTES,
  SOCKET_WINDOW,
} from "../../../../lib/cluster/link/outgoing_queue.ts";
import type { DatagramKind } from "../../../../lib/cluster/link/link_ports.ts";

/** A socket that takes nothing until it is told to. */
class SlowOutlet {
  bufferedAmount = 0;
  readonly sent: { readonly head: number; readonly payload: Uint8Array }[] = [];
  transmit(head: number, payload: Uint8Array): void {
    this.sent.push({ head, payload: payload.slice() });
    this.bufferedAmount += payload.length;
  }
}

function queue() {
  const outlet = new SlowOutlet();
  const counters = new DropCounters();
  return { outlet, counters, queue: new OutgoingQueue(outlet, counters) };
}

Deno.test("OutgoingQueue sends long messages in parts, and datagrams and pings between them", () => {
  const { outlet, queue: waiting } = queue();
  const long = Uint8Array.from({ length: 3 * PART_BYTES + 5 }, (_, n) => n);
  waiting.pushOrdered(long);
  waiting.pushOrdered(Uint8Array.of(9));
  waiting.pushDatagram("media", Uint8Array.of(7), 0);
  waiting.pushUrgent(Uint8Array.of(8));
  assert.equal(waiting.pump(0), false);
  assert.deepEqual(outlet.sent.map(({ head, payload }) => [head, payload.length]), [
    [0, 1],
    [0, 1],
    [1, PART_BYTES],
    [1, PART_BYTES],
    [1, PART_BYTES],
    [2, 5],
    [0, 1],
  ]);
  assert.deepEqual([outlet.sent[0]!.payload[0], outlet.sent[1]!.payload[0]], [8, 7]);
  const parts = outlet.sent.slice(2, 6).flatMap(({ payload }) => [...payload]);
  assert.deepEqual(Uint8Array.from(parts), long);
});

Deno.test("OutgoingQueue gives a socket a window and keeps the rest, in order", () => {
  const { outlet, queue: waiting } = queue();
  for (let n = 0; n < 300; n++) waiting.pushOrdered(new Uint8Array(1024).fill(n & 0xff));
  assert.equal(waiting.pump(0), true);
  assert.ok(outlet.bufferedAmount >= SOCKET_WINDOW);
  assert.ok(outlet.bufferedAmount < SOCKET_WINDOW + PART_BYTES);
  assert.equal(waiting.bytes, 300 * 1024 - outlet.bufferedAmount);
  while (waiting.bytes > 0) {
    outlet.bufferedAmount = 0;
    waiting.pump(0);
  }
  assert.deepEqual(outlet.sent.map(({ payload }) => payload[0]), [
    ...Array.from({ length: 300 }, (_, n) => n & 0xff),
  ]);
});

Deno.test("OutgoingQueue sheds levels first, then lossy data, then media", () => {
  const { counters, queue: waiting } = queue();
  const kinds: readonly DatagramKind[] = ["levels", "data", "media"];
  const taken = () => kinds.filter((kind) => waiting.pushDatagram(kind, Uint8Array.of(1), 0));
  assert.deepEqual(taken(), kinds);
  waiting.pushOrdered(new Uint8Array(100_000));
  assert.deepEqual(taken(), ["data", "media"]);
  waiting.pushOrdered(new Uint8Array(200_000));
  assert.deepEqual(taken(), ["media"]);
  waiting.pushOrdered(new Uint8Array(800_000));
  assert.deepEqual(taken(), []);
  assert.equal(counters.get("link_datagram_shed"), 1 + 2 + 3);
});

Deno.test("OutgoingQueue drops datagrams that waited too long, and takes none of a size of its own", () => {
  const { outlet, counters, queue: waiting } = queue();
  outlet.bufferedAmount = SOCKET_WINDOW;
  waiting.pushDatagram("data", Uint8Array.of(1), 0);
  waiting.pushDatagram("data", Uint8Array.of(2), 1);
  waiting.pump(0);
  outlet.bufferedAmount = 0;
  assert.equal(waiting.pump(MAX_DATAGRAM_AGE_MS + 1), false);
  assert.deepEqual(outlet.sent.map(({ payload }) => payload[0]), [2]);
  assert.equal(counters.get("link_datagram_stale"), 1);
  assert.equal(waiting.bytes, 0);
  assert.equal(waiting.pushDatagram("media", new Uint8Array(200_000), 0), false);
});
