import assert from "node:assert/strict";
import {
  createRelayRing,
  MAX_KIND,
  RelayRingReader,
  RelayRingWriter,
} from "../../../../lib/engine/relay/relay_ring.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

interface Written {
  readonly kind: number;
  readonly words: readonly number[];
}

const RING_BYTES = 1024;
const RING_WORDS = RING_BYTES / 4;

function write(writer: RelayRingWriter, { kind, words }: Written): boolean {
  const at = writer.reserve(kind, words.length);
  if (at < 0) return false;
  words.forEach((word, i) => writer.words[at + i] = word);
  writer.commit();
  return true;
}

function read(reader: RelayRingReader): Written | undefined {
  if (!reader.next()) return undefined;
  const { kind, at, length } = reader;
  return { kind, words: [...reader.words.subarray(at, at + length)] };
}

function anyRecord(random: SeededRandom, maxWords: number): Written {
  return {
    kind: 1 + random.below(MAX_KIND),
    words: Array.from({ length: random.below(maxWords) }, () => random.uint32() | 0),
  };
}

Deno.test("A relay ring keeps room beside a share of it for other records, and gives bytes as copies", () => {
  const ring = createRelayRing(RING_BYTES);
  const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
  const share = { isLossy: false, words: 20, wordsOfAll: 20 };
  const put = (bytes: Uint8Array) => {
    const at = writer.reserve(1, (bytes.length + 3) >> 2, share);
    if (at < 0) return false;
    writer.writeBytes(at, bytes);
    writer.commit();
    return true;
  };
  const bytes = Uint8Array.from({ length: 37 }, (_, i) => i);
  assert.equal(put(bytes), true, "eleven words of twenty");
  assert.equal(put(bytes), false);
  assert.ok(write(writer, { kind: 2, words: [1, 2, 3] }), "there is room for others");
  assert.ok(reader.next());
  const copy = reader.readBytes(reader.at, bytes.length);
  reader.words.fill(0);
  assert.deepEqual(copy, bytes);
  assert.ok(copy.buffer instanceof ArrayBuffer);
});

Deno.test("A relay ring gives back what was put in, whole and in order, around its end for long", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const ring = createRelayRing(RING_BYTES);
    // Positions soon wrap at 2^32, which is no end of anything.
    new Int32Array(ring, 0, 64).fill(-2000);
    new Int32Array(ring, 0, 64)[32] = 0;
    const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
    const queue: Written[] = [];
    let refused = 0;
    for (let step = 0; step < 5000; step++) {
      if (random.chance(0.5)) {
        const record = anyRecord(random, 60);
        if (write(writer, record)) queue.push(record);
        else refused++;
      } else {
        const expected = queue.shift();
        assert.deepEqual(read(reader), expected, `seed ${seed}, step ${step}`);
        reader.release();
      }
    }
    assert.ok(refused > 0, "it was full at times");
    assert.equal(reader.corrupted, 0);
  }
});

Deno.test("A relay ring refuses a record only if it has no room for it, and keeps what is in it", () => {
  const ring = createRelayRing(RING_BYTES);
  const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
  const record = (mark: number): Written => ({ kind: 1, words: new Array(31).fill(mark) });
  for (let i = 0; i < RING_WORDS / 32; i++) assert.equal(write(writer, record(i)), true);
  assert.equal(write(writer, { kind: 1, words: [] }), false, "not one word is left");
  assert.deepEqual(read(reader), record(0));
  assert.equal(write(writer, record(8)), false, "it is being read");
  reader.release();
  assert.equal(write(writer, record(8)), true);
  for (let i = 1; i <= 8; i++) assert.deepEqual(read(reader), record(i));
  assert.equal(read(reader), undefined);
});

Deno.test("A relay ring pads its end, where no record fits, and counts the padding as used", () => {
  const ring = createRelayRing(RING_BYTES);
  const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
  const big: Written = { kind: 2, words: new Array(99).fill(7) };
  assert.equal(write(writer, big), true);
  assert.equal(write(writer, big), true);
  // 56 words are left at the end and none at the beginning.
  assert.equal(write(writer, big), false);
  assert.deepEqual(read(reader), big);
  reader.release();
  assert.equal(write(writer, big), true, "56 words of padding, 100 at the beginning");
  assert.equal(write(writer, { kind: 2, words: [] }), false);
  assert.deepEqual(read(reader), big);
  assert.deepEqual(read(reader), big);
  assert.equal(read(reader), undefined);
});

Deno.test("RelayRingReader takes padding at the end of the memory only", () => {
  const ring = createRelayRing(RING_BYTES);
  const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
  write(writer, { kind: 1, words: [1, 2, 3] });
  new Int32Array(ring, 256)[0] = 4; // kind 0, of the same length
  assert.equal(read(reader), undefined);
  assert.equal(reader.corrupted, 1);
});

Deno.test("RelayRingReader survives any bytes, counts them, and reads what is written later", () => {
  let corrupted = 0;
  for (let seed = 1; seed <= 500; seed++) {
    const random = new SeededRandom(seed);
    const ring = createRelayRing(RING_BYTES);
    const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
    for (let i = 0; i < 20; i++) write(writer, anyRecord(random, 20));
    const bytes = new Uint8Array(ring);
    const from = random.chance(0.5) ? 0 : 256;
    for (let i = 0; i < 30; i++) {
      bytes[from + random.below(RING_BYTES)] = random.below(256);
    }
    let records = 0;
    while (reader.next()) {
      assert.ok(reader.kind > 0 && reader.length >= 0);
      assert.ok(reader.at + reader.length <= RING_WORDS, "inside the memory");
      assert.ok(++records <= RING_WORDS, "an end");
    }
    reader.release();
    corrupted += reader.corrupted;
    // Positions that the bytes have moved are right again after some records that are lost.
    for (let i = 0; i < 3; i++) {
      write(writer, anyRecord(random, 20));
      while (reader.next());
      reader.release();
    }
    const record = anyRecord(random, 20);
    assert.equal(write(writer, record), true, `seed ${seed}`);
    assert.deepEqual(read(reader), record, `seed ${seed}`);
  }
  assert.ok(corrupted > 100, `${corrupted} rings made no sense`);
});

Deno.test("RelayRingReader.more() settles when something is written, and lets others have turns", async () => {
  const ring = createRelayRing(RING_BYTES);
  const [writer, reader] = [new RelayRingWriter(ring), new RelayRingReader(ring)];
  // A pending wait keeps no event loop alive; an engine's sockets do.
  const keepAlive = setInterval(() => {}, 1000);
  try {
    const order: string[] = [];
    let waits = true;
    const more = reader.more().then(() => waits = false);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(waits, true, "nothing to read");
    write(writer, { kind: 1, words: [5] });
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(waits, true, "not woken yet");
    writer.wake();
    await more;
    // Unread records: it settles by itself, after what was due before.
    const { port1, port2 } = new MessageChannel();
    const message = new Promise<void>((resolve) => {
      port1.onmessage = () => {
        order.push("message");
        resolve();
      };
    });
    port2.postMessage(0);
    for (let turn = 0; order.length === 0 && turn < 1000; turn++) await reader.more();
    assert.deepEqual(order, ["message"], "a reader with more to do does not keep others waiting");
    await message;
    port1.close();
    port2.close();
    assert.equal(reader.next(), true);
    reader.release();
    const last = reader.more();
    reader.interrupt();
    await last;
  } finally {
    clearInterval(keepAlive);
  }
});

Deno.test("A relay ring rings the bell of a reader that sleeps, and of one that steps back", async () => {
  const ring = createRelayRing(RING_BYTES);
  const rung: string[] = [];
  const writer = new RelayRingWriter(ring, () => rung.push("writer"));
  const reader = new RelayRingReader(ring, () => rung.push("reader"));
  const keepAlive = setInterval(() => {}, 1000);
  try {
    write(writer, { kind: 1, words: [5] });
    writer.wake();
    assert.deepEqual(rung, [], "it does not sleep");
    await reader.more();
    assert.deepEqual(rung, ["reader"], "there is more: it needs another turn");
    assert.equal(reader.next(), true);
    reader.release();
    const more = reader.more();
    write(writer, { kind: 1, words: [6] });
    writer.wake();
    writer.wake();
    assert.deepEqual(rung, ["reader", "writer"], "once for each sleep");
    await more;
    assert.equal(reader.next(), true);
    const last = reader.more();
    reader.interrupt();
    await last;
    assert.deepEqual(rung, ["reader", "writer", "reader"], "the end of the wait");
  } finally {
    clearInterval(keepAlive);
  }
});
