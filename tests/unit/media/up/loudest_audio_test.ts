import assert from "node:assert/strict";
import { LoudestRooms, type RankedAudio } from "../../../../lib/media/up/loudest_audio.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const FRAME_MS = 20;
/** One frame in so many is quieter by so many dB: voices have pauses between syllables. */
const SYLLABLE = 7;
const DIP = 12;

/** Microphones of one room, which all send each 20 ms about the level they are set to. */
class Microphones {
  now = 1_000_000;
  readonly rooms = new LoudestRooms();
  readonly tracks: RankedAudio[] = [];
  /** -dBov; `undefined` sends nothing, negative sends no level. */
  readonly levels: (number | undefined)[] = [];
  /** Those that always say the same. */
  readonly steady = new Set<number>();
  #frame = 0;
  /** Every turn: which, whether it passes, and when. */
  readonly turns: { readonly which: number; readonly passes: boolean; readonly at: number }[] = [];

  constructor(count: number, limit: number, level = 90) {
    this.rooms.limit("RM_1", limit, this.now);
    for (let which = 0; which < count; which++) {
      this.levels.push(level);
      this.tracks.push(this.rooms.join("RM_1", (passes, at) => {
        this.turns.push({ which, passes, at });
      }));
    }
  }

  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += FRAME_MS;
      this.#frame++;
      this.tracks.forEach((track, which) => {
        const level = this.levels[which];
        if (level === undefined) return;
        const dips = level >= 0 && !this.steady.has(which) && this.#frame % SYLLABLE === 0;
        track.hear(dips ? Math.min(127, level + DIP) : level, this.now);
      });
    }
  }

  /** Who passes. */
  get passing(): number[] {
    return this.tracks.flatMap(({ passes }, which) => passes ? [which] : []);
  }
}

Deno.test("LoudestRooms let no more than the limit pass, and all without one", () => {
  const room = new Microphones(20, 3);
  room.pass(200);
  assert.equal(room.passing.length, 3);
  room.rooms.limit("RM_1", 0, room.now);
  assert.equal(room.passing.length, 20);
  room.rooms.limit("RM_1", 5, room.now);
  assert.equal(room.passing.length, 5);
});

Deno.test("LoudestRooms let a new speaker pass within 100 ms, and not for a click", () => {
  const room = new Microphones(20, 3);
  room.pass(3_000);
  const quiet = [...Array(20).keys()].find((which) => !room.passing.includes(which))!;
  room.levels[quiet] = 20;
  room.pass(FRAME_MS);
  assert.ok(!room.passing.includes(quiet), "one loud packet is a click");
  room.levels[quiet] = 90;
  room.pass(1_000);
  assert.ok(!room.passing.includes(quiet));
  const begun = room.now;
  room.levels[quiet] = 30;
  room.pass(100);
  assert.ok(room.passing.includes(quiet));
  assert.ok(room.turns.at(-1)!.at - begun <= 2 * FRAME_MS, "with the second packet");
});

Deno.test("LoudestRooms keep a speaker through pauses of two seconds against who is as loud", () => {
  const room = new Microphones(3, 1);
  room.levels[0] = 30;
  room.pass(1_000);
  assert.deepEqual(room.passing, [0]);
  room.levels[0] = 90;
  room.levels[1] = 30;
  room.pass(1_900);
  assert.deepEqual(room.passing, [0]);
  room.pass(200);
  assert.deepEqual(room.passing, [1]);
  // Who is much louder need not wait.
  room.levels[2] = 20;
  room.pass(100);
  assert.deepEqual(room.passing, [2]);
});

Deno.test("LoudestRooms do not pass a place to and fro between voices that are about as loud", () => {
  const random = new SeededRandom(7);
  const room = new Microphones(6, 3);
  room.pass(500);
  room.turns.length = 0;
  for (let i = 0; i < 60_000 / FRAME_MS; i++) {
    // All speak at once, syllables within 5 dB.
    for (let which = 0; which < 6; which++) room.levels[which] = 30 + random.below(5);
    room.pass(FRAME_MS);
  }
  const begun = room.turns.filter(({ passes }) => passes);
  assert.ok(begun.length <= 3, `${begun.length} turns in a minute`);
});

Deno.test("LoudestRooms give the place of one that is muted, ends or falls silent to the loudest", () => {
  const room = new Microphones(5, 2, 60);
  room.levels[0] = 30;
  room.levels[1] = 32;
  room.pass(500);
  assert.deepEqual(room.passing, [0, 1]);
  room.levels[3] = 50;
  room.pass(500);
  // A muted one sends nothing.
  room.levels[0] = undefined;
  room.tracks[0]!.silence(room.now);
  room.pass(100);
  assert.deepEqual(room.passing, [1, 3]);
  room.rooms.leave("RM_1", room.tracks[3]!);
  room.levels[3] = undefined;
  room.levels[4] = 45;
  room.pass(100);
  assert.deepEqual(room.passing.filter((which) => which !== 3), [1, 4]);
  // One of which nothing comes at all keeps nobody out: the next that is audible has its place.
  room.levels[1] = undefined;
  room.pass(2_600);
  assert.ok(!room.passing.includes(1));
});

Deno.test("LoudestRooms give no place for long to a level that never changes while voices want it", () => {
  const room = new Microphones(6, 2);
  for (const liar of [0, 1]) {
    room.steady.add(liar);
    room.levels[liar] = 0;
  }
  room.pass(1_000);
  assert.deepEqual(room.passing, [0, 1]);
  room.pass(5_000);
  assert.deepEqual(room.passing, [0, 1], "while nobody else says anything");
  room.levels[3] = 35;
  room.pass(100);
  assert.equal(room.passing.includes(3), true);
  room.levels[4] = 45;
  room.pass(600);
  assert.deepEqual(room.passing, [3, 4]);
  room.pass(20_000);
  assert.deepEqual(room.passing, [3, 4], "nor does it come back");
  // A voice of its own is heard as that of anybody.
  room.steady.delete(0);
  room.levels[0] = 25;
  room.pass(200);
  assert.equal(room.passing.includes(0), true);
});

Deno.test("LoudestRooms: a level that cannot be true has no longer memory than a shout", () => {
  const room = new Microphones(2, 1);
  room.levels[0] = 0;
  room.pass(500);
  assert.deepEqual(room.passing, [0]);
  room.levels[0] = 90;
  room.levels[1] = 30;
  room.pass(7_500);
  assert.deepEqual(room.passing, [1]);
});

Deno.test("LoudestRooms let who sends each 400 ms in silence (DTX) keep its place while nobody is louder", () => {
  const room = new Microphones(4, 1, 100);
  room.levels[0] = 30;
  room.pass(500);
  for (let i = 0; i < 20; i++) {
    room.levels[0] = i % 20 === 0 ? 70 : undefined;
    room.pass(400);
    room.levels[0] = 70;
    room.pass(FRAME_MS);
  }
  assert.deepEqual(room.passing, [0]);
});

Deno.test("LoudestRooms always let those pass that send no levels, beside as many as the limit", () => {
  const room = new Microphones(6, 2);
  room.levels[5] = -1;
  room.pass(500);
  assert.equal(room.passing.length, 3);
  assert.ok(room.passing.includes(5));
  // One that stops telling is as one that never did.
  const out = [...Array(5).keys()].find((which) => !room.passing.includes(which))!;
  room.levels[out] = -1;
  room.pass(2_500);
  assert.ok(room.passing.includes(out));
  assert.equal(room.passing.length, 4);
});

Deno.test("LoudestRooms keep rooms apart, and forget one that nobody is in", () => {
  const rooms = new LoudestRooms();
  rooms.limit("RM_a", 1, 0);
  const [a, b, other] = ["RM_a", "RM_a", "RM_b"].map((room) => rooms.join(room, () => {}));
  for (let now = 20; now <= 200; now += 20) for (const t of [a!, b!, other!]) t.hear(30, now);
  assert.deepEqual([a!.passes, b!.passes, other!.passes], [true, false, true]);
});

Deno.test("LoudestRooms: with random voices nobody passes beyond the limit, and the loudest for long always does", () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = new SeededRandom(seed);
    const room = new Microphones(40, 4);
    const loudFor: number[] = new Array(40).fill(0);
    for (let step = 0; step < 2_000; step++) {
      if (step % 25 === 0) {
        const which = random.below(40);
        room.levels[which] = random.below(10) < 3 ? undefined : 20 + random.below(80);
        if (room.levels[which] === undefined) room.tracks[which]!.silence(room.now);
      }
      room.pass(FRAME_MS);
      const compared = room.tracks.filter(({ passes, hasLevels }) => passes && hasLevels);
      assert.ok(compared.length <= 4, `seed ${seed}, step ${step}`);
      const heard = room.levels.map((level) => level ?? 127);
      const ranks = heard.map((level) => heard.filter((other) => other < level + 7).length);
      ranks.forEach((rank, which) => {
        loudFor[which] = rank <= 4 && room.levels[which] !== undefined ? loudFor[which]! + 1 : 0;
        // What was loud before sinks by 3 dB a second, 107 dB at most.
        const isDue = loudFor[which]! * FRAME_MS > 40_000;
        if (isDue) assert.ok(room.tracks[which]!.passes, `seed ${seed}, step ${step}`);
      });
    }
  }
});
