/** Which layers of which tracks cross a hop that does not carry everything. */
import assert from "node:assert/strict";
import { type CrossingTrack, HopAllocation } from "../../../../lib/engine/relay/hop_allocation.ts";
import type { HopBudget } from "../../../../lib/engine/relay/hop_estimate.ts";
import { bothWishes, NO_WISH, wishOf } from "../../../../lib/media/packet/layer_wish.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { codec } from "../../../support/media/forwarding_fixtures.ts";

/** Bits per second of a layer. */
const LAYER_BPS = [200_000, 500_000, 1_500_000] as const;
const AUDIO_BPS = 40_000;
/** What headers take, and the room that has to be left. */
const SPARE = 1.06 * 1.15;

const target = (more: object = {}) =>
  ({ enabled: true, maxSpatial: 2, maxTemporal: 3, ...more }) as const;
const wish = (spatial: number, more: object = {}) => wishOf(target(more), spatial);

class Track implements CrossingTrack {
  readonly upTrack: UpTrack;
  allowed = 2;
  isGiven = true;

  constructor(kind: "audio" | "video", public farWish: number) {
    const listener = { onNack() {}, onKeyFrameNeeded() {} };
    this.upTrack = new UpTrack({ kind, extensions: [], listener });
    const rates = kind === "audio" ? [AUDIO_BPS] : LAYER_BPS;
    for (const [spatial, bps] of rates.entries()) {
      const parameters = kind === "audio" ? codec("audio/opus", 111) : codec("video/VP8", 96);
      this.upTrack.bindLayer(spatial as 0, 100 + spatial, parameters, 0);
      this.upTrack.layer(spatial)!.rates.tell(0, bps);
    }
  }

  allow(spatial: number): boolean {
    const isLess = spatial < this.allowed;
    this.allowed = spatial;
    return isLess;
  }
}

function hop(bps: number, ...tracks: Track[]) {
  const told: number[] = [];
  const taken = { data: 0 };
  const estimate = {
    bps,
    mayRaise: true,
    lossFraction: 0,
    queueMs: 0,
    limitedBy: "delay",
    probedBps: () => 0,
    dataBps: () => taken.data,
    setDemand: (_base: number, ideal: number) => void told.push(ideal),
  } satisfies HopBudget;
  const allocation = new HopAllocation(estimate);
  for (const track of tracks) allocation.add(track);
  let now = 0;
  const share = (ms = 1) => {
    allocation.changed();
    now += ms;
    allocation.share(now);
    return tracks.map(({ allowed }) => allowed);
  };
  return { estimate, taken, allocation, share, told };
}

Deno.test("HopAllocation lets everything cross where there is room, and lowers at once", () => {
  const [a, b] = [new Track("video", wish(2)), new Track("video", wish(2))];
  const { estimate, share, allocation } = hop(10e6, a, b);
  assert.deepEqual(share(), [2, 2]);
  estimate.bps = 1.2e6 * SPARE;
  assert.deepEqual(share(), [1, 1]);
  assert.equal(allocation.lowered, 2);
  estimate.bps = 0.45e6 * SPARE;
  assert.deepEqual(share(), [0, 0]);
  estimate.bps = 0.25e6 * SPARE;
  assert.deepEqual(share(), [0, -1]);
});

Deno.test("HopAllocation leaves to data what it takes, and no more than half", () => {
  const [a, b] = [new Track("video", wish(2)), new Track("video", wish(2))];
  const { taken, share, told } = hop(4e6 * SPARE, a, b);
  assert.deepEqual(share(), [2, 2]);
  const without = told.at(-1)!;
  taken.data = 2e6;
  assert.deepEqual(share(), [2, 1]);
  assert.ok(told.at(-1)! >= without + taken.data, "and asks for it beside what pictures need");
  taken.data = 100e6;
  assert.deepEqual(share(), [2, 1]);
});

Deno.test("HopAllocation gives everybody a first layer before anybody a second", () => {
  const tracks = [1, 2, 3, 4].map(() => new Track("video", wish(2)));
  const { share } = hop(1.4e6 * SPARE, ...tracks);
  const allowed = share();
  assert.ok(allowed.every((spatial) => spatial >= 0), `${allowed}`);
  assert.deepEqual(allowed, [1, 1, 0, 0]);
});

Deno.test("HopAllocation gives those more that matter more over there", () => {
  const tracks = [
    new Track("video", wish(2)),
    new Track("video", wish(2, { priority: 3 })),
    new Track("video", wish(2, { isScreen: true })),
  ];
  const { share } = hop(2.0e6 * SPARE, ...tracks);
  assert.deepEqual(share(), [0, 0, 2]);
});

Deno.test("HopAllocation counts all layers that are needed over there", () => {
  // Somebody has a thumbnail, somebody else the whole picture: both streams have to cross.
  const both = new Track("video", bothWishes(wish(0), wish(2)));
  const { share, estimate, told } = hop(10e6, both);
  share();
  const ideal = (LAYER_BPS[0] + LAYER_BPS[2]) * SPARE;
  assert.ok(Math.abs(told.at(-1)! - ideal) < 1, `${told.at(-1)}`);
  estimate.bps = LAYER_BPS[2];
  assert.deepEqual(share(), [1]);
  const one = new Track("video", wish(2));
  assert.deepEqual(hop(LAYER_BPS[2] * SPARE + 1, one).share(), [2]);
});

Deno.test("HopAllocation takes what is not wished for nothing, and holds nothing of it back", () => {
  const unwanted = new Track("video", NO_WISH);
  const wanted = new Track("video", wish(2));
  const { share } = hop(LAYER_BPS[2] * SPARE + 1, unwanted, wanted);
  assert.deepEqual(share(), [2, 2]);
});

Deno.test("HopAllocation keeps room for audio that crosses, and for what is sent again", () => {
  const speakers = Array.from({ length: 10 }, () => new Track("audio", 1));
  const video = new Track("video", wish(2));
  const room = (LAYER_BPS[2] + 10 * AUDIO_BPS) * SPARE;
  assert.equal(hop(room, ...speakers, video).share().at(-1), 2);
  assert.equal(hop(room - 10 * AUDIO_BPS, ...speakers, video).share().at(-1), 1);
  for (const [i, speaker] of speakers.entries()) {
    if (i % 2 === 0) speaker.farWish = NO_WISH;
    else speaker.isGiven = false;
  }
  assert.equal(hop(room - 10 * AUDIO_BPS, ...speakers, video).share().at(-1), 2);
  const lossy = hop(LAYER_BPS[2] * SPARE + 1, video);
  lossy.estimate.lossFraction = 0.1;
  assert.deepEqual(lossy.share(), [1]);
});

Deno.test("HopAllocation with audio alone asks nothing of the estimate", () => {
  const { share, told } = hop(10e6, new Track("audio", 1));
  share();
  assert.deepEqual(told, []);
});
