import assert from "node:assert/strict";
import { type FanOut, FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import type { PacketReceiver } from "../../../../lib/media/packet/forwarding_ports.ts";
import { RunFanOut } from "../../../../lib/media/packet/run_fan_out.ts";
import type { SourcePacket } from "../../../../lib/media/packet/source_packet.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import type { UpTrackLayer } from "../../../../lib/media/layer/up_track_layer.ts";

/** Receivers named by their track and place, who write down what they are given. */
class Track implements FanOut {
  readonly #fanOut = new RunFanOut();
  audience: readonly PacketReceiver[];
  /** How often it was asked who is next, or told to serve them. */
  steps = 0;

  constructor(
    readonly name: string,
    readonly soundBytes: number,
    places: readonly (number | undefined)[],
    readonly given: string[],
  ) {
    this.audience = places.map((place) => ({
      place,
      neededLayers: 1,
      attach() {},
      detach() {},
      forward: (packet: SourcePacket) => {
        this.given.push(`${this.name}${packet.seq} ${place}`);
        this.onForward();
        return DROP.none;
      },
      layersChanged() {},
      sourceMuted() {},
      failed(error: unknown) {
        throw error;
      },
    }));
  }

  onForward: () => void = () => {};

  add(batch: FanOutBatch, seq: number): void {
    const { run } = this.#fanOut;
    const packet = run.next({} as UpTrackLayer);
    packet.seq = seq as SourcePacket["seq"];
    run.add(packet);
    if (run.length === 1) batch.add(this);
  }

  beginRun(now: number): void {
    this.#fanOut.passOn(this.audience, now);
  }
  nextPlace(): number {
    this.steps++;
    return this.#fanOut.nextPlace(this.audience);
  }
  serveRun(place: number, now: number): number {
    this.steps++;
    return this.#fanOut.serve(place, now);
  }
  endRun(now: number): void {
    this.#fanOut.finish(this.audience, now);
  }
}

Deno.test("FanOutBatch gives a connection what several tracks have for it, the longest first", () => {
  const given: string[] = [];
  const batch = new FanOutBatch();
  const short = new Track("s", 80, [1, 2, 4], given);
  const long = new Track("l", 120, [1, 3, 4, undefined], given);
  const other = new Track("o", 80, [4, undefined], given);
  short.add(batch, 1);
  long.add(batch, 1);
  other.add(batch, 1);
  long.add(batch, 2);
  batch.end(0);
  const together = ["l1 1", "l2 1", "s1 1", "s1 2", "l1 3", "l2 3", "l1 4", "l2 4", "s1 4", "o1 4"];
  const placeless = ["l1 undefined", "l2 undefined", "o1 undefined"];
  assert.deepEqual(given, [...together, ...placeless]);
});

Deno.test("FanOutBatch gives sound to everybody before video, which each track gives by itself", () => {
  const given: string[] = [];
  const batch = new FanOutBatch();
  const tracks = [["v", 0], ["a", 80], ["w", 0], ["b", 90]] as const;
  for (const [name, soundBytes] of tracks) new Track(name, soundBytes, [1, 2], given).add(batch, 1);
  batch.end(0);
  const sound = ["b1 1", "a1 1", "b1 2", "a1 2"];
  assert.deepEqual(given, [...sound, "v1 1", "v1 2", "w1 1", "w1 2"]);
});

Deno.test("FanOutBatch gives everything once, whoever ends a run or comes in the middle", () => {
  const given: string[] = [];
  const batch = new FanOutBatch();
  const first = new Track("a", 80, [1, 2], given);
  const second = new Track("b", 80, [1, 2], given);
  first.add(batch, 1);
  second.add(batch, 1);
  first.onForward = () => {
    if (given.length === 1) first.endRun(0);
  };
  second.onForward = () => {
    second.audience = [first.audience[0]!, ...second.audience];
  };
  batch.end(0);
  assert.deepEqual(given, ["a1 1", "a1 2", "b1 1", "b1 2"]);
});

Deno.test("FanOutBatch.end() is also for runs that another has led to", () => {
  const given: string[] = [];
  const batch = new FanOutBatch();
  const first = new Track("a", 80, [1], given);
  const second = new Track("b", 80, [1], given);
  first.add(batch, 1);
  first.onForward = () => second.add(batch, 1);
  batch.end(0);
  batch.end(0);
  assert.deepEqual(given, ["a1 1", "b1 1"]);
});

/** The numbers below `count`. */
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

for (const [title, rooms] of [["one room", 1], ["64 rooms", 64]] as const) {
  Deno.test(`FanOutBatch takes a step for each track and connection, 128 tracks in ${title}`, () => {
    const given: string[] = [];
    const batch = new FanOutBatch();
    const subscribers = 7;
    // Connections of all rooms came in turns.
    const tracks = upTo(128).map((i) =>
      new Track("", 80, upTo(subscribers).map((at) => at * rooms + i % rooms), given)
    );
    for (const track of tracks) track.add(batch, 1);
    batch.end(0);
    const copies = tracks.length * subscribers;
    assert.equal(given.length, copies);
    const steps = tracks.reduce((sum, track) => sum + track.steps, 0);
    assert.ok(steps <= copies + 2 * tracks.length, `${steps} steps for ${copies} copies`);
  });
}

for (const count of [2, 3, 31, 128, 1_500]) {
  Deno.test(`FanOutBatch serves connection after connection, the longest first, ${count} tracks`, () => {
    const random = new SeededRandom(count);
    const given: string[] = [];
    const batch = new FanOutBatch();
    const copies: { name: string; bytes: number; place: number; at: number }[] = [];
    for (let at = 0; at < count; at++) {
      const bytes = 60 + random.below(20) + (at % 9 === 0 ? 2_500 : 0);
      const places = upTo(40).filter(() => random.below(4) === 0);
      const name = `${at}/`;
      new Track(name, bytes, places, given).add(batch, 1);
      copies.push(...places.map((place) => ({ name, bytes: Math.min(bytes, 2_047), place, at })));
    }
    batch.end(0);
    if (count <= 128) {
      copies.sort((a, b) => a.place - b.place || b.bytes - a.bytes || a.at - b.at);
      assert.deepEqual(given, copies.map(({ name, place }) => `${name}1 ${place}`));
    }
    const once = copies.map(({ name, place }) => `${name}1 ${place}`);
    assert.deepEqual(given.toSorted(), once.toSorted(), "everything once");
  });
}

Deno.test("FanOutBatch gives sound to places however high, and to those without one at last", () => {
  const given: string[] = [];
  const batch = new FanOutBatch();
  const far = 2 ** 31 - 2;
  new Track("a", 80, [far - 1, far, undefined], given).add(batch, 1);
  new Track("b", 1_500, [0, far, undefined], given).add(batch, 1);
  batch.end(0);
  const together = [`b1 ${far}`, `a1 ${far}`, "b1 undefined", "a1 undefined"];
  assert.deepEqual(given, ["b1 0", `a1 ${far - 1}`, ...together]);
});
