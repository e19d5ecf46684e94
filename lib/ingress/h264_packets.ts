/**
 * H.264 pictures as RTP (RFC 6184 §5.6 to §5.8, packetization mode 1). The parameter sets go before
 * each key frame: whoever joins has heard nothing before.
 *
 * @module
 */
import { MAX_PAYLOAD_BYTES } from "./made_packets.ts";

const KIND = { sps: 7, pps: 8, delimiter: 9, filler: 12, stapA: 24, fuA: 28 } as const;

/** Payloads of one picture, in order, each as parts to be joined; none if nothing is left of it. */
export function h264Payloads(
  units: readonly Uint8Array[],
  isKey: boolean,
  sets: readonly Uint8Array[],
): readonly (readonly Uint8Array[])[] {
  const payloads: (readonly Uint8Array[])[] = [];
  const inside = units.filter((unit) => isSet(unit));
  if (isKey) putSets(inside.length > 0 ? withMissing(inside, sets) : sets, payloads);
  for (const unit of units) {
    const kind = unit[0]! & 0x1f;
    if (isSet(unit) || kind === KIND.delimiter || kind === KIND.filler) continue;
    putUnit(unit, payloads);
  }
  return payloads;
}

function isSet(unit: Uint8Array): boolean {
  const kind = unit[0]! & 0x1f;
  return kind === KIND.sps || kind === KIND.pps;
}

/** Those of the picture itself win; of a kind that it lacks, the configuration's are taken. */
function withMissing(
  inside: readonly Uint8Array[],
  sets: readonly Uint8Array[],
): readonly Uint8Array[] {
  const kinds = new Set(inside.map((unit) => unit[0]! & 0x1f));
  return [...sets.filter((unit) => !kinds.has(unit[0]! & 0x1f)), ...inside];
}

/** In one packet where they fit, which is always (§5.7.1). */
function putSets(
  sets: readonly Uint8Array[],
  payloads: (readonly Uint8Array[])[],
): void {
  const total = sets.reduce((sum, { length }) => sum + 2 + length, 1);
  if (total > MAX_PAYLOAD_BYTES || sets.length < 2) {
    for (const unit of sets) putUnit(unit, payloads);
    return;
  }
  const parts = [Uint8Array.of(KIND.stapA | highestNri(sets))];
  for (const unit of sets) {
    parts.push(
      Uint8Array.of(unit.length >> 8, unit.length & 0xff),
      unit as Uint8Array<ArrayBuffer>,
    );
  }
  payloads.push(parts);
}

function highestNri(units: readonly Uint8Array[]): number {
  return units.reduce((nri, unit) => Math.max(nri, unit[0]! & 0x60), 0);
}

/** Whole, or in fragments (§5.8). */
function putUnit(unit: Uint8Array, payloads: (readonly Uint8Array[])[]): void {
  if (unit.length <= MAX_PAYLOAD_BYTES) {
    payloads.push([unit]);
    return;
  }
  const head = unit[0]!;
  const most = MAX_PAYLOAD_BYTES - 2;
  for (let from = 1; from < unit.length; from += most) {
    const isFirst = from === 1;
    const isLast = from + most >= unit.length;
    const flags = (isFirst ? 0x80 : 0) | (isLast ? 0x40 : 0);
    payloads.push([
      Uint8Array.of((head & 0xe0) | KIND.fuA, flags | (head & 0x1f)),
      unit.subarray(from, from + most),
    ]);
  }
}
