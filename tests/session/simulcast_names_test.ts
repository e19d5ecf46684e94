/** Simulcast ids of other names than LiveKit's SDKs use, and whose order only the pictures tell. */
import assert from "node:assert/strict";
import { TrackType, VideoLayer, VideoQuality } from "@livekit/protocol";
import type { SpatialLayer } from "../../lib/base/media_vocabulary.ts";
import { cameraRequest, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const { LOW, MEDIUM, HIGH } = VideoQuality;
const HEIGHTS = [180, 360, 720];
const width = (height: number) => height * 16 / 9;

/** A publisher whose ids, in the order of its description, have pictures of these heights. */
class Publisher {
  constructor(
    readonly world: World,
    readonly client: ScriptedClient,
    readonly heights: ReadonlyMap<string, number>,
  ) {}

  static async publishing(heights: ReadonlyMap<string, number>): Promise<Publisher> {
    const world = new World();
    const publisher = new Publisher(world, await world.joined("ann"), heights);
    // Sizes as their client believes them to be; qualities are the only names both sides share.
    const layers = [HIGH, MEDIUM, LOW].map((quality) => new VideoLayer({ quality, height: 1 }));
    await publisher.client.announce({ ...cameraRequest("cam"), type: TrackType.VIDEO, layers });
    await publisher.offer();
    return publisher;
  }

  async offer(): Promise<void> {
    const rids = [...this.heights.keys()];
    await this.client.offer([{ mid: "1", kind: "video", cid: "cam", rids }]);
  }

  /** The ids in the order in which the media plane was last told to take them as layers. */
  get received(): readonly string[] {
    const { sections } = this.world.engine.of("set_receive").at(-1)!;
    return sections.find(({ mid }) => mid === "1")!.rids;
  }

  /** The first packets of an id, and its first key frame. */
  async sees(rid: string): Promise<void> {
    const { engine } = this.world;
    const spatial = this.received.indexOf(rid) as SpatialLayer;
    const upTrack = this.client.upTrack("1");
    const connection = this.client.participant.publisher.id;
    const ssrc = this.ssrcOf(rid);
    const stream = { connection, upTrack, rid, spatial } as const;
    engine.emit({ type: "layer_arrived", ...stream, mid: "1", ssrc, mime: "video/VP8" });
    await this.world.settle();
    const height = this.heights.get(rid)!;
    engine.emit({ type: "layer_size", ...stream, width: width(height), height });
    await this.world.settle();
  }

  ssrcOf(rid: string): number {
    return 100 + [...this.heights.keys()].indexOf(rid);
  }

  /** What others are told of the layers, lowest quality first. */
  layers(): { quality: VideoQuality; rid: string; ssrc: number; height: number }[] {
    const { info } = this.client.participant.tracks[0]!;
    for (const layers of [info.layers, info.codecs[0]!.layers]) {
      assert.deepEqual(layers.map(({ spatialLayer }) => spatialLayer), [0, 1, 2]);
    }
    return info.layers.map(({ quality, rid, ssrc, height }) => ({ quality, rid, ssrc, height }));
  }
}

/**
 * A name, ids as the description lists them, and the same from the smallest pictures to the
 * largest.
 */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["most preferred first, as RFC 8853 has it", ["h", "m", "l"], ["l", "m", "h"]],
  ["numbers that begin with the largest", ["0", "1", "2"], ["2", "1", "0"]],
  ["numbers that begin with the smallest", ["0", "1", "2"], ["0", "1", "2"]],
  ["a page that gave no sizes", ["small", "big", "huge"], ["small", "big", "huge"]],
  ["no order at all", ["b", "c", "a"], ["a", "b", "c"]],
];

for (const [name, listed, rising] of CASES) {
  Deno.test(`simulcast ids are the layers that their pictures are: ${name}`, async () => {
    const heights = new Map(listed.map((rid) => [rid, HEIGHTS[rising.indexOf(rid)]!]));
    const ann = await Publisher.publishing(heights);
    for (const rid of listed) await ann.sees(rid);
    assert.deepEqual(ann.received, rising);
    const told = [LOW, MEDIUM, HIGH].map((quality, at) => {
      const rid = rising[at]!;
      return { quality, rid, ssrc: ann.ssrcOf(rid), height: HEIGHTS[at]! };
    });
    assert.deepEqual(ann.layers(), told);
    // Another offer lists them as before.
    await ann.offer();
    assert.deepEqual(ann.received, rising);
    assert.deepEqual(ann.layers(), told);
  });
}

Deno.test("simulcast ids begin in the order of the description, until pictures contradict it", async () => {
  const ann = await Publisher.publishing(new Map([["best", 720], ["good", 360], ["poor", 180]]));
  assert.deepEqual(ann.received, ["poor", "good", "best"]);
  const commands = () => ann.world.engine.of("set_receive").length;
  const before = commands();
  for (const rid of ["best", "good", "poor"]) await ann.sees(rid);
  assert.equal(commands(), before, "nothing was to be put right");
});

Deno.test("q, h and f keep their meaning and their announced sizes whatever their pictures are", async () => {
  const ann = await Publisher.publishing(new Map([["q", 720], ["h", 360], ["f", 180]]));
  for (const rid of ["q", "h", "f"]) await ann.sees(rid);
  assert.deepEqual(ann.received, ["q", "h", "f"]);
  assert.deepEqual(ann.layers().map(({ rid, height }) => [rid, height]), [
    ["q", 1],
    ["h", 1],
    ["f", 1],
  ]);
});
