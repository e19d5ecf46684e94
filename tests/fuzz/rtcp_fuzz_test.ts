import { type RtcpHandler, RtcpReader } from "../../lib/wire/rtcp.ts";
import { RtcpWriter } from "../../lib/wire/rtcp_writer.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import assert from "node:assert/strict";

const SEEDS = [1, 20_260_101, 0xdeadbeef];
const ROUNDS = 20_000;

/** Checks only what a handler may rely on; the reader must never hand over more than it was given. */
function checkingHandler(bytes: () => Uint8Array): RtcpHandler {
  return {
    senderReport() {},
    reportBlock(_sender, block) {
      assert.ok(block.cumulativeLost >= -(2 ** 23) && block.cumulativeLost < 2 ** 23);
    },
    goodbye() {},
    nack(_ssrc, numbers, count) {
      assert.ok(count <= numbers.length);
    },
    pictureLoss() {},
    fullIntra() {},
    remb(bps) {
      assert.ok(bps >= 0);
    },
    transportCc(_bytes, offset, length) {
      assert.ok(offset + length <= bytes().length);
    },
    receiverReferenceTime() {},
    delaySinceReceiverReference() {},
  };
}

Deno.test("RtcpReader.read() survives random and damaged compounds", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    let bytes = new Uint8Array();
    const handler = checkingHandler(() => bytes);
    const reader = new RtcpReader();
    for (let round = 0; round < ROUNDS; round++) {
      if (random.chance(0.5)) {
        bytes = random.bytes(random.below(200)) as Uint8Array<ArrayBuffer>;
        if (bytes.length > 1) {
          bytes[0] = 0x80 | (bytes[0]! & 0x3f);
          bytes[1] = 200 + (bytes[1]! % 8);
        }
      } else {
        const writer = new RtcpWriter();
        writer.senderReport(1, 2, 3, 4, 5, 6);
        writer.nack(1, 2, Uint16Array.of(1, 5, 40), 3);
        writer.sourceDescription(1, "cname", "0");
        bytes = writer.bytes.slice(0, random.below(writer.length + 1));
        for (let n = random.below(4); n > 0 && bytes.length > 0; n--) {
          bytes[random.below(bytes.length)] = random.below(256);
        }
      }
      reader.read(bytes, bytes.length, handler);
    }
  }
});

Deno.test("RtpView.wrap() never points outside the packet", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const view = new RtpView();
    let accepted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = random.bytes(random.below(120));
      if (bytes.length > 0) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
      if (bytes.length > 16 && random.chance(0.5)) {
        bytes.set([0x90, 96], 0);
        bytes.set(random.chance(0.5) ? [0xbe, 0xde] : [0x10, 0x00], 12);
        bytes.set([0, random.below(24)], 14);
      }
      if (!view.wrap(bytes)) continue;
      accepted++;
      assert.ok(view.payloadOffset + view.payloadLength + view.paddingLength === bytes.length);
      assert.ok(view.payloadLength >= 0);
      for (let id = 0; id < 20; id++) {
        assert.ok(view.extensionOffset(id) + view.extensionLength(id) <= view.payloadOffset);
      }
    }
    assert.ok(accepted > ROUNDS / 20, "the generator must reach the accepting paths");
  }
});
