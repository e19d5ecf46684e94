import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { RelayOutput } from "../../../../lib/engine/relay/relay_output.ts";
import { demandWord, RELAY } from "../../../../lib/engine/relay/relay_records.ts";
import {
  createRelayRing,
  RelayRingReader,
  RelayRingWriter,
} from "../../../../lib/engine/relay/relay_ring.ts";
import { RelaySender } from "../../../../lib/engine/relay/relay_sender.ts";
import {
  bothWishes,
  isOfScreen,
  layersOf,
  priorityOf,
  wishOf,
} from "../../../../lib/media/packet/layer_wish.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { codec, viewOf, vp8Payload } from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const SSRC = 77;
const NUMBER = 5;

/** A ring that says of itself what a hop does. */
class LosingWriter extends RelayRingWriter {
  readonly loses = true;
}

/** A near end that was joined, on a VP8 track of one layer. */
function sender(
  Writer: new (ring: SharedArrayBuffer) => RelayRingWriter = RelayRingWriter,
  ringWords = 4096,
) {
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, SSRC, codec("video/VP8", 96), 0);
  const ring = createRelayRing(ringWords);
  const writer = new Writer(ring);
  const output = new RelayOutput(writer);
  const reader = new RelayRingReader(ring);
  const drops = new DropCounters();
  const sender = new RelaySender("TR_x" as UpTrackId, up, NUMBER, output, drops, silentLog);
  up.addDownTrack(sender, 0);
  sender.receiveJoin();
  const receive = (sequenceNumber: number, bodyBytes = 4) => {
    const body = new Array(bodyBytes).fill(0);
    const payload = vp8Payload({ pictureId: sequenceNumber, tl0: 0, key: true, body });
    const packet = rtpPacket({ ssrc: SSRC, payloadType: 96, sequenceNumber, payload });
    up.receive(0, viewOf(packet), 0);
  };
  /** Numbers of the packets written since the last call; `*` behind those that begin a run. */
  const written = () => {
    const numbers: string[] = [];
    while (reader.next()) {
      const { kind, at, words } = reader;
      assert.equal(words[at], NUMBER);
      if (kind !== RELAY.packet) continue;
      numbers.push(`${words[at + 3]! & 0xffff}${(words[at + 1]! & 0x100) !== 0 ? "*" : ""}`);
    }
    reader.release();
    return numbers;
  };
  return { sender, up, drops, writer, receive, written };
}

Deno.test("RelaySender begins with the first packet in order once a layer is wanted", () => {
  const { sender: relay, up, receive, written } = sender();
  for (const number of [10, 12, 13]) receive(number);
  assert.deepEqual(written(), []);
  assert.equal(up.neededLayers, 0);
  relay.receiveDemand(1);
  assert.equal(up.neededLayers, 1);
  receive(11); // late: it belongs to what nobody wanted
  assert.deepEqual(written(), []);
  for (const number of [14, 16, 15]) receive(number);
  assert.deepEqual(written(), ["14*", "16", "15"]);
  relay.receiveDemand(0);
  receive(17);
  relay.receiveDemand(1);
  receive(18);
  assert.deepEqual(written(), ["18*"]);
});

Deno.test("RelaySender answers a NACK only for what the ring had no room for, and once", () => {
  const { sender: relay, drops, receive, written } = sender();
  relay.receiveDemand(1);
  receive(100);
  assert.deepEqual(written(), ["100*"]);
  relay.receiveNack(0, 100);
  relay.receiveNack(0, 99);
  relay.receiveNack(1, 100);
  assert.deepEqual(written(), [], "it crossed, or never came");
  let sent = 101;
  while (drops.get("relay_full") === 0) receive(sent++);
  const refused = sent - 1;
  assert.equal(written().length, refused - 101);
  relay.receiveNack(0, refused);
  relay.receiveNack(0, refused);
  assert.deepEqual(written(), [String(refused)]);
});

Deno.test("RelaySender wants nothing any more when the far end has left", () => {
  const { sender: relay, up, receive, written } = sender();
  relay.receiveDemand(1);
  receive(1);
  relay.receiveLeave();
  assert.equal(up.neededLayers, 0);
  receive(2);
  assert.deepEqual(written(), ["1*"]);
  relay.receiveDemand(1);
  receive(3);
  assert.deepEqual(written(), [], "it must join first");
});

Deno.test("RelaySender answers every NACK for what a channel may have lost", () => {
  const { sender: relay, receive, written } = sender(LosingWriter);
  receive(99);
  relay.receiveDemand(1);
  for (const number of [100, 101, 102]) receive(number);
  assert.deepEqual(written(), ["100*", "101", "102"]);
  relay.receiveNack(0, 101);
  relay.receiveNack(0, 99);
  relay.receiveNack(0, 103);
  assert.deepEqual(written(), ["101"], "but for none that never crossed");
});

Deno.test("RelaySender sends again in proportion to what it sent, whatever is asked for", () => {
  const { sender: relay, drops, receive, written } = sender(LosingWriter, 4 << 20);
  relay.receiveDemand(1);
  for (let number = 0; number < 100; number++) receive(number, 1_000);
  assert.equal(written().length, 100);
  for (let i = 0; i < 10_000; i++) relay.receiveNack(0, i % 100);
  const most = written().length;
  assert.ok(most >= 150 && most <= 250, `${most} of 10,000 asked for`);
  assert.equal(drops.get("relay_repeats_refused"), 10_000 - most);
  for (let number = 100; number < 110; number++) receive(number, 1_000);
  for (let i = 0; i < 100; i++) relay.receiveNack(0, 100 + i % 10);
  assert.ok(written().length <= 10 + 6, "five for ten, and what was left");
});

Deno.test("RelaySender needs no layer that is not allowed to cross, until it is", () => {
  const { sender: relay, up, receive, written } = sender(LosingWriter);
  relay.receiveDemand(1);
  receive(1);
  assert.equal(relay.allow(-1), true);
  assert.equal(up.neededLayers, 0);
  receive(2);
  assert.equal(relay.allow(0), false);
  assert.equal(up.neededLayers, 1);
  receive(3);
  assert.deepEqual(written(), ["1*", "3*"]);
});

Deno.test("RelaySender passes on what is wished behind it, as far as it finds room", () => {
  const { sender: relay, up } = sender(LosingWriter);
  const wish = bothWishes(
    wishOf({ enabled: true, maxSpatial: 2, maxTemporal: 3, priority: 7 }, 2),
    wishOf({ enabled: true, maxSpatial: 0, maxTemporal: 3, isScreen: true }, 0),
  );
  relay.receiveDemand(demandWord(0b1, wish));
  assert.equal(up.neededLayers, 0b1);
  const passedOn = () => [layersOf(up.wish), isOfScreen(up.wish), priorityOf(up.wish)];
  assert.deepEqual(passedOn(), [0b101, true, 7]);
  relay.allow(1);
  assert.deepEqual(passedOn(), [0b011, true, 7]);
  relay.allow(-1);
  assert.equal(up.wish, 0);
  relay.allow(2);
  relay.receiveDemand(0b11);
  assert.deepEqual(passedOn(), [0b11, false, 0], "an end that says no more wishes what it wants");
  relay.allow(0);
  relay.receiveDemand(0b1);
  assert.equal(layersOf(relay.farWish), 0b11, "and what it wanted before that found no room");
  relay.receiveDemand(0);
  assert.equal(relay.farWish, 0);
});
