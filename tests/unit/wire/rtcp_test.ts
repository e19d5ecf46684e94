import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import {
  GenericNack,
  PictureLossIndication,
  ReceiverEstimatedMaxBitrate,
  RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
  RtcpTransportLayerFeedback,
} from "werift";
import { ReportBlock, type RtcpHandler, RtcpReader } from "../../../lib/wire/rtcp.ts";
import { MAX_FEEDBACK_PACKET_BYTES, RtcpWriter } from "../../../lib/wire/rtcp_writer.ts";
import { NOT_RECEIVED, TransportFeedback } from "../../../lib/wire/transport_cc.ts";

/** Collects what a reader hands over, as text that is easy to compare. */
class Recorder implements RtcpHandler {
  readonly seen: string[] = [];
  senderReport(...fields: number[]) {
    this.seen.push(`sr ${fields.join(" ")}`);
  }
  reportBlock(sender: number, b: ReportBlock) {
    this.seen.push(
      `block ${sender} ${b.ssrc} ${b.fractionLost} ${b.cumulativeLost} ${b.highestSequence} ${b.jitter} ` +
        `${b.lastSenderReport} ${b.delaySinceLastSenderReport}`,
    );
  }
  goodbye(ssrc: number) {
    this.seen.push(`bye ${ssrc}`);
  }
  nack(media: number, numbers: Uint16Array, count: number) {
    this.seen.push(`nack ${media} ${numbers.subarray(0, count).join(",")}`);
  }
  pictureLoss(media: number) {
    this.seen.push(`pli ${media}`);
  }
  fullIntra(media: number) {
    this.seen.push(`fir ${media}`);
  }
  remb(bps: number, ssrcs: Uint32Array, count: number) {
    this.seen.push(`remb ${bps} ${ssrcs.subarray(0, count)}`);
  }
  transportCc(_bytes: Uint8Array, offset: number, length: number) {
    this.seen.push(`twcc ${offset} ${length}`);
  }
  receiverReferenceTime(sender: number, seconds: number, fraction: number) {
    this.seen.push(`rrt ${sender} ${seconds} ${fraction}`);
  }
  delaySinceReceiverReference(ssrc: number, reference: number, delay: number) {
    this.seen.push(`dlrr ${ssrc} ${reference} ${delay}`);
  }
}

function read(bytes: Uint8Array): { ok: boolean; seen: string[] } {
  const recorder = new Recorder();
  const ok = new RtcpReader().read(bytes, bytes.length, recorder);
  return { ok, seen: recorder.seen };
}

const written = (writer: RtcpWriter) => writer.bytes.subarray(0, writer.length);

Deno.test("RtcpReader.read() understands what another implementation wrote", () => {
  const bytes = Buffer.concat([
    new RtcpSrPacket({
      ssrc: 11,
      senderInfo: new RtcpSenderInfo({
        ntpTimestamp: (0x83aa7e80n << 32n) | 0x80000000n,
        rtpTimestamp: 90_000,
        packetCount: 7,
        octetCount: 8_400,
      }),
    }).serialize(),
    new RtcpRrPacket({
      ssrc: 12,
      reports: [
        new RtcpReceiverInfo({
          ssrc: 13,
          fractionLost: 64,
          packetsLost: 5,
          highestSequence: 65_540,
          jitter: 9,
          lsr: 0x7e808000,
          dlsr: 65_536,
        }),
      ],
    }).serialize(),
    new RtcpTransportLayerFeedback({
      feedback: new GenericNack({ senderSsrc: 1, mediaSourceSsrc: 21, lost: [65_534, 65_535, 3] }),
    }).serialize(),
    new RtcpPayloadSpecificFeedback({
      feedback: new PictureLossIndication({ senderSsrc: 1, mediaSsrc: 22 }),
    }).serialize(),
    new RtcpPayloadSpecificFeedback({
      feedback: new ReceiverEstimatedMaxBitrate({
        senderSsrc: 1,
        mediaSsrc: 0,
        bitrate: 1_500_000n,
        ssrcFeedbacks: [21, 9],
        ssrcNum: 2,
        brMantissa: 187_500,
        brExp: 3,
      }),
    }).serialize(),
  ]);
  assert.deepEqual(read(bytes), {
    ok: true,
    seen: [
      `sr 11 ${0x83aa7e80} ${0x80000000} 90000 7 8400`,
      `block 12 13 64 5 65540 9 ${0x7e808000} 65536`,
      "nack 21 65534,65535,3",
      "pli 22",
      "remb 1500000 21,9",
    ],
  });
});

Deno.test("RtcpWriter writes reports that another implementation understands", () => {
  const writer = new RtcpWriter();
  const block = new ReportBlock();
  block.ssrc = 13;
  block.fractionLost = 64;
  block.cumulativeLost = 5;
  block.highestSequence = 65_540;
  block.jitter = 9;
  block.lastSenderReport = 0x7e808000;
  block.delaySinceLastSenderReport = 65_536;
  writer.senderReport(11, 0x83aa7e80, 1, 90_000, 7, 8_400);
  writer.sourceDescription(11, "PA_x|TR_y", "3");
  writer.receiverReport(12, block);
  const parsed = RtcpPacketConverter.deSerialize(Buffer.from(written(writer)));
  const [sr, sdes, rr] = parsed as [RtcpSrPacket, RtcpSourceDescriptionPacket, RtcpRrPacket];
  assert.equal(sr.ssrc, 11);
  assert.equal(sr.senderInfo.ntpTimestamp, (0x83aa7e80n << 32n) | 1n);
  assert.equal(sr.senderInfo.packetCount, 7);
  assert.equal(sdes.chunks[0]!.source, 11);
  assert.equal(sdes.chunks[0]!.items[0]!.text, "PA_x|TR_y");
  assert.equal(rr.reports[0]!.ssrc, 13);
  assert.equal(rr.reports[0]!.packetsLost, 5);
  assert.equal(rr.reports[0]!.dlsr, 65_536);
});

Deno.test("RtcpWriter.nack() and RtcpReader agree across the sequence number wrap", () => {
  const writer = new RtcpWriter();
  const numbers = Uint16Array.of(65_530, 65_535, 0, 10, 11, 500);
  writer.nack(1, 21, numbers, numbers.length);
  writer.pictureLoss(1, 22);
  writer.delaySinceReceiverReport(1, 2, 3, 4);
  assert.deepEqual(read(written(writer)), {
    ok: true,
    seen: ["nack 21 65530,65535,0,10,11,500", "pli 22", "dlrr 2 3 4"],
  });
});

Deno.test("RtcpReader.read() takes one reference time of an extended report, and each answer in it", () => {
  // RFC 3611 §4.4 and §4.5, by hand: two reference times, two answers and half of a third.
  const words = [
    [0x80cf0000 | 16, 0xaabbccdd],
    [0x04000002, 100, 200],
    [0x04000002, 101, 201],
    [0x05000008, 1, 0x7e808000, 65_536, 2, 3, 4, 5, 6],
  ].flat();
  const bytes = new Uint8Array(words.length * 4);
  words.forEach((word, i) => new DataView(bytes.buffer).setUint32(4 * i, word));
  new DataView(bytes.buffer).setUint16(2, words.length - 1);
  assert.deepEqual(read(bytes), {
    ok: true,
    seen: [`rrt ${0xaabbccdd} 100 200`, `dlrr 1 ${0x7e808000} 65536`, "dlrr 2 3 4"],
  });
});

Deno.test("RtcpWriter.receiverReferenceTime() is what RtcpReader reads", () => {
  const writer = new RtcpWriter();
  writer.receiverReferenceTime(1, 0xfedcba98, 0x87654321);
  assert.deepEqual(read(written(writer)).seen, [`rrt 1 ${0xfedcba98} ${0x87654321}`]);
});

Deno.test("RtcpReader.read() sign-extends the cumulative loss of a report block", () => {
  const writer = new RtcpWriter();
  const block = new ReportBlock();
  block.ssrc = 5;
  block.cumulativeLost = -3;
  writer.receiverReport(4, block);
  assert.deepEqual(read(written(writer)).seen, ["block 4 5 0 -3 0 0 0 0"]);
});

Deno.test("RtcpReader.read() reads every entry of a full intra request and a goodbye", () => {
  // deno-fmt-ignore
  const bytes = Uint8Array.of(
    0x84, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 10, 2, 0, 0, 0,
    0x82, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8,
  );
  assert.deepEqual(read(bytes), { ok: true, seen: ["fir 9", "fir 10", "bye 7", "bye 8"] });
});

Deno.test("RtcpWriter refuses what does not fit and leaves the compound as it was", () => {
  const writer = new RtcpWriter();
  let fitted = 0;
  while (writer.pictureLoss(1, 2)) fitted++;
  assert.equal(fitted, 100);
  assert.equal(writer.length, 1200);
  assert.equal(read(written(writer)).seen.length, 100);
});

Deno.test("RtcpWriter.transportFeedback() writes a packet of the draft, if any would fit", () => {
  const feedback = new TransportFeedback();
  feedback.baseSequence = 10;
  feedback.referenceTime = 0x123456;
  feedback.feedbackCount = 200;
  feedback.statusCount = 3;
  feedback.deltas.set([4, NOT_RECEIVED, 8]);
  const writer = new RtcpWriter(MAX_FEEDBACK_PACKET_BYTES);
  assert.equal(writer.transportFeedback(1, 0xcafe, feedback), true);
  // deno-fmt-ignore
  assert.deepEqual([...written(writer)], [
    0x80 | 15, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0xca, 0xfe, // format 15, six words; the two SSRCs
    0, 10, 0, 3, 0x12, 0x34, 0x56, 200,
    0x80 | 0x28, 0x00, 4, 8, // one-bit vector 101…, and two deltas
  ]);
  const before = written(writer).slice();
  assert.equal(writer.transportFeedback(1, 0xcafe, feedback), false);
  assert.deepEqual(written(writer), before);
  assert.equal(new RtcpWriter().transportFeedback(1, 0xcafe, feedback), false);
});
