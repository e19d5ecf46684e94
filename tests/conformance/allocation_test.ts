/** LiveKit's tests of what a forwarder is allocated: layers, steps, pauses and mute. */
import assert from "node:assert/strict";
import { AllocatedTrack, Allocation, PAUSED, ROOM } from "../../lib/bandwidth/allocation.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { NOTHING_ALLOWED } from "../../lib/media/down/layer_limit.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { codec, layerListener, RecordingSink } from "../support/media/forwarding_fixtures.ts";
import { SimulcastWorld } from "../support/media/simulcast_world.ts";
import { unitScenario } from "./support.ts";

const ALL = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
/** Bits per second of three layers with three temporal ones each. */
const RATES = [[100, 150, 200], [400, 600, 800], [1200, 1600, 2000]].map((layer) =>
  layer.map((kbps) => kbps * 1000)
);

/** Their frames a second. */
const FRAME_RATES = [7.5, 15, 30];

/** A video that costs `RATES`, as far as `layers` of it live. */
function video(layers = 3): AllocatedTrack {
  const track = new AllocatedTrack();
  for (let s = 0; s < layers; s++) {
    for (let t = 0; t < 4; t++) {
      track.costBps[s * 4 + t] = RATES[s]![Math.min(t, 2)]!;
      track.frameRates[s * 4 + t] = FRAME_RATES[Math.min(t, 2)]!;
    }
  }
  return track;
}

function sharing(allowPause: boolean, ...tracks: readonly AllocatedTrack[]): Allocation {
  const allocation = new Allocation(allowPause);
  for (const track of tracks) allocation.add(track);
  return allocation;
}

/** What fits exactly, room included. */
const fitting = (bps: number) => bps * ROOM;
const layerOf = ({ level }: AllocatedTrack) => level < 0 ? "none" : `${level >> 2}/${level & 3}`;

/** An audio down-track, and the sink that it sends to. */
function audio() {
  const parameters = codec("audio/opus", 111);
  const up = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 7, parameters, 0);
  const down = new DownTrack({
    section: { mid: "1", kind: "audio", ssrc: 5, codecs: [parameters], extensions: [] },
    publisherExtensions: [],
    sink: new RecordingSink(),
    place: undefined,
    listener: layerListener(),
    target: { ...ALL, maxSpatial: 0 },
  });
  up.addDownTrack(down, 0);
  return { up, down };
}

unitScenario("TestForwarderMute", () => {
  const world = new SimulcastWorld({ seed: 1, layers: 3 });
  const { down, sink } = world.subscribe(ALL);
  world.run(1_000);
  assert.ok(sink.received.length > 0);
  // A pause for bandwidth does not end when the subscriber mutes and unmutes.
  down.setAllowance(NOTHING_ALLOWED, 0, world.now);
  down.setTarget({ ...ALL, enabled: false }, world.now);
  down.setTarget(ALL, world.now);
  const before = sink.received.length;
  world.run(1_000);
  assert.equal(sink.received.length, before);
  down.setAllowance(2, 3, world.now);
  world.run(1_000);
  assert.ok(sink.received.length > before);
});

unitScenario("TestForwarderLayersAudio", () => {
  const { up, down } = audio();
  assert.equal(down.neededLayers, 1);
  const costs = new Float64Array(12);
  up.costs(costs);
  assert.ok(costs.slice(4).every((bps) => bps === 0), "no layers above the only one");
});

unitScenario("TestForwarderLayersVideo", () => {
  const world = new SimulcastWorld({ seed: 2, layers: 3 });
  const { down } = world.subscribe(ALL);
  world.run(3_000);
  assert.equal(down.neededLayers, 0b100);
  down.setTarget({ ...ALL, maxSpatial: 1 }, world.now);
  world.run(2_000);
  assert.equal(down.neededLayers, 0b010);
  down.setAllowance(0, 3, world.now);
  world.run(2_000);
  assert.equal(down.neededLayers, 0b001);
  // The smaller of what is wanted and what is allowed.
  down.setAllowance(2, 3, world.now);
  world.run(2_000);
  assert.equal(down.neededLayers, 0b010);
});

unitScenario("TestForwarderAllocateOptimal", () => {
  const tracks = [video(), video(2), video()];
  tracks[2]!.maxSpatial = 1;
  const allocation = sharing(false, ...tracks);
  allocation.allocate(1e9, true, 0);
  assert.deepEqual(tracks.map(layerOf), ["2/3", "1/3", "1/3"]);
  assert.equal(allocation.totalBps, 3_600_000);
  // Nothing comes of it yet, or it is muted: nothing is needed.
  const [dry, muted] = [new AllocatedTrack(), video()];
  muted.enabled = false;
  const none = sharing(false, dry, muted);
  none.allocate(1e9, true, 0);
  assert.equal(none.totalBps, 0);
  assert.equal(none.isComplete, true);
});

unitScenario("TestForwarderProvisionalAllocate", () => {
  for (
    const [bps, layer] of [
      [99_000, "none"],
      [100_000, "0/0"],
      [150_000, "0/1"],
      [200_000, "0/3"],
      [599_000, "0/3"],
      [600_000, "1/1"],
      [1_599_000, "1/3"],
      [1_600_000, "2/1"],
      [2_000_000, "2/3"],
    ] as const
  ) {
    const track = video();
    sharing(true, track).allocate(fitting(bps), true, 0);
    assert.equal(layerOf(track), layer, `${bps} bits/s`);
  }
  // A layer above what is wanted, if there is nothing below.
  const high = new AllocatedTrack();
  for (let t = 0; t < 4; t++) high.costBps[8 + t] = RATES[2]![Math.min(t, 2)]!;
  high.maxSpatial = 0;
  sharing(true, high).allocate(fitting(1_200_000), true, 0);
  assert.equal(layerOf(high), "2/0");
});

unitScenario("TestForwarderProvisionalAllocateMute", () => {
  const [muted, other] = [video(), video()];
  muted.enabled = false;
  const allocation = sharing(true, muted, other);
  allocation.allocate(fitting(200_000), true, 0);
  assert.equal(layerOf(other), "0/3");
  assert.equal(allocation.totalBps, 200_000);
});

unitScenario("TestForwarderProvisionalAllocateGetCooperativeTransition", () => {
  // Who comes in does not take a running layer away as long as there is room beside it.
  const running = video();
  const allocation = sharing(true, running);
  allocation.allocate(fitting(1_000_000), true, 0);
  assert.equal(layerOf(running), "1/3");
  const coming = video();
  allocation.add(coming);
  allocation.allocate(fitting(1_000_000), true, 10);
  assert.equal(layerOf(running), "1/3");
  assert.equal(layerOf(coming), "0/3");
  // Without room it gives way to the lowest layer of the other.
  const [full, next] = [video(), video()];
  const narrow = sharing(true, full);
  narrow.allocate(fitting(600_000), true, 0);
  assert.equal(layerOf(full), "1/1");
  narrow.add(next);
  narrow.allocate(fitting(600_000), true, 10);
  assert.deepEqual([full, next].map(layerOf), ["0/3", "0/3"]);
});

unitScenario("TestForwarderProvisionalAllocateGetBestWeightedTransition", () => {
  // What has to be saved is saved at the steps that were given last, never at a lowest layer.
  const tracks = [video(), video(), video()];
  const allocation = sharing(true, ...tracks);
  allocation.allocate(fitting(4_000_000), true, 0);
  allocation.allocate(1_300_000, false, 10_000);
  assert.ok(tracks.every(({ level }) => level >= 0));
  assert.ok(allocation.totalBps <= 1_300_000);
  assert.deepEqual(tracks.map(layerOf), ["1/3", "0/3", "0/3"]);
});

unitScenario("TestForwarderAllocateNextHigher", () => {
  const track = video();
  const allocation = sharing(true, track);
  allocation.allocate(fitting(100_000), true, 0);
  const path: string[] = [layerOf(track)];
  let bps = fitting(100_000);
  for (let now = 0; now < 90_000; now += 100) {
    // Always just what the next step needs: frame rate first, then size.
    bps = Math.max(bps, allocation.nextBps);
    allocation.allocate(bps, true, now);
    if (path.at(-1) !== layerOf(track)) path.push(layerOf(track));
  }
  assert.deepEqual(path, ["0/0", "0/1", "0/3", "1/1", "1/3", "2/1", "2/3"]);
  assert.equal(allocation.nextBps, 0, "nothing above the highest");
});

unitScenario("TestForwarderPause", () => {
  const track = video();
  const allocation = sharing(true, track);
  allocation.allocate(fitting(200_000), true, 0);
  assert.equal(layerOf(track), "0/3");
  assert.equal(allocation.allocate(50_000, true, 10_000), true);
  assert.equal(track.level, PAUSED);
  assert.equal(allocation.totalBps, 0);
});

unitScenario("TestForwarderPauseMute", () => {
  const track = video();
  const allocation = sharing(true, track);
  allocation.allocate(fitting(50_000), true, 0);
  assert.equal(track.level, PAUSED);
  track.enabled = false;
  allocation.allocate(fitting(50_000), true, 100);
  assert.equal(track.usable, 0, "muted is not paused");
  assert.equal(allocation.isComplete, true);
});
