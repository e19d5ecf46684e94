/**
 * Reading what an engine says in RTCP and writing what a client says, through werift's parsers.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  GenericNack,
  PictureLossIndication,
  type RtcpPacket,
  RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpRrPacket,
  RtcpSenderInfo,
  RtcpSrPacket,
  RtcpTransportLayerFeedback,
  RunLengthChunk,
  TransportWideCC,
} from "werift";

/** All packets of all compounds, in order. */
function rtcpPackets(compounds: readonly Uint8Array[]): RtcpPacket[] {
  return compounds.flatMap((bytes) => RtcpPacketConverter.deSerialize(Buffer.from(bytes)));
}

/** Sequence numbers asked for again, by media SSRC. */
export function nackedNumbers(compounds: readonly Uint8Array[], ssrc: number): number[] {
  return rtcpPackets(compounds).flatMap((packet) =>
    packet instanceof RtcpTransportLayerFeedback && packet.feedback instanceof GenericNack &&
      packet.feedback.mediaSourceSsrc === ssrc
      ? packet.feedback.lost
      : []
  );
}

/** How many key frames were asked for on `ssrc`. */
export function pictureLosses(compounds: readonly Uint8Array[], ssrc: number): number {
  return rtcpPackets(compounds).filter((packet) =>
    packet instanceof RtcpPayloadSpecificFeedback &&
    packet.feedback instanceof PictureLossIndication &&
    packet.feedback.mediaSsrc === ssrc
  ).length;
}

/** The sender reports for `ssrc`. */
export function senderReports(compounds: readonly Uint8Array[], ssrc: number): RtcpSrPacket[] {
  return rtcpPackets(compounds).filter((packet) => packet instanceof RtcpSrPacket)
    .filter((report) => report.ssrc === ssrc);
}

/** Report blocks about `ssrc`, in receiver reports. */
export function receptionReports(
  compounds: readonly Uint8Array[],
  ssrc: number,
): RtcpRrPacket["reports"] {
  return rtcpPackets(compounds).flatMap((packet) =>
    packet instanceof RtcpRrPacket ? packet.reports.filter((block) => block.ssrc === ssrc) : []
  );
}

/**
 * Transport-wide numbers reported so far. Statuses are read from the chunks here, because werift's
 * own summary of them goes wrong where the numbers wrap.
 */
export function transportWideReports(
  compounds: readonly Uint8Array[],
): { received: Set<number>; lost: Set<number> } {
  const received = new Set<number>();
  const lost = new Set<number>();
  for (const packet of rtcpPackets(compounds)) {
    if (!(packet instanceof RtcpTransportLayerFeedback)) continue;
    if (!(packet.feedback instanceof TransportWideCC)) continue;
    const { baseSequenceNumber, packetChunks, packetStatusCount } = packet.feedback;
    const statuses = packetChunks.flatMap((chunk) =>
      chunk instanceof RunLengthChunk
        ? new Array<number>(chunk.runLength).fill(chunk.packetStatus)
        : chunk.symbolList
    );
    statuses.slice(0, packetStatusCount).forEach((status, i) => {
      (status === 0 ? lost : received).add((baseSequenceNumber + i) & 0xffff);
    });
  }
  for (const number of received) lost.delete(number);
  return { received, lost };
}

/** A generic NACK for one packet. */
export function nackFor(mediaSsrc: number, sequenceNumber: number): Uint8Array {
  const feedback = new GenericNack({
    senderSsrc: 1,
    mediaSourceSsrc: mediaSsrc,
    lost: [sequenceNumber],
  });
  return new Uint8Array(new RtcpTransportLayerFeedback({ feedback }).serialize());
}

/** A PLI. */
export function pictureLossFor(mediaSsrc: number): Uint8Array {
  const feedback = new PictureLossIndication({ senderSsrc: 1, mediaSsrc });
  return new Uint8Array(new RtcpPayloadSpecificFeedback({ feedback }).serialize());
}

/** A sender report without report blocks. `ntp` is 32.32 fixed-point seconds. */
export function senderReportOf(ssrc: number, ntp: bigint, rtpTimestamp: number): Uint8Array {
  const senderInfo = new RtcpSenderInfo({
    ntpTimestamp: ntp,
    rtpTimestamp,
    packetCount: 1,
    octetCount: 1,
  });
  return new Uint8Array(new RtcpSrPacket({ ssrc, senderInfo, reports: [] }).serialize());
}
