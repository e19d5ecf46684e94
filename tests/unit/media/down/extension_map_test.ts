/**
 * What a subscriber reads in the header extensions that are written for it, whatever of the
 * publisher's a packet has.
 */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../../../lib/base/media_vocabulary.ts";
import { ExtensionMap } from "../../../../lib/media/down/extension_map.ts";
import { RtpView } from "../../../../lib/wire/rtp_view.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const [MID, NUMBER, TIME, DELAY, TURN, LEVEL] = [1, 2, 3, 4, 5, 16] as const;
const URIS: Readonly<Record<number, string>> = {
  [MID]: EXTENSION_URI.mid,
  [NUMBER]: EXTENSION_URI.transportCc,
  [TIME]: EXTENSION_URI.absSendTime,
  [DELAY]: EXTENSION_URI.playoutDelay,
  [TURN]: EXTENSION_URI.videoOrientation,
  [LEVEL]: EXTENSION_URI.audioLevel,
};
/** The publisher's ids are other ones than the subscriber's. */
const SHIFT = 6;
const NAME = "video-7";

/** Elements of a block as RFC 8285 has them, read here without the code under test. */
function elements(block: Uint8Array): Record<number, string> {
  const read: Record<number, string> = {};
  const isTwoByte = block[0] === 0x10;
  for (let at = 4; at < block.length;) {
    const head = block[at++]!;
    if (head === 0) continue;
    const length = isTwoByte ? block[at++]! : (head & 0x0f) + 1;
    read[isTwoByte ? head : head >> 4] = block.subarray(at, at + length).toHex();
    at += length;
  }
  return read;
}

Deno.test("ExtensionMap writes ours, and what the packet has of the publisher's that is passed", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 2_000; round++) {
    const wanted = Object.keys(URIS).map(Number).filter(() => random.chance(0.6));
    const setsDelay = random.chance(0.3);
    const describe = (id: number, shift = 0) => ({ id: id + shift, uri: URIS[id]! });
    const map = new ExtensionMap(
      [TURN, DELAY].map((id) => describe(id, SHIFT)),
      wanted.map((id) => describe(id)),
      NAME,
      setsDelay,
    );
    for (let packet = 0; packet < 3; packet++) {
      const sent = [TURN, DELAY].filter(() => random.chance(0.4));
      const value = (id: number) => Uint8Array.of(...id === DELAY ? [id, 0, 9] : [id]);
      const view = new RtpView();
      const fields = Object.fromEntries(sent.map((id) => [id + SHIFT, value(id)]));
      assert.ok(view.wrap(rtpPacket({ ssrc: 1, payloadType: 96, extensions: fields })));
      const number = random.chance(0.8) ? random.below(0x10000) : -1 - random.below(2);
      const delay = random.chance(0.5) ? 0x123456 : -1;
      const out = new Uint8Array(80).fill(0xee);
      const length = map.write(out, 12, view, number, 64_000, -1, 0, delay);
      const expected: Record<number, string> = {};
      const isWanted = (id: number) => wanted.includes(id);
      if (isWanted(MID)) expected[MID] = new TextEncoder().encode(NAME).toHex();
      if (isWanted(NUMBER) && number >= 0) expected[NUMBER] = number.toString(16).padStart(4, "0");
      if (isWanted(TIME) && !isWanted(NUMBER)) expected[TIME] = "000000";
      for (const id of sent) {
        if (isWanted(id) && !(setsDelay && id === DELAY)) expected[id] = value(id).toHex();
      }
      if (isWanted(DELAY) && setsDelay && delay >= 0) expected[DELAY] = "123456";
      assert.deepEqual(elements(out.subarray(12, 12 + length)), expected);
      assert.equal(length % 4, 0);
      assert.equal(length === 0, Object.keys(expected).length === 0);
      const numberAt = NUMBER in expected
        ? out.subarray(map.numberAt, map.numberAt + 2)
        : undefined;
      assert.equal(numberAt?.toHex(), expected[NUMBER]);
      assert.equal(map.timeAt >= 0, TIME in expected);
      assert.ok(out.subarray(12 + length).every((byte) => byte === 0xee));
    }
  }
});
