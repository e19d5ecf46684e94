/**
 * Redundant audio payloads (RFC 2198) written from frames, for tests.
 *
 * @module
 */

/** A copy of an earlier frame. */
export interface FrameCopy {
  /** RTP clock units. */
  readonly age: number;
  readonly frame: readonly number[];
}

/** @param copies The newest first. */
export function redundantPayload(
  frame: readonly number[],
  copies: readonly FrameCopy[] = [],
  payloadType = 111,
): Uint8Array {
  const oldestFirst = copies.toReversed();
  return Uint8Array.from([
    ...oldestFirst.flatMap(({ age, frame: { length } }) => [
      0x80 | payloadType,
      age >> 6,
      ((age & 0x3f) << 2) | (length >> 8),
      length & 0xff,
    ]),
    payloadType,
    ...oldestFirst.flatMap((copy) => copy.frame),
    ...frame,
  ]);
}
