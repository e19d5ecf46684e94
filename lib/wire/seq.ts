/**
 * Wrapping counters are extended once, at the door: 16-bit RTP sequence numbers become
 * plain numbers that never wrap (exact to 2^53), and nothing inside knows 16 bits.
 *
 * @module
 */
import type { Brand } from "../base/ids.ts";

/** An extended RTP sequence number: the wire's 16 bits are its low 16 bits. */
export type ExtSeq = Brand<number, "ExtSeq">;

/**
 * Extends `wire` to the value nearest to `reference` (RFC 3711 §3.3.1 and RFC 3550 A.1 make the
 * same choice: less than half the range away).
 *
 * @param wire The 16-bit number from the packet.
 * @param reference Any extended number seen recently, usually the highest.
 */
export function extendSeq(wire: number, reference: ExtSeq): ExtSeq {
  let delta = (wire - reference) & 0xffff;
  if (delta >= 0x8000) delta -= 0x10000;
  return (reference + delta) as ExtSeq;
}
