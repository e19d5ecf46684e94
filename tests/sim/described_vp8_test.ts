/**
 * Seeded worlds: VP8 whose frames are told of by dependency descriptors alone, as libwebrtc sends
 * it to servers that take these. What a subscriber is sent can be decoded, whatever it is allowed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { viewOf } from "../support/media/forwarding_fixtures.ts";
import { type Received, SimulcastWorld, type TimedSink } from "../support/media/simulcast_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const DESCRIPTOR_ID = 5;
const EVERYTHING = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;

/** Asserts whole frames whose references were sent, and layers that begin with key frames. */
function assertDecodable(world: SimulcastWorld, packets: readonly Received[]): void {
  const counts = new Map<string, number>();
  let current = -1;
  for (const { empty, spatial, frame, keyFrameStart } of packets) {
    if (empty) continue;
    if (spatial !== current) assert.ok(keyFrameStart, `layer ${spatial} begins with a key`);
    current = spatial;
    const name = `${spatial}/${frame}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const ref of world.layers[spatial]!.refs.get(frame)!) {
      assert.ok(counts.has(`${spatial}/${ref}`), `frame ${name} needs ${ref}`);
    }
  }
  for (const [name, count] of counts) {
    const [spatial, frame] = name.split("/").map(Number);
    const isKey = world.layers[spatial!]!.refs.get(frame!)!.length === 0;
    assert.equal(count, world.framePackets[spatial!]! + (isKey ? 3 : 0), `frame ${name} is whole`);
  }
}

function assertDense(packets: readonly Received[]): void {
  packets.forEach(({ seq }, i) => {
    assert.equal(seq, (packets[0]!.seq + i) & 0xffff, "numbers are dense");
  });
}

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`DownTrack sends what can be decoded of described VP8 under random allowances (seed ${seed})`, () => {
    const world = new SimulcastWorld({ seed, layers: 3, firstSequence: 65_000, described: true });
    const { down, sink } = world.subscribe(EVERYTHING);
    const random = new SeededRandom(seed);
    for (let i = 0; i < 60; i++) {
      world.run(20 + random.below(random.chance(0.5) ? 200 : 2_000));
      down.setAllowance(random.below(4) - 1, random.below(4), world.now);
    }
    assert.ok(sink.received.length > 300, `${sink.received.length} packets`);
    assertDense(sink.received);
    assertDecodable(world, sink.received);
    for (const temporal of [0, 1, 3] as const) {
      down.setAllowance(1, temporal, world.now);
      world.run(5_000);
      const tail = sink.received.filter(({ at }) => at > world.now - 2_000);
      assert.ok(tail.every(({ spatial }) => spatial === 1));
      assert.equal(Math.max(...tail.map(({ tid }) => tid)), Math.min(temporal, 2));
      const pictures = new Set(tail.map(({ frame }) => frame)).size;
      const expected = 2_000 / 33 / (4 >> Math.min(temporal, 2));
      assert.ok(Math.abs(pictures - expected) <= 1, `${pictures} pictures with T${temporal}`);
    }
    assertDecodable(world, sink.received);
  });

  Deno.test(`DownTrack repairs described VP8 and stands still for no lost frame (seed ${seed})`, () => {
    const world = new SimulcastWorld({
      seed,
      layers: 2,
      loss: 0.08,
      jitterMs: 15,
      duplicate: 0.05,
      described: true,
    });
    const { down, sink } = world.subscribe(EVERYTHING);
    for (const maxTemporal of [0, 3, 1, 2, 0, 3, 0] as const) {
      world.run(2_500);
      down.setTarget({ ...EVERYTHING, maxTemporal }, world.now);
    }
    world.run(3_000);
    const base = sink.received.filter(({ tid, empty }) => tid === 0 && !empty);
    const gaps = base.slice(1).map(({ at }, i) => at - base[i]!.at);
    assert.ok(Math.max(...gaps) < 1_500, `nothing for ${Math.max(...gaps)} ms`);
    const tail = sink.received.filter(({ at, empty }) => at > world.now - 2_000 && !empty);
    assert.ok(tail.length > 10 && tail.every(({ tid }) => tid === 0));
  });
}

/** What the packets from `from` on say of themselves and of their frames. */
function describedFrames({ packets }: TimedSink, from: number) {
  return packets.slice(from).map(viewOf).map((view) => {
    const at = view.extensionOffset(DESCRIPTOR_ID);
    const bytes = view.bytes.slice(at, at + view.extensionLength(DESCRIPTOR_ID));
    const { ssrc, sequenceNumber } = view;
    return { ssrc, sequenceNumber, number: bytes[1]! << 8 | bytes[2]!, bytes };
  });
}

/** Asserts that each packet is of the frame of the one before, or of the next one. */
function assertFollowing(packets: readonly { readonly number: number }[]): void {
  const steps = packets.slice(1).map(({ number }, i) => (number - packets[i]!.number) & 0xffff);
  assert.deepEqual([...new Set(steps)].sort(), [0, 1], "each frame follows the one before");
}

Deno.test("DownTrack goes on with higher frame numbers when another source has lower ones", () => {
  const [first, second] = [3, 1].map((layers) =>
    new SimulcastWorld({ seed: layers, layers, described: true })
  ) as [SimulcastWorld, SimulcastWorld];
  const { down, sink } = first.subscribe(EVERYTHING);
  for (const world of [first, second]) world.run(4_000);
  const before = describedFrames(sink, 0).map(({ number }) => number);
  first.up.removeDownTrack(down);
  second.up.addDownTrack(down, second.now);
  const from = sink.packets.length;
  second.run(2_000);
  const after = describedFrames(sink, from);
  assert.ok(after.length > 40);
  assert.equal(after[0]!.number, (before.at(-1)! + 1) & 0xffff);
  assertFollowing(after);

  const lost = after.at(-1)!;
  down.receiveNack(Uint16Array.of(lost.sequenceNumber), 1, second.now + 100);
  const [again] = describedFrames(sink, sink.packets.length - 1);
  assert.notEqual(again!.ssrc, lost.ssrc);
  assert.deepEqual(again!.bytes, lost.bytes, "what is sent again has the number that it had");
});

Deno.test("DownTrack goes on with higher frame numbers when its source's encoder begins anew", () => {
  const world = new SimulcastWorld({ seed: 1, layers: 1, described: true });
  const { sink } = world.subscribe(EVERYTHING);
  world.run(20_000);
  const before = sink.packets.length;
  world.restartEncoder();
  world.run(2_000);
  assert.ok(sink.packets.length > before + 40);
  assertFollowing(describedFrames(sink, 0));
});

Deno.test("UpTrack.costs() tells the temporal layers of described VP8 apart", () => {
  const world = new SimulcastWorld({ seed: 1, layers: 2, described: true, payloadBytes: 500 });
  world.subscribe(EVERYTHING);
  world.run(15_000); // until the key frame hardly counts
  const costs = new Float64Array(12);
  world.up.costs(costs);
  for (const spatial of [0, 1]) {
    const [t0, t1, t2, t3] = costs.subarray(spatial * 4, spatial * 4 + 4);
    assert.ok(t0! > 0 && t1! > 1.7 * t0! && t2! > 1.7 * t1!, costs.join(" "));
    assert.equal(t3, t2);
  }
});
