/**
 * Frames cut into RTP payloads as the codecs' payload formats say: independent writers for tests of
 * what puts them together again.
 *
 * @module
 */
import { BitWriter } from "./bit_writer.ts";

/** Pieces of at most `most` bytes. */
function cut(bytes: Uint8Array, most: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += most) pieces.push(bytes.subarray(at, at + most));
  return pieces;
}

const bytesOf = (...parts: readonly (readonly number[] | Uint8Array)[]) =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** A VP8 frame that begins as a key frame of that size does, or as another. */
export function vp8Frame(isKey: boolean, width: number, height: number, rest: Uint8Array) {
  const head = isKey
    ? [0x10, 2, 0, 0x9d, 0x01, 0x2a, width & 0xff, width >> 8, height & 0xff, height >> 8]
    : [0x11, 2, 0];
  return bytesOf(head, rest);
}

/** RFC 7741 §4.2 without the optional fields. */
export function vp8Payloads(frame: Uint8Array, most: number): Uint8Array[] {
  return cut(frame, most).map((piece, i) => bytesOf([i === 0 ? 0x10 : 0], piece));
}

/** An uncompressed header of a key frame of profile 0 of that size (VP9 §6.2), and what follows. */
export function vp9KeyFrame(width: number, height: number, rest: Uint8Array): Uint8Array {
  const head = new BitWriter().write(0b10_0000_10, 8).write(0x498342, 24).write(0b001_0, 4)
    .write(width - 1, 16).write(height - 1, 16);
  return bytesOf(head.bytes, rest);
}

/** RFC 9628 §4.2, non-flexible mode: one spatial layer's frame of a picture. */
export function vp9Payloads(
  frame: Uint8Array,
  most: number,
  { spatialId, isInter }: { readonly spatialId: number; readonly isInter: boolean },
): Uint8Array[] {
  const pieces = cut(frame, most);
  return pieces.map((piece, i) => {
    const flags = 0xa0 | (isInter ? 0x40 : 0) | (i === 0 ? 0x08 : 0) |
      (i === pieces.length - 1 ? 0x04 : 0);
    const layer = (spatialId << 1) | (spatialId > 0 ? 1 : 0);
    return bytesOf([flags, 0x81, 0x23, layer, 7], piece);
  });
}

/** RFC 6184: small units together in one STAP-A, large ones in FU-A. */
export function h264Payloads(units: readonly Uint8Array[], most: number): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  const small = units.filter((unit) => unit.length < most / units.length);
  if (small.length > 1) {
    const parts = small.map((unit) => bytesOf([unit.length >> 8, unit.length & 0xff], unit));
    payloads.push(bytesOf([0x78], ...parts));
  }
  for (const unit of units) {
    if (small.length > 1 && small.includes(unit)) continue;
    if (unit.length <= most) {
      payloads.push(unit);
      continue;
    }
    const pieces = cut(unit.subarray(1), most - 2);
    pieces.forEach((piece, i) => {
      const edge = (i === 0 ? 0x80 : 0) | (i === pieces.length - 1 ? 0x40 : 0);
      payloads.push(bytesOf([(unit[0]! & 0xe0) | 28, edge | (unit[0]! & 0x1f)], piece));
    });
  }
  return payloads;
}

/**
 * RTP payload format for AV1, §4: units without sizes in them, each cut where a payload is full,
 * every one with its length before it.
 */
export function av1Payloads(units: readonly Uint8Array[], most: number, isKey: boolean) {
  const payloads: Uint8Array[] = [];
  units.forEach((unit, index) => {
    const pieces = cut(unit, most);
    pieces.forEach((piece, i) => {
      const head = (i > 0 ? 0x80 : 0) | (i < pieces.length - 1 ? 0x40 : 0) |
        (isKey && index === 0 && i === 0 ? 0x08 : 0);
      payloads.push(bytesOf([head], leb128(piece.length), piece));
    });
  });
  return payloads;
}

export function leb128(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb128(value >> 7)];
}
