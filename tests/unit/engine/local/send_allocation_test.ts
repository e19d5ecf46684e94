import assert from "node:assert/strict";
import type { DownTrackId } from "../../../../lib/base/ids.ts";
import {
  EXTENSION_URI,
  type LayerTarget,
  type SendSection,
} from "../../../../lib/base/media_vocabulary.ts";
import {
  type CongestionRules,
  DEFAULT_CONGESTION,
} from "../../../../lib/engine/local/local_engine_options.ts";
import { SendAllocation } from "../../../../lib/engine/local/send_allocation.ts";
import type { DownTrack } from "../../../../lib/media/down/down_track.ts";
import type { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { codec } from "../../../support/media/forwarding_fixtures.ts";

const EVERYTHING: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };
const NUMBERED = [{ id: 3, uri: EXTENSION_URI.transportCc }];

function section(kind: "audio" | "video", extensions: SendSection["extensions"]): SendSection {
  const parameters = kind === "audio" ? codec("audio/opus", 111) : codec("video/VP8", 96);
  return { mid: "0", kind, ssrc: 1, cname: "c", codecs: [parameters], extensions };
}

/** An up-track that costs what is said, and a down-track that notes what it is allowed. */
class Track {
  readonly allowed: string[] = [];
  muted = false;
  readonly down = {
    setAllowance: (spatial: number, temporal: number) => {
      const said = spatial < 0 ? "paused" : `${spatial}/${temporal}`;
      if (this.allowed.at(-1) !== said) this.allowed.push(said);
    },
  } as unknown as DownTrack;
  readonly up: UpTrack;
  /** Of the rate and the frames, what each temporal layer has with those below. */
  temporal = [1, 1, 1, 1];
  fps = 15;

  constructor(...bps: readonly number[]) {
    const costs = (out: Float64Array, frameRates: Float64Array) => {
      out.fill(0);
      bps.forEach((rate, s) => this.temporal.forEach((part, t) => out[s * 4 + t] = rate * part));
      frameRates.forEach((_, level) => frameRates[level] = this.fps * this.temporal[level & 3]!);
    };
    const layer = () => ({ isRedundant: false, rates: { at: () => bps[0] } });
    const isMuted = () => this.muted;
    this.up = {
      get muted() {
        return isMuted();
      },
      costs,
      layer,
    } as unknown as UpTrack;
  }

  get last(): string | undefined {
    return this.allowed.at(-1);
  }
}

/** What the estimate says and hears. */
class FakeEstimate {
  bps = 1_500_000;
  mayRaise = true;
  lossFraction = 0;
  queueMs = 0;
  limitedBy: "start" | "none" | "remb" | "tcp" = "none";
  demand: number[] = [];
  probed = 0;
  probedBps(): number {
    return this.probed;
  }
  setDemand(baseBps: number, idealBps: number, _now: number, nextBps?: number): void {
    this.demand = [baseBps, idealBps, nextBps ?? -1];
  }
}

function world(rules: Partial<CongestionRules> = {}, allowPause?: boolean) {
  const told: string[] = [];
  const speakers = new Set<string>();
  const allocation = new SendAllocation(
    { ...DEFAULT_CONGESTION, ...rules },
    (id, paused) => told.push(`${id} ${paused ? "paused" : "active"}`),
    allowPause,
    (id) => speakers.has(id),
  );
  const add = (
    name: string,
    track: Track,
    kind: "audio" | "video" = "video",
    target = EVERYTHING,
    extensions: SendSection["extensions"] = NUMBERED,
  ) => {
    allocation.add(name as DownTrackId, track.down, track.up, section(kind, extensions), target);
    return track;
  };
  return { allocation, told, add, speakers };
}

Deno.test("SendAllocation gives each video its allowance, and tells what would be needed for more", () => {
  const { allocation, add, told } = world();
  const one = add("one", new Track(100_000, 400_000, 1_600_000));
  const two = add("two", new Track(100_000, 400_000));
  add("mic", new Track(40_000), "audio");
  const estimate = new FakeEstimate();
  allocation.share(estimate, 0);
  assert.deepEqual([one.last, two.last], ["1/3", "1/3"]);
  assert.deepEqual(estimate.demand.map(Math.round), [
    240_000,
    2_000_000 * 1.15 + 40_000,
    2_000_000 * 1.15 + 40_000,
  ]);
  assert.equal(allocation.isLacking, true);
  estimate.bps = 300_000;
  allocation.share(estimate, 100);
  assert.deepEqual([one.last, two.last], ["0/3", "0/3"]);
  assert.deepEqual(told, []);
});

Deno.test("SendAllocation leaves room for sound in what a first burst has shown", () => {
  for (const [limitedBy, allowed] of [["start", "0/3"], ["none", "1/3"]] as const) {
    const { allocation, add } = world();
    const video = add("video", new Track(100_000, 400_000));
    add("mic", new Track(60_000), "audio", EVERYTHING, []);
    const estimate = new FakeEstimate();
    allocation.share(estimate, 0);
    assert.equal(video.last, "1/3");
    // Sound is not numbered, so it is no part of what the estimate counts.
    Object.assign(estimate, { limitedBy, bps: 400_000, mayRaise: false });
    allocation.share(estimate, 100);
    assert.equal(video.last, allowed, limitedBy);
  }
});

Deno.test("SendAllocation says what sound takes of the estimate, which is nothing without numbers", () => {
  for (const [extensions, bps] of [[NUMBERED, 60_000], [[], 0]] as const) {
    const { allocation, add } = world();
    add("video", new Track(100_000, 400_000));
    add("mic", new Track(60_000), "audio", EVERYTHING, extensions);
    allocation.share(new FakeEstimate(), 0);
    assert.equal(allocation.soundBps, bps);
    allocation.remove("video" as DownTrackId);
    assert.equal(allocation.soundBps, 0, "no video is to leave it room");
  }
});

Deno.test("SendAllocation leaves room for sound in what later bursts show while the start is all that is known", () => {
  const { allocation, add } = world();
  const video = add("video", new Track(100_000, 400_000));
  add("mic", new Track(60_000), "audio", EVERYTHING, []);
  const estimate = new FakeEstimate();
  Object.assign(estimate, { limitedBy: "start", bps: 300_000 });
  allocation.share(estimate, 0);
  // Beside sound there are 455 kbit/s of the 460 with which a step need not be seen for long.
  Object.assign(estimate, { bps: 525_000, probed: 515_000 });
  for (let now = 100; now <= 1_500; now += 100) allocation.share(estimate, now);
  assert.equal(video.last, "0/3");
  estimate.probed = 525_000;
  allocation.share(estimate, 1_600);
  assert.equal(video.last, "1/3");
});

Deno.test("SendAllocation takes no larger picture that jerks, unless its subscriber wants no more frames", () => {
  const { allocation, add } = world();
  const smooth = new Track(100_000, 400_000);
  smooth.temporal = [0.25, 0.5, 1, 1];
  smooth.fps = 11;
  add("video", smooth);
  const estimate = new FakeEstimate();
  estimate.bps = 300_000;
  allocation.share(estimate, 0);
  assert.equal(smooth.last, "0/3");
  allocation.setTarget("video" as DownTrackId, { ...EVERYTHING, maxFps: 5 });
  allocation.share(estimate, 100);
  assert.equal(smooth.last, "1/1");
  assert.equal(allocation.isLacking, false);
  allocation.setTarget("video" as DownTrackId, EVERYTHING);
  allocation.share(estimate, 200);
  assert.equal(smooth.last, "0/3");
  smooth.fps = 30;
  allocation.share(estimate, 300);
  assert.equal(smooth.last, "1/1");
});

Deno.test("SendAllocation gives a step that only one of several can have to who speaks, and follows it", () => {
  const { allocation, add, speakers } = world();
  const tracks = ["a", "b", "c"].map((name) => add(name, new Track(100_000, 400_000)));
  const estimate = new FakeEstimate();
  estimate.bps = 850_000;
  const steps = () => tracks.map(({ last }) => last);
  allocation.heard();
  allocation.share(estimate, 0);
  assert.deepEqual(steps(), ["1/3", "0/3", "0/3"], "as they came");
  speakers.add("c");
  allocation.share(estimate, 6_000);
  assert.deepEqual(steps(), ["0/3", "0/3", "1/3"]);
  speakers.delete("c");
  speakers.add("b");
  allocation.share(estimate, 12_000);
  assert.deepEqual(steps(), ["0/3", "1/3", "0/3"]);
});

Deno.test("SendAllocation gives a step only where audio fits beside it that is no part of the estimate", () => {
  for (const [more, level] of [[0, "0/3"], [60_000, "1/3"]] as const) {
    const { allocation, add } = world();
    const video = add("video", new Track(100_000, 400_000));
    add("mic", new Track(60_000), "audio", EVERYTHING, []);
    allocation.heard();
    const estimate = new FakeEstimate();
    estimate.bps = estimate.probed = 400_000 * 1.15 + more;
    for (let now = 0; now < 20_000; now += 100) allocation.share(estimate, now);
    assert.equal(video.last, level);
    // What would be enough is told, so that bursts are as large as that.
    assert.equal(Math.round(estimate.demand[1]!), 520_000);
  }
});

Deno.test("SendAllocation takes no step back for audio that is no part of the estimate", () => {
  const { allocation, add } = world();
  const video = add("video", new Track(100_000, 400_000));
  add("mic", new Track(60_000), "audio", EVERYTHING, []);
  allocation.heard();
  const estimate = new FakeEstimate();
  allocation.share(estimate, 0);
  assert.equal(video.last, "1/3");
  estimate.bps = 400_000;
  for (let now = 100; now < 20_000; now += 100) allocation.share(estimate, now);
  assert.equal(video.last, "1/3");
  assert.equal(Math.round(estimate.demand[0]!), 100_000);
});

Deno.test("SendAllocation raises at once to what a probe has carried", () => {
  const { allocation, add } = world();
  const video = add("video", new Track(100_000, 400_000, 1_600_000));
  const estimate = new FakeEstimate();
  estimate.bps = 200_000;
  for (let now = 0; now < 5_000; now += 100) allocation.share(estimate, now);
  assert.equal(video.last, "0/3");
  estimate.bps = estimate.probed = 1_600_000 * 1.2;
  for (let now = 5_000; now < 5_500; now += 100) allocation.share(estimate, now);
  assert.equal(video.last, "2/3");
});

Deno.test("SendAllocation takes nothing of audio, and keeps free what is sent again", () => {
  const { allocation, add } = world();
  const video = add("video", new Track(100_000, 400_000));
  add("mic", new Track(60_000), "audio");
  const estimate = new FakeEstimate();
  estimate.bps = 400_000 * 1.15 + 60_000;
  allocation.share(estimate, 0);
  assert.equal(video.last, "1/3");
  const second = world();
  const lossy = second.add("video", new Track(100_000, 400_000));
  second.add("mic", new Track(60_000), "audio");
  estimate.lossFraction = 0.05;
  second.allocation.share(estimate, 0);
  assert.equal(lossy.last, "0/3");
});

Deno.test("SendAllocation pauses and resumes where that is allowed, and tells so once each", () => {
  for (
    const [rules, client, pauses] of [
      [{ allowPause: true }, undefined, true],
      [{ allowPause: false }, undefined, false],
      [{ allowPause: false }, true, true],
      [{ allowPause: true }, false, false],
    ] as const
  ) {
    const { allocation, add, told } = world(rules, client);
    const [one, two] = [add("one", new Track(300_000)), add("two", new Track(300_000))];
    const estimate = new FakeEstimate();
    estimate.bps = 400_000;
    for (let now = 0; now < 1_000; now += 100) allocation.share(estimate, now);
    assert.deepEqual([one.last, two.last], ["0/3", pauses ? "paused" : "0/3"]);
    estimate.bps = 2_000_000;
    for (let now = 1_000; now < 5_000; now += 100) allocation.share(estimate, now);
    assert.equal(two.last, "0/3");
    assert.deepEqual(told, pauses ? ["two paused", "two active"] : []);
  }
});

Deno.test("SendAllocation pauses videos for sound only where it can be seen that they fit again", () => {
  const CASES = [["none", true, "paused"], ["tcp", false, "paused"], [
    "remb",
    false,
    "0/3",
  ]] as const;
  for (const [limitedBy, isHeard, expected] of CASES) {
    const { allocation, add } = world();
    const video = add(
      "video",
      new Track(150_000, 400_000),
      "video",
      EVERYTHING,
      isHeard ? NUMBERED : [],
    );
    add("mic", new Track(40_000), "audio", EVERYTHING, isHeard ? NUMBERED : []);
    if (isHeard) allocation.heard();
    const estimate = new FakeEstimate();
    Object.assign(estimate, { bps: 120_000, lossFraction: 0.1, limitedBy });
    for (let now = 0; now <= 10_000; now += 100) allocation.share(estimate, now);
    assert.equal(video.last, expected, limitedBy);
  }
});

Deno.test("SendAllocation leaves alone whose client says nothing of its path, until it does", () => {
  const { allocation, add } = world();
  const video = add("video", new Track(100_000, 4_000_000), "video", EVERYTHING, []);
  const estimate = new FakeEstimate();
  estimate.limitedBy = "start";
  for (let now = 0; now < 2_000; now += 100) allocation.share(estimate, now);
  assert.deepEqual(video.allowed, []);
  estimate.limitedBy = "remb";
  allocation.share(estimate, 2_000);
  assert.equal(video.last, "0/3");
});

Deno.test("SendAllocation does nothing where congestion control is off, or without video", () => {
  const off = world({ enabled: false });
  const video = off.add("video", new Track(9_000_000));
  off.allocation.share(new FakeEstimate(), 0);
  assert.deepEqual(video.allowed, []);
  assert.equal(off.allocation.nextWakeAt(), Infinity);
  const audio = world();
  audio.add("mic", new Track(9_000_000), "audio");
  const estimate = new FakeEstimate();
  audio.allocation.share(estimate, 0);
  assert.deepEqual([estimate.demand, audio.allocation.nextWakeAt()], [[], Infinity]);
});

Deno.test("SendAllocation sends no more than it is capped to, and all again afterwards", () => {
  const { allocation, add, told } = world({ allowPause: true });
  const extensions: SendSection["extensions"] = [];
  const video = add("video", new Track(200_000, 4_000_000), "video", EVERYTHING, extensions);
  allocation.share(undefined, 0);
  assert.deepEqual(video.allowed, []);
  allocation.cap(300_000);
  allocation.share(undefined, 10);
  assert.equal(video.last, "0/3");
  allocation.cap(50_000);
  allocation.share(undefined, 2_000);
  assert.equal(video.last, "paused");
  allocation.cap(0);
  allocation.share(undefined, 2_010);
  assert.equal(video.last, "2/3");
  assert.deepEqual(told, ["video paused", "video active"]);
});

Deno.test("SendAllocation takes a path to carry what the configuration says at least", () => {
  const { allocation, add } = world({ minChannelBps: 2_000_000 });
  const video = add("video", new Track(200_000, 1_000_000));
  const estimate = new FakeEstimate();
  estimate.bps = 100_000;
  allocation.share(estimate, 0);
  assert.equal(video.last, "1/3");
});

Deno.test("SendAllocation follows wishes and departures at once, and looks up no track too often", () => {
  const { allocation, add } = world();
  const one = add("one", new Track(100_000, 400_000));
  const two = add("two", new Track(100_000, 400_000));
  const estimate = new FakeEstimate();
  estimate.bps = 600_000;
  allocation.share(estimate, 0);
  assert.deepEqual([one.last, two.last], ["1/3", "0/3"]);
  assert.equal(allocation.nextWakeAt(), 500);
  allocation.setTarget("two" as DownTrackId, { ...EVERYTHING, priority: 1 });
  assert.equal(allocation.nextWakeAt(), 0, "at once");
  allocation.share(estimate, 10);
  assert.deepEqual([one.last, two.last], ["0/3", "1/3"]);
  allocation.remove("two" as DownTrackId);
  allocation.share(estimate, 20);
  assert.equal(one.last, "1/3");
  assert.equal(allocation.nextWakeAt(), Infinity);
});

Deno.test("SendAllocation counts nothing for what its publisher has muted", () => {
  const { allocation, add } = world();
  const one = add("one", new Track(100_000, 400_000));
  const two = add("two", new Track(100_000, 400_000));
  const estimate = new FakeEstimate();
  estimate.bps = 600_000;
  one.muted = true;
  allocation.share(estimate, 0);
  assert.equal(two.last, "1/3");
  one.muted = false;
  allocation.sourceChanged();
  allocation.share(estimate, 50);
  // Of equals the one that was subscribed to first comes first.
  assert.deepEqual([one.last, two.last], ["1/3", "0/3"]);
});

Deno.test("SendAllocation looks at costs rarely while everybody has everything on a free path", () => {
  const { allocation, add } = world();
  const track = add("one", new Track(100_000, 400_000));
  let reads = 0;
  const { costs } = track.up;
  track.up.costs = (...all) => {
    reads++;
    costs.apply(track.up, all);
  };
  const estimate = new FakeEstimate();
  const readsIn = (from: number, to: number) => {
    reads = 0;
    for (let now = from; now < to; now += 50) allocation.share(estimate, now);
    return reads;
  };
  allocation.heard();
  readsIn(0, 1_000);
  assert.equal(readsIn(1_000, 2_000), 2);
  estimate.mayRaise = false;
  assert.equal(readsIn(2_000, 3_000), 10, "the path is not free");
  estimate.mayRaise = true;
  estimate.limitedBy = "start";
  assert.equal(readsIn(3_000, 4_000), 10, "it is not known");
  estimate.limitedBy = "none";
  readsIn(4_000, 5_000);
  estimate.bps = 300_000;
  allocation.share(estimate, 5_010);
  assert.equal(track.last, "0/3", "a fall is followed at once");
  assert.equal(readsIn(5_060, 6_060), 10, "something is lacking");
});
