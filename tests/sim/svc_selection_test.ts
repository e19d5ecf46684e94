/**
 * Seeded worlds: of a stream with layers inside, a subscriber gets the layers it asked for, whole
 * and decodable, and can't tell from the numbers that anything was left out.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type SvcReceived, SvcWorld, type SvcWorldOptions } from "../support/media/svc_world.ts";

const target = (maxSpatial: 0 | 1 | 2, maxTemporal: 0 | 1 | 2 | 3 = 3) =>
  ({ enabled: true, maxSpatial, maxTemporal }) as const;

/** What was sent, by outgoing number; asserts that numbers are dense and used once. */
function inOrder(received: readonly SvcReceived[]): SvcReceived[] {
  const byNumber = new Map<number, SvcReceived>();
  let highest = 0;
  for (const packet of received) {
    const delta = ((packet.seq - received[0]!.seq - highest) << 16) >> 16;
    const n = highest + delta;
    highest = Math.max(highest, n);
    assert.ok(!byNumber.has(n), `number ${n} is used once`);
    byNumber.set(n, packet);
  }
  const numbers = [...byNumber.keys()].sort((a, b) => a - b);
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0]! + i), "numbers are dense");
  return numbers.map((n) => byNumber.get(n)!);
}

/** Asserts whole frames, whose references were sent, and one marker at each picture's end. */
function assertDecodable(world: SvcWorld, packets: readonly SvcReceived[]): void {
  const counts = new Map<number, number>();
  for (const { frame, empty } of packets) {
    if (!empty) counts.set(frame, (counts.get(frame) ?? 0) + 1);
  }
  for (const [number, count] of counts) {
    const frame = world.frames.get(number)!;
    assert.equal(count, frame.packets, `frame ${number} is whole`);
    for (const ref of frame.refs) assert.ok(counts.has(ref), `frame ${number} needs ${ref}`);
  }
  const full = packets.filter(({ empty }) => !empty);
  full.forEach((packet, i) => {
    const next = full[i + 1];
    const isLast = next === undefined || next.timestamp !== packet.timestamp;
    assert.equal(packet.marker, isLast, `marker of frame ${packet.frame}, packet ${packet.index}`);
  });
}

/** The layers of the frames sent lately. */
function layersAtEnd(world: SvcWorld, packets: readonly SvcReceived[]) {
  const tail = packets.filter(({ empty }) => !empty).slice(-24);
  const frames = tail.map(({ frame }) => world.frames.get(frame)!).filter(({ key }) => !key);
  return {
    top: Math.max(...frames.map(({ s }) => s)),
    low: Math.min(...frames.map(({ s }) => s)),
    temporal: Math.max(...frames.map(({ t }) => t)),
  };
}

const STREAMS: readonly Pick<SvcWorldOptions, "mime" | "mode" | "described">[] = [
  { mime: "video/AV1", mode: "L3T3_KEY", described: true },
  { mime: "video/AV1", mode: "L3T3", described: true },
  { mime: "video/VP9", mode: "L3T3_KEY", described: true },
  { mime: "video/VP9", mode: "L3T3_KEY", described: false },
  { mime: "video/VP9", mode: "L3T3", described: false },
];

for (const stream of STREAMS) {
  const name = `${stream.mime} ${stream.mode} ${stream.described ? "with" : "without"} descriptors`;

  for (const top of [0, 1, 2] as const) {
    Deno.test(`DownTrack sends layers up to ${top} of ${name}, decodable and without gaps`, () => {
      const world = new SvcWorld({ seed: 1 + top, ...stream, target: target(top) });
      world.run(4000);
      const packets = inOrder(world.received);
      assertDecodable(world, packets);
      const layers = layersAtEnd(world, packets);
      assert.deepEqual([layers.top, layers.temporal], [top, 2]);
      if (stream.described) {
        assert.equal(
          layers.low,
          stream.mode === "L3T3" ? 0 : top,
          "what is not needed is left out",
        );
      }
      assert.equal(world.layers.at(-1), top);
      assert.equal(world.down.stats().spatial, top);
      assert.ok(world.plis <= 2, `${world.plis} key frames asked for`);
    });
  }

  for (const seed of [11, 12, 13]) {
    Deno.test(`DownTrack follows its target through ${name} that loses packets (seed ${seed})`, () => {
      const world = new SvcWorld({ seed, ...stream, loss: 0.05, target: target(2) });
      for (const top of [0, 2, 1, 0, 1, 2] as const) {
        world.run(3000);
        world.down.setTarget(target(top), world.now);
      }
      world.run(4000);
      world.publishing = false;
      world.run(1500);
      assert.ok(world.nacked > 20, "packets were lost");
      const packets = inOrder(world.received);
      assertDecodable(world, packets);
      assert.equal(layersAtEnd(world, packets).top, 2);
      assert.ok(world.layers.includes(0) && world.layers.includes(1), "it went through all");
    });
  }

  Deno.test(`DownTrack leaves temporal layers of ${name} out and takes them in again`, () => {
    const world = new SvcWorld({ seed: 21, ...stream, target: target(1) });
    for (const [asked, maxTemporal] of [[0, 0], [1, 1], [2, 3]] as const) {
      world.run(2000);
      world.down.setTarget(target(1, maxTemporal), world.now);
      world.run(3000);
      assert.equal(layersAtEnd(world, inOrder(world.received)).temporal, asked);
    }
    assertDecodable(world, inOrder(world.received));
  });
}

Deno.test("DownTrack announces the decode targets it sends, in all but the packets with a structure", () => {
  const world = new SvcWorld({
    seed: 31,
    mime: "video/AV1",
    mode: "L3T3_KEY",
    described: true,
    target: target(0, 1),
  });
  world.run(2000);
  let announced = 0;
  for (const { descriptor } of inOrder(world.received)) {
    assert.ok(descriptor !== undefined);
    const bits = [...descriptor].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    if (bits[24] === "1") continue;
    announced++;
    assert.equal(bits[25], "1");
    // Targets (0, 0) and (0, 1) are the two lowest of nine.
    assert.equal(bits.slice(29, 38), "000000011");
  }
  assert.ok(announced > 10);
});

Deno.test("DownTrack resends a packet of an inner layer with the marker and descriptor it had", () => {
  const world = new SvcWorld({
    seed: 32,
    mime: "video/AV1",
    mode: "L3T3_KEY",
    described: true,
    target: target(1),
  });
  world.run(1500);
  const sent = world.sink.views.filter((view) => view.marker).at(-1)!;
  const before = world.sink.packets.length;
  world.down.receiveNack(Uint16Array.of(sent.sequenceNumber), 1, world.now);
  const resent = world.sink.views.at(-1)!;
  assert.equal(world.sink.packets.length, before + 1);
  assert.equal(resent.marker, true);
  const body = (
    v: typeof sent,
    skip: number,
  ) => [...v.bytes.subarray(v.payloadOffset + skip, v.payloadOffset + v.payloadLength)];
  assert.deepEqual(body(resent, 2), body(sent, 0));
  const descriptor = (
    v: typeof sent,
  ) => [...v.bytes.subarray(v.extensionOffset(11), v.extensionOffset(11) + v.extensionLength(11))];
  assert.ok(descriptor(sent).length > 3);
  assert.deepEqual(descriptor(resent), descriptor(sent));
});
