/**
 * The rings between two real threads: nothing is lost, torn or out of order, and no wake-up is
 * missed.
 */
import assert from "node:assert/strict";
import {
  createRelayRing,
  RelayRingReader,
  RelayRingWriter,
} from "../../lib/engine/relay/relay_ring.ts";
import type { EchoRings } from "../support/wire/relay_echo_worker.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

/** Ends a test that would wait for ever for a wake-up, ms. */
const DEADLINE_MS = 30_000;

async function withEcho(
  bytes: number,
  body: (writer: RelayRingWriter, reader: RelayRingReader) => Promise<void>,
): Promise<void> {
  const rings: EchoRings = { inbound: createRelayRing(bytes), outbound: createRelayRing(bytes) };
  const worker = new Worker(new URL("../support/wire/relay_echo_worker.ts", import.meta.url), {
    type: "module",
  });
  let deadline: ReturnType<typeof setTimeout> | undefined;
  try {
    const ready = new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = reject;
    });
    worker.postMessage(rings);
    await ready;
    const missed = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error("no wake-up in time")), DEADLINE_MS);
    });
    const writer = new RelayRingWriter(rings.inbound);
    const reader = new RelayRingReader(rings.outbound);
    await Promise.race([body(writer, reader), missed]);
    assert.equal(reader.corrupted, 0);
  } finally {
    clearTimeout(deadline);
    worker.terminate();
  }
}

function write(writer: RelayRingWriter, kind: number, words: readonly number[]): boolean {
  const at = writer.reserve(kind, words.length);
  if (at < 0) return false;
  for (let i = 0; i < words.length; i++) writer.words[at + i] = words[i]!;
  writer.commit();
  return true;
}

Deno.test("A sleeping reader in another thread is woken by each record", async () => {
  await withEcho(1 << 16, async (writer, reader) => {
    for (let round = 0; round < 2000; round++) {
      assert.ok(write(writer, 1 + round % 100, [round, round + 1]));
      writer.wake();
      while (!reader.next()) await reader.more();
      const { kind, at, length, words } = reader;
      assert.deepEqual([kind, length, words[at], words[at + 1]], [
        1 + round % 100,
        2,
        round + 1,
        round,
      ]);
      reader.release();
    }
  });
});

Deno.test("Records pass two threads whole and in order, however full the rings are", async () => {
  const random = new SeededRandom(4);
  const records = Array.from({ length: 30_000 }, () => ({
    kind: 1 + random.below(127),
    words: Array.from({ length: random.below(60) }, () => random.uint32() | 0),
  }));
  await withEcho(1 << 14, async (writer, reader) => {
    let [written, read, refused] = [0, 0, 0];
    while (read < records.length) {
      while (written < records.length) {
        const { kind, words } = records[written]!;
        if (!write(writer, kind, words)) {
          refused++;
          break;
        }
        written++;
      }
      writer.wake();
      if (read === written || !reader.next()) {
        await reader.more();
        continue;
      }
      do {
        const { kind, at, length, words } = reader;
        const expected = records[read++]!;
        assert.equal(kind, expected.kind);
        assert.deepEqual([...words.subarray(at, at + length)], expected.words.toReversed());
      } while (reader.next());
      reader.release();
    }
    assert.ok(refused > 0, "it was full at times");
  });
});
