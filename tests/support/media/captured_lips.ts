/**
 * Which instant what a subscriber got was captured at, and which its sender reports put it at: out
 * of packet captures of the publisher and of the subscriber. The truth is what the publisher itself
 * reports of its streams; what receivers hold plays no part in it.
 *
 * @module
 */
import type { MediaKind } from "../../../lib/base/media_vocabulary.ts";
import { NtpEstimate } from "../wire/ntp_estimate.ts";
import {
  type CapturedMedia,
  capturedMedia,
  type CapturedPacket,
  type CapturedReport,
} from "./captured_media.ts";
import type { ReadCapture } from "./pcapng_reader.ts";

/** One packet that the subscriber got, once it had two reports. */
export interface LipReading {
  readonly kind: MediaKind;
  /** Unix time at which it left, ms. */
  readonly at: number;
  /** The publisher's stream. */
  readonly ssrc: number;
  /** How far from the publisher's own report the last one put it, ms; positive: later. */
  readonly byLast: number;
  /** How far a line through as many as libwebrtc looks at puts it from all of the publisher's. */
  readonly byLine: number;
}

const CLOCK_RATES = { audio: 48_000, video: 90_000 } as const;
/** Of a payload: behind what of it is written anew, and enough of it to know it again. */
const PAYLOAD_FROM = 10;
const PAYLOAD_LEAST = 24;
/** A packet of sound leaves at most so long after it has come, ms. */
const MOST_HELD_MS = 500;
/** The clocks of two captures differ by less, ms. */
const CLOCK_MS = 2;

/** All that the subscriber got of the publisher's one microphone and one camera. */
export function readLips(publisher: ReadCapture, subscriber: ReadCapture): LipReading[] {
  const published = capturedMedia(publisher, false);
  const sent = capturedMedia(subscriber, true);
  return (["audio", "video"] as const).flatMap((kind) => {
    const [came, left] = [published, sent].map(({ packets }) =>
      packets.filter((packet) => packet.kind === kind)
    ) as [CapturedPacket[], CapturedPacket[]];
    const sourceOf = kind === "video" ? byPayload(came) : byNumbers(came, left);
    return readKind(kind, left, sourceOf, published.reports, sent.reports);
  }).sort((a, b) => a.at - b.at);
}

function readKind(
  kind: MediaKind,
  left: readonly CapturedPacket[],
  sourceOf: (packet: CapturedPacket) => CapturedPacket | undefined,
  own: CapturedMedia["reports"],
  told: CapturedMedia["reports"],
): LipReading[] {
  const rate = CLOCK_RATES[kind];
  const readings: LipReading[] = [];
  const estimate = new NtpEstimate();
  let heard = 0;
  let last: CapturedReport | undefined;
  for (const packet of left) {
    const reports = told.get(packet.ssrc) ?? [];
    for (; heard < reports.length && reports[heard]!.at <= packet.at; heard++) {
      last = reports[heard]!;
      estimate.report(last.ntpMs, last.timestamp);
    }
    const source = estimate.isKnown ? sourceOf(packet) : undefined;
    const said = source && own.get(source.ssrc);
    if (last === undefined || source === undefined || said === undefined) continue;
    // What was known when our report left.
    const newest = said.findLast(({ at }) => at <= last!.at) ?? said[0]!;
    readings.push({
      kind,
      at: packet.at,
      ssrc: source.ssrc,
      byLast: instant(last, packet.timestamp, rate) - instant(newest, source.timestamp, rate),
      byLine: estimate.ntpMsOf(packet.timestamp) - average(said, source.timestamp, rate),
    });
  }
  return readings;
}

/** NTP ms of a timestamp by one report. */
function instant(report: CapturedReport, timestamp: number, rate: number): number {
  return report.ntpMs + ((timestamp - report.timestamp) | 0) * 1_000 / rate;
}

/** The same by all of them: the clocks of one machine run alike. */
function average(reports: readonly CapturedReport[], timestamp: number, rate: number): number {
  const [first] = reports.map((report) => instant(report, timestamp, rate)) as [number];
  const more = reports.reduce((sum, one) => sum + instant(one, timestamp, rate) - first, 0);
  return first + more / reports.length;
}

/** Of video there is enough of each payload to know it again; of two alike it is the newest. */
function byPayload(came: readonly CapturedPacket[]) {
  const key = ({ payload }: CapturedPacket) => payload.subarray(PAYLOAD_FROM).toHex();
  const found = Map.groupBy(came, key);
  return (packet: CapturedPacket) =>
    packet.payload.length < PAYLOAD_FROM + PAYLOAD_LEAST
      ? undefined
      : found.get(key(packet))?.findLast(({ at }) => at <= packet.at + CLOCK_MS);
}

/**
 * Of sound there is not, but it is numbered in its order: a packet that leaves is never newer than
 * the newest that has come, so the largest distance of their numbers is that of each.
 */
function byNumbers(came: readonly CapturedPacket[], left: readonly CapturedPacket[]) {
  const bySequence = new Map(came.map((packet) => [packet.sequence, packet]));
  let newest = -1;
  let most: number | undefined;
  for (const { at, sequence } of left) {
    while (newest + 1 < came.length && came[newest + 1]!.at <= at + CLOCK_MS) newest++;
    if (newest < 0) continue;
    const distance = sequence - came[newest]!.sequence;
    most ??= distance;
    most = Math.max(most, most + ((distance - most) << 16 >> 16));
  }
  return (packet: CapturedPacket) => {
    const source = bySequence.get((packet.sequence - (most ?? 0)) & 0xffff);
    return source && Math.abs(packet.at - source.at) <= MOST_HELD_MS ? source : undefined;
  };
}
