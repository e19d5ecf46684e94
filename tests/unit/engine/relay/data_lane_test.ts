/** What waits on the way to another engine, and who has room there beside whom. */
import assert from "node:assert/strict";
import { DataPacket, UserPacket } from "@livekit/protocol";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { DataLane } from "../../../../lib/engine/relay/data_lane.ts";
import type { DataShare, RelayChannel } from "../../../../lib/engine/relay/relay_channel.ts";
import { RelayOutput } from "../../../../lib/engine/relay/relay_output.ts";
import { isOfData, RELAY } from "../../../../lib/engine/relay/relay_records.ts";
import { createRelayRing, ringChannel } from "../../../../lib/engine/relay/relay_ring.ts";
import { DataEngine, joinEngines } from "../../../support/virtual/data_plane_world.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** A message to a hundred receivers takes the reader 0.2 ms and more, whatever its size. */
const MOST_UNDER_WAY = 512;
const ROOM = 1;
const FLOODER = 7;
const TALKER = 8;

/** A lane into a ring whose reader reads when it is told to. */
class World {
  readonly drops = new DropCounters();
  freed = 0;
  readonly lane: DataLane;
  readonly #near: RelayChannel;
  readonly #far: RelayChannel;

  constructor() {
    const [there, back] = [createRelayRing(), createRelayRing()];
    this.#near = ringChannel(back, there);
    this.#far = ringChannel(there, back);
    const nothing = () => {};
    this.lane = new DataLane(1, new RelayOutput(this.#near.writer), {
      receiveMessage: nothing,
      receiveTrackPacket: nothing,
      receiveOfferedPacket: nothing,
      receiveHold: nothing,
      laneFree: () => this.freed++,
      engineGone: nothing,
    }, this.drops);
  }

  get lost(): number {
    const { drops } = this;
    return drops.get("data_not_passed_lossy") + drops.get("data_not_passed_data_track");
  }

  send(kind: "reliable" | "lossy", member: number, bytes: number): boolean {
    return this.lane.send(ROOM, member, kind, new Uint8Array(bytes));
  }

  /** Writes until somebody is to be stopped. */
  flood(bytes: number): void {
    while (this.send("reliable", FLOODER, bytes)) continue;
  }

  writePacket(): void {
    const { writer } = this.#near;
    assert.ok(writer.reserve(RELAY.packet, 300) >= 0);
    writer.commit();
  }

  /** Reads up to `most` records; how many messages of whom there were, and what came last. */
  read(most = Infinity): { messages: number; of: Map<number, number>; last: number } {
    const { reader } = this.#far;
    const of = new Map<number, number>();
    let messages = 0;
    let last = 0;
    for (let n = 0; n < most && last !== RELAY.packet && reader.next(); n++) {
      last = reader.kind;
      if (!isOfData(last)) continue;
      messages++;
      const member = reader.words[reader.at + 1]!;
      of.set(member, (of.get(member) ?? 0) + 1);
    }
    reader.release();
    return { messages, of, last };
  }
}

Deno.test("DataLane has few messages under way, however small, which packets of tracks stand behind", () => {
  const world = new World();
  for (let i = 0; i < 10_000; i++) world.send("lossy", TALKER, 60);
  world.flood(60);
  for (let i = 0; i < 10_000; i++) world.lane.sendTrackPacket(3, new Uint8Array(60));
  world.writePacket();
  const { messages, last } = world.read();
  assert.equal(last, RELAY.packet);
  assert.ok(messages <= MOST_UNDER_WAY, `${messages} came before the packet`);
  assert.ok(messages >= MOST_UNDER_WAY / 2, `${messages} are too few for a busy moment`);
});

Deno.test("DataLane goes on as its reader does, and loses nothing that is reliable", () => {
  const world = new World();
  let sent = 0;
  let came = 0;
  while (sent < 20_000) {
    while (sent < 20_000) {
      sent++;
      if (!world.send("reliable", FLOODER, 60)) break;
    }
    const freed = world.freed;
    for (let turn = 0; world.freed === freed && turn < 100; turn++) {
      came += world.read(64).messages;
      world.lane.flush();
      if (!world.lane.isActive) break;
    }
  }
  came += world.read().messages;
  assert.equal(came, 20_000);
});

Deno.test("DataLane counts as under way what is there, also after gigabytes of packets", () => {
  const [there, back] = [createRelayRing(1 << 20), createRelayRing(1 << 20)];
  const { writer } = ringChannel(back, there);
  const { reader } = ringChannel(there, back);
  const put = (kind: number, words: number, share?: DataShare) => {
    if (writer.reserve(kind, words, share) < 0) return false;
    writer.commit();
    return true;
  };
  // Each has a word before it that tells its length.
  const share = { isLossy: false, words: 8 * 11, wordsOfAll: 0 };
  for (let i = 0; i < 8; i++) assert.ok(put(RELAY.data, 10, share));
  assert.ok(!put(RELAY.data, 10, share));
  while (reader.next()) continue;
  reader.release();
  // Positions wrap at 2^32 words: what is three quarters of that behind looks as if it lay ahead.
  const packet = 200_000;
  for (let words = 0; words < 3 * 2 ** 30; words += packet + 1) {
    assert.ok(put(RELAY.packet, packet));
    assert.ok(reader.next());
    reader.release();
  }
  for (let i = 0; i < 8; i++) assert.ok(put(RELAY.data, 10, share), `${i} of 8`);
  assert.ok(!put(RELAY.data, 10, share));
});

for (const bytes of [60, 60_000]) {
  Deno.test(`DataLane has room for lossy messages beside reliable ones of ${bytes} bytes that fill it`, () => {
    const world = new World();
    for (let round = 0; round < 20; round++) {
      world.flood(bytes);
      for (let i = 0; i < 10; i++) world.send("lossy", TALKER, 1_000);
      // The flood waits while the reader makes room for it.
      world.read(round % 2 === 0 ? 0 : Infinity);
      world.lane.flush();
    }
    while (world.lane.isActive) {
      world.read();
      world.lane.flush();
    }
    assert.equal(world.drops.get("data_not_passed_lossy"), 0);
  });
}

const FLOODS: [what: string, atOnce: number, flood: (world: World) => void][] = [
  ["lossy messages of 60 bytes", 64, (world) => world.send("lossy", FLOODER, 60)],
  ["lossy messages of 60,000 bytes", 1, (world) => world.send("lossy", FLOODER, 60_000)],
  ["packets of a data track", 64, ({ lane }) => lane.sendTrackPacket(3, new Uint8Array(900))],
];
for (const [what, atOnce, flood] of FLOODS) {
  Deno.test(`DataLane has room for reliable messages beside ${what} that take every place`, () => {
    const world = new World();
    const fill = () => {
      const { lost } = world;
      while (world.lost === lost) flood(world);
    };
    fill();
    for (let i = 0; i < 500; i++) world.send("reliable", TALKER, 1_000);
    let came = 0;
    for (let round = 0; came < 500 && round < 1_000; round++) {
      came += world.read(atOnce).of.get(TALKER) ?? 0;
      // Whoever floods is there before those that wait.
      fill();
      world.lane.flush();
    }
    assert.equal(came, 500);
    assert.equal(world.freed, 1);
  });
}

Deno.test("RelayLink reads no more messages in a turn than it has time for", () => {
  const platform = new VirtualPlatform();
  const [home, far] = [new DataEngine(platform), new DataEngine(platform)];
  joinEngines(home, far);
  home.join("alice");
  far.join("alice", { elsewhere: 0 });
  far.join("bob");
  home.join("bob", { elsewhere: 1 });
  const bob = far.at("bob");
  const { sendData } = bob;
  // As many receivers as take so long.
  bob.sendData = (...message) => {
    sendData.apply(bob, message);
    platform.advance(3);
  };
  const value = new UserPacket({ payload: new Uint8Array(10) });
  const bytes = new DataPacket({ value: { case: "user", value } }).toBinary();
  for (let i = 0; i < 20; i++) home.receive("alice", bytes);
  for (let turns = 1; turns <= 20; turns++) {
    far.links.get(0)!.drain();
    assert.equal(bob.sent.length, turns);
  }
});
