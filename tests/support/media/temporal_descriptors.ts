/**
 * Dependency descriptors of streams with three temporal layers and one spatial one, as libwebrtc
 * writes them for VP8: without chains, and each frame names what it refers to.
 *
 * @module
 */
import { BitWriter } from "./bit_writer.ts";

/** One frame as its descriptor has it. */
export interface TemporalFrame {
  /** Not wrapped. */
  readonly number: number;
  readonly t: number;
  readonly key: boolean;
  /** Numbers of the frames it needs, at most 256 before. */
  readonly refs: readonly number[];
}

/** Decode target indications by template (key frames, then T0, T1, T2) and target. */
const INDICATIONS = [[2, 2, 2], [2, 2, 2], [0, 1, 2], [0, 0, 1]] as const;

/** The descriptor of one packet of a frame. */
export function temporalDescriptor(
  { number, t, key, refs }: TemporalFrame,
  first = true,
  last = true,
  offset = 0,
): Uint8Array {
  const w = new BitWriter();
  const template = (offset + (key ? 0 : t + 1)) % 64;
  w.write(first ? 1 : 0, 1).write(last ? 1 : 0, 1).write(template, 6);
  w.write(number & 0xffff, 16);
  const structure = key && first;
  w.write(structure ? 1 : 0, 1).write(0, 2).write(1, 1).write(0, 1);
  if (structure) writeStructure(w, offset);
  for (const ref of refs) w.write(2, 2).write(number - ref - 1, 8);
  return w.write(0, 2).bytes;
}

/** AV1 RTP, appendix A.8.3: templates, targets, no references of their own, no chains, no sizes. */
function writeStructure(w: BitWriter, offset: number): void {
  w.write(offset, 6).write(3 - 1, 5);
  for (const next of [0, 1, 1, 3]) w.write(next, 2);
  for (const row of INDICATIONS) for (const value of row) w.write(value, 2);
  w.write(0, 4).write(0, 2).write(0, 1);
}
