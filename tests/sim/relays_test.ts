/**
 * Both ends of a relay on virtual time: what a subscriber on another engine gets is what one on the
 * publisher's own engine gets, and no more crosses than is needed.
 */
import assert from "node:assert/strict";
import { SenderReportFigures } from "../../lib/media/down/down_track_options.ts";
import { DROP } from "../../lib/media/layer/drop_reason.ts";
import {
  EVERYTHING,
  RelayWorld,
  type RelayWorldOptions,
  SECTION,
  TRACK,
} from "../support/media/relay_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import type { Received, TimedSink } from "../support/media/simulcast_world.ts";

/** A world with a relay between its two sides, both told. */
function relayed(options: Partial<RelayWorldOptions> = {}): RelayWorld {
  const relay = new RelayWorld({ seed: 1, layers: 3, ...options });
  relay.open();
  relay.run(200);
  return relay;
}

function assertClean(relay: RelayWorld): void {
  assert.deepEqual([...relay.near.errors, ...relay.far.errors], []);
}

/** What did not cross because nobody needed it is not asked for. */
function assertNothingMissed(relay: RelayWorld): void {
  const asked = relay.farTrack.stats().map(({ nacksSent }) => nacksSent);
  assert.deepEqual(asked, asked.map(() => 0), "losses that were none");
}

/** Everything about a packet but when it was sent. */
function withoutTime(packets: readonly Received[]): Omit<Received, "at">[] {
  return packets.map(({ at: _, ...rest }) => rest);
}

Deno.test("A subscriber behind a relay gets, packet for packet, what one beside it gets", () => {
  for (const seed of [1, 2, 3]) {
    const relay = relayed({ seed, layers: 1, loss: 0.03, duplicate: 0.02, jitterMs: 15 });
    const local = relay.world.subscribe(EVERYTHING);
    const remote = relay.subscribe(EVERYTHING);
    relay.run(10_000);
    assert.ok(local.sink.received.length > 300, `${local.sink.received.length} packets`);
    // Where both have begun: the key frame that each of them waited for.
    const first = Math.max(local.sink.received[0]!.frame, remote.sink.received[0]!.frame);
    const since = (packets: readonly Received[]) => {
      const begun = packets.filter(({ frame }) => frame >= first);
      const { seq, timestamp, pictureId, tl0 } = begun[0]!;
      return withoutTime(begun).map((packet) => ({
        ...packet,
        seq: (packet.seq - seq) & 0xffff,
        timestamp: (packet.timestamp - timestamp) >>> 0,
        pictureId: (packet.pictureId - pictureId) & 0x7fff,
        tl0: (packet.tl0 - tl0) & 0xff,
      }));
    };
    assert.deepEqual(since(remote.sink.received), since(local.sink.received), `seed ${seed}`);
    assertClean(relay);
  }
});

Deno.test("Nothing crosses before somebody is there, and nothing after they have left", () => {
  const relay = relayed();
  relay.run(1000);
  assert.deepEqual(relay.crossed, [0, 0, 0]);
  assert.equal(relay.farTrack.liveLayers, 0b111, "but what there is is known");
  const { down } = relay.subscribe(EVERYTHING);
  relay.run(1000);
  assert.ok(relay.crossed[2]! > 0);
  relay.farTrack.removeDownTrack(down);
  relay.run(50);
  const before = relay.crossed;
  relay.run(1000);
  assert.deepEqual(relay.crossed, before);
  assertClean(relay);
});

Deno.test("Only the layers that somebody needs cross, each once for all who need it", () => {
  const relay = relayed();
  const low = relay.subscribe({ ...EVERYTHING, maxSpatial: 0 });
  relay.run(2000);
  assert.ok(relay.crossed[0]! > 30);
  assert.deepEqual(relay.crossed.slice(1), [0, 0]);
  const high = [1, 2, 3].map(() => relay.subscribe(EVERYTHING));
  relay.run(3000);
  const [before, sent] = [relay.crossed, relay.world.layers.map(({ sent }) => sent.size)];
  assert.equal(before[1], 0, "nobody needs the middle one");
  for (const { sink } of high) assert.equal(sink.received.at(-1)!.spatial, 2);
  assert.equal(low.sink.received.at(-1)!.spatial, 0);
  relay.run(2000);
  const crossed = relay.crossed.map((packets, i) => packets - before[i]!);
  const published = relay.world.layers.map((layer, i) => layer.sent.size - sent[i]!);
  // As many packets as were published arrive in the same time, for the loss is none.
  assert.deepEqual([crossed[0], crossed[2]], [published[0], published[2]]);
  assert.equal(crossed[1], 0);
  assertClean(relay);
});

Deno.test("A subscriber behind a relay steps up and down at key frames that are asked for once", () => {
  const relay = relayed();
  const subscribers = [1, 2, 3, 4].map(() => relay.subscribe(EVERYTHING));
  relay.run(3000);
  const { sink } = subscribers[0]!;
  assert.equal(sink.received.at(-1)!.spatial, 2);
  for (const spatial of [0, 1, 2, 0] as const) {
    const asked = relay.world.pliAt.length;
    for (const { down } of subscribers) {
      down.setTarget({ ...EVERYTHING, maxSpatial: spatial }, relay.farNow);
    }
    relay.run(1500);
    const requests = relay.world.pliAt.slice(asked);
    assert.deepEqual(requests.map((request) => request.spatial), [spatial]);
    for (const { sink } of subscribers) assert.equal(sink.received.at(-1)!.spatial, spatial);
    assert.equal(sink.layers.at(-1)!.spatial, spatial);
    const before = relay.crossed;
    relay.run(500);
    const crossing = relay.crossed.map((packets, i) => packets > before[i]!);
    assert.deepEqual(crossing, [0, 1, 2].map((layer) => layer === spatial), "only that one");
  }
  for (const { sink } of subscribers) {
    const numbers = sink.received.map(({ seq }) => seq);
    for (let i = 1; i < numbers.length; i++) {
      assert.equal((numbers[i]! - numbers[i - 1]!) & 0xffff, 1, `around index ${i}`);
    }
  }
  assertClean(relay);
});

Deno.test("The far side falls back when the publisher stops a layer, and comes back with it", () => {
  const relay = relayed();
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(2000);
  assert.equal(sink.received.at(-1)!.spatial, 2);
  relay.world.layers[2]!.enabled = false;
  relay.run(3000);
  assert.equal(relay.farTrack.liveLayers, 0b011);
  assert.equal(sink.received.at(-1)!.spatial, 1);
  relay.world.layers[2]!.enabled = true;
  relay.run(3000);
  assert.equal(sink.received.at(-1)!.spatial, 2);
  assertClean(relay);
});

Deno.test("A layer that does not cross lives, however long nobody here needs it", () => {
  const relay = relayed();
  const { sink, down } = relay.subscribe({ ...EVERYTHING, maxSpatial: 0 });
  relay.run(20_000);
  assert.equal(relay.farTrack.liveLayers, 0b111);
  assert.equal(relay.world.pliAt.filter(({ spatial, at }) => spatial > 0 && at > 3000).length, 0);
  const asked = relay.world.pliAt.length;
  down.setTarget(EVERYTHING, relay.farNow);
  relay.run(300);
  assert.equal(sink.received.at(-1)!.spatial, 2, "asked for at once, not when a seed was due");
  assert.deepEqual(relay.world.pliAt.slice(asked).map(({ spatial }) => spatial), [2]);
  assertNothingMissed(relay);
  assertClean(relay);
});

Deno.test("What each layer costs is known on the far side, also of those that do not cross", () => {
  const relay = relayed();
  relay.subscribe({ ...EVERYTHING, maxSpatial: 0 });
  relay.run(4_000);
  const [near, far] = [relay.world.up, relay.farTrack].map((track) => {
    const costs = new Float64Array(12);
    track.costs(costs);
    return [...costs];
  });
  assert.ok(near!.every((bps) => bps > 0), `${near}`);
  assert.equal(relay.crossed[2], 0);
  near!.forEach((bps, i) => assert.ok(Math.abs(far![i]! - bps) <= bps * 0.3, `${i}: ${far}`));
  assertClean(relay);
});

Deno.test("A layer crosses again after a pause without asking for what was between", () => {
  const relay = relayed();
  const { sink, down } = relay.subscribe(EVERYTHING);
  relay.run(2000);
  for (let round = 0; round < 3; round++) {
    down.setTarget({ ...EVERYTHING, maxSpatial: 0 }, relay.farNow);
    relay.run(2000);
    assert.equal(sink.received.at(-1)!.spatial, 0);
    down.setTarget(EVERYTHING, relay.farNow);
    relay.run(2000);
    assert.equal(sink.received.at(-1)!.spatial, 2);
  }
  assertNothingMissed(relay);
  assertClean(relay);
});

Deno.test("Nothing crosses for subscribers who have paused the track", () => {
  const relay = relayed();
  const [first, second] = [relay.subscribe(EVERYTHING), relay.subscribe(EVERYTHING)];
  relay.run(2000);
  first.down.setTarget({ ...EVERYTHING, enabled: false }, relay.farNow);
  relay.run(500);
  const [one, before] = [first.sink.received.length, relay.crossed[2]!];
  relay.run(500);
  assert.ok(relay.crossed[2]! > before, "the other one still watches");
  assert.equal(first.sink.received.length, one);
  second.down.setTarget({ ...EVERYTHING, enabled: false }, relay.farNow);
  relay.run(50);
  const paused = relay.crossed;
  relay.run(2000);
  assert.deepEqual(relay.crossed, paused);
  second.down.setTarget(EVERYTHING, relay.farNow);
  relay.run(1500);
  assert.ok(relay.crossed[2]! > paused[2]!);
  assert.equal(second.sink.received.at(-1)!.spatial, 2);
  assertNothingMissed(relay);
  assertClean(relay);
});

Deno.test("What came before a mute is forwarded, though both are read in one turn", () => {
  const relay = relayed({ layers: 1 });
  const local = relay.world.subscribe(EVERYTHING);
  const remote = relay.subscribe(EVERYTHING);
  relay.run(2000);
  relay.farReads = false;
  relay.run(300);
  relay.world.up.setMuted(true, relay.world.now);
  relay.run(10);
  relay.farReads = true;
  relay.run(10);
  assert.equal(relay.farTrack.muted, true);
  assert.equal(remote.sink.received.at(-1)!.frame, local.sink.received.at(-1)!.frame);
  assertClean(relay);
});

Deno.test("A change that a full ring has no room for crosses as soon as there is some", () => {
  const relay = relayed({ ringBytes: 1 << 12 });
  relay.subscribe(EVERYTHING);
  relay.run(1000);
  relay.farReads = false;
  relay.run(2000);
  assert.ok(relay.near.drops.get("relay_full") > 0);
  relay.world.up.setMuted(true, relay.world.now);
  relay.run(10);
  relay.farReads = true;
  relay.run(10);
  assert.equal(relay.farTrack.muted, true);
  relay.farReads = false;
  relay.world.up.setMuted(false, relay.world.now);
  relay.run(2500);
  relay.near.link.stop(TRACK);
  relay.farReads = true;
  relay.run(10);
  assert.equal(relay.farTrack.liveLayers, 0);
  assertClean(relay);
});

Deno.test("Mute and unmute cross in order with the packets", () => {
  const relay = relayed();
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(2000);
  relay.world.up.setMuted(true, relay.world.now);
  relay.run(50);
  assert.equal(relay.farTrack.muted, true);
  const [received, crossed] = [sink.received.length, relay.crossed];
  relay.run(1000);
  assert.equal(sink.received.length, received);
  assert.deepEqual(relay.crossed, crossed, "nothing crosses while muted");
  const asked = relay.world.pliAt.length;
  relay.world.up.setMuted(false, relay.world.now);
  relay.run(500);
  assert.deepEqual(relay.world.pliAt.slice(asked).map(({ spatial }) => spatial), [2]);
  assert.ok(sink.received.length > received);
  assert.equal(sink.received[received]!.keyFrameStart, true);
  assertNothingMissed(relay);
  assertClean(relay);
});

Deno.test("A relay of a muted track is muted from the beginning", () => {
  const relay = new RelayWorld({ seed: 1 });
  relay.world.run(500);
  relay.world.up.setMuted(true, relay.world.now);
  relay.open();
  relay.run(100);
  assert.equal(relay.farTrack.muted, true);
});

Deno.test("The ends of a relay meet, whichever engine is told first", () => {
  for (const order of ["near", "far"] as const) {
    const relay = new RelayWorld({ seed: 1, layers: 3 });
    const near = () => relay.near.link.send(TRACK, relay.world.now);
    const far = () => relay.far.receive(TRACK, SECTION);
    const [first, second] = order === "near" ? [near, far] : [far, near];
    first();
    relay.run(100);
    second();
    const { sink } = relay.subscribe(EVERYTHING);
    relay.run(1000);
    assert.ok(sink.received.length > 0, `${order} first`);
    first();
    second();
    const before = sink.received.length;
    relay.run(1000);
    assert.ok(sink.received.length > before, "told again: nothing changes");
    assert.deepEqual(relay.world.pliAt.filter(({ at }) => at > 1500), []);
    assertClean(relay);
  }
});

Deno.test("A relay ends from either side, and can be made again", () => {
  const relay = relayed();
  const { sink, down } = relay.subscribe(EVERYTHING);
  relay.run(1000);
  relay.near.link.stop(TRACK);
  relay.near.link.stop(TRACK);
  relay.run(1000);
  assert.equal(relay.farTrack.liveLayers, 0, "nothing lives without a near end");
  assert.equal(relay.world.up.downTrackCount, 0);
  const stopped = sink.received.length;
  relay.near.link.send(TRACK, relay.world.now);
  relay.run(1500);
  assert.equal(sink.received.at(-1)!.spatial, 2, "the same subscriber goes on");
  assert.ok(sink.received.length > stopped);
  for (let i = 1; i < sink.received.length; i++) {
    assert.equal((sink.received[i]!.seq - sink.received[i - 1]!.seq) & 0xffff, 1, `index ${i}`);
  }
  relay.farTrack.removeDownTrack(down);
  relay.far.end(TRACK);
  relay.far.end(TRACK);
  assert.equal(relay.far.upTracks.size, 0);
  relay.run(1000);
  assert.equal(relay.world.up.neededLayers, 0);
  relay.far.receive(TRACK, SECTION);
  const again = relay.subscribe(EVERYTHING);
  relay.run(1500);
  assert.equal(again.sink.received.at(-1)!.spatial, 2);
  assertClean(relay);
});

Deno.test("When a link to another engine is closed nothing is left of its relays", () => {
  const relay = relayed();
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(1000);
  relay.near.link.close();
  relay.far.link.close();
  assert.equal(relay.world.up.downTrackCount, 0);
  assert.equal(relay.farTrack.liveLayers, 0);
  const before = sink.received.length;
  relay.run(500);
  assert.equal(sink.received.length, before);
  assertClean(relay);
});

Deno.test("A publisher that leaves without a word leaves nothing at either end", () => {
  const relay = relayed();
  relay.subscribe(EVERYTHING);
  relay.run(500);
  relay.near.upTracks.delete(TRACK);
  relay.run(50);
  assert.equal(relay.world.up.downTrackCount, 0);
  assert.equal(relay.farTrack.liveLayers, 0);
  relay.far.end(TRACK);
  relay.run(50);
  assert.equal(relay.far.upTracks.size, 0);
  assertClean(relay);
});

Deno.test("A track made anew under the same id starts anew behind the relay", () => {
  const relay = relayed({ layers: 1 });
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(1000);
  const other = new RelayWorld({ seed: 9, layers: 1, firstSequence: 10 });
  relay.near.upTracks.set(TRACK, other.world.up);
  relay.run(20);
  const before = sink.received.length;
  relay.near.link.send(TRACK, relay.world.now);
  for (let i = 0; i < 1500; i++) {
    other.world.run(1);
    relay.run(1);
  }
  const since = sink.received.slice(before);
  assert.ok(since.length > 30, `${since.length} packets`);
  assert.equal(since[0]!.keyFrameStart, true);
  const numbers = sink.received.map(({ seq }) => seq);
  for (let i = 1; i < numbers.length; i++) {
    assert.equal((numbers[i]! - numbers[i - 1]!) & 0xffff, 1, `around index ${i}`);
  }
  assertClean(relay);
});

Deno.test("What a full ring had no room for is asked for again, and comes once", () => {
  // Less than a second of the highest layer fits.
  const relay = relayed({ ringBytes: 1 << 12 });
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(2000);
  const local = relay.world.subscribe(EVERYTHING);
  relay.run(1000);
  const begun = local.sink.received[0]!.frame;
  relay.farReads = false;
  relay.run(1300);
  relay.farReads = true;
  relay.run(1000);
  const refused = relay.near.drops.get("relay_full");
  assert.ok(refused > 10 && refused < 100, `${refused} packets had no room`);
  const remote = sink.received.filter(({ frame }) => frame >= begun);
  const key = ({ frame, index }: Received) => `${frame}/${index}`;
  assert.equal(new Set(remote.map(key)).size, remote.length, "none twice");
  assert.deepEqual(remote.map(key).sort(), local.sink.received.map(key).sort());
  assert.equal(relay.world.nacked, 0, "and the publisher is not bothered");
  assertClean(relay);
});

Deno.test("What the publisher's network lost is asked for by the near side only", () => {
  const relay = relayed({ layers: 1, loss: 0.05, seed: 5 });
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(5000);
  assert.ok(relay.world.nacked > 0);
  const [crossed] = relay.crossed;
  const distinct = new Set(
    sink.received.filter(({ empty }) => !empty).map((p) => p.frame * 10 + p.index),
  );
  assert.ok(distinct.size > 100);
  assert.equal(relay.farTrack.drops.get(DROP.duplicate), 0, "nothing crosses twice");
  assert.ok(crossed! >= distinct.size);
  assertClean(relay);
});

Deno.test("Sender reports cross, however old they are and whatever the two clocks say", () => {
  const relay = new RelayWorld({ seed: 1, layers: 1 });
  const local = relay.world.subscribe(EVERYTHING);
  relay.world.run(1050);
  // Both times after one report and before the next, a second later.
  for (let round = 0; round < 2; round++) {
    relay.open();
    const remote = relay.subscribe(EVERYTHING);
    relay.run(round === 0 ? 200 : 600); // key frames are asked for every half second
    const [here, there] = [new SenderReportFigures(), new SenderReportFigures()];
    assert.equal(local.down.senderReport(relay.world.now, here), true);
    assert.equal(remote.down.senderReport(relay.farNow, there), true, `round ${round}`);
    assert.equal(there.ntpSeconds, here.ntpSeconds);
    assert.equal(there.ntpFraction, here.ntpFraction);
    // Each subscriber's clock has an offset of its own, which its packets show.
    const offset = (sink: TimedSink, figures: SenderReportFigures) =>
      (figures.rtpTimestamp - sink.received.at(-1)!.timestamp) | 0;
    assert.equal(local.sink.received.at(-1)!.frame, remote.sink.received.at(-1)!.frame);
    assert.equal(offset(remote.sink, there), offset(local.sink, here));
    relay.farTrack.removeDownTrack(remote.down);
    relay.far.end(TRACK);
    relay.run(10);
  }
  assertClean(relay);
});

Deno.test("A restart of the publisher's stream restarts it behind the relay, without a gap", () => {
  const relay = relayed({ layers: 1 });
  const { sink } = relay.subscribe(EVERYTHING);
  relay.run(1000);
  const epoch = relay.farTrack.layer(0)!.epoch;
  const layer = relay.world.layers[0]!;
  layer.sequence = (layer.sequence + 30_000) & 0xffff;
  layer.wantsKey = true;
  relay.run(1500);
  assert.notEqual(relay.farTrack.layer(0)!.epoch, epoch);
  const [near, far] = [relay.world.up.layer(0)!, relay.farTrack.layer(0)!];
  assert.equal(far.highest, near.highest);
  assert.equal(far.nack.pending, 0, "nobody asks for what never was");
  const numbers = sink.received.map(({ seq }) => seq);
  for (let i = 1; i < numbers.length; i++) {
    assert.equal((numbers[i]! - numbers[i - 1]!) & 0xffff, 1, `around index ${i}`);
  }
  assertClean(relay);
});

Deno.test("Bytes from another engine that make no sense are counted, and a new relay works", () => {
  const counted: Record<string, number> = {};
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const relay = relayed({ seed, layers: 3, ringBytes: 1 << 12 });
    relay.subscribe(EVERYTHING);
    for (let round = 0; round < 30; round++) {
      relay.farReads = false;
      relay.run(50);
      for (const ring of [relay.toFar, relay.toNear]) {
        const bytes = new Uint8Array(ring, random.chance(0.1) ? 0 : 256);
        const hits = random.below(60);
        for (let i = 0; i < hits; i++) bytes[random.below(4096)] = random.below(256);
      }
      relay.farReads = true;
      relay.run(5);
    }
    relay.near.link.stop(TRACK);
    relay.far.end(TRACK);
    relay.run(50);
    relay.open();
    const { sink } = relay.subscribe(EVERYTHING);
    relay.run(2500);
    assert.equal(sink.received.at(-1)?.spatial, 2, `seed ${seed}`);
    assertClean(relay);
    for (const { drops } of [relay.near, relay.far]) {
      for (const [name, count] of Object.entries(drops.snapshot())) {
        counted[name] = (counted[name] ?? 0) + count;
      }
    }
  }
  for (const name of ["relay_ring_corrupt", "relay_malformed", "relay_unknown"]) {
    assert.ok(counted[name]! > 0, `${name}: ${JSON.stringify(counted)}`);
  }
});
