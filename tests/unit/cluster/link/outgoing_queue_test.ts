import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import {
  MAX_DATAGRAM_AGE_MS,
  OutgoingQueue,
  PART_BYTES,
  SOCKET_WINDOW,
} from "../../../../lib/cluster/link/outgoing_queue.ts";

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

Deno.test("OutgoingQueue refuses of each kind what is too much of it, whatever else waits", () => {
  const { counters, queue: waiting } = queue();
  waiting.pushOrdered(new Uint8Array(8_000_000));
  const kinds = [["levels", 64], ["data", 256], ["media", 1024]] as const;
  for (const [kind, most] of kinds) {
    let taken = 0;
    while (waiting.pushDatagram(kind, new Uint8Array(1024), 0)) taken++;
    assert.equal(taken, most);
  }
  assert.equal(counters.get("link_datagram_shed"), 3);
});

Deno.test("OutgoingQueue gives what is ordered and each kind its share in bytes, whatever their sizes", () => {
  const sizes = { ordered: 100, media: 1_200, data: 60_000, levels: 500 };
  const { outlet, queue: waiting } = queue();
  const sent = { ordered: 0, media: 0, data: 0, levels: 0 };
  const names = ["ordered", "media", "data", "levels"] as const;
  const kinds = ["media", "data", "levels"] as const;
  for (let now = 0; now < 20_000; now += 5) {
    const fill = 20_000 - waiting.orderedBytes;
    for (let i = 0; i < fill / sizes.ordered; i++) {
      waiting.pushOrdered(new Uint8Array(sizes.ordered).fill(0));
    }
    for (const kind of kinds) {
      const message = new Uint8Array(sizes[kind]).fill(names.indexOf(kind));
      while (waiting.pushDatagram(kind, message, now)) continue;
    }
    waiting.pump(now);
    for (const { payload } of outlet.sent.splice(0)) sent[names[payload[0]!]!] += payload.length;
    outlet.bufferedAmount = Math.max(0, outlet.bufferedAmount - 5 * 1_000);
  }
  const all = sent.ordered + sent.media + sent.data + sent.levels;
  // Of 4 + 4 + 2 + 1; ordered messages are so small that what each costs besides counts.
  assert.ok(sent.ordered / all > 0.2, `${sent.ordered / all}`);
  assert.ok(Math.abs(sent.media / all - 4 / 11) < 0.08, `${sent.media / all}`);
  assert.ok(Math.abs(sent.data / all - 2 / 11) < 0.08, `${sent.data / all}`);
  assert.ok(Math.abs(sent.levels / all - 1 / 11) < 0.04, `${sent.levels / all}`);
});

for (const [bytesPerMs, least, most] of [[125, 15, 64], [10_000, 127, 128]] as const) {
  Deno.test(`OutgoingQueue gives a socket that takes ${bytesPerMs} bytes a ms at least ${least} KiB and ${most} at most`, () => {
    const { outlet, queue: waiting } = queue();
    const given: number[] = [];
    for (let now = 0; now < 5_000; now += 5) {
      while (waiting.orderedBytes < 200_000) waiting.pushOrdered(new Uint8Array(1_000));
      waiting.pump(now);
      if (now > 4_000) given.push(outlet.bufferedAmount / 1024);
      outlet.bufferedAmount = Math.max(0, outlet.bufferedAmount - 5 * bytesPerMs);
    }
    assert.ok(Math.min(...given) >= least, `${Math.min(...given)}`);
    assert.ok(Math.max(...given) <= most, `${Math.max(...given)}`);
  });
}

Deno.test("OutgoingQueue says how much media waits, in the socket and before it, and of nothing else", () => {
  const { outlet, queue: waiting } = queue();
  waiting.pushOrdered(new Uint8Array(200_000));
  for (let i = 0; i < 10; i++) waiting.pushDatagram("media", new Uint8Array(1_000), 0);
  waiting.pump(0);
  waiting.pushDatagram("media", new Uint8Array(1_000), 0);
  assert.equal(waiting.mediaBytes, 11_000);
  outlet.bufferedAmount = 0;
  assert.equal(waiting.mediaBytes, 1_000);
  waiting.pump(0);
  outlet.bufferedAmount = 0;
  assert.equal(waiting.mediaBytes, 0);
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
