/**
 * What only the native twin does: runs, back-pressure, failures by reason, marks. The kernel is the
 * real one, except where `FaultyLibc` answers for it: full buffers and interfaces without checksum
 * offload are not to be had at will.
 */
import assert from "node:assert/strict";
import {
  MAX_SEND_BYTES,
  type RemoteAddress,
  SendKind,
} from "../../../../lib/transport/datagrams/datagrams.ts";
import { Errno } from "../../../../lib/transport/datagrams/libc.ts";
import {
  FaultyLibc,
  mustIgnoreNative,
  openNativePeer,
  type Peer,
} from "../../../support/wire/datagram_peers.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { TrafficClassReceiver } from "../../../support/wire/traffic_class_receiver.ts";
import { until } from "../../../support/wire/until.ts";

const ignore = mustIgnoreNative();

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `openNativeDatagrams() ${name}`, ignore, fn });
}

/** Commits a datagram that can be told from others. */
function commit(
  { socket }: Peer,
  mark: number,
  length: number,
  remote: RemoteAddress,
  kind: SendKind = SendKind.video,
): void {
  const slot = socket.reserve();
  if (slot === undefined) return;
  slot.fill(mark & 0xff, 0, length);
  if (length >= 4) new DataView(slot.buffer, slot.byteOffset).setUint32(0, mark);
  socket.commit(length, remote, kind);
}

/** What {@linkcode commit} put in. */
function markOf({ bytes }: { readonly bytes: Uint8Array }): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function marksOf(peer: Peer): number[] {
  return peer.arrivals.map(markOf);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

for (const hostname of ["127.0.0.1", "::1"]) {
  test(`sends a run as one message that arrives as its datagrams, on ${hostname}`, async () => {
    const libc = new FaultyLibc();
    await using a = await openNativePeer({ libc, hostname });
    await using b = await openNativePeer({ hostname });
    for (let i = 0; i < 40; i++) commit(a, i, i === 39 ? 333 : 1200, b.address);
    // A message ends after a shorter datagram, before a longer one, and at another destination.
    commit(a, 40, 1000, b.address);
    commit(a, 41, 1100, b.address);
    commit(a, 42, 1100, a.address);
    commit(a, 43, 1100, b.address);
    a.socket.flush();
    assert.deepEqual(libc.calls, [5]);
    await b.received(43);
    assert.deepEqual(marksOf(b), [...upTo(42), 43]);
    assert.deepEqual(
      b.arrivals.map(({ bytes }) => bytes.length),
      [...new Array(39).fill(1200), 333, 1000, 1100, 1100],
    );
    assert.equal(a.socket.counters.sent, 44);
    assert.equal(a.socket.counters.sentBytes, 39 * 1200 + 333 + 1000 + 3 * 1100);
  });
}

test("keeps runs within 64 datagrams and what one IPv4 datagram holds", async () => {
  const libc = new FaultyLibc();
  await using a = await openNativePeer({ libc });
  await using b = await openNativePeer();
  for (let i = 0; i < 130; i++) commit(a, i, 100, b.address);
  a.socket.flush();
  assert.deepEqual(libc.calls, [3]); // 64, 64, 2
  for (let i = 130; i < 230; i++) commit(a, i, MAX_SEND_BYTES, b.address);
  a.socket.flush();
  assert.deepEqual(libc.calls, [3, 3]); // 42 (64,512 bytes), 42, 16
  await b.received(230);
  assert.deepEqual(marksOf(b), upTo(230));
  assert.deepEqual(a.drops.snapshot(), {});
});

test("says when the kernel is given what waits, and when it has all of it", async () => {
  const libc = new FaultyLibc();
  const told: string[] = [];
  let isFull = true;
  libc.script = (count) => {
    told.push("call");
    return isFull ? Errno.EAGAIN : { letThrough: count };
  };
  await using a = await openNativePeer({ libc });
  await using b = await openNativePeer();
  a.socket.onFlushing = () => told.push("before");
  a.socket.onFlushed = () => told.push("after");
  commit(a, 0, 100, b.address);
  a.socket.flush();
  assert.deepEqual(told, ["before", "call"], "nothing has left");
  isFull = false;
  a.socket.flush();
  assert.deepEqual(told.slice(2), ["before", "call", "after"]);
  a.socket.flush();
  assert.equal(told.length, 5, "nothing waits");
});

test("says after the call in which some of it has left that it has, and not a call later", async () => {
  const libc = new FaultyLibc();
  const told: string[] = [];
  const answers = [{ letThrough: 2 }, Errno.ENETUNREACH, { letThrough: 1 }, Errno.EAGAIN];
  libc.script = (count, call) => {
    told.push("call");
    return answers[call] ?? { letThrough: count };
  };
  await using a = await openNativePeer({ libc });
  await using b = await openNativePeer();
  a.socket.onFlushing = () => told.push("before");
  a.socket.onFlushed = () => told.push("after");
  // Each longer than the one before: six messages.
  for (let i = 0; i < 6; i++) commit(a, i, 10 + i, b.address);
  a.socket.flush();
  const [sent, failed] = [["before", "call", "after"], ["before", "call"]];
  assert.deepEqual(told, [...sent!, ...failed!, ...sent!, ...failed!]);
  told.length = 0;
  a.platform.advance(1);
  assert.deepEqual(told, sent);
});

test("sends empty datagrams by themselves", async () => {
  await using a = await openNativePeer();
  await using b = await openNativePeer();
  for (const length of [0, 0, 8, 0, 8, 8, 0]) commit(a, 1, length, b.address);
  await b.received(7);
  assert.deepEqual(b.arrivals.map(({ bytes }) => bytes.length), [0, 0, 8, 0, 8, 8, 0]);
});

test("keeps each destination's order whatever the sizes and the kernel's appetite", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const libc = new FaultyLibc();
    libc.script = () => {
      if (random.chance(0.2)) return Errno.EAGAIN;
      if (random.chance(0.1)) return Errno.EINTR;
      return { letThrough: 1 + random.below(random.chance(0.5) ? 3 : 200) };
    };
    await using a = await openNativePeer({ libc });
    await using b = await openNativePeer();
    await using c = await openNativePeer();
    const wanted = new Map<Peer, number[]>([[b, []], [c, []]]);
    for (let mark = 0; mark < 600;) {
      const peer = random.chance(0.5) ? b : c;
      const length = 4 + random.below(1000);
      const kind = random.chance(0.7) ? SendKind.video : SendKind.other;
      for (let run = random.below(12); run >= 0 && mark < 600; run--) {
        commit(a, mark, random.chance(0.9) ? length : 4 + random.below(1000), peer.address, kind);
        wanted.get(peer)!.push(mark++);
      }
      if (random.chance(0.1)) a.socket.flush();
      if (random.chance(0.1)) a.platform.advance(5);
    }
    await until("everything to be sent", () => {
      a.platform.advance(5);
      return a.socket.counters.sent === 600;
    });
    for (const [peer, marks] of wanted) {
      await peer.received(marks.length);
      assert.deepEqual(marksOf(peer), marks, `seed ${seed}`);
    }
    assert.deepEqual(a.drops.snapshot(), {});
  }
});

test("waits when the kernel has no room, and tries again by itself", async () => {
  for (const errno of [Errno.EAGAIN, Errno.ENOBUFS, Errno.ENOMEM]) {
    const libc = new FaultyLibc();
    // Three messages are taken, then nothing is.
    libc.script = (_, call) => call === 0 ? { letThrough: 3 } : errno;
    await using a = await openNativePeer({ libc });
    await using b = await openNativePeer();
    for (let i = 0; i < 10; i++) commit(a, i, 10 + i, b.address);
    a.socket.flush();
    assert.equal(a.socket.counters.sent, 3);
    assert.equal(a.platform.pendingTimers, 1);
    a.platform.advance(3);
    assert.equal(a.socket.counters.sent, 3);
    libc.script = undefined;
    a.platform.advance(1);
    assert.equal(a.socket.counters.sent, 10);
    assert.equal(a.platform.pendingTimers, 0);
    await b.received(10);
    assert.deepEqual(marksOf(b), upTo(10));
    assert.deepEqual(a.drops.snapshot(), {});
  }
});

test("skips a message that fails, under the reason's name, and sends the others", async () => {
  const names: [number, string][] = [
    [Errno.ENETUNREACH, "udp_send_unreachable"],
    [Errno.EHOSTUNREACH, "udp_send_unreachable"],
    [Errno.EHOSTDOWN, "udp_send_unreachable"],
    [Errno.ENETDOWN, "udp_send_unreachable"],
    [Errno.EADDRNOTAVAIL, "udp_send_unreachable"],
    [Errno.EPERM, "udp_send_not_permitted"],
    [Errno.EACCES, "udp_send_not_permitted"],
    [Errno.ECONNREFUSED, "udp_send_refused"],
    [Errno.EMSGSIZE, "udp_send_above_mtu"],
    [Errno.EINVAL, "udp_send_failed"],
    [9999, "udp_send_failed"],
  ];
  for (const [errno, name] of names) {
    const libc = new FaultyLibc();
    // As the kernel does it: the messages before the bad one first, then the failure alone.
    libc.script = (count, call) =>
      call === 0 ? { letThrough: 2 } : call === 1 ? errno : { letThrough: count };
    await using a = await openNativePeer({ libc });
    await using b = await openNativePeer();
    for (let i = 0; i < 6; i++) commit(a, i, 10 + i, b.address);
    a.socket.flush();
    await b.received(5);
    assert.deepEqual(marksOf(b), [0, 1, 3, 4, 5]);
    assert.deepEqual(a.drops.snapshot(), { [name]: 1 });
    assert.equal(a.socket.counters.sent, 5);
  }
});

test("counts every datagram of a run that fails", async () => {
  const libc = new FaultyLibc();
  libc.script = (count, call) => call === 0 ? Errno.ENETUNREACH : { letThrough: count };
  await using a = await openNativePeer({ libc });
  await using b = await openNativePeer();
  for (let i = 0; i < 8; i++) commit(a, i, 50, b.address);
  commit(a, 8, 60, b.address);
  await b.received(1);
  assert.deepEqual(marksOf(b), [8]);
  assert.deepEqual(a.drops.snapshot(), { udp_send_unreachable: 8 });
});

test("sends no more runs where they never worked, and loses nothing", async () => {
  for (const errno of [Errno.EIO, Errno.EINVAL]) {
    const libc = new FaultyLibc();
    libc.script = (count, call) => call === 0 ? errno : { letThrough: count };
    await using a = await openNativePeer({ libc });
    await using b = await openNativePeer();
    for (let i = 0; i < 10; i++) commit(a, i, 50, b.address);
    a.socket.flush();
    for (let i = 10; i < 20; i++) commit(a, i, 50, b.address);
    a.socket.flush();
    assert.deepEqual(libc.calls, [10, 10]);
    await b.received(20);
    assert.deepEqual(marksOf(b), upTo(20));
    assert.deepEqual(a.drops.snapshot(), { udp_runs_off: 1 });
  }
});

test("sends no runs to a destination that refused one, and still to others", async () => {
  const libc = new FaultyLibc();
  await using a = await openNativePeer({ libc });
  await using b = await openNativePeer();
  await using c = await openNativePeer();
  for (let i = 0; i < 10; i++) commit(a, i, 50, c.address);
  a.socket.flush();
  libc.script = (count, call) => call === 0 ? Errno.EMSGSIZE : { letThrough: count };
  for (const first of [0, 10]) {
    for (let i = first; i < first + 10; i++) commit(a, i, 50, b.address);
    for (let i = first + 10; i < first + 20; i++) commit(a, i, 50, c.address);
    a.socket.flush();
  }
  assert.deepEqual(libc.calls, [1, 11, 11]);
  await b.received(20);
  await c.received(30);
  assert.deepEqual(marksOf(b), upTo(20));
  assert.deepEqual(marksOf(c), upTo(30));
  assert.deepEqual(a.drops.snapshot(), { udp_runs_refused: 1 });
});

test("drops video out of the middle of runs that wait", async () => {
  const libc = new FaultyLibc();
  libc.script = () => Errno.EAGAIN;
  await using a = await openNativePeer({ libc });
  await using b = await openNativePeer();
  // Audio, a run of video, audio, and then more video than the queue has room for.
  for (let i = 0; i < 100; i++) {
    commit(a, i, 60, b.address, i % 10 === 0 ? SendKind.other : SendKind.video);
  }
  for (let i = 100; i < 8192 + 200; i++) commit(a, i, 60, b.address);
  assert.equal(a.drops.get("udp_send_dropped_video"), 200);
  libc.script = undefined;
  a.platform.advance(1);
  assert.equal(a.socket.counters.sent, 8192);
  await b.received(500);
  // 90 of the first 100 were video, so 110 more had to go.
  const kept = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, ...upTo(8392).slice(210)];
  const marks = marksOf(b);
  assert.deepEqual(marks, kept.slice(0, marks.length));
  assert.deepEqual(a.drops.snapshot(), { udp_send_dropped_video: 200 });
});

test("delivers in batches, each with one end", async () => {
  await using a = await openNativePeer();
  await using b = await openNativePeer();
  for (let i = 0; i < 500; i++) commit(a, i, 200, b.address);
  a.socket.flush();
  await b.received(500);
  assert.deepEqual(marksOf(b), upTo(500));
  assert.ok(b.batches <= 1 + Math.ceil(500 / 64), `${b.batches} batches`);
});

test("sends what was committed while a batch was delivered, at its end", async () => {
  await using a = await openNativePeer();
  await using b = await openNativePeer();
  const sentDuring: number[] = [];
  b.socket.onDatagram = (bytes, length, remote) => {
    const slot = b.socket.reserve()!;
    slot.set(bytes.subarray(0, length));
    b.socket.commit(length, remote, SendKind.other);
    sentDuring.push(b.socket.counters.sent);
  };
  let sentAtEnd = -1;
  b.socket.onBatchEnd = () => sentAtEnd = Math.max(sentAtEnd, b.socket.counters.sent);
  for (let i = 0; i < 20; i++) commit(a, i, 100, b.address);
  a.socket.flush();
  await a.received(20);
  assert.deepEqual(marksOf(a), upTo(20));
  assert.equal(sentDuring.length, 20);
  assert.ok(sentAtEnd < 20);
});

test("gives others a turn while more comes than it can take", async () => {
  await using a = await openNativePeer();
  let received = 0;
  // Each datagram that arrives sets out again, so there are always more than a batch takes.
  a.socket.onDatagram = (bytes, length) => {
    received++;
    const slot = a.socket.reserve()!;
    slot.set(bytes.subarray(0, length));
    a.socket.commit(length, a.address, SendKind.other);
  };
  for (let i = 0; i < 200; i++) commit(a, i, 20 + i % 7, a.address);
  for (let turn = 1; turn <= 3; turn++) {
    const before = received;
    await until("a turn in which more came", () => received > before + 200);
  }
});

test("can be closed out of the middle of a batch", async () => {
  await using a = await openNativePeer();
  await using b = await openNativePeer();
  let seen = 0;
  b.socket.onDatagram = () => {
    if (++seen === 3) b.socket.close();
  };
  for (let i = 0; i < 20; i++) commit(a, i, 100, b.address);
  await b.socket.closed;
  assert.equal(seen, 3);
});

test("goes on answering while 10,000 invented sources send", async () => {
  await using server = await openNativePeer({ hostname: "0.0.0.0" });
  await using client = await openNativePeer();
  const to = { transport: "udp" as const, hostname: "127.0.0.1", port: server.address.port };
  server.socket.onDatagram = (bytes, length, remote) => {
    if (length === 4) server.socket.send(bytes, length, remote);
  };
  let answers = 0;
  for (let flood = 0; flood < 10_000; flood++) {
    const hostname = `127.${1 + flood % 200}.${flood >> 8}.${1 + flood % 250}`;
    const source = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    await source.send(Uint8Array.of(1), to);
    source.close();
    if (flood % 500 > 0) continue;
    commit(client, flood, 4, to);
    await client.received(++answers);
  }
  assert.deepEqual(marksOf(client), upTo(20).map((i) => i * 500));
  await until("the whole flood", () => server.socket.counters.received === 10_020);
});

test("marks what it sends with the DSCP and ECN asked for", async () => {
  // An IPv6 socket marks what it sends to IPv4 peers too.
  for (const [hostname, family] of [["127.0.0.1", 4], ["::1", 6], ["::", 4], ["::", 6]] as const) {
    using receiver = new TrafficClassReceiver(family);
    // Expedited forwarding; assured forwarding 41 with ECT(0); ECT(0) alone; nothing.
    const wanted = [[46, false, 0xb8], [34, true, 0x8a], [0, true, 0x02], [0, false, 0]] as const;
    for (const [dscp, ecn, trafficClass] of wanted) {
      await using a = await openNativePeer({ hostname, dscp, ecn });
      commit(a, 1, 100, receiver.address);
      a.socket.flush();
      assert.equal(await receiver.receive(), trafficClass);
    }
  }
});

test("delivers what looks like acknowledgements of data behind all else, the last one first", async () => {
  await using a = await openNativePeer();
  await using b = await openNativePeer();
  const sack = (mark: number) => {
    const slot = a.socket.reserve()!;
    slot.fill(0, 0, 65);
    slot[0] = 23;
    slot[1] = mark;
    a.socket.commit(65, b.address, SendKind.other);
  };
  // The runtime hands over the first, and the rest is received in one go.
  commit(a, 1, 1_000, b.address);
  commit(a, 2, 900, b.address);
  sack(3);
  commit(a, 4, 800, b.address);
  sack(5);
  sack(6);
  commit(a, 7, 700, b.address);
  a.socket.flush();
  await b.received(7);
  const marks = b.arrivals.map((arrival) =>
    arrival.bytes.length === 65 ? arrival.bytes[1] : markOf(arrival)
  );
  assert.deepEqual(marks, [1, 2, 4, 7, 6, 5, 3]);
});

test("delivers what is turned into the likeness of an acknowledgement in place only once", async () => {
  await using a = await openNativePeer();
  await using b = await openNativePeer();
  const record = b.socket.onDatagram!;
  b.socket.onDatagram = (bytes, length, remote) => {
    record(bytes, length, remote);
    // As a TURN server does with what comes in a channel, which a record may be.
    bytes[0] = 23;
  };
  const send = (first: number, mark: number) => {
    const slot = a.socket.reserve()!;
    slot.fill(0, 0, 65);
    slot[0] = first;
    slot[1] = mark;
    a.socket.commit(65, b.address, SendKind.other);
  };
  commit(a, 1, 1_000, b.address);
  send(0x40, 2);
  send(23, 3);
  send(0x41, 4);
  commit(a, 5, 700, b.address);
  a.socket.flush();
  await b.received(5);
  assert.deepEqual(b.arrivals.slice(1).map(({ bytes }) => bytes[0]).slice(0, 2), [0x40, 0x41]);
  assert.deepEqual(b.arrivals.map(({ bytes }) => bytes.length), [1_000, 65, 65, 700, 65]);
});
