import assert from "node:assert/strict";
import { RELAY } from "../../lib/engine/relay/relay_records.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { ALWAYS, AudioRoom, type Heard, IF_LOUD } from "../support/media/audio_room.ts";

/** Fails where numbers are left out or go back, or time does. */
function assertSeamless({ sink }: Heard): void {
  sink.views.forEach((view, i, views) => {
    const before = views[i - 1];
    if (before === undefined) return;
    assert.equal((view.sequenceNumber - before.sequenceNumber) & 0xffff, 1, `packet ${i}`);
    assert.ok(((view.timestamp - before.timestamp) | 0) > 0, `packet ${i}`);
  });
}

/** Of which microphones packets came in the next `ms`. */
function heardIn(room: AudioRoom, heard: readonly Heard[], ms: number): number[] {
  const before = heard.map(({ sink }) => sink.packets.length);
  room.run(ms);
  return heard.flatMap(({ sink }, i) => sink.packets.length > before[i]! ? [i] : []);
}

Deno.test("Loudest audio: a listener gets the loudest tracks alone, without a gap in their numbers", () => {
  const room = new AudioRoom([12, 0], 3);
  const heard = room.listenToAll(0);
  for (const [at, speaker] of [0, 3, 6, 9, 0, 11, 3, 7, 5, 1].entries()) {
    room.microphones.forEach((microphone) => microphone.level = 90);
    room.microphones[speaker]!.level = 25 + at % 3;
    const before = heard[speaker]!.sink.packets.length;
    room.run(100);
    assert.ok(heard[speaker]!.sink.packets.length > before, `speaker ${speaker} is heard at once`);
    assert.equal(heardIn(room, heard, 2_500).length, 3);
  }
  for (const one of heard) assertSeamless(one);
});

Deno.test("Loudest audio: the beginning of a word comes along, at its time", () => {
  const room = new AudioRoom([6, 0], 1);
  const heard = room.listenToAll(0);
  room.microphones[0]!.level = 40;
  room.run(1_000);
  const { sink } = heard[4]!;
  const before = sink.packets.length;
  room.microphones[4]!.level = 20;
  room.run(40);
  // Its first loud packet, the one before that, and the second loud one, by which it was chosen.
  assert.equal(sink.packets.length - before, 3);
  const times = sink.views.slice(before).map(({ timestamp }) => timestamp);
  assert.deepEqual(times.map((time) => (time - times[0]!) >>> 0), [0, 960, 1920]);
  for (const one of heard) assertSeamless(one);
});

Deno.test("Loudest audio: what is asked for by name always comes, beside what is loud", () => {
  const room = new AudioRoom([10, 0], 2);
  const heard = room.listenToAll(0);
  const named = room.listen(0, room.microphones[9]!, ALWAYS);
  const recorder = room.microphones.map((microphone) => room.listen(0, microphone, ALWAYS));
  room.microphones[1]!.level = room.microphones[2]!.level = 30;
  room.run(1_000);
  assert.deepEqual(heardIn(room, heard, 1_000), [1, 2]);
  assert.equal(heardIn(room, [named], 1_000).length, 1);
  assert.equal(heardIn(room, recorder, 1_000).length, 10);
  assert.equal(named.sink.packets.length, 4_000 / 20);
  // Asked for from now on, and then no more.
  heard[5]!.down.setTarget(ALWAYS, room.now);
  assert.deepEqual(heardIn(room, heard, 500), [1, 2, 5]);
  heard[5]!.down.setTarget(IF_LOUD, room.now);
  assert.deepEqual(heardIn(room, heard, 500), [1, 2]);
  for (const one of [...heard, named, ...recorder]) assertSeamless(one);
});

Deno.test("Loudest audio: a muted speaker gives its place to the next, and gets it back by speaking", () => {
  const room = new AudioRoom([5, 0], 2);
  const heard = room.listenToAll(0);
  const [first, second, third] = room.microphones;
  first!.level = 25;
  second!.level = 30;
  third!.level = 50;
  room.run(1_000);
  assert.deepEqual(heardIn(room, heard, 500), [0, 1]);
  first!.level = undefined;
  first!.up.setMuted(true, room.now);
  assert.deepEqual(heardIn(room, heard, 500), [1, 2]);
  first!.level = 25;
  first!.up.setMuted(false, room.now);
  room.run(60);
  assert.deepEqual(heardIn(room, heard, 500), [0, 1]);
  for (const one of heard) assertSeamless(one);
});

Deno.test("Loudest audio: the limit can be set and lifted while people speak", () => {
  const room = new AudioRoom([8, 0], 0);
  const heard = room.listenToAll(0);
  room.microphones.forEach((microphone, i) => microphone.level = 20 + 8 * i);
  room.run(500);
  assert.equal(heardIn(room, heard, 200).length, 8);
  room.limit(3);
  assert.deepEqual(heardIn(room, heard, 200), [0, 1, 2]);
  room.limit(0);
  assert.equal(heardIn(room, heard, 200).length, 8);
  for (const one of heard) assertSeamless(one);
});

Deno.test("Loudest audio: between engines only what is loud in the whole room crosses", () => {
  const room = new AudioRoom([20, 20], 4);
  const heard = [room.listenToAll(0), room.listenToAll(1)];
  room.run(3_000);
  const order = [3, 25, 8, 30, 15, 39, 0, 21];
  for (const speaker of order) {
    for (const one of room.microphones) if (one.level === 30) one.level = 80;
    room.microphones[speaker]!.level = 30;
    room.run(100);
    for (const side of heard) {
      const before = side[speaker]!.sink.packets.length;
      room.run(100);
      assert.ok(side[speaker]!.sink.packets.length > before, `${speaker} is heard everywhere`);
    }
    room.run(3_000);
  }
  room.takeCrossed(0);
  room.takeCrossed(1);
  const passing = heard.map((side) => heardIn(room, side, 1_000));
  assert.deepEqual(passing[0], passing[1], "both engines pass the same tracks");
  assert.equal(passing[0]!.length, 4);
  const foreign = passing[0]!.filter((which) => which >= 20).length;
  // Each loud track crosses once, whoever listens: 50 packets a second, for the two seconds.
  const crossed = [room.takeCrossed(0), room.takeCrossed(1)];
  assert.deepEqual(crossed, [foreign * 100, (4 - foreign) * 100]);
  for (const side of heard) for (const one of side) assertSeamless(one);
  for (const { errors, drops } of room.sides) {
    assert.deepEqual(errors, []);
    assert.deepEqual(drops.snapshot(), {});
  }
});

Deno.test("Loudest audio: what one subscriber elsewhere asks for by name crosses, and to it alone", () => {
  const room = new AudioRoom([10, 3], 2);
  const far = room.listenToAll(1);
  const near = room.listenToAll(0);
  room.microphones[0]!.level = room.microphones[1]!.level = 30;
  room.run(2_000);
  const quiet = room.microphones[7]!;
  const named = room.listen(1, quiet, ALWAYS);
  room.run(200);
  assert.equal(heardIn(room, [named], 500).length, 1);
  assert.deepEqual(heardIn(room, far, 500), [0, 1]);
  assert.deepEqual(heardIn(room, near, 500), [0, 1]);
  for (const one of [...far, ...near, named]) assertSeamless(one);
});

Deno.test("Loudest audio: a room's name from another engine that makes no sense is counted, and nothing ends", () => {
  const room = new AudioRoom([6, 2], 2);
  const far = room.listenToAll(1);
  room.microphones[0]!.level = room.microphones[1]!.level = 30;
  room.run(1_000);
  const random = new SeededRandom(11);
  const { writer } = room.channel;
  let malformed = 0;
  for (let i = 0; i < 2_000; i++) {
    const length = 1 + random.below(6);
    const at = writer.reserve(RELAY.loudestOf, length);
    writer.words[at] = random.below(12);
    const bytes = random.chance(0.2) ? random.uint32() | 0 : random.below(24);
    for (let word = 1; word < length; word++) writer.words[at + word] = random.uint32() | 0;
    if (length > 1) writer.words[at + 1] = bytes;
    writer.commit();
    if (length === 1 || bytes < 0 || length - 2 !== (bytes + 3) >> 2) malformed++;
    if (i % 20 === 0) room.run(20);
  }
  room.run(100);
  const counted = room.sides[0].drops.snapshot();
  assert.ok(malformed > 100 && (counted["relay_malformed"] ?? 0) > 100);
  assert.deepEqual(Object.keys(counted).sort(), ["relay_malformed", "relay_unknown"]);
  assert.deepEqual(room.sides[0].errors, []);
  for (const one of far) assertSeamless(one);
});
