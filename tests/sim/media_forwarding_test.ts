/**
 * Seeded worlds: what a subscriber receives looks like one sender's stream, whatever the
 * publisher's network does.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Received, SimulcastWorld } from "../support/media/simulcast_world.ts";

const HIGH = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
const LOW = { enabled: true, maxSpatial: 0, maxTemporal: 3 } as const;

/** Outgoing numbers as offsets from the first, unwrapped in the order of sending. */
function unwrapped(received: readonly Received[]): number[] {
  let highest = 0;
  return received.map(({ seq }) => {
    let delta = (seq - received[0]!.seq - highest) & 0xffff;
    if (delta >= 0x8000) delta -= 0x10000;
    const value = highest + delta;
    highest = Math.max(highest, value);
    return value;
  });
}

/** Asserts that no number is used twice; returns the numbers missing up to the highest. */
function holes(received: readonly Received[]): number[] {
  const numbers = unwrapped(received);
  const used = new Set(numbers);
  assert.equal(used.size, numbers.length, "a sequence number was used twice");
  const missing: number[] = [];
  for (let n = 0; n < Math.max(...numbers); n++) if (!used.has(n)) missing.push(n);
  return missing;
}

/** Asserts that one source frame is one picture, and later pictures have later timestamps. */
function assertPictures(received: readonly Received[]): void {
  const numbers = unwrapped(received);
  const sorted = received.map((packet, i) => ({ packet, n: numbers[i]! }))
    .filter(({ packet }) => !packet.empty)
    .sort((a, b) => a.n - b.n)
    .map(({ packet }) => packet);
  let last = sorted[0]!;
  assert.ok(last.keyFrameStart, "starts on a key frame");
  for (const packet of sorted.slice(1)) {
    const sameFrame = packet.spatial === last.spatial && packet.frame === last.frame;
    const later = (packet.timestamp - last.timestamp) | 0;
    if (sameFrame) {
      assert.equal(packet.pictureId, last.pictureId);
      assert.equal(later, 0);
    } else {
      assert.ok(later > 0, `timestamp goes on: ${last.timestamp} then ${packet.timestamp}`);
      const elapsed = Math.max(0, packet.frame - last.frame) * 33 * 90;
      assert.ok(later <= elapsed + 100 * 90, `timestamp jumps by ${later}, ${elapsed} passed`);
    }
    if (packet.spatial !== last.spatial) {
      assert.ok(packet.keyFrameStart, `switch to layer ${packet.spatial} on a key frame`);
    }
    last = packet;
  }
}

/** Asserts that picture ids count up by one over the pictures that were sent. */
function assertPictureIds(received: readonly Received[]): void {
  const ids = [...new Set(received.filter((p) => !p.empty).map((p) => p.pictureId))];
  const first = ids[0]!;
  const offsets = ids.map((id) => (id - first) & 0x7fff).sort((a, b) => a - b);
  assert.deepEqual(offsets, offsets.map((_, i) => i));
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`UpTrack and DownTrack repair 10 % loss, reordering and duplicates over the wrap (seed ${seed})`, () => {
    const world = new SimulcastWorld({
      seed,
      loss: 0.1,
      duplicate: 0.05,
      jitterMs: 15,
      firstSequence: 65_300,
      firstTimestamp: 0xffff_0000,
    });
    const { sink } = world.subscribe(HIGH);
    world.run(20_000);
    world.layers[0]!.enabled = false;
    world.run(1500);
    assert.ok(world.nacked > 20, "packets were lost");
    assert.ok(sink.received.length > 500);
    assert.deepEqual(holes(sink.received), []);
    assertPictures(sink.received);
    assertPictureIds(sink.received);
  });

  Deno.test(`DownTrack switches up and down on key frames with no trace in its numbers (seed ${seed})`, () => {
    const world = new SimulcastWorld({ seed, layers: 3, duplicate: 0.05, firstSequence: 65_000 });
    const { down, sink } = world.subscribe(HIGH);
    for (const target of [LOW, HIGH, { ...HIGH, maxSpatial: 1 } as const, LOW, HIGH]) {
      world.run(2500);
      down.setTarget(target, world.now);
    }
    world.run(2500);
    assert.deepEqual(holes(sink.received), []);
    assertPictures(sink.received);
    assertPictureIds(sink.received);
    const path = sink.layers.map(({ spatial }) => spatial);
    assert.equal(path.at(-1), 2);
    assert.ok(path.includes(0) && path.includes(1));
    let last = sink.received[0]!.tl0;
    for (const { tl0, empty } of sink.received) {
      if (empty) continue;
      assert.ok(((tl0 - last) & 0xff) <= 1, "TL0PICIDX counts up by one");
      last = tl0;
    }
  });

  Deno.test(`DownTrack switching under loss uses no number twice and starts layers on key frames (seed ${seed})`, () => {
    const world = new SimulcastWorld({
      seed,
      layers: 3,
      loss: 0.05,
      duplicate: 0.05,
      jitterMs: 10,
    });
    const { down, sink } = world.subscribe(HIGH);
    for (let i = 0; i < 10; i++) {
      world.run(2000);
      down.setTarget(i % 2 === 0 ? LOW : HIGH, world.now);
    }
    world.run(2000);
    assert.ok(sink.layers.length >= 8, "it did switch");
    assert.ok(holes(sink.received).length < sink.received.length * 0.01);
    assertPictures(sink.received);
  });

  Deno.test(`DownTrack leaves higher temporal layers out without a gap under loss (seed ${seed})`, () => {
    const world = new SimulcastWorld({ seed, loss: 0.08, jitterMs: 10 });
    const { down, sink } = world.subscribe(HIGH);
    for (const maxTemporal of [0, 2, 1, 3, 0]) {
      world.run(2000);
      down.setTarget({ ...HIGH, maxTemporal }, world.now);
    }
    world.run(3000);
    const tail = sink.received.filter((packet) => packet.at > world.now - 2000 && !packet.empty);
    const reduced = tail.filter((packet) => packet.tid > 0);
    assert.ok(tail.length > 10);
    // A picture all of whose packets were late keeps the number it was given, and is sent.
    const published = (tail.length - reduced.length) * 3;
    assert.ok(reduced.length < published * 0.2, `${reduced.length} of ${published}`);
    world.layers[0]!.enabled = false;
    world.run(1500);
    assert.deepEqual(holes(sink.received), []);
    assertPictures(sink.received);
    assertPictureIds(sink.received);
  });
}

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  Deno.test(`UpTrack fans batches out as it does single packets, to the byte (seed ${seed})`, () => {
    const [alone, together] = [false, true].map((batched) => {
      const world = new SimulcastWorld({
        seed,
        layers: 3,
        loss: 0.05,
        duplicate: 0.05,
        jitterMs: 30,
        firstSequence: 65_300,
        readEveryMs: 50,
        batched,
      });
      const [first, second] = [world.subscribe(HIGH), world.subscribe(LOW)];
      for (let i = 0; i < 12; i++) {
        world.run(1500);
        first.down.setTarget(i % 2 === 0 ? LOW : HIGH, world.now);
        second.down.setTarget({ ...HIGH, maxTemporal: i % 4 }, world.now);
      }
      return [first, second].map(({ sink }) => sink.packets.map((packet) => packet.toHex()));
    });
    assert.ok(alone![0]!.length > 1000, `${alone![0]!.length} packets`);
    for (const [place, packets] of alone!.entries()) {
      const differs = packets.findIndex((packet, i) => packet !== together![place]![i]);
      assert.equal(differs, -1, `subscriber ${place}: packet ${differs} of ${packets.length}`);
      assert.equal(together![place]!.length, packets.length);
    }
  });
}

Deno.test("DownTrack without sender reports still switches, by the time that passed", () => {
  const world = new SimulcastWorld({ seed: 9, layers: 3, senderReports: false });
  const { down, sink } = world.subscribe(LOW);
  world.run(2000);
  down.setTarget(HIGH, world.now);
  world.run(2000);
  assert.equal(sink.layers.at(-1)!.spatial, 2);
  assertPictures(sink.received);
});

Deno.test("DownTrack aligns the new layer's timestamps with both sender reports", () => {
  const world = new SimulcastWorld({ seed: 10, layers: 3 });
  const { down, sink } = world.subscribe(LOW);
  world.run(2000);
  down.setTarget(HIGH, world.now);
  world.run(2000);
  // Layer clocks differ by a million ticks, yet frames of all layers are 33 ms apart in capture
  // time.
  const start = sink.received[0]!;
  for (const packet of sink.received) {
    const frames = packet.frame - start.frame;
    const ticks = (packet.timestamp - start.timestamp) | 0;
    assert.ok(Math.abs(ticks - frames * 33 * 90) <= 2, `${ticks} ticks after ${frames} frames`);
  }
});

Deno.test("DownTrack falls to a live layer when the publisher stops the current one, and returns", () => {
  const world = new SimulcastWorld({ seed: 11, layers: 3 });
  const { sink } = world.subscribe(HIGH);
  world.run(2000);
  assert.equal(sink.layers.at(-1)!.spatial, 2);
  world.layers[2]!.enabled = false;
  const stoppedAt = world.now;
  world.run(4000);
  assert.equal(sink.layers.at(-1)!.spatial, 1);
  const gap = sink.layers.at(-1)!.at - stoppedAt;
  assert.ok(gap < 2500, `${gap} ms without picture`);
  world.layers[2]!.enabled = true;
  world.run(3000);
  assert.equal(sink.layers.at(-1)!.spatial, 2);
  assert.deepEqual(holes(sink.received), []);
  assertPictures(sink.received);
});

Deno.test("DownTrack takes a layer that comes minutes after the first", () => {
  const world = new SimulcastWorld({ seed: 12, layers: 3 });
  world.layers[1]!.enabled = world.layers[2]!.enabled = false;
  const { sink } = world.subscribe(HIGH);
  world.run(180_000);
  assert.deepEqual(sink.layers.map(({ spatial }) => spatial), [0]);
  world.layers[2]!.enabled = true;
  world.run(3000);
  assert.equal(sink.layers.at(-1)!.spatial, 2);
  assert.deepEqual(holes(sink.received), []);
  assertPictures(sink.received);
});

Deno.test("DownTrack resumes after mute on a key frame, with time gone by and numbers going on", () => {
  for (const side of ["publisher", "subscriber"] as const) {
    const world = new SimulcastWorld({ seed: 13 });
    const { down, sink } = world.subscribe(HIGH);
    world.run(2000);
    if (side === "publisher") world.up.setMuted(true, world.now);
    else down.setTarget({ ...HIGH, enabled: false }, world.now);
    const before = sink.received.length;
    world.run(5000);
    assert.equal(sink.received.length, before, `${side}: nothing is sent while muted`);
    if (side === "publisher") world.up.setMuted(false, world.now);
    else down.setTarget(HIGH, world.now);
    world.run(2000);
    const last = sink.received[before - 1]!;
    const resumed = sink.received[before]!;
    assert.ok(resumed.keyFrameStart, `${side}: on a key frame`);
    assert.equal(resumed.seq, (last.seq + 1) & 0xffff);
    assert.equal(resumed.pictureId, (last.pictureId + 1) & 0x7fff);
    const ticks = (resumed.timestamp - last.timestamp) | 0;
    assert.ok(Math.abs(ticks - (resumed.at - last.at) * 90) <= 90, `${side}: ${ticks} ticks`);
    assert.deepEqual(holes(sink.received), []);
    assert.equal(sink.layers.length, 1, `${side}: the layer did not change`);
  }
});

Deno.test("UpTrack merges the key-frame requests of 50 down-tracks into one per interval", () => {
  const world = new SimulcastWorld({ seed: 14 });
  const subscribers = Array.from({ length: 50 }, () => world.subscribe(HIGH));
  world.run(1500);
  const before = world.pliAt.length;
  for (let i = 0; i < 100; i++) {
    for (const { down } of subscribers) down.receivePictureLoss(world.now);
    world.run(10);
  }
  const asked = world.pliAt.slice(before);
  assert.ok(
    asked.length >= 1 && asked.length <= 3,
    `${asked.length} PLIs for 5,000 requests in 1 s`,
  );
  for (let i = 1; i < asked.length; i++) assert.ok(asked[i]!.at - asked[i - 1]!.at >= 500);
});

Deno.test("two worlds with one seed give byte-identical packets", () => {
  const [first, second] = [0, 1].map(() => {
    const world = new SimulcastWorld({ seed: 15, layers: 3, loss: 0.05, jitterMs: 20 });
    const { sink } = world.subscribe(HIGH);
    world.run(3000);
    return sink.packets;
  });
  assert.deepEqual(first, second);
});
