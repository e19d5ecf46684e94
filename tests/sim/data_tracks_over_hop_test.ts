/**
 * A data track between engines of two nodes, on virtual time: over a network that loses, delays and
 * blocks, and with an engine that begins anew.
 */
import assert from "node:assert/strict";
import { type ConnectionId, dataTrackId, type NodeId } from "../../lib/base/ids.ts";
import { RELAY } from "../../lib/engine/relay/relay_records.ts";
import { readDataTrackPacket, writeDataTrackPacket } from "../../lib/wire/data_track_packet.ts";
import { type HopEnd, type HopNetwork, HopWorld } from "../support/media/hop_world.ts";
import { DataEngine } from "../support/virtual/data_plane_world.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";

const LABEL = "_data_track";
const TRACK = dataTrackId("ND_near" as NodeId, "DTR_one");
const HANDLE = 7;
/** The hop, by the engine's own names. */
const HOP = 9;
const publisher = "publisher" as ConnectionId;

/** A publisher on one node, and two subscribers on another. */
class HoppingData {
  readonly hop: HopWorld;
  readonly near = new DataEngine(new VirtualPlatform());
  readonly far = new DataEngine(new VirtualPlatform());
  #sequence = 0;

  constructor(seed: number, network: Partial<HopNetwork> = {}) {
    this.hop = new HopWorld({ seed, network });
    this.near.join(publisher);
    for (const name of ["a", "b"]) this.far.join(name);
    this.join(this.near, this.hop.near);
    this.join(this.far, this.hop.far);
  }

  join(engine: DataEngine, end: HopEnd): void {
    const clock = { now: () => end.now, nowUs: () => end.now * 1000, wallMs: () => end.now };
    const relay = engine.connectBy(HOP, end.link.channel, clock);
    end.read = () => {
      end.link.setActive(relay.isActive);
      relay.drain();
      relay.tick(end.now);
    };
    end.onEvent = (event) => {
      if (event === "restarted") relay.renew(end.now);
    };
  }

  /** The far node wants the track, and the near one sends it. */
  begin(): void {
    this.near.links.get(HOP)!.data.tracks.offer(TRACK);
    this.near.data.carryOut({
      type: "set_data_track_routes",
      connection: publisher,
      routes: [{ handle: HANDLE, receivers: [], track: TRACK, nodes: [HOP] }],
    });
    this.far.links.get(HOP)!.data.tracks.expect(TRACK, true);
    this.far.data.carryOut({
      type: "set_relayed_data_track",
      track: TRACK,
      from: HOP,
      route: {
        handle: HANDLE,
        receivers: [
          { connection: "a" as ConnectionId, handle: 100 },
          { connection: "b" as ConnectionId, handle: 200 },
        ],
      },
    });
  }

  send(bytes = 100): void {
    const packet = writeDataTrackPacket({
      version: 0,
      startOfFrame: true,
      finalOfFrame: true,
      handle: HANDLE,
      sequence: ++this.#sequence,
      frameNumber: 1,
      timestamp: 0,
      extensions: [],
      payload: new Uint8Array(bytes),
    })!;
    this.near.receive(publisher, packet, LABEL);
  }

  /** Sends one packet each 10 ms. */
  async stream(packets: number, bytes?: number): Promise<void> {
    for (let i = 0; i < packets; i++) {
      this.send(bytes);
      await this.run(10);
    }
  }

  async run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      await Promise.resolve(); // what is written at the end of a turn
      this.hop.run(1);
    }
    assert.deepEqual([...this.near.failures, ...this.far.failures], []);
  }

  /** Numbers of what a subscriber got. */
  got(name: string): number[] {
    return this.far.at(name).sent.map(({ kind, bytes }) => {
      assert.equal(kind, "data_track");
      const packet = readDataTrackPacket(bytes)!;
      assert.equal(packet.handle, name === "a" ? 100 : 200);
      return packet.sequence;
    });
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

Deno.test("packets of a data track cross once for all subscribers of a node, each once", async () => {
  for (const [seed, loss] of [[1, 0], [2, 0.1]] as const) {
    const data = new HoppingData(seed, { loss, jitterMs: 5, duplicates: 0.05 });
    data.begin();
    await data.run(1_000);
    const before = data.hop.near.link.stats.bytesOut;
    await data.stream(200, 1_000);
    await data.run(1_000);
    for (const name of ["a", "b"]) {
      const got = data.got(name);
      assert.equal(new Set(got).size, got.length, "none twice");
      const missing = numbers(200).filter((number) => !got.includes(number));
      assert.ok(missing.length <= (loss === 0 ? 0 : 4), `missing: ${missing}`);
    }
    const bytes = data.hop.near.link.stats.bytesOut - before;
    assert.ok(bytes > 200 * 1_000 && bytes < 1.5 * 200 * 1_000, `${bytes} bytes`);
  }
});

Deno.test("large packets of a data track cross whole", async () => {
  const data = new HoppingData(3, { loss: 0.02 });
  data.begin();
  await data.run(1_000);
  await data.stream(50, 16_000);
  await data.run(1_000);
  assert.deepEqual(data.got("a").toSorted((a, b) => a - b), numbers(50));
  assert.equal(data.far.at("a").sent[0]!.bytes.length, 16_012);
});

Deno.test("a data track crosses where UDP is blocked", async () => {
  const data = new HoppingData(4, { isDown: true, hasFallback: true });
  data.begin();
  await data.run(5_000);
  const { sentByFallback } = data.hop;
  await data.stream(20);
  await data.run(500);
  assert.deepEqual(data.got("a"), numbers(20));
  assert.ok(data.hop.sentByFallback >= sentByFallback + 20);
});

Deno.test("an engine that begins anew goes on with a data track", async () => {
  const data = new HoppingData(5);
  data.begin();
  await data.run(1_000);
  await data.stream(10);
  await data.run(100);
  const { far } = data.hop;
  data.far.links.get(HOP)!.close();
  far.link.close();
  far.link = far.makeLink();
  data.join(data.far, far);
  data.begin();
  await data.run(2_000);
  await data.stream(10);
  await data.run(500);
  assert.deepEqual(data.got("a"), [...numbers(10), ...numbers(10).map((number) => 10 + number)]);
});

Deno.test("what is not wanted of a node is not taken, and what ended is not sent", async () => {
  const data = new HoppingData(6);
  data.begin();
  await data.run(1_000);
  const tracks = data.far.links.get(HOP)!.data.tracks;
  tracks.expect(TRACK, false);
  await data.stream(3);
  await data.run(100);
  assert.deepEqual(data.got("a"), []);
  assert.equal(data.far.drops.get("data_track_not_expected"), 3);
  tracks.expect(TRACK, true);
  await data.stream(1);
  await data.run(100);
  assert.deepEqual(data.got("a"), [4]);
  data.near.links.get(HOP)!.data.tracks.withdraw(TRACK);
  await data.stream(2);
  await data.run(100);
  assert.deepEqual(data.got("a"), [4]);
  assert.equal(data.near.drops.get("data_not_passed_data_track"), 2);
  data.near.links.get(HOP)!.data.tracks.offer(TRACK);
  await data.stream(1);
  await data.run(100);
  assert.deepEqual(data.got("a"), [4, 7], "under another number");
});

Deno.test("records of data tracks that make no sense are counted", async () => {
  const data = new HoppingData(7);
  data.begin();
  await data.run(1_000);
  const { near } = data.hop;
  const bad: [kind: number, words: number[]][] = [
    [RELAY.offerDataTrack, [1]],
    [RELAY.offerDataTrack, [1, 5, 0]],
    [RELAY.offerDataTrack, [1, -1]],
    [RELAY.offerDataTrack, [1, 300, ...Array<number>(75).fill(0)]],
    [RELAY.withdrawDataTrack, [1, 2]],
    [RELAY.offeredDataTrack, [1, 9]],
  ];
  for (const [kind, words] of bad) assert.ok(near.write(kind, words));
  // A kind that nobody knows is taken for one of a relay, and there is none here.
  assert.ok(near.write(Math.max(...Object.values(RELAY)) + 1, [1, 4, 0]));
  await data.run(200);
  assert.equal(data.far.drops.get("relay_malformed"), bad.length);
  assert.equal(data.far.drops.get("relay_unknown"), 1);
  await data.stream(1);
  await data.run(100);
  assert.deepEqual(data.got("a"), [1], "the rest goes on");
});
