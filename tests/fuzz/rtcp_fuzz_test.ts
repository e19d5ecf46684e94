import { ReportBlock, type RtcpHandler, RtcpReader } from "../../lib/wire/rtcp.ts";
import { RtcpWriter } from "../../lib/wire/rtcp_writer.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import assert from "node:assert/strict";

const SEEDS = [1, 20_260_101, 0xdeadbeef];
const ROUNDS = 20_000;

/** Counts what it is handed, by kind, and checks what a handler may rely on. */
class CheckingHandler implements RtcpHandler {
  readonly seen: Record<string, number> = {};
  bytes: Uint8Array = new Uint8Array();

  senderReport = (...numbers: number[]) => this.#unsigned("senderReport", ...numbers);
  goodbye = (ssrc: number) => this.#unsigned("goodbye", ssrc);
  pictureLoss = (ssrc: number) => this.#unsigned("pictureLoss", ssrc);
  fullIntra = (ssrc: number) => this.#unsigned("fullIntra", ssrc);
  receiverReferenceTime = (...numbers: number[]) =>
    this.#unsigned("receiverReferenceTime", ...numbers);
  delaySinceReceiverReference = (...numbers: number[]) =>
    this.#unsigned("delaySinceReceiverReference", ...numbers);

  reportBlock(sender: number, block: ReportBlock): void {
    const { ssrc, fractionLost, highestSequence, jitter, lastSenderReport } = block;
    this.#unsigned("reportBlock", sender, ssrc, highestSequence, jitter, lastSenderReport);
    this.#unsigned("reportBlock", block.delaySinceLastSenderReport);
    assert.ok(fractionLost <= 255);
    assert.ok(block.cumulativeLost >= -(2 ** 23) && block.cumulativeLost < 2 ** 23);
  }

  nack(ssrc: number, numbers: Uint16Array, count: number): void {
    this.#unsigned("nack", ssrc, count);
    assert.ok(count <= numbers.length);
    assert.ok(count <= this.bytes.length / 4 * 17, "no more than the packet has room for");
  }

  remb(bps: number, ssrcs: Uint32Array, count: number): void {
    this.#unsigned("remb", count);
    assert.ok(count <= ssrcs.length);
    assert.ok(count <= this.bytes.length / 4, "no more than the packet has room for");
    assert.ok(bps >= 0 && Number.isFinite(bps));
  }

  transportCc(bytes: Uint8Array, offset: number, length: number): void {
    this.#count("transportCc");
    assert.equal(bytes, this.bytes);
    assert.ok(offset >= 0 && offset + length <= bytes.length);
  }

  #unsigned(kind: string, ...numbers: number[]): void {
    this.#count(kind);
    for (const number of numbers) assert.equal(number, number >>> 0, kind);
  }

  #count(kind: string): void {
    this.seen[kind] = (this.seen[kind] ?? 0) + 1;
  }

  get total(): number {
    return Object.values(this.seen).reduce((sum, count) => sum + count, 0);
  }
}

/** Everything the reader knows, in one compound. */
function compound(): Uint8Array {
  const writer = new RtcpWriter();
  const block = new ReportBlock();
  block.cumulativeLost = -5;
  writer.senderReport(1, 2, 3, 4, 5, 6);
  writer.receiverReport(1, block);
  writer.nack(1, 2, Uint16Array.of(1, 5, 40), 3);
  writer.pictureLoss(1, 2);
  writer.receiverReferenceTime(1, 2, 3);
  writer.delaySinceReceiverReport(1, 2, 3, 4);
  writer.sourceDescription(1, "cname", "0");
  return writer.bytes.slice(0, writer.length);
}

/** What no writer of ours writes: full intra request, REMB, transport-cc feedback, goodbye. */
const OTHERS = [
  [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0],
  [
    0x8f,
    206,
    0,
    5,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0x52,
    0x45,
    0x4d,
    0x42,
    1,
    0xff,
    0xff,
    0xff,
    0,
    0,
    0,
    9,
  ],
  [0x8f, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1, 0, 0, 1, 0],
  [0x81, 203, 0, 1, 0, 0, 0, 7],
].flat();

/** Kinds of {@linkcode compound} and {@linkcode OTHERS}. */
const KINDS = [
  "delaySinceReceiverReference",
  "fullIntra",
  "goodbye",
  "nack",
  "pictureLoss",
  "receiverReferenceTime",
  "remb",
  "reportBlock",
  "senderReport",
  "transportCc",
];

Deno.test("RtcpReader.read() hands over no more than random and damaged compounds hold", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const handler = new CheckingHandler();
    const reader = new RtcpReader();
    const whole = Uint8Array.from([...compound(), ...OTHERS]);
    let accepted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      let bytes: Uint8Array;
      if (random.chance(0.5)) {
        bytes = random.bytes(random.below(200));
        if (bytes.length > 1) {
          bytes[0] = 0x80 | (bytes[0]! & 0x3f);
          bytes[1] = 200 + (bytes[1]! % 8);
        }
      } else {
        bytes = whole.slice(0, random.chance(0.5) ? undefined : random.below(whole.length + 1));
        for (let n = random.below(4); n > 0 && bytes.length > 0; n--) {
          bytes[random.below(bytes.length)] = random.below(256);
        }
      }
      handler.bytes = bytes;
      const before = handler.total;
      if (reader.read(bytes, bytes.length, handler)) accepted++;
      // Every piece has bytes of its own: a full intra request eight, the least of all but a
      // goodbye's four.
      assert.ok(handler.total - before <= bytes.length / 4 * 2, "no more than there is room for");
      // What was damaged before must not show in what comes after.
      if (round % 1_000 === 0) {
        const fresh = new CheckingHandler();
        fresh.bytes = whole;
        assert.equal(reader.read(whole, whole.length, fresh), true);
        assert.deepEqual(Object.keys(fresh.seen).sort(), KINDS);
        assert.equal(
          fresh.total,
          KINDS.length + 1,
          "two numbers of a report block are checked apart",
        );
      }
    }
    assert.ok(accepted > ROUNDS / 50 && accepted < ROUNDS, `${accepted} accepted`);
    assert.deepEqual(Object.keys(handler.seen).sort(), KINDS, "the generator reaches every kind");
  }
});

Deno.test("RtpView.takeOver() says what reading the copy would, and wrapSealed() reads no further than it may", () => {
  const facts = (view: RtpView) => ({
    length: view.length,
    marker: view.marker,
    payloadType: view.payloadType,
    sequenceNumber: view.sequenceNumber,
    timestamp: view.timestamp,
    ssrc: view.ssrc,
    payloadOffset: view.payloadOffset,
    payloadLength: view.payloadLength,
    paddingLength: view.paddingLength,
    extensions: Array.from({ length: 16 }, (_, id) => [
      view.extensionOffset(id),
      view.extensionLength(id),
    ]),
  });
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const [read, taken, again, sealed] = Array.from({ length: 4 }, () => new RtpView());
    let padded = 0;
    for (let round = 0; round < ROUNDS / 4; round++) {
      const bytes = random.bytes(24 + random.below(80));
      bytes[0] = 0x80 | (bytes[0]! & 0x30);
      bytes.set(random.chance(0.5) ? [0xbe, 0xde] : [0x10, 0x00], 12);
      bytes.set([0, random.below(4)], 14);
      bytes[bytes.length - 1] = random.below(12);
      const tag = random.bytes(16);
      const whole = Uint8Array.of(...bytes, ...tag);
      const begins = sealed!.wrapSealed(whole, bytes.length);
      if (!read!.wrap(bytes)) {
        assert.ok(!begins || !sealed!.opened(bytes.length));
        continue;
      }
      assert.ok(begins);
      assert.equal(sealed!.payloadOffset, read!.payloadOffset);
      assert.ok(sealed!.opened(bytes.length));
      assert.deepEqual(facts(sealed!), facts(read!));
      const copy = bytes.slice(0, bytes.length - read!.paddingLength);
      copy[0]! &= 0xdf;
      if (read!.paddingLength > 0) padded++;
      taken!.takeOver(read!, copy);
      assert.ok(again!.wrap(copy));
      assert.equal(taken!.bytes, copy);
      assert.deepEqual(facts(taken!), facts(again!));
    }
    assert.ok(padded > 100, `${padded} padded`);
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
